//! Buffers in which large messages are gathered.
//!
//! A message of a mebibyte that is gathered in fresh memory costs more in page faults and in growing than in being
//! read. So buffers that have grown large are kept for the next large message, a bounded number of them in the whole
//! process. Whoever finds none gathers in memory of its own, which grows as bytes arrive. Not here: buffers for
//! everything smaller (`pool`), who gathers (`ws_proto::ReceivePath`).

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pool::MAX_IDLE_CAPACITY;

/// Capacities worth keeping: from what `pool` does not keep to the default limit of a message
/// ([`Limits::max_message_size`](ws_proto::Limits::max_message_size)), and a little.
const CAPACITIES: RangeInclusive<usize> = MAX_IDLE_CAPACITY + 1..=1024 * 1024 + 64 + LEAD;

/// Payloads begin so many bytes behind the beginning of a buffer, in the middle of a page: glibc's large blocks begin 16
/// bytes into one. Where the payload of one message begins, the kernel copies it behind a header of 10 bytes into a
/// page of its own, and on current AMD cores `rep movsb` crawls when the destination stands up to 31 bytes before the
/// source modulo a page. From the middle of a page no header comes near that, nor does what is left of a page when a
/// write was cut (docs/PERFORMANCE.md).
const LEAD: usize = 2048 - 16;

/// Buffers of this kind in the process, lent and idle: 16 MiB at most. Peers that begin large messages and leave them
/// unfinished can hold so much and no more; others are then as fast as without these buffers.
const MAX_KEPT: usize = 16;

/// How many there are, lent and idle.
static KEPT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IDLE: RefCell<Idle> = const { RefCell::new(Idle(Vec::new())) };
}

/// Those that wait on one thread.
struct Idle(Vec<Vec<u8>>);

impl Drop for Idle {
    fn drop(&mut self) {
        for _ in &self.0 {
            forget();
        }
    }
}

/// A large buffer, if one is idle on this thread, with what is to stay before the payload. To be given back with
/// [`give_back`], or told to be lost with [`forget`].
pub(super) fn take() -> Option<Vec<u8>> {
    let mut buffer = IDLE.try_with(|idle| idle.borrow_mut().0.pop()).ok().flatten()?;
    buffer.resize(LEAD, 0);
    Some(buffer)
}

/// Keeps a buffer for the next large message, if it is worth it and there are not too many. `counted`: it came from
/// [`take`].
pub(super) fn give_back(mut buffer: Vec<u8>, counted: bool) {
    if CAPACITIES.contains(&buffer.capacity()) && (counted || count()) {
        buffer.clear();
        let mut buffer = Some(buffer);
        let _ = IDLE.try_with(|idle| idle.borrow_mut().0.extend(buffer.take()));
        // A thread that is ending keeps nothing.
        if buffer.is_some() {
            forget();
        }
    } else if counted {
        forget();
    }
}

/// A buffer from [`take`] is gone.
pub(super) fn forget() {
    KEPT.fetch_sub(1, Ordering::Relaxed);
}

/// Counts one more, unless there are as many as may be.
fn count() -> bool {
    KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |kept| {
        (kept < MAX_KEPT).then_some(kept + 1)
    })
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the count is the process's.
    #[test]
    fn so_many_are_kept_and_all_that_are_gone_are_forgotten() {
        let on_one_thread = || {
            assert!(take().is_none());
            give_back(Vec::with_capacity(MAX_IDLE_CAPACITY), false);
            give_back(Vec::with_capacity(CAPACITIES.end() + 1), false);
            assert!(take().is_none(), "too small, too large");
            for _ in 0..=MAX_KEPT {
                give_back(vec![1; CAPACITIES.end() / 2], false);
            }
            let out: Vec<_> = std::iter::from_fn(take).collect();
            assert_eq!(out.len(), MAX_KEPT);
            assert!(out.iter().all(|buffer| buffer.len() == LEAD));
            give_back(Vec::with_capacity(*CAPACITIES.end()), false);
            assert!(take().is_none(), "as many as may be are out");
            for (number, buffer) in out.into_iter().enumerate() {
                match number {
                    0 => forget(),
                    1 => give_back(Vec::with_capacity(CAPACITIES.end() + buffer.capacity()), true),
                    _ => give_back(buffer, true),
                }
            }
            assert_eq!(KEPT.load(Ordering::Relaxed), MAX_KEPT - 2);
        };
        std::thread::spawn(on_one_thread).join().unwrap();
        assert_eq!(KEPT.load(Ordering::Relaxed), 0, "the thread took its own with it");
    }
}
