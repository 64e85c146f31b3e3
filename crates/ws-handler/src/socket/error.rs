//! What can go wrong on an open connection, grouped by who erred.
//!
//! Here: [`SocketError`], [`Lost`] and [`TrySendError`]. Not here: faults of the handshake (`error`), and a normal
//! close, which is no error: receiving ends, and `close_reason()` says why.

use std::fmt;
use std::io;

use ws_proto::{Message, ProtocolError, UseError};

/// Why receiving or sending failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SocketError {
    /// The peer broke a rule of the protocol. A Close frame with
    /// [the code of the fault](ProtocolError::close_code) has been queued before this error is returned.
    Protocol(ProtocolError),
    /// The caller asked for something that is not possible. The connection is unharmed.
    Use(UseError),
    /// The connection ended without a closing handshake: 1006 (RFC 6455 §7.1.5).
    Lost(Lost),
    /// Reading or writing failed: 1006 (RFC 6455 §7.1.5).
    Io(io::Error),
}

/// How a connection was lost without an I/O error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// The peer closed the stream without a Close frame.
    Eof,
    /// No pong came in time.
    PongOverdue,
    /// Our Close frame was not answered in time.
    CloseOverdue,
    /// Output made no progress in time.
    WriteStalled,
    /// The connection was told to drop at once, as at the end of a shutdown.
    Dropped,
    /// A send was forgotten half way (`std::mem::forget`), so the stream of frames cannot go on.
    SendForgotten,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eof => "the peer closed the stream without a close frame",
            Self::PongOverdue => "no pong arrived in time",
            Self::CloseOverdue => "the close frame was not answered in time",
            Self::WriteStalled => "the peer did not read in time",
            Self::Dropped => "the connection was dropped",
            Self::SendForgotten => "a message was abandoned half way",
        })
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol(_) => "the peer broke the protocol",
            Self::Use(_) => "the request is not possible",
            Self::Lost(_) => "the connection was lost",
            Self::Io(_) => "reading or writing failed",
        })
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Use(error) => Some(error),
            Self::Lost(lost) => Some(lost),
            Self::Io(error) => Some(error),
        }
    }
}

impl std::error::Error for Lost {}

impl From<ProtocolError> for SocketError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<UseError> for SocketError {
    fn from(error: UseError) -> Self {
        Self::Use(error)
    }
}

impl From<Lost> for SocketError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a message was not taken without waiting. It comes back, so nothing is lost.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySendError {
    /// The outgoing queue would exceed its hard limit ([`Limits::hard_queue`](ws_proto::Limits::hard_queue)).
    Full(Message),
    /// The connection cannot take it, now or ever.
    Refused(Message, SocketError),
}

impl TrySendError {
    /// The message that was not sent.
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message) | Self::Refused(message, _) => message,
        }
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the outgoing queue is full",
            Self::Refused(..) => "the message was refused",
        })
    }
}

impl std::error::Error for TrySendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full(_) => None,
            Self::Refused(_, error) => Some(error),
        }
    }
}
