//! Masking (RFC 6455 §5.3): the key, where keys come from, and applying a key at any phase.
//! Which role masks is in `role`.

mod key;

mod scalar;

#[cfg(target_arch = "x86_64")]
mod simd;

pub use key::{MaskGen, MaskKey};

use crate::steps;

/// Masks or unmasks `payload` in place with `key` (RFC 6455 §5.3; the operation is its own inverse).
///
/// The first byte of `payload` meets the first byte of `key`. For a later part of a payload rotate the key:
/// `apply_mask(key.rotated(offset), part)`.
#[inline]
pub fn apply_mask(key: MaskKey, payload: &mut [u8]) {
    steps::steps(payload.len());
    #[cfg(target_arch = "x86_64")]
    if simd::apply(key, payload) {
        return;
    }
    scalar::apply(key, payload);
}
