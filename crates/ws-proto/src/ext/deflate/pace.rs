//! Whether a compressor is worth keeping from one turn of a connection to its next.
//!
//! A compressor is 170 to 290 KiB, and quick as long as they are in the caches. When a few dozen others have been at
//! work in between they are not, and to go through them from memory takes longer than to take a compressor that was
//! used just now and to load the history into it, which says the same to the peer (docs/PERFORMANCE.md). It also takes
//! no memory for each connection. Not here: what becomes of it (`compress`), who counts turns (`pool`).

use super::pool::CodecPool;

/// So many turns later, those of others counted, a compressor is still in the caches. With 16 connections in turn one
/// of their own is the quicker, with 32 a common one, on the machines measured.
const NEAR: u32 = 24;

/// When a connection had its turns.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Number of the last turn, if there was any.
    last: Option<u32>,
    /// A turn has begun and not ended.
    begun: bool,
    /// The one before it was long ago, or there was none.
    apart: bool,
}

impl Pace {
    /// Something is compressed: a turn begins, unless one has.
    pub(super) fn begin(&mut self, pool: &dyn CodecPool) {
        if self.begun {
            return;
        }
        let turn = pool.begin_turn();
        self.apart = self.last.is_none_or(|last| turn.wrapping_sub(last) > NEAR);
        self.last = Some(turn);
        self.begun = true;
    }

    /// The turn is over. Whether the next one may be expected to be long after it.
    pub(super) fn end(&mut self) -> bool {
        self.begun = false;
        self.apart
    }
}
