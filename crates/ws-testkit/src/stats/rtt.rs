//! Round-trip times: exact minimum, maximum and mean, quantiles from an HDR histogram.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Quantiles are right to 3 significant digits, far below what a network's noise allows.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Round-trip times of one run, in nanoseconds inside, as [`Duration`]s outside.
#[derive(Debug, Clone)]
pub struct RoundTrips {
    /// None only if the histogram could not be made, which the constant above rules out.
    histogram: Option<Histogram<u64>>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for RoundTrips {
    fn default() -> Self {
        Self::new()
    }
}

impl RoundTrips {
    /// No times yet.
    pub fn new() -> Self {
        let histogram = Histogram::new(SIGNIFICANT_DIGITS).ok();
        Self {
            histogram,
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    /// Adds one round trip.
    pub fn record(&mut self, round_trip: Duration) {
        self.record_many(round_trip, 1);
    }

    /// Adds round trips of the same length.
    pub(crate) fn record_many(&mut self, round_trip: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let nanoseconds = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.count += count;
        self.sum += u128::from(nanoseconds) * u128::from(count);
        self.min = self.min.min(nanoseconds);
        self.max = self.max.max(nanoseconds);
        if let Some(histogram) = &mut self.histogram {
            // It grows by itself, and 1 is the smallest value it knows: neither can fail.
            let _ = histogram.record_n(nanoseconds.max(1), count);
        }
    }

    /// Adds the round trips of another part of the run.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if let (Some(own), Some(others)) = (&mut self.histogram, &other.histogram) {
            // It grows as needed.
            let _ = own.add(others);
        }
    }

    /// How many round trips were timed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The shortest, or None when nothing was timed.
    pub fn min(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.min))
    }

    /// The longest, or None when nothing was timed.
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.max))
    }

    /// The arithmetic mean, or None when nothing was timed.
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)))
    }

    /// The time that the share `quantile` (0.0 to 1.0) of all round trips did not exceed; never outside
    /// [`min`](Self::min) and [`max`](Self::max). None when nothing was timed.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let histogram = self.histogram.as_ref().filter(|_| self.count > 0)?;
        let value = histogram.value_at_quantile(quantile).clamp(self.min, self.max);
        Some(Duration::from_nanos(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_timed_has_no_numbers() {
        let times = RoundTrips::new();
        assert_eq!(times.count(), 0);
        assert_eq!((times.min(), times.mean(), times.max()), (None, None, None));
        assert_eq!(times.quantile(0.5), None);
    }

    #[test]
    fn a_hundred_times_give_their_quantiles() {
        let mut times = RoundTrips::new();
        for milliseconds in (1..=100).rev() {
            times.record(Duration::from_millis(milliseconds));
        }
        assert_eq!(times.count(), 100);
        assert_eq!(times.min(), Some(Duration::from_millis(1)));
        assert_eq!(times.max(), Some(Duration::from_millis(100)));
        assert_eq!(times.mean(), Some(Duration::from_micros(50_500)));
        let near = |quantile: f64, milliseconds: f64| {
            let got = times.quantile(quantile).unwrap_or_default().as_secs_f64() * 1000.0;
            assert!(
                (got - milliseconds).abs() / milliseconds < 0.002,
                "{quantile}: {got} ms"
            );
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
    }

    #[test]
    fn parts_of_a_run_add_up() {
        let (mut one, mut other) = (RoundTrips::new(), RoundTrips::new());
        one.record_many(Duration::from_millis(1), 3);
        one.record_many(Duration::from_millis(9), 0);
        other.record(Duration::from_millis(5));
        one.add(&other);
        one.add(&RoundTrips::new());
        assert_eq!((one.count(), one.mean()), (4, Some(Duration::from_millis(2))));
        assert_eq!(
            (one.min(), one.max()),
            (Some(Duration::from_millis(1)), other.min())
        );
        assert_eq!(one.quantile(1.0), other.max());
        assert!(one.quantile(0.75) < Some(Duration::from_micros(1002)));
    }

    #[test]
    fn quantiles_of_one_value_are_that_value() {
        let mut times = RoundTrips::new();
        times.record(Duration::from_nanos(123_456_789));
        assert_eq!(times.quantile(0.5), times.min());
        assert_eq!(times.quantile(0.99), times.max());
    }
}
