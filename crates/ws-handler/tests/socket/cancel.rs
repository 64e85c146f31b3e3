//! Law: every async method says what happens when it is dropped, and here it is dropped at every point where it can
//! wait. The stream below is pending between any two steps, so there are many such points.

use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, DuplexStream};
use ws_handler::{Link, ReadBuffer, Receiver, Sender, Signal, Wake, WebSocket};
use ws_proto::{
    CloseCode, Config, Event, Message, MessageKind, PreparedMessage, ReceivePath, Role, SendOptions, SendPath,
};

use crate::support::{
    BINARY, CLOSE, Frame, PING, PONG, Peer, TEXT, Trickle, close_payload, frame, poll_times, socket,
};

type Cut = Trickle<DuplexStream>;

/// A socket whose stream moves `step` bytes at a time, and the peer at the end of a pipe that holds everything.
fn cut_socket(role: Role, step: usize) -> (WebSocket<Cut>, Peer) {
    let (near, far) = tokio::io::duplex(1 << 20);
    (
        socket(Trickle::new(near, step), role),
        Peer::new(far, role.peer()),
    )
}

/// What the server receives in the tests of receiving, as bytes of a client.
fn script() -> (Vec<u8>, Vec<Message>) {
    let bytes = [
        frame(Role::Client, TEXT, true, b"one"),
        frame(Role::Client, TEXT, false, "zw\u{f6}".as_bytes()),
        frame(Role::Client, PING, true, b"p"),
        frame(Role::Client, 0, true, b"lf"),
        frame(Role::Client, 2, true, &[7; 300]),
        frame(Role::Client, TEXT, true, b""),
    ];
    let messages = vec![
        "one".into(),
        Message::Ping("p".into()),
        "zw\u{f6}lf".into(),
        Message::Binary(vec![7; 300].into()),
        "".into(),
    ];
    (bytes.concat(), messages)
}

#[tokio::test(start_paused = true)]
async fn recv_dropped_after_any_number_of_polls_loses_nothing() {
    for polls in 1..12 {
        let (mut server, mut peer) = cut_socket(Role::Server, 1);
        let (bytes, expected) = script();
        peer.io.write_all(&bytes).await.unwrap();
        let mut received = Vec::new();
        while received.len() < expected.len() {
            if let Some(message) = poll_times(pin!(server.recv()), polls).await {
                received.push(message.unwrap().unwrap());
            }
        }
        assert_eq!(received, expected);
        server.flush().await.unwrap();
        assert_eq!(peer.frame().await.unwrap().opcode, PONG);
    }
}

#[tokio::test(start_paused = true)]
async fn recv_of_a_half_dropped_after_any_number_of_polls_loses_nothing() {
    for polls in 1..12 {
        let (server, mut peer) = cut_socket(Role::Server, 1);
        let (_sender, mut receiver) = server.split();
        let (bytes, expected) = script();
        peer.io.write_all(&bytes).await.unwrap();
        let mut received = Vec::new();
        while received.len() < expected.len() {
            if let Some(message) = poll_times(pin!(receiver.recv()), polls).await {
                received.push(message.unwrap().unwrap());
            }
        }
        assert_eq!(received, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn wake_dropped_after_any_number_of_polls_loses_nothing() {
    for polls in 1..6 {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut peer = Peer::new(far, Role::Client);
        peer.io.write_all(&script().0).await.unwrap();
        let config = Arc::new(Config::server());
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut buffer = ReadBuffer::new();
        let mut link = Link::new(
            Trickle::new(near, 1),
            SendPath::server(config),
            Arc::new(Signal::new()),
        );
        let mut events = Vec::new();
        while events.len() < 5 {
            let wake = poll_times(pin!(link.wake(&mut receive, &mut buffer)), polls).await;
            if let Some(wake) = wake {
                assert!(matches!(wake, Wake::Data), "{wake:?}");
                while let Some(event) = buffer.next_event(&mut receive).unwrap() {
                    events.push(match event {
                        Event::Text(text) => text.len(),
                        Event::Binary(bytes) | Event::Ping(bytes) => bytes.len(),
                        other => panic!("{other:?}"),
                    });
                }
            }
        }
        assert_eq!(events, [3, 1, 6, 300, 0]);
    }
}

/// Something that can be told to send.
trait Subject: Sized {
    fn new(role: Role) -> (Self, Peer);

    /// Sends one more message and ends the stream.
    async fn end_with_marker(self);
}

impl Subject for WebSocket<Cut> {
    fn new(role: Role) -> (Self, Peer) {
        cut_socket(role, 997)
    }

    async fn end_with_marker(mut self) {
        self.send("marker").await.unwrap();
    }
}

impl Subject for (Sender<Cut>, Receiver<Cut>) {
    fn new(role: Role) -> (Self, Peer) {
        let (socket, peer) = cut_socket(role, 997);
        (socket.split(), peer)
    }

    async fn end_with_marker(self) {
        self.0.send("marker").await.unwrap();
        self.0.flush().await.unwrap();
    }
}

impl Subject for Link<Cut> {
    fn new(_: Role) -> (Self, Peer) {
        let (near, far) = tokio::io::duplex(1 << 20);
        let send = SendPath::server(Arc::new(Config::server()));
        let link = Self::new(Trickle::new(near, 997), send, Arc::new(Signal::new()));
        (link, Peer::new(far, Role::Client))
    }

    async fn end_with_marker(mut self) {
        self.text("marker").await.unwrap();
        self.flush().await.unwrap();
    }
}

/// Runs `act` with ever more polls before it is dropped, until it completes. Afterwards a marker is sent, and the
/// frames that arrived are judged: before the marker comes all of what `act` sends, or nothing.
async fn at_every_point<S: Subject>(role: Role, opcode: u8, size: usize, act: impl AsyncFn(&mut S)) {
    let mut sent = Vec::new();
    for polls in 0.. {
        let (mut subject, mut peer) = S::new(role);
        let done = poll_times(pin!(act(&mut subject)), polls).await.is_some();
        subject.end_with_marker().await;
        let mut frames = peer.frames().await;
        let marker = frames.pop().unwrap();
        assert_eq!(
            marker,
            Frame {
                opcode: TEXT,
                fin: true,
                payload: b"marker".to_vec()
            },
            "{polls} polls"
        );
        let whole = Frame {
            opcode,
            fin: true,
            payload: vec![7; size],
        };
        assert!(
            frames.is_empty() || frames == [whole],
            "{polls} polls: cut, or sent twice"
        );
        sent.push(!frames.is_empty());
        if done {
            break;
        }
    }
    assert!(!sent[0], "nothing happens before the first poll");
    assert!(sent[sent.len() - 1], "it is done, and was sent");
    assert!(sent.is_sorted(), "{sent:?}");
}

const SIZES: [usize; 3] = [100, 5_000, 40_000];

#[tokio::test(start_paused = true)]
async fn sends_of_a_socket_dropped_at_any_point_send_all_or_nothing() {
    for role in [Role::Server, Role::Client] {
        for size in SIZES {
            at_every_point(role, BINARY, size, async |socket: &mut WebSocket<Cut>| {
                socket.send(vec![7; size]).await.unwrap();
            })
            .await;
            at_every_point(role, BINARY, size, async |socket: &mut WebSocket<Cut>| {
                let options = SendOptions::new();
                socket.send_with(vec![7; size], options).await.unwrap();
            })
            .await;
            at_every_point(role, BINARY, size, async |socket: &mut WebSocket<Cut>| {
                // A send that is dropped when it has queued leaves the rest to the flush.
                poll_times(pin!(socket.send(vec![7; size])), 1).await;
                socket.flush().await.unwrap();
            })
            .await;
            at_every_point(role, BINARY, size, async |socket: &mut WebSocket<Cut>| {
                socket
                    .send_prepared(&PreparedMessage::binary(&vec![7; size]))
                    .await
                    .unwrap();
            })
            .await;
            at_every_point(role, BINARY, size, async |socket: &mut WebSocket<Cut>| {
                socket
                    .send_fragment(MessageKind::Binary, vec![7; size], true)
                    .await
                    .unwrap();
            })
            .await;
        }
        at_every_point(role, PING, 9, async |socket: &mut WebSocket<Cut>| {
            socket.ping(vec![7; 9]).await.unwrap();
        })
        .await;
        at_every_point(role, PONG, 9, async |socket: &mut WebSocket<Cut>| {
            socket.pong(vec![7; 9]).await.unwrap();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn sends_of_a_half_dropped_at_any_point_send_all_or_nothing() {
    type Halves = (Sender<Cut>, Receiver<Cut>);
    for role in [Role::Server, Role::Client] {
        for size in SIZES {
            at_every_point(role, BINARY, size, async |halves: &mut Halves| {
                halves.0.send(vec![7; size]).await.unwrap();
                halves.0.flush().await.unwrap();
            })
            .await;
            at_every_point(role, BINARY, size, async |halves: &mut Halves| {
                let options = SendOptions::new();
                halves.0.send_with(vec![7; size], options).await.unwrap();
                halves.0.flush().await.unwrap();
            })
            .await;
            at_every_point(role, BINARY, size, async |halves: &mut Halves| {
                halves
                    .0
                    .send_prepared(&PreparedMessage::binary(&vec![7; size]))
                    .await
                    .unwrap();
                halves.0.flush().await.unwrap();
            })
            .await;
        }
        at_every_point(role, PING, 9, async |halves: &mut Halves| {
            halves.0.ping(vec![7; 9]).await.unwrap();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_that_waits_for_room_and_is_dropped_sends_nothing() {
    let ((sender, receiver), mut peer) = <(Sender<Cut>, Receiver<Cut>)>::new(Role::Server);
    sender.try_send(vec![1; 500_000]).unwrap();
    for polls in 0..8 {
        assert!(poll_times(pin!(sender.send("dropped")), polls).await.is_none());
    }
    (sender, receiver).end_with_marker().await;
    let frames = peer.frames().await;
    assert_eq!(
        frames.iter().map(|frame| frame.payload.len()).collect::<Vec<_>>(),
        [500_000, 6]
    );
}

#[tokio::test(start_paused = true)]
async fn borrowed_sends_dropped_at_any_point_send_all_or_nothing() {
    for size in SIZES {
        let payload = vec![7; size];
        at_every_point(Role::Server, BINARY, size, async |link: &mut Link<Cut>| {
            link.binary(&payload).await.unwrap();
            link.flush().await.unwrap();
        })
        .await;
        at_every_point(Role::Server, TEXT, size, async |link: &mut Link<Cut>| {
            link.fragment(MessageKind::Text, &payload, true).await.unwrap();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn close_dropped_at_any_point_can_be_gone_on_with() {
    for split in [false, true] {
        for polls in 0..40 {
            let (mut server, mut peer) = cut_socket(Role::Server, 1);
            let peer = tokio::spawn(async move {
                assert_eq!(peer.frame().await.unwrap().close_code(), 1001, "{polls} polls");
                peer.send(CLOSE, close_payload(1001, "")).await;
                assert_eq!(peer.frame().await, None);
            });
            let reason = if split {
                let (sender, mut receiver) = server.split();
                poll_times(pin!(sender.close(CloseCode::GOING_AWAY, "")), polls).await;
                poll_times(pin!(receiver.close(CloseCode::GOING_AWAY, "")), polls).await;
                receiver.close(CloseCode::GOING_AWAY, "").await.unwrap();
                sender.close_reason().unwrap()
            } else {
                poll_times(pin!(server.close(CloseCode::GOING_AWAY, "")), polls).await;
                server.close(CloseCode::GOING_AWAY, "").await.unwrap();
                server.close_reason().unwrap().clone()
            };
            assert!(reason.clean, "{polls} polls");
            peer.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn finish_dropped_at_any_point_can_be_gone_on_with() {
    for polls in 0..40 {
        let (mut link, mut peer) = <Link<Cut> as Subject>::new(Role::Server);
        let mut receive = ReceivePath::new(Role::Server, Arc::new(Config::server()));
        let mut buffer = ReadBuffer::new();
        link.close(CloseCode::NORMAL, "").unwrap();
        let peer = tokio::spawn(async move {
            assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
            peer.send(PING, "p").await;
            peer.send(CLOSE, close_payload(1000, "")).await;
            assert_eq!(peer.frame().await, None);
        });
        poll_times(pin!(link.finish(&mut receive, &mut buffer)), polls).await;
        link.finish(&mut receive, &mut buffer).await;
        assert!(link.close_reason().unwrap().clean);
        peer.await.unwrap();
    }
}
