//! L3: connections that come in a storm, shake hands and close, so many per second whether or not the server keeps up.

use std::time::Duration;

use super::child::Server;
use super::findings::{Findings, SoakBound};
use super::leak;
use super::options::SoakOptions;
use crate::bench::{self, BenchOptions, Load, Payload, Report, Until};

/// Connects per second: the catalogue's 10,000, about half of what a core of its own lets the server do; in short what two
/// cores do besides other work.
const RATE: (usize, usize) = (10_000, 500);

/// How long: in full 300,000 connects; in short enough for samples.
const TIME: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));

/// Handshakes under way at the same time, below the 1,024 that the server lets wait.
const AT_ONCE: usize = 512;

/// 99 of 100 handshakes are done in so many milliseconds: the catalogue's 250; in short four times as many, because
/// one slice that a busy machine gives to others takes longer than all handshakes of a moment.
const P99: (f64, f64) = (250.0, 1000.0);

/// So much of the storm must have been raised: with less the shape was another one. In short half, on a busy machine.
const ACHIEVED: (f64, f64) = (0.9, 0.5);

/// For the server to be rid of the last ones.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn connections(_options: &SoakOptions) -> usize {
    AT_ONCE
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let rate = options.count(RATE.0, RATE.1);
    let time = options.pick(TIME.0, TIME.1);
    let every = (time / 40).clamp(Duration::from_millis(100), Duration::from_secs(1));
    let mut server = Server::start(options, &[], every).await?;
    // A first, short storm: pools and tables get their size.
    storm(&server, rate, time / 5).await?;
    let quiet = |now: &crate::gauges::ServerGauges| now.connections == 0 && now.read_buffers == 0;
    let before = server.gauges_when(quiet, PATIENCE).await?;
    let from = server.now();
    let report = storm(&server, rate, time).await?;
    let until = server.now();
    judge(options, findings, rate, &report);
    leak::steady(findings, &server.samples(from, until));
    leak::gone(findings, &before, &server.gauges_back_at(&before).await?);
    server.stop().await?.judge(findings);
    match report.failure() {
        Some(trouble) => Err(trouble.to_string()),
        None => Ok(()),
    }
}

fn judge(options: &SoakOptions, findings: &mut Findings, rate: usize, report: &Report) {
    let milliseconds = |quantile| {
        let time = report.times.quantile(quantile);
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    findings.tell("connects", report.answered as f64, "");
    findings.check(
        "connects per second",
        report.per_second(),
        "",
        SoakBound::AtLeast(rate as f64 * options.pick(ACHIEVED.0, ACHIEVED.1)),
    );
    findings.tell("handshake p50", milliseconds(0.5), "ms");
    findings.check(
        "handshake p99",
        milliseconds(0.99),
        "ms",
        SoakBound::AtMost(options.pick(P99.0, P99.1)),
    );
    findings.check(
        "refused or lost",
        report.lost as f64 + f64::from(u8::from(report.failure().is_some())),
        "",
        SoakBound::Exactly(0.0),
    );
}

async fn storm(server: &Server, rate: usize, time: Duration) -> Result<Report, String> {
    let options = BenchOptions {
        url: format!("ws://{}/", server.address()),
        protocol: Some("echo-assemble".into()),
        deflate: None,
        tcp: false,
        load: Load::Connect(Some(rate as f64)),
        until: Until::Time {
            warm_up: Duration::ZERO,
            measured: time,
        },
        connections: AT_ONCE,
        pipeline: 1,
        size: 16,
        payload: Payload::Text,
        fragments: 1,
        verify: false,
        threads: 1,
        timeout: PATIENCE,
        pid: None,
        sleeps: true,
    };
    bench::run(options, std::future::pending(), |_| {}).await
}
