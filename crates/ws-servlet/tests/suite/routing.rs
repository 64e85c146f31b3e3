//! Which endpoint a request reaches, past which filters, within which limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode};
use ws_handler::{OriginPolicy, Outcome, PeerInfo, RequestHead, Service};
use ws_proto::{Config, Delivery};
use ws_servlet::{
    BuildError, Endpoint, EndpointError, Filter, Opening, Quota, Refusal, Route, Selected, Session,
    WebSocketServlet,
};

use crate::rig::{BINARY, FIN, PING, PONG, Rig, status};

/// Says what it knows of its connection.
struct Tell(&'static str);

impl Endpoint for Tell {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        let name = self.0;
        let line = format!(
            "{name} {} {} id={} rest={} query={} x={} all={} sub={} from={} user={}",
            session.route(),
            session.path(),
            session.path_parameter("id").unwrap_or_default(),
            session.path_parameter("*").unwrap_or_default(),
            session.query().unwrap_or("-"),
            session.header("X-One").unwrap_or("-"),
            session.headers().count(),
            session.subprotocol().unwrap_or("-"),
            session.remote_addr().map(|a| a.to_string()).unwrap_or_default(),
            session.attributes().get::<User>().map_or("-", |user| user.0),
        );
        session.text(&line).await?;
        Ok(())
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        Ok(session.text(text).await?)
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Ok(session.binary(payload).await?)
    }
}

#[derive(Clone)]
struct User(&'static str);

/// Stands for plain HTTP: answers everything with 418 and counts.
#[derive(Clone, Default)]
struct Teapot(Arc<AtomicUsize>);

impl Service for Teapot {
    async fn call(&self, _request: &RequestHead, _peer: &PeerInfo) -> Outcome {
        self.0.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        Outcome::Respond(response)
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_knows_its_request() {
    let servlet = WebSocketServlet::builder()
        .endpoint("/room/{id}/*", |_| Tell("room"))
        .endpoint("/room/new/*", |_| Tell("new"))
        .endpoint("/", |_| Tell("default"))
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    let (mut peer, head) = rig
        .upgrade("/room/a%20b/x/y?q=1", "X-One: one\r\nx-one: two\r\n")
        .await;
    assert_eq!(status(&head), 101);
    assert_eq!(
        peer.read_text().await,
        "room /room/{id}/* /room/a%20b/x/y id=a b rest=x/y query=q=1 x=one all=3 sub=- from=192.0.2.7:1 user=-"
    );
    assert!(
        rig.open("/room/new/1")
            .await
            .read_text()
            .await
            .starts_with("new /room/new/*")
    );
    assert!(
        rig.open("/elsewhere")
            .await
            .read_text()
            .await
            .starts_with("default / /elsewhere")
    );
}

#[tokio::test(start_paused = true)]
async fn no_trick_with_paths_reaches_an_endpoint() {
    let teapot = Teapot::default();
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let servlet = WebSocketServlet::builder()
        .endpoint("/", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Tell("any")
        })
        .endpoint("/admin/*", |_| Tell("admin"))
        .build()
        .unwrap()
        .next(teapot.clone());
    let rig = Rig::new(servlet);
    for path in [
        "/public/%2e%2e/admin/x",
        "/public/../admin/x",
        "/public/.%2E/admin",
        "//admin/x",
        "/public//x",
        "/admin;x/y",
        "/public/..;/admin",
        "/admin%00",
        "/admin%2fx",
        "/admin%5cx",
        "/a%2",
        "/%ff",
    ] {
        assert_eq!(rig.status(path, "").await, 400, "{path}");
        // The same path as plain HTTP goes where all plain HTTP goes.
        let mut plain = rig.dial(1 << 16).await;
        plain
            .write(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
            .await;
        assert_eq!(status(&plain.head().await), 418, "{path}");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    assert_eq!(teapot.0.load(Ordering::SeqCst), 12);
    assert!(
        rig.open("/%61dmin/x")
            .await
            .read_text()
            .await
            .starts_with("admin "),
        "decoded once"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_servlets_goes_to_the_next_service() {
    let servlet = || {
        WebSocketServlet::builder()
            .endpoint("/ws", |_| Tell("ws"))
            .build()
            .unwrap()
    };
    let rig = Rig::new(servlet().next(Teapot::default()));
    assert_eq!(rig.status("/ws", "").await, 101);
    assert_eq!(rig.status("/other", "").await, 418, "no route");
    let mut plain = rig.dial(1 << 16).await;
    plain.write(b"GET /ws HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(status(&plain.head().await), 418, "no upgrade");
    let alone = Rig::new(servlet());
    assert_eq!(alone.status("/other", "").await, 404, "RFC 6455 §4.2.2 item 4");
}

#[tokio::test(start_paused = true)]
async fn subprotocols_are_tried_in_the_clients_order() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let route = Route::choosing(move |_, subprotocol| {
        log.lock().unwrap().push(subprotocol.map(str::to_owned));
        Ok(match subprotocol {
            Some("b") => Some(Selected::new(Tell("b"))),
            Some("c") => Some(Selected::new(Tell("c"))),
            _ => None,
        })
    });
    let rig = Rig::new(WebSocketServlet::builder().route("/", route).build().unwrap());
    let (mut peer, head) = rig
        .upgrade(
            "/",
            "Sec-WebSocket-Protocol: a, c\r\nSec-WebSocket-Protocol: b\r\n",
        )
        .await;
    assert!(
        head.to_ascii_lowercase()
            .contains("\r\nsec-websocket-protocol: c\r\n"),
        "{head}"
    );
    assert!(peer.read_text().await.contains(" sub=c "));
    assert_eq!(
        *asked.lock().unwrap(),
        [Some("a".to_owned()), Some("c".to_owned())]
    );

    asked.lock().unwrap().clear();
    assert_eq!(
        rig.status("/", "Sec-WebSocket-Protocol: a\r\n").await,
        503,
        "no endpoint"
    );
    assert_eq!(*asked.lock().unwrap(), [Some("a".to_owned()), None]);
    assert_eq!(rig.status("/", "").await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_route_without_subprotocols_takes_everybody_and_names_none() {
    let rig = Rig::new(
        WebSocketServlet::builder()
            .endpoint("/", |_| Tell("any"))
            .build()
            .unwrap(),
    );
    let (_, head) = rig.upgrade("/", "Sec-WebSocket-Protocol: a\r\n").await;
    assert_eq!(status(&head), 101);
    assert!(
        !head.to_ascii_lowercase().contains("sec-websocket-protocol"),
        "{head}"
    );
}

/// Knows one user, after some thought.
struct Login;

impl Filter for Login {
    async fn check(&self, opening: &mut Opening<'_>) -> Result<(), Refusal> {
        tokio::task::yield_now().await;
        match opening.bearer_token() {
            Some("jo") => {
                opening.attributes_mut().insert(User("jo"));
                Ok(())
            }
            Some(_) => Err(Refusal::forbidden()),
            None => Err(Refusal::unauthorized("Bearer")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn filters_decide_before_the_101_in_their_order() {
    let servlet = WebSocketServlet::builder()
        .filter(|opening: &mut Opening<'_>| match opening.query() {
            Some("closed") => Err(Refusal::unavailable("Closed today.")),
            _ => Ok(()),
        })
        .route("/private", Route::new(|_| Tell("private")).filter(Login))
        .route("/same", Route::new(|_| Tell("same")))
        .route(
            "/listed",
            Route::new(|_| Tell("listed")).origin(OriginPolicy::list(["http://a.example"]).unwrap()),
        )
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    assert_eq!(rig.status("/private", "").await, 401);
    assert_eq!(
        rig.status("/private?closed", "").await,
        503,
        "the servlet's filter comes first"
    );
    assert_eq!(rig.status("/private", "Authorization: Bearer al\r\n").await, 403);
    let (mut peer, _) = rig.upgrade("/private", "Authorization: Bearer jo\r\n").await;
    assert!(peer.read_text().await.ends_with(" user=jo"));

    assert_eq!(rig.status("/same", "Origin: http://a.example\r\n").await, 403);
    assert_eq!(rig.status("/same", "Origin: http://h\r\n").await, 101);
    assert_eq!(rig.status("/listed", "Origin: http://a.example\r\n").await, 101);
    assert_eq!(rig.status("/listed", "Origin: http://h\r\n").await, 403);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_free_again_when_the_session_has_ended() {
    let route = Route::new(|_| Tell("one")).filter(Quota::sessions(1));
    let servlet = WebSocketServlet::builder().route("/", route).build().unwrap();
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet);
    let mut first = rig.open("/").await;
    assert_eq!(sessions.open(), 1);
    assert_eq!(rig.status("/", "").await, 503);
    first.close(1000, "").await;
    while first.frame().await.is_some() {}
    drop(first);
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        if rig.server.open_connections() == 0 {
            break;
        }
    }
    assert_eq!(rig.status("/", "").await, 101);
}

#[tokio::test(start_paused = true)]
async fn each_route_and_kind_has_its_own_limit() {
    let servlet = WebSocketServlet::builder()
        .init_parameter("maxTextMessageSize", "10")
        .init_parameter("maxBinaryMessageSize", "20")
        .endpoint("/small", |_| Tell("small"))
        .route(
            "/large",
            Route::new(|_| Tell("large")).init_parameter("maxTextMessageSize", "1000000"),
        )
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    for (path, first, fits) in [
        ("/small", FIN | 1, 10),
        ("/small", FIN | BINARY, 20),
        ("/large", FIN | 1, 1_000_000),
        ("/large", FIN | BINARY, 20),
    ] {
        let mut peer = rig.open(path).await;
        peer.read_text().await;
        let payload = vec![b'a'; fits];
        peer.send(first, &payload).await;
        assert_eq!(peer.frame().await.unwrap(), (first, payload), "{path}");
        peer.send(first, &vec![b'a'; fits + 1]).await;
        assert_eq!(peer.read_close().await, 1009, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_route_closes_with_1001() {
    let servlet = WebSocketServlet::builder()
        .route(
            "/idle",
            Route::new(|_| Tell("idle")).init_parameter("maxIdleTime", "5000"),
        )
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    let mut peer = rig.open("/idle").await;
    peer.read_text().await;
    let before = tokio::time::Instant::now();
    assert_eq!(peer.read_close().await, 1001);
    let waited = before.elapsed().as_millis();
    assert!((4_900..6_000).contains(&waited), "{waited} ms");
}

/// The same for an endpoint that takes frames.
struct Frames;

impl Endpoint for Frames {
    fn delivery(&self) -> Delivery {
        Delivery::Fragment
    }
}

#[tokio::test(start_paused = true)]
async fn data_of_every_kind_keeps_a_connection_from_being_idle() {
    let servlet = WebSocketServlet::builder()
        .init_parameter("maxIdleTime", "1000")
        .endpoint("/messages", |_| Tell("messages"))
        .endpoint("/frames", |_| Frames)
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    for path in ["/messages", "/frames"] {
        for first in [FIN | 1, FIN | BINARY] {
            let mut peer = rig.open(path).await;
            for _ in 0..10 {
                tokio::time::sleep(std::time::Duration::from_millis(600)).await;
                peer.send(first, b"x").await;
            }
            peer.send(FIN | PING, b"still here").await;
            while peer.frame().await.expect("not closed").0 != FIN | PONG {}
            assert_eq!(peer.read_close().await, 1001);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_may_bring_its_own_configuration() {
    let mut config = Config::server();
    config.limits.max_message_size = 3;
    let config = Arc::new(config);
    let route = Route::choosing(move |_, _| Ok(Some(Selected::new(Tell("own")).config(Arc::clone(&config)))));
    let rig = Rig::new(WebSocketServlet::builder().route("/", route).build().unwrap());
    let mut peer = rig.open("/").await;
    peer.read_text().await;
    peer.text("abc").await;
    assert_eq!(peer.read_text().await, "abc");
    peer.text("abcd").await;
    assert_eq!(peer.read_close().await, 1009);
}

#[test]
fn what_cannot_work_is_not_built() {
    let build = |patterns: &[&str]| {
        let mut builder = WebSocketServlet::builder();
        for pattern in patterns {
            builder = builder.endpoint(pattern, |_| Tell("x"));
        }
        builder.build().map(|_| ())
    };
    assert!(build(&["/a", "/b/{x}", "/b/*", "*.x", "/", ""]).is_ok());
    assert!(matches!(build(&["/a*"]), Err(BuildError::Pattern { .. })));
    assert!(matches!(
        build(&["/b/{x}", "/b/{y}"]),
        Err(BuildError::DuplicateRoute { .. })
    ));
    let number = WebSocketServlet::builder()
        .init_parameter("maxIdleTime", "soon")
        .endpoint("/", |_| Tell("x"))
        .build();
    assert!(matches!(number, Err(BuildError::Parameter { .. })));
    assert_eq!(Tell("x").delivery(), Delivery::Message);
}

#[tokio::test(start_paused = true)]
async fn open_sessions_are_counted_per_route() {
    let servlet = WebSocketServlet::builder()
        .endpoint("/a", |_| Tell("a"))
        .endpoint("/b", |_| Tell("b"))
        .build()
        .unwrap();
    let servlet = Arc::new(servlet);
    let rig = Rig::new(Arc::clone(&servlet));
    let (one, two) = (rig.open("/a").await, rig.open("/a").await);
    let mut three = rig.open("/b").await;
    three.read_text().await;
    assert_eq!(
        (
            servlet.open_on("/a"),
            servlet.open_on("/b"),
            servlet.open_on("/c")
        ),
        (Some(2), Some(1), None)
    );
    drop((one, two));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!((servlet.open_on("/a"), servlet.open_on("/b")), (Some(0), Some(1)));
    assert_eq!((servlet.sessions().open(), servlet.sessions().opened()), (1, 3));
}
