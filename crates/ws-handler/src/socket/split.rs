//! The two halves of a socket, for use in different tasks.
//!
//! Here: who holds which lock, and who goes on with the connection when the other half does not. Not here: what is
//! done on the way to a message (`receive`), the wakers (`crowd`).
//!
//! Two locks, taken in this order and held only inside a poll: parsing, unmasking and UTF-8 happen under the one
//! around the receiving side, which senders only ever try; the one around the link is held for a write, a read or
//! an encoding.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{CloseCode, CloseReason, Message, PreparedMessage, SendOptions};

use super::crowd::{Crowd, Seat};
use super::error::{SocketError, TrySendError};
use super::link::Link;
use super::receive::{Access, Inbound};
use crate::io::Io;
use crate::negotiated::Negotiated;

/// What both halves own.
struct Shared<IO> {
    inbound: Mutex<Inbound>,
    link: Mutex<Link<IO>>,
    crowd: Arc<Crowd>,
    /// Wakes the crowd: all polls of the stream are made in its name.
    name: Waker,
    receiver_gone: AtomicBool,
    negotiated: Option<Box<Negotiated>>,
}

impl<IO> Shared<IO> {
    /// A panic under the lock can only come from the stream itself, and the link would then find it failed.
    fn link(&self) -> MutexGuard<'_, Link<IO>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<IO> Access<IO> for &Shared<IO> {
    fn with<R>(&mut self, act: impl FnOnce(&mut Link<IO>) -> R) -> R {
        act(&mut self.link())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Shared<IO> {
    /// Goes on with receiving if nobody else does: a sender that waits, or the only half left, answers pings and the
    /// peer's Close frame. `Ready`: the connection is over, or a message waits for the receiver.
    fn drive(&self) -> Poll<()> {
        let mut inbound = match self.inbound.try_lock() {
            Ok(inbound) => inbound,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody is at it.
            Err(TryLockError::WouldBlock) => return Poll::Pending,
        };
        let discard = self.receiver_gone.load(Ordering::Acquire);
        let polled = inbound.poll_background(&mut Context::from_waker(&self.name), &mut &*self, discard);
        drop(inbound);
        if polled.is_ready() {
            self.crowd.wake_receiver();
        }
        polled
    }

    /// Waits for room in the queue and queues the message, then writes what goes.
    fn poll_send(
        &self,
        cx: &Context<'_>,
        seat: &mut Seat<'_>,
        message: &mut Option<Outgoing<'_>>,
    ) -> Poll<Result<(), SocketError>> {
        let mut crowd = Context::from_waker(&self.name);
        if message.is_some() {
            if self.link().above_soft_limit() {
                seat.wait(cx.waker());
                let _ = self.drive();
                ready!(self.link().poll_room(&mut crowd))?;
            }
            let mut link = self.link();
            match message.take() {
                Some(Outgoing::Message(message, options)) => link.queue_with(message, options)?,
                Some(Outgoing::Prepared(message)) => link.prepared(message)?,
                None => {}
            }
            if !self.receiver_gone.load(Ordering::Acquire) {
                // What does not go now is written by whichever half is polled when it does.
                return Poll::Ready(link.write_now(&mut crowd));
            }
        }
        self.poll_flush(cx, seat)
    }

    fn poll_flush(&self, cx: &Context<'_>, seat: &mut Seat<'_>) -> Poll<Result<(), SocketError>> {
        seat.wait(cx.waker());
        let _ = self.drive();
        self.link().poll_flush(&mut Context::from_waker(&self.name))
    }

    /// Waits for the end of the connection.
    fn poll_end(&self, cx: &Context<'_>, seat: &mut Seat<'_>) -> Poll<()> {
        seat.wait(cx.waker());
        self.drive()
    }
}

enum Outgoing<'a> {
    Message(Message, SendOptions),
    Prepared(&'a PreparedMessage),
}

/// The sending half of a socket. Clones send on the same connection, message by message.
///
/// The queue has a budget: [`send`](Self::send) waits while more is queued than the soft limit
/// ([`Limits::soft_queue`](ws_proto::Limits::soft_queue), 64 KiB), [`try_send`](Self::try_send) refuses above the hard
/// one ([`Limits::hard_queue`](ws_proto::Limits::hard_queue), 1 MiB). An empty queue takes one message of any size.
///
/// What could not be written at once is written by whichever half is polled next, so keep polling the [`Receiver`], or
/// [`flush`](Self::flush).
///
/// When all senders are dropped, the receiver goes on receiving, and can make new ones. When the receiver is
/// dropped, what arrives is discarded, and the senders look after the connection: pings and the peer's Close frame are
/// answered while a sender is polled. When all halves are dropped, so is the stream, without a closing handshake.
pub struct Sender<IO = Io> {
    shared: Arc<Shared<IO>>,
}

impl<IO> Clone for Sender<IO> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<IO> Sender<IO> {
    pub(super) fn pair(
        link: Link<IO>,
        inbound: Inbound,
        negotiated: Option<Box<Negotiated>>,
    ) -> (Self, Receiver<IO>) {
        let crowd = Arc::new(Crowd::default());
        let shared = Arc::new(Shared {
            inbound: Mutex::new(inbound),
            link: Mutex::new(link),
            name: Waker::from(Arc::clone(&crowd)),
            crowd,
            receiver_gone: AtomicBool::new(false),
            negotiated,
        });
        (
            Self {
                shared: Arc::clone(&shared),
            },
            Receiver { shared },
        )
    }

    /// Bytes queued and not written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.link().queued_bytes()
    }

    /// Bytes of compressed messages sent so far, both ways of counting: before, and on the wire.
    pub fn deflated_bytes(&self) -> (u64, u64) {
        self.shared.link().deflated_bytes()
    }

    /// Whether data can still be sent: no Close frame was sent, and the connection is not lost.
    pub fn is_open(&self) -> bool {
        self.shared.link().is_open()
    }

    /// How the connection ended; `None` while it has not. See [`WebSocket::close_reason`](crate::WebSocket::close_reason).
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.link().close_reason().cloned()
    }

    /// The subprotocol that was agreed on, if any (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.shared.negotiated.as_ref()?.subprotocol.as_deref()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sender<IO> {
    /// Sends a message: waits while the queue is above its soft limit, queues it and writes what the stream takes.
    /// Without a receiver it also waits until everything is written.
    ///
    /// # Errors
    ///
    /// [`SocketError::Use`] if the message cannot be sent now; the connection is unharmed. Otherwise it is lost.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped while it waits for room, nothing of the message is sent; later, all of it.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SocketError> {
        self.send_with(message, SendOptions::new()).await
    }

    /// [`send`](Self::send) with options, as not to compress this message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_with(
        &self,
        message: impl Into<Message>,
        options: SendOptions,
    ) -> Result<(), SocketError> {
        self.send_outgoing(Outgoing::Message(message.into(), options))
            .await
    }

    /// Sends a message that was encoded once for many connections. Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_prepared(&self, message: &PreparedMessage) -> Result<(), SocketError> {
        self.send_outgoing(Outgoing::Prepared(message)).await
    }

    async fn send_outgoing(&self, outgoing: Outgoing<'_>) -> Result<(), SocketError> {
        let mut outgoing = Some(outgoing);
        let mut seat = Seat::new(&self.shared.crowd);
        std::future::poll_fn(|cx| self.shared.poll_send(cx, &mut seat, &mut outgoing)).await
    }

    /// Sends a ping of at most 125 bytes (RFC 6455 §5.5.2). Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&self, payload: impl Into<Bytes>) -> Result<(), SocketError> {
        self.send(Message::Ping(payload.into())).await
    }

    /// Queues a message without waiting, and writes what the stream takes.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the message: the queue would exceed its hard limit, or the message cannot be sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        let mut crowd = Context::from_waker(&self.shared.name);
        let mut link = self.shared.link();
        if link.room_for(message.payload().len()).is_err() {
            // Perhaps the stream takes some of it now.
            if let Err(error) = link.write_now(&mut crowd) {
                return Err(TrySendError::Refused(message, error));
            }
            if link.room_for(message.payload().len()).is_err() {
                link.signal().count_full_queue();
                return Err(TrySendError::Full(message));
            }
        }
        // A clone counts references, so that the message can be given back.
        match link.queue(message.clone()).map_err(SocketError::from) {
            // What becomes of the connection is told by the next call: this message was taken.
            Ok(()) => {
                let _ = link.write_now(&mut crowd);
                Ok(())
            }
            Err(error) => Err(TrySendError::Refused(message, error)),
        }
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what is not written stays queued.
    pub async fn flush(&self) -> Result<(), SocketError> {
        let mut seat = Seat::new(&self.shared.crowd);
        std::future::poll_fn(|cx| self.shared.poll_flush(cx, &mut seat)).await
    }

    /// Sends a Close frame after everything that is queued; nothing can be sent after it. Ready when it is written:
    /// the closing handshake is completed by the receiver, which is polled until it says that the connection is over.
    /// Without a receiver, ready when the connection is over. A reason above 123 bytes is cut.
    ///
    /// # Errors
    ///
    /// [`SocketError::Use`] for a code that may not be sent, and the connection goes on; otherwise it is lost.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped after the first poll, the Close frame is queued and written by whatever is polled next.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        self.shared.link().close(code, reason)?;
        if !self.shared.receiver_gone.load(Ordering::Acquire) {
            return self.flush().await;
        }
        let mut seat = Seat::new(&self.shared.crowd);
        std::future::poll_fn(|cx| self.shared.poll_end(cx, &mut seat)).await;
        Ok(())
    }
}

impl<IO> fmt::Debug for Sender<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("link", &*self.shared.link())
            .finish_non_exhaustive()
    }
}

/// The receiving half of a socket. See [`Sender`] for what happens when one half is dropped.
pub struct Receiver<IO = Io> {
    shared: Arc<Shared<IO>>,
}

impl<IO> Receiver<IO> {
    /// Bytes of compressed messages received so far, both ways of counting: on the wire, and inflated.
    pub fn inflated_bytes(&self) -> (u64, u64) {
        let inbound = self.shared.inbound.lock().unwrap_or_else(PoisonError::into_inner);
        inbound.inflated_bytes()
    }

    /// Another sending half.
    pub fn sender(&self) -> Sender<IO> {
        Sender {
            shared: Arc::clone(&self.shared),
        }
    }

    /// How the connection ended; `None` while it has not. See [`WebSocket::close_reason`](crate::WebSocket::close_reason).
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.link().close_reason().cloned()
    }

    /// The subprotocol that was agreed on, if any (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.shared.negotiated.as_ref()?.subprotocol.as_deref()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Receiver<IO> {
    /// The next message; as [`WebSocket::recv`](crate::WebSocket::recv).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`](crate::WebSocket::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped, no message and no part of one is lost.
    pub async fn recv(&mut self) -> Result<Option<Message>, SocketError> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Message>, SocketError>> {
        let shared = &*self.shared;
        shared.crowd.receiver_waits(cx.waker());
        let mut crowd = Context::from_waker(&shared.name);
        let mut inbound = shared.inbound.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = inbound.poll_recv(&mut crowd, &mut &*shared);
        drop(inbound);
        if matches!(polled, Poll::Ready(Ok(None) | Err(_))) {
            // Senders that wait are to know.
            shared.name.wake_by_ref();
        }
        polled
    }

    /// Closes the connection and waits for its end, discarding what still arrives; as
    /// [`WebSocket::close`](crate::WebSocket::close).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`](crate::WebSocket::close).
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::close`](crate::WebSocket::close).
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        self.shared.link().close(code, reason)?;
        while self.recv().await?.is_some() {}
        Ok(())
    }
}

impl<IO> Drop for Receiver<IO> {
    fn drop(&mut self) {
        self.shared.receiver_gone.store(true, Ordering::Release);
        // Senders that wait take over.
        self.shared.name.wake_by_ref();
    }
}

impl<IO> fmt::Debug for Receiver<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("link", &*self.shared.link())
            .finish_non_exhaustive()
    }
}
