//! A whole run: connect, load, measure, add up.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::batch::Batches;
use super::connection::{Connection, Rules};
use super::cycle::{Cycles, once};
use super::inflated::Inflated;
use super::measured::{Outcome, Report, Trouble};
use super::open::{Opened, Target, addresses};
use super::options::{BenchOptions, Load, Until};
use super::schedule::{Pace, Window};
use super::shared::Shared;
use super::worker::Worker;
use crate::descriptors;
use crate::process::{self, Sample};
use crate::stats::Ending;

/// Handshakes under way at once while the connections of a run are opened: fewer than a listener's queue holds.
const OPENING_AT_ONCE: usize = 100;

/// One connection of so many looks into compressed answers, unless all do: the load generator must stay light.
const LOOKS_INSIDE: usize = 8;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether all connections of an idle run have their answer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// So many connections are open.
    Opening(u64),
    /// So many messages were answered (connects completed).
    Running(u64),
}

/// Does what the options say, until it is done or `stop` completes. Needs a tokio runtime with I/O and time.
///
/// Not cancel safe: dropped half way, its threads go on until their load is over.
///
/// # Errors
/// What is wrong with the options, or with this machine for these options; nothing was done then.
pub(crate) async fn run(
    options: BenchOptions,
    stop: impl Future<Output = ()>,
    progress: impl Fn(Phase),
) -> Result<Report, String> {
    options.check()?;
    descriptors::make_room(options.connections)?;
    if let Some(pid) = options.pid {
        process::sample(pid).map_err(|error| format!("process {pid} cannot be watched: {error}"))?;
    }
    let shared = Arc::new(Shared::default());
    let run = Run {
        report: Report::new(options),
        shared: Arc::clone(&shared),
        progress,
    };
    let mut whole = pin!(run.whole());
    let (mut report, interrupted) = tokio::select! {
        report = &mut whole => (report, false),
        () = stop => {
            shared.stop.store(true, Ordering::Relaxed);
            (whole.await, true)
        }
    };
    report.interrupted = interrupted;
    Ok(report)
}

struct Run<P> {
    report: Report,
    shared: Arc<Shared>,
    progress: P,
}

/// Both sides at one moment.
struct Mark {
    at: Instant,
    answered: u64,
    sent: u64,
    received: u64,
    server: Option<Sample>,
    client: Option<Sample>,
}

impl<P: Fn(Phase)> Run<P> {
    async fn whole(mut self) -> Report {
        if let Err(trouble) = self.stages().await {
            // Connections that were stopped on purpose are no news.
            if !self.shared.stop.load(Ordering::Relaxed) || self.report.trouble.is_none() {
                self.report.trouble.get_or_insert(trouble);
            }
        }
        self.report
    }

    async fn stages(&mut self) -> Result<(), Trouble> {
        let target = self.probe().await?;
        self.report.address = Some(target.address);
        match self.report.options.load {
            Load::Connect(rate) => self.connect(target, rate).await,
            Load::Idle(messages) => self.idle(target, messages).await,
            Load::Closed | Load::Open(_) | Load::FanOut => self.messages(target).await,
        }
    }

    /// Finds the address that answers with one whole connection, which also wakes up what sleeps in the server.
    async fn probe(&self) -> Result<Target, Trouble> {
        let options = &self.report.options;
        let unusable = |reason| Trouble::Ended(Ending::NoConnection { reason });
        let request = options.request().map_err(unusable)?;
        let mut first_trouble = None;
        for address in addresses(&request).await? {
            let target = Target::new(options, request.clone(), address);
            match once(&target, 0).await {
                Ok(_) => return Ok(target),
                Err(trouble @ Trouble::Ended(Ending::NoConnection { .. })) => {
                    first_trouble.get_or_insert(trouble);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Err(first_trouble.unwrap_or_else(|| unusable("no address".into())))
    }

    /// Opens all connections, several at a time.
    async fn open(&mut self, target: &Target) -> Result<Vec<Opened>, Trouble> {
        let wanted = self.report.options.connections;
        let mut opened = Vec::with_capacity(wanted);
        let (mut tasks, mut begun) = (JoinSet::new(), 0);
        while opened.len() < wanted && !self.shared.stop.load(Ordering::Relaxed) {
            while begun < wanted && tasks.len() < OPENING_AT_ONCE {
                let (target, number) = (target.clone(), begun as u64);
                tasks.spawn(async move { target.open(number).await });
                begun += 1;
            }
            match tasks.join_next().await {
                Some(Ok(result)) => opened.push(result?),
                _ => break,
            }
            (self.progress)(Phase::Opening(opened.len() as u64));
        }
        self.report.opened = opened.len() as u64;
        let Some(first) = opened.first() else {
            return Ok(opened);
        };
        self.report.protocol = first.protocol.clone();
        self.report.deflate = first.deflate.clone();
        // What is sent is built for all of them.
        match opened.iter().find(|other| other.deflate != first.deflate) {
            None => Ok(opened),
            Some(_) => Err(Trouble::Wrong(
                "the server agreed to different compression on different connections".into(),
            )),
        }
    }

    /// What all connections send, as they agreed on compression.
    fn batches(&self, opened: &[Opened]) -> Arc<Batches> {
        let extensions = opened.first().map(|first| first.extensions.clone());
        Arc::new(Batches::new(
            &self.report.options,
            &extensions.unwrap_or_default(),
        ))
    }

    /// The closed and the open loop, and fan-out.
    async fn messages(&mut self, target: Target) -> Result<(), Trouble> {
        let opened = self.open(&target).await?;
        let batches = self.batches(&opened);
        let window = self.window();
        let before = self.mark_before(window);
        let outcomes = self.start_workers(opened, &batches, window)?;
        self.measure(window, before, outcomes).await;
        Ok(())
    }

    async fn connect(&mut self, target: Target, rate: Option<f64>) -> Result<(), Trouble> {
        let window = self.window();
        let before = self.mark_before(window);
        let options = &self.report.options;
        let pace = rate.map(|rate| Pace::new(window.start, rate));
        let cycles = Arc::new(Cycles {
            target,
            pace,
            count: match options.until {
                Until::Count(count) => Some(count),
                Until::Time { .. } => None,
            },
            window,
            tickets: AtomicU64::new(0),
            shared: Arc::clone(&self.shared),
        });
        let outcomes = start(options.threads, |thread| {
            let at_once = share(options.connections, options.threads, thread);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let cycles = Arc::clone(&cycles);
            Ok(move || runtime.block_on(cycles.run(at_once)))
        });
        let outcomes = outcomes.map_err(|error| no_thread(&error))?;
        self.measure(window, before, outcomes).await;
        self.report.opened = self.shared.answered.load(Ordering::Relaxed);
        if let Some((pace, until)) = pace.zip(window.until) {
            self.report.intended = pace.due(until) - pace.due(window.from);
            self.report.missed = self.report.intended.saturating_sub(self.report.achieved);
        }
        Ok(())
    }

    /// Connections that do nothing after so many messages.
    async fn idle(&mut self, target: Target, messages: u64) -> Result<(), Trouble> {
        let before = self.mark();
        let opened = self.open(&target).await?;
        let batches = self.batches(&opened);
        let wanted = opened.len() as u64 * messages;
        let window = self.window();
        let mut outcomes = self.start_workers(opened, &batches, window)?;
        let is_over = || self.shared.stop.load(Ordering::Relaxed);
        while self.shared.answered.load(Ordering::Relaxed) < wanted && !is_over() {
            tokio::time::sleep(LOOK_EVERY).await;
            (self.progress)(Phase::Running(self.shared.answered.load(Ordering::Relaxed)));
        }
        let Until::Time {
            measured: silence, ..
        } = self.report.options.until
        else {
            return Ok(());
        };
        let end = Instant::now() + silence;
        while Instant::now() < end && !is_over() {
            tokio::time::sleep(LOOK_EVERY.min(silence)).await;
        }
        let after = self.mark();
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut total = Outcome::default();
        while let Some(outcome) = outcomes.recv().await {
            total.add(outcome);
        }
        self.take_down(&before, &after, total);
        Ok(())
    }

    /// The connections in equal shares, each with a thread.
    fn start_workers(
        &self,
        opened: Vec<Opened>,
        batches: &Arc<Batches>,
        window: Window,
    ) -> Result<mpsc::UnboundedReceiver<Outcome>, Trouble> {
        let options = &self.report.options;
        // Without a connection a thread has nothing to do.
        let threads = options.threads.min(opened.len()).max(1);
        let total = opened.len().max(1);
        let mut connections = connections(opened, batches, options)?.into_iter();
        let outcomes = start(threads, |thread| {
            let own: Vec<_> = connections.by_ref().take(share(total, threads, thread)).collect();
            let part = own.len() as f64 / total as f64;
            let (batches, shared) = (Arc::clone(batches), Arc::clone(&self.shared));
            let worker = Worker::new(options, batches, own, window, part, shared)?;
            Ok(move || worker.run())
        });
        outcomes.map_err(|error| no_thread(&error))
    }

    /// The measured time, from now on.
    fn window(&self) -> Window {
        let start = Instant::now();
        match self.report.options.until {
            Until::Time { warm_up, measured } if !self.report.options.is_idle() => Window {
                start,
                from: start + warm_up,
                until: Some(start + warm_up + measured),
            },
            _ => Window {
                start,
                from: start,
                until: None,
            },
        }
    }

    /// The beginning of a run that is not bounded by time: to be marked before a thread answers anything.
    fn mark_before(&self, window: Window) -> Option<Mark> {
        window.until.is_none().then(|| self.mark())
    }

    /// Watches both sides at the beginning of the window, unless that was marked `before`, and at its end, while the
    /// threads work.
    async fn measure(
        &mut self,
        window: Window,
        mut before: Option<Mark>,
        mut outcomes: mpsc::UnboundedReceiver<Outcome>,
    ) {
        let mut total = Outcome::default();
        let mut after = None;
        loop {
            let next = match (&before, &after) {
                (None, _) => Some(window.from),
                (Some(_), None) => window.until,
                _ => None,
            };
            let tell = Instant::now() + TELL_EVERY;
            let wake = next.map_or(tell, |next| next.min(tell));
            tokio::select! {
                outcome = outcomes.recv() => match outcome {
                    Some(outcome) => total.add(outcome),
                    None => break,
                },
                () = tokio::time::sleep_until(wake.into()) => {
                    (self.progress)(Phase::Running(self.shared.answered.load(Ordering::Relaxed)));
                    if next.is_some_and(|next| next <= Instant::now()) {
                        let place = if before.is_none() { &mut before } else { &mut after };
                        *place = Some(self.mark());
                    }
                }
            }
        }
        let after = after.unwrap_or_else(|| self.mark());
        if let Some(before) = before {
            self.take_down(&before, &after, total);
        } else {
            self.report.trouble = total.trouble;
        }
    }

    fn mark(&self) -> Mark {
        let sample = |pid| process::sample(pid).ok();
        Mark {
            at: Instant::now(),
            answered: self.shared.answered.load(Ordering::Relaxed),
            sent: self.shared.sent.load(Ordering::Relaxed),
            received: self.shared.received.load(Ordering::Relaxed),
            server: self.report.options.pid.and_then(sample),
            client: sample(std::process::id()),
        }
    }

    fn take_down(&mut self, before: &Mark, after: &Mark, total: Outcome) {
        let elapsed = after.at.saturating_duration_since(before.at);
        let used = |one: &Option<Sample>, other: &Option<Sample>| {
            one.as_ref()
                .zip(other.as_ref())
                .map(|(one, other)| one.until(other, elapsed))
        };
        let report = &mut self.report;
        report.elapsed = elapsed;
        report.answered = after.answered - before.answered;
        report.sent = after.sent - before.sent;
        report.received = after.received - before.received;
        report.server = used(&before.server, &after.server);
        report.client = used(&before.client, &after.client);
        report.achieved = total.answered;
        report.intended = total.intended;
        report.missed = total.missed;
        report.lost = total.lost;
        report.times = total.times;
        report.spun = total.spun;
        report.trouble = total.trouble;
    }
}

/// The connections with their sockets out of the runtime's hands.
fn connections(
    opened: Vec<Opened>,
    batches: &Batches,
    options: &BenchOptions,
) -> Result<Vec<Connection>, Trouble> {
    let rules = Rules {
        batches,
        pipeline: options.pipeline as u64,
        verify: options.verify,
        tcp: options.tcp,
        fan_out: options.load == Load::FanOut,
    };
    let now = Instant::now();
    let take = |(number, mut opened): (usize, Opened)| {
        let stream = opened.stream.into_std().map_err(|error| no_thread(&error))?;
        let stream = mio::net::TcpStream::from_std(stream);
        let compressed = opened.extensions.deflate().is_some();
        let looks_inside = compressed && (options.verify || number % LOOKS_INSIDE == 0);
        let inflated = looks_inside.then(|| Box::new(Inflated::new(&opened.extensions)));
        let mut connection = Connection::new(stream, number, compressed, inflated, now);
        connection.handle_data(&mut opened.leftover, rules)?;
        Ok(connection)
    };
    opened.into_iter().enumerate().map(take).collect()
}

/// Starts so many threads; each sends its outcome.
fn start<W: FnOnce() -> Outcome + Send + 'static>(
    threads: usize,
    mut work: impl FnMut(usize) -> io::Result<W>,
) -> io::Result<mpsc::UnboundedReceiver<Outcome>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for thread in 0..threads {
        let (work, sender) = (work(thread)?, sender.clone());
        thread::Builder::new()
            .name(format!("load-{thread}"))
            .spawn(move || {
                // The receiver is gone only when nobody wants to know any more.
                let _ = sender.send(work());
            })?;
    }
    Ok(receiver)
}

/// The share of one thread when so many are divided as equally as they can be.
fn share(total: usize, threads: usize, thread: usize) -> usize {
    total / threads + usize::from(thread < total % threads)
}

fn no_thread(error: &io::Error) -> Trouble {
    let reason = format!("the system gives no threads or sockets: {error}");
    Trouble::Ended(Ending::NoConnection { reason })
}

#[cfg(test)]
pub(super) mod tests;
