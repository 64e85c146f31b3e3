//! What every extension shares: the grammar of the negotiation header, who owns the reserved bits, and the order in
//! which extensions see frames.
//!
//! permessage-deflate is in a folder of its own; it costs no virtual call. Anything else is a list of boxed frame
//! extensions, empty for nearly everybody. Which extensions a handshake agrees on is decided where HTTP is known,
//! outside this crate. RFC 6455 §5.2 (RSV1 to RSV3), §9 (extensions), RFC 7692.

mod params;
mod reserved;

mod frames;

mod fragment;

#[cfg(not(feature = "deflate"))]
mod absent;
#[cfg(feature = "deflate")]
mod deflate;

mod chain;

pub use chain::Extensions;
#[cfg(feature = "deflate")]
pub use deflate::{
    CodecPool, DeflateAgreement, DeflateConfig, DeflateParameters, Deflater, DeflaterSettings, Inflater,
    PERMESSAGE_DEFLATE, WindowBits,
};
pub use fragment::{FragmentExtension, IdentityExtension};
pub use frames::{ExtensionFrame, FrameDecoder, FrameEncoder, FrameExtension};
pub use params::{
    ExtensionOffer, ExtensionOffers, ExtensionParameter, ExtensionSyntaxError, parse_extensions,
};
pub use reserved::{ReservedBits, ReservedBitsTaken, ReservedOwners};

#[cfg(not(feature = "deflate"))]
pub(crate) use absent::Compressor;
pub(crate) use chain::{Incoming, LegalBits, Outgoing};
#[cfg(feature = "deflate")]
pub(crate) use deflate::Compressor;
