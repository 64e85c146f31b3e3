//! A connection that waited and was woken to write only, as by a topic: nothing is borrowed and nothing is asked that
//! reading alone could have changed.
//!
//! Not here: what every other wake does (`wake`).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_proto::ReceivePath;

use super::Link;
use crate::socket::input::ReadBuffer;
use crate::socket::pool::SMALL_READ_BUFFER;

/// How much is read at first: a few messages as people type them. It lies on the stack.
const GLANCE: usize = 1024;
const _: () = assert!(GLANCE <= SMALL_READ_BUFFER, "a glance fits into any buffer");

impl<IO> Link<IO> {
    /// Something is to be written, and nothing was read or borrowed since the connection waited for input.
    pub(super) fn is_written_to(&self, buffer: &ReadBuffer) -> bool {
        self.send.has_output() && self.turn.is_new() && !buffer.holds_memory()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// Reads once, when most likely there is nothing to read: memory is borrowed only if there is.
    pub(super) fn poll_glance(
        &mut self,
        cx: &mut Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        let mut room = [const { MaybeUninit::uninit() }; GLANCE];
        let mut space = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut space))?;
        let bytes = space.filled();
        if !bytes.is_empty() {
            self.borrow_memory(receive, buffer);
            buffer.space(bytes.len()).copy_from_slice(bytes);
            buffer.filled(bytes.len());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// Prepares to wait again after a glance that saw nothing: what was received is as it was, so its memory, its
    /// account and its timers are. `false` when there is something to do at once.
    pub(super) fn park_again(&mut self, cx: &Context<'_>) -> bool {
        self.arm_sent();
        self.listen(cx.waker());
        self.signal.peek(u8::MAX) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Duration;

    use ws_proto::{Config, Event, PreparedMessage, Role, SendPath};

    use super::super::Wake;
    use super::*;
    use crate::socket::pool;
    use crate::socket::signal::Signal;

    /// Notes how many read buffers are out at each read, and what was written.
    #[derive(Default)]
    struct Probe {
        input: Vec<u8>,
        lent: Vec<usize>,
        written: Vec<u8>,
        blocked: bool,
    }

    impl AsyncRead for Probe {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            space: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.lent.push(pool::lent_chunks());
            if self.input.is_empty() {
                return Poll::Pending;
            }
            let count = space.remaining().min(self.input.len());
            let bytes: Vec<u8> = self.input.drain(..count).collect();
            space.put_slice(&bytes);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Probe {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.blocked {
                return Poll::Pending;
            }
            self.written.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn who_is_woken_to_write_borrows_nothing_unless_something_came_too() {
        let config = Arc::new(Config::server());
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut buffer = ReadBuffer::new();
        let mut link = Link::new(
            Probe::default(),
            SendPath::server(config),
            Arc::new(Signal::new()),
        );
        let mut cx = Context::from_waker(Waker::noop());
        assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
        let tea = PreparedMessage::text("tea");
        for _ in 0..2 {
            link.io.lent.clear();
            link.prepared(&tea).unwrap();
            assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
            assert_eq!(link.io.lent, [0]);
            assert!(!link.holds_memory() && !buffer.holds_memory());
        }
        assert_eq!(link.io.written, b"\x81\x03tea\x81\x03tea");

        // A message that is longer than a glance, masked with zeros (RFC 6455 §5.2), in two parts.
        let mut wire = b"\x82\xfe\x0b\xb8\0\0\0\0".to_vec();
        wire.extend([7; 3000]);
        link.io.lent.clear();
        link.io.input = wire.drain(..2000).collect();
        link.prepared(&tea).unwrap();
        for expected in [2000 - GLANCE, 0] {
            let wake = link.poll_wake(&mut cx, &mut receive, &mut buffer);
            assert!(matches!(wake, Poll::Ready(Wake::Data)), "{wake:?}");
            assert_eq!(link.io.input.len(), expected);
            assert_eq!(buffer.next_event(&mut receive), Ok(None));
        }
        assert_eq!(link.io.lent, [0, 1]);
        assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
        link.io.input = wire;
        link.prepared(&tea).unwrap();
        assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_ready());
        assert_eq!(
            buffer.next_event(&mut receive),
            Ok(Some(Event::Binary(&[7; 3000])))
        );
        link.handle_data();
        assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
        assert!(!link.holds_memory() && !buffer.holds_memory());
        assert_eq!(pool::lent_chunks(), 0);
    }

    /// While output waits the peer is not late, so its half message is looked after only when that is written.
    #[tokio::test(start_paused = true)]
    async fn half_a_message_from_before_a_blocked_write_is_not_forgotten() {
        let mut config = Config::server();
        let patience = Duration::from_secs(10);
        config.timeouts.unfinished_message = Some(patience);
        config.limits.soft_queue = 10;
        let config = Arc::new(config);
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut buffer = ReadBuffer::new();
        let signal = Arc::new(Signal::new());
        let mut link = Link::new(Probe::default(), SendPath::server(config), Arc::clone(&signal));
        let mut cx = Context::from_waker(Waker::noop());
        link.io.input = b"\x81\x85\0\0\0\0Hel".to_vec();
        assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_ready());
        assert_eq!(buffer.next_event(&mut receive), Ok(None));
        link.prepared(&PreparedMessage::binary(&[0; 100])).unwrap();
        link.io.blocked = true;
        assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
        link.io.blocked = false;
        signal.raise(Signal::MAIL);
        let wake = link.poll_wake(&mut cx, &mut receive, &mut buffer);
        assert!(matches!(wake, Poll::Ready(Wake::Mail)), "{wake:?}");
        for _ in 0..2 {
            link.prepared(&PreparedMessage::text("tea")).unwrap();
            assert!(link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending());
        }
        tokio::time::sleep(patience + Duration::from_secs(1)).await;
        let wake = link.poll_wake(&mut cx, &mut receive, &mut buffer);
        assert!(matches!(wake, Poll::Ready(Wake::Failed(_))), "{wake:?}");
    }
}
