//! Who takes part: our server as it is shipped, the rivals of crates/ws-bench, any other command.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::choice::Choice;
use super::shapes::{ONE_CORE, Program, Shape};
use crate::process::{self, Running};
use crate::testkit;
use crate::workspace::Workspace;

/// A cold build of all rivals with fat LTO on two slow cores, several times over.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// Binding a port takes milliseconds; this is for a busy machine and for slow virtual machines.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The name of the bare TCP echo.
pub(super) const FLOOR: &str = "floor";

/// Where `--server` commands want their port.
const PORT: &str = "{port}";

/// What has been built.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) testkit: PathBuf,
    /// The example of ws-handler: owned messages instead of callbacks.
    socket: PathBuf,
    pub(super) rivals: PathBuf,
}

/// Runs its arguments on these cores with as many files as the process may open: 10,000 connections are more than
/// many a shell allows.
const PINNED: &str = "ulimit -n \"$(ulimit -Hn)\" && exec taskset -c \"$@\"";

/// One server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) name: String,
    /// Program and arguments.
    command: Vec<String>,
    cores: &'static str,
}

/// A server that runs, pinned to its cores.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) url: String,
    pub(super) running: Running,
}

/// Builds both programs in release mode.
pub(super) fn build(workspace: &Workspace) -> Result<Programs, String> {
    let testkit = testkit::build(workspace)?;
    println!("    cargo build --release --package=ws-handler --example=echo");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package=ws-handler", "--example=echo"]);
    process::run("cargo build", &mut cargo, BUILD_LIMIT)?;
    let socket = workspace.target().join("release/examples/echo");
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
    Ok(Programs {
        testkit,
        socket,
        rivals,
    })
}

/// Refuses rivals that do not exist in any shape.
pub(super) fn check(programs: &Programs, choice: &Choice, shapes: &[Shape]) -> Result<(), String> {
    let mut known = Vec::new();
    for mode in shapes.iter().filter_map(|shape| shape.rivals) {
        known.extend(names(programs, mode)?);
    }
    known.sort();
    known.dedup();
    match choice.against.iter().find(|name| !known.contains(name)) {
        Some(unknown) => Err(format!(
            "there is no rival `{unknown}`; known are {}",
            known.join(" ")
        )),
        None => Ok(()),
    }
}

/// Ours first, then whoever was chosen and takes part in this shape.
pub(super) fn of(shape: &Shape, programs: &Programs, choice: &Choice) -> Result<Vec<Contender>, String> {
    let mut all: Vec<_> = shape
        .ours
        .iter()
        .map(|variant| {
            let (program, beginning) = match variant.program {
                Program::Testkit => (&programs.testkit, &["server", "--port", "0"][..]),
                Program::Socket => (&programs.socket, &[][..]),
            };
            let arguments = [beginning, variant.arguments].concat();
            Contender {
                cores: variant.cores,
                ..Contender::new(variant.name, program, &arguments)
            }
        })
        .collect();
    if let Some(mode) = shape.rivals {
        let rivals = names(programs, mode)?;
        let rivals = rivals.iter().filter(|name| takes_part(name, shape, choice));
        all.extend(rivals.map(|name| Contender::new(name, &programs.rivals, &["serve", name, mode])));
    }
    let others = choice.servers.iter().filter(|extra| match &extra.shape {
        Some(only) => only == shape.name,
        None => shape.rivals == Some("plain"),
    });
    all.extend(others.map(|extra| {
        let line = format!("exec {}", extra.command);
        Contender::new(&extra.name, Path::new("sh"), &["-c", &line])
    }));
    Ok(all)
}

fn names(programs: &Programs, mode: &str) -> Result<Vec<String>, String> {
    let known = process::answer_of(Command::new(&programs.rivals).args(["list", mode]));
    let known = known.ok_or("ws-bench does not tell its names")?;
    Ok(known.lines().map(str::to_owned).collect())
}

/// The floor is there wherever messages are echoed as they are; it has no handshake and no memory worth telling.
fn takes_part(name: &str, shape: &Shape, choice: &Choice) -> bool {
    if name == FLOOR {
        return shape.has_floor;
    }
    choice.against.is_empty() || choice.against.iter().any(|one| one == name)
}

impl Contender {
    fn new(name: &str, program: &Path, arguments: &[&str]) -> Self {
        let program = program.display().to_string();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        Self {
            name: name.to_owned(),
            command: std::iter::once(program).chain(arguments).collect(),
            cores: ONE_CORE,
        }
    }

    /// Starts the server on its cores and waits until it can be reached. A command with `{port}` in it gets a free port;
    /// any other prints its `ws://` address in its first line.
    pub(super) fn start(&self, output: &Path) -> Result<Started, String> {
        let log = output.join(format!("{}.log", self.name.replace([' ', ','], "-")));
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
        let mut command = Command::new("sh");
        command
            .args(["-c", PINNED, "sh", self.cores])
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
    use super::{FLOOR, address_in, takes_part};
    use crate::bench::choice::Choice;
    use crate::bench::shapes::SHAPES;

    #[test]
    fn the_address_is_found_in_any_line() {
        let ours = "listening on ws://127.0.0.1:4711/ (page: http://127.0.0.1:4711/)";
        assert_eq!(address_in(ours).as_deref(), Some("ws://127.0.0.1:4711/"));
        assert_eq!(address_in("(ws://[::1]:1)").as_deref(), Some("ws://[::1]:1"));
        assert_eq!(address_in("ready"), None);
    }

    #[test]
    fn the_floor_takes_part_where_messages_are_echoed_and_rivals_where_they_are_chosen() {
        let choice = Choice::read(&["--against".to_owned(), "wtx".to_owned()]).expect("a rival");
        let with_floor = SHAPES.iter().filter(|shape| takes_part(FLOOR, shape, &choice));
        let names: Vec<_> = with_floor.map(|shape| shape.name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f", "g"]);
        for shape in &SHAPES {
            assert!(takes_part("wtx", shape, &choice) && !takes_part("yawc", shape, &choice));
        }
    }
}
