//! The leak verdict: nothing grows while the load is steady, and everything is back when the load is gone.
//!
//! Growth is the slope of a robust line (`fit`) through the samples of the steady part, times its length: end points
//! alone would judge two accidents. Memory has an allowance, since an allocator keeps and splits pages as it likes;
//! what the server counts itself has none once the load is gone.

use super::findings::{Findings, SoakBound};
use super::fit;
use crate::gauges::ServerGauges;

/// What the server held at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Seconds since the server was started.
    pub(super) at: f64,
    pub(super) gauges: ServerGauges,
}

/// One number of all that the server tells.
type Gauge = fn(&ServerGauges) -> f64;

/// Memory may grow by so much however small the server is: an arena, a pool that fills for the first time.
const MEMORY_FLOOR: f64 = 1024.0 * 1024.0;

/// Or by this share of what it is: pages that are used by halves.
const MEMORY_SHARE: f64 = 0.05;

/// Descriptors and tasks of a crowd that comes and goes may drift by so many, or by the share below.
const COUNT_FLOOR: f64 = 8.0;

/// See above: how many are on their way in or out differs from moment to moment.
const COUNT_SHARE: f64 = 0.1;

/// Fewer samples than this show no slope worth the name.
const FEWEST: usize = 8;

/// What memory may grow by.
pub(super) fn memory_allowance(resident: f64) -> f64 {
    MEMORY_FLOOR.max(MEMORY_SHARE * resident)
}

/// While the load was steady, nothing grew: memory, descriptors, tasks.
pub(super) fn steady(findings: &mut Findings, samples: &[Sample]) {
    let resident = |gauges: &ServerGauges| gauges.resident_bytes.map_or(f64::NAN, |bytes| bytes as f64);
    let middle = fit::median(samples.iter().map(|sample| resident(&sample.gauges)).collect());
    let allowed = memory_allowance(middle.unwrap_or(f64::NAN));
    grows(findings, samples, "RSS", "bytes", resident, allowed);
    let counts: [(&str, Gauge); 2] = [
        ("descriptors", |gauges| {
            gauges.descriptors.map_or(f64::NAN, |count| count as f64)
        }),
        ("tasks", |gauges| gauges.tasks as f64),
    ];
    for (name, value) in counts {
        let middle = fit::median(samples.iter().map(|sample| value(&sample.gauges)).collect());
        let allowed = COUNT_FLOOR.max(COUNT_SHARE * middle.unwrap_or_default());
        grows(findings, samples, name, "", value, allowed);
    }
}

/// The growth of one gauge over the samples, and its bound. With too few samples it is no number, which keeps none.
fn grows(
    findings: &mut Findings,
    samples: &[Sample],
    name: &str,
    unit: &'static str,
    value: impl Fn(&ServerGauges) -> f64,
    allowed: f64,
) {
    let points: Vec<_> = samples
        .iter()
        .map(|sample| (sample.at, value(&sample.gauges)))
        .collect();
    let length = match (samples.first(), samples.last()) {
        (Some(first), Some(last)) if samples.len() >= FEWEST => last.at - first.at,
        _ => f64::NAN,
    };
    let growth = fit::slope(&points).unwrap_or(f64::NAN) * length;
    let name = format!("{name} growth by the line through {} samples", samples.len());
    findings.check(name, growth, unit, SoakBound::AtMost(allowed));
}

/// When the load is gone, everything is as it was before it: memory within its allowance, all else exactly or less.
pub(super) fn gone(findings: &mut Findings, before: &ServerGauges, after: &ServerGauges) {
    let number = |value: Option<u64>| value.map_or(f64::NAN, |value| value as f64);
    let was = number(before.resident_bytes);
    let most = was + memory_allowance(was);
    findings.check(
        "RSS afterwards",
        number(after.resident_bytes),
        "bytes",
        SoakBound::AtMost(most),
    );
    counts_gone(findings, before, after);
}

/// As [`gone`] without memory: for shapes that let it grow to a bound of its own, which the allocator may keep.
pub(super) fn counts_gone(findings: &mut Findings, before: &ServerGauges, after: &ServerGauges) {
    let number = |value: Option<u64>| value.map_or(f64::NAN, |value| value as f64);
    for (name, was, is) in [
        (
            "descriptors afterwards",
            number(before.descriptors),
            number(after.descriptors),
        ),
        ("tasks afterwards", before.tasks as f64, after.tasks as f64),
        (
            "connections afterwards",
            before.connections as f64,
            after.connections as f64,
        ),
        (
            "WebSockets afterwards",
            before.websockets as f64,
            after.websockets as f64,
        ),
        (
            "sessions afterwards",
            before.sessions as f64,
            after.sessions as f64,
        ),
        ("topics afterwards", before.topics as f64, after.topics as f64),
        (
            "subscribers afterwards",
            before.subscribers as f64,
            after.subscribers as f64,
        ),
        (
            "queued bytes afterwards",
            before.queued_bytes as f64,
            after.queued_bytes as f64,
        ),
        (
            "unfinished bytes afterwards",
            before.unfinished_bytes as f64,
            after.unfinished_bytes as f64,
        ),
        (
            "read buffers afterwards",
            before.read_buffers as f64,
            after.read_buffers as f64,
        ),
    ] {
        findings.check(name, is, "", SoakBound::AtMost(was));
    }
}

/// Whether all that the server counts is back; memory follows when it likes.
pub(super) fn is_gone(before: &ServerGauges, now: &ServerGauges) -> bool {
    now.connections <= before.connections
        && now.websockets <= before.websockets
        && now.sessions <= before.sessions
        && now.topics <= before.topics
        && now.subscribers <= before.subscribers
        && now.queued_bytes <= before.queued_bytes
        && now.unfinished_bytes <= before.unfinished_bytes
        && now.read_buffers <= before.read_buffers
        && now.tasks <= before.tasks
        && now.descriptors <= before.descriptors
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn gauges(resident: u64, descriptors: u64, tasks: u64) -> ServerGauges {
        ServerGauges {
            resident_bytes: Some(resident),
            descriptors: Some(descriptors),
            tasks,
            ..ServerGauges::default()
        }
    }

    /// Forty samples, a quarter of a second apart.
    fn samples(gauges: impl Fn(u64) -> ServerGauges) -> Vec<Sample> {
        (0..40)
            .map(|number| Sample {
                at: number as f64 / 4.0,
                gauges: gauges(number),
            })
            .collect()
    }

    fn broken(findings: &Findings) -> Vec<&str> {
        let broken = findings.figures.iter().filter(|figure| !figure.holds());
        broken
            .map(|figure| figure.name.split(' ').next().unwrap_or_default())
            .collect()
    }

    fn steady_of(samples: &[Sample]) -> Vec<String> {
        let mut findings = Findings::default();
        steady(&mut findings, samples);
        assert_eq!(findings.figures.len(), 3);
        broken(&findings).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn noise_is_no_leak() {
        let noisy = samples(|n| gauges(20 * MIB + (n * 7919 % 13) * 50_000, 100 + n % 9, 60 + n % 5));
        assert_eq!(steady_of(&noisy), [""; 0]);
        let spikes = samples(|n| gauges(if n % 13 == 5 { 90 * MIB } else { 20 * MIB }, 100, 60));
        assert_eq!(steady_of(&spikes), [""; 0]);
    }

    #[test]
    fn growth_within_the_allowance_is_no_leak_and_more_is() {
        let slow = samples(|n| gauges(20 * MIB + n * 20_000, 100, 60));
        assert_eq!(steady_of(&slow), [""; 0], "0.8 MB in all");
        let leak = samples(|n| gauges(20 * MIB + n * 60_000, 100, 60));
        assert_eq!(steady_of(&leak), ["RSS"], "2.3 MB in all");
    }

    #[test]
    fn descriptors_and_tasks_that_grow_are_leaks() {
        assert_eq!(
            steady_of(&samples(|n| gauges(20 * MIB, 100 + n, 60))),
            ["descriptors"]
        );
        assert_eq!(steady_of(&samples(|n| gauges(20 * MIB, 100, 60 + n))), ["tasks"]);
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        assert_eq!(steady_of(&[]), ["RSS", "descriptors", "tasks"]);
        let few = samples(|_| gauges(20 * MIB, 100, 60));
        assert_eq!(steady_of(&few[..FEWEST - 1]), ["RSS", "descriptors", "tasks"]);
        let blind = samples(|_| ServerGauges::default());
        assert_eq!(steady_of(&blind), ["RSS", "descriptors"]);
    }

    #[test]
    fn everything_must_be_back() {
        let before = gauges(20 * MIB, 12, 3);
        let mut findings = Findings::default();
        gone(&mut findings, &before, &gauges(20 * MIB + 900_000, 12, 3));
        assert_eq!(broken(&findings), [""; 0]);
        let left = ServerGauges {
            connections: 1,
            websockets: 1,
            sessions: 1,
            topics: 1,
            subscribers: 1,
            queued_bytes: 1,
            unfinished_bytes: 1,
            read_buffers: 1,
            ..gauges(23 * MIB, 13, 4)
        };
        assert!(is_gone(&before, &before) && !is_gone(&before, &left));
        let mut findings = Findings::default();
        gone(&mut findings, &before, &left);
        assert_eq!(broken(&findings).len(), findings.figures.len());
        for figure in &findings.figures {
            assert!(!figure.holds(), "{figure}");
        }
    }
}
