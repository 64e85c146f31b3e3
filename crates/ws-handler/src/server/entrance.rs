//! The way from a request to a WebSocket, the same for the first request of a connection and for later ones.
//!
//! Here: [`House`], what all connections and workers of one server share, and [`Entrance`], one connection's access
//! to it: ask the service, and run an upgraded connection in a task of its own. Not here: reading requests and
//! writing answers (`connection` for the first request, `hyper_upgrade` for later ones).

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handle::ServerHandle;
use super::options::Limits;
use super::plain::PlainConnection;
use super::service::{AnyService, Outcome, PeerInfo, Upgrade, Upgraded, one_line};
use crate::error::HandshakeError;
use crate::handshake::is_upgrade_attempt;
use crate::http1::RequestHead;
use crate::io::Io;
use crate::roster::{Roster, Seat};

/// What all connections and all workers of one server share.
pub(crate) struct House {
    pub(crate) service: Arc<dyn AnyService>,
    pub(crate) limits: Limits,
    /// Every accepted connection, upgraded or not.
    pub(crate) roster: Arc<Roster>,
    /// One permit per connection that has not sent its first request yet.
    pub(crate) lobby: Arc<Semaphore>,
    /// One permit per connection that is being turned away because the server is full.
    pub(crate) turned_away: Arc<Semaphore>,
    /// Cancelled when the server begins to stop.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when the stop is complete.
    pub(crate) stopped: CancellationToken,
    /// Accept loops, and answers to connections that were given no seat.
    pub(crate) doormen: TaskTracker,
}

impl House {
    pub(crate) fn new(
        service: Arc<dyn AnyService>,
        limits: Limits,
        loops: usize,
        handle: &ServerHandle,
    ) -> Arc<Self> {
        let ServerHandle {
            roster,
            stopping,
            stopped,
            doormen,
        } = handle.clone();
        // Each accept loop holds one permit while it waits, so all loops but one are given theirs on top.
        let waiting = limits
            .waiting
            .saturating_add(loops)
            .saturating_sub(1)
            .min(Semaphore::MAX_PERMITS);
        let lobby = Arc::new(Semaphore::new(waiting));
        let turned_away = Arc::new(Semaphore::new(Limits::TURNED_AWAY));
        Arc::new(Self {
            service,
            limits,
            roster,
            lobby,
            turned_away,
            stopping,
            stopped,
            doormen,
        })
    }
}

/// One connection's access to its server, moved along from the accept loop to whoever serves the connection.
pub(crate) struct Entrance {
    pub(crate) house: Arc<House>,
    pub(crate) peer: PeerInfo,
    /// The connection counts as open as long as this lives.
    pub(crate) seat: Seat,
}

impl Entrance {
    /// What should become of this request? Judges what the service may not: a stopping server takes no upgrade, a
    /// panic is a 500, and an upgrade attempt is never served as plain HTTP.
    pub(crate) async fn judge(&self, request: &RequestHead) -> Outcome {
        if self.house.stopping.is_cancelled() {
            return Outcome::from(HandshakeError::Stopping);
        }
        let Some(outcome) = catch_panic(self.house.service.call(request, &self.peer)).await else {
            return Outcome::Respond(one_line(StatusCode::INTERNAL_SERVER_ERROR, "The service failed."));
        };
        match outcome {
            Outcome::Upgrade(_) if self.house.stopping.is_cancelled() => {
                Outcome::from(HandshakeError::Stopping)
            }
            Outcome::Handover if is_upgrade_attempt(request.request().headers()) => {
                Outcome::Respond(one_line(StatusCode::NOT_FOUND, "There is no WebSocket here."))
            }
            outcome => outcome,
        }
    }

    /// Runs an upgraded connection in a fresh task, so that nothing of the handshake stays in memory beside it.
    pub(crate) fn upgraded(self, upgrade: Upgrade, io: Io, leftover: BytesMut, request: RequestHead) {
        let Self { house, peer, seat } = self;
        let Upgrade {
            accepted,
            config,
            registration,
            run,
        } = upgrade;
        seat.set_signal(registration.signal());
        let number = seat.number();
        let registered = registration.place();
        let negotiated = accepted.negotiated;
        let connection = run(Upgraded {
            io,
            leftover,
            negotiated,
            request,
            config,
            peer,
            registration,
        });
        let task = tokio::spawn(async move {
            // Freed last, so that an open seat means a connection that is not finished.
            let _seat = seat;
            connection.await;
        });
        house.roster.set_task(number, task.abort_handle());
        registered.set_task(task.abort_handle());
    }

    /// Lets the service serve a plain connection in a fresh task.
    pub(crate) fn hand_over(self, io: Io, read: BytesMut) {
        let house = Arc::clone(&self.house);
        let number = self.seat.number();
        let service = Arc::clone(&house.service);
        let connection = PlainConnection::new(io, read, self);
        let task = tokio::spawn(async move { service.handover(connection).await });
        house.roster.set_task(number, task.abort_handle());
    }

    /// Cancelled when the server begins to stop.
    #[cfg(feature = "hyper")]
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.house.stopping.clone()
    }

    /// Waits until the server begins to stop.
    pub(crate) async fn stopping(&self) {
        self.house.stopping.cancelled().await;
    }
}

/// Polls a future to its end. `None`: it panicked.
pub(crate) async fn catch_panic<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // After a panic the future is only dropped, and nothing else of it is ever looked at: hence unwind safe.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
