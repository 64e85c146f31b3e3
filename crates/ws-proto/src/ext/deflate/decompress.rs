//! Inflating received messages (RFC 7692 §7.2.2): exactly up to the message limit, piece by piece as bytes arrive.
//!
//! Not here: the codec (`inflater`), which frames are compressed (`recv`), where the output goes (the caller's `sink`).

use super::TAIL;
use super::config::WindowBits;
use super::history::History;
use super::inflater::{Inflater, PIECE, Step};
use super::negotiate::DeflateAgreement;
use super::pool::CodecPool;
use crate::error::ProtocolError;

/// Stricter than the RFC: more final blocks than this in one message are refused. RFC 7692 §7.2.3.4 allows any
/// number; each costs a window's worth of copying for two bytes of input.
const MAX_FINAL_BLOCKS: u32 = 1024;

/// An empty final block. After the tail it is complete if, and only if, the message ended where a block ends.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// One direction of a connection: what the peer compressed.
///
/// Between messages it holds the history only, and that only with context takeover. Each message begins with a
/// codec that knows just the history: what a message may refer to does not depend on which codec it gets, nor
/// on how long ago the last one was. A reference further back is invalid (1007). Looser than the RFC: inside one
/// message, a reference beyond the agreed window may pass, as far as the backend's window of 32 KiB goes.
pub(crate) struct Decompressor {
    history: History,
    window: WindowBits,
    takeover: bool,
    pool: Option<&'static dyn CodecPool>,
    message: Option<OpenMessage>,
    /// Bytes of messages as they were on the wire, and inflated.
    counted: (u64, u64),
}

/// A compressed message that has begun.
struct OpenMessage {
    inflater: Box<Inflater>,
    /// Bytes that came out so far: never above the limit.
    made: usize,
    /// A final block has ended, and whatever follows begins a new stream.
    ended: bool,
    /// How far back the next message may refer.
    window: WindowBits,
    final_blocks: u32,
}

impl Decompressor {
    pub(crate) fn new(agreement: &DeflateAgreement, pool: Option<&'static dyn CodecPool>) -> Self {
        Self {
            history: History::default(),
            window: agreement.incoming_window(),
            takeover: agreement.incoming_takeover(),
            pool,
            message: None,
            counted: (0, 0),
        }
    }

    /// Takes `input`, a part of a compressed message. The output goes to `sink`, piece by piece.
    ///
    /// # Errors
    /// Corrupt data; more than `limit` bytes in this message; whatever `sink` says.
    pub(crate) fn push(
        &mut self,
        input: &[u8],
        limit: usize,
        sink: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        let mut message = self.open()?;
        self.counted.0 += input.len() as u64;
        let result = inflate(&mut message, &mut self.history, input, limit, sink);
        // Kept whatever comes of it: after an error nothing is pushed any more, and dropping gives it back.
        self.message = Some(message);
        result
    }

    /// The message is complete.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn finish(
        &mut self,
        limit: usize,
        sink: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        let mut message = self.open()?;
        // Looser than the RFC: a final block may end the message; RFC 7692 §7.2.3.4 has a byte 0x00 after it.
        let result = if message.ended {
            Ok(())
        } else {
            end(&mut message, &mut self.history, limit, sink)
        };
        self.counted.1 += message.made as u64;
        self.close(message);
        result
    }

    /// Nothing more comes of the message that is open, if one is.
    pub(crate) fn abandon(&mut self) {
        if let Some(message) = self.message.take() {
            self.close(message);
        }
    }

    /// Whether a message has begun, which holds an inflater.
    pub(crate) fn is_open(&self) -> bool {
        self.message.is_some()
    }

    /// Bytes of compressed messages so far: on the wire, and inflated.
    pub(crate) fn counted(&self) -> (u64, u64) {
        self.counted
    }

    /// The message that is open, or a new one: with a codec, and the history in it.
    fn open(&mut self) -> Result<OpenMessage, ProtocolError> {
        if let Some(message) = self.message.take() {
            return Ok(message);
        }
        let mut inflater = self
            .pool
            .and_then(|pool| pool.take_inflater())
            .unwrap_or_default();
        if !self.takeover {
            // RFC 7692 §7.1.1: without context takeover a message refers to nothing before itself.
            self.history = History::within(std::mem::take(&mut inflater.spare));
        }
        inflater.load(self.history.bytes())?;
        Ok(OpenMessage {
            inflater,
            made: 0,
            ended: false,
            window: self.window,
            final_blocks: 0,
        })
    }

    fn close(&mut self, message: OpenMessage) {
        let mut inflater = message.inflater;
        if !self.takeover {
            inflater.spare = std::mem::take(&mut self.history).into_memory();
        }
        if let Some(pool) = self.pool {
            pool.give_inflater(inflater);
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Inflates all of `input`.
fn inflate(
    message: &mut OpenMessage,
    history: &mut History,
    mut input: &[u8],
    limit: usize,
    sink: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
) -> Result<(), ProtocolError> {
    loop {
        if message.ended {
            if input.is_empty() {
                return Ok(());
            }
            // RFC 7692 §7.2.3.4: blocks may follow a final one. The window goes on, the stream does not.
            message.inflater.load(history.bytes())?;
            message.ended = false;
        }
        // One byte more than allowed shows that it is too much.
        let room = (limit - message.made).saturating_add(1);
        let Step {
            used,
            output,
            ended,
            corrupt,
        } = message.inflater.step(input, room);
        let (full, idle) = (output.len() == room.min(PIECE), used == 0 && output.is_empty());
        input = input.get(used..).unwrap_or_default();
        message.made = message.made.saturating_add(output.len());
        // What is wrong with the bytes below the limit comes first, as it does when they come one by one.
        let excess = message.made.saturating_sub(limit);
        let allowed = output
            .get(..output.len().saturating_sub(excess))
            .unwrap_or_default();
        if !allowed.is_empty() {
            history.push(allowed, message.window.bytes());
            sink(allowed)?;
        }
        if excess > 0 {
            return Err(ProtocolError::MessageTooBig);
        }
        if corrupt {
            // RFC 7692 §7.2.2 leaves the code open; RFC 6455 §7.4.1: 1007 is for "data within a message that was not
            // consistent with the type of the message".
            return Err(ProtocolError::CompressedData);
        }
        if ended {
            message.ended = true;
            message.final_blocks += 1;
            if message.final_blocks > MAX_FINAL_BLOCKS {
                return Err(ProtocolError::CompressedData);
            }
        } else if input.is_empty() && !full {
            return Ok(());
        } else if idle {
            // The backend moves on if it has both input and room; that it does not is no reason to wait for ever.
            return if input.is_empty() {
                Ok(())
            } else {
                Err(ProtocolError::CompressedData)
            };
        }
    }
}

/// RFC 7692 §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message." Then
/// the last block must be complete, or the message is not.
fn end(
    message: &mut OpenMessage,
    history: &mut History,
    limit: usize,
    sink: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
) -> Result<(), ProtocolError> {
    inflate(message, history, &TAIL, limit, sink)?;
    if message.ended {
        return Err(ProtocolError::CompressedData);
    }
    let step = message.inflater.step(&FINAL_BLOCK, PIECE);
    if step.ended && step.output.is_empty() && step.used == FINAL_BLOCK.len() {
        Ok(())
    } else {
        Err(ProtocolError::CompressedData)
    }
}
