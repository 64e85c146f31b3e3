//! Buffers that belong to a thread, not to a connection.
//!
//! Here: pooled read buffers ([`Chunk`]), and what receive and send paths work with. A connection borrows them for one
//! batch and gives them back before it parks, so an idle connection holds none. Not here: who reads into them (`link`),
//! what a connection that is in the middle of a message keeps (`ws_proto::ReceivePath`), large messages (`large`).

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ws_proto::{ReceiveMemory, SendMemory};

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
/// How many of each other kind a thread keeps for later.
const MAX_IDLE: usize = 64;
/// The largest capacity worth keeping in a buffer of another kind: all of one kind together stay below 4 MiB.
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
    chunks: Vec<Chunk>,
    receive: Vec<ReceiveMemory>,
    send: Vec<SendMemory>,
    /// For receive paths that keep everything else.
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
            receive: Vec::new(),
            send: Vec::new(),
            buffers: Vec::new(),
            lender,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // What waits here is not lent.
        for chunk in &mut self.chunks {
            chunk.0.lender = None;
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
    #[inline]
    fn lend_chunk(&mut self) -> Chunk {
        if self.lender.out() >= MAX_LENT {
            return Chunk::alone(vec![0; SMALL_READ_BUFFER].into());
        }
        self.lender.set_lent(|lent| lent + 1);
        self.chunks.pop().unwrap_or_else(|| {
            Chunk(Box::new(Memory {
                bytes: vec![0; READ_BUFFER].into(),
                lender: Some(Arc::clone(&self.lender)),
            }))
        })
    }

    /// Takes a read buffer back. One that was lent elsewhere, or by nobody, is freed.
    #[inline]
    fn take_chunk_back(&mut self, mut chunk: Chunk) {
        match &chunk.0.lender {
            Some(lender) if Arc::ptr_eq(lender, &self.lender) => {}
            Some(lender) => {
                lender.returned_elsewhere.fetch_add(1, Ordering::Relaxed);
                chunk.0.lender = None;
                return;
            }
            None => return,
        }
        self.lender.set_lent(|lent| lent - 1);
        if self.chunks.len() < MAX_IDLE_CHUNKS {
            self.chunks.push(chunk);
        } else {
            chunk.0.lender = None;
        }
    }

    #[inline]
    fn take_receive_back(&mut self, memory: ReceiveMemory) {
        if memory.capacity() <= MAX_IDLE_CAPACITY && self.receive.len() < MAX_IDLE {
            self.receive.push(memory);
        }
    }

    #[inline]
    fn take_send_back(&mut self, memory: SendMemory) {
        if memory.capacity() <= MAX_IDLE_CAPACITY && self.send.len() < MAX_IDLE {
            self.send.push(memory);
        }
    }
}

/// What a connection borrows for one batch. `None`: it has its own, or the pool has none, and then the paths make some.
pub(crate) struct Loan {
    pub(crate) chunk: Chunk,
    pub(crate) receive: Option<ReceiveMemory>,
    pub(crate) send: Option<SendMemory>,
}

/// Lends what a batch needs: a read buffer, and of the others what is asked for.
#[inline]
pub(crate) fn lend(receive: bool, send: bool) -> Loan {
    POOL.with_borrow_mut(|pool| Loan {
        chunk: pool.lend_chunk(),
        receive: if receive { pool.receive.pop() } else { None },
        send: if send { pool.send.pop() } else { None },
    })
}

/// Takes back what is left of a loan.
#[inline]
pub(crate) fn give_back(chunk: Option<Chunk>, receive: Option<ReceiveMemory>, send: Option<SendMemory>) {
    if chunk.is_none() && receive.is_none() && send.is_none() {
        return;
    }
    // The thread may be ending, its pool gone: then the memory is simply freed.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if let Some(chunk) = chunk {
            pool.take_chunk_back(chunk);
        }
        if let Some(memory) = receive {
            pool.take_receive_back(memory);
        }
        if let Some(memory) = send {
            pool.take_send_back(memory);
        }
    });
}

/// A read buffer, on loan from a pool or alone. One on loan is returned when dropped.
pub(crate) struct Chunk(Box<Memory>);

struct Memory {
    bytes: Box<[u8]>,
    /// Whom it goes back to; `None` for one that is simply freed.
    lender: Option<Arc<Lender>>,
}

impl Chunk {
    /// A full-size buffer, or a small one when this thread has lent all it may. The content is arbitrary.
    pub(crate) fn lend() -> Self {
        POOL.with_borrow_mut(Pool::lend_chunk)
    }

    /// A buffer of its own with this content, no part of the pool.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self::alone(bytes.into())
    }

    fn alone(bytes: Box<[u8]>) -> Self {
        Self(Box::new(Memory { bytes, lender: None }))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Some(lender) = self.lender.take() else { return };
        let mut loan = Some(Self {
            bytes: std::mem::take(&mut self.bytes),
            lender: Some(lender),
        });
        let _ = POOL.try_with(|pool| {
            if let Some(memory) = loan.take() {
                pool.borrow_mut().take_chunk_back(Chunk(Box::new(memory)));
            }
        });
        // A thread that is ending has no pool any more; its lender is told all the same.
        if let Some(lender) = loan.as_mut().and_then(|memory| memory.lender.take()) {
            lender.returned_elsewhere.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Memory for output that has been used before; `None` if there is none.
pub(crate) fn take_send() -> Option<SendMemory> {
    POOL.with_borrow_mut(|pool| pool.send.pop())
}

/// Gives memory for output back.
pub(crate) fn give_send(memory: SendMemory) {
    give_back(None, None, Some(memory));
}

/// An empty buffer for a receive path that keeps everything else; `None` if there is none.
pub(crate) fn take_buffer() -> Option<Vec<u8>> {
    POOL.with_borrow_mut(|pool| pool.buffers.pop())
}

/// Gives such a buffer back. One that has grown large is freed instead of kept.
pub(crate) fn give_buffer(mut buffer: Vec<u8>) {
    let worth_keeping = 1..=MAX_IDLE_CAPACITY;
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if worth_keeping.contains(&buffer.capacity()) && pool.buffers.len() < MAX_IDLE {
            buffer.clear();
            pool.buffers.push(buffer);
        }
    });
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
        use std::sync::Arc;

        use ws_proto::{Config, ReceivePath, Role, SendPath};

        let config = Arc::new(Config::server());
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut send = SendPath::server(config);
        assert_eq!(receive.next(&mut &mut [][..]), Ok(None));
        send.text("x").unwrap();
        bytes::Buf::advance(&mut send, 3);
        give_back(None, receive.detach(), send.detach());
        let Loan { chunk, receive, send } = lend(true, true);
        assert_eq!(lent_chunks(), 1);
        assert!(receive.is_some() && send.is_some() && take_send().is_none());
        give_back(Some(chunk), receive, send);
        assert_eq!(lent_chunks(), 0);
        let kept = POOL.with_borrow(|pool| (pool.chunks.len(), pool.receive.len(), pool.send.len()));
        assert_eq!(kept, (1, 1, 1));
        let loan = lend(false, false);
        assert!(loan.receive.is_none() && loan.send.is_none(), "nobody asked");
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
