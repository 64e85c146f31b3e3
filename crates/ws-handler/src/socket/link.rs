//! One connection without its receive path: what a session owns while an endpoint holds a borrowed payload.
#![expect(
    unused_variables,
    clippy::unimplemented,
    reason = "skeleton: signatures first"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{
    CloseCode, CloseEvent, CloseReason, Message, MessageKind, PreparedMessage, ProtocolError, ReceivePath,
    SendPath, UseError,
};

use super::error::SocketError;
use super::input::ReadBuffer;
use super::signal::Signal;
use crate::io::Io;

/// Why [`Link::poll_wake`] returned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Wake {
    /// Bytes arrived: take events with [`ReadBuffer::next_event`] until there is none, then wake again.
    Data,
    /// [`Signal::MAIL`] was raised.
    Mail,
    /// [`Signal::STOP`] was raised: a Close frame with 1001 is queued. Go on until `Finished` or `Lost`.
    Stop,
    /// The peer broke a rule that only time shows; its Close frame is queued. Go on until `Finished` or `Lost`.
    Failed(ProtocolError),
    /// The closing handshake is done and the stream can be dropped. Nothing comes after this.
    Finished,
    /// The connection was lost without a closing handshake (1006). Nothing but `Finished` comes after this.
    Lost(SocketError),
}

/// Everything of a connection but the receive path and the read buffer: stream, send path, timers, signal.
///
/// `WebSocket` drives one for owned messages. An endpoint loop drives one for borrowed payloads: receive path,
/// read buffer, endpoint and link are then four separate variables, so that a callback can send through the link
/// while it holds a payload borrowed from the other two.
pub struct Link<IO = Io> {
    io: IO,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// A link over a stream whose opening handshake is done.
    ///
    /// `send` is `SendPath::server(config)`, or `SendPath::client(config, Box::new(RandomMasks::new()?))`.
    pub fn new(io: IO, send: SendPath, signal: Arc<Signal>) -> Self {
        unimplemented!()
    }

    /// The heart of a connection: writes what is queued (one write for a whole batch), reads once, looks after
    /// timers and signals, and waits when there is nothing to do. Holds no buffer while it waits.
    ///
    /// While more output than the soft limit waits, nothing is read.
    pub fn poll_wake(
        &mut self,
        cx: &mut Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
    ) -> Poll<Wake> {
        unimplemented!()
    }

    /// [`poll_wake`](Self::poll_wake) as a future. Cancel safe: nothing is lost if it is dropped.
    pub fn wake<'a>(
        &'a mut self,
        receive: &'a mut ReceivePath,
        buffer: &'a mut ReadBuffer,
    ) -> impl Future<Output = Wake> + use<'a, IO> {
        std::future::poll_fn(move |cx| self.poll_wake(cx, receive, buffer))
    }

    /// The peer sent data: tells the idle timer.
    pub fn handle_data(&mut self) {
        unimplemented!()
    }

    /// The peer sent a ping: queues the pong (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// The peer's ping budget is used up: [`fail`](Self::fail) the connection with it.
    pub fn handle_ping(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        unimplemented!()
    }

    /// As [`handle_ping`](Self::handle_ping), but the application answers: no pong is queued.
    ///
    /// # Errors
    ///
    /// As [`handle_ping`](Self::handle_ping).
    pub fn handle_ping_unanswered(&mut self) -> Result<(), ProtocolError> {
        unimplemented!()
    }

    /// The peer sent a pong: tells the timer that waits for one.
    pub fn handle_pong(&mut self, payload: &[u8]) {
        unimplemented!()
    }

    /// The peer sent a Close frame: queues ours if none was sent yet (RFC 6455 §5.5.1).
    pub fn handle_close(&mut self, close: Option<CloseEvent<'_>>) {
        unimplemented!()
    }

    /// The peer broke a rule: queues the Close frame that says so (RFC 6455 §7.1.7).
    pub fn fail(&mut self, error: ProtocolError) {
        unimplemented!()
    }

    /// Sends a whole text message. See [`SendData`].
    pub fn text<'a>(&'a mut self, text: &'a str) -> SendData<'a, IO> {
        unimplemented!()
    }

    /// Sends a whole binary message. See [`SendData`].
    pub fn binary<'a>(&'a mut self, bytes: &'a [u8]) -> SendData<'a, IO> {
        unimplemented!()
    }

    /// Sends one frame of a message (RFC 6455 §5.4). Of text, the payload may begin and end inside a character;
    /// that all frames together are UTF-8 is the caller's duty. See [`SendData`].
    pub fn fragment<'a>(&'a mut self, kind: MessageKind, payload: &'a [u8], fin: bool) -> SendData<'a, IO> {
        unimplemented!()
    }

    /// Queues a message without waiting, large payloads by reference.
    ///
    /// # Errors
    ///
    /// [`UseError`]; nothing was queued then.
    pub fn queue(&mut self, message: Message) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Queues a message that was encoded once for many connections.
    ///
    /// # Errors
    ///
    /// [`UseError`]; nothing was queued then.
    pub fn prepared(&mut self, message: &PreparedMessage) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Whether one more message may be queued by somebody who does not wait: the queue is empty, or stays below
    /// its hard limit.
    ///
    /// # Errors
    ///
    /// [`UseError::QueueFull`].
    pub fn room_for(&self, payload_len: usize) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Queues a ping (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// More than 125 bytes of payload, or a Close frame was sent.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Queues a pong that nobody asked for, or one that the application answers itself (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Queues a Close frame; nothing can be sent after it (RFC 6455 §5.5.1). The connection then ends by itself
    /// while [`poll_wake`](Self::poll_wake) is polled: the peer's Close frame is waited for, up to a timeout.
    ///
    /// # Errors
    ///
    /// A code that may not be sent. A second call does nothing, a reason above 123 bytes is cut.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Writes until nothing waits.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        unimplemented!()
    }

    /// Writes until nothing waits. Cancel safe: what is not written stays queued.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), SocketError>> + use<'_, IO> {
        std::future::poll_fn(move |cx| self.poll_flush(cx))
    }

    /// Runs the connection to its end without an endpoint: answers the peer's Close frame, discards its data.
    /// Bounded by the close timeout. Call [`close`](Self::close) first. Cancel safe.
    pub async fn finish(&mut self, receive: &mut ReceivePath, buffer: &mut ReadBuffer) {
        unimplemented!()
    }

    /// Bytes queued and not written.
    pub fn queued_bytes(&self) -> usize {
        unimplemented!()
    }

    /// Whether data can still be sent: no Close frame was sent, and the connection is not lost.
    pub fn is_open(&self) -> bool {
        unimplemented!()
    }

    /// Why the connection is closing or closed: the peer's code and reason, or ours, or 1005 or 1006
    /// (RFC 6455 §7.1.5, §7.1.6); `None` while it is open.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        unimplemented!()
    }

    /// The signal that wakes this connection.
    pub fn signal(&self) -> &Arc<Signal> {
        unimplemented!()
    }

    /// The stream below.
    pub fn io(&self) -> &IO {
        &self.io
    }
}

/// What an endpoint loop needs beside the verbs of the application.
impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// Fails the connection for a reason of the caller's own, as 1011 after a panic in a callback: queues the Close
    /// frame unless one was sent; its answer is not awaited and all input is discarded from here on.
    ///
    /// # Errors
    ///
    /// [`UseError::CloseCode`] for a code that may not be sent (RFC 6455 §7.4).
    pub fn fail_with(&mut self, code: CloseCode, reason: &str) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Gives the connection up without a word: forgets what is queued and knows from now on that it ended with 1006,
    /// if it had not ended before. For a connection that is dropped while its callback waits.
    pub fn abandon(&mut self) {
        unimplemented!()
    }

    /// The kind of the outgoing message that was begun with [`fragment`](Self::fragment) and not finished: nothing
    /// but control frames may come between its parts (RFC 6455 §5.4).
    pub fn open_message(&self) -> Option<MessageKind> {
        unimplemented!()
    }

    /// Whether more waits to be written than the soft limit
    /// ([`Limits::soft_queue`](ws_proto::Limits::soft_queue)): who can wait should.
    pub fn above_soft_limit(&self) -> bool {
        unimplemented!()
    }
}

/// A message on its way out. Lazy: nothing happens before it is polled.
///
/// Below 16 KiB (and always for a client, which has to mask) the payload is copied to the queue and the future is
/// ready at once, unless the queue is above its soft limit: then it waits until that much has been written. From
/// 16 KiB on a server writes queue, header and payload straight from the borrowed slice, and the future is ready
/// when all of it is written.
///
/// What is queued is written by the next [`Link::poll_wake`] or [`Link::flush`].
///
/// Cancel safe: dropped before the first poll, nothing is sent; dropped later, the message is sent whole, the rest
/// of it from the queue.
#[must_use = "nothing is sent until the future is polled"]
pub struct SendData<'a, IO> {
    link: &'a mut Link<IO>,
    payload: &'a [u8],
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for SendData<'_, IO> {
    type Output = Result<(), SocketError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        unimplemented!()
    }
}
