//! L10: one peer in ten is hostile. The others get their echoes nearly as quickly as without them, and memory stays
//! within what a connection may hold.
//!
//! Quiet runs of a load and loud ones take turns. In a loud one the hostile peers, each without a pause, connect and do
//! one of the things below until they are thrown out, can send no more, or have had their time. What counts is the median
//! of the runs of a kind: the system takes a core away for some milliseconds now and then, and which run that hits says
//! nothing about the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;
use ws_proto::DeflateConfig;

use super::child::Server;
use super::dial::Dialer;
use super::findings::{Findings, SoakBound};
use super::leak::{self, Sample};
use super::options::SoakOptions;
use crate::bench::{self, BenchOptions, Load, Payload, Report, Until};
use crate::gauges::ServerGauges;
use crate::peer::RawFrame;

/// Good connections.
const GOOD: (usize, usize) = (900, 90);

/// Messages per second of the good ones together: in full what keeps the server's core busy for half of the time where
/// this was written; the share is told. In short what leaves room for other work.
const RATE: (usize, usize) = (17_000, 1_000);

/// Bytes of a message of theirs. They are compressed, which is work for the server and little for the load generator, that
/// sends what was compressed before: with messages that cost both the same it is not the server that comes to its limit.
const SIZE: usize = 1024;

/// Runs of each kind, and what is measured of each.
const ROUNDS: (usize, usize) = (5, 1);
const TIME: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(4));

/// How many times as long as in the quiet run the slowest of a hundred answers may take.
const RATIO: f64 = 3.0;

/// In full: a quiet run whose p99 is longer, in milliseconds, was not quiet, and three times of it would be no bound.
const MOST_QUIET: f64 = 5.0;

/// In short: where the quiet run is this quick, in milliseconds, its multiple says nothing, since other programs run on
/// the same cores, and who is not running waits for some slices of a few milliseconds.
const QUICK_FLOOR: f64 = 250.0;

/// What one hostile connection may hold: a message, doubled while it grows; both queues; a read buffer.
const HELD: f64 = 2.0 * 1_048_576.0 + 2.0 * 65_536.0 + 65_536.0;

/// How long one hostile connection is kept up.
const TURN: Duration = Duration::from_secs(1);

/// For the server to be rid of all.
const PATIENCE: Duration = Duration::from_secs(60);

const KEY: [u8; 4] = [0x77, 0x66, 0x55, 0x44];

/// One thing that a hostile peer does: bytes, sent once or as long as it goes; nothing is ever read.
#[derive(Debug, Clone)]
struct Attack {
    bytes: Bytes,
    endless: bool,
    /// Instead of the handshake.
    before: bool,
}

#[derive(Debug, Default)]
struct Counts {
    attacks: AtomicU64,
    bytes: AtomicU64,
    over: AtomicBool,
}

pub(super) fn connections(options: &SoakOptions) -> usize {
    let good = options.count(GOOD.0, GOOD.1);
    good + hostile(good)
}

/// One in ten of all.
fn hostile(good: usize) -> usize {
    (good / 9).max(1)
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let good = options.count(GOOD.0, GOOD.1);
    let arguments = [
        "--deflate",
        "--max-message-size",
        "1048576",
        "--max-frame-size",
        "1048576",
        "--max-fragments",
        "16384",
        "--ping-budget",
        "200/50",
        "--message-stall-timeout",
        "5",
        "--write-timeout",
        "5",
        "--handshake-timeout",
        "5",
    ];
    let mut server = Server::start(options, &arguments, Duration::from_millis(250)).await?;
    let empty = |now: &ServerGauges| now.connections == 0 && now.read_buffers == 0;
    let (mut quiet, mut loud) = (Runs::default(), Runs::default());
    let counts = Arc::new(Counts::default());
    // After the first quiet run: what a server with that load keeps.
    let mut before = None;
    let from = server.now();
    for _ in 0..options.pick(ROUNDS.0, ROUNDS.1) {
        quiet.0.push(load(options, &server, good).await?);
        let empty_again = server.gauges_when(empty, PATIENCE).await?;
        before.get_or_insert(empty_again);
        loud.0
            .push(load_beside(options, &server, good, hostile(good), &counts).await?);
        server.gauges_when(empty, PATIENCE).await?;
    }
    let before = before.unwrap_or_default();
    judge(options, findings, &quiet, &loud);
    report(findings, &counts, hostile(good));
    let samples = server.samples(from, server.now());
    judge_memory(findings, &samples, &before, hostile(good));
    let after = server.gauges_back_at(&before).await?;
    findings.tell("turns of hostile peers cut off", after.turns as f64, "");
    leak::counts_gone(findings, &before, &after);
    server.stop().await?.judge(findings);
    Ok(())
}

/// What the good ones have met in the runs of one kind.
#[derive(Debug, Default)]
struct Runs(Vec<Report>);

impl Runs {
    /// The median of the runs.
    fn median(&self, figure: impl Fn(&Report) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.0.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median of a percentile of the answers' times, in milliseconds.
    fn time(&self, part: f64) -> f64 {
        self.median(|report| {
            let time = report.times.quantile(part);
            time.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
        })
    }

    fn sum(&self, figure: impl Fn(&Report) -> f64) -> f64 {
        self.0.iter().map(figure).sum()
    }
}

/// What the good ones have met, without and with the others.
fn judge(options: &SoakOptions, findings: &mut Findings, quiet: &Runs, loud: &Runs) {
    for (name, runs) in [("quiet", quiet), ("hostile", loud)] {
        let share = runs.median(|run| run.server.map_or(f64::NAN, |used| used.busiest_share()));
        findings.tell(format!("server's core in the {name} run"), share * 100.0, "%");
        for part in [0.5, 0.9] {
            let name = format!("p{:.0} of the {name} run", part * 100.0);
            findings.tell(name, runs.time(part), "ms");
        }
    }
    let name = "p99 of the quiet run";
    if options.quick {
        findings.tell(name, quiet.time(0.99), "ms");
    } else {
        findings.check(name, quiet.time(0.99), "ms", SoakBound::AtMost(MOST_QUIET));
    }
    findings.tell(
        "p99 beside hostile peers, as a multiple",
        loud.time(0.99) / quiet.time(0.99),
        "",
    );
    let floor = options.pick(0.0, QUICK_FLOOR);
    findings.check(
        "p99 beside hostile peers",
        loud.time(0.99),
        "ms",
        SoakBound::AtMost((RATIO * quiet.time(0.99)).max(floor)),
    );
    for (name, runs) in [("quiet", quiet), ("hostile", loud)] {
        let wrong = runs.sum(|run| run.lost as f64 + f64::from(u8::from(run.failure().is_some())));
        let name = format!("answers lost in the {name} run");
        findings.check(name, wrong, "", SoakBound::Exactly(0.0));
    }
    let answered = |runs: &Runs| runs.sum(|run| run.answered as f64);
    findings.check(
        "answers beside hostile peers",
        answered(loud),
        "",
        SoakBound::AtLeast(answered(quiet) * 0.9),
    );
}

/// Memory stays within what the hostile ones may hold, beside what was there before they came.
fn judge_memory(findings: &mut Findings, samples: &[Sample], before: &ServerGauges, hostile: usize) {
    let most = samples
        .iter()
        .filter_map(|sample| sample.gauges.resident_bytes)
        .max();
    let base = before.resident_bytes.map_or(f64::NAN, |bytes| bytes as f64);
    findings.check(
        "RSS at most",
        most.map_or(f64::NAN, |bytes| bytes as f64),
        "bytes",
        SoakBound::AtMost(base + HELD * hostile as f64),
    );
}

fn report(findings: &mut Findings, counts: &Counts, peers: usize) {
    findings.check(
        "attacks",
        counts.attacks.load(Ordering::Relaxed) as f64,
        "",
        SoakBound::AtLeast(peers as f64),
    );
    findings.tell(
        "sent by hostile peers",
        counts.bytes.load(Ordering::Relaxed) as f64 / f64::from(1 << 20),
        "MiB",
    );
}

/// The good ones: messages at intended moments, whether or not answers have come.
async fn load(options: &SoakOptions, server: &Server, good: usize) -> Result<Report, String> {
    let rate = options.count(RATE.0, RATE.1) as f64;
    let options = BenchOptions {
        url: format!("ws://{}/", server.address()),
        protocol: Some("echo-assemble".into()),
        deflate: Some(DeflateConfig::default()),
        tcp: false,
        load: Load::Open(rate),
        until: Until::Time {
            warm_up: Duration::from_secs(1),
            measured: options.pick(TIME.0, TIME.1),
        },
        connections: good,
        pipeline: 64,
        size: SIZE,
        payload: Payload::Text,
        fragments: 1,
        verify: true,
        threads: 1,
        timeout: PATIENCE,
        pid: Some(server.pid()),
        // The hostile ones have what is left of the core. In their way it would be served after their slices.
        sleeps: true,
    };
    let report = bench::run(options, std::future::pending(), |_| {}).await?;
    match report.failure() {
        Some(trouble) => Err(format!("a good connection was harmed: {trouble}")),
        None => Ok(report),
    }
}

/// The same load while the hostile ones are about.
async fn load_beside(
    options: &SoakOptions,
    server: &Server,
    good: usize,
    hostile: usize,
    counts: &Arc<Counts>,
) -> Result<Report, String> {
    let dialer = Arc::new(Dialer::new(server.address(), "echo-assemble")?);
    counts.over.store(false, Ordering::Relaxed);
    let shared = Arc::clone(counts);
    let attackers = tokio::task::spawn_blocking(move || harass_all(&dialer, hostile, &shared));
    let report = load(options, server, good).await;
    counts.over.store(true, Ordering::Relaxed);
    attackers.await.map_err(|error| error.to_string())?;
    report
}

fn attacks() -> Vec<Attack> {
    let frame = |frame: RawFrame| Bytes::from(frame.masked(KEY).encode());
    let flood = |one: Bytes| Attack {
        bytes: one.repeat((64 << 10) / one.len().max(1)).into(),
        endless: true,
        before: false,
    };
    let once = |bytes: Bytes| Attack {
        bytes,
        endless: false,
        before: false,
    };
    let open = frame(RawFrame::text("x").unfinished());
    let more = frame(RawFrame::continuation("y").unfinished());
    vec![
        // Group W: floods of a peer that never reads.
        flood(frame(RawFrame::ping("p"))),
        flood(frame(RawFrame::text(""))),
        flood(frame(RawFrame::text("echo me and nobody reads it"))),
        flood(frame(RawFrame::close(1000, ""))),
        // Group F: lengths, fragments, text, masks, opcodes.
        once([open, more.repeat(20_000).into()].concat().into()),
        once(frame(RawFrame::binary("").declaring(1 << 40))),
        once(frame(RawFrame::binary(vec![0; 4096]).declaring(1 << 20))),
        once(frame(RawFrame::text(&b"\xc0\xaf"[..]))),
        once(Bytes::from(RawFrame::text("no mask").encode())),
        once(frame(RawFrame::new(0xb, "reserved").declaring(1 << 30))),
        // Before the handshake: a request that stops, and no request at all.
        Attack {
            bytes: Bytes::from_static(b"GET / HTTP/1.1\r\nHost: here\r\nUpgra"),
            endless: false,
            before: true,
        },
        Attack {
            bytes: Bytes::from(vec![b'\xa5'; 32 << 10]),
            endless: false,
            before: true,
        },
    ]
}

/// All hostile peers, in a thread of their own that has only what the good ones leave of the core, and goes at once when
/// these have something to do (SCHED_IDLE): elsewhere they bring their own processors, and what is judged here is how the
/// server shares its one, not how the system shares this machine's. A lower priority alone is not enough: each slice of
/// theirs, of up to 4 ms, was time that answers waited to be read.
fn harass_all(dialer: &Arc<Dialer>, peers: usize, counts: &Arc<Counts>) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Without it the verdict is only harder to pass.
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            let attacks: Arc<[Attack]> = attacks().into();
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for number in 0..peers {
                    let attacks = Arc::clone(&attacks);
                    all.spawn(harass(Arc::clone(dialer), attacks, number, Arc::clone(counts)));
                }
                while all.join_next().await.is_some() {}
            });
        });
    });
}

/// One hostile peer: attack after attack.
async fn harass(dialer: Arc<Dialer>, attacks: Arc<[Attack]>, number: usize, counts: Arc<Counts>) {
    for attack in attacks.iter().cycle().skip(number) {
        if counts.over.load(Ordering::Relaxed) {
            return;
        }
        // Thrown out, refused, out of time: it goes on with the next.
        drop(timeout(TURN, one(&dialer, attack, &counts)).await);
    }
}

async fn one(dialer: &Dialer, attack: &Attack, counts: &Counts) -> Result<(), String> {
    let mut stream = if attack.before {
        dialer.tcp().await?
    } else {
        dialer.raw().await?.0
    };
    counts.attacks.fetch_add(1, Ordering::Relaxed);
    loop {
        stream
            .write_all(&attack.bytes)
            .await
            .map_err(|error| error.to_string())?;
        let sent = attack.bytes.len() as u64;
        counts.bytes.fetch_add(sent, Ordering::Relaxed);
        if !attack.endless || counts.over.load(Ordering::Relaxed) {
            break;
        }
    }
    // Until the server has had enough.
    let mut end = [0; 1024];
    while stream.read(&mut end).await.is_ok_and(|count| count > 0) {}
    Ok(())
}
