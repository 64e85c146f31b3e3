//! How many calls it takes, and how much is held meanwhile.

use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use ws_proto::{Message, Role};

use crate::support::{BINARY, Counted, PING, PONG, Peer, TEXT, frame, server_and_peer, socket};

#[tokio::test(start_paused = true)]
async fn what_one_read_brought_is_answered_in_one_write() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (near, calls) = Counted::new(near);
    let mut server = socket(near, Role::Server);
    let mut peer = Peer::new(far, Role::Client);
    let mut batch = Vec::new();
    for index in 0..16_u8 {
        batch.extend(frame(
            Role::Client,
            if index % 5 == 4 { PING } else { TEXT },
            true,
            &[b'a' + index],
        ));
    }
    peer.io.write_all(&batch).await.unwrap();
    for _ in 0..16 {
        let message = server.recv().await.unwrap().unwrap();
        if message.is_data() {
            server.send(message).await.unwrap();
        }
    }
    assert_eq!(calls.reads.load(Ordering::Relaxed), 1);
    assert_eq!(
        calls.writes.load(Ordering::Relaxed),
        1,
        "the last reply writes them all"
    );
    for index in 0..16_u8 {
        let frame = peer.frame().await.unwrap();
        assert_eq!(frame.payload, [b'a' + index]);
        assert_eq!(frame.opcode, if index % 5 == 4 { PONG } else { TEXT });
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_send_is_on_the_wire_when_it_is_ready() {
    let (mut server, mut peer) = server_and_peer(1024);
    server.send("unasked").await.unwrap();
    assert_eq!(server.queued_bytes(), 0);
    assert_eq!(peer.frame().await.unwrap().payload, b"unasked");

    // Also after a message behind which half of the next one has arrived.
    let half = frame(Role::Client, TEXT, true, b"second");
    peer.io
        .write_all(&[&frame(Role::Client, TEXT, true, b"first"), &half[..5]].concat())
        .await
        .unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("first".into()));
    server.send("reply").await.unwrap();
    assert_eq!(server.queued_bytes(), 0);
    assert_eq!(peer.frame().await.unwrap().payload, b"reply");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_waits_for_its_batch_is_written_by_flush_and_by_recv() {
    let (mut server, mut peer) = server_and_peer(1024);
    let two = [
        frame(Role::Client, TEXT, true, b"1"),
        frame(Role::Client, TEXT, true, b"2"),
    ]
    .concat();
    peer.io.write_all(&two).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("1".into()));
    server.send("reply 1").await.unwrap();
    assert_ne!(server.queued_bytes(), 0, "another message waits");
    server.flush().await.unwrap();
    assert_eq!(peer.frame().await.unwrap().payload, b"reply 1");

    peer.io.write_all(&two).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("2".into()));
    assert_eq!(server.recv().await.unwrap(), Some("1".into()));
    server.send("reply 2").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("2".into()));
    let (_, frame) = tokio::join!(
        async {
            tokio::time::timeout(std::time::Duration::from_secs(1), server.recv())
                .await
                .unwrap_err()
        },
        peer.frame(),
    );
    assert_eq!(frame.unwrap().payload, b"reply 2");
}

#[tokio::test(start_paused = true)]
async fn a_large_binary_payload_is_read_in_large_pieces_straight_to_its_place() {
    let (near, far) = tokio::io::duplex(1 << 22);
    let (near, calls) = Counted::new(near);
    let mut server = socket(near, Role::Server);
    let mut peer = Peer::new(far, Role::Client);
    let payload: Vec<u8> = (0..1_000_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    peer.send(BINARY, &payload).await;
    peer.send(TEXT, "next").await;
    assert_eq!(
        server.recv().await.unwrap(),
        Some(Message::Binary(payload.into()))
    );
    assert_eq!(server.recv().await.unwrap(), Some("next".into()));
    assert!(
        calls.room.load(Ordering::Relaxed) > 64 * 1024,
        "rooms grow with what has arrived"
    );
    assert!(calls.reads.load(Ordering::Relaxed) < 10);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_pings_and_never_reads_costs_next_to_nothing() {
    let mut config = ws_proto::Config::server();
    config.limits.ping_budget = None;
    let (mut server, mut peer) = crate::support::server_and_peer_with(4 * 1024, config);
    let server = tokio::spawn(async move {
        let mut pings = 0;
        while pings < 10_000 {
            if let Some(Message::Ping(_)) = server.recv().await.unwrap() {
                pings += 1;
            }
        }
        server.queued_bytes()
    });
    for _ in 0..10_000 {
        peer.send(PING, [7; 125]).await;
    }
    let queued = server.await.unwrap();
    // What one read brought may have been answered before it was known that nothing can be written.
    assert!(queued <= 64 * 1024, "{queued} bytes queued");
}

#[tokio::test(start_paused = true)]
async fn an_echo_that_cannot_write_stops_reading() {
    let (mut server, mut peer) = server_and_peer(4 * 1024);
    let server = tokio::spawn(async move {
        while let Ok(Some(message)) = server.recv().await {
            if server.send(message).await.is_err() {
                break;
            }
        }
    });
    // Far less than the write stall timeout: nothing moves any more long before.
    let sent = tokio::time::timeout(std::time::Duration::from_secs(5), async {
        for _ in 0..1000 {
            peer.send(BINARY, [7; 1000]).await;
        }
    })
    .await;
    assert!(
        sent.is_err(),
        "a megabyte was read though nothing could be written"
    );
    server.abort();
}
