//! Buffers that belong to a thread, not to a connection.
//!
//! Here: pooled read buffers ([`Chunk`]) and pooled `Vec<u8>`s for assembly and output. A connection borrows them
//! for one batch and gives them back before it parks, so an idle connection holds none. Not here: who reads into
//! them (`link`), and what a connection that is in the middle of a message keeps (`ws_proto::ReceivePath`).

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes in a read buffer. With 64 KiB a read nearly always leaves room, and after a read that left room tokio
/// skips the second read that would only say "nothing more".
pub(crate) const READ_BUFFER: usize = 64 * 1024;
/// Bytes in the read buffer of a connection that wakes while its thread has lent all it may lend.
pub(crate) const SMALL_READ_BUFFER: usize = 4 * 1024;
/// Read buffers that may be out per thread at once: 4 MiB. A callback that waits keeps its buffer, so without a
/// bound slow callbacks could hold memory in proportion to connections.
pub(crate) const MAX_LENT: usize = 64;
/// Read buffers a thread keeps for later: one is the rule, a few cover callbacks that wait.
const MAX_IDLE_CHUNKS: usize = 8;
/// Assembly and output buffers a thread keeps for later.
const MAX_IDLE_BUFFERS: usize = 64;
/// The largest capacity worth keeping in an assembly or output buffer: all of them together stay below 4 MiB.
const MAX_IDLE_CAPACITY: usize = 64 * 1024;

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::default());
}

/// The counters of the threads that lend, for whoever wants to know how much is out.
static LENDERS: Mutex<Vec<Weak<AtomicUsize>>> = Mutex::new(Vec::new());

/// How many full-size read buffers (64 KiB each) the connections of this process hold at the moment, over all threads.
///
/// A connection holds one while it works on what it has read, and none while it waits for its peer: with every
/// connection idle this is 0. The small buffers that stand in when a thread has lent 64 are not counted.
pub fn lent_read_buffers() -> usize {
    let lenders = LENDERS.lock().unwrap_or_else(PoisonError::into_inner);
    let lent = lenders.iter().filter_map(Weak::upgrade);
    lent.map(|lent| lent.load(Ordering::Relaxed)).sum()
}

struct Pool {
    chunks: Vec<Box<[u8]>>,
    buffers: Vec<Vec<u8>>,
    /// Full-size read buffers lent by this thread and not yet returned, to whichever thread.
    lent: Arc<AtomicUsize>,
}

impl Default for Pool {
    /// The pool of one thread, whose counter is known to all from now on. Those of threads that have ended, and whose
    /// buffers are back, are forgotten.
    fn default() -> Self {
        let lent = Arc::default();
        let mut lenders = LENDERS.lock().unwrap_or_else(PoisonError::into_inner);
        lenders.retain(|lender| lender.strong_count() > 0);
        lenders.push(Arc::downgrade(&lent));
        Self {
            chunks: Vec::new(),
            buffers: Vec::new(),
            lent,
        }
    }
}

/// A read buffer on loan. Returned when dropped.
pub(crate) struct Chunk {
    bytes: Box<[u8]>,
    /// The counter of the thread that lent it; `None` for a small one, which is simply freed.
    lender: Option<Arc<AtomicUsize>>,
}

impl Chunk {
    /// A full-size buffer, or a small one when this thread has lent all it may. The content is arbitrary.
    pub(crate) fn lend() -> Self {
        POOL.with_borrow_mut(|pool| {
            if pool.lent.load(Ordering::Relaxed) >= MAX_LENT {
                return Self {
                    bytes: vec![0; SMALL_READ_BUFFER].into(),
                    lender: None,
                };
            }
            pool.lent.fetch_add(1, Ordering::Relaxed);
            let bytes = pool.chunks.pop().unwrap_or_else(|| vec![0; READ_BUFFER].into());
            Self {
                bytes,
                lender: Some(Arc::clone(&pool.lent)),
            }
        })
    }

    /// A buffer of its own with this content, no part of the pool.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            lender: None,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let Some(lender) = self.lender.take() else { return };
        lender.fetch_sub(1, Ordering::Relaxed);
        let bytes = std::mem::take(&mut self.bytes);
        // The thread may be ending, its pool gone: then the buffer is simply freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.chunks.len() < MAX_IDLE_CHUNKS {
                pool.chunks.push(bytes);
            }
        });
    }
}

/// An empty buffer for assembly or output that has been used before; `None` if there is none.
pub(crate) fn take_buffer() -> Option<Vec<u8>> {
    POOL.with_borrow_mut(|pool| pool.buffers.pop())
}

/// Gives an assembly or output buffer back. One that has grown large is freed instead of kept.
pub(crate) fn give_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_IDLE_CAPACITY {
        return;
    }
    buffer.clear();
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.buffers.len() < MAX_IDLE_BUFFERS {
            pool.buffers.push(buffer);
        }
    });
}

/// Full-size read buffers this thread has lent and not seen again.
#[cfg(test)]
pub(crate) fn lent_chunks() -> usize {
    POOL.with_borrow(|pool| pool.lent.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_64_full_buffers_are_out_then_small_ones() {
        let mut out: Vec<Chunk> = (0..MAX_LENT).map(|_| Chunk::lend()).collect();
        assert!(out.iter().all(|chunk| chunk.bytes().len() == READ_BUFFER));
        let small = Chunk::lend();
        assert_eq!(small.bytes().len(), SMALL_READ_BUFFER);
        assert_eq!(lent_chunks(), MAX_LENT);
        out.pop();
        assert_eq!(Chunk::lend().bytes().len(), READ_BUFFER);
        drop(small);
        drop(out);
        assert_eq!(lent_chunks(), 0);
        let kept = POOL.with_borrow(|pool| pool.chunks.len());
        assert_eq!(kept, MAX_IDLE_CHUNKS, "the others are freed");
    }

    #[test]
    fn a_buffer_returned_on_another_thread_counts_for_its_lender() {
        let chunk = Chunk::lend();
        assert_eq!(lent_chunks(), 1);
        // Other tests lend at the same time, so no more can be said about all threads.
        assert!(lent_read_buffers() >= 1);
        std::thread::spawn(move || drop(chunk)).join().unwrap();
        assert_eq!(lent_chunks(), 0);
    }

    #[test]
    fn buffers_come_back_empty_and_large_ones_do_not_come_back() {
        give_buffer(Vec::with_capacity(MAX_IDLE_CAPACITY + 1));
        assert_eq!(take_buffer(), None);
        let mut buffer = Vec::with_capacity(100);
        buffer.extend_from_slice(b"secret");
        give_buffer(buffer);
        let again = take_buffer().unwrap();
        assert!(again.is_empty());
        assert_eq!(again.capacity(), 100);
    }
}
