//! Everything that happens because time passes. Time is virtual.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use ws_handler::{Lost, SocketError};
use ws_proto::{CloseCode, Config, ProtocolError, Role};

use crate::support::{
    BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame, server_and_peer, server_and_peer_with,
};

/// Not before `seconds`, and at most two slots of the wheel later.
fn assert_at(start: Instant, seconds: u64) {
    let elapsed = start.elapsed();
    let due = Duration::from_secs(seconds);
    assert!(
        (due..due + Duration::from_millis(200)).contains(&elapsed),
        "{elapsed:?} instead of {due:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_lives_while_it_answers() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    let server = tokio::spawn(async move {
        loop {
            match server.recv().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    });
    for round in 1..=3 {
        let ping = peer.frame().await.unwrap();
        assert_eq!(ping.opcode, PING);
        assert_at(start, 30 * round);
        peer.send(PONG, ping.payload).await;
    }
    peer.send(CLOSE, close_payload(1000, "")).await;
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    drop(peer);
    assert_eq!(server.await.unwrap().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_missing_pong_is_1006_here_and_1011_there() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    let task = tokio::spawn(async move { (server.recv().await, server) });
    assert_eq!(peer.frame().await.unwrap().opcode, PING);
    // An unsolicited pong proves nothing.
    peer.send(PONG, "x").await;
    let (first, mut server) = task.await.unwrap();
    assert!(first.unwrap().is_some());
    let task = tokio::spawn(async move { (server.recv().await, server) });
    assert_eq!(peer.frame().await.unwrap().close_code(), 1011);
    assert_at(start, 50);
    drop(peer);
    let (result, server) = task.await.unwrap();
    assert!(
        matches!(result, Err(SocketError::Lost(Lost::PongOverdue))),
        "{result:?}"
    );
    assert_eq!(server.close_reason().unwrap().code, CloseCode::ABNORMAL);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_that_is_not_answered_is_1006_after_ten_seconds() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    let error = server.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert!(
        matches!(error, SocketError::Lost(Lost::CloseOverdue)),
        "{error:?}"
    );
    assert_at(start, 10);
    drop(server);
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    assert_eq!(peer.frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_floods_does_not_put_off_the_close_timeout() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    let flood = tokio::spawn(async move {
        let bytes = frame(Role::Client, BINARY, true, &[0; 100]);
        while peer.io.write_all(&bytes).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let error = server.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert!(
        matches!(error, SocketError::Lost(Lost::CloseOverdue)),
        "{error:?}"
    );
    assert_at(start, 10);
    drop(server);
    flood.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn output_that_makes_no_progress_for_thirty_seconds_is_given_up() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    let task = tokio::spawn(async move { (server.send(vec![0; 100_000]).await, server) });
    tokio::time::sleep(Duration::from_secs(20)).await;
    // A little progress is progress.
    let mut bytes = [0; 100];
    tokio::io::AsyncReadExt::read_exact(&mut peer.io, &mut bytes)
        .await
        .unwrap();
    let (result, server) = task.await.unwrap();
    assert!(
        matches!(result, Err(SocketError::Lost(Lost::WriteStalled))),
        "{result:?}"
    );
    assert_at(start, 50);
    assert_eq!(server.close_reason().unwrap().code, CloseCode::ABNORMAL);
}

#[tokio::test(start_paused = true)]
async fn output_that_stalls_is_given_up_while_receiving_too() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    // Five pings of which the pongs cannot all be written; the peer reads nothing.
    for _ in 0..5 {
        peer.send(PING, [0; 125]).await;
    }
    let task = tokio::spawn(async move {
        loop {
            if let Err(error) = server.recv().await {
                return error;
            }
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..7 {
        peer.send(PING, [0; 125]).await;
    }
    let error = task.await.unwrap();
    assert!(
        matches!(error, SocketError::Lost(Lost::WriteStalled)),
        "{error:?}"
    );
    assert_at(start, 31);
}

#[tokio::test(start_paused = true)]
async fn two_stalls_are_not_added_up() {
    let (mut server, mut peer) = server_and_peer(1024);
    let send = |mut server: ws_handler::WebSocket<_>| {
        tokio::spawn(async move {
            server.send(vec![0; 5_000]).await.unwrap();
            server
        })
    };
    let first = send(server);
    tokio::time::sleep(Duration::from_secs(20)).await;
    // All but what the pipe holds: the first send is done, and the second finds the pipe full.
    let mut bytes = vec![0; 5_004 - 1_024];
    tokio::io::AsyncReadExt::read_exact(&mut peer.io, &mut bytes)
        .await
        .unwrap();
    server = first.await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let second = send(server);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut bytes = vec![0; 1_024 + 5_004];
    tokio::io::AsyncReadExt::read_exact(&mut peer.io, &mut bytes)
        .await
        .unwrap();
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_finished_is_1008_after_twenty_seconds_without_a_byte() {
    let (mut server, mut peer) = server_and_peer(1024);
    let start = Instant::now();
    let task = tokio::spawn(async move { server.recv().await });
    peer.send_frame(TEXT, false, b"begun").await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    // One byte more of it buys time.
    peer.io
        .write_all(&frame(Role::Client, 0, false, b"longer")[..7])
        .await
        .unwrap();
    assert_eq!(peer.frame().await.unwrap().opcode, CLOSE);
    assert_at(start, 35);
    drop(peer);
    let result = task.await.unwrap();
    assert!(
        matches!(result, Err(SocketError::Protocol(ProtocolError::MessageStalled))),
        "{result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_with_1001_and_pings_do_not_count() {
    let mut config = Config::server();
    config.timeouts.idle = Some(Duration::from_secs(40));
    let (mut server, mut peer) = server_and_peer_with(1024, config);
    let start = Instant::now();
    let task = tokio::spawn(async move {
        while server.recv().await?.is_some() {}
        Ok::<_, SocketError>(server)
    });
    let ping = peer.frame().await.unwrap();
    peer.send(PONG, ping.payload).await;
    assert_eq!(peer.frame().await.unwrap().close_code(), 1001);
    assert_at(start, 40);
    peer.send(CLOSE, close_payload(1001, "")).await;
    drop(peer);
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_receives_is_not_held_against_the_peer() {
    let (mut server, mut peer) = server_and_peer(1024);
    let message = frame(Role::Client, TEXT, true, b"hello");
    peer.io.write_all(&message[..3]).await.unwrap();
    let pending = tokio::time::timeout(Duration::from_secs(1), server.recv()).await;
    assert!(pending.is_err());
    // The rest is there long before the application looks again.
    peer.io.write_all(&message[3..]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(server.recv().await.unwrap(), Some("hello".into()));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_backpressure_stops_reading_is_not_held_against_the_peer() {
    let (mut server, mut peer) = server_and_peer(1024);
    let waits = tokio::time::timeout(Duration::from_secs(31), server.recv()).await;
    assert!(waits.is_err());
    // The pong is there in time, but the server is busy sending to a peer that reads slowly.
    let ping = peer.frame().await.unwrap();
    peer.send(PONG, ping.payload).await;
    let task = tokio::spawn(async move {
        server.send(vec![0; 20_000]).await.unwrap();
        server.recv().await
    });
    let mut bytes = vec![0; 20_004];
    for part in bytes.chunks_mut(1_000) {
        tokio::time::sleep(Duration::from_secs(10)).await;
        tokio::io::AsyncReadExt::read_exact(&mut peer.io, part)
            .await
            .unwrap();
    }
    let received = task.await.unwrap().unwrap().unwrap();
    assert!(matches!(received, ws_proto::Message::Pong(_)), "{received:?}");
}
