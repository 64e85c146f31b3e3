//! The end of the stream after the end of the WebSocket connection: half close, drain, drop.
//!
//! Not here: who does what and when (`ws_proto::TcpClosing`, RFC 6455 §7.1.1).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_proto::TcpAction;

use super::Link;
use crate::hits::Limit;
use crate::socket::input::ReadBuffer;
use crate::socket::signal::Signal;

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// Obeys the end of TCP as far as it has come. `Ready(true)`: the stream can be dropped. `Ready(false)`: the
    /// connection goes on.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuffer) -> Poll<bool> {
        loop {
            match self.tcp.poll(&self.send) {
                TcpAction::KeepOpen => return Poll::Ready(false),
                TcpAction::Drop => break,
                TcpAction::HalfClose => {
                    ready!(self.poll_half_close(cx));
                    self.tcp.handle_half_closed();
                }
                TcpAction::Drain => ready!(self.poll_discard(cx, buffer)),
            }
            if self.signal.peek(Signal::KILL) != 0 {
                break;
            }
        }
        // The stream is dropped with this link, which its owner may keep for long: so that the peer learns of the end
        // now, as far as that is possible without waiting.
        let _at_once = self.poll_half_close(cx);
        Poll::Ready(true)
    }

    /// Reads once and throws away.
    fn poll_discard(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuffer) -> Poll<()> {
        let mut space = ReadBuf::new(buffer.space(usize::MAX));
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, &mut space));
        match (result, space.filled().len()) {
            (Err(_), _) | (Ok(()), 0) => self.tcp.handle_eof(&mut self.send),
            (Ok(()), count) => {
                self.tcp.handle_discarded(count);
                if !self.tcp.is_draining() {
                    self.signal.count(Limit::Drain);
                }
            }
        }
        Poll::Ready(())
    }
}

impl<IO: AsyncWrite + Unpin> Link<IO> {
    /// Shuts the sending direction down, once. A stream that fails at that is as good as one that is shut down.
    pub(super) fn poll_half_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.flags.half_closed {
            let _failed = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            self.flags.half_closed = true;
        }
        Poll::Ready(())
    }
}
