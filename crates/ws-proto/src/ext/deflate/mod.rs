//! permessage-deflate (RFC 7692): how it is negotiated, compressing and inflating one direction each.
//!
//! Which frames are compressed is decided by the two machines (`send`, `recv`); the bits and bytes of DEFLATE
//! (RFC 1951) are the backend's, `zlib-rs`. Compiled with the feature `deflate` only; what stands in its place
//! otherwise is in `absent`, beside this folder.

mod config;
mod history;
mod inflater;

mod deflater;
mod negotiate;

mod pool;

mod pace;

mod compress;
mod decompress;

pub use config::{DeflateConfig, WindowBits};
pub use deflater::{Deflater, DeflaterSettings};
pub use inflater::Inflater;
pub use negotiate::{DeflateAgreement, DeflateParameters, PERMESSAGE_DEFLATE};
pub use pool::CodecPool;

pub(crate) use compress::Compressor;
pub(crate) use decompress::Decompressor;

/// The four bytes that a sync flush ends with and that are not sent (RFC 7692 §7.2.1): an empty block without
/// compression, its first three bits aside.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
