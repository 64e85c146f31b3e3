//! Masking (RFC 6455 §5.3): the key, where keys come from, and applying a key at any phase.
//! Which role masks is in `role`.

mod key;

mod scalar;

pub use key::{MaskGen, MaskKey};
pub use scalar::apply_mask;
