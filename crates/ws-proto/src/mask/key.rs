//! The masking key and the source of keys (RFC 6455 §5.3, §10.3).

/// The 32-bit key that the payload of a client's frame is masked with (RFC 6455 §5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskKey(pub [u8; 4]);

impl MaskKey {
    /// The key that masks the bytes from payload offset `phase` on: the same four bytes, rotated.
    #[must_use]
    pub const fn rotated(self, phase: usize) -> Self {
        Self(
            u32::from_le_bytes(self.0)
                .rotate_right(8 * (phase as u32 & 3))
                .to_le_bytes(),
        )
    }
}

/// Where a client's masking keys come from.
///
/// RFC 6455 §5.3: "The masking key needs to be unpredictable". `ws-handler` brings one that is; fixed keys are
/// for tests only.
pub trait MaskGen: Send {
    /// A key for the next frame. A fresh one each time: "MUST select a fresh masking key".
    fn next_key(&mut self) -> MaskKey;
}

impl<F: FnMut() -> MaskKey + Send> MaskGen for F {
    fn next_key(&mut self) -> MaskKey {
        self()
    }
}

#[cfg(test)]
mod tests {
    use super::MaskKey;

    #[test]
    fn rotation_is_modulo_four() {
        let key = MaskKey([1, 2, 3, 4]);
        assert_eq!(key.rotated(0), key);
        assert_eq!(key.rotated(1), MaskKey([2, 3, 4, 1]));
        assert_eq!(key.rotated(7), MaskKey([4, 1, 2, 3]));
    }
}
