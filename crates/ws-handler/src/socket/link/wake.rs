//! The heart of a connection: write, read once, look after time and signals, wait.
//!
//! Not here: parsing what was read (`ReadBuffer::next_event`) and answering it (the caller).

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use ws_proto::{CloseCode, CloseState, Event, Initiator, ProtocolError, ReceiveMemory, ReceivePath};

use super::{Link, Reading};
use crate::hits::Limit;
use crate::socket::error::{Lost, SocketError};
use crate::socket::input::ReadBuffer;
use crate::socket::large;
use crate::socket::line;
use crate::socket::pool;
use crate::socket::signal::Signal;

/// Why [`Link::poll_wake`] returned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Wake {
    /// Bytes arrived: take events with [`ReadBuffer::next_event`] until there is none, then wake again.
    Data,
    /// [`Signal::MAIL`] was raised.
    Mail,
    /// [`Signal::STOP`] was raised: a Close frame with 1001 (or 1012) is queued. Go on until `Finished` or `Lost`.
    Stop,
    /// The peer broke a rule that only time shows; its Close frame is queued. Go on until `Finished` or `Lost`.
    Failed(ProtocolError),
    /// The connection is over and the stream can be dropped: the closing handshake is done, or the connection was
    /// failed. Nothing else comes after this.
    Finished,
    /// The connection was lost without a closing handshake (1006). Nothing but `Finished` comes after this.
    Lost(SocketError),
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// Writes what is queued (one write for a whole batch), reads once, looks after timers and signals, and waits
    /// when there is nothing to do. While it waits, neither link nor read buffer holds memory for input or output,
    /// unless a message is half received or output could not be written.
    ///
    /// After 256 KiB (each message, ping and pong counts 256 bytes on top, each frame of a message 64, each byte that comes
    /// out of a compressed one 2) it is pending once though more has arrived, so that
    /// others on the same thread have their turn.
    ///
    /// While more output waits than the soft limit ([`Limits::soft_queue`](ws_proto::Limits::soft_queue), 64 KiB),
    /// nothing is read.
    pub fn poll_wake(
        &mut self,
        cx: &mut Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
    ) -> Poll<Wake> {
        if buffer.has_input() {
            return self.poll_rest(cx, receive);
        }
        loop {
            let written_to = self.is_written_to(buffer);
            // An error is remembered by the link and told at the end.
            let blocked = self.poll_output(cx).is_pending();
            let mut ending = false;
            if !self.is_calm() {
                if self.take_ring() {
                    self.run_output_timers();
                    continue;
                }
                if let Some(wake) = self.tell(receive) {
                    return Poll::Ready(wake);
                }
                ending = match self.poll_end(cx, buffer) {
                    Poll::Ready(true) => return Poll::Ready(self.tell_end(buffer)),
                    Poll::Ready(false) => false,
                    Poll::Pending => true,
                };
            }
            let reads = !ending && self.may_read(blocked);
            self.turn.on_work(receive.take_work());
            let glances = reads && written_to;
            if reads && self.turn.is_over() {
                return self.yield_turn(cx, receive, buffer);
            }
            if reads {
                let read = if glances {
                    self.poll_glance(cx, receive, buffer)
                } else {
                    self.poll_read(cx, receive, buffer)
                };
                match self.poll_input(read, receive) {
                    Poll::Ready(Some(wake)) => return Poll::Ready(wake),
                    Poll::Ready(None) => continue,
                    Poll::Pending => {}
                }
                // A task that has had its share of this turn is told "pending" although there may be bytes.
                if self.flags.rung && has_budget_remaining() {
                    self.run_timers(receive);
                    continue;
                }
            }
            let parked = if glances {
                self.park_again(cx)
            } else {
                self.park(cx, receive, buffer, reads || ending)
            };
            if parked {
                return Poll::Pending;
            }
        }
    }

    /// [`poll_wake`](Self::poll_wake) as a future. Cancel safe: nothing is lost if it is dropped.
    pub fn wake<'a>(
        &'a mut self,
        receive: &'a mut ReceivePath,
        buffer: &'a mut ReadBuffer,
    ) -> impl Future<Output = Wake> + use<'a, IO> {
        std::future::poll_fn(move |cx| self.poll_wake(cx, receive, buffer))
    }

    /// Runs the connection to its end without an endpoint: answers the peer's pings and Close frame, discards its
    /// data. Call [`close`](Self::close) or [`fail_with`](Self::fail_with) first; then it takes no longer than
    /// [`Timeouts::close`](ws_proto::Timeouts::close) and [`Timeouts::drain`](ws_proto::Timeouts::drain) together,
    /// and [`Timeouts::write_stall`](ws_proto::Timeouts::write_stall) before that if the peer does not read.
    ///
    /// Cancel safe: called again it goes on.
    pub async fn finish(&mut self, receive: &mut ReceivePath, buffer: &mut ReadBuffer) {
        loop {
            match self.wake(receive, buffer).await {
                Wake::Finished | Wake::Lost(_) => return,
                Wake::Data => answer(self, receive, buffer),
                Wake::Mail | Wake::Stop | Wake::Failed(_) => {}
            }
        }
    }

    /// Nothing but data can be the matter: no signal was raised, time has shown no fault, nobody closes.
    fn is_calm(&self) -> bool {
        self.signal.peek(u8::MAX) == 0 && self.fault.is_none() && self.is_open()
    }

    /// Whether the stream is to be read now.
    fn may_read(&self, blocked: bool) -> bool {
        if blocked && self.send.above_soft_limit() && self.flags.reading == Reading::Pauses {
            return false;
        }
        // After the peer's Close frame, or a broken rule, nothing that arrives counts.
        !self.send.has_failed() && matches!(self.send.state(), CloseState::Open | CloseState::CloseSent)
    }

    /// What signals and time have to say, one thing at a time.
    fn tell(&mut self, receive: &mut ReceivePath) -> Option<Wake> {
        if let Some(fault) = self.fault.take() {
            return Some(Wake::Failed(fault));
        }
        if self.signal.take(Signal::KILL) != 0 {
            receive.stop();
            self.give_up(Lost::Dropped);
            return None;
        }
        let stop = self.signal.take(Signal::STOP | Signal::RESTART);
        if stop & Signal::STOP != 0 && self.is_open() {
            // RFC 6455 §7.4.1: 1001 "indicates that an endpoint is "going away", such as a server going down".
            let restarts = stop & Signal::RESTART != 0;
            let code = if restarts {
                CloseCode::SERVICE_RESTART
            } else {
                CloseCode::GOING_AWAY
            };
            // Both may be sent, so it is not refused.
            let _ = self.close(code, "");
            return Some(Wake::Stop);
        }
        (self.signal.take(Signal::MAIL) != 0).then_some(Wake::Mail)
    }

    /// The stream can be dropped: says why once, then only that it is over.
    fn tell_end(&mut self, buffer: &mut ReadBuffer) -> Wake {
        buffer.release();
        self.entry.disarm(&self.signal);
        match &self.cause {
            Some(cause) if self.flags.reading != Reading::Told => {
                self.flags.reading = Reading::Told;
                Wake::Lost((**cause).clone().into())
            }
            _ => Wake::Finished,
        }
    }

    /// Takes note of what was read. `None`: no bytes came, but something changed.
    fn poll_input(&mut self, read: Poll<io::Result<usize>>, receive: &mut ReceivePath) -> Poll<Option<Wake>> {
        match ready!(read) {
            Ok(0) => {
                receive.stop();
                if self.send.close_reason().is_none() {
                    self.give_up_as(Lost::Eof, Initiator::Remote);
                } else {
                    self.tcp.handle_eof(&mut self.send);
                }
                Poll::Ready(None)
            }
            Ok(count) => {
                self.turn.on_received(count);
                self.look_at_clock();
                self.timers.on_received();
                Poll::Ready(Some(Wake::Data))
            }
            Err(error) => {
                receive.stop();
                self.lose(error);
                Poll::Ready(None)
            }
        }
    }

    /// Reads once: a large payload straight to where it is assembled, anything else into the buffer of the batch, which
    /// is so large that tokio learns from a read that left room that there is no more.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        if receive.is_large() {
            self.turn.on_large();
            if !self.flags.large {
                self.borrow_large(receive);
            }
        }
        if let Some(mut room) = receive.direct_room() {
            buffer.release();
            // The future of `read_buf` has no state, so it may be made anew for every poll.
            let count = ready!(pin!(self.io.read_buf(&mut room)).poll(cx))?;
            buffer.filled_direct(count);
            return Poll::Ready(Ok(count));
        }
        if !buffer.holds_memory() {
            self.borrow_memory(receive, buffer);
        }
        let mut space = ReadBuf::new(buffer.space(self.turn.most()));
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut space))?;
        let count = space.filled().len();
        buffer.filled(count);
        Poll::Ready(Ok(count))
    }

    /// Borrows what a batch needs from the pool: a buffer to read into, and what the paths work with. Kept until
    /// [`park`](Self::park).
    #[inline]
    pub(super) fn borrow_memory(&mut self, receive: &mut ReceivePath, buffer: &mut ReadBuffer) {
        let loan = pool::lend(receive.is_detached(), !self.send.has_memory());
        buffer.put(loan.chunk);
        // They are lent only to who has none, so nothing comes back.
        loan.receive.map(|memory| receive.attach(memory));
        loan.send.map(|memory| self.send.attach(memory));
        if receive.wants_buffer() {
            pool::take_buffer().map(|buffer| receive.attach_buffer(buffer));
        }
        self.flags.borrows = true;
    }

    /// Lets a large message that has begun to arrive go on in a buffer that need not grow, if there is one.
    #[cold]
    fn borrow_large(&mut self, receive: &mut ReceivePath) {
        if let Some(buffer) = large::take() {
            pool::give_buffer(receive.exchange(buffer));
            self.flags.large = true;
        }
    }

    /// There is more of what was read: goes on with it at once, or when others have had their turn. What has been queued
    /// is written before that, and only input keeps its memory.
    fn poll_rest(&mut self, cx: &mut Context<'_>, receive: &mut ReceivePath) -> Poll<Wake> {
        self.turn.on_work(receive.take_work());
        if !self.turn.is_over() {
            return Poll::Ready(Wake::Data);
        }
        // An error is remembered by the link and told at the end.
        let _ = self.poll_output(cx);
        pool::give_back(None, None, self.send.detach());
        self.turn.end();
        self.stand_in_line(cx)
    }

    /// Lets others have their turn: the task stands in line, without memory of the pool.
    fn yield_turn(
        &mut self,
        cx: &mut Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
    ) -> Poll<Wake> {
        self.give_memory_back(receive, buffer);
        self.stand_in_line(cx)
    }

    /// Waits until it is let in.
    fn stand_in_line(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        self.signal.count(Limit::Turn);
        self.turn.owe();
        if line::stand(cx.waker()) {
            return Poll::Pending;
        }
        // Not by waking the task: it would run again before the runtime has looked at other sockets. What tokio defers
        // runs after that look. The future need not live on: its first poll has handed the waker over.
        pin!(tokio::task::yield_now()).poll(cx).map(|()| Wake::Data)
    }

    #[inline]
    fn give_memory_back(&mut self, receive: &mut ReceivePath, buffer: &mut ReadBuffer) {
        self.turn.end();
        self.flags.borrows = false;
        let mut memory = receive.detach();
        if !matches!(&memory, Some(memory) if memory.capacity() <= pool::MAX_IDLE_CAPACITY) {
            if let Some(buffer) = gathered_in(memory.as_mut(), receive) {
                self.give_buffer_back(buffer);
            }
        }
        pool::give_back(buffer.take(), memory, self.send.detach());
        self.account(receive);
    }

    /// Takes the buffer in which messages were gathered from who kept it, or from memory in which it has grown large.
    fn give_buffer_back(&mut self, buffer: Vec<u8>) {
        let lent = std::mem::take(&mut self.flags.large);
        if lent || buffer.capacity() > pool::MAX_IDLE_CAPACITY {
            large::give_back(buffer, lent);
        } else {
            pool::give_buffer(buffer);
        }
    }

    /// Prepares to wait: gives all memory back, arms the next deadline, registers the task. `false` when there is
    /// something to do at once.
    fn park(
        &mut self,
        cx: &Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
        reads: bool,
    ) -> bool {
        self.give_memory_back(receive, buffer);
        if self.fault.is_some() {
            return false;
        }
        if reads {
            self.arm(receive);
        } else {
            self.turn.owe();
            self.arm_output();
        }
        self.listen(cx.waker());
        self.signal.peek(u8::MAX) == 0
    }
}

/// The buffer in which messages are gathered, if nothing is in it: out of memory that was given back, or of a path that
/// keeps the rest of its memory.
fn gathered_in(memory: Option<&mut ReceiveMemory>, receive: &mut ReceivePath) -> Option<Vec<u8>> {
    match memory {
        Some(memory) => Some(memory.take_buffer()),
        None => receive.detach_buffer(),
    }
}

/// Answers pings and the peer's Close frame, discards everything else.
fn answer<IO>(link: &mut Link<IO>, receive: &mut ReceivePath, buffer: &mut ReadBuffer) {
    loop {
        let fault = match buffer.next_event(receive) {
            Ok(None) => return,
            Ok(Some(Event::Ping(payload))) => link.handle_ping(payload).err(),
            Ok(Some(Event::Pong(payload))) => {
                link.handle_pong(payload);
                None
            }
            Ok(Some(Event::Close(close))) => {
                link.handle_close(close);
                None
            }
            Ok(Some(_)) => None,
            Err(error) => Some(error),
        };
        if let Some(fault) = fault {
            link.fail(fault);
            receive.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{self, Waker};

    use ws_proto::{Config, Role, SendPath};

    use super::*;

    struct Count(AtomicUsize);

    impl task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A connection may be polled by one task, then by another, and by the first again.
    #[tokio::test]
    async fn a_signal_wakes_who_polled_last() {
        let config = Arc::new(Config::server());
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut buffer = ReadBuffer::new();
        let signal = Arc::new(Signal::new());
        let (near, far) = tokio::io::duplex(64);
        let mut link = Link::new(near, SendPath::server(config), Arc::clone(&signal));
        let tasks = [(); 2].map(|()| Arc::new(Count(AtomicUsize::new(0))));
        let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::SeqCst));
        for (task, expected) in [(0, [1, 0]), (0, [2, 0]), (1, [2, 1]), (0, [3, 1]), (1, [3, 2])] {
            let waker = Waker::from(Arc::clone(&tasks[task]));
            let mut cx = Context::from_waker(&waker);
            assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
            signal.raise(Signal::MAIL);
            assert_eq!(woken(), expected);
            let wake = link.poll_wake(&mut cx, &mut receive, &mut buffer);
            assert!(matches!(wake, Poll::Ready(Wake::Mail)), "{wake:?}");
        }
        drop((link, far));
        // Its signal lives on in handles, and keeps no task.
        assert!(tasks.iter().all(|task| Arc::strong_count(task) == 1));
    }
}
