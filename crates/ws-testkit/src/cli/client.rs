//! `ws-testkit client`: options as typed, the run they describe, ping-like output or one JSON object.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;
use http::{HeaderName, HeaderValue};
use tokio::sync::oneshot;
use ws_proto::DeflateConfig;

use super::exit;
use super::signals::Signals;
use crate::client::{ClientOptions, ClientRun};
use crate::deflate_options::parse_deflate;
use crate::report;
use crate::stats::{Answer, ExitStatus, Failure, FrameSeen, Observer, Started, Summary};

/// Failures that are worth a line each; of more there is only the number.
const FAILURES_SHOWN: usize = 10;

/// Frames are not cut above this many bytes unless `--fragment` says so.
const DEFAULT_FRAGMENT: usize = 4000;

const AFTER_HELP: &str = "\
Without --protocol it sends PINGs and times the PONGs. With --protocol it sends
messages and verifies what comes back, byte for byte and frame for frame:
  org.ietf.websocket.test-echo            the frames as they were sent
    (echo, lws-mirror-protocol)
  org.ietf.websocket.test-echo-assemble   each message as one frame
    (echo-assemble)
  org.ietf.websocket.test-echo-fragment   each message as two frames
    (echo-fragment)
  org.ietf.websocket.test-echo-broadcast  the messages of all clients
    (echo-broadcast, echo-broadcast-ping)
  any other                               each message, in whatever frames

Exit codes:
    0  all answered and right
    1  an answer wrong, or missing at the timeout
    2  usage
    3  no TCP connection
    4  no valid 101, or none of the offered protocols accepted
    5  closed before all answers were in
    6  TCP up, handshake not done in time
    7  reserved for TLS
  130  interrupted, after the summary
Of several clients: the first of 130, 3, 4, 6, 5, 1.";

/// Options of `ws-testkit client` as typed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ClientArguments {
    /// ws://HOST[:PORT]/[PATH], instead of --host and --port
    #[arg(value_name = "URL", conflicts_with_all = ["host", "port"])]
    url: Option<String>,

    /// Host to connect to
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: String,

    /// Port to connect to
    #[arg(short, long, value_name = "PORT", default_value_t = 8080)]
    port: u16,

    /// Subprotocol to offer (repeatable, in order of preference); none: send PINGs
    #[arg(short = 'P', long = "protocol", value_name = "NAME")]
    protocols: Vec<String>,

    /// Send binary instead of text messages
    #[arg(short, long)]
    binary: bool,

    /// Show handshake and frames on stderr
    #[arg(short, long)]
    verbose: bool,

    /// No line per message
    #[arg(short, long)]
    quiet: bool,

    /// Messages per client
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    count: u64,

    /// Payload bytes per message; a PING carries at most 125
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    size: usize,

    /// Cut messages in frames of this many payload bytes; 0: do not cut [default: 4000]
    #[arg(short, long, value_name = "BYTES")]
    fragment: Option<usize>,

    /// Connections at the same time
    #[arg(short = 'C', long, value_name = "N", default_value_t = 1)]
    clients: usize,

    /// Pause between messages, in milliseconds
    #[arg(short, long, value_name = "MS", default_value_t = 1000)]
    delay: u64,

    /// The longest wait without progress
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    timeout: Duration,

    /// Further header of the upgrade request (repeatable)
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Offer permessage-deflate, as in --deflate='server_max_window_bits=12;client_no_context_takeover;threshold=0;level=1'
    /// (threshold: bytes below which messages are sent plain) [default: 12 bits both ways, threshold 1024, level 1]
    #[arg(long, value_name = "PARAMS", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = parse_deflate)]
    deflate: Option<DeflateConfig>,

    /// One JSON object on stdout instead of text (docs/CLIENT-JSON.md)
    #[arg(long)]
    json: bool,
}

/// What a person may say about time: whole or fractional seconds above 0.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() && duration < Duration::from_secs(1 << 31) => Ok(duration),
        _ => Err("must be more than 0 seconds, and less than 68 years".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be written as \"Name: value\"")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("{:?} is no header name", name.trim()))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| "the value holds a character that it must not".to_owned())?;
    Ok((name, value))
}

impl ClientArguments {
    /// Runs the client.
    pub(crate) fn run(self) -> ExitCode {
        let (json, output) = (self.json, self.output());
        let options = self.resolve().map_err(|error| usage(&error));
        match options.and_then(|options| run(options, output)) {
            Ok(summary) => report_end(&summary, json),
            Err(code) => code,
        }
    }

    fn output(&self) -> Output {
        Output {
            answers: !self.quiet && !self.json,
            start: !self.json,
            verbose: self.verbose,
            host: String::new(),
            clients: self.clients,
            timeout: self.timeout,
            failures: AtomicUsize::new(0),
        }
    }

    /// Options as typed become options of a run.
    fn resolve(self) -> Result<ClientOptions, String> {
        let is_ping = self.protocols.is_empty();
        if is_ping && self.binary {
            return Err("--binary needs --protocol: a PING is neither text nor binary".into());
        }
        if is_ping && self.fragment.is_some() {
            return Err("--fragment needs --protocol: a PING cannot be cut (RFC 6455 §5.4)".into());
        }
        let mut options = ClientOptions::new(match self.url {
            Some(url) => url,
            None => format!("ws://{}:{}/", bracketed(&self.host), self.port),
        });
        options.protocols = self.protocols;
        options.headers = self.headers;
        options.binary = self.binary;
        options.count = self.count;
        options.size = self.size;
        options.fragment = self.fragment.unwrap_or(DEFAULT_FRAGMENT);
        options.clients = self.clients;
        options.delay = Duration::from_millis(self.delay);
        options.timeout = self.timeout;
        options.deflate = self.deflate;
        options.check().map_err(|error| error.to_string())?;
        Ok(options)
    }
}

/// An IPv6 address needs brackets in a URL (RFC 3986 §3.2.2).
fn bracketed(host: &str) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

pub(super) fn usage(error: &str) -> ExitCode {
    let _ = writeln!(
        std::io::stderr(),
        "error: {error}\n\nFor more information, try '--help'."
    );
    ExitCode::from(exit::USAGE)
}

/// Runs with signals watched; an error is the exit code for a run that has no summary.
fn run(options: ClientOptions, mut output: Output) -> Result<Summary, ExitCode> {
    output.host = host_of(&options.url);
    let mut runtime = match options.clients {
        // One client has nothing to share, and fewer threads make steadier times.
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(|error| no_runtime(&error))?;
    let client = ClientRun::new(options).observe(Arc::new(output));
    let result = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| no_runtime(&error))?;
        let (stopper, stopped) = oneshot::channel();
        let run = client.run_until(async {
            // The sender is dropped unused only when the run is over.
            let _ = stopped.await;
        });
        let twice_interrupted = async {
            signals.next().await;
            let _ = stopper.send(());
            signals.next().await;
        };
        tokio::select! {
            summary = run => summary.map_err(|error| usage(&error.to_string())),
            () = twice_interrupted => Err(ExitCode::from(exit::INTERRUPTED)),
        }
    });
    // A name that is still being looked up must not hold the program.
    runtime.shutdown_background();
    result
}

pub(super) fn no_runtime(error: &std::io::Error) -> ExitCode {
    complain(&format!("the system gives no sockets or signals: {error}"));
    ExitCode::from(exit::NO_SOCKET)
}

/// The host for the lines of output.
fn host_of(url: &str) -> String {
    match url.parse::<ws_handler::WebSocketUrl>() {
        Ok(url) => url.host().to_owned(),
        Err(_) => url.to_owned(),
    }
}

fn report_end(summary: &Summary, json: bool) -> ExitCode {
    if json {
        print(&format!("{:#}", report::summary_json(summary)));
    } else {
        // What never began has no statistics.
        if summary.opened > 0 || summary.interrupted {
            print("");
            report::summary_lines(summary, &host_of(&summary.url))
                .iter()
                .for_each(|line| print(line));
        }
    }
    if summary.failures.len() > FAILURES_SHOWN {
        complain(&format!(
            "... and {} more clients failed",
            summary.failures.len() - FAILURES_SHOWN
        ));
    }
    ExitCode::from(summary.status().code())
}

/// A line on stdout. A reader that has gone away changes nothing about the run.
fn print(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "ws-testkit client: {line}");
}

/// Prints what happens as it happens.
struct Output {
    /// A line per message.
    answers: bool,
    /// The line at the start.
    start: bool,
    verbose: bool,
    host: String,
    clients: usize,
    timeout: Duration,
    /// How many clients have failed so far.
    failures: AtomicUsize,
}

impl Observer for Output {
    fn handshake(&self, client: usize, response: &http::Response<()>) {
        if self.verbose {
            report::handshake_lines(client, response)
                .iter()
                .for_each(|line| complain(line));
        }
    }

    fn started(&self, started: &Started) {
        if self.start {
            print(&report::start_line(started));
        }
    }

    fn frame(&self, frame: &FrameSeen) {
        if self.verbose {
            complain(&report::frame_line(frame));
        }
    }

    fn answer(&self, answer: &Answer) {
        if self.answers {
            print(&report::answer_line(answer, &self.host, self.clients));
        }
    }

    fn gave_up(&self, client: usize, number: u64) {
        if self.answers {
            print(&report::gave_up_line(client, number, self.clients, self.timeout));
        }
    }

    fn failed(&self, failure: &Failure) {
        if failure.ending.status() == ExitStatus::Interrupted {
            return;
        }
        // The first few; the end of the run says how many more there were.
        if self.failures.fetch_add(1, Ordering::Relaxed) < FAILURES_SHOWN {
            let whose = if self.clients > 1 {
                format!("client {}: ", failure.client)
            } else {
                String::new()
            };
            complain(&format!("{whose}{}", failure.ending));
        }
    }
}
