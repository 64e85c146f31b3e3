//! Topics write to connections that wait, past their tasks, while these come and go. Real sockets, as only those can be
//! written to so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use ws_handler::{ClientRequest, ClientUpgrade, Receiver, Sender, Server, WebSocket, client_handshake};
use ws_proto::{CloseCode, Config, Message, MessageKind, PreparedMessage};
use ws_servlet::{Endpoint, EndpointError, Hub, Route, Session, WebSocketServlet};

const PEERS: usize = 6;
const PUBLISHERS: usize = 2;
const EACH: usize = 300;

/// Of sockets, so that frames are often written in part.
const BUFFER: u32 = 4096;

/// Echoes, and hears of everything that is published. Every other answer is begun at once and ended with the next one, so
/// that the connection waits with a message open.
#[derive(Default)]
struct Member(Option<String>);

impl Endpoint for Member {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        session.subscribe("all")?;
        Ok(session.text("ready").await?)
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        if text == "close" {
            return Ok(session.close(CloseCode::NORMAL, "asked to")?);
        }
        if let Some(tail) = self.0.take() {
            session
                .send_fragment(MessageKind::Text, tail.as_bytes(), true)
                .await?;
            return Ok(session.text(text).await?);
        }
        let (head, tail) = text.split_at(text.len() / 2);
        self.0 = Some(tail.to_owned());
        Ok(session
            .send_fragment(MessageKind::Text, head.as_bytes(), false)
            .await?)
    }
}

/// A server in the background, its topics and where it is.
async fn serve() -> (Hub, SocketAddr) {
    let mut config = Config::server();
    // Nobody is too slow here.
    (config.limits.soft_queue, config.limits.hard_queue) = (1 << 16, 1 << 30);
    let servlet = WebSocketServlet::builder()
        .route("/", Route::new(|_| Member::default()).config(config))
        .build()
        .unwrap();
    let hub = servlet.hub().clone();
    let socket = TcpSocket::new_v4().unwrap();
    // What it accepts has buffers of the same size.
    socket.set_send_buffer_size(BUFFER).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new().listen(listener).serve(servlet));
    (hub, address)
}

async fn upgrade(address: SocketAddr) -> ClientUpgrade<TcpStream> {
    let stream = TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(BUFFER).unwrap();
    let stream = stream.connect(address).await.unwrap();
    let request = ClientRequest::new(format!("ws://{address}/").parse().unwrap());
    client_handshake(stream, &request, Duration::from_secs(10))
        .await
        .unwrap()
}

async fn join(address: SocketAddr) -> WebSocket<TcpStream> {
    let config = Arc::new(Config::client());
    let (mut socket, _) = upgrade(address).await.into_websocket(config).unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some("ready".into()));
    socket
}

/// Publications of all lengths.
fn publication(publisher: usize, number: usize) -> String {
    let padding = match number % 20 {
        7 => 40_000,
        3 | 11 => 5_000,
        short => short,
    };
    format!("publisher {publisher} {number:>3} {}", "x".repeat(padding))
}

/// So that nothing hangs that fails.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future).await.unwrap()
}

async fn publish(hub: Hub, publisher: usize) {
    for number in 0..EACH {
        let message = PreparedMessage::text(&publication(publisher, number));
        assert_eq!(hub.publish("all", &message).queued, PEERS);
        if number % 3 == 0 {
            yield_now().await;
        }
    }
}

async fn ask(sender: Sender<TcpStream>) -> Sender<TcpStream> {
    for number in 0..EACH {
        sender.send(question(number)).await.unwrap();
        yield_now().await;
    }
    sender
}

fn question(number: usize) -> String {
    format!("question {}", "?".repeat(number))
}

/// Receives everything that is to come; returns the publications in the order in which they came, by their beginnings.
async fn listen(mut receiver: Receiver<TcpStream>) -> Vec<String> {
    let (mut publications, mut answers) = (Vec::new(), 0);
    let mut next = [0; PUBLISHERS];
    while publications.len() < PUBLISHERS * EACH || answers < EACH {
        let Some(Message::Text(text)) = receiver.recv().await.unwrap() else {
            panic!("a text")
        };
        if text.starts_with("question") {
            assert_eq!(text.as_str(), question(answers));
            answers += 1;
            continue;
        }
        let publisher = usize::from(text.as_bytes()[10] - b'0');
        assert!(
            text.as_str() == publication(publisher, next[publisher]),
            "in order and whole"
        );
        next[publisher] += 1;
        publications.push(text[..15].to_owned());
    }
    publications
}

/// Whatever a connection does meanwhile, frames never get into one another, and all see one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publications_answers_and_parts_stay_apart() {
    let (hub, address) = serve().await;
    let (mut listeners, mut askers) = (JoinSet::new(), JoinSet::new());
    for _ in 0..PEERS {
        let (sender, receiver) = join(address).await.split();
        listeners.spawn(listen(receiver));
        askers.spawn(ask(sender));
    }
    let publishers = JoinSet::from_iter((0..PUBLISHERS).map(|publisher| publish(hub.clone(), publisher)));
    let _senders = within(askers.join_all()).await;
    within(publishers.join_all()).await;
    let heard = within(listeners.join_all()).await;
    assert!(heard.iter().all(|publications| *publications == heard[0]));
}

/// A carrier has many to write to, and one of them is asked something before its turn comes: it takes its mail itself.
#[tokio::test]
async fn who_is_asked_while_a_publication_is_under_way_gets_it_first() {
    let (hub, address) = serve().await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(join(address).await);
    }
    for round in ["1", "2", "3"] {
        for socket in &mut sockets {
            socket.send("question").await.unwrap();
            socket.send("question").await.unwrap();
            for _ in 0..2 {
                assert_eq!(socket.recv().await.unwrap(), Some("question".into()));
            }
        }
        let last = sockets.last_mut().unwrap();
        // It lies in the kernel when the publication begins.
        last.send("first").await.unwrap();
        last.send("second").await.unwrap();
        assert_eq!(hub.publish("all", &PreparedMessage::text(round)).queued, 100);
        for expected in [round, "first", "second"] {
            assert_eq!(within(last.recv()).await.unwrap(), Some(expected.into()));
        }
        for socket in sockets.iter_mut().rev().skip(1) {
            assert_eq!(within(socket.recv()).await.unwrap(), Some(round.into()));
        }
    }
}

/// The server has sent its Close frame and waits for the answer: still a subscriber, and nothing is sent to it.
#[tokio::test]
async fn nothing_is_published_behind_a_close_frame() {
    let (hub, address) = serve().await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(join(address).await);
    }
    // One that does everything itself.
    let ClientUpgrade {
        io: mut leaver,
        leftover,
        ..
    } = upgrade(address).await;
    // "close", masked with zeros (RFC 6455 §5.2).
    leaver.write_all(b"\x81\x85\0\0\0\0close").await.unwrap();
    let mut bytes = leftover.to_vec();
    while bytes.len() < 19 {
        assert!(within(leaver.read_buf(&mut bytes)).await.unwrap() > 0);
    }
    assert_eq!(bytes, b"\x81\x05ready\x88\x0a\x03\xe8asked to");
    for _ in 0..3 {
        hub.publish("all", &PreparedMessage::text("news"));
        for socket in &mut others {
            assert_eq!(within(socket.recv()).await.unwrap(), Some("news".into()));
        }
    }
    assert_eq!(hub.subscribers("all"), 5);
    leaver.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    let mut rest = Vec::new();
    within(leaver.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
}
