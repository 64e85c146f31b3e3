//! The server under load: this program's own `server` command as a child process, and what it tells about itself.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::findings::{Findings, SoakBound};
use super::leak::{self, Sample};
use super::options::SoakOptions;
use crate::gauges::ServerGauges;

/// For a program to start and bind a port, or to tell its gauges once more, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// For a child to end after its own `--shutdown-timeout`, which is 30 s unless a shape gives less.
const ENDING: Duration = Duration::from_secs(40);

/// The end of the server's life.
#[derive(Debug)]
pub(super) struct Ended {
    /// The exit code; None where a signal killed it.
    pub(super) code: Option<i32>,
    /// From SIGTERM to the end.
    pub(super) took: Duration,
    /// Panics that it told about.
    panics: usize,
}

impl Ended {
    /// Whether there is nothing to complain about.
    pub(super) fn is_good(&self) -> bool {
        self.code == Some(0) && self.panics == 0
    }

    /// The server ends with 0, and nothing in it has panicked.
    pub(super) fn judge(&self, findings: &mut Findings) {
        let code = self.code.map_or(f64::NAN, f64::from);
        findings.check("exit code of the server", code, "", SoakBound::Exactly(0.0));
        findings.check(
            "panics in the server",
            self.panics as f64,
            "",
            SoakBound::Exactly(0.0),
        );
    }
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pid: u32,
    address: SocketAddr,
    started: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    /// How many samples there are.
    told: watch::Receiver<usize>,
    errors: JoinHandle<String>,
}

impl Server {
    /// Starts the server with these options, telling its gauges every so often.
    pub(super) async fn start(
        options: &SoakOptions,
        arguments: &[&str],
        every: Duration,
    ) -> Result<Self, String> {
        let failed = |error| format!("{} cannot be started: {error}", options.program.display());
        let mut command = Command::new(&options.program);
        command
            .args(["server", "--port", "0", "--gauges"])
            .arg(every.as_secs_f64().to_string())
            .args(arguments)
            .args(&options.server_arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child = match &options.cores {
            Some(cores) => cores.start_server(|| command.spawn()),
            None => command.spawn(),
        };
        let mut child = child.map_err(failed)?;
        let started = Instant::now();
        let (Some(pid), Some(stdout), Some(stderr)) = (child.id(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the server ended at once".into());
        };
        let errors = tokio::spawn(pass_on(stderr));
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let first = timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let address = match first {
            Ok(Ok(_)) => address_in(&line),
            _ => None,
        };
        let address = address.ok_or_else(|| format!("the server does not listen; it said {line:?}"))?;
        let samples = Arc::default();
        let (teller, told) = watch::channel(0);
        tokio::spawn(collect(stdout, started, Arc::clone(&samples), teller));
        Ok(Self {
            child,
            pid,
            address,
            started,
            samples,
            told,
            errors,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Seconds since it was started, the clock of its samples.
    pub(super) fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// What the server holds now: not what was on its way already.
    pub(super) async fn gauges(&mut self) -> Result<ServerGauges, String> {
        let known = *self.told.borrow_and_update();
        let fresh = timeout(PATIENCE, self.told.wait_for(|count| *count >= known + 2)).await;
        if !matches!(fresh, Ok(Ok(_))) {
            return Err("the server does not tell its gauges any more".into());
        }
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let last = samples.last().map(|sample| sample.gauges.clone());
        last.ok_or_else(|| "the server told no gauges".into())
    }

    /// Waits until the gauges are as wanted; gives the last ones also when they are not in time.
    pub(super) async fn gauges_when(
        &mut self,
        wanted: impl Fn(&ServerGauges) -> bool,
        within: Duration,
    ) -> Result<ServerGauges, String> {
        let begun = Instant::now();
        loop {
            let gauges = self.gauges().await?;
            if wanted(&gauges) || begun.elapsed() >= within {
                return Ok(gauges);
            }
        }
    }

    /// What the server holds once all that it counts is back at `before`, or after a long wait.
    pub(super) async fn gauges_back_at(&mut self, before: &ServerGauges) -> Result<ServerGauges, String> {
        self.gauges_when(|now| leak::is_gone(before, now), ENDING).await
    }

    /// The samples between two moments of [`now`](Self::now).
    pub(super) fn samples(&self, from: f64, until: f64) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let within = samples
            .iter()
            .filter(|sample| from <= sample.at && sample.at <= until);
        within.cloned().collect()
    }

    /// Sends SIGTERM, and waits for the end.
    pub(super) async fn stop(mut self) -> Result<Ended, String> {
        let begun = Instant::now();
        self.terminate()?;
        let status = timeout(ENDING, self.child.wait()).await;
        let took = begun.elapsed();
        let status = match status {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(format!("the server cannot be waited for: {error}")),
            Err(_) => return Err(format!("the server runs {ENDING:?} after SIGTERM")),
        };
        let errors = self.errors.await.unwrap_or_default();
        Ok(Ended {
            code: status.code(),
            took,
            panics: errors.matches("panicked at").count(),
        })
    }

    fn terminate(&self) -> Result<(), String> {
        use rustix::process::{Pid, Signal, kill_process};

        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or("the server has no process id")?;
        kill_process(pid, Signal::TERM).map_err(|error| format!("SIGTERM cannot be sent: {error}"))
    }
}

/// Takes every line of gauges down with its moment.
async fn collect(
    stdout: impl AsyncRead + Unpin,
    started: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    teller: watch::Sender<usize>,
) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(gauges) = ServerGauges::from_json(&line) else {
            continue;
        };
        let at = started.elapsed().as_secs_f64();
        let mut samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(Sample { at, gauges });
        teller.send_replace(samples.len());
    }
}

/// What the server complains about is shown at once, and kept.
async fn pass_on(stderr: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut all = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::warn!("server: {line}");
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// The address in `listening on ws://ADDR:PORT/ (page: …)`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (address, _) = line.strip_prefix("listening on ws://")?.split_once('/')?;
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_stands_in_the_first_line() {
        let line = "listening on ws://127.0.0.1:4711/ (page: http://127.0.0.1:4711/)\n";
        assert_eq!(address_in(line), Some(([127, 0, 0, 1], 4711).into()));
        assert_eq!(address_in("ws-testkit: cannot listen"), None);
    }

    #[test]
    fn an_exit_code_a_signal_and_a_panic_are_told_apart() {
        let verdict = |code, panics| {
            let mut findings = Findings::default();
            let took = Duration::ZERO;
            Ended { code, took, panics }.judge(&mut findings);
            findings.figures.iter().all(super::super::SoakFigure::holds)
        };
        assert!(verdict(Some(0), 0));
        assert!(!verdict(Some(1), 0) && !verdict(None, 0) && !verdict(Some(0), 1));
    }

    #[tokio::test]
    async fn lines_of_gauges_become_samples_and_others_do_not() {
        let samples = Arc::default();
        let (teller, told) = watch::channel(0);
        let line = ServerGauges::default().to_json();
        let text = format!("{line}\nsomething else\n{line}\n");
        collect(text.as_bytes(), Instant::now(), Arc::clone(&samples), teller).await;
        assert_eq!(*told.borrow(), 2);
        assert_eq!(samples.lock().unwrap().len(), 2);
    }
}
