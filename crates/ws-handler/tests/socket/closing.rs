//! How connections end (RFC 6455 §7).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use ws_handler::{Io, Lost, Signal, SocketError};
use ws_proto::{CloseCode, Initiator, ProtocolError, Role, UseError};

use crate::support::{
    CLOSE, Frame, Peer, TEXT, close_payload, frame, pair, server_and_peer, socket, socket_with,
};

#[tokio::test(start_paused = true)]
async fn the_peers_close_is_echoed_and_the_server_ends_tcp_first() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send(CLOSE, close_payload(3001, "bye")).await;
    let server = tokio::spawn(async move {
        assert_eq!(server.recv().await.unwrap(), None);
        assert_eq!(server.recv().await.unwrap(), None, "and stays so");
        server
    });
    assert_eq!(
        peer.frame().await.unwrap(),
        Frame {
            opcode: CLOSE,
            fin: true,
            payload: close_payload(3001, "")
        }
    );
    // The peer has not closed its direction, and yet the server's is at its end.
    assert_eq!(peer.frame().await, None);
    drop(peer);
    let mut server = server.await.unwrap();
    let reason = server.close_reason().unwrap().clone();
    assert_eq!((reason.code, &*reason.reason), (CloseCode::new(3001), "bye"));
    assert_eq!((reason.who, reason.clean), (Initiator::Remote, true));
    let refused = server.send("late").await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_the_server_to_end_tcp() {
    let (near, far) = tokio::io::duplex(1024);
    let mut client = socket(near, Role::Client);
    let mut peer = Peer::new(far, Role::Server);
    let client = tokio::spawn(async move { client.close(CloseCode::NORMAL, "done").await.map(|()| client) });
    assert_eq!(peer.frame().await.unwrap().payload, close_payload(1000, "done"));
    peer.send(CLOSE, close_payload(1000, "")).await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_secs(1), peer.io.read(&mut byte)).await;
    assert!(early.is_err(), "the client ended its direction first");
    drop(peer);
    client.await.unwrap().unwrap();
}

/// What must happen while a socket is kept, instead of a test that never ends.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap()
}

/// Over TCP the server would wait in vain for the end of a connection that its client is done with.
#[tokio::test(start_paused = true)]
async fn a_closed_client_that_is_kept_has_ended_the_stream() {
    for server_ends_first in [true, false] {
        let (near, far) = tokio::io::duplex(1024);
        let mut client = socket(near, Role::Client);
        let mut peer = Peer::new(far, Role::Server);
        let client = tokio::spawn(async move { client.close(CloseCode::NORMAL, "").await.map(|()| client) });
        assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
        peer.send(CLOSE, close_payload(1000, "")).await;
        if server_ends_first {
            peer.io.shutdown().await.unwrap();
        }
        let kept = client.await.unwrap().unwrap();
        assert_eq!(soon(peer.frame()).await, None);
        assert!(kept.close_reason().unwrap().clean);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_socket_that_is_kept_has_ended_the_stream() {
    for role in [Role::Server, Role::Client] {
        let (near, far) = tokio::io::duplex(1024);
        let mut kept = socket(near, role);
        let mut peer = Peer::new(far, role.peer());
        peer.io.shutdown().await.unwrap();
        assert!(matches!(kept.recv().await, Err(SocketError::Lost(Lost::Eof))));
        assert_eq!(soon(peer.frame()).await, None, "{role:?}");
        drop(kept);
    }
}

#[tokio::test(start_paused = true)]
async fn close_discards_what_still_arrives_and_completes_the_handshake() {
    let (mut server, mut peer) = server_and_peer(1024);
    let server = tokio::spawn(async move { server.close(CloseCode::GOING_AWAY, "x").await.map(|()| server) });
    assert_eq!(peer.frame().await.unwrap().close_code(), 1001);
    peer.send(TEXT, "in flight").await;
    peer.send(CLOSE, close_payload(1001, "")).await;
    assert_eq!(peer.frame().await, None);
    drop(peer);
    let server = server.await.unwrap().unwrap();
    assert_eq!(server.close_reason().unwrap().who, Initiator::Local);
}

#[tokio::test(start_paused = true)]
async fn both_ends_may_close_at_once() {
    let (mut server, mut client) = pair(1024);
    let (one, other) = tokio::join!(
        server.close(CloseCode::NORMAL, "s"),
        client.close(CloseCode::GOING_AWAY, "c")
    );
    one.unwrap();
    other.unwrap();
    assert!(server.close_reason().unwrap().clean && client.close_reason().unwrap().clean);
}

#[tokio::test(start_paused = true)]
async fn an_empty_close_frame_is_1005() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send(CLOSE, "").await;
    let server = tokio::spawn(async move { server.recv().await.map(|_| server) });
    assert_eq!(peer.frame().await.unwrap().payload, b"");
    drop(peer);
    assert_eq!(
        server.await.unwrap().unwrap().close_reason().unwrap().code,
        CloseCode::NO_STATUS
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_received_before_the_close_can_still_be_answered() {
    let (mut server, mut peer) = server_and_peer(1024);
    let bytes = [
        frame(Role::Client, TEXT, true, b"question"),
        frame(Role::Client, CLOSE, true, &close_payload(1000, "")),
    ];
    peer.io.write_all(&bytes.concat()).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("question".into()));
    server.send("answer").await.unwrap();
    let server = tokio::spawn(async move { server.recv().await });
    assert_eq!(peer.frame().await.unwrap().payload, b"answer");
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    drop(peer);
    assert_eq!(server.await.unwrap().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_violation_is_told_to_the_peer_then_to_the_caller_once() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.io.write_all(b"\x83\x80abcd and more").await.unwrap();
    let server = tokio::spawn(async move {
        let error = server.recv().await.unwrap_err();
        assert!(
            matches!(error, SocketError::Protocol(ProtocolError::ReservedOpcode(3))),
            "{error:?}"
        );
        assert_eq!(server.recv().await.unwrap(), None);
        server
    });
    assert_eq!(peer.frame().await.unwrap().close_code(), 1002);
    assert_eq!(peer.frame().await, None);
    drop(peer);
    let reason = server.await.unwrap().close_reason().unwrap().clone();
    assert_eq!((reason.code, reason.clean), (CloseCode::PROTOCOL_ERROR, false));
}

#[tokio::test]
async fn no_reset_eats_the_close_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = socket(Io::from(stream), Role::Server);
        server.recv().await.unwrap_err();
        // Dropped here, with whatever the peer has sent since.
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A broken frame, then bytes that nobody will ever parse.
    stream.write_all(b"\xc1\x80abcd").await.unwrap();
    stream.write_all(&[0; 30_000]).await.unwrap();
    let mut peer = Peer::new(stream, Role::Client);
    assert_eq!(peer.frame().await.unwrap().close_code(), 1002);
    assert_eq!(peer.frame().await, None, "an orderly end");
    drop(peer);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_end_tcp_is_waited_for_two_seconds() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send(CLOSE, close_payload(1000, "")).await;
    let start = Instant::now();
    assert_eq!(server.recv().await.unwrap(), None);
    let waited = start.elapsed();
    assert!(
        (Duration::from_secs(2)..Duration::from_millis(2200)).contains(&waited),
        "{waited:?}"
    );
    assert!(server.close_reason().unwrap().clean);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_kib_are_drained() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send(CLOSE, close_payload(1000, "")).await;
    let server = tokio::spawn(async move { server.recv().await });
    let start = Instant::now();
    let mut sent = 0;
    while peer.io.write_all(&[0; 1024]).await.is_ok() {
        sent += 1024;
    }
    assert!((64 * 1024..=68 * 1024).contains(&sent), "{sent}");
    assert_eq!(server.await.unwrap().unwrap(), None);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_without_a_close_frame_is_1006() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send_frame(TEXT, false, b"never finished").await;
    drop(peer);
    let error = server.recv().await.unwrap_err();
    assert!(matches!(error, SocketError::Lost(Lost::Eof)), "{error:?}");
    let reason = server.close_reason().unwrap();
    assert_eq!(
        (reason.code, reason.who),
        (CloseCode::ABNORMAL, Initiator::Remote)
    );
    assert_eq!(server.recv().await.unwrap(), None, "told once");
    let error = server.send("x").await.unwrap_err();
    assert!(matches!(error, SocketError::Lost(Lost::Eof)), "{error:?}");
}

#[tokio::test]
async fn a_reset_is_an_io_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let mut server = socket(Io::from(accepted), Role::Server);
    server.send("unread").await.unwrap();
    // Closing with unread input resets the connection.
    stream.readable().await.unwrap();
    drop(stream);
    let error = server.recv().await.unwrap_err();
    let SocketError::Io(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(server.close_reason().unwrap().code, CloseCode::ABNORMAL);
}

#[tokio::test(start_paused = true)]
async fn the_stop_signal_closes_with_1001_and_restart_with_1012() {
    for (flags, code) in [(Signal::STOP, 1001), (Signal::STOP | Signal::RESTART, 1012)] {
        let (mut server, mut peer) = server_and_peer(1024);
        let signal = server.signal().clone();
        let server = tokio::spawn(async move { server.recv().await });
        tokio::task::yield_now().await;
        signal.raise(flags);
        assert_eq!(peer.frame().await.unwrap().close_code(), code);
        peer.send(CLOSE, close_payload(code, "")).await;
        assert_eq!(peer.frame().await, None);
        drop(peer);
        assert_eq!(server.await.unwrap().unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_kill_signal_drops_at_once_even_a_send_that_waits() {
    let (mut server, _peer) = server_and_peer(1024);
    let signal = server.signal().clone();
    let send = tokio::spawn(async move { server.send(vec![0; 100_000]).await });
    tokio::task::yield_now().await;
    signal.raise(Signal::KILL);
    let error = send.await.unwrap().unwrap_err();
    assert!(matches!(error, SocketError::Lost(Lost::Dropped)), "{error:?}");

    let (mut server, _peer) = server_and_peer(1024);
    server.signal().raise(Signal::KILL);
    let error = server.recv().await.unwrap_err();
    assert!(matches!(error, SocketError::Lost(Lost::Dropped)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_a_close_frame() {
    let (mut server, mut peer) = server_and_peer(1024);
    let close = server.close(CloseCode::NORMAL, "");
    // The handshake is given up half way; the frame is out.
    assert!(
        tokio::time::timeout(Duration::from_millis(10), close)
            .await
            .is_err()
    );
    let refused = server.send("late").await;
    assert!(
        matches!(refused, Err(SocketError::Use(UseError::Closed))),
        "{refused:?}"
    );
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    peer.send(CLOSE, close_payload(1000, "")).await;
    drop(peer);
    server.close(CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_pings_are_1008() {
    let mut config = ws_proto::Config::server();
    config.limits.ping_budget = Some(ws_proto::PingBudget {
        burst: 3,
        per_second: 1,
    });
    let (near, far) = tokio::io::duplex(1024);
    let mut server = socket_with(near, Role::Server, config);
    let mut peer = Peer::new(far, Role::Client);
    for _ in 0..4 {
        peer.send(crate::support::PING, "").await;
    }
    let server = tokio::spawn(async move {
        while server.recv().await?.is_some() {}
        Ok::<_, SocketError>(())
    });
    let frames = peer.frames().await;
    assert_eq!(frames.len(), 4);
    assert_eq!(frames[3].close_code(), 1008);
    drop(peer);
    let error = server.await.unwrap().unwrap_err();
    assert!(
        matches!(error, SocketError::Protocol(ProtocolError::TooManyPings)),
        "{error:?}"
    );
}
