//! Connecting under load: connect, upgrade, close, and again.
//!
//! RFC 6455 §4.1, §7.1.1: the server ends TCP first, and only then has a cycle been completed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::close_frame;
use super::measured::{Outcome, Trouble};
use super::open::{Opened, Target};
use super::reply::{Found, Replies};
use super::schedule::{Pace, Window};
use super::shared::Shared;
use crate::stats::Ending;

/// A close frame and its header fit in many times over.
const READ_BUFFER: usize = 1024;

/// What all threads of a connecting run share.
#[derive(Debug)]
pub(super) struct Cycles {
    pub(super) target: Target,
    pub(super) pace: Option<Pace>,
    /// So many in all, where they are counted.
    pub(super) count: Option<u64>,
    pub(super) window: Window,
    /// Cycles begun.
    pub(super) tickets: AtomicU64,
    pub(super) shared: Arc<Shared>,
}

impl Cycles {
    /// One thread's work: so many cycles at the same time, until the run is over. Needs a tokio runtime.
    pub(super) async fn run(self: Arc<Self>, at_once: usize) -> Outcome {
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let mut tasks = JoinSet::new();
        for _ in 0..at_once {
            let (cycles, outcome) = (Arc::clone(&self), Arc::clone(&outcome));
            tasks.spawn(async move { cycles.repeat(&outcome).await });
        }
        while tasks.join_next().await.is_some() {}
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *outcome)
    }

    async fn repeat(&self, outcome: &Mutex<Outcome>) {
        loop {
            let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
            let Some(begin) = self.begin(ticket).await else {
                return;
            };
            // The probe had number 0.
            let done = once(&self.target, ticket.wrapping_add(1)).await;
            self.record(
                begin,
                done,
                &mut outcome.lock().unwrap_or_else(PoisonError::into_inner),
            );
        }
    }

    /// Waits for the moment of this cycle, to the millisecond; None when there is to be no such cycle.
    async fn begin(&self, ticket: u64) -> Option<Instant> {
        let is_over = |now| self.window.is_over(now) || self.shared.stop.load(Ordering::Relaxed);
        let begin = match self.pace {
            Some(pace) => pace.moment(ticket),
            None => Instant::now(),
        };
        if is_over(begin) || self.count.is_some_and(|count| ticket >= count) {
            return None;
        }
        if self.pace.is_some() {
            tokio::time::sleep_until(begin.into()).await;
        }
        (!is_over(Instant::now())).then_some(begin)
    }

    fn record(&self, begin: Instant, done: Result<Instant, Trouble>, outcome: &mut Outcome) {
        match done {
            Ok(open) => {
                self.shared.answered.fetch_add(1, Ordering::Relaxed);
                // With a pace it is the intended moment that decides.
                let decisive = if self.pace.is_some() {
                    begin
                } else {
                    Instant::now()
                };
                if self.window.holds(decisive) {
                    outcome.answered += 1;
                    outcome.times.record(open.saturating_duration_since(begin));
                }
            }
            Err(trouble) => {
                outcome.trouble.get_or_insert(trouble);
                self.shared.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// One connect, upgrade and close; answers when the connection was open.
///
/// Not cancel safe: dropped half way, the connection is closed as it is.
pub(super) async fn once(target: &Target, number: u64) -> Result<Instant, Trouble> {
    let opened = target.open(number).await?;
    let open = Instant::now();
    if target.tcp {
        return Ok(open);
    }
    match timeout(target.timeout, close(opened)).await {
        Ok(closed) => closed.map(|()| open),
        Err(_) => Err(Trouble::Ended(Ending::TimedOut)),
    }
}

/// The closing handshake, and then the end of TCP, which is the server's to make.
async fn close(opened: Opened) -> Result<(), Trouble> {
    let lost = |error: std::io::Error| {
        Trouble::Ended(Ending::Closed {
            code: 1006,
            reason: error.to_string(),
        })
    };
    let Opened {
        mut stream, leftover, ..
    } = opened;
    stream.write_all(&close_frame()).await.map_err(lost)?;
    let mut replies = Replies::default();
    let mut is_closed = false;
    let mut buffer = [0; READ_BUFFER];
    let mut input = &leftover[..];
    loop {
        while let Some(found) = replies.next(&mut input, None, false).map_err(Trouble::Wrong)? {
            is_closed |= matches!(found, Found::Close(_));
        }
        match stream.read(&mut buffer).await.map_err(lost)? {
            0 => break,
            count => input = buffer.get(..count).unwrap_or_default(),
        }
    }
    if is_closed {
        Ok(())
    } else {
        Err(Trouble::Wrong(
            "the server ended TCP without a close frame".into(),
        ))
    }
}
