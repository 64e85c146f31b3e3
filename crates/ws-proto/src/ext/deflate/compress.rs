//! Compressing messages to be sent (RFC 7692 §7.2.1): straight to the end of the outgoing queue.
//!
//! Not here: the codec (`deflater`), which messages are compressed and what their frames look like (`send`).

use super::TAIL;
use super::deflater::{Deflater, DeflaterSettings};
use super::history::History;
use super::negotiate::DeflateAgreement;
use super::pace::Pace;
use super::pool::CodecPool;

/// One direction of a connection: what this end compresses.
///
/// Every call compresses all it is given: there is no moment at which a caller could leave it half way. With
/// context takeover whatever was compressed is sent, even if it grew: the peer's history always equals ours.
pub(crate) struct Compressor {
    settings: DeflaterSettings,
    /// More than 4 GiB count as that.
    threshold: u32,
    takeover: bool,
    pool: Option<&'static dyn CodecPool>,
    /// The end of what was compressed so far: with context takeover of everything, without of the message that is open.
    history: History,
    /// A codec that knows the history, and the message that is open.
    codec: Option<Box<Deflater>>,
    /// A fragmented message is open and compressed.
    open: bool,
    /// The codec is one of those that the pool lets connections keep.
    kept: bool,
    pace: Pace,
    /// Bytes of messages before, and on the wire.
    counted: (u64, u64),
}

impl Compressor {
    pub(crate) fn new(agreement: &DeflateAgreement, pool: Option<&'static dyn CodecPool>) -> Self {
        let window = agreement.outgoing_window();
        Self {
            settings: DeflaterSettings {
                window,
                level: agreement.level(),
            },
            threshold: u32::try_from(agreement.threshold()).unwrap_or(u32::MAX),
            takeover: agreement.outgoing_takeover(),
            pool,
            history: History::default(),
            codec: None,
            open: false,
            kept: false,
            pace: Pace::default(),
            counted: (0, 0),
        }
    }

    /// Whether a message that begins with `len` bytes is worth it.
    pub(crate) fn wants(&self, len: usize) -> bool {
        len >= self.threshold as usize
    }

    /// Whether messages are compressed whatever comes of it.
    pub(crate) fn always(&self) -> bool {
        self.threshold == 0
    }

    /// Whether a message refers to those before it.
    pub(crate) fn has_takeover(&self) -> bool {
        self.takeover
    }

    /// The window that the peer keeps for us.
    pub(crate) fn window_bits(&self) -> u8 {
        self.settings.window.value()
    }

    /// Whether the message that is open, begun and not finished, is compressed.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Appends one frame's worth of a message to `out`; `fin` ends the message.
    pub(crate) fn compress(&mut self, payload: &[u8], fin: bool, out: &mut Vec<u8>) {
        let start = out.len();
        if payload.is_empty() {
            // Nothing goes through the codec: it would say nothing after a flush. RFC 7692 §7.2.3.6: an empty
            // message, as the end of any other, is the first byte of an empty block, whose rest is the tail.
            if fin {
                out.push(0x00);
            }
        } else {
            if let (true, Some(pool)) = (self.takeover, self.pool) {
                self.pace.begin(pool);
            }
            let mut codec = self.take_codec();
            codec.compress(payload, out);
            self.codec = Some(codec);
            if self.takeover || !fin {
                self.history.push(payload, self.settings.window.bytes());
            }
            // RFC 7692 §7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
            if fin && out.ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
            }
        }
        self.open = !fin;
        self.counted.0 += payload.len() as u64;
        self.counted.1 += (out.len() - start) as u64;
        if fin && !self.takeover {
            self.history = History::default();
            self.give_back();
        }
    }

    /// Counts a message that was compressed for another connection.
    pub(crate) fn count_shared(&mut self, payload_len: usize, wire_len: usize) {
        self.counted.0 += payload_len as u64;
        self.counted.1 += wire_len as u64;
    }

    /// What was compressed last is not sent after all: possible without context takeover only.
    pub(crate) fn discard(&mut self, payload_len: usize, wire_len: usize) {
        debug_assert!(!self.takeover, "the peer's history would differ from ours");
        self.counted.0 -= payload_len as u64;
        self.counted.1 -= wire_len as u64;
    }

    /// Whether a codec is kept from one message to the next.
    pub(crate) fn holds_codec(&self) -> bool {
        self.codec.is_some()
    }

    /// The connection goes to wait. It keeps the codec only if that will still be in the caches the next time, and if not
    /// too many are kept: see [`Pace`]. Also while a message is open, which goes on with the history like the next one.
    pub(crate) fn end_turn(&mut self) {
        let apart = self.pace.end();
        if self.codec.is_none() {
            return;
        }
        let keeps = !(apart && self.settings.are_quick_to_load());
        let reserve = || self.pool.is_none_or(|pool| pool.reserve());
        if keeps && (self.kept || reserve()) {
            self.kept = true;
        } else {
            self.give_back();
        }
    }

    /// Bytes of compressed messages so far: before, and on the wire.
    pub(crate) fn counted(&self) -> (u64, u64) {
        self.counted
    }

    fn take_codec(&mut self) -> Box<Deflater> {
        if let Some(codec) = self.codec.take() {
            return codec;
        }
        let pooled = self.pool.and_then(|pool| pool.take_deflater(self.settings));
        match pooled.filter(|codec| codec.settings() == self.settings) {
            Some(mut codec) => {
                codec.load(self.history.bytes());
                codec
            }
            None => {
                let mut codec = Box::new(Deflater::new(self.settings));
                if !self.history.bytes().is_empty() {
                    codec.load(self.history.bytes());
                }
                codec
            }
        }
    }

    /// Gives the codec back. The history stays, and another codec goes on from there.
    pub(crate) fn give_back(&mut self) {
        let (codec, kept) = (self.codec.take(), std::mem::take(&mut self.kept));
        let Some(pool) = self.pool else { return };
        if let Some(codec) = codec {
            pool.give_deflater(codec);
        }
        if kept {
            pool.release();
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        self.give_back();
    }
}
