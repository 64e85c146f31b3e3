//! The first request of a connection, through the public API: what is refused, how, and that nothing follows.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use ws_handler::{
    Io, NoService, Outcome, PeerInfo, PlainConnection, RequestHead, Server, Service, WebSocketFactory,
    WebSocketHandler,
};

use crate::harness::{
    OLD_UPGRADE, Recorder, UPGRADE, all_gone, assert_refuses, read_all, read_bytes, read_head,
    refusal_in_a_flood, start,
};

fn echo() -> Recorder {
    Recorder::echo_bytes(WebSocketFactory::default())
}

/// Number of responses in a conversation.
fn responses(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_request_after_a_refusal_is_never_parsed() {
    let service = echo();
    let server = start(Server::new(), service.clone());
    let mut peer = server
        .network
        .send(format!("{OLD_UPGRADE}GET /admin HTTP/1.1\r\nHost: h\r\n\r\n"))
        .await;
    sleep(Duration::from_millis(1)).await;
    // A later segment is not read as a request either.
    peer.write_all(b"GET /admin HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let text = read_all(&mut peer).await;
    assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
    assert!(text.contains("Connection: Upgrade, close\r\n"), "{text}");
    assert_eq!(responses(&text), 1);
    assert_eq!(service.seen(), ["/chat"]);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_one_line_of_text_and_closes() {
    let server = start(Server::new(), echo());
    for (request, status) in [
        (UPGRADE.replace("HTTP/1.1", "HTTP/1.0"), "400"),
        (UPGRADE.replace("GET", "POST"), "405"),
        (UPGRADE.replace("Host: h\r\n", ""), "400"),
        (UPGRADE.replace("Host: h\r\n", "Host: h\r\nHost: h\r\n"), "400"),
        (
            UPGRADE.replace("Host: h\r\n", "Host: h\r\nContent-Length: 5\r\n"),
            "400",
        ),
        (
            UPGRADE.replace("Host: h\r\n", "Host: h\r\nOrigin: http://evil\r\n"),
            "403",
        ),
        (UPGRADE.replace("Host: h\r\n", "Host : h\r\n"), "400"),
        ("GET /none HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "426"),
        ("POST /none HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "404"),
        (
            format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(9000)),
            "414",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: h\r\nCookie: {}\r\n\r\n",
                "a".repeat(17000)
            ),
            "431",
        ),
    ] {
        let text = read_all(&mut server.network.send(&request).await).await;
        assert_refuses(&text, status);
    }
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_answered_with_408_ten_seconds_after_accept() {
    let server = start(Server::new(), echo());
    let mut peer = server.network.connect();
    let began = Instant::now();
    let trickle = async {
        for byte in UPGRADE.bytes() {
            sleep(Duration::from_secs(1)).await;
            if peer.write_all(&[byte]).await.is_err() {
                break;
            }
            let mut first = [0; 1];
            if let Ok(Ok(1)) =
                tokio::time::timeout(Duration::from_millis(1), peer.read_exact(&mut first)).await
            {
                return first[0];
            }
        }
        0
    };
    assert_eq!(trickle.await, b'H', "an answer begins");
    assert_eq!(
        began.elapsed().as_secs(),
        10,
        "measured from accept, not from the last byte"
    );
    assert!(read_all(&mut peer).await.starts_with("TTP/1.1 408 "));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_dropped_without_an_answer() {
    let server = start(Server::new().head_timeout(Duration::from_secs(3)), echo());
    let mut peer = server.network.connect();
    let began = Instant::now();
    assert_eq!(read_all(&mut peer).await, "");
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_service_is_a_500_for_that_connection_only() {
    let server = start(
        Server::new(),
        Recorder::new(|request| {
            assert_ne!(request.request().uri().path(), "/panic", "as asked");
            Outcome::Respond(Response::new(Bytes::from_static(b"fine")))
        }),
    );
    let text = read_all(
        &mut server
            .network
            .send("GET /panic HTTP/1.1\r\nHost: h\r\n\r\n")
            .await,
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 500 "), "{text}");
    assert!(text.contains("Connection: close\r\n"), "{text}");
    let text = read_all(&mut server.network.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await).await;
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with("fine"),
        "{text}"
    );
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_101_closes_that_connection_with_1011() {
    let handler = WebSocketHandler::new(WebSocketFactory::default(), |mut socket, request| async move {
        let _message = socket.recv().await;
        assert_ne!(request.request().uri().path(), "/chat", "as asked");
    });
    let server = start(Server::new(), handler);
    let mut peer = server.network.send(UPGRADE).await;
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
    peer.write_all(&[0x81, 0x80, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(read_bytes(&mut peer).await, [0x88, 2, 0x03, 0xf3], "1011");
    assert_eq!(read_all(&mut peer).await, "");
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_1_is_refused_or_dropped() {
    let service = echo();
    let server = start(Server::new(), service.clone());
    let text = read_all(&mut server.network.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 505 "), "{text}");
    let mut tls = server
        .network
        .send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .await;
    assert_eq!(read_all(&mut tls).await, "");
    assert_eq!(service.seen(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_in_time_is_a_503() {
    struct Never;
    impl Service for Never {
        async fn call(&self, _: &RequestHead, _: &PeerInfo) -> Outcome {
            std::future::pending().await
        }
    }
    let server = start(Server::new(), Never);
    let began = Instant::now();
    let mut peer = server.network.send(UPGRADE).await;
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 503 "));
    assert_eq!(began.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn an_answer_below_and_above_its_time() {
    struct Slow(Duration);
    impl Service for Slow {
        async fn call(&self, _: &RequestHead, _: &PeerInfo) -> Outcome {
            sleep(self.0).await;
            Outcome::Respond(Response::new(Bytes::from_static(b"fine")))
        }
    }
    // The time is that since accept: of the head and of the answer together.
    for (head, answer, status) in [
        (0, 14_900, "200"),
        (0, 15_100, "503"),
        (9_900, 5_000, "200"),
        (9_900, 5_200, "503"),
    ] {
        let server = start(Server::new(), Slow(Duration::from_millis(answer)));
        let mut peer = server.network.connect();
        sleep(Duration::from_millis(head)).await;
        peer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let text = read_head(&mut peer).await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head} and {answer} ms: {text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_in_the_same_segment_as_the_handshake_reach_the_connection() {
    let server = start(Server::new(), echo());
    let mut peer = server.network.send(format!("{UPGRADE}first bytes")).await;
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(&read_bytes(&mut peer).await, b"first bytes");
    peer.write_all(b"later").await.unwrap();
    assert_eq!(&read_bytes(&mut peer).await, b"later");
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_handed_over_with_every_byte_read_so_far() {
    struct Plain;
    impl Service for Plain {
        async fn call(&self, _: &RequestHead, _: &PeerInfo) -> Outcome {
            Outcome::Handover
        }
        async fn handover(&self, mut connection: PlainConnection) {
            let mut all = String::new();
            connection.read_to_string(&mut all).await.unwrap();
            connection
                .write_all(all.to_ascii_uppercase().as_bytes())
                .await
                .unwrap();
        }
    }
    let server = start(Server::new(), Plain);
    let request = "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nbody";
    let mut peer = server.network.send(request).await;
    peer.write_all(b" rest").await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(
        read_all(&mut peer).await,
        format!("{request} rest").to_ascii_uppercase()
    );
    // An upgrade attempt is never served as plain HTTP, whatever the service says.
    let text = read_all(&mut server.network.send(UPGRADE).await).await;
    assert!(text.starts_with("HTTP/1.1 404 "), "{text}");
}

#[tokio::test]
async fn a_refusal_arrives_though_the_peer_sent_much_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(ws_handler::serve(listener, NoService));
    for _ in 0..20 {
        let peer = TcpStream::connect(address).await.unwrap();
        refusal_in_a_flood(peer).await;
    }
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_neither_closes_nor_reads_is_dropped_two_seconds_after_the_refusal() {
    let server = start(Server::new(), NoService);
    let mut peer = server.network.send(OLD_UPGRADE).await;
    let began = Instant::now();
    assert_refuses(&read_all(&mut peer).await, "404");
    assert_eq!(server.handle.open_connections(), 1, "still lingering");
    while server.handle.open_connections() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    assert!((2..3).contains(&began.elapsed().as_secs()));
    assert!(peer.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn nagle_s_algorithm_is_off() {
    let factory = WebSocketFactory::default();
    let service = Recorder::new(move |request| {
        Outcome::upgrade(&factory, request, |upgraded| {
            Box::pin(async move {
                let Io::Tcp(mut stream) = upgraded.io else { return };
                let answer = if stream.nodelay().unwrap() { b"off" } else { b"on!" };
                stream.write_all(answer).await.unwrap();
            })
        })
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(ws_handler::serve(listener, service));
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(&read_bytes(&mut peer).await, b"off");
    server.abort();
}
