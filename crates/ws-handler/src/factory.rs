//! What all WebSocket connections of an application have in common.
//!
//! Here: [`WebSocketFactory`] (how handshakes are judged, limits and timeouts, who is connected, stopping them all)
//! and [`Registration`], one connection's place in it. Not here: the judgement itself (`handshake`), the connection
//! (`socket`), routes and endpoints (ws-servlet).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use ws_proto::{CloseCode, Config};

use crate::error::HandshakeError;
use crate::handshake::{Accepted, ServerHandshake};
use crate::hits::{ConnectionLimitHits, Limit};
use crate::http1::RequestHead;
use crate::ledger::Ledger;
use crate::roster::{Roster, Seat, SeatNumber, StopSummary, stop_flags};
use crate::socket::Signal;

/// Judges handshakes, holds the configuration, and knows every open WebSocket connection.
///
/// A clone is the same factory. A [`WebSocketHandler`](crate::WebSocketHandler) and a servlet that share one factory
/// share its limits and its fate: [`stop`](Self::stop) closes the connections of both.
#[derive(Debug, Clone)]
pub struct WebSocketFactory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    handshake: ServerHandshake,
    config: Arc<Config>,
    roster: Arc<Roster>,
    ledger: Arc<Ledger>,
    stopped: AtomicBool,
}

/// The default handshake and `Config::server()`.
impl Default for WebSocketFactory {
    fn default() -> Self {
        Self::new(ServerHandshake::new(), Config::server())
    }
}

impl WebSocketFactory {
    /// A factory with these rules for handshakes and this configuration for connections.
    pub fn new(handshake: ServerHandshake, config: impl Into<Arc<Config>>) -> Self {
        let shared = Shared {
            handshake,
            config: config.into(),
            roster: Arc::default(),
            ledger: Arc::default(),
            stopped: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The same with another budget for unfinished input: bytes that all its connections together may hold for
    /// messages of which not everything has arrived, and 64 KiB for each of those that is compressed. The memory
    /// behind them is at most twice that. Default 256 MiB; `usize::MAX`: no budget.
    ///
    /// A connection that wants more when the budget is used up is closed with 1013 (try again later); those that hold
    /// something already keep it. Counted when a connection waits, and after 256 KiB without a wait: what is being
    /// worked on at the moment may exceed the budget by 256 KiB per thread. Clones of the factory share the budget.
    #[must_use]
    pub fn with_unfinished_input(self, bytes: usize) -> Self {
        self.shared.ledger.unfinished.set_limit(bytes);
        self
    }

    /// Bytes of unfinished input that the connections hold now.
    pub fn unfinished_input(&self) -> usize {
        self.shared.ledger.unfinished.held()
    }

    /// How often each limit of its connections, and of its handshakes, was hit.
    pub fn limit_hits(&self) -> ConnectionLimitHits {
        self.shared.ledger.hits.of_connections()
    }

    /// Counts a refusal by who judges handshakes by rules of his own, as a route with its own origins.
    pub fn count_refusal(&self, refusal: &HandshakeError) {
        self.shared.ledger.hits.count_any(Limit::of_refusal(refusal));
    }

    /// How handshakes are judged: origins, subprotocols, extensions.
    pub fn handshake(&self) -> &ServerHandshake {
        &self.shared.handshake
    }

    /// Limits and timeouts of connections that are given no others.
    pub fn config(&self) -> &Arc<Config> {
        &self.shared.config
    }

    /// Judges an upgrade attempt.
    ///
    /// # Errors
    ///
    /// Every demand of RFC 6455 §4.2 that the request does not meet, or [`HandshakeError::Stopping`] after
    /// [`stop`](Self::stop).
    pub fn accept(&self, request: &RequestHead) -> Result<Accepted, HandshakeError> {
        self.refuse_when_stopped()?;
        let judged = self.shared.handshake.accept(request);
        judged.inspect_err(|refusal| self.count_refusal(refusal))
    }

    /// Enters one connection into the list of open ones.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Stopping`] after [`stop`](Self::stop).
    pub fn register(&self) -> Result<Registration, HandshakeError> {
        self.refuse_when_stopped()?;
        let seat = self
            .shared
            .roster
            .admit(usize::MAX)
            .ok_or(HandshakeError::TooManyConnections)?;
        let signal = Arc::new(Signal::counted(Arc::clone(&self.shared.ledger)));
        // If the factory is stopped right here, this raises the signal at once: nobody slips through.
        seat.set_signal(&signal);
        Ok(Registration {
            seat,
            signal,
            host: None,
        })
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.roster.open()
    }

    /// Closes every open connection with 1001 (going away) and takes no other from now on: they are refused with
    /// 503. See [`stop_with`](Self::stop_with).
    ///
    /// Cancel safety: as [`stop_with`](Self::stop_with).
    pub fn stop(&self, timeout: Duration) -> impl Future<Output = StopSummary> + Send + use<> {
        self.stop_with(CloseCode::GOING_AWAY, timeout)
    }

    /// As [`stop`](Self::stop), with a close code of choice: 1012 (service restart) invites clients to come back.
    ///
    /// Waits for the closing handshakes until `timeout` is over, then drops what is still open. Everybody is told at
    /// the call already, not at the first poll.
    ///
    /// Cancel safety: if the future is dropped, connections that do not close by themselves stay open until their
    /// own timeouts; call again to wait again.
    pub fn stop_with(
        &self,
        code: CloseCode,
        timeout: Duration,
    ) -> impl Future<Output = StopSummary> + Send + use<> {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let flags = stop_flags(code);
        self.shared.roster.tell(flags);
        let roster = Arc::clone(&self.shared.roster);
        async move { roster.clear(flags, Instant::now() + timeout).await }
    }

    /// Was [`stop`](Self::stop) called?
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::SeqCst)
    }

    fn refuse_when_stopped(&self) -> Result<(), HandshakeError> {
        if self.is_stopped() {
            Err(HandshakeError::Stopping)
        } else {
            Ok(())
        }
    }
}

/// One connection's place among the open ones of a [`WebSocketFactory`], free again when this is dropped. With it goes
/// the place among the connections of the [`Server`](crate::Server) that accepted it: drop it last.
#[derive(Debug)]
pub struct Registration {
    seat: Seat,
    signal: Arc<Signal>,
    /// The place among the server's connections, freed after the factory's.
    host: Option<Seat>,
}

impl Registration {
    /// The signal by which the factory tells the connection to stop: whoever drives the connection must listen.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Keeps the place among the server's connections as long as this one.
    pub(crate) fn keep(&mut self, host: Seat) {
        self.host = Some(host);
    }

    /// This registration's name, which outlives it.
    pub(crate) fn place(&self) -> Place {
        Place::of(&self.seat)
    }
}

/// Where the task of a connection is written down once it runs, when its registration has moved into it.
#[derive(Debug)]
pub(crate) struct Place {
    roster: Arc<Roster>,
    number: SeatNumber,
}

impl Place {
    pub(crate) fn of(seat: &Seat) -> Self {
        Self {
            roster: Arc::clone(seat.roster()),
            number: seat.number(),
        }
    }

    /// Names the task that is aborted if the connection is still there after a stop's timeout.
    pub(crate) fn set_task(&self, task: AbortHandle) {
        self.roster.set_task(self.number, task);
    }
}
