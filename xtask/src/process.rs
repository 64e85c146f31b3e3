//! Child processes with a deadline: run to the end, or kept running and stopped by their own id.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often a running child is looked at. Short beside every limit used, long beside the cost of a look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A child process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: String,
}

/// Runs a command to its end with the output of this process; an error where it failed or took too long.
pub(crate) fn run(name: &str, command: &mut Command, limit: Duration) -> Result<(), String> {
    let status = Running::start(name, command)?.wait(limit)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {status}"))
    }
}

/// Runs a command to its end with all output in a file; answers its status.
pub(crate) fn run_into(
    name: &str,
    command: &mut Command,
    log: &Path,
    limit: Duration,
) -> Result<ExitStatus, String> {
    let (out, err) = log_pair(log)?;
    Running::start(name, command.stdin(Stdio::null()).stdout(out).stderr(err))?.wait(limit)
}

/// What a command prints on stdout, or nothing where it cannot be run or fails.
pub(crate) fn answer_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A new log file, twice: for stdout and for stderr.
pub(crate) fn log_pair(log: &Path) -> Result<(File, File), String> {
    let failed = |error| format!("{}: {error}", log.display());
    let out = File::create(log).map_err(failed)?;
    let err = out.try_clone().map_err(failed)?;
    Ok((out, err))
}

impl Running {
    /// Starts a command.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self, String> {
        let child = command
            .spawn()
            .map_err(|error| format!("{name} does not start: {error}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line on the piped stdout (or stderr); everything read there also goes to `log`.
    pub(crate) fn first_line(&mut self, log: File, limit: Duration) -> Result<String, String> {
        let stream: Box<dyn Read + Send> = match (self.child.stdout.take(), self.child.stderr.take()) {
            (Some(out), _) => Box::new(out),
            (None, Some(err)) => Box::new(err),
            (None, None) => return Err(format!("{}: no output is piped", self.name)),
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || copy_lines(stream, log, &sender));
        receiver
            .recv_timeout(limit)
            .map_err(|_| format!("{} printed no first line", self.name))
    }

    /// Waits for the end, at most for `limit`; kills the child when that is over.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill();
                return Err(format!("{} was not done after {} s", self.name, limit.as_secs()));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The status, where the child has ended already.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>, String> {
        self.child
            .try_wait()
            .map_err(|error| format!("{}: {error}", self.name))
    }

    /// Asks the child to end (SIGTERM where that exists) and waits for it.
    pub(crate) fn terminate(mut self, limit: Duration) -> Result<ExitStatus, String> {
        if let Some(status) = self.status()? {
            return Err(format!("{} had ended by itself: {status}", self.name));
        }
        if cfg!(unix) {
            let pid = self.child.id().to_string();
            run("kill", Command::new("kill").args(["-TERM", &pid]), limit)?;
        } else {
            self.kill();
        }
        self.wait(limit)
    }

    fn kill(&mut self) {
        // Both fail only where the child has ended already, which is what they are called for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies lines to the log until the stream ends and hands out each to whoever still listens.
fn copy_lines(stream: Box<dyn Read + Send>, mut log: File, sender: &mpsc::Sender<String>) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        // Neither a full disk nor a reader that has heard enough may stop the child's output.
        let _ = writeln!(log, "{line}");
        let _ = sender.send(line);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::{Running, answer_of, run};

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_failing_command_is_an_error() {
        assert_eq!(run("true", &mut Command::new("true"), LONG), Ok(()));
        assert!(run("false", &mut Command::new("false"), LONG).is_err());
        assert!(run("nothing", &mut Command::new("/no/such/program"), LONG).is_err());
    }

    #[test]
    fn a_command_that_takes_too_long_is_killed_and_an_error() {
        let refused = run("sleep", Command::new("sleep").arg("600"), Duration::ZERO);
        assert_eq!(refused, Err("sleep was not done after 0 s".to_owned()));
    }

    #[test]
    fn the_first_line_is_read_and_the_child_stops_on_request() {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done",
        ]);
        let mut running = Running::start("sh", shell.stdout(Stdio::piped())).expect("sh starts");
        let log = std::fs::File::create("/dev/null").expect("the null device opens");
        assert_eq!(running.first_line(log, LONG), Ok("ready".to_owned()));
        assert!(running.terminate(LONG).is_ok_and(|status| status.success()));
    }

    #[test]
    fn a_missing_program_has_no_answer() {
        assert_eq!(answer_of(Command::new("echo").arg("yes")), Some("yes".to_owned()));
        assert_eq!(answer_of(&mut Command::new("/no/such/program")), None);
    }
}
