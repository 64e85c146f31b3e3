//! `ws-testkit attack`: options as typed, the run they describe, a line per case or one JSON object.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::{no_runtime, seconds, usage};
use super::exit;
use super::signals::Signals;
use crate::attack::{AttackError, AttackOptions, AttackReport, AttackRun, CaseResult, Verdict};

/// The value of the JSON object's `schema` field.
const SCHEMA: &str = "ws-testkit.attack/1";

const AFTER_HELP: &str = "\
The server must echo messages, in whatever frames (ws-testkit server:
-P org.ietf.websocket.test-echo-assemble). What must come of each case is
taken from the RFCs and from published advisories (docs/SECURITY.md). After
each case a good client must be served.

Verdicts:
  pass  as it must be
  lax   refused or ended, but with another status or code, or with none
  FAIL  taken, not answered, or the server is no longer well
  skip  does not apply: group D needs a server that agrees to compression

Exit codes:
    0  every case passed or was skipped
    1  some case was lax or failed
    2  usage
    3  no TCP connection
    4  a good client cannot converse with this server
  130  interrupted, without a report";

/// Options of `ws-testkit attack` as typed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct AttackArguments {
    /// The echo server to attack, ws://HOST[:PORT]/[PATH]
    #[arg(value_name = "URL")]
    url: String,

    /// Subprotocol to offer in good handshakes
    #[arg(short = 'P', long = "protocol", value_name = "NAME")]
    protocol: Option<String>,

    /// The largest frame and message that the server takes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u64).range(1024..=1 << 30))]
    largest: u64,

    /// The most frames that the server takes in one message
    #[arg(long, value_name = "FRAMES", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(4..=1 << 24))]
    fragments: u32,

    /// The longest wait for what must come
    #[arg(long, value_name = "SECS", default_value = "5", value_parser = seconds)]
    timeout: Duration,

    /// Also run the cases that wait up to a minute for a timeout of the server
    #[arg(long)]
    slow: bool,

    /// Connections that send random bytes
    #[arg(long, value_name = "N", default_value_t = 100)]
    seeds: u64,

    /// Only the cases whose id begins so, such as H or F05 (repeatable)
    #[arg(long = "case", value_name = "ID")]
    only: Vec<String>,

    /// Only the cases that did not pass, and the numbers
    #[arg(short, long)]
    quiet: bool,

    /// One JSON object on stdout instead of text (docs/ATTACK-JSON.md)
    #[arg(long)]
    json: bool,
}

impl AttackArguments {
    /// Runs the attack.
    pub(crate) fn run(self) -> ExitCode {
        let (json, quiet) = (self.json, self.quiet);
        let url = self.url.clone();
        match run(self.options(), |case| {
            let shown = !quiet || case.verdict != Verdict::Passed;
            if shown && !json {
                print_case(case);
            }
        }) {
            Ok(report) => {
                print_end(&url, &report, json);
                ExitCode::from(u8::from(report.lax() + report.failed() > 0))
            }
            Err(code) => code,
        }
    }

    fn options(self) -> AttackOptions {
        let mut options = AttackOptions::new(self.url);
        options.protocol = self.protocol;
        // The ranges above fit anywhere.
        options.largest = usize::try_from(self.largest).unwrap_or(usize::MAX);
        options.fragments = usize::try_from(self.fragments).unwrap_or(usize::MAX);
        options.timeout = self.timeout;
        options.slow = self.slow;
        options.seeds = self.seeds;
        options.only = self.only;
        options
    }
}

/// Runs with signals watched; an error is the exit code for a run that has no report.
fn run(options: AttackOptions, seen: impl FnMut(&CaseResult)) -> Result<AttackReport, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| no_runtime(&error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| no_runtime(&error))?;
        let attack = AttackRun::new(options).map_err(|error| failure(&error))?;
        tokio::select! {
            _ = signals.next() => Err(ExitCode::from(exit::INTERRUPTED)),
            result = attack.run(seen) => result.map_err(|error| failure(&error)),
        }
    });
    runtime.shutdown_background();
    result
}

fn failure(error: &AttackError) -> ExitCode {
    let text = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        AttackError::Url(_) | AttackError::Unusable(_) => usage(&text),
        AttackError::NoConnection(_) => {
            exit::tell(format_args!("ws-testkit attack: {text}"));
            ExitCode::from(exit::NO_SOCKET)
        }
        AttackError::NoEcho(_) => {
            exit::tell(format_args!("ws-testkit attack: {text}"));
            ExitCode::from(4)
        }
    }
}

fn words(verdict: &Verdict) -> (&'static str, &str) {
    match verdict {
        Verdict::Passed => ("pass", ""),
        Verdict::Lax(found) => ("lax", found),
        Verdict::Failed(found) => ("FAIL", found),
        Verdict::Skipped(found) => ("skip", found),
    }
}

fn print_case(case: &CaseResult) {
    let (verdict, found) = words(&case.verdict);
    let mut stdout = std::io::stdout().lock();
    // Nobody reads on: nothing is left to tell.
    let _ = match found {
        "" => writeln!(stdout, "{} {verdict:4} {}", case.id, case.what),
        found => writeln!(stdout, "{} {verdict:4} {}: {found}", case.id, case.what),
    };
}

fn print_end(url: &str, report: &AttackReport, json: bool) {
    let mut stdout = std::io::stdout().lock();
    let _ = if json {
        writeln!(stdout, "{:#}", report_json(url, report))
    } else {
        let (passed, lax, failed) = (report.passed(), report.lax(), report.failed());
        let skipped = match report.skipped() {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        writeln!(
            stdout,
            "{} cases: {passed} pass, {lax} lax, {failed} FAIL{skipped}",
            report.cases.len()
        )
    };
}

fn report_json(url: &str, report: &AttackReport) -> Value {
    let case = |case: &CaseResult| {
        let (verdict, found) = words(&case.verdict);
        json!({
            "id": case.id,
            "what": case.what,
            "verdict": verdict.to_ascii_lowercase(),
            "found": Some(found).filter(|found| !found.is_empty()),
        })
    };
    json!({
        "schema": SCHEMA,
        "url": url,
        "passed": report.passed(),
        "lax": report.lax(),
        "failed": report.failed(),
        "skipped": report.skipped(),
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
    })
}
