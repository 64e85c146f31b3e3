//! Errors of this crate, by who erred: a callback, or who built the servlet.
//!
//! What a peer did wrong is `ws_proto::ProtocolError`; how a handshake is refused is `ws_handler::Refusal`.

use std::error::Error;
use std::fmt;

use ws_handler::SocketError;
use ws_proto::{CloseCode, UseError};

use crate::pattern::PatternError;

/// A servlet could not be built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A path pattern has no known shape.
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        why: PatternError,
    },
    /// Two routes match the same paths.
    DuplicateRoute {
        /// The pattern of the second.
        pattern: String,
    },
    /// An init parameter is no number, or none that makes sense.
    Parameter {
        /// The route's pattern, or `servlet`.
        place: String,
        /// The parameter.
        name: String,
        /// What it was set to.
        value: String,
    },
    /// An init parameter that does not exist: a typing error would otherwise leave a limit unset.
    UnknownParameter {
        /// The route's pattern, or `servlet`.
        place: String,
        /// The parameter.
        name: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { pattern, .. } => write!(out, "path pattern {pattern:?}"),
            Self::DuplicateRoute { pattern } => write!(out, "a second route for the paths of {pattern:?}"),
            Self::Parameter { place, name, value } => {
                write!(out, "{place}: init parameter {name} cannot be {value:?}")
            }
            Self::UnknownParameter { place, name } => {
                write!(out, "{place}: no init parameter is called {name:?}")
            }
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pattern { why, .. } => Some(why),
            _ => None,
        }
    }
}

/// A callback failed: the connection is closed with 1011, or with the code that the callback chose. Other
/// connections notice nothing.
///
/// Any error becomes one with `?`. For that it cannot itself implement [`Error`]; [`source`](Self::source) gives
/// what is inside.
///
/// One pointer: every callback of every open connection has a place for one.
pub struct EndpointError(Box<Failure>);

struct Failure {
    code: CloseCode,
    reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl EndpointError {
    /// An error that is told to the peer: closes with `code` and `reason`.
    ///
    /// A code that may not be sent (RFC 6455 §7.4) becomes 1011; a reason of more than 123 bytes is cut.
    pub fn close(code: CloseCode, reason: impl Into<String>) -> Self {
        let code = if code.is_sendable() {
            code
        } else {
            CloseCode::INTERNAL_ERROR
        };
        Self(Box::new(Failure {
            code,
            reason: reason.into(),
            source: None,
        }))
    }

    /// An error with nothing but a text, which is logged; the peer gets 1011 without it.
    pub fn message(text: impl Into<String>) -> Self {
        Self::internal(text.into().into())
    }

    /// An error that is logged and not told.
    fn internal(source: Box<dyn Error + Send + Sync>) -> Self {
        Self(Box::new(Failure {
            code: CloseCode::INTERNAL_ERROR,
            reason: String::new(),
            source: Some(source),
        }))
    }

    /// The code that the connection is closed with.
    pub fn code(&self) -> CloseCode {
        self.0.code
    }

    /// The reason that goes with it; empty unless the callback chose one. Errors are not told to peers.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// What the callback returned.
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// Does this only say that a connection was closing or lost?
    pub(crate) fn is_closed(&self) -> bool {
        let Some(source) = self.source() else { return false };
        match source.downcast_ref() {
            Some(SocketError::Use(error)) => *error == UseError::Closed,
            Some(SocketError::Lost(_) | SocketError::Io(_)) => true,
            Some(_) => false,
            None => source.downcast_ref::<UseError>() == Some(&UseError::Closed),
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for EndpointError {
    fn from(error: E) -> Self {
        Self::internal(Box::new(error))
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.source {
            Some(source) => source.fmt(out),
            None => write!(out, "closes with {}: {}", self.0.code, self.0.reason),
        }
    }
}

impl fmt::Debug for EndpointError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EndpointError")
            .field("code", &self.0.code)
            .field("reason", &self.0.reason)
            .field("source", &self.0.source)
            .finish()
    }
}
