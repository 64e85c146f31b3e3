//! `ws-testkit soak`: shapes as typed, the run they describe, lines per shape or one JSON object.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{no_runtime, seconds, usage};
use super::exit;
use super::signals::Signals;
use crate::soak::{self, SoakCores, SoakError, SoakOptions, SoakReport, SoakRun, SoakShape};

const AFTER_HELP: &str = "\
Shapes:
  L1   19,000 idle connections, and what each of them costs
  L3   a storm of 10,000 connects a second for 30 s
  L6   broadcast to 2,000 subscribers, of whom one in five does not read
  L8   SIGTERM under numbered traffic of 5,000 clients, ten times
  L9   2,000 peers that have gone silent, beside 200 that answer
  L10  100 hostile peers beside 900 good ones
  S1   connections that come, talk and end in every way, for 10 minutes

Each shape has a `ws-testkit server` of its own, a child process that tells what
it holds (--gauges). A shape passes when every number keeps its bound: above
all, memory, descriptors, tasks and what the server counts neither grow under
steady load nor stay when the load is gone. docs/PERFORMANCE.md says what the
bounds are and why. Full shapes take minutes; --quick ones seconds.

Exit codes:
    0  every shape passed
    1  some shape did not
    2  usage; too few descriptors
    3  no sockets or signals
  130  interrupted, without a report";

/// Options of `ws-testkit soak` as typed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SoakArguments {
    /// The shapes to run, such as L1 [default: all]
    #[arg(value_name = "SHAPE")]
    shapes: Vec<SoakShape>,

    /// Cut-down versions of some seconds each
    #[arg(short, long)]
    quick: bool,

    /// Share of the connections and rates, above 0 and at most 1
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    scale: f64,

    /// How long to hold idle connections (L1) and to let others come and go (S1) [default: 600; quick: some]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    seconds: Option<Duration>,

    /// An option for the server, after those of the shape, as in --server=--ping-budget=off (repeatable)
    #[arg(long = "server", value_name = "OPTION", allow_hyphen_values = true)]
    server: Vec<String>,

    /// One JSON object on stdout instead of text (docs/SOAK-JSON.md)
    #[arg(long)]
    json: bool,
}

impl SoakArguments {
    /// Runs the shapes.
    pub(crate) fn run(self) -> ExitCode {
        let json = self.json;
        let options = match self.resolve() {
            Ok(options) => options,
            Err(error) => return usage(&format!("this program cannot be found: {error}")),
        };
        match run(options.clone(), json) {
            Ok(report) => {
                let line = if json {
                    format!("{:#}", soak::report_json(&options, &report))
                } else {
                    soak::end_line(&options, &report)
                };
                print_lines(&[line]);
                ExitCode::from(u8::from(report.passed() < report.shapes.len()))
            }
            Err(code) => code,
        }
    }

    fn resolve(self) -> std::io::Result<SoakOptions> {
        let mut options = SoakOptions::new(std::env::current_exe()?);
        if !self.shapes.is_empty() {
            options.shapes = self.shapes;
        }
        options.quick = self.quick;
        options.scale = self.scale;
        options.hold = self.seconds;
        options.server_arguments = self.server;
        // Before the runtime has threads: they inherit what this one may use.
        options.cores = SoakCores::divide();
        Ok(options)
    }
}

/// Runs with signals watched; an error is the exit code for a run that has no report.
fn run(options: SoakOptions, json: bool) -> Result<SoakReport, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| no_runtime(&error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| no_runtime(&error))?;
        let soak = SoakRun::new(options).map_err(|error| failure(&error))?;
        let begins = |shape: SoakShape| exit::tell(format_args!("{shape}: {} ...", shape.what()));
        tokio::select! {
            _ = signals.next() => Err(ExitCode::from(exit::INTERRUPTED)),
            report = soak.run(begins, |shape| if !json { print_lines(&soak::shape_lines(shape)) }) => Ok(report),
        }
    });
    runtime.shutdown_background();
    result
}

fn failure(error: &SoakError) -> ExitCode {
    usage(&error.to_string())
}

fn print_lines(lines: &[String]) {
    let mut stdout = std::io::stdout().lock();
    // Nobody reads on: nothing is left to tell.
    let _ = lines.iter().try_for_each(|line| writeln!(stdout, "{line}"));
}
