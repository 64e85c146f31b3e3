//! The test server: the test subprotocols on every path, a page or files for everything else.
//!
//! Here: [`TestServer`], its options, and which connection gets which endpoint. Not here: what the endpoints do
//! (`echo/`), plain HTTP (`docroot`), the command line (`cli/server`).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use ws_handler::{
    ExtensionRegistry, HyperService, OriginPolicy, Server, ServerHandle, ServerHandshake, StopSummary,
    WebSocketFactory, lent_read_buffers,
};
use ws_proto::{Config, DeflateConfig, Delivery, UNLIMITED};
use ws_servlet::{Endpoint, Opening, Route, Selected, Sessions, WebSocketServlet};

use crate::docroot::Docroot;
use crate::echo::{
    AssembleEcho, Broadcast, FragmentEcho, FrameEcho, Group, Observed, Panicking, Silent, TOPIC,
};
use crate::every_path::EveryPath;
use crate::gauges::ServerGauges;
use crate::observation::{Observation, Observer};
use crate::protocol::Protocol;

/// Bytes of the largest frame and message by default: what test suites send, and no more than a test machine has.
const LARGEST: usize = 16 << 20;

/// Bytes that a member of the broadcast group may be behind by default before it is closed with 1013: a few of the
/// largest messages, since publishing never waits for anybody.
const BEHIND: usize = 4 * LARGEST;

/// Frames of one message by default: what test suites send, empty ones included.
const FRAGMENTS: usize = 131_072;

/// Connections that may wait in the kernel: as many as the server lets wait itself.
const BACKLOG: u32 = 1024;

/// A running test server, for anybody's tests. Dropped inside a runtime, it stops at once.
///
/// ```
/// # async fn test() -> std::io::Result<()> {
/// use ws_testkit::{Protocol, TestServer};
///
/// let server = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Assemble).start().await?;
/// let url = format!("ws://{}/", server.local_addr());
/// // ... connect to `url` ...
/// server.stop(std::time::Duration::from_secs(1)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    handle: ServerHandle,
    factory: WebSocketFactory,
    sessions: Sessions,
    group: Arc<Group>,
    runtime: tokio::runtime::Handle,
}

/// A test server that does not run yet.
#[derive(Clone)]
#[must_use = "nothing listens until `start` is awaited"]
pub struct TestServerBuilder {
    address: String,
    config: Config,
    default_protocol: Protocol,
    origins: OriginPolicy,
    deflate: Option<DeflateConfig>,
    docroot: Option<PathBuf>,
    observer: Option<Observer>,
    panics: bool,
    send_buffer: Option<u32>,
    server: Server,
}

impl TestServer {
    /// A server for an address such as `127.0.0.1:0`, `localhost:8080` or `[::1]:0`. Port 0 takes any free one.
    pub fn bind(address: impl fmt::Display) -> TestServerBuilder {
        TestServerBuilder {
            address: address.to_string(),
            config: Self::default_config(),
            default_protocol: Protocol::Silent,
            origins: OriginPolicy::any(),
            deflate: None,
            docroot: None,
            observer: None,
            panics: false,
            send_buffer: None,
            server: Server::new(),
        }
    }

    /// The limits and timeouts of a test server's connections: those of [`Config::server`], except that frames
    /// and messages may have 16 MiB, a message 131,072 frames, a broadcast queue 64 MiB, and that peers may send
    /// pings without limit.
    #[must_use]
    pub fn default_config() -> Config {
        let mut config = Config::server();
        config.limits.max_frame_size = LARGEST;
        config.limits.max_message_size = LARGEST;
        config.limits.max_fragments = FRAGMENTS;
        config.limits.hard_queue = BEHIND;
        config.limits.ping_budget = None;
        config
    }

    /// The address that is listened on, with the port that was chosen.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open: waiting for a request, plain HTTP and WebSocket together.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.handle.open_connections()
    }

    /// What the server holds at this moment. It looks at every session, and at /proc where there is one: for a look
    /// now and then.
    #[must_use]
    pub fn gauges(&self) -> ServerGauges {
        let hits = self.factory.limit_hits();
        let gauges = ServerGauges {
            connections: self.handle.open_connections() as u64,
            websockets: self.factory.open_connections() as u64,
            sessions: self.sessions.open() as u64,
            topics: self.sessions.hub().topics() as u64,
            subscribers: self.sessions.hub().subscribers(TOPIC) as u64,
            queued_bytes: self.sessions.queued_bytes() as u64,
            read_buffers: lent_read_buffers() as u64,
            tasks: self.runtime.metrics().num_alive_tasks() as u64,
            opened: self.sessions.opened(),
            closed_as_slow: self.group.closed_as_slow(),
            unfinished_bytes: self.factory.unfinished_input() as u64,
            pong_timeouts: hits.pong,
            write_stalls: hits.write_stall,
            turns: hits.turns,
            turned_away: self.handle.limit_hits().connections,
            ..ServerGauges::default()
        };
        gauges.with_process()
    }

    /// Takes no more connections, closes those that are open with 1001, and drops what has not closed when
    /// `timeout` is over.
    ///
    /// Cancel safety: the stop has begun with the first poll and goes on if the future is dropped.
    pub async fn stop(&self, timeout: Duration) -> StopSummary {
        self.handle.shutdown(timeout).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Outside a runtime there is nothing left that could serve.
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(self.handle.shutdown(Duration::ZERO));
        }
    }
}

impl TestServerBuilder {
    /// Limits and timeouts of every connection; default: [`TestServer::default_config`]. The limits of messages
    /// (size, frames, time as a whole) do not concern `test-echo`, which holds no message.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What connections do that offer no subprotocol; the answer names none all the same. Default: silent.
    pub fn default_protocol(mut self, protocol: Protocol) -> Self {
        self.default_protocol = protocol;
        self
    }

    /// From which origins upgrades are accepted. Default: any, which suits a test server and no other.
    pub fn origins(mut self, origins: OriginPolicy) -> Self {
        self.origins = origins;
        self
    }

    /// Agrees to permessage-deflate (RFC 7692) on these terms. Default: does not.
    pub fn deflate(mut self, config: DeflateConfig) -> Self {
        self.deflate = Some(config);
        self
    }

    /// Serves the files of a directory instead of the embedded page.
    pub fn docroot(mut self, directory: impl Into<PathBuf>) -> Self {
        self.docroot = Some(directory.into());
        self
    }

    /// Calls `observer` for each open, frame, message and close. It runs in the connection's task: while it does
    /// not return, that worker's connections wait.
    pub fn observe(mut self, observer: impl Fn(&Observation<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Whether there is an endpoint that panics at the first message, under the subprotocol `ws-testkit-panic`: for
    /// tests of what a panic in a callback costs (its own connection only, 1011). Default no.
    pub fn panics(mut self, panics: bool) -> Self {
        self.panics = panics;
        self
    }

    /// Bytes that the kernel may hold for a peer that does not read; it takes twice as many. Default: the system's, which
    /// grows to some megabytes. For tests of slow readers; not with several workers.
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Single-threaded workers that share the port (Unix only). Default 1: the caller's runtime serves.
    pub fn workers(mut self, workers: usize) -> Self {
        self.server = self.server.workers(workers);
        self
    }

    /// Most connections at once, plain HTTP included; more are answered with 503. Default: what the process may
    /// open, less 256.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.server = self.server.connection_limit(connections);
        self
    }

    /// Time for a new connection to send its whole request head; after that, 408. Default 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.server = self.server.head_timeout(timeout);
        self
    }
}

impl TestServerBuilder {
    /// Listens, and serves in a task of its own.
    ///
    /// Cancel safe: nothing listens then.
    ///
    /// # Errors
    ///
    /// When the address cannot be resolved or bound; [`io::ErrorKind::Unsupported`] for several workers where
    /// ports cannot be shared.
    pub async fn start(self) -> io::Result<TestServer> {
        let Self {
            address,
            config,
            default_protocol,
            origins,
            deflate,
            docroot,
            observer,
            panics,
            send_buffer,
            server,
        } = self;
        let extensions = deflate.map_or_else(ExtensionRegistry::new, |deflate| {
            ExtensionRegistry::new().with(deflate)
        });
        let handshake = ServerHandshake::new().origin(origins).extensions(extensions);
        let factory = WebSocketFactory::new(handshake, config.clone());
        let group = Group::new(config.limits.hard_queue);
        let mut choice = Choice::new(default_protocol, observer, config, Arc::clone(&group));
        choice.panics = panics;
        let servlet = WebSocketServlet::builder()
            .factory(factory.clone())
            .route(
                "/",
                Route::choosing(move |opening, subprotocol| Ok(choice.choose(opening, subprotocol))),
            )
            .build()
            .map_err(io::Error::other)?;
        let sessions = servlet.sessions().clone();
        let service = servlet.next(HyperService::from_tower(Docroot::new(docroot)));
        let server = match send_buffer {
            None => server.bind(&address).await?,
            Some(bytes) => server.listen(listen(&address, bytes).await?),
        };
        let (address, handle) = (server.local_addr()?, server.handle());
        tokio::spawn(server.serve(EveryPath(service)));
        Ok(TestServer {
            address,
            handle,
            factory,
            sessions,
            group,
            runtime: tokio::runtime::Handle::current(),
        })
    }
}

/// Listens on the first address that works. Who is accepted inherits the listener's send buffer.
async fn listen(address: &str, send_buffer: u32) -> io::Result<TcpListener> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host(address).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // As `TcpListener::bind` does: a port whose last connections linger can be had again.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(send_buffer)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Which connection gets which endpoint.
struct Choice {
    default_protocol: Protocol,
    observer: Option<Observer>,
    panics: bool,
    connections: AtomicU64,
    group: Arc<Group>,
    config: Arc<Config>,
    /// For `test-echo`, which assembles nothing: no limit for what it never holds.
    echo_config: Arc<Config>,
}

impl Choice {
    fn new(
        default_protocol: Protocol,
        observer: Option<Observer>,
        config: Config,
        group: Arc<Group>,
    ) -> Self {
        let mut echo_config = config.clone().with_delivery(Delivery::Fragment);
        echo_config.limits.max_message_size = UNLIMITED;
        echo_config.limits.max_fragments = UNLIMITED;
        Self {
            default_protocol,
            observer,
            panics: false,
            connections: AtomicU64::new(0),
            group,
            config: Arc::new(config),
            echo_config: Arc::new(echo_config),
        }
    }

    /// Asked for each subprotocol that is offered, in the client's order, and at last for none.
    fn choose(&self, opening: &Opening<'_>, subprotocol: Option<&str>) -> Option<Selected> {
        let protocol = match subprotocol {
            Some(Panicking::NAME) if self.panics => {
                return Some(self.select(Protocol::Silent, Panicking));
            }
            Some(name) => Protocol::from_subprotocol(name)?,
            // What was offered and is not known is no reason to guess.
            None if opening.head().offers_subprotocols() => Protocol::Silent,
            None => self.default_protocol,
        };
        Some(match protocol {
            Protocol::Echo => self
                .select(protocol, FrameEcho::new())
                .config(Arc::clone(&self.echo_config)),
            Protocol::Broadcast => self.select(protocol, Broadcast::new(&self.group, false)),
            Protocol::BroadcastPing => self.select(protocol, Broadcast::new(&self.group, true)),
            Protocol::Assemble => self.select(protocol, AssembleEcho),
            Protocol::Fragment => self.select(protocol, FragmentEcho),
            Protocol::Silent => self.select(protocol, Silent),
        })
    }

    /// The endpoint, wrapped if somebody wants to know what happens on it.
    fn select<E: Endpoint + Sync>(&self, protocol: Protocol, endpoint: E) -> Selected {
        let selected = match &self.observer {
            None => Selected::new(endpoint),
            Some(observer) => {
                let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
                Selected::new(Observed::new(
                    endpoint,
                    protocol,
                    connection,
                    Arc::clone(observer),
                ))
            }
        };
        selected.config(Arc::clone(&self.config))
    }
}
