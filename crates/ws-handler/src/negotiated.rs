//! What the opening handshake agreed on, as both sides of it and the socket need it.
//!
//! Not here: how it is agreed on (`handshake`).

use ws_proto::{ExtensionOffer, Extensions, ReservedBits};

/// The outcome of an opening handshake (RFC 6455 §4.2.2, §4.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol both sides speak (RFC 6455 §1.9), if one was chosen.
    pub subprotocol: Option<String>,
    /// The extensions in use, in the order of the response (RFC 6455 §9.1). Empty for nearly everybody.
    pub extensions: Vec<ExtensionOffer<'static>>,
    /// The reserved header bits that the extensions in use give a meaning to; every other one must be zero.
    pub reserved: ReservedBits,
    /// What the extensions in use do to messages and frames, in the same order: for
    /// [`SendPath::with_extensions`](ws_proto::SendPath::with_extensions) and
    /// [`ReceivePath::with_extensions`](ws_proto::ReceivePath::with_extensions).
    pub chain: Extensions,
}

impl Negotiated {
    /// Nothing but the protocol itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }
}
