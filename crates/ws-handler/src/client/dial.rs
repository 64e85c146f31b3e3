//! From a host's name to a TCP connection: every address gets its turn.
//!
//! RFC 6455 §4.1 item 2 of the requirements on connecting; RFC 8305 (the order, and how long one address may hold
//! up the next).

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::ConnectError;
use crate::url::WebSocketUrl;

/// RFC 8305 §5: "a recommended value for a default delay is 250 milliseconds".
const STAGGER: Duration = Duration::from_millis(250);

/// Opens TCP to the first address that answers. The caller keeps the deadline.
///
/// Cancel safe: dropped, it closes whatever it had begun.
pub(super) async fn dial(url: &WebSocketUrl, bind: Option<IpAddr>) -> Result<TcpStream, ConnectError> {
    let found = lookup_host((url.host(), url.port()))
        .await
        .map_err(ConnectError::Resolve)?;
    let addresses = in_turn(found.collect());
    if addresses.is_empty() {
        return Err(ConnectError::Resolve(io::ErrorKind::NotFound.into()));
    }
    race(addresses, move |address| open(address, bind))
        .await
        .map_err(ConnectError::Tcp)
}

async fn open(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(own) = bind {
        if own.is_ipv4() != address.is_ipv4() {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "not of the bind address's family",
            ));
        }
        socket.bind(SocketAddr::new(own, 0))?;
    }
    socket.connect(address).await
}

/// RFC 8305 §4: the families take turns, beginning with the one that the resolver put first.
fn in_turn(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = found
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let mut turns = Vec::with_capacity(one.len() + other.len());
    while let Some(address) = one.pop_front() {
        turns.push(address);
        std::mem::swap(&mut one, &mut other);
        if one.is_empty() {
            std::mem::swap(&mut one, &mut other);
        }
    }
    turns
}

/// Tries every address: the next one as soon as one fails, or when none has answered for a while, so that a silent
/// address cannot use up the time of a good one. The errors come in the order of failing.
async fn race<T, F, Fut>(addresses: Vec<SocketAddr>, open: F) -> Result<T, Vec<(SocketAddr, io::Error)>>
where
    T: Send + 'static,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let attempt = open(address);
            attempts.spawn(async move { (address, attempt.await) });
        }
        let next = if waiting.as_slice().is_empty() {
            Some(attempts.join_next().await)
        } else {
            timeout(STAGGER, attempts.join_next()).await.ok()
        };
        match next {
            // Dropping the set ends the other attempts.
            Some(Some(Ok((_, Ok(stream))))) => return Ok(stream),
            Some(Some(Ok((address, Err(error))))) => failed.push((address, error)),
            // An attempt that panicked has no address; the others go on.
            Some(Some(Err(_))) | None => {}
            Some(None) => return Err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let found = ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"]
            .map(address)
            .to_vec();
        assert_eq!(
            in_turn(found),
            ["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"].map(address)
        );
        let found = ["1.0.0.1:1", "[::1]:1", "[::2]:1", "1.0.0.2:1"]
            .map(address)
            .to_vec();
        assert_eq!(
            in_turn(found),
            ["1.0.0.1:1", "[::1]:1", "1.0.0.2:1", "[::2]:1"].map(address)
        );
        assert_eq!(in_turn(Vec::new()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_is_tried_and_every_error_told() {
        let addresses = ["1.0.0.1:1", "1.0.0.2:1", "1.0.0.3:1"].map(address).to_vec();
        let refuse = |_| async { Err::<(), _>(io::ErrorKind::ConnectionRefused.into()) };
        let failed = race(addresses.clone(), refuse).await.unwrap_err();
        assert_eq!(
            failed.iter().map(|(address, _)| *address).collect::<Vec<_>>(),
            addresses
        );
        let last_answers = |address: SocketAddr| async move {
            if address.ip().to_string() == "1.0.0.3" {
                Ok(address)
            } else {
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        assert_eq!(race(addresses.clone(), last_answers).await.unwrap(), addresses[2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_holds_up_the_next_for_a_moment_only() {
        let addresses = ["1.0.0.1:1", "1.0.0.2:1", "1.0.0.3:1"].map(address).to_vec();
        let begin = Instant::now();
        let only_last = |address: SocketAddr| async move {
            if address.ip().to_string() != "1.0.0.3" {
                std::future::pending::<()>().await;
            }
            Ok(address)
        };
        assert_eq!(race(addresses.clone(), only_last).await.unwrap(), addresses[2]);
        assert_eq!(begin.elapsed(), 2 * STAGGER);
        // One that answers late is still awaited while others are tried.
        let first_is_slow = |address: SocketAddr| async move {
            if address.ip().to_string() != "1.0.0.1" {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            sleep(4 * STAGGER).await;
            Ok(address)
        };
        assert_eq!(
            race(addresses.clone(), first_is_slow).await.unwrap(),
            addresses[0]
        );
    }
}
