//! RFC 6455 WebSocket framing and connection state, without I/O, clock or randomness.
#![forbid(unsafe_code)]

// layer 4: extensions
mod ext;

pub use ext::{
    ExtensionOffer, ExtensionOffers, ExtensionParameter, ExtensionSyntaxError, ReservedBits,
    ReservedBitsTaken, ReservedOwners, parse_extensions,
};
