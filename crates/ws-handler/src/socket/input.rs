//! The bytes that were read and not yet parsed.
//!
//! Here: [`ReadBuffer`], which holds memory only while it holds bytes. Not here: reading (`link`), the pool the
//! memory comes from (`pool`), and partial frames, which the receive path keeps by itself.

use std::fmt;

use bytes::BytesMut;
use ws_proto::{Event, ProtocolError, ReceivePath};

use super::pool::{self, Chunk};

/// From input of which an extension may make more, so much is looked at in one go: 1 KiB of a compressed message is at
/// most 1 MiB (RFC 7692 does not say so, the format does), a millisecond of work.
const PIECE: usize = 1024;

/// Once so much was made of it, the caller goes the way over `Link::poll_wake`, which may let others have their turn.
const ENOUGH: u32 = 64 * 1024;

/// Received bytes that wait to be parsed. Empty between batches, and then without memory of its own.
///
/// [`next_event`](Self::next_event) parses it, event by event, until nothing is left or others are to have their turn:
/// whatever the receive path does not need now it keeps by itself.
#[derive(Default)]
pub struct ReadBuffer {
    chunk: Option<Chunk>,
    /// First byte not parsed yet.
    start: u32,
    /// End of the bytes read.
    end: u32,
    /// Bytes that were read straight into the assembly buffer and that the receive path does not know of yet.
    direct: u32,
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
            direct: 0,
        }
    }

    /// The next event, or `None` when everything that arrived is parsed, or so much of it that it is time for a
    /// [wake](super::Link::wake). The receive path keeps what is incomplete.
    ///
    /// # Errors
    ///
    /// The peer broke a rule: [`fail`](super::Link::fail) the connection with it.
    #[inline]
    pub fn next_event<'s>(
        &'s mut self,
        receive: &'s mut ReceivePath,
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        if self.direct > 0 {
            let count = std::mem::take(&mut self.direct) as usize;
            return receive.received_direct(count);
        }
        if self.start == self.end {
            return Ok(None);
        }
        let Some(chunk) = &mut self.chunk else {
            return Ok(None);
        };
        let mut piece = (self.end - self.start) as usize;
        if receive.decodes() {
            if receive.work().decoded >= ENOUGH {
                return Ok(None);
            }
            piece = piece.min(PIECE);
        }
        let end = self.start as usize + piece;
        let mut input = chunk
            .bytes_mut()
            .get_mut(self.start as usize..end)
            .unwrap_or_default();
        let result = receive.next(&mut input);
        // What is left of the input is a suffix of it.
        self.start = (end - input.len()) as u32;
        result
    }

    /// Whether something arrived that [`next_event`](Self::next_event) has not looked at.
    #[inline]
    pub fn has_input(&self) -> bool {
        self.start != self.end || self.direct > 0
    }

    /// Gives the memory back, if there is nothing to parse.
    pub fn release(&mut self) {
        pool::give_back(self.take(), None, None);
    }

    /// Hands the memory out, if there is nothing to parse.
    pub(crate) fn take(&mut self) -> Option<Chunk> {
        if self.has_input() {
            return None;
        }
        (self.start, self.end) = (0, 0);
        self.chunk.take()
    }

    /// Takes memory to read into. There was none.
    pub(crate) fn put(&mut self, chunk: Chunk) {
        self.chunk = Some(chunk);
    }

    /// Whether memory is held.
    pub fn holds_memory(&self) -> bool {
        self.chunk.is_some()
    }

    /// The beginning of an empty chunk to read into, `most` bytes or what there is, borrowed from the pool if there is
    /// none yet.
    pub(crate) fn space(&mut self, most: usize) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        let all = self.chunk.get_or_insert_with(Chunk::lend).bytes_mut();
        let most = most.min(all.len());
        all.split_at_mut(most).0
    }

    /// Says how many bytes were read into [`space`](Self::space).
    pub(crate) fn filled(&mut self, count: usize) {
        let room = self.chunk.as_ref().map_or(0, |chunk| chunk.bytes().len());
        self.end = count.min(room) as u32;
    }

    /// Says how many bytes were read into [`ReceivePath::direct_room`].
    pub(crate) fn filled_direct(&mut self, count: usize) {
        // A read is never longer than the room for it, which is far below 4 GiB.
        self.direct = count as u32;
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer")
            .field("has_input", &self.has_input())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ws_proto::{Config, Role};

    use super::*;

    /// RFC 6455 §5.7: "Hello", unmasked, in two fragments with a ping between.
    const FRAMES: &[u8] = b"\x01\x03Hel\x89\x00\x80\x02lo";

    fn path() -> ReceivePath {
        ReceivePath::new(Role::Client, Arc::new(Config::client()))
    }

    #[test]
    fn leftover_is_parsed_event_by_event_and_its_memory_goes_with_it() {
        let mut receive = path();
        let mut buffer = ReadBuffer::with_leftover(&BytesMut::from(FRAMES));
        assert_eq!(buffer.next_event(&mut receive), Ok(Some(Event::Ping(b""))));
        assert!(buffer.has_input());
        buffer.release();
        assert!(buffer.holds_memory(), "nothing is released while bytes wait");
        assert_eq!(buffer.next_event(&mut receive), Ok(Some(Event::Text("Hello"))));
        assert!(!buffer.has_input());
        assert_eq!(buffer.next_event(&mut receive), Ok(None));
        buffer.release();
        assert!(!buffer.holds_memory());
        assert_eq!(buffer.next_event(&mut receive), Ok(None));
    }

    #[test]
    fn a_chunk_is_parsed_as_far_as_it_was_filled() {
        let mut receive = path();
        let mut buffer = ReadBuffer::new();
        assert!(!buffer.holds_memory());
        buffer.space(usize::MAX)[..4].copy_from_slice(b"\x82\x01x\x82");
        buffer.filled(3);
        assert_eq!(buffer.next_event(&mut receive), Ok(Some(Event::Binary(b"x"))));
        assert_eq!(buffer.next_event(&mut receive), Ok(None));
        buffer.space(usize::MAX)[..2].copy_from_slice(b"\x82\x00");
        buffer.filled(2);
        assert_eq!(buffer.next_event(&mut receive), Ok(Some(Event::Binary(b""))));
    }
}
