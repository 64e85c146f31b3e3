//! One thread of load: a poll loop over its share of the connections.
//!
//! One write sends a batch, one read takes what came, one reading of the clock serves both.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::alarm::Alarm;
use super::batch::Batches;
use super::connection::{Connection, Rules, Traffic};
use super::measured::{Outcome, Trouble};
use super::options::{BenchOptions, Load, Until};
use super::schedule::{Pace, Window};
use super::shared::Shared;
use crate::stats::Ending;

/// As large as servers' answers come in one piece on loopback; several threads share no cache with it.
const READ_BUFFER: usize = 256 << 10;

/// How often a thread that has nothing to do looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A poll can only sleep for whole milliseconds; closer to the next moment an open loop without an alarm polls without
/// sleeping.
const SLEEP_UNIT: Duration = Duration::from_millis(1);

/// The event of the alarm; connections are numbered from 0.
const ALARM: Token = Token(usize::MAX - 1);

/// One thread's share of the load.
#[derive(Debug)]
pub(super) struct Worker {
    poll: Poll,
    connections: Vec<Connection>,
    batches: Arc<Batches>,
    load: Load,
    /// Messages on each connection, where they are counted.
    count: Option<u64>,
    pipeline: u64,
    verify: bool,
    tcp: bool,
    timeout: Duration,
    window: Window,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    outcome: Outcome,
    /// The open loop's moments for this thread, and how many of them have passed.
    pace: Option<Pace>,
    alarm: Option<Alarm>,
    scheduled: u64,
    in_flight: u64,
    last_answer: Instant,
}

impl Worker {
    /// A worker for connections that are open; `share` is this thread's part of the rate.
    pub(super) fn new(
        options: &BenchOptions,
        batches: Arc<Batches>,
        connections: Vec<Connection>,
        window: Window,
        share: f64,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let pace = match options.load {
            Load::Open(rate) => Some(Pace::new(window.start, rate * share)),
            _ => None,
        };
        let poll = Poll::new()?;
        // Where there is none the loop does without.
        let wanted = options.sleeps && pace.is_some();
        let alarm = wanted.then(|| Alarm::new(poll.registry(), ALARM).ok()).flatten();
        Ok(Self {
            poll,
            alarm,
            connections,
            batches,
            load: options.load,
            count: match (options.load, options.until) {
                (Load::Idle(messages), _) => Some(messages),
                (_, Until::Count(count)) => Some(count),
                _ => None,
            },
            pipeline: options.pipeline as u64,
            verify: options.verify,
            tcp: options.tcp,
            timeout: options.timeout,
            window,
            shared,
            buffer: vec![0; READ_BUFFER],
            outcome: Outcome::default(),
            pace,
            scheduled: 0,
            in_flight: 0,
            last_answer: window.start,
        })
    }

    /// Runs until the load is over, something goes wrong, or the run is stopped.
    pub(super) fn run(mut self) -> Outcome {
        if let Err(trouble) = self.work() {
            self.outcome.trouble = Some(trouble);
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        self.settle();
        for connection in self.connections {
            connection.close(self.tcp);
        }
        self.outcome
    }

    fn work(&mut self) -> Result<(), Trouble> {
        let mut events = Events::with_capacity(1024);
        self.begin()?;
        let mut now = Instant::now();
        while !self.is_done(now) && !self.shared.stop.load(Ordering::Relaxed) {
            let due = self.send_scheduled(now)?;
            let wait = self.wait(now);
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(system(&error)),
                _ => {}
            }
            let idle = due == 0 && wait.is_zero() && events.is_empty();
            for event in &events {
                self.handle_event(event.token(), event.is_readable(), event.is_writable())?;
            }
            let then = now;
            now = Instant::now();
            if idle && self.window.holds(now) {
                self.outcome.spun += now - then;
            }
            self.check_progress(now)?;
        }
        Ok(())
    }

    /// Everybody is watched, and the first messages go out.
    fn begin(&mut self) -> Result<(), Trouble> {
        for (number, connection) in self.connections.iter_mut().enumerate() {
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered = self
                .poll
                .registry()
                .register(&mut connection.stream, Token(number), both);
            registered.map_err(|error| system(&error))?;
        }
        if self.load == Load::FanOut {
            return self.publish(Instant::now());
        }
        if self.pace.is_none() {
            for number in 0..self.connections.len() {
                self.refill(number, Instant::now())?;
            }
        }
        Ok(())
    }

    fn handle_event(&mut self, token: Token, readable: bool, writable: bool) -> Result<(), Trouble> {
        let rules = Rules {
            batches: &self.batches,
            pipeline: self.pipeline,
            verify: self.verify,
            tcp: self.tcp,
            fan_out: self.load == Load::FanOut,
        };
        let Some(connection) = self.connections.get_mut(token.0) else {
            return Ok(());
        };
        if writable {
            connection.flush(rules)?;
        }
        if readable {
            let answers = connection.read(&mut self.buffer, rules)?;
            if connection.has_pongs() {
                connection.flush(rules)?;
            }
            let Traffic { sent, received } = connection.take_traffic();
            self.shared.sent.fetch_add(sent, Ordering::Relaxed);
            self.shared.received.fetch_add(received, Ordering::Relaxed);
            if answers > 0 {
                let now = Instant::now();
                self.record(token.0, answers, now);
                if self.load == Load::FanOut {
                    self.publish(now)?;
                } else {
                    self.refill(token.0, now)?;
                }
            }
        }
        Ok(())
    }

    /// Fan-out: once everybody has everything, the first connection sends more, and all are to get it.
    fn publish(&mut self, now: Instant) -> Result<(), Trouble> {
        let before = self.connections.first().map_or(0, |first| first.due);
        let more = match self.count {
            Some(count) => count.min(before + self.pipeline) - before,
            None if self.window.is_over(now) => 0,
            None => self.pipeline,
        };
        if self.in_flight > 0 || more == 0 {
            return Ok(());
        }
        for connection in &mut self.connections {
            connection.due += more;
            connection.sent_at = now;
        }
        self.in_flight = more * self.connections.len() as u64;
        self.flush(0)
    }

    /// Counts and times answers that have just come.
    fn record(&mut self, number: usize, answers: u64, now: Instant) {
        self.shared.answered.fetch_add(answers, Ordering::Relaxed);
        self.in_flight = self.in_flight.saturating_sub(answers);
        self.last_answer = now;
        let Some(connection) = self.connections.get(number) else {
            return;
        };
        match self.pace {
            None if self.window.holds(now) => {
                self.outcome.answered += answers;
                self.outcome.times.record_many(now - connection.sent_at, answers);
            }
            None => {}
            Some(pace) => {
                for message in connection.answered - answers..connection.answered {
                    let moment = pace.moment(self.place(number, message));
                    // What was meant to be sent in the measured time counts whenever its answer comes.
                    if self.window.holds(moment) {
                        self.outcome.answered += 1;
                        self.outcome.times.record(now.saturating_duration_since(moment));
                    }
                }
            }
        }
    }

    /// The place of a connection's message in the schedule: connections take turns.
    fn place(&self, connection: usize, message: u64) -> u64 {
        message * self.connections.len() as u64 + connection as u64
    }

    /// Lets a connection send more, if it is its turn.
    fn refill(&mut self, number: usize, now: Instant) -> Result<(), Trouble> {
        let total = self.connections.len() as u64;
        let Some(connection) = self.connections.get_mut(number) else {
            return Ok(());
        };
        let before = connection.due;
        let due = match (self.count, self.pace) {
            // What was not sent in time has been missed.
            (_, Some(_)) if self.window.is_over(now) => before,
            // Those of this connection whose moment has passed, and no more at once than the pipeline holds.
            (_, Some(_)) => {
                let passed = self
                    .scheduled
                    .saturating_sub(number as u64)
                    .div_ceil(total.max(1));
                passed.min(connection.answered + self.pipeline)
            }
            _ if connection.in_flight() > 0 => before,
            (Some(count), None) => count.min(before + self.pipeline),
            (None, None) if self.window.is_over(now) => before,
            (None, None) => before + self.pipeline,
        };
        if due > before {
            connection.due = due;
            connection.sent_at = now;
            self.in_flight += due - before;
            self.flush(number)?;
        }
        Ok(())
    }

    fn flush(&mut self, number: usize) -> Result<(), Trouble> {
        let rules = Rules {
            batches: &self.batches,
            pipeline: self.pipeline,
            verify: self.verify,
            tcp: self.tcp,
            fan_out: self.load == Load::FanOut,
        };
        match self.connections.get_mut(number) {
            Some(connection) => connection.flush(rules),
            None => Ok(()),
        }
    }

    /// Open loop: sends what has become due; answers how much that is.
    fn send_scheduled(&mut self, now: Instant) -> Result<u64, Trouble> {
        let Some(pace) = self.pace else {
            return Ok(0);
        };
        let due = pace.due(self.window.until.map_or(now, |until| until.min(now)));
        let new = due.saturating_sub(self.scheduled);
        let (first, total) = (self.scheduled, self.connections.len() as u64);
        self.scheduled = self.scheduled.max(due);
        // Those further back in the same turn are covered by the first `total`.
        for place in first..first + new.min(total) {
            self.refill((place % total) as usize, now)?;
        }
        Ok(new)
    }

    /// How long to sleep at most.
    fn wait(&self, now: Instant) -> Duration {
        let Some(pace) = self.pace.filter(|_| !self.window.is_over(now)) else {
            return LOOK_EVERY;
        };
        let left = pace.moment(self.scheduled).saturating_duration_since(now);
        if left.is_zero() {
            return left;
        }
        if self.alarm.as_ref().is_some_and(|alarm| alarm.set(left)) {
            return LOOK_EVERY;
        }
        // The system rounds up, so one unit less: too late cannot be made good.
        let whole = left.as_millis().saturating_sub(1) as u64;
        (SLEEP_UNIT * u32::try_from(whole).unwrap_or(u32::MAX)).min(LOOK_EVERY)
    }

    fn is_done(&self, now: Instant) -> bool {
        let answered = self.in_flight == 0;
        match (self.load, self.count) {
            // Held until the run is stopped.
            (Load::Idle(_), _) => false,
            (_, Some(count)) => answered && self.connections.iter().all(|one| one.answered == count),
            _ => answered && self.window.is_over(now),
        }
    }

    /// Gives up when nothing was answered for the whole timeout.
    fn check_progress(&self, now: Instant) -> Result<(), Trouble> {
        let silent = now.saturating_duration_since(self.last_answer.max(self.window.start));
        if self.in_flight > 0 && silent > self.timeout {
            return Err(Trouble::Ended(Ending::TimedOut));
        }
        Ok(())
    }

    /// What was meant and what was not done.
    fn settle(&mut self) {
        let stopped = self.shared.stop.load(Ordering::Relaxed);
        let Some((pace, until)) = self.pace.zip(self.window.until) else {
            // Who stops the run early has not lost what was under way.
            self.outcome.lost = if stopped && self.outcome.trouble.is_none() {
                0
            } else {
                self.in_flight
            };
            return;
        };
        let (first, last) = (pace.due(self.window.from), pace.due(until));
        let begun: u64 = (0..self.connections.len())
            .map(|number| {
                let total = self.connections.len() as u64;
                let before = first.saturating_sub(number as u64).div_ceil(total.max(1));
                let due = self
                    .connections
                    .get(number)
                    .map_or(0, |connection| connection.due);
                due.saturating_sub(before)
            })
            .sum();
        self.outcome.intended = last - first;
        self.outcome.missed = self.outcome.intended.saturating_sub(begun);
        self.outcome.lost = begun.saturating_sub(self.outcome.answered);
    }
}

fn system(error: &io::Error) -> Trouble {
    Trouble::Ended(Ending::NoConnection {
        reason: format!("the system's poll failed: {error}"),
    })
}
