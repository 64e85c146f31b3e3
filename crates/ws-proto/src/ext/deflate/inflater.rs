//! An inflater by itself: the backend, made safe to lend to any connection in turn.

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use crate::error::ProtocolError;

/// Output is handed on in pieces of at most this size: it fits into the fast caches, is initialised once in the
/// life of an inflater, and a piece of text is validated while it is there.
pub(super) const PIECE: usize = 16 * 1024;

/// An inflater that can be lent to any connection in turn. About 64 KiB.
pub struct Inflater {
    stream: Inflate,
    piece: Box<[u8]>,
    /// Memory for the history of a message without context takeover.
    pub(super) spare: Vec<u8>,
}

impl Inflater {
    /// Makes an inflater.
    #[must_use]
    pub fn new() -> Self {
        Self {
            // The backend's window is 32 KiB whatever it is told, and that is what resetting makes of it. How far
            // back a message may refer is bounded by what is loaded, see `Decompressor::load`.
            stream: Inflate::new(false, 15),
            piece: vec![0; PIECE].into(),
            spare: Vec::new(),
        }
    }

    /// Forgets everything but `history`.
    pub(super) fn load(&mut self, history: &[u8]) -> Result<(), ProtocolError> {
        self.stream.reset(false);
        if history.is_empty() {
            return Ok(());
        }
        self.stream
            .set_dictionary(history)
            .map(drop)
            .map_err(|_| ProtocolError::CompressedData)
    }

    /// One step: at most `room` bytes of output.
    pub(super) fn step(&mut self, input: &[u8], room: usize) -> Step<'_> {
        let (used, made) = (self.stream.total_in(), self.stream.total_out());
        let room = room.min(self.piece.len());
        let output = self.piece.get_mut(..room).unwrap_or_default();
        let status = self.stream.decompress(input, output, InflateFlush::SyncFlush);
        let count = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(usize::MAX);
        let used = count(self.stream.total_in(), used);
        let made = count(self.stream.total_out(), made);
        Step {
            used,
            output: self.piece.get(..made).unwrap_or_default(),
            ended: status == Ok(Status::StreamEnd),
            corrupt: status.is_err(),
        }
    }
}

/// What came of a step.
pub(super) struct Step<'a> {
    /// Bytes of input that were taken.
    pub(super) used: usize,
    /// What came out, before the fault if there is one: how the input is cut makes no difference then.
    pub(super) output: &'a [u8],
    /// A final block ended.
    pub(super) ended: bool,
    /// The input makes no sense.
    pub(super) corrupt: bool,
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}
