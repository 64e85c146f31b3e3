//! The socket as `Stream` and `Sink`.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use tokio::io::DuplexStream;
use tokio::time::timeout;
use ws_handler::{SocketError, WebSocket};
use ws_proto::Message;

use crate::support::{CLOSE, TEXT, close_payload, pair, server_and_peer};

async fn next(socket: &mut WebSocket<DuplexStream>) -> Option<Result<Message, SocketError>> {
    poll_fn(|cx| Pin::new(&mut *socket).poll_next(cx)).await
}

async fn feed(socket: &mut WebSocket<DuplexStream>, message: impl Into<Message>) {
    poll_fn(|cx| Pin::new(&mut *socket).poll_ready(cx)).await.unwrap();
    Pin::new(&mut *socket).start_send(message.into()).unwrap();
}

async fn close(socket: &mut WebSocket<DuplexStream>) -> Result<(), SocketError> {
    poll_fn(|cx| Pin::new(&mut *socket).poll_close(cx)).await
}

#[tokio::test(start_paused = true)]
async fn what_is_fed_is_written_by_flush_and_by_the_stream() {
    let (mut server, mut peer) = server_and_peer(1024);
    feed(&mut server, "one").await;
    feed(&mut server, "two").await;
    assert_eq!(server.queued_bytes(), 10);
    poll_fn(|cx| Pin::new(&mut server).poll_flush(cx)).await.unwrap();
    assert_eq!(peer.frame().await.unwrap().payload, b"one");
    assert_eq!(peer.frame().await.unwrap().payload, b"two");
    feed(&mut server, "three").await;
    let (message, _) = tokio::join!(next(&mut server), async {
        assert_eq!(peer.frame().await.unwrap().payload, b"three");
        peer.send(TEXT, "four").await;
    });
    assert_eq!(message.unwrap().unwrap(), "four".into());
}

#[tokio::test(start_paused = true)]
async fn not_ready_above_the_soft_limit() {
    let (mut server, mut peer) = server_and_peer(1024);
    feed(&mut server, vec![0; 70_000]).await;
    let ready = tokio::spawn(async move {
        poll_fn(|cx| Pin::new(&mut server).poll_ready(cx)).await.unwrap();
        server
    });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!ready.is_finished());
    let mut bytes = vec![0; 4_000];
    tokio::io::AsyncReadExt::read_exact(&mut peer.io, &mut bytes)
        .await
        .unwrap();
    assert!(ready.await.unwrap().queued_bytes() <= 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_after_a_close_and_after_an_error() {
    let (mut server, mut client) = pair(1024);
    let server = tokio::spawn(async move {
        assert!(!server.is_terminated());
        assert!(next(&mut server).await.is_none());
        assert!(server.is_terminated());
    });
    close(&mut client).await.unwrap();
    close(&mut client).await.unwrap();
    server.await.unwrap();

    let (mut server, peer) = server_and_peer(1024);
    drop(peer);
    assert!(next(&mut server).await.unwrap().is_err());
    assert!(next(&mut server).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn close_discards_what_still_arrives() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send(TEXT, "in flight").await;
    peer.send(CLOSE, close_payload(1000, "")).await;
    let server = tokio::spawn(async move { close(&mut server).await });
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    assert_eq!(peer.frame().await, None);
    drop(peer);
    server.await.unwrap().unwrap();
}

/// Feeds and receives eight messages each way in one task, as `forward` between two sockets does.
async fn feed_and_receive(mut socket: WebSocket<DuplexStream>) {
    let (mut fed, mut received) = (0_u8, 0_u8);
    poll_fn(|cx| {
        while fed < 8 && Pin::new(&mut socket).poll_ready(cx).is_ready() {
            Pin::new(&mut socket)
                .start_send(vec![fed; 256 * 1024].into())
                .unwrap();
            fed += 1;
        }
        while received < 8 {
            let Poll::Ready(message) = Pin::new(&mut socket).poll_next(cx) else {
                break;
            };
            assert_eq!(message.unwrap().unwrap().payload(), vec![received; 256 * 1024]);
            received += 1;
        }
        let flushed = Pin::new(&mut socket).poll_flush(cx).is_ready();
        if flushed && (fed, received) == (8, 8) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sink_and_stream_both_go_on_while_both_ends_send_much() {
    let (server, client) = pair(16 * 1024);
    let both = async { tokio::join!(feed_and_receive(server), feed_and_receive(client)) };
    // Before the write stall of 30 s would end it.
    timeout(Duration::from_secs(5), both).await.unwrap();
}
