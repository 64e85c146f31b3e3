//! The accept loop.
//!
//! Here: [`Listener`], where connections come from, and [`accept_until_stopped`]. Not here: what happens to a
//! connection then (`connection`), how long to pause after an error (`back_off`).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::back_off::BackOff;
use super::connection::{open, turn_away};
use super::course::Course;
use super::entrance::Entrance;
use super::house::House;
use super::peer::PeerInfo;
use super::service::Host;
use crate::error::HandshakeError;
use crate::hits::Limit;
use crate::io::Io;

/// At most this many connections that lay in the kernel's queue when the server stopped are told so.
const LAST_CALLERS: usize = 1024;

/// Where connections come from: a TCP listener, or anything else that yields streams.
pub trait Listener: Send + 'static {
    /// Waits for the next connection. Must be cancel safe: a dropped future loses no connection.
    ///
    /// # Errors
    ///
    /// The server pauses after an error (5 ms, doubling up to 1 s) and tries again; it passes over those that only
    /// concern the connection that would have been accepted.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Io, PeerInfo)>> + Send;

    /// The address that is listened on.
    ///
    /// # Errors
    ///
    /// When there is none.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl Listener for TcpListener {
    async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
        let (stream, remote) = Self::accept(self).await?;
        let local = stream.local_addr().ok();
        Ok((Io::from(stream), PeerInfo::new(Some(remote), local)))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

/// Accepts until the server stops, then closes the listener.
pub(crate) async fn accept_until_stopped<L: Listener>(
    mut listener: L,
    house: Arc<House>,
    host: Arc<dyn Host>,
) {
    let _doorman = house.doormen.token();
    let mut back_off = BackOff::default();
    loop {
        // Before the accept, not after it: a full lobby leaves newcomers in the kernel's queue.
        if house.lobby.available_permits() == 0 {
            house.hits.count(Limit::Waiting);
        }
        let Some(permit) = until_stopped(&house, Arc::clone(&house.lobby).acquire_owned()).await else {
            break;
        };
        let Ok(permit) = permit else { break };
        let Some(accepted) = until_stopped(&house, listener.accept()).await else {
            break;
        };
        match accepted {
            Ok((io, peer)) => {
                back_off.handle_success();
                admit(&house, &host, io, peer, permit);
            }
            Err(error) => {
                let Some(pause) = back_off.handle_error(&error) else {
                    continue;
                };
                house.hits.count(Limit::Accept);
                tracing::warn!(%error, ?pause, "cannot accept connections");
                if until_stopped(&house, sleep(pause)).await.is_none() {
                    break;
                }
            }
        }
    }
    turn_away_last_callers(&mut listener, &house).await;
}

async fn until_stopped<T>(house: &House, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = house.stopping.cancelled() => None,
        output = future => Some(output),
    }
}

/// Gives a connection a seat and a task, or turns it away.
fn admit(house: &Arc<House>, host: &Arc<dyn Host>, io: Io, peer: PeerInfo, permit: OwnedSemaphorePermit) {
    let accepted = Instant::now();
    // Not worth losing the connection: without it, output is only later.
    let _delayed = io.set_nodelay(true);
    let Some(seat) = house.roster.admit(house.limits.connections) else {
        house.hits.count(Limit::Connections);
        return refuse_seat(house, io, HandshakeError::TooManyConnections);
    };
    let number = seat.number();
    let entrance = Entrance {
        house: Arc::clone(house),
        peer,
        seat,
    };
    let opening = Box::pin(open(entrance, Arc::clone(host), io, permit, accepted));
    let task = tokio::spawn(Course::Opening(opening));
    house.roster.set_first_task(number, task.abort_handle());
}

/// Answers 503 without reading the request, or drops the connection when too many are being answered already.
fn refuse_seat(house: &Arc<House>, io: Io, why: HandshakeError) {
    match Arc::clone(&house.turned_away).try_acquire_owned() {
        Ok(permit) => {
            house.doormen.spawn(turn_away(Arc::clone(house), io, why, permit));
        }
        Err(_) => house.hits.count(Limit::Unanswered),
    }
}

/// Those that the kernel accepted before the stop deserve an answer too; closing the listener would reset them.
async fn turn_away_last_callers<L: Listener>(listener: &mut L, house: &Arc<House>) {
    for _ in 0..LAST_CALLERS {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = std::future::ready(()) => return,
        };
        match accepted {
            Ok((io, _)) => refuse_seat(house, io, HandshakeError::Stopping),
            Err(_) => return,
        }
    }
}
