//! Messages there and back, whatever their size and however the stream cuts them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::net::{TcpListener, TcpStream};
use ws_handler::{Io, Negotiated, SocketError, WebSocket};
use ws_proto::{
    CloseCode, Config, Delivery, Fragment, Message, MessageKind, PreparedMessage, Role, UseError,
};

use crate::support::{
    BINARY, Frame, PING, PONG, TEXT, Trickle, frame, pair, server_and_peer, server_and_peer_with, socket,
};

/// Sends everything back until the peer closes.
async fn echo<IO>(mut server: WebSocket<IO>) -> Result<(), SocketError>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = server.recv().await? {
        if message.is_data() {
            server.send(message).await?;
        }
    }
    Ok(())
}

fn pattern(len: usize) -> Bytes {
    (0..len)
        .map(|index| (index % 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

#[tokio::test(start_paused = true)]
async fn every_size_comes_back_over_a_stream_that_cuts_everywhere() {
    for (step, sizes) in [
        (1, &[0, 1, 125, 126, 700][..]),
        (4_099, &[65_535, 65_536, 300_000, 1 << 20]),
    ] {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(echo(socket(Trickle::new(near, step), Role::Server)));
        let mut client = socket(Trickle::new(far, step), Role::Client);
        for &size in sizes {
            let binary = Message::Binary(pattern(size));
            client.send(binary.clone()).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(binary), "{size} bytes");
            let text = Message::text("κόσμε ".repeat(size / 12));
            client.send(text.clone()).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(text));
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn every_size_comes_back_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        echo(socket(Io::from(stream), Role::Server)).await
    });
    let mut client = socket(Io::from(TcpStream::connect(address).await.unwrap()), Role::Client);
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let message = Message::Binary(pattern(size));
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(message));
    }
    client.close(CloseCode::NORMAL, "bye").await.unwrap();
    server.await.unwrap().unwrap();
    let reason = client.close_reason().unwrap();
    assert_eq!((reason.code, reason.clean), (CloseCode::NORMAL, true));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_came_with_the_handshake_come_first() {
    let (near, far) = tokio::io::duplex(1024);
    let early = frame(Role::Client, TEXT, true, b"early");
    let (head, tail) = early.split_at(4);
    let mut server = WebSocket::from_upgraded(
        near,
        Role::Server,
        &BytesMut::from(head),
        Arc::new(Config::server()),
        Negotiated::new().with_subprotocol("chat"),
    )
    .unwrap();
    assert_eq!(server.subprotocol(), Some("chat"));
    let mut far = far;
    tokio::io::AsyncWriteExt::write_all(&mut far, tail).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("early".into()));
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_come_out_and_so_do_pongs() {
    let (mut server, mut peer) = server_and_peer(1024);
    peer.send(PING, "one").await;
    peer.send(PING, "two").await;
    peer.send(PONG, "unasked").await;
    peer.send(TEXT, "data").await;
    for expected in [
        Message::Ping("one".into()),
        Message::Ping("two".into()),
        Message::Pong("unasked".into()),
        "data".into(),
    ] {
        assert_eq!(server.recv().await.unwrap(), Some(expected));
    }
    server.ping("three").await.unwrap();
    for (opcode, payload) in [(PONG, "one"), (PONG, "two"), (PING, "three")] {
        assert_eq!(
            peer.frame().await.unwrap(),
            Frame {
                opcode,
                fin: true,
                payload: payload.into()
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn fragments_are_assembled_or_handed_out_one_by_one() {
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let (mut server, mut peer) = server_and_peer_with(1024, Config::server().with_delivery(delivery));
        peer.send_frame(TEXT, false, b"\xce").await;
        peer.send(PING, "").await;
        peer.send_frame(0, true, b"\xba!").await;
        let mut received = Vec::new();
        while received.len() < if delivery == Delivery::Message { 2 } else { 3 } {
            received.push(server.recv().await.unwrap().unwrap());
        }
        let part = |first, fin, payload: &'static [u8]| {
            let payload = Bytes::from_static(payload);
            Message::Fragment(Fragment {
                kind: MessageKind::Text,
                first,
                fin,
                payload,
            })
        };
        let expected = match delivery {
            Delivery::Message => vec![Message::Ping(Bytes::new()), "κ!".into()],
            Delivery::Fragment => {
                vec![
                    part(true, false, b"\xce"),
                    Message::Ping(Bytes::new()),
                    part(false, true, b"\xba!"),
                ]
            }
        };
        assert_eq!(received, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn fragments_are_sent_as_they_are_given() {
    let (mut server, mut client) = pair(1 << 17);
    server
        .send_fragment(MessageKind::Binary, vec![1; 40_000], false)
        .await
        .unwrap();
    let refused = server.send("between").await;
    assert!(
        matches!(refused, Err(SocketError::Use(UseError::MessageOpen))),
        "{refused:?}"
    );
    server.ping("between").await.unwrap();
    server
        .send_fragment(MessageKind::Binary, vec![1; 3], true)
        .await
        .unwrap();
    assert_eq!(
        client.recv().await.unwrap(),
        Some(Message::Ping("between".into()))
    );
    assert_eq!(
        client.recv().await.unwrap(),
        Some(Message::Binary(vec![1; 40_003].into()))
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_refused_and_harms_nothing() {
    let (mut server, mut client) = pair(1024);
    let refused = server.ping(vec![0; 126]).await;
    assert!(
        matches!(refused, Err(SocketError::Use(UseError::ControlTooLong))),
        "{refused:?}"
    );
    let refused = server.close(CloseCode::NO_STATUS, "").await;
    assert!(
        matches!(refused, Err(SocketError::Use(UseError::CloseCode(1005)))),
        "{refused:?}"
    );
    server
        .send_prepared(&PreparedMessage::text("still here"))
        .await
        .unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("still here".into()));
}

#[tokio::test(start_paused = true)]
async fn a_client_masks_and_a_server_does_not() {
    let (near, far) = tokio::io::duplex(1 << 17);
    let mut client = socket(near, Role::Client);
    // The peer asserts the mask bit of every frame.
    let mut peer = crate::support::Peer::new(far, Role::Server);
    client.send("text").await.unwrap();
    client.send(pattern(50_000)).await.unwrap();
    assert_eq!(peer.frame().await.unwrap().payload, b"text");
    let large = peer.frame().await.unwrap();
    assert_eq!((large.opcode, large.payload), (BINARY, pattern(50_000).to_vec()));
}
