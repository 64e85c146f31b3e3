//! A server with the default limits on an in-memory network, and the leak line that ends every case.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use ws_handler::{
    ExtensionRegistry, Io, Listener, OriginPolicy, PeerInfo, Server, ServerHandle, ServerHandshake,
    WebSocketFactory,
};
use ws_proto::{Config, DeflateConfig, WindowBits};
use ws_servlet::Sessions;
use ws_testkit::{AttackOptions, AttackRun, RawFrame, RawPeer, Verdict};

use crate::endpoints::{Ends, routes};
use crate::{heap, log};

/// A good request for an upgrade at `/`.
pub(crate) const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Room in each direction of a connection: what a socket buffer of a busy server has.
const ROOM: usize = 64 * 1024;

/// Connections before anything is measured: as many pieces of memory of a kind are kept by a thread, and each shard of
/// the table of sessions has been used then.
pub(crate) const WARM_UP: usize = 64;

/// Streams of random bytes in F27, each played as often as the case is; ws-proto's own test has 10,000 of them.
const SEEDS: u64 = 1_000;

/// How often a case is played until it leaves nothing behind. After some 200 sessions more the table of sessions gives
/// memory back, shard by shard, and for a few plays that would hide that each leaves something.
const ATTEMPTS: usize = 40;

/// A time is compared with those that were so many before: tables and pools go up and down by some bytes from time to
/// time, which must not hide that each time leaves a few.
const APART: RangeInclusive<usize> = 2..=4;

/// For a case with thousands of connections, which takes seconds: a few bytes for each show from one time to the next.
pub(crate) const CROWD: RangeInclusive<usize> = 1..=4;

/// Who calls unless it is told otherwise.
const CALLER: &str = "192.0.2.7:1";

/// What the listener has next: a connection and where it comes from, or an error.
type Call = io::Result<(Io, SocketAddr)>;

struct Pipes(mpsc::UnboundedReceiver<Call>);

impl Listener for Pipes {
    async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
        match self.0.recv().await {
            Some(call) => call.map(|(io, caller)| (io, PeerInfo::new(Some(caller), None))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A server and the way to it.
pub(crate) struct Scene {
    pipes: mpsc::UnboundedSender<Call>,
    pub(crate) server: ServerHandle,
    pub(crate) factory: WebSocketFactory,
    pub(crate) sessions: Sessions,
    pub(crate) ends: Arc<Ends>,
}

/// What must be back at its level after a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    connections: usize,
    registered: usize,
    sessions: usize,
    topics: usize,
    unfinished: usize,
    queued: usize,
    tasks: usize,
    panics: usize,
}

impl Scene {
    /// With the defaults of a server.
    pub(crate) fn new() -> Self {
        Self::with(Config::server(), Server::new())
    }

    pub(crate) fn with(config: Config, server: Server) -> Self {
        Self::agreeing_to(ExtensionRegistry::new(), config, server)
    }

    /// With the defaults, and compression with its own.
    pub(crate) fn compressing() -> Self {
        Self::compressing_with(DeflateConfig::new().server_max_window_bits)
    }

    /// The same with another largest window for what the server sends (none: whatever the client can take).
    pub(crate) fn compressing_with(window: Option<WindowBits>) -> Self {
        let mut deflate = DeflateConfig::new();
        deflate.server_max_window_bits = window;
        let deflate = ExtensionRegistry::new().with(deflate);
        Self::agreeing_to(deflate, Config::server(), Server::new())
    }

    fn agreeing_to(extensions: ExtensionRegistry, config: Config, server: Server) -> Self {
        let handshake = ServerHandshake::new()
            .origin(OriginPolicy::same_origin())
            .extensions(extensions);
        let factory = WebSocketFactory::new(handshake, config);
        let ends = Arc::new(Ends::default());
        let servlet = routes(&ends).factory(factory.clone()).build().unwrap();
        let sessions = servlet.sessions().clone();
        let (pipes, receiver) = mpsc::unbounded_channel();
        let server = server.listen(Pipes(receiver));
        let handle = server.handle();
        tokio::spawn(server.serve(servlet));
        Self {
            pipes,
            server: handle,
            factory,
            sessions,
            ends,
        }
    }

    /// A connection on which nothing was sent.
    pub(crate) fn dial(&self) -> DuplexStream {
        self.dial_from(CALLER)
    }

    /// The same from this address.
    pub(crate) fn dial_from(&self, caller: &str) -> DuplexStream {
        let (near, far) = tokio::io::duplex(ROOM);
        self.call(Ok((Io::boxed(far), caller.parse().unwrap())));
        near
    }

    /// Hands any stream to the server.
    pub(crate) fn accept(&self, io: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static) {
        self.call(Ok((Io::boxed(io), CALLER.parse().unwrap())));
    }

    /// The next accept fails.
    pub(crate) fn fail_accept(&self, error: io::Error) {
        self.call(Err(error));
    }

    fn call(&self, call: Call) {
        assert!(self.pipes.send(call).is_ok(), "the server accepts");
    }

    /// An open connection.
    pub(crate) async fn open(&self, path: &str) -> RawPeer<DuplexStream> {
        self.open_from(CALLER, path).await
    }

    /// The same from this address.
    pub(crate) async fn open_from(&self, caller: &str, path: &str) -> RawPeer<DuplexStream> {
        let mut peer = RawPeer::new(self.dial_from(caller)).within(Duration::from_secs(120));
        peer.request_upgrade(&format!("ws://test{path}"), &[])
            .await
            .unwrap();
        peer
    }

    /// A good client is served.
    pub(crate) async fn serves(&self) {
        let mut peer = self.open("/").await;
        peer.send(&RawFrame::text("still there?").masked([1, 2, 3, 4]))
            .await
            .unwrap();
        peer.expect(&RawFrame::text("still there?")).await.unwrap();
        peer.send(&RawFrame::close(1000, "").masked([1, 2, 3, 4]))
            .await
            .unwrap();
        peer.expect_close(Some(1000)).await.unwrap();
        peer.expect_end().await.unwrap();
    }

    /// As many connections as a thread keeps memory for, each in the middle of a message at the same time: buffers that a
    /// case gives back later are then more than are kept. (The message is short, so that little is given up where a
    /// connection vanishes with what it was lent.)
    async fn fill_pools(&self) {
        let mask = [1, 2, 3, 4];
        let begin = RawFrame::binary("x").unfinished().masked(mask);
        let end = RawFrame::continuation("y").masked(mask);
        let mut peers = Vec::new();
        for _ in 0..WARM_UP {
            let mut peer = self.open("/").await;
            peer.send(&begin).await.unwrap();
            peers.push(peer);
        }
        for mut peer in peers {
            peer.send(&end).await.unwrap();
            peer.expect(&RawFrame::binary("xy")).await.unwrap();
            peer.send(&RawFrame::close(1000, "").masked(mask)).await.unwrap();
            peer.expect_close(Some(1000)).await.unwrap();
            peer.expect_end().await.unwrap();
        }
    }

    /// Plays `case` again and again and holds the leak line against it: within a second connections, sessions, topics
    /// and tasks are back, nothing panicked and no error was logged that was not asked for, each session that was
    /// opened was closed once, and a good client is served, each time; and there is a time after which not one byte more
    /// is held than two times before, three times in a row (or three before, four in a row, or four before, five in a
    /// row). What leaks grows every time. Tables and pools that are kept on purpose fill up during the first few; one
    /// that gives memory back may put as many comparisons right as lie between the two, whatever leaks, but not one more.
    ///
    /// A case that stops the server makes a scene of its own inside; this one serves the good client then.
    pub(crate) async fn leaves_nothing(&self, expected_panics: usize, case: impl AsyncFnMut(&Self)) {
        self.leaves_nothing_since(APART, expected_panics, case).await;
    }

    /// The same, with other times compared.
    pub(crate) async fn leaves_nothing_since(
        &self,
        apart: RangeInclusive<usize>,
        expected_panics: usize,
        mut case: impl AsyncFnMut(&Self),
    ) {
        let _listening = log::listen();
        self.fill_pools().await;
        let (mut before, _) = self.level().await;
        // After each time; room for all of them, so that it does not count itself.
        let mut held = Vec::with_capacity(ATTEMPTS);
        for _ in 0..ATTEMPTS {
            let errors = log::errors();
            case(self).await;
            self.serves().await;
            let (after, held_now) = self.level().await;
            let panics = before.panics + expected_panics;
            assert_eq!(after, Level { panics, ..before }, "something was left behind");
            let logged = log::errors() - errors;
            assert!(logged <= expected_panics as isize, "{logged} errors were logged");
            held.push(held_now);
            if apart.clone().any(|apart| is_steady(&held, apart)) {
                return;
            }
            before = after;
        }
        panic!("each time some bytes are left behind: {held:?}");
    }

    async fn level(&self) -> (Level, isize) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.assert_empty();
        let level = Level {
            connections: self.server.open_connections(),
            registered: self.factory.open_connections(),
            sessions: self.sessions.open(),
            topics: self.sessions.hub().topics(),
            unfinished: self.factory.unfinished_input(),
            queued: self.sessions.queued_bytes(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            panics: heap::panics(),
        };
        // Within half a minute the wheel of timers has come to each of its places, and empties itself.
        tokio::time::sleep(Duration::from_secs(40)).await;
        (level, heap::held())
    }

    /// Nobody is connected.
    pub(crate) fn assert_empty(&self) {
        let open = (
            self.server.open_connections(),
            self.factory.open_connections(),
            self.sessions.open(),
        );
        assert_eq!(open, (0, 0, 0), "connections are still open");
        self.ends.assert_all_closed();
    }
}

/// Whether each of the last `apart + 1` levels is no higher than that `apart` before it.
fn is_steady(held: &[isize], apart: usize) -> bool {
    let last = held
        .get(held.len().saturating_sub(2 * apart + 1)..)
        .unwrap_or_default();
    last.len() > 2 * apart
        && last
            .iter()
            .zip(&last[apart..])
            .all(|(earlier, later)| later <= earlier)
}

/// Every case of the attack with this id comes out as it must, and leaves nothing behind.
pub(crate) async fn survives(id: &str) {
    Scene::new().survives(id).await;
}

impl Scene {
    /// The same for this server.
    pub(crate) async fn survives(&self, id: &str) {
        let mut options = AttackOptions::new("ws://test/");
        options.only = vec![id.to_owned()];
        options.slow = true;
        options.seeds = SEEDS;
        let attack = AttackRun::new(options).unwrap();
        self.leaves_nothing(0, async |scene| {
            let report = attack.run_over(async || Ok(scene.dial()), |_| {}).await.unwrap();
            for case in &report.cases {
                assert_eq!(case.verdict, Verdict::Passed, "{} {}", case.id, case.what);
            }
        })
        .await;
    }
}
