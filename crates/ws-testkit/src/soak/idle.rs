//! L1: idle connections, pinged by the server now and then, and what each of them costs.
//!
//! Two rounds: the first finds a fresh process, so its memory tells what a connection costs; the second finds one that
//! has had as many before, so nothing may be left of it.

use std::sync::Arc;
use std::time::Duration;

use super::child::Server;
use super::crowd::Crowd;
use super::dial::Dialer;
use super::findings::{Findings, SoakBound};
use super::leak;
use super::options::SoakOptions;

/// For the server to notice that all have come or gone.
const NOTICE: Duration = Duration::from_secs(60);

/// The largest number, with which client and server stay below 20,000 descriptors each, and the cut-down one.
const CONNECTIONS: (usize, usize) = (19_000, 1_000);

/// How long they are held: 20 rounds of pings; in short 5.
const HOLD: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(5));

/// Seconds of silence before a ping: the library's default; in short one that comes about in time.
const PINGS: (&str, &str) = ("30", "1");

/// What a connection may cost, in bytes of RSS. Above the 1.2 KiB that it was when this was written, with tasks,
/// signals and table entries; far below one read buffer, which an idle connection must not hold.
const MOST_PER_CONNECTION: f64 = 4096.0;

/// Rounds that go before: what the allocator keeps of a crowd grows by some percent until the third, and not after.
const SETTLING: usize = 2;

pub(super) fn connections(options: &SoakOptions) -> usize {
    options.count(CONNECTIONS.0, CONNECTIONS.1)
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let count = connections(options);
    let hold = options.hold.unwrap_or(options.pick(HOLD.0, HOLD.1));
    let arguments = ["--ping-interval", options.pick(PINGS.0, PINGS.1)];
    let every = (hold / 40).clamp(Duration::from_millis(100), Duration::from_secs(1));
    let mut server = Server::start(options, &arguments, every).await?;
    let dialer = Arc::new(Dialer::new(server.address(), "echo-assemble")?);

    // One connection starts what stays: pools, the timer of the wheel.
    Crowd::open(&dialer, 1).await?.leave().await;
    let fresh = server.gauges_when(|now| now.connections == 0, NOTICE).await?;
    let crowd = Crowd::open(&dialer, count).await?;
    let full = server
        .gauges_when(
            |now| now.sessions == count as u64 && now.read_buffers == 0,
            NOTICE,
        )
        .await?;
    findings.check(
        "sessions open",
        full.sessions as f64,
        "",
        SoakBound::Exactly(count as f64),
    );
    let bytes = |resident: Option<u64>| resident.map_or(f64::NAN, |bytes| bytes as f64);
    let cost = (bytes(full.resident_bytes) - bytes(fresh.resident_bytes)) / count as f64;
    findings.check(
        "RSS per connection",
        cost,
        "bytes",
        SoakBound::AtMost(MOST_PER_CONNECTION),
    );
    crowd.leave().await;
    for _ in 0..SETTLING {
        Crowd::open(&dialer, count).await?.leave().await;
        server.gauges_back_at(&fresh).await?;
    }
    let before = server.gauges_back_at(&fresh).await?;

    let crowd = Crowd::open(&dialer, count).await?;
    server
        .gauges_when(|now| now.sessions == count as u64, NOTICE)
        .await?;
    let from = server.now();
    tokio::time::sleep(hold).await;
    leak::steady(findings, &server.samples(from, server.now()));
    findings.tell("held for", hold.as_secs_f64(), "s");
    let stayed = crowd.leave().await;
    findings.check(
        "open to the end",
        stayed as f64,
        "",
        SoakBound::Exactly(count as f64),
    );
    leak::gone(findings, &before, &server.gauges_back_at(&before).await?);
    server.stop().await?.judge(findings);
    Ok(())
}
