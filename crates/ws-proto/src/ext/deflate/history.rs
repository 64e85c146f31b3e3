//! The end of what has passed in one direction: as much as the agreed window, all that a codec needs to go on.

/// At most the last `limit` bytes of a stream.
#[derive(Debug)]
pub(super) struct History {
    bytes: Vec<u8>,
    limit: usize,
}

impl History {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    /// The same in memory that was used before.
    pub(super) fn within(mut bytes: Vec<u8>, limit: usize) -> Self {
        bytes.clear();
        Self { bytes, limit }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends `part`; what is older than the limit goes.
    pub(super) fn push(&mut self, part: &[u8]) {
        let part = part.get(part.len().saturating_sub(self.limit)..).unwrap_or(part);
        let kept = (self.limit - part.len()).min(self.bytes.len());
        self.bytes.drain(..self.bytes.len() - kept);
        // Doubling would take up to twice the window.
        let wanted = self.bytes.len() + part.len();
        if wanted > self.bytes.capacity() {
            let room = (self.bytes.capacity() * 2).clamp(wanted, self.limit);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
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
            let mut history = History::new(256);
            let mut seen = 0;
            for part in stream.chunks(step) {
                history.push(part);
                seen += part.len();
                assert_eq!(
                    history.bytes(),
                    &stream[seen.saturating_sub(256)..seen],
                    "step {step}"
                );
                assert!(history.bytes.capacity() <= 256, "{}", history.bytes.capacity());
            }
        }
    }
}
