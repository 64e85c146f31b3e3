//! The two halves of a socket.
#![expect(
    unused_variables,
    clippy::unimplemented,
    reason = "skeleton: signatures first"
)]

use std::marker::PhantomData;

use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{CloseCode, CloseReason, Message};

use super::error::{SocketError, TrySendError};
use crate::io::Io;

/// The sending half of a socket. Clones send on the same connection.
pub struct Sender<IO = Io> {
    shared: PhantomData<IO>,
}

impl<IO> Clone for Sender<IO> {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sender<IO> {
    /// Sends a message; waits while the queue is above its soft limit.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Queues a message without waiting.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        unimplemented!()
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn flush(&self) -> Result<(), SocketError> {
        unimplemented!()
    }

    /// Sends a Close frame.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        unimplemented!()
    }
}

/// The receiving half of a socket.
pub struct Receiver<IO = Io> {
    shared: PhantomData<IO>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Receiver<IO> {
    /// The next message, ping and pong included. `None`: the connection was closed normally.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn recv(&mut self) -> Result<Option<Message>, SocketError> {
        unimplemented!()
    }

    /// Another sending half.
    pub fn sender(&self) -> Sender<IO> {
        unimplemented!()
    }

    /// Why the connection is closing or closed; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        unimplemented!()
    }
}
