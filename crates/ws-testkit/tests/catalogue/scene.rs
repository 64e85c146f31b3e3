//! A server with the default limits on an in-memory network, and the leak line that ends every case.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use ws_handler::{
    ExtensionRegistry, Io, Listener, OriginPolicy, PeerInfo, Server, ServerHandle, ServerHandshake,
    WebSocketFactory,
};
use ws_proto::{Config, DeflateConfig};
use ws_servlet::{Endpoint, EndpointError, Route, Session, Sessions, WebSocketServlet};
use ws_testkit::{AttackOptions, AttackRun, RawFrame, RawPeer, Verdict};

use crate::heap;

/// Room in each direction of a connection: what a socket buffer of a busy server has.
const ROOM: usize = 64 * 1024;

/// Conversations before anything is measured: each shard of the table of sessions has been used then.
const WARM_UP: usize = 64;

/// How often a case is played until it leaves nothing behind.
const ATTEMPTS: usize = 8;

/// Sends every message back.
pub(crate) struct Echo;

impl Endpoint for Echo {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        Ok(session.text(text).await?)
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Ok(session.binary(payload).await?)
    }
}

/// Panics where the path says so.
struct Panics {
    when: &'static str,
}

impl Endpoint for Panics {
    async fn on_open(&mut self, _: &mut Session) -> Result<(), EndpointError> {
        assert_ne!(self.when, "open", "as asked for");
        Ok(())
    }

    async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
        assert_ne!(self.when, "text", "as asked for");
        Ok(())
    }
}

/// Never comes back from a message.
struct Hangs;

impl Endpoint for Hangs {
    async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
        std::future::pending().await
    }
}

/// On the topic "news", and on every topic that it is sent the name of.
struct Subscriber;

impl Endpoint for Subscriber {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        Ok(session.subscribe("news")?)
    }

    async fn on_text(&mut self, session: &mut Session, topic: &str) -> Result<(), EndpointError> {
        session.subscribe(topic)?;
        Ok(session.text("subscribed").await?)
    }
}

struct Pipes(mpsc::UnboundedReceiver<Io>);

impl Listener for Pipes {
    async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
        match self.0.recv().await {
            Some(io) => Ok((io, PeerInfo::new("192.0.2.7:1".parse().ok(), None))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A server and the way to it.
pub(crate) struct Scene {
    pipes: mpsc::UnboundedSender<Io>,
    pub(crate) server: ServerHandle,
    pub(crate) factory: WebSocketFactory,
    pub(crate) sessions: Sessions,
}

/// What must be back at its level after a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    connections: usize,
    registered: usize,
    sessions: usize,
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
        let deflate = ExtensionRegistry::new().with(DeflateConfig::new());
        Self::agreeing_to(deflate, Config::server(), Server::new())
    }

    fn agreeing_to(extensions: ExtensionRegistry, config: Config, server: Server) -> Self {
        let handshake = ServerHandshake::new()
            .origin(OriginPolicy::same_origin())
            .extensions(extensions);
        let factory = WebSocketFactory::new(handshake, config);
        let servlet = WebSocketServlet::builder()
            .factory(factory.clone())
            .endpoint("/", |_| Echo)
            .endpoint("/panics/text", |_| Panics { when: "text" })
            .endpoint("/panics/open", |_| Panics { when: "open" })
            .route(
                "/panics/early",
                Route::new(|_| -> Echo { panic!("as asked for") }),
            )
            .endpoint("/hangs", |_| Hangs)
            .endpoint("/topics", |_| Subscriber)
            .build()
            .unwrap();
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
        }
    }

    /// A connection on which nothing was sent.
    pub(crate) fn dial(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(ROOM);
        self.accept(far);
        near
    }

    /// Hands any stream to the server.
    pub(crate) fn accept(&self, io: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static) {
        assert!(self.pipes.send(Io::boxed(io)).is_ok(), "the server accepts");
    }

    /// An open connection.
    pub(crate) async fn open(&self, path: &str) -> RawPeer<DuplexStream> {
        let mut peer = RawPeer::new(self.dial()).within(Duration::from_secs(120));
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

    /// Plays `case` again and again and holds the leak line against it: within a second connections, sessions and
    /// tasks are back, nothing panicked that was not asked to, and a good client is served, each time; and there is a
    /// time after which not one byte more is held than before. (What leaks grows every time. Tables and pools that
    /// are kept on purpose fill up during the first few.)
    pub(crate) async fn leaves_nothing(&self, expected_panics: usize, mut case: impl AsyncFnMut(&Self)) {
        for _ in 0..WARM_UP {
            self.serves().await;
        }
        let (mut before, mut held) = self.level().await;
        for _ in 0..ATTEMPTS {
            case(self).await;
            self.serves().await;
            let (after, held_after) = self.level().await;
            let panics = before.panics + expected_panics;
            assert_eq!(after, Level { panics, ..before }, "something was left behind");
            if held_after <= held {
                return;
            }
            (before, held) = (after, held_after);
        }
        panic!("each time some bytes are left behind");
    }

    async fn level(&self) -> (Level, isize) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let level = Level {
            connections: self.server.open_connections(),
            registered: self.factory.open_connections(),
            sessions: self.sessions.open(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            panics: heap::panics(),
        };
        assert_eq!(level.connections, 0, "connections are still open");
        (level, heap::held())
    }
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
