//! Buffers that belong to a thread, not to a connection.
//!
//! Here: pooled read buffers ([`Chunk`]) and pooled `Vec<u8>`s for assembly and output. A connection borrows them
//! for one batch and gives them back before it parks, so an idle connection holds none. Not here: who reads into
//! them (`link`), and what a connection that is in the middle of a message keeps (`ws_proto::ReceivePath`).

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes in a read buffer: a message of 64 KiB lies whole in it, and a read nearly always leaves room, after which
/// tokio skips the second read that would only say "nothing more".
pub(crate) const READ_BUFFER: usize = 128 * 1024;
/// Bytes in the read buffer of a connection that wakes while its thread has lent all it may lend.
pub(crate) const SMALL_READ_BUFFER: usize = 4 * 1024;
/// Read buffers that may be out per thread at once: 8 MiB. A callback that waits keeps its buffer, so without a
/// bound slow callbacks could hold memory in proportion to connections.
pub(crate) const MAX_LENT: usize = 64;
/// Read buffers a thread keeps for later: one is the rule, a few cover callbacks that wait.
const MAX_IDLE_CHUNKS: usize = 8;
/// Assembly and output buffers a thread keeps for later.
const MAX_IDLE_BUFFERS: usize = 64;
/// The largest capacity worth keeping in an assembly or output buffer: all of them together stay below 4 MiB.
pub(crate) const MAX_IDLE_CAPACITY: usize = 64 * 1024;

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::default());
}

/// The threads that lend, for whoever wants to know how much is out.
static LENDERS: Mutex<Vec<Weak<Lender>>> = Mutex::new(Vec::new());

/// How many full-size read buffers (128 KiB each) the connections of this process hold at the moment, over all threads.
///
/// A connection holds one while it works on what it has read, and none while it waits for its peer: with every
/// connection idle this is 0. The small buffers that stand in when a thread has lent 64 are not counted.
pub fn lent_read_buffers() -> usize {
    let lenders = LENDERS.lock().unwrap_or_else(PoisonError::into_inner);
    let lent = lenders.iter().filter_map(Weak::upgrade);
    lent.map(|lender| lender.out()).sum()
}

struct Pool {
    /// Read buffers that wait, each with the lender it goes back to: this thread's.
    chunks: Vec<(Box<[u8]>, Arc<Lender>)>,
    buffers: Vec<Vec<u8>>,
    lender: Arc<Lender>,
}

impl Default for Pool {
    /// The pool of one thread, which is known to all as a lender from now on. Those of threads that have ended, and
    /// whose buffers are back, are forgotten.
    fn default() -> Self {
        let lender = Arc::default();
        let mut lenders = LENDERS.lock().unwrap_or_else(PoisonError::into_inner);
        lenders.retain(|lender| lender.strong_count() > 0);
        lenders.push(Arc::downgrade(&lender));
        Self {
            chunks: Vec::new(),
            buffers: Vec::new(),
            lender,
        }
    }
}

/// Counts the full-size read buffers that one thread has lent. Whoever borrows and gives back on one thread, as nearly
/// everybody does, needs no more than a load and a store for it.
#[derive(Default)]
struct Lender {
    /// Lent, without those that came back to the thread. Only the thread itself changes it.
    lent: AtomicUsize,
    /// Dropped on another thread.
    returned_elsewhere: AtomicUsize,
}

impl Lender {
    /// How many are out.
    fn out(&self) -> usize {
        let elsewhere = self.returned_elsewhere.load(Ordering::Relaxed);
        self.lent.load(Ordering::Relaxed).saturating_sub(elsewhere)
    }

    /// On the thread of this lender only.
    fn set_lent(&self, change: impl FnOnce(usize) -> usize) {
        self.lent
            .store(change(self.lent.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}

impl Pool {
    fn lend_chunk(&mut self) -> Chunk {
        if self.lender.out() >= MAX_LENT {
            return Chunk {
                bytes: vec![0; SMALL_READ_BUFFER].into(),
                lender: None,
            };
        }
        self.lender.set_lent(|lent| lent + 1);
        let (bytes, lender) = self
            .chunks
            .pop()
            .unwrap_or_else(|| (vec![0; READ_BUFFER].into(), Arc::clone(&self.lender)));
        Chunk {
            bytes,
            lender: Some(lender),
        }
    }

    /// Takes a full-size read buffer back, wherever it was lent.
    fn take_chunk_back(&mut self, bytes: Box<[u8]>, lender: Arc<Lender>) {
        if !Arc::ptr_eq(&lender, &self.lender) {
            lender.returned_elsewhere.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.lender.set_lent(|lent| lent - 1);
        if self.chunks.len() < MAX_IDLE_CHUNKS {
            self.chunks.push((bytes, lender));
        }
    }

    /// One that has grown large is freed instead of kept.
    fn take_buffer_back(&mut self, mut buffer: Vec<u8>) {
        let worth_keeping = 1..=MAX_IDLE_CAPACITY;
        if worth_keeping.contains(&buffer.capacity()) && self.buffers.len() < MAX_IDLE_BUFFERS {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// What a connection borrows for one batch. A buffer is `None` if the pool has none: then the paths allocate.
pub(crate) struct Loan {
    pub(crate) chunk: Chunk,
    pub(crate) assembly: Option<Vec<u8>>,
    pub(crate) output: Option<Vec<u8>>,
}

/// Lends all that a batch needs: one look at the pool instead of three.
pub(crate) fn lend() -> Loan {
    POOL.with_borrow_mut(|pool| Loan {
        chunk: pool.lend_chunk(),
        assembly: pool.buffers.pop(),
        output: pool.buffers.pop(),
    })
}

/// Takes back what is left of a loan.
pub(crate) fn give_back(chunk: Option<Chunk>, assembly: Option<Vec<u8>>, output: Option<Vec<u8>>) {
    if chunk.is_none() && assembly.is_none() && output.is_none() {
        return;
    }
    // The thread may be ending, its pool gone: then the memory is simply freed.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if let Some((bytes, lender)) = chunk.and_then(Chunk::into_parts) {
            pool.take_chunk_back(bytes, lender);
        }
        for buffer in [assembly, output].into_iter().flatten() {
            pool.take_buffer_back(buffer);
        }
    });
}

/// A read buffer on loan. Returned when dropped.
pub(crate) struct Chunk {
    bytes: Box<[u8]>,
    /// `None` for a small one, which is simply freed.
    lender: Option<Arc<Lender>>,
}

impl Chunk {
    /// A full-size buffer, or a small one when this thread has lent all it may. The content is arbitrary.
    pub(crate) fn lend() -> Self {
        POOL.with_borrow_mut(Pool::lend_chunk)
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

    /// The memory and its lender, if it has one. What is left behind has none, and is dropped without effect.
    fn into_parts(mut self) -> Option<(Box<[u8]>, Arc<Lender>)> {
        let lender = self.lender.take()?;
        Some((std::mem::take(&mut self.bytes), lender))
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let Some(lender) = self.lender.take() else { return };
        let bytes = std::mem::take(&mut self.bytes);
        let mut loan = Some((bytes, lender));
        let _ = POOL.try_with(|pool| {
            if let Some((bytes, lender)) = loan.take() {
                pool.borrow_mut().take_chunk_back(bytes, lender);
            }
        });
        // A thread that is ending has no pool any more; its lender is told all the same.
        if let Some((_, lender)) = loan {
            lender.returned_elsewhere.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An empty buffer for assembly or output that has been used before; `None` if there is none.
pub(crate) fn take_buffer() -> Option<Vec<u8>> {
    POOL.with_borrow_mut(|pool| pool.buffers.pop())
}

/// Gives an assembly or output buffer back.
pub(crate) fn give_buffer(buffer: Vec<u8>) {
    let _ = POOL.try_with(|pool| pool.borrow_mut().take_buffer_back(buffer));
}

/// Full-size read buffers this thread has lent and not seen again.
#[cfg(test)]
pub(crate) fn lent_chunks() -> usize {
    POOL.with_borrow(|pool| pool.lender.out())
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
    fn a_buffer_dropped_while_its_thread_ends_counts_for_its_lender() {
        thread_local! {
            static BEFORE: RefCell<Option<Chunk>> = const { RefCell::new(None) };
            static AFTER: RefCell<Option<Chunk>> = const { RefCell::new(None) };
        }
        let (one, two) = (Chunk::lend(), Chunk::lend());
        assert_eq!(lent_chunks(), 2);
        // In whatever order a thread drops what is its own, one of the two outlives its pool.
        let ends = std::thread::spawn(move || {
            BEFORE.set(Some(one));
            drop(Chunk::lend());
            AFTER.set(Some(two));
        });
        ends.join().unwrap();
        assert_eq!(lent_chunks(), 0);
    }

    #[test]
    fn a_loan_is_taken_back_whole() {
        give_buffer(Vec::with_capacity(100));
        give_buffer(Vec::with_capacity(200));
        let Loan {
            chunk,
            assembly,
            output,
        } = lend();
        assert_eq!(lent_chunks(), 1);
        assert!(assembly.is_some() && output.is_some() && take_buffer().is_none());
        give_back(Some(chunk), assembly, output);
        assert_eq!(lent_chunks(), 0);
        let kept = POOL.with_borrow(|pool| (pool.chunks.len(), pool.buffers.len()));
        assert_eq!(kept, (1, 2));
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
