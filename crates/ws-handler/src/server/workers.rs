//! Several single-threaded runtimes on one port.
//!
//! Here: their listeners (SO_REUSEPORT) and their threads. Not here: what a worker does (`accept`); it is the same
//! as on a runtime of the caller.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::house::House;
use super::listen::serve_listener;
use super::service::Host;

/// The length of the kernel's queue of each listener; the kernel cuts it to its own limit.
#[cfg(unix)]
const BACKLOG: i32 = 1024;

/// How long a worker may take to notice that the stop is complete.
const LAST_TURN: Duration = Duration::from_secs(1);

/// One listener per worker, all on the first of `addresses` that works; port 0 is chosen once.
#[cfg(unix)]
pub(crate) fn listen(addresses: &[SocketAddr], workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the address has no IP address");
    for address in addresses {
        match listen_on(*address, workers) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(unix)]
fn listen_on(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    if address.port() != 0 {
        // SO_REUSEPORT would let another program of the same user share its port with us, and nobody would notice.
        drop(bind(address, false)?);
    }
    let first = bind(address, true)?;
    let address = first
        .local_addr()?
        .as_socket()
        .ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(bind(address, true)?);
    }
    sockets.into_iter().map(listen_with).collect()
}

#[cfg(unix)]
fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(unix)]
fn listen_with(socket: Socket) -> io::Result<std::net::TcpListener> {
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Where ports cannot be shared, several workers are refused rather than served by one in secret.
#[cfg(not(unix))]
pub(crate) fn listen(_: &[SocketAddr], _: usize) -> io::Result<Vec<std::net::TcpListener>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "several workers need SO_REUSEPORT, which this system lacks",
    ))
}

/// Runs one worker per listener until the server has stopped, or no worker is left.
pub(crate) async fn run(listeners: Vec<std::net::TcpListener>, house: &Arc<House>, host: &Arc<dyn Host>) {
    let ends: Vec<_> = listeners
        .into_iter()
        .enumerate()
        .filter_map(|(number, listener)| start(number, listener, Arc::clone(house), Arc::clone(host)))
        .collect();
    let all_ended = async {
        for end in ends {
            // Resolves when the worker drops its side; nothing is ever sent.
            let _ended = end.await;
        }
    };
    // A worker that is stuck in a callback which never returns cannot be ended, so it is not waited for.
    let stuck = async {
        house.stopped.cancelled().await;
        sleep(LAST_TURN).await;
    };
    tokio::select! {
        () = all_ended => {}
        () = stuck => {}
    }
}

/// Starts one worker. The receiver resolves when it has ended.
fn start(
    number: usize,
    listener: std::net::TcpListener,
    house: Arc<House>,
    host: Arc<dyn Host>,
) -> Option<oneshot::Receiver<Infallible>> {
    let (ended, end) = oneshot::channel();
    let spawned = thread::Builder::new()
        .name(format!("ws-worker-{number}"))
        .spawn(move || {
            if let Err(error) = work(listener, house, host) {
                tracing::error!(number, %error, "a worker cannot run");
            }
            drop(ended);
        });
    match spawned {
        Ok(_) => Some(end),
        Err(error) => {
            tracing::error!(number, %error, "cannot start a worker");
            None
        }
    }
}

/// One worker's thread: serves its listener, then keeps its connections running until the stop is complete.
fn work(listener: std::net::TcpListener, house: Arc<House>, host: Arc<dyn Host>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let stopped = house.stopped.clone();
        serve_listener(listener, house, host).await;
        stopped.cancelled().await;
        Ok(())
    })
}
