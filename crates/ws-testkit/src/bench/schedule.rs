//! When a run measures, and when an open loop means to send. Pure: instants in, instants out.

use std::time::{Duration, Instant};

/// The measured part of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) from: Instant,
    /// None: until everything is done.
    pub(super) until: Option<Instant>,
}

impl Window {
    /// Whether what happens now is measured.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    /// Whether the time for new messages is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Evenly spaced moments, `rate` per second, from a start on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    start: Instant,
    rate: f64,
}

impl Pace {
    pub(super) fn new(start: Instant, rate: f64) -> Self {
        Self { start, rate }
    }

    /// The moment of the event `number`, from 0.
    pub(super) fn moment(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many events lie before `now`.
    pub(super) fn due(&self, now: Instant) -> u64 {
        let guess = (now.saturating_duration_since(self.start).as_secs_f64() * self.rate) as u64;
        // The product may be off by one either way; the moments themselves decide.
        let mut due = guess.saturating_sub(1);
        while self.moment(due) < now {
            due += 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_lie_before() {
        let start = Instant::now();
        for rate in [0.5, 3.0, 1000.0, 123_456.7] {
            let pace = Pace::new(start, rate);
            assert_eq!(pace.due(start), 0);
            for number in [0, 1, 2, 3, 999, 1_000_000] {
                let moment = pace.moment(number);
                assert_eq!(pace.due(moment), number, "rate {rate}");
                assert_eq!(
                    pace.due(moment + Duration::from_nanos(1)),
                    number + 1,
                    "rate {rate}"
                );
            }
        }
    }

    #[test]
    fn a_window_holds_its_first_moment_and_not_its_last() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let window = Window {
            start,
            from: start + second,
            until: Some(start + 2 * second),
        };
        assert!(!window.holds(start) && window.holds(start + second) && !window.holds(start + 2 * second));
        assert!(!window.is_over(start + second) && window.is_over(start + 2 * second));
        let endless = Window {
            until: None,
            ..window
        };
        assert!(endless.holds(start + 9 * second) && !endless.is_over(start + 9 * second));
    }
}
