//! The program under test: builds the release binary of ws-testkit once, starts its server, stops it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{self, Running};
use crate::workspace::Workspace;

/// A cold build with LTO on two slow cores, several times over.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Binding a port takes milliseconds; this is for a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(20);
/// The server's own `--shutdown-timeout` is 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// A running `ws-testkit server` on a port of its own.
#[derive(Debug)]
pub(crate) struct Server {
    running: Running,
    url: String,
    log: PathBuf,
}

/// Builds `ws-testkit` in release mode, as `cargo run --release` does, and answers the path of the program.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    println!("    cargo build --release --package=ws-testkit");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package=ws-testkit"]);
    process::run("cargo build", &mut cargo, BUILD_LIMIT)?;
    let program = workspace
        .target()
        .join("release")
        .join(format!("ws-testkit{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} was not built", program.display()))
    }
}

impl Server {
    /// Starts the server on any free port; what it prints goes to `NAME.log` in `output`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[&str],
        output: &Path,
        name: &str,
    ) -> Result<Self, String> {
        let log = output.join(format!("{name}.log"));
        let (out, err) = process::log_pair(&log)?;
        let mut command = Command::new(program);
        command.args(["server", "--port", "0"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err);
        let mut running = Running::start("ws-testkit server", &mut command)?;
        let line = running
            .first_line(out, START_LIMIT)
            .map_err(|reason| format!("{reason} (see {})", log.display()))?;
        let url = address_in(&line).ok_or_else(|| format!("unexpected first line of the server: {line}"))?;
        Ok(Self { running, url, log })
    }

    /// The address to connect to, `ws://ADDR:PORT/`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server politely. Complains where it had ended by itself, does not end with 0, or panicked.
    pub(crate) fn stop(self) -> Result<(), String> {
        let status = self.running.terminate(STOP_LIMIT)?;
        if cfg!(unix) && !status.success() {
            return Err(format!("the server ended with {status} on SIGTERM"));
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        match log.lines().find(|line| line.contains("panicked at")) {
            Some(line) => Err(format!(
                "the server panicked: {line} (see {})",
                self.log.display()
            )),
            None => Ok(()),
        }
    }
}

/// The WebSocket address in `listening on ws://ADDR:PORT/ (page: http://ADDR:PORT/)`.
fn address_in(line: &str) -> Option<String> {
    let (url, page) = line.strip_prefix("listening on ")?.split_once(" (page: ")?;
    let authority = url.strip_prefix("ws://")?;
    (page.strip_suffix(')')?.strip_prefix("http://")? == authority).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_read_from_the_first_line() {
        let line = "listening on ws://127.0.0.1:4711/ (page: http://127.0.0.1:4711/)";
        assert_eq!(address_in(line).as_deref(), Some("ws://127.0.0.1:4711/"));
        let six = "listening on ws://[::1]:4711/ (page: http://[::1]:4711/)";
        assert_eq!(address_in(six).as_deref(), Some("ws://[::1]:4711/"));
    }

    #[test]
    fn any_other_first_line_is_refused() {
        assert_eq!(address_in("listening on 127.0.0.1:4711"), None);
        assert_eq!(
            address_in("listening on ws://127.0.0.1:1/ (page: http://127.0.0.1:2/)"),
            None
        );
    }
}
