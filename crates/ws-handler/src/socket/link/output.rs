//! Writing what is queued: as much as the stream takes, in as few calls as possible.
//!
//! Not here: what is queued and in which order (`ws_proto::SendPath`), payloads that stay with the caller (`send`).

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::AsyncWrite;
use ws_proto::{Initiator, SendPath, UseError};

use super::{Cause, Link};
use crate::io::end_follows;
use crate::socket::error::{Lost, SocketError};
use crate::socket::pool;
use crate::socket::signal::Signal;

/// Slices in one vectored write: small frames share one, so more are rarely there.
const SLICES: usize = 16;

/// Writes from the queue, then from `payload`, once.
pub(super) fn poll_write<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    cx: &mut Context<'_>,
    send: &SendPath,
    payload: &[u8],
) -> Poll<io::Result<usize>> {
    // One piece: a plain write tells tokio more about readiness than a vectored one.
    if let Some(only) = only_piece(send, payload) {
        return Poll::Ready(taken(ready!(Pin::new(io).poll_write(cx, only))?));
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut filled = send.chunks_vectored(&mut slices);
    // A slot is left only when the whole queue is in the others, so the payload overtakes nothing.
    if let (Some(slot), false) = (slices.get_mut(filled), payload.is_empty()) {
        *slot = IoSlice::new(payload);
        filled += 1;
    }
    let slices = slices.get(..filled).unwrap_or_default();
    Poll::Ready(taken(ready!(Pin::new(io).poll_write_vectored(cx, slices))?))
}

/// The same for the last of a stream, whose end follows at once.
fn poll_write_last<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    cx: &mut Context<'_>,
    send: &SendPath,
) -> Poll<io::Result<usize>> {
    match only_piece(send, &[]) {
        Some(only) => {
            let slices = [IoSlice::new(only), end_follows()];
            Poll::Ready(taken(ready!(Pin::new(io).poll_write_vectored(cx, &slices))?))
        }
        None => poll_write(io, cx, send, &[]),
    }
}

/// What there is to write, if it lies in one piece.
fn only_piece<'a>(send: &'a SendPath, payload: &'a [u8]) -> Option<&'a [u8]> {
    let first = send.chunk();
    match (first.is_empty(), payload.is_empty()) {
        (true, _) => Some(payload),
        (false, true) if first.len() == send.remaining() => Some(first),
        _ => None,
    }
}

/// A stream that takes nothing is broken.
fn taken(written: usize) -> io::Result<usize> {
    if written == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(written)
}

impl<IO> Link<IO> {
    /// The stream failed: forgets what is queued. Nothing is wrong if the closing handshake has come so far that
    /// the end is known anyway.
    pub(super) fn lose(&mut self, error: io::Error) {
        self.end_as(Cause::Io(Arc::new(error)), Initiator::Remote);
    }

    /// Gives the connection up without any goodbye.
    pub(super) fn give_up(&mut self, lost: Lost) {
        self.give_up_as(lost, Initiator::Local);
    }

    pub(super) fn give_up_as(&mut self, lost: Lost, who: Initiator) {
        self.end_as(Cause::Lost(lost), who);
    }

    fn end_as(&mut self, cause: Cause, who: Initiator) {
        if self.send.close_reason().is_none() && self.cause.is_none() {
            self.cause = Some(Box::new(cause));
        }
        self.tcp.handle_lost(&mut self.send, who);
    }

    /// The error that a lost connection has for everybody who still tries.
    pub(super) fn lost_error(&self) -> SocketError {
        match &self.cause {
            Some(cause) => Cause::clone(cause).into(),
            None => UseError::Closed.into(),
        }
    }
}

impl<IO: AsyncWrite + Unpin> Link<IO> {
    /// Writes until nothing is queued or the stream takes no more. Does not wait: see `park_output`.
    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ends = false;
        if self.send.has_output() {
            ends = self.tcp.ends_with_output(&self.send);
            ready!(self.poll_queue(cx, ends));
        }
        if self.flags.unflushed {
            match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
                Ok(()) => self.flags.unflushed = false,
                Err(error) => self.lose(error),
            }
        }
        if ends {
            // Not only when the connection is polled for its end: a callback may stand in between.
            let _unless_it_waits = self.poll_half_close(cx);
        }
        Poll::Ready(())
    }

    fn poll_queue(&mut self, cx: &mut Context<'_>, ends: bool) -> Poll<()> {
        if self.send.large_remaining() > 0 {
            // Whoever began this payload and still lived would write it or have queued its rest.
            self.give_up(Lost::SendForgotten);
            return Poll::Ready(());
        }
        let mut progress = false;
        while self.send.has_output() {
            let written = if ends {
                poll_write_last(&mut self.io, cx, &self.send)
            } else {
                poll_write(&mut self.io, cx, &self.send, &[])
            };
            match written {
                Poll::Ready(Ok(written)) => {
                    self.note_written(written);
                    progress = true;
                }
                Poll::Ready(Err(error)) => {
                    self.lose(error);
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    self.note_blocked(progress);
                    return Poll::Pending;
                }
            }
        }
        self.note_drained();
        Poll::Ready(())
    }

    /// The stream took some bytes.
    pub(super) fn note_written(&mut self, count: usize) {
        self.send.advance(count);
        self.flags.unflushed = true;
    }

    /// The stream takes no more for now.
    pub(super) fn note_blocked(&mut self, progress: bool) {
        self.send.set_blocked(true);
        self.flags.blocked = true;
        self.look_at_clock();
        if progress {
            self.timers.on_written();
        }
    }

    /// Everything is written.
    pub(super) fn note_drained(&mut self) {
        if self.flags.blocked {
            self.flags.blocked = false;
            // Ends the wait for progress, so that the next one begins anew.
            self.look_at_clock();
            self.timers.follow_output(&self.send, &self.tcp);
        }
        if !self.flags.borrows {
            if let Some(memory) = self.send.detach() {
                pool::give_send(memory);
            }
        }
    }

    /// Writes until nothing is queued, and waits for that.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.poll_until(cx, |_| false)
    }

    /// Waits until the queue is not above its soft limit, writing as much as the stream takes. Writes nothing if it is
    /// not.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if !self.send.above_soft_limit() {
            return Poll::Ready(self.check());
        }
        self.poll_until(cx, |send| !send.above_soft_limit())
    }

    /// Writes as much as the stream takes now. What is left is written when something is polled after `cx` was woken.
    pub(crate) fn write_now(&mut self, cx: &mut Context<'_>) -> Result<(), SocketError> {
        loop {
            self.check()?;
            if self.poll_output(cx).is_ready() || self.park_output(cx) {
                return self.check();
            }
        }
    }

    fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        enough: impl Fn(&SendPath) -> bool,
    ) -> Poll<Result<(), SocketError>> {
        loop {
            self.check()?;
            if self.poll_output(cx).is_ready() || enough(&self.send) {
                return Poll::Ready(self.check());
            }
            if self.park_output(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Prepares to wait for output; `false` when there is something to do at once.
    pub(super) fn park_output(&mut self, cx: &Context<'_>) -> bool {
        if self.take_ring() {
            self.run_output_timers();
            return false;
        }
        if self.signal.peek(Signal::KILL) != 0 {
            self.give_up(Lost::Dropped);
            return false;
        }
        // A callback that waits for room waits as long as the peer likes.
        self.send.end_turn();
        self.arm_output();
        self.listen(cx.waker());
        self.signal.peek(Signal::DEADLINE | Signal::KILL) == 0
    }

    /// Writes until nothing is queued. Cancel safe: what is not written stays queued.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), SocketError>> + use<'_, IO> {
        std::future::poll_fn(move |cx| self.poll_flush(cx))
    }
}
