//! A client socket over bad networks: every fault of `FaultyIo` at every byte, against a scripted server.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::DuplexStream;
use ws_handler::{Negotiated, SocketError, WebSocket};
use ws_proto::{Config, Message, Role};
use ws_testkit::{Faults, FaultyIo, FrameScript, Gate, PeerError, RawFrame, RawPeer};

type Socket = WebSocket<FaultyIo<DuplexStream>>;

fn socket(faults: Faults) -> (Socket, Gate, DuplexStream) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let io = FaultyIo::new(near, faults);
    let gate = io.gate();
    let (config, leftover) = (Arc::new(Config::client()), BytesMut::new());
    let socket = WebSocket::from_upgraded(io, Role::Client, &leftover, config, Negotiated::new()).unwrap();
    (socket, gate, far)
}

/// What the server says: text in three frames with a ping between, binary, the close frame.
fn said() -> Vec<RawFrame> {
    vec![
        RawFrame::text("wo").unfinished(),
        RawFrame::ping("between"),
        RawFrame::continuation("").unfinished(),
        RawFrame::continuation("rd"),
        RawFrame::binary(vec![7; 300]),
        RawFrame::close(1000, "done"),
    ]
}

fn script() -> FrameScript {
    said().into_iter().fold(FrameScript::new(), FrameScript::send)
}

/// Every message, and how it ended.
async fn receive_all(socket: &mut Socket) -> (Vec<Message>, Result<(), SocketError>) {
    let mut messages = Vec::new();
    loop {
        match socket.recv().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

fn expected() -> Vec<Message> {
    vec![
        Message::Ping("between".into()),
        Message::from("word"),
        Message::from(vec![7; 300]),
    ]
}

/// The messages whose last byte is among the first `count` bytes.
fn expected_after(count: u64) -> Vec<Message> {
    let mut end = 0;
    let ends: Vec<u64> = said()
        .iter()
        .map(|frame| {
            end += frame.encode().len() as u64;
            end
        })
        .collect();
    // The ping is the second frame, the text ends with the fourth, the binary message is the fifth.
    let whole = [ends[1], ends[3], ends[4]]
        .iter()
        .filter(|end| **end <= count)
        .count();
    expected().into_iter().take(whole).collect()
}

async fn serve(far: DuplexStream) -> Result<RawPeer<DuplexStream>, (usize, PeerError)> {
    script()
        .expect(RawFrame::pong("between"))
        .expect_close(1000)
        .run(far)
        .await
}

#[tokio::test(start_paused = true)]
async fn however_the_bytes_are_chopped_the_messages_are_the_same() {
    for (read_chop, write_chop) in [
        (None, None),
        (Some(1), Some(1)),
        (Some(2), Some(3)),
        (Some(7), None),
    ] {
        for pending_between in [false, true] {
            let faults = Faults {
                read_chop,
                write_chop,
                pending_between,
                ..Faults::default()
            };
            let what = format!("{faults:?}");
            let (mut socket, _, far) = socket(faults);
            // The server goes away when its script is done, as it should after the close frames.
            let served = tokio::spawn(async move { serve(far).await.map(drop) });
            let (messages, ended) = receive_all(&mut socket).await;
            assert_eq!(messages, expected(), "{what}");
            assert!(ended.is_ok(), "{what}: {ended:?}");
            let served = served.await.unwrap();
            assert!(served.is_ok(), "{what}: {:?}", served.err());
            let reason = socket
                .close_reason()
                .map(|close| (close.code.value(), close.clean));
            assert_eq!(reason, Some((1000, true)), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_at_any_byte_gives_what_was_whole_and_then_an_error() {
    let length: usize = said().iter().map(|frame| frame.encode().len()).sum();
    let close = RawFrame::close(1000, "done").encode().len();
    for at in 0..(length - close) as u64 {
        for faults in [
            Faults {
                read_end_after: Some(at),
                ..Faults::default()
            },
            Faults {
                gone_after_read: Some(at),
                ..Faults::default()
            },
            Faults {
                reset_after_read: Some(at),
                ..Faults::default()
            },
        ] {
            let what = format!("{faults:?}");
            let (mut socket, _, far) = socket(faults);
            let server = script().run(far).await;
            let (messages, ended) = receive_all(&mut socket).await;
            assert_eq!(messages, expected_after(at), "{what}");
            assert!(
                matches!(ended, Err(SocketError::Lost(_) | SocketError::Io(_))),
                "{what}: {ended:?}"
            );
            assert_eq!(
                socket.close_reason().map(|close| close.code.value()),
                Some(1006),
                "{what}"
            );
            assert!(server.is_ok(), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_while_writing_is_told_and_nothing_hangs() {
    for at in 1..40 {
        let (mut socket, _, _far) = socket(Faults {
            reset_after_written: Some(at),
            ..Faults::default()
        });
        let sent = async {
            for _ in 0..10 {
                socket.send("0123456789").await?;
            }
            socket.recv().await.map(drop)
        };
        let error = sent.await.unwrap_err();
        assert!(
            matches!(error, SocketError::Lost(_) | SocketError::Io(_)),
            "{at}: {error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_write_capacity_a_send_waits_and_goes_on_when_there_is_room() {
    let (mut socket, gate, far) = socket(Faults {
        write_capacity: Some(100),
        ..Faults::default()
    });
    let mut server = RawPeer::new(far).within(Duration::from_secs(60));
    let payload = vec![3; 200_000];
    let opens = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        gate.open();
    };
    let began = tokio::time::Instant::now();
    let sent = socket.send(payload.clone());
    let (sent, (), received) = tokio::join!(sent, opens, server.next_frame());
    sent.unwrap();
    assert_eq!(received.unwrap().payload, payload);
    assert_eq!(began.elapsed().as_secs(), 5);
}
