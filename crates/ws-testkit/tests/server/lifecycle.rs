//! `TestServer` as a library type: its start, its options, its end.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use ws_testkit::TestServer;

use crate::wire::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, frame};

/// The code of the close frame that is next on the wire.
async fn close_code(wire: &mut Wire) -> u16 {
    let close = wire.receive().await;
    assert_eq!(close.opcode, CLOSE, "{close:?}");
    u16::from_be_bytes([close.payload[0], close.payload[1]])
}

#[tokio::test]
async fn stop_closes_everybody_with_1001_and_takes_nobody_more() {
    let server = TestServer::bind("localhost:0").start().await.expect("a server");
    let address = server.local_addr();
    let mut wires = Vec::new();
    for subprotocol in [Some("echo"), Some("echo-broadcast-ping"), None] {
        wires.push(Wire::open(address, subprotocol).await);
    }
    assert_eq!(server.open_connections(), 3);
    let stopping = tokio::spawn(async move {
        server.stop(Duration::from_secs(3600)).await;
        server.open_connections()
    });
    for wire in &mut wires {
        assert_eq!(close_code(wire).await, 1001);
        wire.send(true, CLOSE, 1001_u16.to_be_bytes()).await;
        assert_eq!(wire.read_to_end().await, b"");
    }
    assert_eq!(stopping.await.expect("a stop"), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_dropped_stops_at_once() {
    let server = TestServer::bind("127.0.0.1:0").start().await.expect("a server");
    let address = server.local_addr();
    let mut wire = Wire::open(address, Some("echo")).await;
    drop(server);
    // Nobody waits for an answer to a close frame, and none is ever sent.
    wire.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = TestServer::bind("127.0.0.1:0")
        .max_connections(1)
        .start()
        .await
        .expect("a server");
    let _only = Wire::open(server.local_addr(), None).await;
    let mut wire = Wire::tcp(server.local_addr()).await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_is_given_up() {
    let timeout = Duration::from_secs(3);
    let server = TestServer::bind("127.0.0.1:0")
        .handshake_timeout(timeout)
        .start()
        .await
        .expect("a server");
    let mut wire = Wire::tcp(server.local_addr()).await;
    wire.write(b"GET / HTTP/1.1\r\nHost: te").await;
    let began = tokio::time::Instant::now();
    assert!(wire.read_head().await.starts_with("HTTP/1.1 408 "));
    assert!(
        (2.0..4.0).contains(&began.elapsed().as_secs_f64()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn limits_hold_for_every_protocol_that_has_them() {
    let mut config = TestServer::default_config();
    config.limits.max_frame_size = 10;
    config.limits.max_message_size = 15;
    config.limits.max_fragments = 3;
    let server = TestServer::bind("127.0.0.1:0")
        .config(config)
        .start()
        .await
        .expect("a server");
    for subprotocol in [
        Some("echo-assemble"),
        Some("echo-fragment"),
        Some("echo-broadcast"),
        None,
    ] {
        let mut wire = Wire::open(server.local_addr(), subprotocol).await;
        wire.send(true, BINARY, [0; 11]).await;
        assert_eq!(close_code(&mut wire).await, 1009, "{subprotocol:?}: frame");

        let mut wire = Wire::open(server.local_addr(), subprotocol).await;
        wire.send(false, BINARY, [0; 10]).await;
        wire.send(true, CONTINUATION, [0; 6]).await;
        assert_eq!(close_code(&mut wire).await, 1009, "{subprotocol:?}: message");

        let mut wire = Wire::open(server.local_addr(), subprotocol).await;
        for count in 0..4 {
            wire.send(false, if count == 0 { TEXT } else { CONTINUATION }, "")
                .await;
        }
        assert_eq!(close_code(&mut wire).await, 1008, "{subprotocol:?}: fragments");
    }
    let mut wire = Wire::open(server.local_addr(), Some("echo")).await;
    wire.send(true, BINARY, [0; 11]).await;
    assert_eq!(close_code(&mut wire).await, 1009, "echo: frame");
}

#[tokio::test]
async fn pings_have_no_budget_by_default() {
    let server = TestServer::bind("127.0.0.1:0").start().await.expect("a server");
    let mut wire = Wire::open(server.local_addr(), None).await;
    for round in 0..1000_u32 {
        wire.send(true, PING, round.to_be_bytes()).await;
        assert_eq!(wire.receive().await, frame(true, PONG, round.to_be_bytes()));
    }
    wire.close().await;
}

#[tokio::test]
async fn an_observer_sees_every_end_of_a_connection() {
    let (sink, mut lines) = mpsc::unbounded_channel();
    let server = TestServer::bind("127.0.0.1:0")
        .observe(move |what| drop(sink.send(what.to_string())))
        .start()
        .await
        .expect("a server");
    Wire::open(server.local_addr(), Some("echo")).await.close().await;
    let mut broken = Wire::open(server.local_addr(), Some("echo-fragment")).await;
    broken.send(true, TEXT, b"\xff").await;
    assert_eq!(close_code(&mut broken).await, 1007);
    drop(broken);
    drop(Wire::open(server.local_addr(), None).await);
    let mut seen = Vec::new();
    while seen
        .iter()
        .filter(|line: &&String| line.contains(" close "))
        .count()
        < 3
    {
        seen.push(lines.recv().await.expect("a line"));
    }
    for expected in [
        "#1 open",
        "#1 close 1000",
        "#2 open",
        "#2 close 1007",
        "#3 open",
        "#3 close 1006",
    ] {
        let times = seen.iter().filter(|line| line.starts_with(expected)).count();
        assert_eq!(times, 1, "{expected} in {seen:?}");
    }
}
