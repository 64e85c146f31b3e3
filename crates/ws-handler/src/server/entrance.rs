//! The way from a request to a WebSocket, the same for the first request of a connection and for later ones.
//!
//! Here: [`Entrance`], one connection's access to its server: ask the service, and make an upgraded connection
//! ([`Switched`]). Not here: its task (`course`), reading requests and writing answers (`connection` for the first
//! request, `hyper_upgrade` for later ones).

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use http::StatusCode;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::house::House;
use super::outcome::{ConnectionFuture, Outcome, Upgrade, Upgraded, one_line};
use super::peer::PeerInfo;
use crate::error::HandshakeError;
use crate::factory::Place;
use crate::http1::RequestHead;
use crate::io::Io;
use crate::roster::Seat;

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
        let Some(outcome) = catch_panic(self.house.judge.judge(request, &self.peer)).await else {
            return Outcome::Respond(one_line(StatusCode::INTERNAL_SERVER_ERROR, "The service failed."));
        };
        match outcome {
            Outcome::Upgrade(_) if self.house.stopping.is_cancelled() => {
                Outcome::from(HandshakeError::Stopping)
            }
            Outcome::Handover if request.is_upgrade_attempt() => {
                Outcome::Respond(one_line(StatusCode::NOT_FOUND, "There is no WebSocket here."))
            }
            outcome => outcome,
        }
    }

    /// Makes an upgraded connection, which owns its seat from now on.
    pub(crate) fn upgraded(
        self,
        upgrade: Upgrade,
        io: Io,
        leftover: BytesMut,
        request: RequestHead,
    ) -> Switched {
        let Self { peer, seat, .. } = self;
        let Upgrade {
            accepted,
            config,
            mut registration,
            run,
        } = upgrade;
        seat.set_signal(registration.signal());
        #[cfg(feature = "hyper")]
        let seated = Place::of(&seat);
        let registered = registration.place();
        registration.keep(seat);
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
        Switched {
            connection,
            registered,
            #[cfg(feature = "hyper")]
            seated,
        }
    }

    /// The task that was named for the seat of this connection.
    pub(crate) async fn task(&self) -> Option<AbortHandle> {
        self.house.roster.task(self.seat.number()).await
    }

    /// Cancelled when the server begins to stop.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.house.stopping.clone()
    }

    /// Waits until the server begins to stop.
    pub(crate) async fn stopping(&self) {
        self.house.stopping.cancelled().await;
    }
}

/// An upgraded connection that does not run yet.
#[must_use = "a connection that does not run is dropped"]
pub(crate) struct Switched {
    connection: ConnectionFuture,
    /// Its place among the connections of its factory.
    registered: Place,
    /// Its place among those of the server.
    #[cfg(feature = "hyper")]
    seated: Place,
}

impl Switched {
    /// The connection, to be run by the task that its seat belongs to already ([`Entrance::task`]).
    pub(crate) fn run_by(self, task: Option<AbortHandle>) -> ConnectionFuture {
        if let Some(task) = task {
            self.registered.set_task(task);
        }
        self.connection
    }

    /// Runs the connection in a fresh task, where the one it comes from has more in memory than its future.
    #[cfg(feature = "hyper")]
    pub(crate) fn in_a_fresh_task(self) {
        let task = tokio::spawn(self.connection);
        self.seated.set_task(task.abort_handle());
        self.registered.set_task(task.abort_handle());
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
