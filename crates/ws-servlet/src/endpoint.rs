//! The callbacks of an application: [`Endpoint`], one value per connection.
//!
//! Who calls them, in which order and what a failure leads to is in `dispatch`; what they can do with their
//! connection is in `session`.

use std::any::Any;
use std::fmt;
use std::future::{Future, ready};

use ws_proto::{CloseReason, Delivery, Opcode, ProtocolError};

use crate::error::EndpointError;
use crate::session::Session;

/// One application object per connection, called as things happen on it.
///
/// Write the callbacks as `async fn`; those that are left out do nothing. Callbacks of one connection never
/// overlap: while one waits, nothing more is read from that peer, so an endpoint that cannot keep up slows its peer
/// down and nobody else. Payloads are borrowed from the connection and can be sent on while they are borrowed.
///
/// | callback | when |
/// |---|---|
/// | [`on_open`](Self::on_open) | once, after the 101 was sent |
/// | [`on_text`](Self::on_text), [`on_binary`](Self::on_binary) | a whole message, within the limits of the route |
/// | [`on_frame`](Self::on_frame) | every frame, if [`delivery`](Self::delivery) is [`Delivery::Fragment`] |
/// | [`on_ping`](Self::on_ping), [`on_pong`](Self::on_pong) | a ping or pong, unless `on_frame` handled it |
/// | [`on_error`](Self::on_error) | at most once, before `on_close`, if the end is not a normal one |
/// | [`on_close`](Self::on_close) | exactly once, whatever ended the connection, if `on_open` was begun |
///
/// An error or a panic in a callback closes this connection with 1011, or with the code the
/// [error](EndpointError::close) chose. Other connections notice nothing.
///
/// Everything that reaches a callback has passed every check of RFC 6455: masking, limits, UTF-8, order of frames.
///
/// Cancel safety: if the server stops and a callback does not return before the deadline, its future is dropped
/// where it waits; `on_close` is called all the same.
///
/// ```
/// use ws_servlet::{Endpoint, EndpointError, Session};
///
/// struct Echo;
///
/// impl Endpoint for Echo {
///     async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
///         session.text(text).await?;
///         Ok(())
///     }
/// }
/// ```
pub trait Endpoint: Send + 'static {
    /// Whole messages or single frames? Asked once, before `on_open`.
    fn delivery(&self) -> Delivery {
        Delivery::Message
    }

    /// The connection is open. What is sent from here arrives before anything else.
    fn on_open(&mut self, session: &mut Session) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = session;
        ready(Ok(()))
    }

    /// A whole text message (RFC 6455 §5.6).
    fn on_text(
        &mut self,
        session: &mut Session,
        text: &str,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, text);
        ready(Ok(()))
    }

    /// A whole binary message (RFC 6455 §5.6).
    fn on_binary(
        &mut self,
        session: &mut Session,
        payload: &[u8],
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, payload);
        ready(Ok(()))
    }

    /// A frame, data or control. Called under [`Delivery::Fragment`] only, for every frame, before anything else
    /// is done with it.
    ///
    /// [`Handled::Yes`] for a data frame: its message is the application's, nothing of it is assembled. A message
    /// none of whose frames was handled is assembled and given to `on_text` or `on_binary`, with the limits of the
    /// route. [`Handled::Yes`] for a ping: the application sends the pong. For a pong: `on_pong` is not called.
    /// For a close: nothing, the library always completes the closing handshake.
    fn on_frame(
        &mut self,
        session: &mut Session,
        frame: Frame<'_>,
    ) -> impl Future<Output = Result<Handled, EndpointError>> + Send {
        let _ = (session, frame);
        ready(Ok(Handled::No))
    }

    /// A ping. [`Handled::Yes`]: the application sends the pong (RFC 6455 §5.5.2 demands one); otherwise the
    /// library does.
    fn on_ping(
        &mut self,
        session: &mut Session,
        payload: &[u8],
    ) -> impl Future<Output = Result<Handled, EndpointError>> + Send {
        let _ = (session, payload);
        ready(Ok(Handled::No))
    }

    /// A pong, whether or not somebody asked for it (RFC 6455 §5.5.3). The answer changes nothing yet.
    fn on_pong(
        &mut self,
        session: &mut Session,
        payload: &[u8],
    ) -> impl Future<Output = Result<Handled, EndpointError>> + Send {
        let _ = (session, payload);
        ready(Ok(Handled::No))
    }

    /// Something went wrong on this connection: the peer broke the protocol, the transport failed, a deadline
    /// passed, a callback failed. [`on_close`](Self::on_close) follows. Nothing can be sent any more.
    fn on_error(&mut self, session: &mut Session, error: &SessionError) -> impl Future<Output = ()> + Send {
        let _ = (session, error);
        ready(())
    }

    /// The connection has ended: after the closing handshake, or when there will be none. Nothing can be sent any
    /// more; the session has left its topics and cannot be found in the registry.
    ///
    /// Called in a task of its own or polled once if the server drops the connection while a callback waits.
    fn on_close(&mut self, session: &mut Session, reason: &CloseReason) -> impl Future<Output = ()> + Send {
        let _ = (session, reason);
        ready(())
    }
}

/// Whether a callback has dealt with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handled {
    /// The library does what it always does.
    #[default]
    No,
    /// The application has done it.
    Yes,
}

/// A frame that passed every check, unmasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// What it is; [`Opcode::Continuation`] for all frames of a message but the first.
    pub opcode: Opcode,
    /// Whether it is the last frame of its message; always true for control frames.
    pub fin: bool,
    /// The payload. Of text it may begin and end inside a character. Of a close frame it is the code in network
    /// order and the reason, or empty.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(crate) fn new(opcode: Opcode, fin: bool, payload: &'a [u8]) -> Self {
        Self { opcode, fin, payload }
    }
}

/// What went wrong on a connection, for [`Endpoint::on_error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer broke a rule; it was told with the [code of the fault](ProtocolError::close_code).
    Protocol(ProtocolError),
    /// A callback returned this error.
    Endpoint(EndpointError),
    /// A callback panicked with this text.
    Panic(String),
    /// The connection was lost: an I/O error, the end of the stream without a closing handshake, a deadline.
    Lost(ws_handler::SocketError),
}

impl SessionError {
    /// From the payload of a panic.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Self::Panic(text)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(_) => out.write_str("the peer broke the protocol"),
            Self::Endpoint(error) => write!(out, "a callback failed: {error}"),
            Self::Panic(text) => write!(out, "a callback panicked: {text}"),
            Self::Lost(_) => out.write_str("the connection was lost"),
        }
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Lost(error) => Some(error),
            Self::Endpoint(_) | Self::Panic(_) => None,
        }
    }
}
