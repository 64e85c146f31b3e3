//! `ws-testkit autobahn`: options as typed, the run they describe, progress on stderr.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ws_proto::DeflateConfig;

use super::client::{no_runtime, seconds, usage};
use super::signals::Signals;
use crate::client::{AutobahnOptions, AutobahnRun, AutobahnSummary};
use crate::deflate_options::parse_deflate;

const AFTER_HELP: &str = "\
The server judges the cases and writes the report.

Exit codes:
    0  every case was run, and the server told to write its report
    1  a case fell silent
    2  usage
    3  no TCP connection
    4  no valid 101
    5  the server closed instead of telling its number of cases
    6  TCP up, handshake not done in time
  130  interrupted";

/// Options of `ws-testkit autobahn` as typed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct AutobahnArguments {
    /// The fuzzing server, ws://HOST:PORT
    #[arg(value_name = "URL")]
    url: String,

    /// Name of this client in the server's report
    #[arg(long, value_name = "NAME")]
    agent: String,

    /// Offer permessage-deflate; the parameters are those of `ws-testkit client`. Cases that judge compression want
    /// --deflate='threshold=0'
    #[arg(long, value_name = "PARAMS", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = parse_deflate)]
    deflate: Option<DeflateConfig>,

    /// The longest silence within a case
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
}

impl AutobahnArguments {
    /// Runs every case of the server.
    pub(crate) fn run(self) -> ExitCode {
        let mut options = AutobahnOptions::new(self.url, self.agent);
        options.timeout = self.timeout;
        options.deflate = self.deflate;
        match run(options) {
            Ok(summary) => report_end(&summary),
            Err(code) => code,
        }
    }
}

/// Runs with signals watched; an error is the exit code for a run that has no summary.
fn run(options: AutobahnOptions) -> Result<AutobahnSummary, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| no_runtime(&error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| no_runtime(&error))?;
        let progress = Progress::new();
        let stop = async { signals.next().await };
        AutobahnRun::new(options)
            .run_until(stop, |case, cases| progress.case(case, cases))
            .await
            .map_err(|error| usage(&error.to_string()))
    });
    runtime.shutdown_background();
    result
}

fn report_end(summary: &AutobahnSummary) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{} of {} cases run", summary.completed, summary.cases);
    if !summary.given_up.is_empty() {
        let _ = writeln!(stdout, "fell silent: {:?}", summary.given_up);
    }
    if let Some(failure) = &summary.failure {
        let _ = writeln!(std::io::stderr(), "ws-testkit autobahn: {failure}");
    }
    ExitCode::from(summary.status().code())
}

/// A bar on a terminal; elsewhere a line now and then.
enum Progress {
    Bar(ProgressBar),
    Lines,
}

impl Progress {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("case {pos}/{len} {wide_bar} {elapsed}") {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn case(&self, case: u32, cases: u32) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(u64::from(cases));
                bar.set_position(u64::from(case));
            }
            Self::Lines if case % 50 == 0 || case == 1 || case == cases => {
                let _ = writeln!(std::io::stderr(), "case {case} of {cases}");
            }
            Self::Lines => {}
        }
    }
}
