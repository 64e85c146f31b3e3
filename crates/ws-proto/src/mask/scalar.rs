//! Applying a key to bytes in place, written so that the compiler turns the middle into wide vector code.

use crate::mask::key::MaskKey;

/// Width of the block that is masked at once: two AVX2 registers.
const BLOCK: usize = 64;

/// Masks or unmasks `payload`. Always inlined, so that each caller compiles it for the registers it has.
#[inline(always)]
pub(super) fn apply(key: MaskKey, payload: &mut [u8]) {
    if payload.len() < BLOCK {
        return apply_short(key, payload);
    }
    let wide = wide(key);
    let mut blocks = payload.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        for word in block.chunks_exact_mut(8) {
            mask_word(word, wide);
        }
    }
    apply_short(key, blocks.into_remainder());
}

/// The same for what is shorter than a block.
#[inline]
fn apply_short(key: MaskKey, payload: &mut [u8]) {
    let wide = wide(key);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        mask_word(word, wide);
    }
    let mut halves = words.into_remainder().chunks_exact_mut(4);
    for half in &mut halves {
        if let Some(half) = half.first_chunk_mut::<4>() {
            *half = (u32::from_ne_bytes(*half) ^ u32::from_ne_bytes(key.0)).to_ne_bytes();
        }
    }
    // At most three.
    for (byte, key) in halves.into_remainder().iter_mut().zip(&key.0) {
        *byte ^= key;
    }
}

/// The key twice.
#[inline]
fn wide(key: MaskKey) -> u64 {
    let key = u64::from(u32::from_ne_bytes(key.0));
    key << 32 | key
}

/// Eight bytes in one register.
#[inline]
fn mask_word(word: &mut [u8], wide: u64) {
    if let Some(word) = word.first_chunk_mut::<8>() {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use crate::mask::{MaskKey, apply_mask};

    #[test]
    fn equals_the_definition_at_every_length_and_phase() {
        let key = MaskKey([0x37, 0xFA, 0x21, 0x3D]);
        let data: Vec<u8> = (0..300_u16).map(|n| n.to_le_bytes()[0]).collect();
        for length in 0..data.len() {
            for phase in 0..4 {
                let mut masked = data[..length].to_vec();
                apply_mask(key.rotated(phase), &mut masked);
                // RFC 6455 §5.3: "transformed-octet-i = original-octet-i XOR masking-key-octet-j", j = i MOD 4
                for (i, byte) in masked.iter().enumerate() {
                    assert_eq!(*byte, data[i] ^ key.0[(i + phase) % 4]);
                }
            }
        }
    }

    #[test]
    fn cut_anywhere_gives_the_same_bytes() {
        let key = MaskKey([9, 8, 7, 6]);
        let mut whole: Vec<u8> = (0..200).collect();
        let source = whole.clone();
        apply_mask(key, &mut whole);
        for cut in 0..source.len() {
            let mut parts = source.clone();
            let (head, tail) = parts.split_at_mut(cut);
            apply_mask(key, head);
            apply_mask(key.rotated(cut), tail);
            assert_eq!(parts, whole);
        }
    }
}
