//! Running kosoku with our program in one role: as fuzzing client of our server, as fuzzing server of our client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{self, Running};
use crate::testkit::Server;

use super::cases::Cases;
use super::verdict::Report;

/// The cases without compression take well under a minute on two cores, all 517 up to a quarter of an hour.
const RUN_LIMIT: Duration = Duration::from_secs(3600);
/// Loading the case files.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Writing the report, after the client has asked for it.
const REPORT_LIMIT: Duration = Duration::from_secs(60);
/// Cases at a time. More would make the cases that wait for a fixed time flaky on two cores.
const AT_A_TIME: &str = "4";
/// Every message is compressed: kosoku counts one that is legally sent plain as an error.
const SERVER_DEFLATE: &str = "--deflate=threshold=0";
/// The same, windows of any size, and no context where the server wants none: kosoku asks for 9 and for 15 bits, and a
/// case that asks for no context takeover is left out (UNIMPLEMENTED) unless the client has offered it.
const CLIENT_DEFLATE: &str =
    "--deflate=threshold=0;server_max_window_bits=15;client_max_window_bits;client_no_context_takeover";
/// The name under which the client reports.
const AGENT: &str = "ws-testkit";

/// One run: a role and the groups of cases.
#[derive(Debug)]
pub(crate) struct Run {
    role: Role,
    cases: Vec<Cases>,
}

#[derive(Debug)]
enum Role {
    /// Our server, with this protocol for those who offer none.
    Server(&'static str),
    /// Our client.
    Client,
}

/// The test program and where its reports go.
#[derive(Debug)]
pub(crate) struct Kosoku {
    /// The path of the `kosoku` script.
    pub(crate) program: PathBuf,
    /// The directory for reports and logs.
    pub(crate) output: PathBuf,
}

impl Run {
    /// Our server under test, with this default protocol.
    pub(crate) fn server(protocol: &'static str, cases: Vec<Cases>) -> Self {
        Self {
            role: Role::Server(protocol),
            cases,
        }
    }

    /// Our client under test.
    pub(crate) fn client(cases: Vec<Cases>) -> Self {
        Self {
            role: Role::Client,
            cases,
        }
    }

    /// The heading of its column.
    pub(crate) fn title(&self) -> String {
        match self.role {
            Role::Server(protocol) => format!("server ({})", short(protocol)),
            Role::Client => "client".to_owned(),
        }
    }

    /// The cases it runs.
    pub(crate) fn cases(&self) -> &[Cases] {
        &self.cases
    }
}

/// The name of a protocol without its registry's prefix.
fn short(protocol: &str) -> &str {
    protocol.strip_prefix("org.ietf.websocket.").unwrap_or(protocol)
}

impl Kosoku {
    /// Runs all cases of a run against `program` and reads the report.
    pub(crate) fn report_of(&self, run: &Run, program: &Path) -> Result<Report, String> {
        let (name, reports) = match run.role {
            Role::Server(protocol) => (
                format!("server-{}", short(protocol)),
                self.of_server(run, protocol, program)?,
            ),
            Role::Client => ("client".to_owned(), self.of_client(run, program)?),
        };
        let index = reports.join("index.json");
        let text = fs::read_to_string(&index)
            .map_err(|error| format!("{name}: no report: {}: {error}", index.display()))?;
        Report::read(&text)
    }

    /// kosoku as client. Its exit code says only whether a case failed, which the report says better.
    fn of_server(&self, run: &Run, protocol: &str, program: &Path) -> Result<PathBuf, String> {
        let name = format!("server-{}", short(protocol));
        let reports = self.output.join(&name);
        let arguments = ["--default-protocol", protocol, SERVER_DEFLATE];
        let server = Server::start(program, &arguments, &self.output, &name)?;
        let mut kosoku = self.command("fuzzingclient", run, &reports);
        kosoku.args(["--parallelism", AT_A_TIME, server.url()]);
        let log = self.output.join(format!("kosoku-{name}.log"));
        process::run_into("kosoku", &mut kosoku, &log, RUN_LIMIT)?;
        server.stop()?;
        Ok(reports)
    }

    /// kosoku as server; the client ends the run by asking for the report.
    fn of_client(&self, run: &Run, program: &Path) -> Result<PathBuf, String> {
        let reports = self.output.join("client");
        let (log, _) = process::log_pair(&self.output.join("kosoku-client.log"))?;
        let mut command = self.command("fuzzingserver", run, &reports);
        command
            .arg("127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut kosoku = Running::start("kosoku", &mut command)?;
        let line = kosoku.first_line(log, START_LIMIT)?;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("ws://"))
            .ok_or_else(|| format!("unexpected first line of kosoku: {line}"))?;
        let log = self.output.join("client.log");
        let mut client = Command::new(program);
        client.args(["autobahn", url, "--agent", AGENT, CLIENT_DEFLATE]);
        let status = process::run_into("ws-testkit autobahn", &mut client, &log, RUN_LIMIT)?;
        if !status.success() {
            println!("    ws-testkit autobahn: {status} (see {})", log.display());
        }
        kosoku.wait(REPORT_LIMIT)?;
        Ok(reports)
    }

    fn command(&self, mode: &str, run: &Run, reports: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--mode", mode, "--outdir"]).arg(reports);
        for pattern in run.cases.iter().flat_map(|cases| &cases.patterns) {
            command.args(["--include", pattern]);
        }
        command
    }
}
