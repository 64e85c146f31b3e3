//! The socket with owned messages.
#![expect(
    unused_variables,
    clippy::unimplemented,
    reason = "skeleton: signatures first"
)]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{CloseCode, CloseReason, Config, Message, MessageKind, ReceivePath, Role};

use super::error::SocketError;
use super::input::ReadBuffer;
use super::link::Link;
use super::signal::Signal;
use super::split::{Receiver, Sender};
use crate::io::Io;
use crate::negotiated::Negotiated;

/// An open WebSocket connection with owned messages, over any byte stream.
///
/// Dropping it drops the stream without a closing handshake (the peer sees 1006): [`close`](Self::close) first.
pub struct WebSocket<IO = Io> {
    link: Link<IO>,
    receive: ReceivePath,
    buffer: ReadBuffer,
    negotiated: Option<Box<Negotiated>>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocket<IO> {
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
    ) -> std::io::Result<Self> {
        unimplemented!()
    }

    /// A socket over a link, as a server makes one whose signal others hold.
    pub fn from_link(link: Link<IO>, leftover: &BytesMut, negotiated: Negotiated) -> Self {
        unimplemented!()
    }

    /// The next message, ping and pong included. `None`: the connection was closed normally.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn recv(&mut self) -> Result<Option<Message>, SocketError> {
        unimplemented!()
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Sends one frame of a message.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: impl Into<Bytes>,
        fin: bool,
    ) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Sends a pong.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Sends a Close frame and waits for the end of the closing handshake, discarding data that still arrives.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Why the connection is closing or closed; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        unimplemented!()
    }

    /// The subprotocol that was agreed on, if any (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated().subprotocol.as_deref()
    }

    /// What the opening handshake agreed on.
    pub fn negotiated(&self) -> &Negotiated {
        unimplemented!()
    }

    /// The signal that wakes this connection.
    pub fn signal(&self) -> &Arc<Signal> {
        unimplemented!()
    }

    /// The stream below.
    pub fn io(&self) -> &IO {
        self.link.io()
    }

    /// Splits into a sending and a receiving half that can live in different tasks.
    pub fn split(self) -> (Sender<IO>, Receiver<IO>) {
        unimplemented!()
    }
}
