//! `ws-testkit bench`: options as typed, the run they describe, progress on stderr, text or one JSON object.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::oneshot;
use ws_proto::DeflateConfig;

use super::client::{no_runtime, seconds, usage};
use super::exit;
use super::signals::Signals;
use crate::bench::{self, BenchOptions, Load, Payload, Phase, Report, Until};
use crate::deflate_options::parse_deflate;

const AFTER_HELP: &str = "\
The server must echo messages, in whatever frames; every answer is checked.
Without --rate, --connect-rate, --idle or --fan-out the loop is closed: each connection
sends a pipeline full of messages in one write, and the next one when all of
them are answered. Latency is then that of a server with all it can do; how
late answers come at a given load is what --rate tells: it sends at intended
moments whether or not answers have come, at most --pipeline in flight on each
connection, and counts every answer from the intended moment. Where the server
is on 127.0.0.0/8, --connect-rate and more than 10000 connections come from
127.0.0.2 and following, because one address runs out of ports.
Before the run one connection is opened and closed again.
With --deflate every eighth connection inflates and compares what comes back,
every one with --verify; the others look at its frames alone. What the server
declines is sent plain.

Exit codes:
    0  all answered and right
    1  an answer wrong, or missing at the timeout
    2  usage; too few descriptors; --pid cannot be watched
    3  no TCP connection
    4  no valid 101, or the offered protocol not accepted
    5  closed before all answers were in
    6  TCP up, handshake not done in time
  130  interrupted, after the report
The first failure ends the run.";

/// Options of `ws-testkit bench` as typed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct BenchArguments {
    /// The server, ws://HOST[:PORT]/[PATH]
    #[arg(value_name = "URL")]
    url: String,

    /// Subprotocol to offer, which the server must accept [default: none]
    #[arg(short = 'P', long = "protocol", value_name = "NAME")]
    protocol: Option<String>,

    /// Connections at the same time
    #[arg(short = 'C', long, value_name = "N", default_value_t = 1)]
    connections: usize,

    /// Messages in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: usize,

    /// Offer permessage-deflate, as in --deflate='client_max_window_bits=15;server_no_context_takeover;threshold=0;level=6'
    /// [default: 12 bits both ways, threshold 1024, level 1]
    #[arg(long, value_name = "PARAMS", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = parse_deflate)]
    deflate: Option<DeflateConfig>,

    /// Payload bytes per message
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    size: usize,

    /// ASCII text that looks like JSON (default)
    #[arg(long, group = "payload")]
    text: bool,

    /// Any bytes
    #[arg(short, long, group = "payload")]
    binary: bool,

    /// Text with characters of 1 to 4 bytes
    #[arg(long, group = "payload")]
    utf8: bool,

    /// Frames that each message is cut into
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    fragments: usize,

    /// Compare every byte of every answer, not only length, first and last 8
    #[arg(long)]
    verify: bool,

    /// The server is a bare TCP echo: no handshake, and the frames come back as they were sent
    #[arg(long)]
    tcp: bool,

    /// Open loop: messages per second over all connections
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, group = "load")]
    rate: Option<f64>,

    /// Connect, upgrade, close, and again: --connections at the same time, as often as it goes or so many per second
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, group = "load",
          num_args = 0..=1, require_equals = true)]
    connect_rate: Option<Option<f64>>,

    /// Hold the connections after so many messages each (1 unless said, or none), and tell the server's memory for each
    /// (with --pid)
    #[arg(long, value_name = "MESSAGES", group = "load",
          num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    idle: Option<u64>,

    /// The first connection sends, and all get it (-P echo-broadcast): counts deliveries
    #[arg(long, group = "load")]
    fan_out: bool,

    /// How long to measure; with --idle: how long to be silent before
    #[arg(long, value_name = "SECS", default_value = "5", value_parser = seconds)]
    seconds: Duration,

    /// How long to run before measuring
    #[arg(long, value_name = "SECS", default_value = "0.5", value_parser = seconds)]
    warm_up: Duration,

    /// Messages on each connection (connects in all) instead of --seconds; no warm-up
    #[arg(long, value_name = "N", conflicts_with_all = ["seconds", "warm_up"], value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Threads of load, which share the connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,

    /// Process id of the server: watch its CPU time, memory and descriptors (Linux)
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// The longest wait for TCP, for the handshake, for any answer
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    timeout: Duration,

    /// One JSON object on stdout instead of text (docs/BENCH-JSON.md)
    #[arg(long)]
    json: bool,
}

/// More than nothing, and little enough that moments can be told apart.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.000_001 && rate <= 1e8 => Ok(rate),
        _ => Err("must be a number above 0, at most 100000000".to_owned()),
    }
}

impl BenchArguments {
    /// Runs the load.
    pub(crate) fn run(self) -> ExitCode {
        let json = self.json;
        match run(self.resolve()) {
            Ok(report) => report_end(&report, json),
            Err(code) => code,
        }
    }

    /// Options as typed become options of a run.
    fn resolve(self) -> BenchOptions {
        BenchOptions {
            url: self.url,
            protocol: self.protocol,
            deflate: self.deflate,
            tcp: self.tcp,
            load: match (self.rate, self.connect_rate, self.idle) {
                (Some(rate), ..) => Load::Open(rate),
                (_, Some(rate), _) => Load::Connect(rate),
                (_, _, Some(messages)) => Load::Idle(messages),
                _ if self.fan_out => Load::FanOut,
                _ => Load::Closed,
            },
            until: match self.count {
                Some(count) => Until::Count(count),
                None => Until::Time {
                    warm_up: self.warm_up,
                    measured: self.seconds,
                },
            },
            connections: self.connections,
            pipeline: self.pipeline,
            size: self.size,
            payload: match (self.binary, self.utf8) {
                (true, _) => Payload::Binary,
                (_, true) => Payload::Utf8,
                _ => Payload::Text,
            },
            fragments: self.fragments,
            verify: self.verify,
            threads: self.threads,
            timeout: self.timeout,
            pid: self.pid,
            sleeps: false,
        }
    }
}

/// Runs with signals watched; an error is the exit code for a run that has no report.
fn run(options: BenchOptions) -> Result<Report, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| no_runtime(&error))?;
    let progress = Progress::new(&options);
    let result = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| no_runtime(&error))?;
        let (stopper, stopped) = oneshot::channel::<()>();
        let stop = async {
            // The sender is dropped unused only when the run is over.
            let _ = stopped.await;
        };
        let twice_interrupted = async {
            signals.next().await;
            let _ = stopper.send(());
            signals.next().await;
        };
        tokio::select! {
            report = bench::run(options, stop, |phase| progress.tell(phase)) => {
                report.map_err(|error| usage(&error))
            }
            () = twice_interrupted => Err(ExitCode::from(exit::INTERRUPTED)),
        }
    });
    progress.end();
    runtime.shutdown_background();
    result
}

fn report_end(report: &Report, json: bool) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let lines = if json {
        vec![format!("{:#}", bench::report_json(report))]
    } else {
        bench::report_lines(report)
    };
    // A reader that has gone away changes nothing about the run.
    let written = lines.iter().try_for_each(|line| writeln!(stdout, "{line}"));
    drop(written.and_then(|()| stdout.flush()));
    if let Some(trouble) = report.failure().filter(|_| json) {
        exit::tell(format_args!("ws-testkit bench: {trouble}"));
    }
    ExitCode::from(report.status().code())
}

/// A spinner on a terminal; nothing elsewhere, where nobody waits for it.
struct Progress {
    spinner: Option<ProgressBar>,
    connections: usize,
    unit: &'static str,
}

impl Progress {
    fn new(options: &BenchOptions) -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template("{msg} {elapsed}") {
                spinner.set_style(style);
            }
            spinner
        });
        Self {
            spinner,
            connections: options.connections,
            unit: if matches!(options.load, Load::Connect(_)) {
                "connects"
            } else {
                "messages answered"
            },
        }
    }

    fn tell(&self, phase: Phase) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(match phase {
                Phase::Opening(open) => format!("{open} of {} connections open", self.connections),
                Phase::Running(done) => format!("{done} {}", self.unit),
            });
            // Every call is a moment of progress; no thread draws in between, which would cost measured time.
            spinner.tick();
        }
    }

    fn end(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
