//! The seam to whoever keeps codecs: this crate has no globals, so a pool is lent to it.

use super::deflater::{Deflater, DeflaterSettings};
use super::inflater::Inflater;

/// Keeps compressors and inflaters that no connection needs right now. A connection takes one when a compressed
/// message begins and gives it back when the message ends. A compressor with context takeover is given back when the
/// connection [has ended its turn](crate::SendPath::detach) and is not worth keeping, at the latest when it is told to
/// [hibernate](crate::SendPath::hibernate).
///
/// What is inside a codec is forgotten before it is used again, so any may go to any connection. Without a pool, or
/// when it has none, codecs are made as they are needed.
pub trait CodecPool: Send + Sync {
    /// An inflater, if there is one.
    fn take_inflater(&self) -> Option<Box<Inflater>>;

    /// Takes an inflater back: about 64 KiB.
    fn give_inflater(&self, inflater: Box<Inflater>);

    /// A compressor of exactly these settings, if there is one.
    fn take_deflater(&self, settings: DeflaterSettings) -> Option<Box<Deflater>>;

    /// Takes a compressor back: about 170 KiB at a window of 4 KiB, 280 KiB at 32 KiB.
    fn give_deflater(&self, deflater: Box<Deflater>);

    /// A connection begins to compress with context takeover. Returns the number of this turn, wrapping, among those of
    /// all connections whose compressors share the caches of a processor: of one thread. Who finds its own last turn
    /// long ago does not keep its compressor. Default: 0, always, and then all keep them from their second turn on.
    fn begin_turn(&self) -> u32 {
        0
    }

    /// Whether one more connection may keep a compressor between its turns, which is then counted. Default: it may.
    fn reserve(&self) -> bool {
        true
    }

    /// A connection that [may keep](Self::reserve) a compressor keeps it no longer.
    fn release(&self) {}
}
