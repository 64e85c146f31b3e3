//! The outgoing queue of a connection: empty, a null pointer; else what waits (`backlog`), in memory that may be lent
//! ([`SendMemory`]).

use std::io::IoSlice;

use bytes::Bytes;

use super::backlog::Backlog;

/// What waits for the transport, if anything does.
#[derive(Default)]
pub(crate) struct Queue(Option<Box<Backlog>>);

/// What a [`SendPath`](super::SendPath) encodes into, empty: for a pool, so that idle connections hold none.
pub struct SendMemory(Box<Backlog>);

impl SendMemory {
    /// Bytes that its buffer takes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl std::fmt::Debug for SendMemory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("SendMemory").field(&self.capacity()).finish()
    }
}

impl Queue {
    #[inline]
    fn backlog(&mut self) -> &mut Backlog {
        self.0.get_or_insert_default()
    }

    /// Bytes held and not written. Bytes that the caller lends are not counted: they are not ours.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.len())
    }

    /// Whether nothing at all waits, neither held nor borrowed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|backlog| backlog.is_empty())
    }

    /// The end of the chunk, with room for `additional` more bytes.
    #[inline]
    pub(crate) fn tail(&mut self, additional: usize) -> &mut Vec<u8> {
        self.backlog().tail(additional)
    }

    /// The end of the chunk, with room for `additional` more bytes, if there is memory and no more than `most` waits.
    #[inline]
    pub(crate) fn short_tail(&mut self, additional: usize, most: usize) -> Option<&mut Vec<u8>> {
        let backlog = self.0.as_mut().filter(|backlog| backlog.len() <= most)?;
        Some(backlog.tail(additional))
    }

    /// Appends a payload by reference.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        self.backlog().push_shared(bytes);
    }

    /// Appends a place for `len` bytes that the caller keeps and writes itself.
    pub(crate) fn push_borrowed(&mut self, len: usize) {
        self.backlog().push_borrowed(len);
    }

    /// Unwritten bytes of the borrowed payload.
    pub(crate) fn borrowed(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.borrowed())
    }

    /// Takes over the unwritten rest of the borrowed payload.
    pub(crate) fn keep_borrowed(&mut self, rest: &[u8]) {
        if let Some(backlog) = &mut self.0 {
            backlog.keep_borrowed(rest);
        }
    }

    /// Accounts for `count` written bytes, those of the borrowed payload included.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        if let Some(backlog) = &mut self.0 {
            backlog.advance(count);
        }
    }

    /// Bytes that can be written from here: all up to the borrowed payload.
    #[inline]
    pub(crate) fn ready(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.ready())
    }

    /// The first contiguous bytes; empty when nothing is ready.
    #[inline]
    pub(crate) fn first(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |backlog| backlog.first())
    }

    /// Fills `slices` with what is ready, in order; returns how many were filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.slices(slices))
    }

    /// Forgets everything that waits.
    pub(crate) fn clear(&mut self) {
        if let Some(backlog) = &mut self.0 {
            backlog.clear();
        }
    }

    /// Gives the queue memory to wait in. Returned unused if it has some.
    #[inline]
    pub(crate) fn attach(&mut self, memory: SendMemory) -> Option<SendMemory> {
        if self.0.is_some() {
            return Some(memory);
        }
        self.0 = Some(memory.0);
        None
    }

    /// Takes the memory back, if there is some and nothing waits.
    #[inline]
    pub(crate) fn detach(&mut self) -> Option<SendMemory> {
        let mut backlog = self.0.take_if(|backlog| backlog.is_empty())?;
        backlog.trim();
        Some(SendMemory(backlog))
    }

    /// Whether the queue holds memory.
    #[inline]
    pub(crate) fn has_memory(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn memory_comes_and_goes_only_while_nothing_waits() {
        let mut queue = Queue::default();
        assert!(queue.detach().is_none());
        assert!(queue.is_empty() && queue.first().is_empty());
        assert_eq!(queue.len(), 0);
        queue.tail(64).extend_from_slice(b"abc");
        assert!(queue.detach().is_none());
        queue.advance(3);
        let memory = queue.detach().unwrap();
        assert!(memory.capacity() >= 64 && !queue.has_memory());
        queue.tail(3).extend_from_slice(b"abc");
        let memory = queue.attach(memory).expect("it has some");
        queue.clear();
        assert!(queue.detach().is_some() && queue.attach(memory).is_none());
    }
}
