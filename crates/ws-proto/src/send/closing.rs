//! The states of the closing handshake and how a connection ended (RFC 6455 §7.1). The transitions are methods
//! of the send path, in `send::close`; closing TCP afterwards is in `connection::close`.

use crate::code::CloseCode;
use crate::message::Utf8Bytes;

/// Where the closing handshake stands (RFC 6455 §7.1.2 to §7.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseState {
    /// No Close frame in either direction.
    Open,
    /// Our Close frame is queued or written and no answer has come. Nothing more can be sent.
    CloseSent,
    /// The peer's Close frame is here and ours is queued, but not all of it has been written yet.
    CloseReceived,
    /// The WebSocket connection is over: both frames have passed, or ours was the last word, or the transport
    /// is gone. Only TCP is left to be closed.
    Closed,
}

/// Which end began the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// This end: it sent its Close frame first, failed the connection, or gave up waiting.
    Local,
    /// The peer: its Close frame came first, or it ended the transport.
    Remote,
}

/// How a connection ended (RFC 6455 §7.1.5, §7.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The code of the peer's Close frame; 1005 if that frame was empty; 1006 if the transport ended without
    /// one. When this end failed the connection: the code that says why.
    pub code: CloseCode,
    /// The text that came with the code; empty if there was none.
    pub reason: Utf8Bytes,
    /// Which end began.
    pub who: Initiator,
    /// Whether Close frames were exchanged both ways (RFC 6455 §7.1.4, "closed cleanly").
    pub clean: bool,
}

/// The closing handshake as the sender sees it.
///
/// ```text
///            close()                        peer's Close
///  Open ───────────────▶ Sent ─────────────────────────────────▶ Answered
///   │ │                   │                                         ▲  │
///   │ └── peer's Close: the echo is queued ─────────────────────────┼──┘
///   │                     │                                         │
///   ├── fail() ───────────┴─▶ Failed (our Close is the last word)   │ transport lost
///   │                            │                                  │ before our Close
///   └── transport lost, timeout ─┴───────────▶ Lost ◀───────────────┘ was written
/// ```
///
/// RFC 6455 §5.5.1: at most one Close frame is ever sent, and it is the last frame.
#[derive(Default)]
pub(crate) enum Closing {
    /// No Close frame in either direction.
    #[default]
    Open,
    /// Our Close frame came first; the peer's is awaited.
    Sent,
    /// Both Close frames exist. Ours may still wait in the queue.
    Answered(Box<CloseReason>),
    /// The connection was failed (RFC 6455 §7.1.7): nothing that arrives counts any more.
    Failed(Box<CloseReason>),
    /// The transport is gone or was given up.
    Lost(Box<CloseReason>),
}
