//! What an idle connection holds: nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use ws_proto::{Config, Role};

use super::{WebSocket, pool};
use crate::negotiated::Negotiated;

/// RFC 6455 §5.7: "Hello", masked.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

fn server() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = tokio::io::duplex(1024);
    let config = Arc::new(Config::server());
    let socket =
        WebSocket::from_upgraded(near, Role::Server, &BytesMut::new(), config, Negotiated::new()).unwrap();
    (socket, far)
}

/// Receives until nothing comes any more.
async fn settle(server: &mut WebSocket<DuplexStream>) -> usize {
    let mut messages = 0;
    while let Ok(received) = timeout(Duration::from_millis(1), server.recv()).await {
        messages += usize::from(received.unwrap().is_some());
    }
    messages
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_buffer() {
    let (mut server, mut peer) = server();
    assert!(!server.holds_memory(), "before anything has arrived");
    assert_eq!(settle(&mut server).await, 0);
    assert!(!server.holds_memory(), "while it waits");
    peer.write_all(&HELLO.repeat(3)).await.unwrap();
    let message = server.recv().await.unwrap().unwrap();
    assert!(server.holds_memory(), "in the middle of a batch");
    assert_eq!(pool::lent_chunks(), 1);
    server.send(message).await.unwrap();
    assert_eq!(settle(&mut server).await, 2);
    assert!(!server.holds_memory());
    assert_eq!(pool::lent_chunks(), 0);
    server.send("unasked").await.unwrap();
    assert!(!server.holds_memory(), "after a lone send");
}

#[tokio::test(start_paused = true)]
async fn half_a_message_holds_what_has_arrived_and_no_read_buffer() {
    let (mut server, mut peer) = server();
    peer.write_all(&HELLO[..8]).await.unwrap();
    assert_eq!(settle(&mut server).await, 0);
    assert_eq!(pool::lent_chunks(), 0);
    peer.write_all(&HELLO[8..]).await.unwrap();
    assert_eq!(settle(&mut server).await, 1);
    assert!(!server.holds_memory());
}

#[tokio::test(start_paused = true)]
async fn output_that_cannot_be_written_is_all_that_is_held() {
    let (mut server, mut peer) = server();
    assert!(
        timeout(Duration::from_millis(1), server.send(vec![0; 5_000]))
            .await
            .is_err()
    );
    assert_eq!(settle(&mut server).await, 0);
    assert!(server.holds_memory());
    assert_eq!(pool::lent_chunks(), 0);
    let mut bytes = [0; 5_004];
    let (_, read) = tokio::join!(settle(&mut server), peer.read_exact(&mut bytes));
    read.unwrap();
    assert!(!server.holds_memory());
}
