//! Each limit of connections is counted when it is hit, and the budget that they share.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use ws_handler::{
    ConnectionLimitHits, Link, Negotiated, Registration, RequestHead, ServerHandshake, SocketError,
    WebSocket, WebSocketFactory,
};
use ws_proto::{CloseCode, Config, Message, PingBudget, ProtocolError, Role, SendPath};

use crate::support::{BINARY, CLOSE, PING, Peer, TEXT, close_payload, frame};

/// A connection that is counted.
struct Counted {
    socket: WebSocket<DuplexStream>,
    peer: Peer,
    _registration: Registration,
}

fn open(factory: &WebSocketFactory) -> Counted {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let registration = factory.register().unwrap();
    let send = SendPath::server(Arc::clone(factory.config()));
    let link = Link::new(near, send, Arc::clone(registration.signal()));
    Counted {
        socket: WebSocket::from_link(link, &Default::default(), Negotiated::new()),
        peer: Peer::new(far, Role::Client),
        _registration: registration,
    }
}

fn factory(change: impl FnOnce(&mut Config)) -> WebSocketFactory {
    let mut config = Config::server();
    change(&mut config);
    WebSocketFactory::new(ServerHandshake::new(), config)
}

type Received = Result<Option<Message>, SocketError>;

/// Receives until the end, or the first error.
fn receive(mut socket: WebSocket<DuplexStream>) -> JoinHandle<Received> {
    tokio::spawn(async move {
        loop {
            match socket.recv().await {
                Ok(Some(_)) => {}
                end => return end,
            }
        }
    })
}

/// What a factory has counted after a peer has done `act`; `read` picks the counter, and no other may have moved.
async fn counts(
    change: impl FnOnce(&mut Config),
    act: impl AsyncFnOnce(&mut Peer),
    pick: impl Fn(&mut ConnectionLimitHits) -> &mut u64,
) {
    let factory = factory(change);
    let Counted {
        socket,
        mut peer,
        _registration,
    } = open(&factory);
    let task = receive(socket);
    act(&mut peer).await;
    while peer.frame().await.is_some_and(|frame| frame.opcode != CLOSE) {}
    drop(peer);
    let _ = task.await.unwrap();
    let mut hits = factory.limit_hits();
    let all = hits;
    let counted = std::mem::take(pick(&mut hits));
    assert_eq!(counted, 1, "{all:?}");
    assert_eq!(hits, ConnectionLimitHits::default(), "and nothing else");
}

#[tokio::test(start_paused = true)]
async fn limits_of_frames_and_messages_are_counted() {
    let small = |config: &mut Config| {
        config.limits.max_frame_size = 10;
        config.limits.max_message_size = 15;
        config.limits.max_fragments = 2;
        config.limits.ping_budget = Some(PingBudget {
            burst: 2,
            per_second: 1,
        });
    };
    let in_parts = async |peer: &mut Peer, sizes: &[usize]| {
        for (place, size) in sizes.iter().enumerate() {
            let opcode = if place == 0 { BINARY } else { 0 };
            peer.send_frame(opcode, false, &vec![1; *size]).await;
        }
    };
    counts(
        small,
        async |peer| peer.send(BINARY, [0; 11]).await,
        |hits| &mut hits.frame_size,
    )
    .await;
    counts(
        small,
        async |peer| in_parts(peer, &[10, 6]).await,
        |hits| &mut hits.message_size,
    )
    .await;
    counts(
        small,
        async |peer| in_parts(peer, &[1, 0, 0]).await,
        |hits| &mut hits.fragments,
    )
    .await;
    counts(
        small,
        async |peer| {
            for _ in 0..3 {
                peer.send(PING, "").await;
            }
        },
        |hits| &mut hits.pings,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn limits_of_time_are_counted() {
    counts(
        |_| {},
        async |peer| peer.send_frame(TEXT, false, b"begun").await,
        |hits| &mut hits.message_time,
    )
    .await;
    counts(|_| {}, async |_| {}, |hits| &mut hits.pong).await;
    counts(
        |config| config.timeouts.idle = Some(Duration::from_secs(5)),
        async |peer| {
            assert_eq!(peer.frame().await.unwrap().close_code(), 1001);
            peer.send(CLOSE, close_payload(1001, "")).await;
        },
        |hits| &mut hits.idle,
    )
    .await;
}

/// A connection whose closing handshake the peer began and has seen answered; only the end of TCP is missing.
async fn closed_by_its_peer(factory: &WebSocketFactory) -> (JoinHandle<Received>, Peer, Registration) {
    let Counted {
        socket,
        mut peer,
        _registration,
    } = open(factory);
    let task = receive(socket);
    peer.send(CLOSE, close_payload(1000, "")).await;
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    (task, peer, _registration)
}

#[tokio::test(start_paused = true)]
async fn endings_that_take_too_long_are_counted() {
    // Our Close frame is not answered.
    let factory = factory(|_| {});
    let mut counted = open(&factory);
    let closed = counted.socket.close(CloseCode::NORMAL, "").await;
    assert!(closed.is_err(), "{closed:?}");
    assert_eq!(factory.limit_hits().close, 1);
    // The peer does not end TCP, or goes on sending.
    for (count, more) in [(1, 0), (2, 65 * 1024)] {
        let (task, mut peer, _registration) = closed_by_its_peer(&factory).await;
        // The stream may be dropped in the middle of it.
        let _ = peer.io.write_all(&vec![0; more]).await;
        assert_eq!(task.await.unwrap().unwrap(), None);
        assert_eq!(factory.limit_hits().drain, count);
    }
    // A peer that does end it is no hit.
    let (task, peer, _registration) = closed_by_its_peer(&factory).await;
    drop(peer);
    assert_eq!(task.await.unwrap().unwrap(), None);
    assert_eq!(factory.limit_hits().drain, 2);
}

#[tokio::test(start_paused = true)]
async fn limits_of_output_are_counted() {
    let factory = factory(|config| config.limits.hard_queue = 1000);
    let counted = open(&factory);
    let (sender, receiver) = counted.socket.split();
    // Fills the pipe; one message always fits into an empty queue.
    sender.try_send(vec![0; 70_000]).unwrap();
    for refused in 1..=2 {
        assert!(sender.try_send(vec![0; 100]).is_err());
        assert_eq!(factory.limit_hits().hard_queue, refused);
    }
    assert_eq!(factory.limit_hits().write_stall, 0);
    assert!(sender.flush().await.is_err());
    assert_eq!(factory.limit_hits().write_stall, 1);
    drop(receiver);
}

#[tokio::test(start_paused = true)]
async fn turns_that_were_given_to_others_are_counted() {
    let factory = factory(|_| {});
    let Counted { socket, mut peer, .. } = open(&factory);
    let task = receive(socket);
    // As much as the pipe holds is read at once; more comes while that is read.
    let flood = frame(Role::Client, BINARY, true, &[0; 1000]).repeat(64);
    for _ in 0..3 {
        peer.io.write_all(&flood).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(factory.limit_hits().turns, 0, "it waited in between");
    drop(peer);
    let _ = task.await.unwrap();

    let (near, mut far) = tokio::io::duplex(1 << 20);
    let registration = factory.register().unwrap();
    let send = SendPath::server(Arc::clone(factory.config()));
    let link = Link::new(near, send, Arc::clone(registration.signal()));
    far.write_all(&flood.repeat(10)).await.unwrap();
    drop(far);
    let socket = WebSocket::from_link(link, &Default::default(), Negotiated::new());
    let _ = receive(socket).await.unwrap();
    assert_eq!(factory.limit_hits().turns, 2, "640 KB, 256 KiB at a time");
}

#[tokio::test]
async fn refused_handshakes_are_counted() {
    let factory = WebSocketFactory::default();
    let request = |origin: &str, version: &str| {
        let request = Request::get("/")
            .header("Host", "here")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Version", version)
            .header("Origin", origin);
        RequestHead::from_request(request.body(()).unwrap())
    };
    assert!(factory.accept(&request("http://here", "13")).is_ok());
    assert!(factory.accept(&request("http://elsewhere", "13")).is_err());
    assert!(factory.accept(&request("http://here", "8")).is_err());
    let hits = factory.limit_hits();
    assert_eq!((hits.origin, hits.handshake), (1, 1));
}

/// Sends one frame of a message that does not end, and lets the server read it.
async fn begin(peer: &mut Peer, opcode: u8, size: usize) {
    peer.send_frame(opcode, false, &vec![7; size]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn f18_unfinished_input_of_all_connections_below_at_and_above_its_budget() {
    let factory = factory(|_| {}).with_unfinished_input(1000);
    let (mut first, mut second) = (open(&factory), open(&factory));
    let (first_task, second_task) = (
        tokio::spawn(async move {
            let message = first.socket.recv().await;
            (message, first.socket)
        }),
        receive(second.socket),
    );
    begin(&mut first.peer, BINARY, 600).await;
    begin(&mut second.peer, BINARY, 399).await;
    assert_eq!(factory.unfinished_input(), 999, "one below");
    begin(&mut second.peer, 0, 1).await;
    assert_eq!(factory.unfinished_input(), 1000, "at the limit");
    assert_eq!(factory.limit_hits().unfinished_input, 0);
    begin(&mut second.peer, 0, 1).await;
    assert_eq!(second.peer.frame().await.unwrap().close_code(), 1013);
    assert_eq!(factory.limit_hits().unfinished_input, 1);
    drop(second.peer);
    let end = second_task.await.unwrap();
    assert!(
        matches!(end, Err(SocketError::Protocol(ProtocolError::TooMuchUnfinished))),
        "{end:?}"
    );
    // Who came first goes on, and there is room again.
    assert_eq!(factory.unfinished_input(), 600);
    first.peer.send_frame(0, true, &[8; 500]).await;
    let (message, mut socket) = first_task.await.unwrap();
    assert_eq!(message.unwrap().unwrap().payload().len(), 1100);
    let idle = tokio::time::timeout(Duration::from_secs(1), socket.recv()).await;
    assert!(idle.is_err());
    assert_eq!(factory.unfinished_input(), 0);
}

#[tokio::test(start_paused = true)]
async fn f18_what_a_connection_held_is_given_back_however_it_ends() {
    let factory = factory(|_| {});
    for ending in 0..3 {
        let Counted {
            mut socket, mut peer, ..
        } = open(&factory);
        let waits = tokio::spawn(async move {
            let _ = tokio::time::timeout(Duration::from_secs(5), socket.recv()).await;
            socket
        });
        begin(&mut peer, TEXT, 5000).await;
        assert_eq!(factory.unfinished_input(), 5000);
        match ending {
            0 => waits.abort(),
            1 => drop(peer),
            _ => peer.send_frame(TEXT, true, b"out of order").await,
        }
        drop(waits.await);
        assert_eq!(factory.unfinished_input(), 0, "ending {ending}");
    }
}

/// What is read and understood at once is not unfinished.
#[tokio::test(start_paused = true)]
async fn whole_messages_do_not_touch_the_budget() {
    let factory = factory(|_| {}).with_unfinished_input(0);
    let Counted {
        mut socket, mut peer, ..
    } = open(&factory);
    peer.send(BINARY, vec![1; 30_000]).await;
    assert!(socket.recv().await.unwrap().is_some());
    socket.send("fine").await.unwrap();
    let mut answer = [0; 6];
    peer.io.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x81\x04fine");
    assert_eq!(factory.limit_hits(), ConnectionLimitHits::default());
}
