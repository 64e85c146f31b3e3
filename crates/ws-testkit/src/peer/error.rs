//! What can go wrong while a raw peer waits for the other side.

use std::fmt;
use std::io;

use super::frame::RawFrame;

/// Why an expectation of a [`RawPeer`](super::RawPeer) was not met.
#[derive(Debug)]
#[non_exhaustive]
pub enum PeerError {
    /// Nothing that fulfils the expectation came in time.
    TimedOut {
        /// What was waited for.
        expected: String,
    },
    /// The other side ended the stream instead.
    EndOfStream {
        /// What was waited for.
        expected: String,
    },
    /// Another frame came.
    OtherFrame {
        /// What was waited for.
        expected: String,
        /// What came.
        found: RawFrame,
    },
    /// Bytes came where the stream should have ended.
    OtherBytes {
        /// The first of them.
        found: Vec<u8>,
    },
    /// The HTTP head is not what was expected.
    OtherHead {
        /// What was expected of it.
        expected: String,
        /// The head, as received.
        found: String,
    },
    /// The transport failed.
    Io(io::Error),
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { expected } => write!(f, "{expected} did not come in time"),
            Self::EndOfStream { expected } => write!(f, "the stream ended instead of {expected}"),
            Self::OtherFrame { expected, found } => write!(f, "{found} came instead of {expected}"),
            Self::OtherBytes { found } => {
                write!(f, "{} bytes came instead of the end of the stream", found.len())
            }
            Self::OtherHead { expected, found } => write!(f, "the head is not {expected}: {found:?}"),
            Self::Io(_) => f.write_str("the transport failed"),
        }
    }
}

impl std::error::Error for PeerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for PeerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
