//! What all clients of one run share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::options::ClientOptions;
use super::progress::Progress;
use crate::stats::{Counts, Observer, RoundTrips};
use crate::workload::Recipe;

/// One per run.
pub(super) struct Shared {
    pub(super) options: ClientOptions,
    pub(super) recipe: Recipe,
    pub(super) observer: Arc<dyn Observer>,
    /// True once the user wants the run to end.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) group: Group,
    totals: Mutex<Totals>,
}

/// What the clients' results add up to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) counts: Counts,
    pub(super) round_trips: RoundTrips,
    first_send: Option<Instant>,
    last_answer: Option<Instant>,
    last_end: Option<Instant>,
}

impl Totals {
    /// From the first send to the last answer; to the end of the last client if answers are missing.
    pub(super) fn elapsed(&self) -> Duration {
        let last = self
            .last_answer
            .filter(|_| self.counts.lost == 0)
            .or(self.last_end);
        let (Some(first), Some(last)) = (self.first_send, last) else {
            return Duration::ZERO;
        };
        last.saturating_duration_since(first)
    }
}

/// The moments of one client's part in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) first_send: Option<Instant>,
    pub(super) last_answer: Option<Instant>,
    /// Before the closing handshake.
    pub(super) end: Instant,
}

impl Shared {
    pub(super) fn new(
        options: ClientOptions,
        recipe: Recipe,
        observer: Arc<dyn Observer>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            options,
            recipe,
            observer,
            stop,
            group: Group::default(),
            totals: Mutex::default(),
        }
    }

    /// Completes when the user wants the run to end. Cancel safe.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left who could stop it.
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn record(&self, round_trip: Duration) {
        self.totals().round_trips.record(round_trip);
    }

    /// Adds one client's result.
    pub(super) fn add(&self, counts: Counts, moments: Moments) {
        let mut totals = self.totals();
        totals.counts += counts;
        totals.first_send = totals.first_send.into_iter().chain(moments.first_send).min();
        totals.last_answer = totals.last_answer.max(moments.last_answer);
        totals.last_end = totals.last_end.max(Some(moments.end));
    }

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A broadcast group: what everybody still has to expect depends on what everybody else does.
#[derive(Debug)]
pub(super) struct Group {
    /// Messages that were sent, or are being sent.
    sent: AtomicU64,
    /// Messages that will never be sent, because their sender is gone.
    abandoned: watch::Sender<u64>,
    /// When somebody last sent something.
    progress: Progress,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(0),
            abandoned: watch::Sender::new(0),
            progress: Progress::begin(),
        }
    }
}

impl Group {
    /// One more message is about to be sent.
    pub(super) fn sending(&self, now: Instant) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.progress.made(now);
    }

    /// When somebody last began to send.
    pub(super) fn last_sending(&self) -> Instant {
        self.progress.last()
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// A client is gone and will not send these.
    pub(super) fn abandon(&self, messages: u64) {
        if messages > 0 {
            self.abandoned.send_modify(|abandoned| *abandoned += messages);
        }
    }

    pub(super) fn abandoned(&self) -> watch::Receiver<u64> {
        self.abandoned.subscribe()
    }
}
