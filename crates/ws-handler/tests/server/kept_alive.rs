//! Plain HTTP by hyper, and upgrades as later requests of a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use ws_handler::{
    HyperService, Outcome, PeerInfo, PlainConnection, RequestHead, Server, Service, WebSocketFactory,
    is_upgrade_attempt,
};

use crate::harness::{
    OLD_UPGRADE, Recorder, Running, UPGRADE, all_gone, assert_refuses, read_all, read_bytes, read_head,
    read_response, refusal_in_a_flood, start,
};

const GET: &str = "GET /plain HTTP/1.1\r\nHost: h\r\n\r\n";

/// Upgrades go to the recorder, the rest to hyper.
struct Both<H> {
    recorder: Recorder,
    http: H,
}

impl<H: Service> Service for Both<H> {
    async fn call(&self, request: &RequestHead, peer: &PeerInfo) -> Outcome {
        if is_upgrade_attempt(request.request().headers()) || request.request().uri().path() == "/none" {
            return self.recorder.call(request, peer).await;
        }
        self.http.call(request, peer).await
    }

    async fn handover(&self, connection: PlainConnection) {
        self.http.handover(connection).await;
    }
}

/// A server whose plain HTTP answers with the number of the request and its body; `/panic` panics, `/slow` takes 50 s.
fn serve() -> (Running, Recorder, Arc<AtomicUsize>) {
    let plain = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&plain);
    let http = service_fn(move |request: Request<Incoming>| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            assert_ne!(request.uri().path(), "/panic", "as asked");
            assert!(request.extensions().get::<PeerInfo>().is_some());
            if request.uri().path() == "/slow" {
                sleep(Duration::from_secs(50)).await;
            }
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let text = format!("{number}:{}", String::from_utf8_lossy(&body));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        }
    });
    let recorder = Recorder::echo_bytes(WebSocketFactory::default());
    let service = Both {
        recorder: recorder.clone(),
        http: HyperService::new(http),
    };
    (start(Server::new(), service), recorder, plain)
}

#[tokio::test(start_paused = true)]
async fn plain_requests_are_served_one_after_another_on_one_connection() {
    let (server, ..) = serve();
    let mut peer = server
        .network
        .send("POST /plain HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    assert_eq!(read_response(&mut peer).await.1, "1:abc");
    peer.write_all(GET.repeat(2).as_bytes()).await.unwrap();
    assert_eq!(read_response(&mut peer).await.1, "2:");
    assert_eq!(read_response(&mut peer).await.1, "3:");
    drop(peer);
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_its_side_after_the_request_gets_its_answer() {
    let (server, ..) = serve();
    let mut peer = server.network.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    peer.shutdown().await.unwrap();
    assert!(read_all(&mut peer).await.ends_with("\r\n\r\n1:"));
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_as_a_later_request_works_and_loses_no_byte() {
    let (server, ..) = serve();
    // All in one segment, so that hyper has read the WebSocket's first bytes when it meets the upgrade.
    let mut peer = server
        .network
        .send(format!("{GET}{GET}{UPGRADE}first bytes"))
        .await;
    assert_eq!(read_response(&mut peer).await.1, "1:");
    assert_eq!(read_response(&mut peer).await.1, "2:");
    let head = read_head(&mut peer).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert_eq!(&read_bytes(&mut peer).await, b"first bytes");
    peer.write_all(b"later").await.unwrap();
    assert_eq!(&read_bytes(&mut peer).await, b"later");
    assert_eq!(server.handle.open_connections(), 1);
    drop(peer);
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_later_upgrade_in_pieces_loses_no_byte_either() {
    for cut in (1..UPGRADE.len() + 5).step_by(7) {
        let (server, ..) = serve();
        let all = format!("{GET}{UPGRADE}later");
        let mut peer = server.network.send(&all[..GET.len() + cut]).await;
        assert_eq!(read_response(&mut peer).await.1, "1:");
        peer.write_all(&all.as_bytes()[GET.len() + cut..]).await.unwrap();
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        assert_eq!(&read_bytes(&mut peer).await, b"later");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_after_a_later_refusal_is_parsed() {
    for refused in [
        OLD_UPGRADE.to_owned(),
        UPGRADE.replace("HTTP/1.1", "HTTP/1.0"),
        UPGRADE.replace("Connection: Upgrade\r\n", ""),
        UPGRADE.replace("Host: h\r\n", "Host: h\r\nContent-Length: 27\r\n"),
        UPGRADE.replace("Host: h\r\n", "Host: h\r\nHost: h\r\n"),
        UPGRADE.replace("GET", "POST"),
    ] {
        let (server, recorder, plain) = serve();
        let mut peer = server.network.send(format!("{GET}{refused}{GET}{GET}")).await;
        assert_eq!(read_response(&mut peer).await.1, "1:");
        sleep(Duration::from_millis(1)).await;
        peer.write_all(GET.as_bytes()).await.unwrap();
        let text = read_all(&mut peer).await;
        assert_refuses(&text, "4");
        assert_eq!(plain.load(Ordering::SeqCst), 1, "{refused}");
        assert_eq!(recorder.seen(), ["/chat"]);
        all_gone(&server.handle).await;
    }
}

#[tokio::test]
async fn a_later_refusal_arrives_though_the_peer_sent_much_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let http = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"plain"))))
    });
    let recorder = Recorder::echo_bytes(WebSocketFactory::default());
    let server = tokio::spawn(ws_handler::serve(
        listener,
        Both {
            recorder,
            http: HyperService::new(http),
        },
    ));
    for _ in 0..20 {
        let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
        peer.write_all(GET.as_bytes()).await.unwrap();
        assert_eq!(read_response(&mut peer).await.1, "plain");
        refusal_in_a_flood(peer).await;
    }
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn later_plain_requests_meet_the_same_judge_as_the_first() {
    let (server, recorder, plain) = serve();
    let mut peer = server
        .network
        .send(format!("{GET}GET /none HTTP/1.1\r\nHost: h\r\n\r\n{GET}"))
        .await;
    assert_eq!(read_response(&mut peer).await.1, "1:");
    let text = read_all(&mut peer).await;
    assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
    assert_eq!(recorder.seen(), ["/none"]);
    assert_eq!(plain.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_plain_service_is_a_500_and_closes() {
    let (server, ..) = serve();
    for before in ["", GET] {
        let request = format!("{before}GET /panic HTTP/1.1\r\nHost: h\r\n\r\n{GET}");
        let mut peer = server.network.send(request).await;
        if !before.is_empty() {
            read_response(&mut peer).await;
        }
        let text = read_all(&mut peer).await;
        assert!(
            text.starts_with("HTTP/1.1 500 ") && text.contains("Connection: close\r\n"),
            "{text}"
        );
        assert_eq!(text.matches("HTTP/1.1").count(), 1);
    }
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_unused_connections_and_lets_a_request_finish() {
    let (server, ..) = serve();
    let mut unused = server.network.send(GET).await;
    read_response(&mut unused).await;
    let mut busy = server.network.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    let stop = tokio::spawn(server.handle.shutdown(Duration::from_secs(90)));
    assert_eq!(read_all(&mut unused).await, "");
    drop(unused);
    let (head, body) = read_response(&mut busy).await;
    assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
    assert_eq!(body, "2:");
    drop(busy);
    let summary = stop.await.unwrap();
    assert_eq!((summary.closed, summary.dropped), (2, 0));
}
