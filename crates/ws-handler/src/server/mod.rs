//! The server: accept connections, read their first request, and make of it what the service says.
//!
//! Here: [`Server`], the options, [`BoundServer`], a server about to run, and [`ServerHandle`], which stops it. The
//! stages are files of their own, lowest first below. Not here: the judgement of handshakes (`handshake`), the
//! WebSocket conversation (`socket`), plain HTTP (`hyper_upgrade`).

// 1: small things that stand alone
mod at_once;
mod back_off;
mod handle;
mod linger;
mod options;
mod peer;

// 2: what is answered
mod outcome;

// 3: what connections share
mod house;

// 4: one connection's part of it, and its task
mod course;
mod entrance;

// 5: plain HTTP
mod plain;

// 6: what is asked
mod service;

// 7: the first request
mod connection;

// 8: accepting
mod accept;

// 9: accepting from TCP
#[cfg(target_os = "linux")]
mod queue;

// 10: which of them
mod listen;

// 11: several threads
mod workers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};

pub use self::accept::Listener;
pub use self::handle::ServerHandle;
pub use self::outcome::{ConnectionFuture, Outcome, Upgrade, Upgraded};
pub use self::peer::PeerInfo;
pub use self::plain::PlainConnection;
pub use self::service::{NoService, Service};

use self::house::{House, Judge};
use self::listen::serve_listener;
use self::options::Limits;
use self::service::Host;
use crate::http1::HeadLimits;
use crate::roster::StopSummary;

#[cfg(feature = "hyper")]
pub(crate) use self::{
    connection::carry_out,
    entrance::{Entrance, catch_panic},
    linger::linger,
    outcome::one_line,
    plain::Rewound,
};

/// Serves one service on one listener until it is stopped, with default limits: `Server::new().listen(listener)` and
/// [`BoundServer::serve`].
/// [`BoundServer::serve`] tells what happens when it is dropped (cancel safety).
pub async fn serve(listener: impl Listener, service: impl Service) -> StopSummary {
    Server::new().listen(listener).serve(service).await
}

/// The options of a server.
///
/// | option | default |
/// |---|---|
/// | [`workers`](Self::workers) | 1: the runtime that calls `serve` |
/// | [`connection_limit`](Self::connection_limit) | what the process may open less 256 (no limit on Windows) |
/// | [`waiting_limit`](Self::waiting_limit) | 1,024 |
/// | [`head_limits`](Self::head_limits) | 16 KiB, request line 8 KiB, 100 headers |
/// | [`head_timeout`](Self::head_timeout) | 10 s |
/// | [`upgrade_timeout`](Self::upgrade_timeout) | 15 s |
#[derive(Debug, Clone, Default)]
#[must_use = "a server does nothing until `bind` or `listen`, and `serve`"]
pub struct Server {
    limits: Limits,
    workers: usize,
}

impl Server {
    /// A server with the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many single-threaded runtimes serve, each in a thread of its own with a listener of its own on the same
    /// port (SO_REUSEPORT). 0 and 1, the default: none, the runtime that calls [`BoundServer::serve`] serves.
    ///
    /// Service, limits and shutdown span all workers. The kernel spreads connections by address and port, so a
    /// single client address is spread too. Only for [`bind`](Self::bind), and only on Unix.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The largest number of open connections, plain HTTP included. Default: the number of files the process may
    /// open, read when the options are made, less 256. One more is answered with 503 and closed (and without the
    /// answer when 64 are being answered so at the moment).
    pub fn connection_limit(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// The largest number of connections that have not been answered yet, over all workers. Default: 1,024; at
    /// least 1. While it is reached nothing is accepted; newcomers wait in the kernel's queue.
    pub fn waiting_limit(mut self, connections: usize) -> Self {
        self.limits.waiting = connections.max(1);
        self
    }

    /// How large the head of a connection's first request may be. Default: 16 KiB in all, of that 8 KiB for the request
    /// line, and 100 headers. Above them: 431, or 414 for the request line.
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.limits.head = limits;
        self
    }

    /// How long a peer may take, from accept, to send the head of its first request. Default: 10 s. After that it is
    /// answered with 408, or dropped if it has sent nothing at all.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.limits.head_timeout = timeout;
        self
    }

    /// How long it may take, from accept, until the first request is answered with an upgrade or a refusal, whatever
    /// the service does. Default: 15 s. After that: 503.
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.limits.upgrade_timeout = timeout;
        self
    }

    /// Listens on an address: the first of `address` that works. Port 0 takes any free port, the same for all
    /// workers.
    ///
    /// Cancel safe: nothing listens then.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound; [`io::ErrorKind::Unsupported`] for several workers where there is no
    /// SO_REUSEPORT.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<BoundServer> {
        if self.workers <= 1 {
            return Ok(self.listen(TcpListener::bind(address).await?));
        }
        let addresses: Vec<_> = tokio::net::lookup_host(address).await?.collect();
        let listeners = workers::listen(&addresses, self.workers)?;
        Ok(BoundServer::new(self.limits, Source::Workers(listeners)))
    }

    /// Serves on a listener of yours, on the runtime that calls `serve`.
    pub fn listen<L: Listener>(self, listener: L) -> BoundServer<L> {
        BoundServer::new(self.limits, Source::Here(listener))
    }
}

/// A server that listens but does not accept yet.
#[must_use = "nothing is accepted until `serve` is awaited"]
pub struct BoundServer<L = TcpListener> {
    limits: Limits,
    source: Source<L>,
    handle: ServerHandle,
}

enum Source<L> {
    Here(L),
    Workers(Vec<std::net::TcpListener>),
}

impl<L: Listener> BoundServer<L> {
    fn new(limits: Limits, source: Source<L>) -> Self {
        Self {
            limits,
            source,
            handle: ServerHandle::new(),
        }
    }

    /// The address that is listened on, with the port that was chosen.
    ///
    /// # Errors
    ///
    /// When the listener has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.source {
            Source::Here(listener) => listener.local_addr(),
            Source::Workers(listeners) => match listeners.first() {
                Some(listener) => listener.local_addr(),
                None => Err(io::ErrorKind::NotConnected.into()),
            },
        }
    }

    /// A handle to stop the server with, and to count its connections.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Accepts and serves until [`ServerHandle::shutdown`] has stopped the server.
    ///
    /// Connections run in tasks of their own. Cancel safety: if this future is dropped, nothing more is accepted on
    /// this runtime, and open connections go on. [Workers](Server::workers) have runtimes of their own: once they have
    /// started, with the first poll, they accept until [`ServerHandle::shutdown`].
    pub async fn serve(self, service: impl Service) -> StopSummary {
        let Self {
            limits,
            source,
            handle,
        } = self;
        let service = Arc::new(service);
        let judge: Arc<dyn Judge> = Arc::clone(&service) as _;
        let host: Arc<dyn Host> = service;
        match source {
            Source::Here(listener) => {
                let house = House::new(judge, limits, 1, &handle);
                serve_listener(listener, house, host).await;
            }
            Source::Workers(listeners) => {
                let house = House::new(judge, limits, listeners.len(), &handle);
                workers::run(listeners, &house, &host).await;
            }
        }
        handle.ended().await
    }
}
