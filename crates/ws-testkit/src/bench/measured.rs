//! What a run found out: counts, times, what both sides used, and what went wrong. Data only.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::options::{BenchOptions, Load};
use crate::process::Used;
use crate::stats::{Ending, ExitStatus, RoundTrips};

/// From this share of a core on, a thread counts as having had no time left.
const FULL: f64 = 0.9;

/// Why a connection could not do its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It ended, or never began.
    Ended(Ending),
    /// An answer was not what it should be.
    Wrong(String),
}

impl Trouble {
    /// A short name without spaces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ended(ending) => ending.name(),
            Self::Wrong(_) => "wrong",
        }
    }

    fn status(&self) -> ExitStatus {
        match self {
            Self::Ended(ending) => ending.status(),
            Self::Wrong(_) => ExitStatus::WrongAnswer,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(ending) => ending.fmt(f),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

/// What one thread did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Messages answered (connects completed) in the measured time.
    pub(super) answered: u64,
    pub(super) times: RoundTrips,
    /// Messages that an open loop meant to send in the measured time.
    pub(super) intended: u64,
    /// Of these: never sent.
    pub(super) missed: u64,
    /// Sent, and not answered in time.
    pub(super) lost: u64,
    /// The first trouble of this thread; the run ends with it.
    pub(super) trouble: Option<Trouble>,
    /// Time spent waiting actively for the next moment of an open loop.
    pub(super) spun: Duration,
}

impl Outcome {
    pub(super) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.times.add(&other.times);
        self.intended += other.intended;
        self.missed += other.missed;
        self.lost += other.lost;
        self.trouble = self.trouble.take().or(other.trouble);
        self.spun += other.spun;
    }
}

/// Which side had no CPU time left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Server,
    Client,
    Both,
    Neither,
}

impl Bound {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
            Self::Neither => "neither",
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) options: BenchOptions,
    pub(crate) address: Option<SocketAddr>,
    /// The subprotocol the server chose.
    pub(crate) protocol: Option<String>,
    /// permessage-deflate with its parameters, if it was agreed on.
    pub(crate) deflate: Option<String>,
    pub(crate) opened: u64,
    /// Messages answered, or connects completed, in `elapsed`.
    pub(crate) answered: u64,
    /// Bytes on the wire in `elapsed`, without handshakes.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Of those intended: answered.
    pub(crate) achieved: u64,
    pub(crate) elapsed: Duration,
    pub(crate) times: RoundTrips,
    pub(crate) intended: u64,
    pub(crate) missed: u64,
    pub(crate) lost: u64,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) spun: Duration,
    pub(crate) server: Option<Used>,
    pub(crate) client: Option<Used>,
    pub(crate) interrupted: bool,
}

impl Report {
    /// A run that has done nothing yet.
    pub(super) fn new(options: BenchOptions) -> Self {
        Self {
            options,
            address: None,
            protocol: None,
            deflate: None,
            opened: 0,
            answered: 0,
            sent: 0,
            received: 0,
            achieved: 0,
            elapsed: Duration::ZERO,
            times: RoundTrips::new(),
            intended: 0,
            missed: 0,
            lost: 0,
            trouble: None,
            spun: Duration::ZERO,
            server: None,
            client: None,
            interrupted: false,
        }
    }

    /// How the program should exit.
    pub(crate) fn status(&self) -> ExitStatus {
        if self.interrupted {
            return ExitStatus::Interrupted;
        }
        match &self.trouble {
            Some(trouble) => trouble.status(),
            None if self.lost > 0 => ExitStatus::WrongAnswer,
            None => ExitStatus::Success,
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Answers (connects) per second of the measured time.
    pub(crate) fn per_second(&self) -> f64 {
        if self.elapsed.is_zero() {
            0.0
        } else {
            self.answered as f64 / self.elapsed.as_secs_f64()
        }
    }

    /// Payload that came back, in MiB per second.
    pub(crate) fn mebibytes_per_second(&self) -> f64 {
        self.per_second() * self.options.size as f64 / f64::from(1 << 20)
    }

    /// Microseconds of a side's CPU time per message (per connect).
    pub(crate) fn per_message(&self, time: Duration) -> Option<f64> {
        (self.answered > 0).then(|| time.as_secs_f64() * 1e6 / self.answered as f64)
    }

    /// Bytes of all frames per message, sent and received; connecting has none.
    pub(crate) fn wire(&self) -> Option<(f64, f64)> {
        let counted = self.answered > 0 && !matches!(self.options.load, Load::Connect(_));
        counted.then(|| {
            let answered = self.answered as f64;
            (self.sent as f64 / answered, self.received as f64 / answered)
        })
    }

    /// Resident bytes of the server per idle connection.
    pub(crate) fn idle_bytes(&self) -> Option<f64> {
        let used = self
            .server
            .filter(|_| self.options.is_idle() && self.opened > 0)?;
        Some((used.resident_after as f64 - used.resident_before as f64) / self.opened as f64)
    }

    /// The share of the time that the busiest thread of this side had to do.
    pub(crate) fn client_share(&self) -> Option<f64> {
        let used = self.client?;
        let spun = self.spun.as_secs_f64() / self.options.threads as f64;
        let elapsed = used.elapsed.as_secs_f64();
        (elapsed > 0.0).then(|| (used.busiest_share() - spun / elapsed).max(0.0))
    }

    /// Which side was CPU-bound; None unless the server was watched.
    pub(crate) fn bound(&self) -> Option<Bound> {
        let server = self.server.filter(|_| !self.options.is_idle())?;
        Some(
            match (server.busiest_share() >= FULL, self.client_share()? >= FULL) {
                (true, true) => Bound::Both,
                (true, false) => Bound::Server,
                (false, true) => Bound::Client,
                (false, false) => Bound::Neither,
            },
        )
    }
}
