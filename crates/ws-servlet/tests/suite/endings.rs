//! `on_close` exactly once, whatever ends a connection, and nobody else is harmed.

use std::time::Duration;

use ws_proto::{CloseCode, CloseReason, Config};
use ws_servlet::{Endpoint, EndpointError, Route, Session, SessionError, Sessions, WebSocketServlet};

use crate::rig::{FIN, Log, Peer, Rig, TEXT};

/// Does what it is told and writes down how it ended.
struct Probe(Log);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.add("dropped");
    }
}

impl Endpoint for Probe {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        self.0.add("open");
        session.subscribe("all")?;
        match session.query() {
            Some("panic") => panic!("in on_open"),
            Some("error") => Err(EndpointError::message("in on_open")),
            _ => Ok(()),
        }
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        self.0.add(format!("text {text}"));
        match text {
            "panic" => panic!("as told"),
            "error" => Err("x".parse::<u32>().unwrap_err().into()),
            "policy" => Err(EndpointError::close(CloseCode::new(4001), "house rules")),
            "close" => Ok(session.close(CloseCode::new(3000), "enough")?),
            "wait" => std::future::pending().await,
            "send late" => {
                session.close(CloseCode::NORMAL, "")?;
                Ok(session.text("too late").await?)
            }
            _ => Ok(session.text(text).await?),
        }
    }

    async fn on_error(&mut self, _session: &mut Session, error: &SessionError) {
        self.0.add(format!("error {error}"));
    }

    async fn on_close(&mut self, session: &mut Session, reason: &CloseReason) {
        let refused = session.text("after the end").await.is_err() && session.handle().is_none();
        assert!(refused && session.subscribe("all").is_err());
        let clean = if reason.clean { "clean" } else { "unclean" };
        self.0.add(format!(
            "close {} {:?} {clean} by {:?}",
            reason.code.value(),
            &*reason.reason,
            reason.who
        ));
        if session.query() == Some("panic-at-close") {
            panic!("in on_close");
        }
    }
}

struct Scene {
    rig: Rig,
    log: Log,
    sessions: Sessions,
}

fn scene() -> Scene {
    let (log, bystanders) = (Log::default(), Log::default());
    let probe = log.clone();
    let servlet = WebSocketServlet::builder()
        .route("/", Route::new(move |_| Probe(probe.clone())))
        .route("/idle", {
            let log = log.clone();
            Route::new(move |_| Probe(log.clone())).init_parameter("maxIdleTime", "1000")
        })
        .route(
            "/bystander",
            Route::new(move |_| Probe(bystanders.clone())).config(patient()),
        )
        .build()
        .unwrap();
    Scene {
        sessions: servlet.sessions().clone(),
        rig: Rig::new(servlet),
        log,
    }
}

/// Never asks whether the peer is alive.
fn patient() -> Config {
    let mut config = Config::server();
    config.timeouts.ping_interval = None;
    config
}

impl Scene {
    /// Opens a connection, lets `act` end it, and compares what the endpoint heard. Another connection lives on.
    async fn expect(self, target: &str, error: &str, close: &str, act: impl AsyncFnOnce(&Self, Peer)) {
        let mut bystander = self.rig.open("/bystander").await;
        let peer = self.rig.open(target).await;
        self.log.until("open").await;
        act(&self, peer).await;
        self.log.until("dropped").await;
        assert_eq!(self.log.count("close "), 1, "{:?}", self.log.lines());
        assert_eq!(self.log.until("close ").await, close);
        let errors: Vec<_> = self
            .log
            .lines()
            .into_iter()
            .filter(|line| line.starts_with("error "))
            .collect();
        match error {
            "" => assert_eq!(errors, [""; 0]),
            error => assert_eq!(errors, [format!("error {error}")]),
        }
        bystander.text("still here").await;
        assert_eq!(bystander.read_text().await, "still here");
        assert_eq!(self.sessions.open(), 1);
        assert_eq!(self.sessions.hub().subscribers("all"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_peer_closes() {
    scene()
        .expect(
            "/",
            "",
            r#"close 1000 "bye" clean by Remote"#,
            async |_, mut peer| {
                peer.close(1000, "bye").await;
                assert_eq!(peer.read_close().await, 1000);
            },
        )
        .await;
    scene()
        .expect(
            "/",
            "",
            r#"close 1005 "" clean by Remote"#,
            async |_, mut peer| {
                peer.send(FIN | 8, b"").await;
                assert_eq!(peer.read_close().await, 1005);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_application_closes() {
    scene()
        .expect(
            "/",
            "",
            r#"close 3000 "enough" clean by Local"#,
            async |_, mut peer| {
                peer.text("close").await;
                assert_eq!(peer.read_close().await, 3000);
                // What comes before the peer's Close frame is still delivered.
                peer.text("on its way").await;
                peer.close(3000, "enough").await;
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_is_delivered_and_cannot_be_answered() {
    let scene = scene();
    let log = scene.log.clone();
    scene
        .expect("/", "", r#"close 1000 "" clean by Local"#, async |_, mut peer| {
            peer.text("send late").await;
            assert_eq!(peer.read_close().await, 1000);
            peer.text("on its way").await;
            peer.close(1000, "").await;
        })
        .await;
    assert_eq!(log.count("text on its way"), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_our_close() {
    scene()
        .expect(
            "/",
            "the connection was lost",
            r#"close 1006 "" unclean by Local"#,
            async |_, mut peer| {
                peer.text("close").await;
                assert_eq!(peer.read_close().await, 3000);
                assert_eq!(peer.frame().await, None, "dropped after the close timeout");
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_peer_vanishes() {
    scene()
        .expect(
            "/",
            "the connection was lost",
            r#"close 1006 "" unclean by Remote"#,
            async |_, peer| drop(peer),
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_peer_breaks_the_protocol() {
    scene()
        .expect(
            "/",
            "the peer broke the protocol",
            r#"close 1007 "text is not UTF-8" unclean by Local"#,
            async |_, mut peer| {
                peer.send(FIN | TEXT, b"\xFF").await;
                assert_eq!(peer.read_close().await, 1007);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_callback_panics() {
    scene()
        .expect(
            "/",
            "a callback panicked: as told",
            r#"close 1011 "" unclean by Local"#,
            async |_, mut peer| {
                peer.text("panic").await;
                assert_eq!(peer.read_close().await, 1011);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn on_open_panics_or_fails() {
    scene()
        .expect(
            "/?panic",
            "a callback panicked: in on_open",
            r#"close 1011 "" unclean by Local"#,
            async |_, mut peer| {
                assert_eq!(peer.read_close().await, 1011);
            },
        )
        .await;
    scene()
        .expect(
            "/?error",
            "a callback failed: in on_open",
            r#"close 1011 "" unclean by Local"#,
            async |_, mut peer| {
                assert_eq!(peer.read_close().await, 1011);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn on_close_panics() {
    scene()
        .expect(
            "/?panic-at-close",
            "",
            r#"close 1000 "" clean by Remote"#,
            async |_, mut peer| {
                peer.close(1000, "").await;
                assert_eq!(peer.read_close().await, 1000);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_callback_fails() {
    scene()
        .expect(
            "/",
            "a callback failed: invalid digit found in string",
            r#"close 1011 "" unclean by Local"#,
            async |_, mut peer| {
                peer.text("error").await;
                let (_, payload) = peer.frame().await.unwrap();
                assert_eq!(payload, 1011_u16.to_be_bytes(), "errors are not told to peers");
            },
        )
        .await;
    scene()
        .expect(
            "/",
            "a callback failed: closes with 4001 (private use): house rules",
            r#"close 4001 "house rules" unclean by Local"#,
            async |_, mut peer| {
                peer.text("policy").await;
                assert_eq!(peer.read_close().await, 4001);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_too_long() {
    scene()
        .expect(
            "/idle",
            "",
            r#"close 1001 "" clean by Local"#,
            async |_, mut peer| {
                assert_eq!(peer.read_close().await, 1001);
                peer.close(1001, "").await;
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_peer_stops_answering_pings() {
    scene()
        .expect(
            "/",
            "the connection was lost",
            r#"close 1006 "no pong in time" unclean by Local"#,
            async |_, mut peer| {
                assert_eq!(peer.read_close().await, 1011);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn it_is_killed() {
    scene()
        .expect(
            "/",
            "the connection was lost",
            r#"close 1006 "" unclean by Local"#,
            async |scene, mut peer| {
                let id = scene.sessions.ids().into_iter().max().unwrap();
                scene.sessions.find(id).unwrap().kill();
                assert_eq!(peer.read_close().await, 1006);
            },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_server_stops() {
    let Scene { rig, log, sessions } = scene();
    let mut peer = rig.open("/").await;
    let stop = rig.server.shutdown(Duration::from_secs(5));
    assert_eq!(peer.read_close().await, 1001);
    peer.close(1001, "").await;
    drop(peer);
    stop.await;
    assert_eq!(
        log.lines(),
        ["open", r#"close 1001 "" clean by Local"#, "dropped"]
    );
    assert_eq!(sessions.open(), 0);
}

/// The callback never returns, so the stop's patience ends and the connection is dropped where it waits.
#[tokio::test(start_paused = true)]
async fn the_server_drops_a_connection_whose_callback_hangs() {
    let Scene { rig, log, sessions } = scene();
    let mut peer = rig.open("/").await;
    peer.text("wait").await;
    log.until("text wait").await;
    rig.server.shutdown(Duration::from_secs(5)).await;
    assert_eq!(peer.read_close().await, 1006);
    log.until("dropped").await;
    assert_eq!(
        log.lines(),
        [
            "open",
            "text wait",
            r#"close 1006 "" unclean by Local"#,
            "dropped"
        ]
    );
    assert_eq!((sessions.open(), sessions.hub().topics()), (0, 0));
}

/// Its `on_close` waits, too: it goes on in a task of its own.
#[tokio::test(start_paused = true)]
async fn an_on_close_that_waits_is_finished_even_after_a_drop() {
    struct Slow(Log);
    impl Endpoint for Slow {
        async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
            self.0.add("text");
            std::future::pending().await
        }
        async fn on_close(&mut self, _: &mut Session, _: &CloseReason) {
            self.0.add("closing");
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.0.add("closed");
        }
    }
    let log = Log::default();
    let probe = log.clone();
    let rig = Rig::new(
        WebSocketServlet::builder()
            .endpoint("/", move |_| Slow(probe.clone()))
            .build()
            .unwrap(),
    );
    let mut peer = rig.open("/").await;
    peer.text("x").await;
    log.until("text").await;
    rig.server.shutdown(Duration::from_secs(1)).await;
    log.until("closed").await;
    assert_eq!(log.lines(), ["text", "closing", "closed"]);
}

/// Nothing polls the connection any more when its runtime ends; it waited for input, not in a callback.
#[test]
fn the_runtime_ends() {
    let Scene { log, sessions, .. } = {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let scene = scene();
            let mut peer = scene.rig.open("/").await;
            peer.text("x").await;
            assert_eq!(peer.read_text().await, "x");
            scene
        })
    };
    assert_eq!(
        log.lines(),
        ["open", "text x", r#"close 1006 "" unclean by Local"#, "dropped"]
    );
    assert_eq!((sessions.open(), sessions.hub().topics()), (0, 0));
}

/// The peer is not made to wait for what the endpoint does about the end.
#[tokio::test(start_paused = true)]
async fn the_close_frame_does_not_wait_for_on_close() {
    struct Slow;
    impl Endpoint for Slow {
        async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
            Err(EndpointError::message("told to"))
        }
        async fn on_error(&mut self, _: &mut Session, _: &SessionError) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        async fn on_close(&mut self, _: &mut Session, _: &CloseReason) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
    let rig = Rig::new(
        WebSocketServlet::builder()
            .endpoint("/", |_| Slow)
            .build()
            .unwrap(),
    );
    let (mut closing, mut failing) = (rig.open("/").await, rig.open("/").await);
    closing.close(1000, "").await;
    failing.text("fail").await;
    let soon = Duration::from_secs(1);
    assert_eq!(tokio::time::timeout(soon, closing.read_close()).await, Ok(1000));
    assert_eq!(tokio::time::timeout(soon, failing.read_close()).await, Ok(1011));
}
