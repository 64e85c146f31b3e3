//! The way from the send path to the transport: the queue as [`Buf`], its limits, its buffer.

use std::io::IoSlice;

use bytes::Buf;

use crate::error::UseError;

use super::{SendMemory, SendPath};

/// The bytes to be written next, in order. While a payload is lent ([`begin_large`](SendPath::begin_large)) they end
/// where it begins; `advance` may then count bytes of the payload too.
impl Buf for SendPath {
    fn remaining(&self) -> usize {
        self.queue.ready()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.queue.first()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.queue.slices(slices)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.queue.advance(count);
        if self.queue.is_empty() {
            self.blocked = false;
        }
        if self.held_pong.is_some() && !self.blocked && self.room_for(0).is_ok() {
            self.release_pong();
        }
    }
}

impl SendPath {
    /// Whether anything waits to be written, a lent payload included.
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Bytes that are held for writing. A lent payload does not count: it is the caller's.
    #[inline]
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.len()
    }

    /// Whether so much is queued ([`Limits::soft_queue`](crate::Limits::soft_queue), default 64 KiB) that who can
    /// wait should: senders, and an echo before it reads more.
    #[inline]
    #[must_use]
    pub fn above_soft_limit(&self) -> bool {
        self.queue.len() > self.config.limits.soft_queue
    }

    /// Whether a message with `payload_len` bytes may be queued by someone who does not wait, as a publisher. An
    /// empty queue takes any message; control frames that are queued count.
    ///
    /// # Errors
    /// [`UseError::QueueFull`] if the queue would hold more than
    /// [`Limits::hard_queue`](crate::Limits::hard_queue) (default 1 MiB) bytes of frames and payload.
    pub fn room_for(&self, payload_len: usize) -> Result<(), UseError> {
        let queued = self.queue.len();
        if queued == 0 || queued.saturating_add(payload_len) <= self.config.limits.hard_queue {
            Ok(())
        } else {
            Err(UseError::QueueFull)
        }
    }

    /// Says whether the transport has stopped taking bytes: true after a write that took less than there was.
    /// It becomes false by itself when the queue has been written out. Meanwhile at most one pong waits, see
    /// [`handle_ping`](Self::handle_ping).
    pub fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked && self.has_output();
        if !self.blocked {
            self.release_pong();
        }
    }

    /// Whether the transport has stopped taking bytes.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Gives the path memory to encode into; a pooled one makes steady traffic free of allocations. Without it the path
    /// makes its own. Returned unused if the path has some.
    #[inline]
    pub fn attach(&mut self, memory: SendMemory) -> Option<SendMemory> {
        self.queue.attach(memory)
    }

    /// Takes the memory back when nothing waits to be written, so that an idle connection holds none. To be called when
    /// the connection goes to wait: what compresses goes back to its pool, too, unless it is worth keeping.
    #[inline]
    #[must_use]
    pub fn detach(&mut self) -> Option<SendMemory> {
        if self.extensions.is_some() {
            self.end_turn();
        }
        self.queue.detach()
    }

    /// Whether the path holds memory for output.
    #[inline]
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.queue.has_memory()
    }

    /// Forgets everything that waits to be written.
    pub(super) fn discard_output(&mut self) {
        self.queue.clear();
        self.held_pong = None;
        self.blocked = false;
    }
}
