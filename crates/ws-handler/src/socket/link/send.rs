//! A message on its way out, borrowed from the caller.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use ws_proto::{MessageKind, SendOptions};

use super::Link;
use super::output::poll_write;
use crate::socket::error::SocketError;

/// A message, or one frame of one, on its way out. Lazy: nothing happens before it is polled.
///
/// It first waits until the queue is not above its soft limit
/// ([`Limits::soft_queue`](ws_proto::Limits::soft_queue), 64 KiB). A payload below 16 KiB, and any payload of a client,
/// which has to mask, is then copied to the queue, and the future is ready. From 16 KiB on a server writes queue,
/// header and payload straight from where they lie, and the future is ready when all of it is written.
///
/// A message that is compressed is compressed whole, in one go, into the queue.
///
/// What is queued is written by the next [`Link::poll_wake`] or [`Link::flush`], so that everything one read brought
/// is answered in one write. A callback that sends and then waits for something else flushes in between.
///
/// Cancel safe: dropped while it waits for the queue, nothing of the message is sent; dropped later, the message is
/// sent whole, the rest of it from the queue.
#[must_use = "nothing is sent until the future is polled"]
pub struct SendData<'a, IO> {
    link: &'a mut Link<IO>,
    payload: &'a [u8],
    frame: Frame,
    options: SendOptions,
    begun: bool,
}

#[derive(Clone, Copy)]
enum Frame {
    Message(MessageKind),
    Fragment { kind: MessageKind, fin: bool },
}

impl<'a, IO> SendData<'a, IO> {
    pub(super) fn message(link: &'a mut Link<IO>, kind: MessageKind, payload: &'a [u8]) -> Self {
        Self {
            link,
            payload,
            frame: Frame::Message(kind),
            options: SendOptions::new(),
            begun: false,
        }
    }

    pub(super) fn fragment(link: &'a mut Link<IO>, kind: MessageKind, payload: &'a [u8], fin: bool) -> Self {
        Self {
            link,
            payload,
            frame: Frame::Fragment { kind, fin },
            options: SendOptions::new(),
            begun: false,
        }
    }

    /// The same with options, as not to compress this message.
    pub fn with_options(mut self, options: SendOptions) -> Self {
        self.options = options;
        self
    }

    /// Queues a small message that nothing stands against.
    #[inline]
    fn send_short(&mut self) -> bool {
        match self.frame {
            Frame::Message(kind) => self.link.send.short_message(kind, self.payload),
            Frame::Fragment { .. } => false,
        }
    }

    /// Queues the frame, or its header if the payload is large. `true`: all of it is queued.
    fn begin(&mut self) -> Result<bool, SocketError> {
        self.link.prepare();
        let send = &mut self.link.send;
        let lent = match self.frame {
            Frame::Message(kind) => send.begin_large(kind, self.payload, self.options)?,
            Frame::Fragment { kind, fin } => {
                send.begin_large_fragment(kind, self.payload, fin, self.options)?
            }
        };
        Ok(lent == 0)
    }

    /// The part of the payload that is neither written nor queued.
    fn rest(&self) -> &'a [u8] {
        let start = self
            .payload
            .len()
            .saturating_sub(self.link.send.large_remaining());
        self.payload.get(start..).unwrap_or_default()
    }
}

impl<IO: AsyncWrite + Unpin> SendData<'_, IO> {
    /// Writes queue and payload until the payload is out.
    fn poll_large(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let mut progress = false;
        loop {
            self.link.check()?;
            let rest = self.rest();
            if rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match poll_write(&mut self.link.io, cx, &self.link.send, rest) {
                Poll::Ready(Ok(count)) => {
                    self.link.note_written(count);
                    progress = true;
                }
                Poll::Ready(Err(error)) => self.link.lose(error),
                Poll::Pending => {
                    self.link.note_blocked(progress);
                    progress = false;
                    if self.link.park_output(cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> Future for SendData<'_, IO> {
    type Output = Result<(), SocketError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.begun {
            if this.send_short() {
                return Poll::Ready(Ok(()));
            }
            ready!(this.link.poll_room(cx))?;
            if this.begin()? {
                return Poll::Ready(Ok(()));
            }
            this.begun = true;
        }
        this.poll_large(cx)
    }
}

impl<IO> Drop for SendData<'_, IO> {
    fn drop(&mut self) {
        if self.begun {
            let rest = self.rest();
            self.link.send.finish_large(rest);
        }
    }
}
