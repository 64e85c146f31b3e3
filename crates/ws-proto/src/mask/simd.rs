//! Applying a key with registers of 32 bytes, where the processor has them: twice the speed of what every x86-64 can do.
//!
//! The only unsafe code of the library. The loop itself is the safe one of `scalar`, compiled a second time.

#![expect(
    unsafe_code,
    reason = "a function for AVX2 may only be called where there is AVX2"
)]

use super::key::MaskKey;
use super::scalar;

/// Below this many bytes asking for the processor's features costs more than wide registers save.
const WORTH_IT: usize = 512;

/// Bytes in a register.
const REGISTER: usize = 32;

/// Masks a long payload; `false`: it is short, or this processor has nothing better than `scalar`.
#[inline]
pub(super) fn apply(key: MaskKey, payload: &mut [u8]) -> bool {
    if payload.len() < WORTH_IT || !std::arch::is_x86_feature_detected!("avx2") {
        return false;
    }
    // SAFETY: `avx2` may be called on a processor with AVX2, which was just asked for. It asks for nothing else: its
    // arguments are a key and a slice, and its body is safe code.
    unsafe { avx2(key, payload) };
    true
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn avx2(key: MaskKey, payload: &mut [u8]) {
    // Registers that lie across two lines of the cache take twice as long.
    let before = payload.as_ptr().align_offset(REGISTER).min(payload.len());
    let (head, rest) = payload.split_at_mut(before);
    scalar::apply(key, head);
    scalar::apply(key.rotated(before), rest);
}

#[cfg(test)]
mod tests {
    use super::{MaskKey, WORTH_IT, apply, scalar};

    #[test]
    fn does_what_its_scalar_twin_does_at_every_length_and_alignment() {
        let key = MaskKey([0x37, 0xFA, 0x21, 0x3D]);
        let data: Vec<u8> = (0..2048_u32)
            .map(|n| (n * 7 + n / 256).to_le_bytes()[0])
            .collect();
        for start in 0..33 {
            for length in (WORTH_IT - 1..WORTH_IT + 130).chain([2048 - start]) {
                let (mut wide, mut narrow) = (data.clone(), data.clone());
                scalar::apply(key, &mut narrow[start..start + length]);
                let done = apply(key, &mut wide[start..start + length]);
                if done {
                    assert!(wide == narrow, "{length} bytes from {start}");
                } else {
                    assert!(wide == data, "nothing was touched");
                }
                let can = length >= WORTH_IT && std::arch::is_x86_feature_detected!("avx2");
                assert_eq!(done, can);
            }
        }
    }
}
