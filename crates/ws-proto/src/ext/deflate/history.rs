//! The end of what has passed in one direction: as much as the agreed window, all that a codec needs to go on.

/// The last bytes of a stream, as many as the caller's limit. One of both is in every connection that compresses, so
/// the limit is not kept here.
#[derive(Debug, Default)]
pub(super) struct History(Vec<u8>);

impl History {
    /// Nothing, in memory that was used before.
    pub(super) fn within(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self(bytes)
    }

    pub(super) fn into_memory(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends `part`; what is older than the last `limit` bytes goes.
    pub(super) fn push(&mut self, part: &[u8], limit: usize) {
        let part = part.get(part.len().saturating_sub(limit)..).unwrap_or(part);
        let kept = (limit - part.len()).min(self.0.len());
        self.0.drain(..self.0.len() - kept);
        let wanted = self.0.len() + part.len();
        if wanted > self.0.capacity() {
            // In few steps, whose memory the allocator has to find other use for, and never beyond the window.
            let room = (self.0.capacity() * 4).clamp(wanted, limit);
            self.0.reserve_exact(room - self.0.len());
        }
        self.0.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::History;

    #[test]
    fn the_last_bytes_are_kept_and_memory_stays_below_the_limit() {
        let stream: Vec<u8> = (0..5000_u32)
            .map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1])
            .collect();
        for step in [1, 7, 100, 255, 256, 257, 1000, 5000] {
            let mut history = History::default();
            let mut seen = 0;
            for part in stream.chunks(step) {
                history.push(part, 256);
                seen += part.len();
                assert_eq!(
                    history.bytes(),
                    &stream[seen.saturating_sub(256)..seen],
                    "step {step}"
                );
                assert!(history.0.capacity() <= 256, "{}", history.0.capacity());
            }
        }
    }
}
