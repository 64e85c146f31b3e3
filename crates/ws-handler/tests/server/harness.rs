//! A server without a network: an in-memory listener, so that time can be virtual, and services that record what
//! they were asked.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use ws_handler::{
    Io, Listener, NoService, Outcome, PeerInfo, RequestHead, Server, ServerHandle, Service, StopSummary,
    WebSocketFactory,
};

/// A valid upgrade request.
pub(crate) const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An upgrade request that any server refuses: version 8.
pub(crate) const OLD_UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// EMFILE, "too many open files".
pub(crate) const EMFILE: i32 = 24;

/// The listening end of [`Network`].
pub(crate) struct PipeListener {
    callers: mpsc::UnboundedReceiver<io::Result<DuplexStream>>,
}

impl Listener for PipeListener {
    async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
        match self.callers.recv().await {
            Some(caller) => Ok((Io::boxed(caller?), PeerInfo::default())),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Connects to a [`PipeListener`], or makes its accept fail.
#[derive(Clone)]
pub(crate) struct Network {
    callers: mpsc::UnboundedSender<io::Result<DuplexStream>>,
}

impl Network {
    pub(crate) fn new() -> (Self, PipeListener) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { callers: sender }, PipeListener { callers: receiver })
    }

    /// A new connection, as the client's end.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(256 * 1024);
        assert!(self.callers.send(Ok(far)).is_ok(), "the listener is closed");
        near
    }

    /// As [`connect`](Self::connect), sending `bytes` at once.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> DuplexStream {
        let mut near = self.connect();
        near.write_all(bytes.as_ref()).await.unwrap();
        near
    }

    pub(crate) fn fail_accept(&self, error: io::Error) {
        assert!(self.callers.send(Err(error)).is_ok(), "the listener is closed");
    }

    /// Is there still a listener?
    pub(crate) fn is_open(&self) -> bool {
        !self.callers.is_closed()
    }
}

/// A server on a [`Network`].
pub(crate) struct Running {
    pub(crate) network: Network,
    pub(crate) handle: ServerHandle,
    pub(crate) task: JoinHandle<StopSummary>,
}

pub(crate) fn start(server: Server, service: impl Service) -> Running {
    let (network, listener) = Network::new();
    let bound = server.listen(listener);
    let handle = bound.handle();
    Running {
        network,
        handle,
        task: tokio::spawn(bound.serve(service)),
    }
}

/// What may take long takes no longer than a minute, virtual as a rule.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("does not happen")
}

/// Everything until the peer closes, as text.
pub(crate) async fn read_all(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    soon(io.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Exactly so many bytes.
pub(crate) async fn read_bytes<const N: usize>(io: &mut (impl AsyncRead + Unpin)) -> [u8; N] {
    let mut bytes = [0; N];
    soon(io.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Reads one response head, byte by byte, and leaves what follows in the stream.
pub(crate) async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read_bytes::<1>(io).await);
    }
    String::from_utf8(head).unwrap()
}

/// One response with a Content-Length.
#[cfg(feature = "hyper")]
pub(crate) async fn read_response(io: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let head = read_head(io).await;
    let length = head.to_ascii_lowercase();
    let length = length
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    soon(io.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// What a [`Recorder`] does with a request, by its path.
pub(crate) type Answer = dyn Fn(&RequestHead) -> Outcome + Send + Sync;

/// Answers with a function and records the target of every request it was asked about.
#[derive(Clone)]
pub(crate) struct Recorder {
    seen: Arc<Mutex<Vec<String>>>,
    answer: Arc<Answer>,
}

impl Recorder {
    pub(crate) fn new(answer: impl Fn(&RequestHead) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            seen: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// Upgrades what is right, refuses the rest; connections count the bytes behind the handshake and echo them.
    pub(crate) fn echo_bytes(factory: WebSocketFactory) -> Self {
        Self::new(move |request| {
            Outcome::upgrade(&factory, request, |upgraded| {
                Box::pin(async move {
                    let _registration = upgraded.registration;
                    let mut io = upgraded.io;
                    io.write_all(&upgraded.leftover).await.unwrap();
                    let mut bytes = [0; 64];
                    loop {
                        match io.read(&mut bytes).await {
                            Ok(0) | Err(_) => break,
                            Ok(count) => io.write_all(&bytes[..count]).await.unwrap(),
                        }
                    }
                })
            })
        })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Service for Recorder {
    async fn call(&self, request: &RequestHead, peer: &PeerInfo) -> Outcome {
        self.seen
            .lock()
            .unwrap()
            .push(request.request().uri().to_string());
        if request.request().uri().path() == "/none" {
            return NoService.call(request, peer).await;
        }
        (self.answer)(request)
    }
}

/// A refusal with this status, or one that begins so: dated, closing, with one line of text.
pub(crate) fn assert_refuses(text: &str, status: &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    assert!(
        head.lines()
            .any(|line| line.starts_with("Connection: ") && line.ends_with("close")),
        "{head}"
    );
    let dates = head.lines().filter(|line| line.starts_with("Date: "));
    assert_eq!(dates.count(), 1, "RFC 9110 §6.6.1: {head}");
    assert!(body.ends_with('\n') && body.lines().count() == 1, "{body:?}");
}

/// Polls a future `count` times, letting others run in between, and says what came out.
pub(crate) async fn poll_times<F: Future>(mut future: Pin<&mut F>, count: usize) -> Option<F::Output> {
    for _ in 0..count {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Sends an upgrade that is refused, and much more behind it; the whole refusal must arrive. Without a lingering close
/// the reset that the unread bytes provoke ends this with an error.
pub(crate) async fn refusal_in_a_flood(mut peer: TcpStream) {
    peer.write_all(OLD_UPGRADE.as_bytes()).await.unwrap();
    peer.write_all(&[b'x'; 60 * 1024]).await.unwrap();
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    assert_refuses(&text, "4");
}

/// Waits until no connection is open. Panics when that takes more than a (virtual) minute.
pub(crate) async fn all_gone(handle: &ServerHandle) {
    for _ in 0..60_000 {
        if handle.open_connections() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{} connections are still open", handle.open_connections());
}
