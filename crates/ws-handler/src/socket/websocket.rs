//! The socket with owned messages, in one piece.
//!
//! Not here: its two halves (`split`), `Stream` and `Sink` (`stream`), what happens on the way to a message
//! (`receive`), borrowed payloads (`link`).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{
    CloseCode, CloseReason, Config, Fragment, Message, MessageKind, PreparedMessage, Role, SendOptions,
    SendPath,
};

use super::error::SocketError;
use super::link::Link;
use super::receive::Inbound;
use super::signal::Signal;
use super::split::{Receiver, Sender};
use crate::io::Io;
use crate::negotiated::Negotiated;
use crate::random::RandomMasks;

/// An open WebSocket connection with owned messages, over any byte stream.
///
/// Pings are answered and the closing handshake is completed by the socket itself, while it is polled: keep calling
/// [`recv`](Self::recv). An idle socket holds no buffer.
///
/// Output is batched without delaying it: [`send`](Self::send) writes at once, unless another received message is
/// already waiting for `recv`. Then the reply is queued, and the last reply, or the next `recv` that waits, writes all
/// of them together.
///
/// Timers (keep-alive, closing, stalls) run on the tokio runtime that polls it, and only while it is polled.
///
/// Dropping it drops the stream without a closing handshake (the peer sees 1006): [`close`](Self::close) it first.
///
/// # Examples
///
/// ```
/// use bytes::BytesMut;
/// use std::sync::Arc;
/// use ws_handler::{Negotiated, SocketError, WebSocket};
/// use ws_proto::{CloseCode, Config, Role};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (near, far) = tokio::io::duplex(1024);
/// let open = |stream, role| {
///     WebSocket::from_upgraded(stream, role, &BytesMut::new(), Arc::new(Config::new(role)), Negotiated::new())
/// };
/// let mut client = open(near, Role::Client)?;
/// let mut server = open(far, Role::Server)?;
/// let echo = tokio::spawn(async move {
///     while let Some(message) = server.recv().await? {
///         if message.is_data() {
///             server.send(message).await?;
///         }
///     }
///     Ok::<_, SocketError>(())
/// });
///
/// client.send("hello").await?;
/// assert_eq!(client.recv().await?, Some("hello".into()));
/// client.close(CloseCode::NORMAL, "done").await?;
/// echo.await??;
/// # Ok(())
/// # }
/// ```
pub struct WebSocket<IO = Io> {
    link: Link<IO>,
    inbound: Inbound,
    /// `None`: nothing but the protocol itself, which is the rule.
    negotiated: Option<Box<Negotiated>>,
}

impl<IO> WebSocket<IO> {
    /// A socket over a stream whose opening handshake somebody else has done. `leftover` is what was read beyond
    /// the handshake.
    ///
    /// # Errors
    ///
    /// A client needs masking keys, and the operating system gave no randomness. A server cannot fail.
    pub fn from_upgraded(
        io: IO,
        role: Role,
        leftover: &BytesMut,
        config: Arc<Config>,
        negotiated: Negotiated,
    ) -> io::Result<Self> {
        let send = match role {
            Role::Server => SendPath::server(config),
            Role::Client => SendPath::client(config, Box::new(RandomMasks::new()?)),
        };
        let send = send.with_extensions(&negotiated.chain);
        Ok(Self::from_link(
            Link::new(io, send, Arc::new(Signal::new())),
            leftover,
            negotiated,
        ))
    }

    /// A socket over a link, as a server makes one whose signal others hold. The send path of the link has the
    /// extensions of `negotiated` already; what is received goes through them too.
    pub fn from_link(mut link: Link<IO>, leftover: &BytesMut, negotiated: Negotiated) -> Self {
        link.read_on();
        let inbound = Inbound::new(&link, leftover, &negotiated.chain);
        let negotiated = (negotiated != Negotiated::new()).then(|| Box::new(negotiated));
        Self {
            link,
            inbound,
            negotiated,
        }
    }

    /// How the connection ended: the code and reason of the peer's Close frame, or why this end failed it, or 1006
    /// (RFC 6455 §7.1.5); `None` while it has not.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.link.close_reason()
    }

    /// The subprotocol that was agreed on, if any (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.as_ref()?.subprotocol.as_deref()
    }

    /// What the opening handshake agreed on; `None`: nothing but the protocol itself.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_deref()
    }

    /// The signal that wakes this connection.
    pub fn signal(&self) -> &Arc<Signal> {
        self.link.signal()
    }

    /// The stream below.
    pub fn io(&self) -> &IO {
        self.link.io()
    }

    /// Bytes of compressed messages sent so far, both ways of counting: before, and on the wire.
    pub fn deflated_bytes(&self) -> (u64, u64) {
        self.link.deflated_bytes()
    }

    /// Bytes of compressed messages received so far, both ways of counting: on the wire, and inflated.
    pub fn inflated_bytes(&self) -> (u64, u64) {
        self.inbound.inflated_bytes()
    }

    /// Bytes queued and not written.
    pub fn queued_bytes(&self) -> usize {
        self.link.queued_bytes()
    }

    /// Whether memory is held for input or output. Never while the socket waits for the first byte of a message and
    /// everything is written.
    #[cfg(test)]
    pub(super) fn holds_memory(&self) -> bool {
        self.inbound.holds_memory() || self.link.holds_memory()
    }

    /// Splits into a sending and a receiving half that can live in different tasks.
    pub fn split(self) -> (Sender<IO>, Receiver<IO>) {
        Sender::pair(self.link, self.inbound, self.negotiated)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
    /// The next message. Received pings come out too (they are answered already), and so do pongs. `None`: the
    /// connection was closed normally, and [`close_reason`](Self::close_reason) says why; or the end was told already.
    ///
    /// Writes what is queued before it waits, and receives whatever of that could not be written yet.
    ///
    /// # Errors
    ///
    /// [`SocketError::Protocol`] when the peer broke a rule: it was told with a Close frame, and the stream has been
    /// shut down. [`SocketError::Lost`] and [`SocketError::Io`] when the connection ended without a closing handshake.
    /// Each is told once.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped, no message and no part of one is lost.
    pub async fn recv(&mut self) -> Result<Option<Message>, SocketError> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, SocketError>> {
        self.inbound.poll_recv(cx, &mut self.link)
    }

    /// Sends a message. Ready when it is written, and everything before it; or, while another received message waits
    /// for [`recv`](Self::recv) already, when it is queued: then the replies to all of them go out together.
    ///
    /// Waits while more is queued than the soft limit ([`Limits::soft_queue`](ws_proto::Limits::soft_queue), 64 KiB)
    /// before it queues. Nothing is received while it waits, so two ends that do nothing but send more than the network
    /// holds wait for each other; to receive meanwhile, [`split`](Self::split).
    ///
    /// # Errors
    ///
    /// [`SocketError::Use`] if the message cannot be sent now; the connection is unharmed. Otherwise it is lost.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, either nothing of the message is sent, or all of it: what is queued is written by whatever
    /// is called next. Frames are never cut.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        // Not by way of `send_with`: nested futures take twice the memory.
        let mut message = Some(message.into());
        std::future::poll_fn(|cx| self.poll_send(cx, &mut message, SendOptions::new())).await
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
        &mut self,
        message: impl Into<Message>,
        options: SendOptions,
    ) -> Result<(), SocketError> {
        let mut message = Some(message.into());
        std::future::poll_fn(|cx| self.poll_send(cx, &mut message, options)).await
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
        options: SendOptions,
    ) -> Poll<Result<(), SocketError>> {
        if message.is_some() {
            ready!(self.poll_room(cx))?;
        }
        if let Some(message) = message.take() {
            self.link.queue_with(message, options)?;
        }
        self.poll_batch(cx)
    }

    /// Waits until the queue is not above its soft limit.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.link.poll_room(cx)
    }

    /// Writes, unless more replies are to come.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if self.inbound.has_next() && !self.link.above_soft_limit() {
            return Poll::Ready(Ok(()));
        }
        self.link.poll_flush(cx)
    }

    /// Whether the end has been told.
    #[cfg(feature = "futures")]
    pub(super) fn is_over(&self) -> bool {
        self.inbound.is_over()
    }

    /// Queues a message for [`poll_flush`](Self::poll_flush).
    #[cfg(feature = "futures")]
    pub(super) fn queue(&mut self, message: Message) -> Result<(), SocketError> {
        Ok(self.link.queue(message)?)
    }

    /// Writes everything that is queued, as [`flush`](Self::flush) does.
    #[cfg(feature = "futures")]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.link.poll_flush(cx)
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
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), SocketError> {
        let mut queued = false;
        std::future::poll_fn(|cx| {
            if !queued {
                ready!(self.link.poll_room(cx))?;
                self.link.prepared(message)?;
                queued = true;
            }
            self.poll_batch(cx)
        })
        .await
    }

    /// Sends one frame of a message (RFC 6455 §5.4); `fin` ends the message. Of text, the payload may begin and end
    /// inside a character; that all frames together are UTF-8 is the caller's duty. Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: impl Into<Bytes>,
        fin: bool,
    ) -> Result<(), SocketError> {
        let fragment = Fragment {
            kind,
            first: false,
            fin,
            payload: payload.into(),
        };
        self.send(Message::Fragment(fragment)).await
    }

    /// Sends a ping of at most 125 bytes (RFC 6455 §5.5.2). The pong comes out of [`recv`](Self::recv). Otherwise as
    /// [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), SocketError> {
        self.send(Message::Ping(payload.into())).await
    }

    /// Sends a pong that nobody asked for, of at most 125 bytes (RFC 6455 §5.5.3). Pings are answered without it.
    /// Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), SocketError> {
        self.send(Message::Pong(payload.into())).await
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
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        self.link.flush().await
    }

    /// Closes the connection: sends a Close frame after everything that is queued, waits for the peer's, discarding
    /// what still arrives, and for the end of the stream (RFC 6455 §7.1.2). After that the stream is shut down, so the
    /// socket can be dropped, or kept, without harm.
    ///
    /// Takes no longer than [`Timeouts::close`](ws_proto::Timeouts::close) (10 s) and
    /// [`Timeouts::drain`](ws_proto::Timeouts::drain) (2 s) together. A connection that is closing already is brought
    /// to its end. A reason above 123 bytes is cut.
    ///
    /// # Errors
    ///
    /// [`SocketError::Use`] for a code that may not be sent, and the connection goes on; otherwise it ended without a
    /// closing handshake.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped after the first poll, the Close frame is queued, and `recv` or another `close` goes on with
    /// it.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        self.link.close(code, reason)?;
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// Begins to close normally (1000), for [`poll_recv`](Self::poll_recv) to bring to an end.
    #[cfg(feature = "futures")]
    pub(super) fn begin_close(&mut self) -> Result<(), SocketError> {
        Ok(self.link.close(CloseCode::NORMAL, "")?)
    }
}

impl<IO> fmt::Debug for WebSocket<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("link", &self.link)
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}
