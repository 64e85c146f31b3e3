//! The bytes that were read and not yet parsed.
//!
//! Here: [`ReadBuffer`], which holds memory only while it holds bytes. Not here: reading (`link`), the pool the
//! memory comes from (`pool`), and partial frames, which the receive path keeps by itself.

use std::fmt;

use bytes::BytesMut;
use ws_proto::{Event, ProtocolError, ReceivePath};

use super::pool::Chunk;

/// Received bytes that wait to be parsed. Empty between batches, and then without memory of its own.
///
/// A loop that parses borrowed events calls [`take_input`](Self::take_input) and parses until nothing is left,
/// which `ReceivePath::next` does by itself: whatever it does not need now it keeps.
#[derive(Default)]
pub struct ReadBuffer {
    chunk: Option<Chunk>,
    /// First byte not parsed yet.
    start: u32,
    /// End of the bytes read.
    end: u32,
}

impl ReadBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer that begins with what was read beyond the opening handshake; it comes before anything else.
    pub fn with_leftover(leftover: &BytesMut) -> Self {
        if leftover.is_empty() {
            return Self::default();
        }
        let end = u32::try_from(leftover.len()).unwrap_or(u32::MAX);
        Self {
            chunk: Some(Chunk::from_bytes(leftover)),
            start: 0,
            end,
        }
    }

    /// The next event, or `None` when everything that arrived is parsed. The receive path keeps what is incomplete.
    ///
    /// # Errors
    ///
    /// The peer broke a rule: [`fail`](super::Link::fail) the connection with it.
    #[inline]
    pub fn next_event<'s>(
        &'s mut self,
        receive: &'s mut ReceivePath,
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        let Some(chunk) = &mut self.chunk else {
            return Ok(None);
        };
        let mut input = chunk
            .bytes_mut()
            .get_mut(self.start as usize..self.end as usize)
            .unwrap_or_default();
        let result = receive.next(&mut input);
        // What is left of the input is a suffix of it.
        self.start = self.end - input.len() as u32;
        result
    }

    /// Whether there is nothing to parse.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes wait to be parsed.
    pub fn remaining(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// The bytes to parse. Say with [`consume`](Self::consume) how many were.
    pub fn input(&mut self) -> &mut [u8] {
        self.range(self.start)
    }

    /// Marks the first `count` bytes of the input as parsed. More than there are is the same as all.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.remaining()) as u32;
    }

    /// All bytes to parse, counted as parsed.
    pub fn take_input(&mut self) -> &mut [u8] {
        let start = std::mem::replace(&mut self.start, self.end);
        self.range(start)
    }

    /// Gives the memory back, if there is nothing to parse.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Whether memory is held.
    pub fn holds_memory(&self) -> bool {
        self.chunk.is_some()
    }

    /// An empty chunk to read into, borrowed from the pool if there is none yet.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        self.chunk.get_or_insert_with(Chunk::lend).bytes_mut()
    }

    /// Says how many bytes were read into [`space`](Self::space).
    pub(crate) fn filled(&mut self, count: usize) {
        let room = self.chunk.as_ref().map_or(0, |chunk| chunk.bytes().len());
        self.end = count.min(room) as u32;
    }

    fn range(&mut self, start: u32) -> &mut [u8] {
        let Some(chunk) = &mut self.chunk else {
            return &mut [];
        };
        chunk
            .bytes_mut()
            .get_mut(start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer")
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftover_comes_first_and_its_memory_goes_with_it() {
        let mut buffer = ReadBuffer::with_leftover(&BytesMut::from(&b"abc"[..]));
        assert_eq!(buffer.input(), b"abc");
        buffer.consume(1);
        buffer.release();
        assert_eq!(buffer.take_input(), b"bc");
        assert!(buffer.is_empty());
        buffer.release();
        assert!(!buffer.holds_memory());

        let mut buffer = ReadBuffer::with_leftover(&BytesMut::from(&b"abc"[..]));
        buffer.consume(9);
        assert!(buffer.take_input().is_empty());
        buffer.release();
        assert!(!buffer.holds_memory());
    }

    #[test]
    fn a_chunk_is_held_while_bytes_wait_and_no_longer() {
        let mut buffer = ReadBuffer::new();
        assert!(!buffer.holds_memory());
        buffer.space()[..4].copy_from_slice(b"wxyz");
        buffer.filled(4);
        assert_eq!(buffer.input(), b"wxyz");
        buffer.consume(3);
        buffer.release();
        assert_eq!(buffer.input(), b"z", "nothing is released while bytes wait");
        assert_eq!(buffer.take_input(), b"z");
        assert!(buffer.is_empty());
        buffer.release();
        assert!(!buffer.holds_memory());
    }
}
