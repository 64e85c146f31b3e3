//! The accept loop.
//!
//! Here: [`Listener`], where connections come from, and [`accept_until_stopped`]. Not here: what happens to a
//! connection then (`connection`), how long to pause after an error (`back_off`).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::at_once::at_once;
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

    /// Turns Nagle's algorithm off for all that is accepted from now on, if that is possible at the listener: then the
    /// server need not ask for it connection by connection. False, the default: it must.
    ///
    /// Called before the first accept. The server looks at the first connection whether it is so.
    fn set_nodelay(&self) -> bool {
        false
    }

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

    /// On Linux a connection inherits this from its listener.
    #[cfg(target_os = "linux")]
    fn set_nodelay(&self) -> bool {
        socket2::SockRef::from(self).set_tcp_nodelay(true).is_ok()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

/// Whether connections come without Nagle's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delay {
    /// The listener says so, and none has been looked at.
    SaidOff,
    Off,
    On,
}

impl Delay {
    fn of(listener: &impl Listener) -> Self {
        if listener.set_nodelay() {
            Self::SaidOff
        } else {
            Self::On
        }
    }

    /// Sees to it that what is written to `io` leaves at once.
    fn turn_off(&mut self, io: &Io) {
        if *self == Self::SaidOff {
            *self = match io.nodelay() {
                Ok(true) => Self::Off,
                _ => Self::On,
            };
        }
        if *self == Self::On {
            // Not worth losing the connection: without it, output is only later.
            let _delayed = io.set_nodelay(true);
        }
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
    let mut delay = Delay::of(&listener);
    loop {
        // Before the accept, not after it: a full lobby leaves newcomers in the kernel's queue.
        let Some(permit) = place_in_lobby(&house).await else {
            break;
        };
        let Some(accepted) = until_stopped(&house, listener.accept()).await else {
            break;
        };
        match accepted {
            Ok((io, peer)) => {
                back_off.handle_success();
                delay.turn_off(&io);
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

/// A place for one that has not been answered yet. `None`: the server stops.
async fn place_in_lobby(house: &House) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(&house.lobby).try_acquire_owned() {
        return Some(permit);
    }
    house.hits.count(Limit::Waiting);
    let permit = until_stopped(house, Arc::clone(&house.lobby).acquire_owned()).await?;
    permit.ok()
}

/// What comes of a future, unless the server stops, or has stopped.
async fn until_stopped<T>(house: &House, future: impl Future<Output = T>) -> Option<T> {
    if house.stopping.is_cancelled() {
        return None;
    }
    let mut future = pin!(future);
    if let Some(output) = at_once(future.as_mut()).await {
        return Some(output);
    }
    tokio::select! {
        biased;
        () = house.stopping.cancelled() => None,
        output = future => Some(output),
    }
}

/// Gives a connection a seat and a task, or turns it away.
fn admit(house: &Arc<House>, host: &Arc<dyn Host>, io: Io, peer: PeerInfo, permit: OwnedSemaphorePermit) {
    let accepted = Instant::now();
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

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::{Delay, Listener};

    #[tokio::test]
    async fn every_connection_is_without_delay_and_on_linux_none_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut listener = listener;
        let mut delay = Delay::of(&listener);
        for _ in 0..2 {
            let _near = TcpStream::connect(address).await.unwrap();
            let (io, _) = Listener::accept(&mut listener).await.unwrap();
            delay.turn_off(&io);
            assert!(io.nodelay().unwrap());
        }
        assert_eq!(delay == Delay::Off, cfg!(target_os = "linux"));
    }

    #[tokio::test]
    async fn a_listener_that_promises_too_much_is_found_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut delay = Delay::SaidOff;
        let _near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let io = stream.into();
        delay.turn_off(&io);
        assert!(io.nodelay().unwrap() && delay == Delay::On);
    }
}
