//! The ping budget: a bucket of pings that refills with time. RFC 6455 sets no bound; a flood of pings costs us a
//! pong each, so an endpoint may call it abuse (§10.4, §7.4.1: 1008).

use crate::config::PingBudget;

/// A bucket of pings. Time is in the ticks of the timer table, milliseconds.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Thousandths of a ping.
    level: u32,
    /// When it was last filled up.
    at: u32,
}

impl Bucket {
    pub(super) fn new(budget: Option<&PingBudget>, at: u32) -> Self {
        Self {
            level: budget.map_or(0, capacity),
            at,
        }
    }

    /// Takes one ping out; false if there is none.
    pub(super) fn take(&mut self, budget: &PingBudget, now: u32) -> bool {
        // A thousandth of a ping per millisecond for each ping per second.
        let refill = now.saturating_sub(self.at).saturating_mul(budget.per_second);
        self.at = now;
        self.level = self.level.saturating_add(refill).min(capacity(budget));
        match self.level.checked_sub(1000) {
            Some(level) => {
                self.level = level;
                true
            }
            None => false,
        }
    }

    /// The ticks begin `shift` later.
    pub(super) fn move_base(&mut self, shift: u32) {
        self.at = self.at.saturating_sub(shift);
    }
}

fn capacity(budget: &PingBudget) -> u32 {
    budget.burst.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::Bucket;
    use crate::config::PingBudget;

    #[test]
    fn a_burst_and_then_a_rate() {
        let budget = PingBudget {
            burst: 200,
            per_second: 50,
        };
        let mut bucket = Bucket::new(Some(&budget), 1);
        for _ in 0..200 {
            assert!(bucket.take(&budget, 1));
        }
        assert!(!bucket.take(&budget, 1));
        assert!(
            !bucket.take(&budget, 20),
            "19 ms are not enough for one at 50 a second"
        );
        assert!(bucket.take(&budget, 21));
        assert!(!bucket.take(&budget, 21));
        let in_ten_seconds = (0..1000).filter(|_| bucket.take(&budget, 10_021)).count();
        assert_eq!(in_ten_seconds, 200, "never more than the burst");
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        let budget = PingBudget {
            burst: u32::MAX,
            per_second: u32::MAX,
        };
        let mut bucket = Bucket::new(Some(&budget), 1);
        assert!(bucket.take(&budget, u32::MAX));
        bucket.move_base(u32::MAX);
        assert!(bucket.take(&budget, 1));
    }
}
