//! A server without sockets, and a peer that speaks in frames.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use ws_handler::{Io, Listener, PeerInfo, Server, ServerHandle, Service};

use crate::counted::{Calls, Counted};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.starts_with(beginning))
            .count()
    }

    /// Waits until a line begins so.
    pub(crate) async fn until(&self, beginning: &str) -> String {
        for _ in 0..10_000 {
            if let Some(line) = self.lines().into_iter().find(|line| line.starts_with(beginning)) {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no line begins with {beginning:?}: {:?}", self.lines());
    }
}

struct Pipes(mpsc::Receiver<DuplexStream>, Arc<Calls>);

impl Listener for Pipes {
    async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
        match self.0.recv().await {
            Some(pipe) => {
                let peer = PeerInfo::new("192.0.2.7:1".parse().ok(), None);
                Ok((Io::boxed(Counted::new(pipe, &self.1)), peer))
            }
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A server over pipes.
pub(crate) struct Rig {
    pipes: mpsc::Sender<DuplexStream>,
    pub(crate) server: ServerHandle,
    /// What the server asked of its ends of all pipes.
    pub(crate) calls: Arc<Calls>,
}

impl Rig {
    pub(crate) fn new(service: impl Service) -> Self {
        let (pipes, receiver) = mpsc::channel(16);
        let calls = Arc::new(Calls::default());
        let server = Server::new().listen(Pipes(receiver, Arc::clone(&calls)));
        let handle = server.handle();
        tokio::spawn(server.serve(service));
        Self {
            pipes,
            server: handle,
            calls,
        }
    }

    /// A connection on which nothing was sent, with this much room in each direction.
    pub(crate) async fn dial(&self, room: usize) -> Peer {
        let (near, far) = duplex(room);
        self.pipes.send(far).await.unwrap();
        Peer { stream: near }
    }

    /// Sends an upgrade and returns the head of the answer.
    pub(crate) async fn upgrade(&self, target: &str, headers: &str) -> (Peer, String) {
        self.upgrade_over(1 << 20, target, headers).await
    }

    async fn upgrade_over(&self, room: usize, target: &str, headers: &str) -> (Peer, String) {
        let mut peer = self.dial(room).await;
        peer.write(upgrade(target, headers).as_bytes()).await;
        let head = peer.head().await;
        (peer, head)
    }

    /// An open WebSocket.
    pub(crate) async fn open(&self, target: &str) -> Peer {
        let (peer, head) = self.upgrade(target, "").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }

    /// An open WebSocket over a pipe that holds very little, so that whoever sends to it soon waits.
    pub(crate) async fn open_narrow(&self, target: &str) -> Peer {
        let (peer, head) = self.upgrade_over(512, target, "").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }

    /// The status that an upgrade is answered with.
    pub(crate) async fn status(&self, target: &str, headers: &str) -> u16 {
        status(&self.upgrade(target, headers).await.1)
    }
}

/// The head of an upgrade request.
pub(crate) fn upgrade(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

pub(crate) fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default()
}

/// The client's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: DuplexStream,
}

impl Peer {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The head of an HTTP answer.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// Sends a frame; the first byte holds FIN and opcode.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(&frame(first, payload)).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.send(FIN | TEXT, text.as_bytes()).await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        self.send(FIN | CLOSE, &payload).await;
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let len = match self.stream.read_u8().await.ok()? {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    /// The next frame, which must be a whole text message.
    pub(crate) async fn read_text(&mut self) -> String {
        let (first, payload) = self.frame().await.expect("a frame");
        assert_eq!(first, FIN | TEXT, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// The code of the Close frame that comes next, skipping data; 1006 if the stream ends without one.
    pub(crate) async fn read_close(&mut self) -> u16 {
        while let Some((first, payload)) = self.frame().await {
            if first == FIN | CLOSE {
                return payload
                    .first_chunk()
                    .map_or(1005, |code| u16::from_be_bytes(*code));
            }
        }
        1006
    }
}

/// A frame of a client. Its mask is zero, so the payload is readable.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
