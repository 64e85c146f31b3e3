//! Stopping a server.
//!
//! Here: [`ServerHandle`]. The order: no more connections are accepted and the listener is closed; whoever was
//! accepted but not upgraded gets 503, plain HTTP finishes the request in progress; WebSockets are closed with 1001;
//! at the deadline all the rest is dropped. Not here: the telling and waiting itself (`roster`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ws_proto::CloseCode;

use crate::hits::{Hits, ServerLimitHits};
use crate::roster::{Roster, StopSummary, stop_flags};

/// Stops a server, from anywhere. A clone stops the same server.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    pub(super) roster: Arc<Roster>,
    /// The stop has begun.
    pub(super) stopping: CancellationToken,
    /// The stop is complete.
    pub(super) stopped: CancellationToken,
    /// Accept loops, and answers to connections that were given no seat.
    pub(super) doormen: TaskTracker,
    pub(super) hits: Arc<Hits>,
}

impl ServerHandle {
    /// How long to give a stop unless there is a reason for another time: 30 s. Peers on slow lines can answer the
    /// Close frame then, and whoever supervises the process does not kill it yet.
    pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

    pub(super) fn new() -> Self {
        let doormen = TaskTracker::new();
        doormen.close();
        Self {
            roster: Arc::default(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            doormen,
            hits: Arc::default(),
        }
    }

    /// How many connections are open: waiting for a request, plain HTTP and WebSocket together.
    pub fn open_connections(&self) -> usize {
        self.roster.open()
    }

    /// How often each limit of the server was hit.
    pub fn limit_hits(&self) -> ServerLimitHits {
        self.hits.of_server()
    }

    /// Stops the server gracefully and says how its connections ended. See [`shutdown_with`](Self::shutdown_with).
    /// A good `timeout` is [`SHUTDOWN_TIMEOUT`](Self::SHUTDOWN_TIMEOUT).
    ///
    /// Cancel safety: as [`shutdown_with`](Self::shutdown_with).
    pub fn shutdown(&self, timeout: Duration) -> impl Future<Output = StopSummary> + Send + use<> {
        self.shutdown_with(CloseCode::GOING_AWAY, timeout)
    }

    /// Stops the server: closes the listener, answers 503 (with `Retry-After`) to whoever was accepted but not
    /// upgraded, closes every WebSocket with `code` (1001 going away; 1012 service restart), and drops what is still
    /// open when `timeout` is over.
    ///
    /// It may be called again, with a shorter timeout for instance (zero: at once); the earliest deadline counts.
    ///
    /// Cancel safety: the stop goes on in a task of its own, also if the future is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn shutdown_with(
        &self,
        code: CloseCode,
        timeout: Duration,
    ) -> impl Future<Output = StopSummary> + Send + use<> {
        self.stopping.cancel();
        let flags = stop_flags(code);
        self.roster.tell(flags);
        let handle = self.clone();
        tokio::spawn(self.clone().clear(flags, Instant::now() + timeout));
        async move { handle.stopped().await }
    }

    async fn clear(self, flags: u8, deadline: Instant) {
        // An error is the deadline: then nobody waits for answers on their way to connections without a seat.
        let (_, _unanswered) = tokio::join!(
            self.roster.clear(flags, deadline),
            timeout_at(deadline, self.doormen.wait())
        );
        // A connection may have been seated while the accept loops noticed the stop.
        let _dropped = timeout_at(deadline, self.roster.vacated()).await;
        self.stopped.cancel();
    }

    /// Waits for the end of the stop, or says at once that there is nobody left to stop.
    pub(super) async fn ended(&self) -> StopSummary {
        if !self.stopping.is_cancelled() {
            self.stopping.cancel();
            self.stopped.cancel();
        }
        self.stopped().await
    }

    /// Waits until the server has stopped, and says how its connections ended. Cancel safe.
    pub async fn stopped(&self) -> StopSummary {
        self.stopped.cancelled().await;
        self.roster.summary()
    }
}
