//! A raw client for tests: writes and reads frames by hand (RFC 6455 §5.2), sharing no code with the stack
//! under test, so that a mistake there cannot hide itself.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// What RFC 6455 §1.3 computes for the key that [`request`] sends.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One frame as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(fin: bool, opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame {
        fin,
        opcode,
        payload: payload.as_ref().to_vec(),
    }
}

impl Frame {
    /// As a client sends it: masked.
    pub(crate) fn masked(&self) -> Vec<u8> {
        const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
        let length = self.payload.len();
        let mut bytes = vec![u8::from(self.fin) << 7 | self.opcode];
        match length {
            0..=125 => bytes.push(0x80 | length as u8),
            126..=65535 => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(KEY);
        bytes.extend(
            self.payload
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ KEY[at % 4]),
        );
        bytes
    }
}

/// An upgrade request with `lines` (each ended by CR LF) added.
pub(crate) fn request(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// One TCP connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// Head of the answer to the upgrade, lines ended by CR LF, without the empty one.
    pub(crate) head: String,
}

impl Wire {
    /// A bare TCP connection.
    pub(crate) async fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        Self {
            stream,
            head: String::new(),
        }
    }

    /// A connection upgraded on `/`, offering `subprotocol` if there is one.
    pub(crate) async fn open(address: SocketAddr, subprotocol: Option<&str>) -> Self {
        let offer = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        let mut wire = Self::tcp(address).await;
        wire.write(request("/", &offer.unwrap_or_default()).as_bytes())
            .await;
        wire.expect_upgraded().await;
        wire
    }

    /// Reads an answer that must be a right 101.
    pub(crate) async fn expect_upgraded(&mut self) {
        self.head = self.read_head().await;
        assert!(self.head.starts_with("HTTP/1.1 101 "), "{}", self.head);
        assert_eq!(self.header("sec-websocket-accept"), Some(ACCEPT));
    }

    /// A header of the last answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Reads one head, byte by byte so that nothing behind it is taken.
    pub(crate) async fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("a whole head"));
        }
        self.head = String::from_utf8(head).expect("a head in ASCII");
        self.head.clone()
    }

    /// Reads the body that `Content-Length` of the last head announces.
    pub(crate) async fn read_body(&mut self) -> String {
        let length = self
            .header("content-length")
            .expect("content-length")
            .parse()
            .expect("a length");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.expect("a whole body");
        String::from_utf8(body).expect("a body in UTF-8")
    }

    /// Reads until the server closes; a reset is an error.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.expect("an orderly end");
        rest
    }

    /// Reads until the connection is over, in order or not.
    pub(crate) async fn ended(&mut self) {
        let mut rest = Vec::new();
        drop(self.stream.read_to_end(&mut rest).await);
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("write");
    }

    pub(crate) async fn send(&mut self, fin: bool, opcode: u8, payload: impl AsRef<[u8]>) {
        self.write(&frame(fin, opcode, payload).masked()).await;
    }

    /// The next frame, which a server never masks (RFC 6455 §5.1).
    pub(crate) async fn receive(&mut self) -> Frame {
        let first = self.stream.read_u8().await.expect("a frame");
        let second = self.stream.read_u8().await.expect("a length");
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert_eq!(second & 0x80, 0, "mask bit of a server");
        let length = match second {
            126 => u64::from(self.stream.read_u16().await.expect("a length")),
            127 => self.stream.read_u64().await.expect("a length"),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("a length that fits")];
        self.stream
            .read_exact(&mut payload)
            .await
            .expect("a whole payload");
        frame(first & 0x80 != 0, first & 0x0f, payload)
    }

    /// Closes with 1000 and expects the same code, then the end of the stream.
    pub(crate) async fn close(mut self) {
        self.send(true, CLOSE, 1000_u16.to_be_bytes()).await;
        assert_eq!(self.receive().await, frame(true, CLOSE, 1000_u16.to_be_bytes()));
        assert_eq!(self.read_to_end().await, b"");
    }
}
