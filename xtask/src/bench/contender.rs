//! Who takes part: our server as it is shipped, the rivals of crates/ws-bench, any other command.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::choice::Choice;
use super::shapes::Shape;
use crate::process::{self, Running};
use crate::testkit;
use crate::workspace::Workspace;

/// A cold build of all rivals with fat LTO on two slow cores, several times over.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// Binding a port takes milliseconds; this is for a busy machine and for slow virtual machines.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The name of our server in tables.
pub(super) const OURS: &str = "ours";

/// The name of the bare TCP echo.
pub(super) const FLOOR: &str = "floor";

/// Where `--server` commands want their port.
const PORT: &str = "{port}";

/// What has been built.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) testkit: PathBuf,
    pub(super) rivals: PathBuf,
}

/// One server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) name: String,
    /// Program and arguments.
    command: Vec<String>,
}

/// A server that runs, pinned to core 0.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) url: String,
    pub(super) running: Running,
}

/// Builds both programs in release mode.
pub(super) fn build(workspace: &Workspace) -> Result<Programs, String> {
    let testkit = testkit::build(workspace)?;
    println!("    cargo build --release --manifest-path=crates/ws-bench/Cargo.toml");
    let target = workspace.target().join("ws-bench");
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--manifest-path=crates/ws-bench/Cargo.toml",
    ]);
    process::run("cargo build", cargo.arg("--target-dir").arg(&target), BUILD_LIMIT)?;
    let rivals = target.join("release").join("ws-bench");
    Ok(Programs { testkit, rivals })
}

/// Ours first, then whoever was chosen. The floor is always there.
pub(super) fn all(programs: &Programs, choice: &Choice) -> Result<Vec<Contender>, String> {
    let known = process::answer_of(Command::new(&programs.rivals).arg("list"));
    let known = known.ok_or("ws-bench does not tell its names")?;
    let known: Vec<_> = known.lines().collect();
    if let Some(unknown) = choice.against.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "there is no rival `{unknown}`; known are {}",
            known.join(" ")
        ));
    }
    let chosen = |name: &&str| {
        *name == FLOOR || choice.against.is_empty() || choice.against.iter().any(|one| one == name)
    };
    let path = |program: &Path| program.display().to_string();
    let ours = [
        "server",
        "--port",
        "0",
        "--default-protocol",
        "org.ietf.websocket.test-echo-assemble",
    ];
    let mut all = vec![Contender::new(OURS, &path(&programs.testkit), &ours)];
    let rivals = known.into_iter().filter(chosen);
    all.extend(rivals.map(|name| Contender::new(name, &path(&programs.rivals), &["serve", name])));
    let others = choice.servers.iter();
    all.extend(others.map(|(name, command)| Contender::new(name, "sh", &["-c", &format!("exec {command}")])));
    Ok(all)
}

impl Contender {
    fn new(name: &str, program: &str, arguments: &[&str]) -> Self {
        let command = [&[program], arguments].concat();
        Self {
            name: name.to_owned(),
            command: command.into_iter().map(str::to_owned).collect(),
        }
    }

    /// A bare echo has no handshake and no memory worth telling.
    pub(super) fn takes_part(&self, shape: &Shape) -> bool {
        self.name != FLOOR || shape.has_floor
    }

    /// Starts the server on core 0 and waits until it can be reached. A command with `{port}` in it gets a free port;
    /// any other prints its `ws://` address in its first line.
    pub(super) fn start(&self, output: &Path) -> Result<Started, String> {
        let log = output.join(format!("{}.log", self.name));
        let (out, err) = process::log_pair(&log)?;
        let port = self
            .command
            .iter()
            .any(|part| part.contains(PORT))
            .then(free_port)
            .transpose()?;
        let parts = self.command.iter().map(|part| match port {
            Some(port) => part.replace(PORT, &port.to_string()),
            None => part.clone(),
        });
        let mut command = Command::new("taskset");
        command
            .args(["-c", "0"])
            .args(parts)
            .stdin(Stdio::null())
            .stderr(err);
        let (url, running) = match port {
            Some(port) => self.start_on(port, command.stdout(out))?,
            None => self.start_and_ask(command.stdout(Stdio::piped()), out)?,
        };
        Ok(Started { url, running })
    }

    fn start_and_ask(&self, command: &mut Command, log: File) -> Result<(String, Running), String> {
        let mut running = Running::start(&self.name, command)?;
        let line = running.first_line(log, START_LIMIT)?;
        let url = address_in(&line).ok_or_else(|| format!("{} tells no address: {line}", self.name))?;
        Ok((url, running))
    }

    fn start_on(&self, port: u16, command: &mut Command) -> Result<(String, Running), String> {
        let mut running = Running::start(&self.name, command)?;
        let deadline = std::time::Instant::now() + START_LIMIT;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if running.status()?.is_some() || std::time::Instant::now() > deadline {
                return Err(format!("{} does not listen on 127.0.0.1:{port}", self.name));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((format!("ws://127.0.0.1:{port}/"), running))
    }
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

/// The first WebSocket address in a line.
fn address_in(line: &str) -> Option<String> {
    let (_, after) = line.split_once("ws://")?;
    let address = after.split(|c: char| c.is_whitespace() || c == ')').next()?;
    (!address.is_empty()).then(|| format!("ws://{address}"))
}

#[cfg(test)]
mod tests {
    use super::{Contender, FLOOR, address_in};
    use crate::bench::shapes::SHAPES;

    #[test]
    fn the_address_is_found_in_any_line() {
        let ours = "listening on ws://127.0.0.1:4711/ (page: http://127.0.0.1:4711/)";
        assert_eq!(address_in(ours).as_deref(), Some("ws://127.0.0.1:4711/"));
        assert_eq!(address_in("(ws://[::1]:1)").as_deref(), Some("ws://[::1]:1"));
        assert_eq!(address_in("ready"), None);
    }

    #[test]
    fn the_floor_takes_part_where_messages_are_echoed() {
        let floor = Contender::new(FLOOR, "x", &[]);
        let without: Vec<_> = SHAPES
            .iter()
            .filter(|shape| !floor.takes_part(shape))
            .map(|shape| shape.name)
            .collect();
        assert_eq!(without, ["i", "j"]);
        assert!(
            SHAPES
                .iter()
                .all(|shape| Contender::new("wtx", "x", &[]).takes_part(shape))
        );
    }
}
