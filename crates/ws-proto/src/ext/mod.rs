//! What every extension shares: the grammar of the negotiation header and who owns the reserved bits.
//!
//! The extensions themselves live in folders beside this file; which of them a handshake agrees on is decided
//! where HTTP is known, outside this crate. RFC 6455 §5.2 (RSV1 to RSV3), §9.1 (negotiating).

mod params;
mod reserved;

pub use params::{
    ExtensionOffer, ExtensionOffers, ExtensionParameter, ExtensionSyntaxError, parse_extensions,
};
pub use reserved::{ReservedBits, ReservedBitsTaken, ReservedOwners};
