//! What all connections and all workers of one server share.
//!
//! Here: [`House`], and [`Judge`], its view of the service. Not here: one connection's part of it (`entrance`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handle::ServerHandle;
use super::options::Limits;
use super::outcome::Outcome;
use super::peer::PeerInfo;
use crate::hits::Hits;
use crate::http1::RequestHead;
use crate::roster::Roster;

/// The future of a [`Judge`].
pub(crate) type Judgement<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// [`Service::call`](super::Service::call) without generics.
pub(crate) trait Judge: Send + Sync {
    fn judge<'a>(&'a self, request: &'a RequestHead, peer: &'a PeerInfo) -> Judgement<'a>;
}

/// What all connections and all workers of one server share.
pub(crate) struct House {
    pub(crate) judge: Arc<dyn Judge>,
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
    /// How often each limit was hit.
    pub(crate) hits: Arc<Hits>,
}

impl House {
    pub(crate) fn new(
        judge: Arc<dyn Judge>,
        limits: Limits,
        loops: usize,
        handle: &ServerHandle,
    ) -> Arc<Self> {
        let ServerHandle {
            roster,
            stopping,
            stopped,
            doormen,
            hits,
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
            judge,
            limits,
            roster,
            lobby,
            turned_away,
            stopping,
            stopped,
            doormen,
            hits,
        })
    }
}
