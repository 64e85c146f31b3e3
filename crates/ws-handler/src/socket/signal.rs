//! The one doorbell of a connection.
//!
//! Here: [`Signal`], a set of flags and the waker of the task that serves the connection. The timer wheel, the
//! factory's stop and the mailboxes of session handles all ring it. Not here: what a flag leads to (`link`).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::hits::Limit;
use crate::ledger::Ledger;

/// Wakes one connection, and no second one, and says why. Shared as `Arc<Signal>`; every method may be called from any
/// thread.
///
/// Flags stay set until the connection takes them, so a signal that comes while the connection is busy is not
/// lost, and any number of equal signals before that count as one.
#[derive(Debug, Default)]
pub struct Signal {
    flags: AtomicU8,
    waker: Mutex<Option<Waker>>,
    /// Where the connection's factory counts; `None` for one without a factory.
    ledger: Option<Arc<Ledger>>,
}

impl Signal {
    /// Close the connection with 1001 (going away).
    pub const STOP: u8 = 1;
    /// Something lies in the connection's mailbox.
    pub const MAIL: u8 = 1 << 1;
    /// A deadline of the connection may have passed.
    pub const DEADLINE: u8 = 1 << 2;
    /// Drop the connection now, without a closing handshake.
    pub const KILL: u8 = 1 << 3;
    /// Together with [`STOP`](Self::STOP): close with 1012 (service restart) instead of 1001.
    pub const RESTART: u8 = 1 << 4;

    /// A signal with no flag set and nobody listening.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for a connection that a factory counts.
    pub(crate) fn counted(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger: Some(ledger),
            ..Self::default()
        }
    }

    /// Where the connection's factory counts.
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_deref()
    }

    /// Counts that a limit was hit, if anybody counts.
    #[cold]
    pub(crate) fn count(&self, limit: Limit) {
        if let Some(ledger) = &self.ledger {
            ledger.hits.count(limit);
        }
    }

    /// Counts that a message found an outgoing queue above its hard limit, for who keeps a queue beside the
    /// connection's own.
    pub fn count_full_queue(&self) {
        self.count(Limit::HardQueue);
    }

    /// Sets flags and wakes the connection, unless all of them were set already.
    pub fn raise(&self, flags: u8) {
        let before = self.flags.fetch_or(flags, Ordering::AcqRel);
        if before & flags != flags {
            self.wake();
        }
    }

    /// Wakes the connection without setting a flag.
    pub fn wake(&self) {
        // Cloned out of the lock: a waker may run foreign code, which must not find the lock taken.
        let waker = self.slot().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Which of `flags` are set, without taking them.
    pub fn peek(&self, flags: u8) -> u8 {
        self.flags.load(Ordering::Acquire) & flags
    }

    /// Takes those of `flags` that are set, leaving the others.
    pub fn take(&self, flags: u8) -> u8 {
        // The usual answer is "none", which a load gives without locking the cache line.
        if self.peek(flags) == 0 {
            return 0;
        }
        self.flags.fetch_and(!flags, Ordering::AcqRel) & flags
    }

    /// Says whom to wake from now on. The caller checks the flags once more after this call. For the connection alone,
    /// which remembers whom it said last.
    pub(crate) fn register(&self, waker: Waker) {
        // Dropped outside the lock: the last clone of a waker may run foreign code.
        let before = self.slot().replace(waker);
        drop(before);
    }

    /// Wakes nobody from now on: the connection is gone, and who keeps its signal keeps no task.
    pub(crate) fn unregister(&self) {
        let before = self.slot().take();
        drop(before);
    }

    /// The waker is replaced whole, so the slot is sound even if a thread died holding the lock.
    fn slot(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::Signal;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn equal_signals_wake_once_until_they_are_taken() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let signal = Signal::new();
        signal.raise(Signal::STOP);
        signal.register(Waker::from(Arc::clone(&count)));
        assert_eq!(
            signal.take(Signal::STOP | Signal::MAIL),
            Signal::STOP,
            "raised before anybody listened"
        );
        signal.raise(Signal::MAIL);
        signal.raise(Signal::MAIL);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(signal.peek(Signal::STOP), 0);
        assert_eq!(signal.take(Signal::STOP), 0, "leaves the mail alone");
        assert_eq!(signal.take(Signal::MAIL), Signal::MAIL);
        signal.raise(Signal::MAIL);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
    }
}
