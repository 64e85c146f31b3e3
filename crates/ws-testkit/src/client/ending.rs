//! From what the socket reports to how a client ended.

use std::error::Error;

use ws_handler::SocketError;
use ws_proto::{CloseCode, CloseReason};

use crate::stats::Ending;

/// The closing handshake is done, before all answers were in.
pub(super) fn closed(close: Option<CloseReason>) -> Ending {
    match close {
        Some(close) => Ending::Closed {
            code: close.code.value(),
            reason: close.reason.to_string(),
        },
        None => Ending::Closed {
            code: CloseCode::ABNORMAL.value(),
            reason: String::new(),
        },
    }
}

/// The connection failed; if a close frame came first, it knows better why.
pub(super) fn lost(error: &SocketError, close: Option<CloseReason>) -> Ending {
    match close {
        Some(close) if !close.reason.is_empty() => closed(Some(close)),
        close => {
            let code = close.map_or(CloseCode::ABNORMAL, |close| close.code).value();
            Ending::Closed {
                code,
                reason: with_sources(error),
            }
        }
    }
}

/// An error with everything below it, on one line.
pub(super) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
