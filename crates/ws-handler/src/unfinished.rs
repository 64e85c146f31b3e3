//! The budget for unfinished input: what all connections of a factory together hold for messages of which not
//! everything has arrived.
//!
//! Here: the count and its limit. Not here: what one connection holds (`ws_proto::ReceivePath::held`), when it is
//! counted and what happens above the limit (`socket::link`).

use std::sync::atomic::{AtomicUsize, Ordering};

/// As many messages of the largest size as 256 connections may have open: 256 MiB.
pub(crate) const UNFINISHED_INPUT: usize = 256 << 20;

/// Bytes that are held, and how many may be.
#[derive(Debug)]
pub(crate) struct UnfinishedInput {
    held: AtomicUsize,
    limit: AtomicUsize,
}

impl Default for UnfinishedInput {
    fn default() -> Self {
        Self {
            held: AtomicUsize::new(0),
            limit: AtomicUsize::new(UNFINISHED_INPUT),
        }
    }
}

impl UnfinishedInput {
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// One connection held `before` and now wants `after`. `false`: that is above the limit, and nothing has changed.
    pub(crate) fn change(&self, before: usize, after: usize) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let changed = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                let wanted = held.saturating_sub(before).saturating_add(after);
                (after <= before || wanted <= limit).then_some(wanted)
            });
        changed.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::UnfinishedInput;

    #[test]
    fn below_and_at_the_limit_is_granted_above_it_nothing_changes() {
        let budget = UnfinishedInput::default();
        assert!(budget.change(0, 256 << 20), "the default");
        assert!(!budget.change(0, 1));
        assert!(budget.change(256 << 20, 0));
        budget.set_limit(100);
        assert!(budget.change(0, 60));
        assert!(budget.change(0, 39), "one below");
        assert!(budget.change(39, 40), "at the limit");
        assert!(!budget.change(40, 41), "one above");
        assert_eq!(budget.held(), 100);
        assert!(budget.change(60, 0));
        assert!(budget.change(40, 100));
        budget.set_limit(10);
        assert!(budget.change(100, 50), "less is always granted");
        assert_eq!(budget.held(), 50);
    }
}
