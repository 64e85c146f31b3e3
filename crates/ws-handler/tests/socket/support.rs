//! Peers made of raw frames, and streams that misbehave.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use ws_handler::{Negotiated, WebSocket};
use ws_proto::{Config, FrameHeader, MaskKey, Opcode, Role, apply_mask};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) fn socket<IO>(io: IO, role: Role) -> WebSocket<IO> {
    socket_with(io, role, Config::new(role))
}

pub(crate) fn socket_with<IO>(io: IO, role: Role, config: Config) -> WebSocket<IO> {
    WebSocket::from_upgraded(io, role, &BytesMut::new(), Arc::new(config), Negotiated::new()).unwrap()
}

/// A server's socket and the raw client at the other end of a pipe that holds `capacity` bytes.
pub(crate) fn server_and_peer(capacity: usize) -> (WebSocket<DuplexStream>, Peer) {
    server_and_peer_with(capacity, Config::server())
}

pub(crate) fn server_and_peer_with(capacity: usize, config: Config) -> (WebSocket<DuplexStream>, Peer) {
    let (near, far) = tokio::io::duplex(capacity);
    (
        socket_with(near, Role::Server, config),
        Peer::new(far, Role::Client),
    )
}

/// Both ends as sockets: server, client.
pub(crate) fn pair(capacity: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = tokio::io::duplex(capacity);
    (socket(near, Role::Server), socket(far, Role::Client))
}

/// One frame as it is on the wire.
pub(crate) fn frame(role: Role, opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mask = role.masks_output().then_some(MaskKey([0x37, 0xfa, 0x21, 0x3d]));
    let header = FrameHeader {
        fin,
        rsv: 0,
        opcode: Opcode::from_bits(opcode).unwrap(),
        mask,
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; 14];
    let len = header.encode(&mut bytes);
    let mut frame = bytes[..len].to_vec();
    frame.extend_from_slice(payload);
    if let Some(key) = mask {
        apply_mask(key, &mut frame[len..]);
    }
    frame
}

/// The payload of a Close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A frame that a [`Peer`] has read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) fin: bool,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// An end that is nothing but frames: it answers nothing by itself.
pub(crate) struct Peer<IO = DuplexStream> {
    pub(crate) io: IO,
    role: Role,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Peer<IO> {
    pub(crate) fn new(io: IO, role: Role) -> Self {
        Self { io, role }
    }

    pub(crate) async fn send(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        self.send_frame(opcode, true, payload.as_ref()).await;
    }

    pub(crate) async fn send_frame(&mut self, opcode: u8, fin: bool, payload: &[u8]) {
        let bytes = frame(self.role, opcode, fin, payload);
        self.io.write_all(&bytes).await.unwrap();
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        if self.io.read(&mut head[..1]).await.unwrap() == 0 {
            return None;
        }
        self.io.read_exact(&mut head[1..]).await.unwrap();
        let len = match head[1] & 0x7f {
            126 => u64::from(self.io.read_u16().await.unwrap()),
            127 => self.io.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut key = [0; 4];
        let masked = head[1] & 0x80 != 0;
        assert_eq!(masked, self.role == Role::Server, "RFC 6455 §5.1");
        if masked {
            self.io.read_exact(&mut key).await.unwrap();
        }
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.io.read_exact(&mut payload).await.unwrap();
        apply_mask(MaskKey(key), &mut payload);
        Some(Frame {
            opcode: head[0] & 0x0f,
            fin: head[0] & 0x80 != 0,
            payload,
        })
    }

    /// All frames up to the end of the stream.
    pub(crate) async fn frames(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        frames
    }
}

/// A stream that takes and gives at most `step` bytes at a time, and is pending between any two times.
pub(crate) struct Trickle<IO> {
    io: IO,
    step: usize,
    rests: [bool; 2],
}

impl<IO> Trickle<IO> {
    pub(crate) fn new(io: IO, step: usize) -> Self {
        Self {
            io,
            step,
            rests: [false; 2],
        }
    }

    fn rest(&mut self, direction: usize, cx: &Context<'_>) -> bool {
        self.rests[direction] = !self.rests[direction];
        if self.rests[direction] {
            cx.waker().wake_by_ref();
        }
        self.rests[direction]
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Trickle<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest(0, cx) {
            return Poll::Pending;
        }
        let mut bytes = vec![0; self.step.min(buf.remaining())];
        let mut part = ReadBuf::new(&mut bytes);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Trickle<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.rest(1, cx) {
            return Poll::Pending;
        }
        let step = self.step.min(bytes.len());
        Pin::new(&mut self.io).poll_write(cx, &bytes[..step])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A stream that counts the calls that moved bytes.
pub(crate) struct Counted<IO> {
    io: IO,
    pub(crate) calls: Arc<Calls>,
}

#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    /// Largest room that a read was given.
    pub(crate) room: AtomicUsize,
}

impl<IO> Counted<IO> {
    pub(crate) fn new(io: IO) -> (Self, Arc<Calls>) {
        let calls = Arc::new(Calls::default());
        (
            Self {
                io,
                calls: Arc::clone(&calls),
            },
            calls,
        )
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.calls.room.fetch_max(buf.remaining(), Ordering::Relaxed);
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.calls.reads.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counted<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if polled.is_ready() {
            self.calls.writes.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        if polled.is_ready() {
            self.calls.writes.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Polls a future `count` times, letting others run in between, and says what came out.
pub(crate) async fn poll_times<F: Future>(mut future: Pin<&mut F>, count: usize) -> Option<F::Output> {
    for _ in 0..count {
        if let Poll::Ready(output) = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}
