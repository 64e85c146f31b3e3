//! A compressor by itself: the backend, made safe to lend to any connection in turn.

use std::fmt;

use zlib_rs::{Deflate, DeflateConfig as Backend, DeflateFlush, Strategy};

use super::config::WindowBits;

/// Symbols per block, as zlib counts it: 4096. Above it a compressor gets larger and messages hardly smaller.
const MEMORY_LEVEL: i32 = 6;

/// Most bytes that room is made for at once: room has to be initialised.
const MAX_STEP: usize = 16 * 1024;

/// What a compressor is made for; only such with the same settings can stand in for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeflaterSettings {
    pub(super) window: WindowBits,
    pub(super) level: u8,
}

impl DeflaterSettings {
    /// Whether loading a whole history takes no longer than compressing with memory that is in no cache. Not where there
    /// is much to load and the level goes through little memory.
    pub(super) fn are_quick_to_load(self) -> bool {
        self.window.value() <= 13 || self.level >= 4
    }

    fn backend(self) -> Backend {
        Backend {
            level: i32::from(self.level.clamp(1, 9)),
            // The backend has no window of 8 bits: it would take one of 9. With run lengths alone nothing refers
            // further back than one byte, so that the window does not matter.
            window_bits: -i32::from(self.window.value().max(9)),
            mem_level: MEMORY_LEVEL,
            strategy: if self.window == WindowBits::MIN {
                Strategy::Rle
            } else {
                Strategy::Default
            },
            ..Backend::default()
        }
    }
}

/// A compressor that can be lent to any connection of the same settings in turn.
pub struct Deflater {
    stream: Deflate,
    settings: DeflaterSettings,
}

impl Deflater {
    /// Makes a compressor.
    #[must_use]
    pub fn new(settings: DeflaterSettings) -> Self {
        Self {
            stream: Deflate::new_with_config(settings.backend()),
            settings,
        }
    }

    /// What it is made for.
    #[must_use]
    pub fn settings(&self) -> DeflaterSettings {
        self.settings
    }

    /// Forgets everything but `history`.
    pub(super) fn load(&mut self, history: &[u8]) {
        self.stream.reset();
        if !history.is_empty() {
            // Refused in the middle of a block only. Without it messages are larger and no less right.
            let _ = self.stream.set_dictionary(history);
        }
    }

    /// Appends what `input` is compressed, up to the end of a byte; its last four bytes are [`TAIL`].
    pub(super) fn compress(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        let mut room = (input.len() / 4 + 128).min(MAX_STEP);
        loop {
            let start = out.len();
            out.resize(start + room, 0);
            let (used, made) = (self.stream.total_in(), self.stream.total_out());
            let output = out.get_mut(start..).unwrap_or_default();
            // An error is possible only where the settings are wrong, and those are ours.
            let _ = self.stream.compress(input, output, DeflateFlush::SyncFlush);
            let count = |total: u64, before: u64| usize::try_from(total - before).unwrap_or_default();
            let used = count(self.stream.total_in(), used);
            let made = count(self.stream.total_out(), made);
            out.truncate(start + made);
            input = input.get(used..).unwrap_or_default();
            if made < room {
                debug_assert!(
                    input.is_empty(),
                    "the backend stops only where room or input ends"
                );
                return;
            }
            room = MAX_STEP.min(room * 2);
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
