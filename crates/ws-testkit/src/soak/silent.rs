//! L9: peers that have gone silent. Nothing of theirs is read or answered any more, while the kernel still acknowledges
//! for them, as it does for a stopped process; the server finds out by pings (RFC 6455 §5.5.2). Peers that answer stay.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::child::Server;
use super::crowd::Crowd;
use super::dial::Dialer;
use super::findings::{Findings, SoakBound};
use super::leak;
use super::options::SoakOptions;

/// Peers that fall silent.
const SILENT: (usize, usize) = (2_000, 200);

/// Peers that answer.
const LIVELY: (usize, usize) = (200, 50);

/// Seconds of silence before a ping: short, so that it takes seconds and not a minute.
const PING: (u32, u32) = (5, 1);

/// Seconds for its answer: no less than what a busy machine may keep those waiting that do answer.
const PONG: (u32, u32) = (5, 3);

/// What comes on top of both: the timer's coarseness, closing, and a busy machine (in short mostly that).
const SLACK: (f64, f64) = (5.0, 10.0);

/// For the server to notice all that come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn connections(options: &SoakOptions) -> usize {
    options.count(SILENT.0, SILENT.1) + options.count(LIVELY.0, LIVELY.1)
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let (silent, lively) = (
        options.count(SILENT.0, SILENT.1),
        options.count(LIVELY.0, LIVELY.1),
    );
    let (ping, pong) = (options.pick(PING.0, PING.1), options.pick(PONG.0, PONG.1));
    let typed = (ping.to_string(), pong.to_string());
    let arguments = ["--ping-interval", &typed.0, "--pong-timeout", &typed.1];
    let mut server = Server::start(options, &arguments, Duration::from_millis(100)).await?;
    let dialer = Arc::new(Dialer::new(server.address(), "echo-assemble")?);
    Crowd::open(&dialer, 1).await?.leave().await;
    let empty = |now: &crate::gauges::ServerGauges| now.connections == 0 && now.read_buffers == 0;
    let before = server.gauges_when(empty, PATIENCE).await?;

    let crowd = Crowd::open(&dialer, lively).await?;
    let mut opening = JoinSet::new();
    for _ in 0..silent {
        let dialer = Arc::clone(&dialer);
        opening.spawn(async move { dialer.raw().await });
    }
    let mut held = Vec::with_capacity(silent);
    while let Some(opened) = opening.join_next().await {
        held.push(opened.map_err(|error| error.to_string())??);
    }
    let last_word = server.now();
    let gone = server
        .gauges_when(|now| now.connections == lively as u64, PATIENCE)
        .await?;
    findings.tell("peers that fell silent", silent as f64, "");
    findings.check(
        "removed",
        silent as f64 + lively as f64 - gone.connections as f64,
        "",
        SoakBound::Exactly(silent as f64),
    );
    findings.check(
        "after the last had opened",
        server.now() - last_word,
        "s",
        SoakBound::AtMost(f64::from(ping + pong) + options.pick(SLACK.0, SLACK.1)),
    );
    // Another round of pings for those that answer: one that is removed now was removed for nothing.
    tokio::time::sleep(Duration::from_secs(u64::from(ping + pong))).await;
    let stayed = crowd.leave().await;
    findings.check(
        "peers that answered, and stayed",
        stayed as f64,
        "",
        SoakBound::Exactly(lively as f64),
    );
    // The silent ones are still held here: what is gone is gone at the server.
    let after = server.gauges_back_at(&before).await?;
    findings.check(
        "pongs that did not come",
        after.pong_timeouts as f64,
        "",
        SoakBound::Exactly(silent as f64),
    );
    leak::counts_gone(findings, &before, &after);
    drop(held);
    server.stop().await?.judge(findings);
    Ok(())
}
