//! The body of a refused handshake, as far as a client shows it.
//!
//! Not a reader of bodies in general: the connection ends with this one, so nothing depends on where it ends, and
//! whatever makes no sense just ends it. RFC 9112 §6.3, §7.1.

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of a refusal's body is kept.
const LIMIT: usize = 64 * 1024;

/// How much is read for it: the sizes between chunks may take as much again.
const READ_LIMIT: usize = 2 * LIMIT;

/// A body in the making.
#[derive(Debug)]
pub(crate) struct RefusalBody {
    body: BytesMut,
    framing: Framing,
    read: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// Everything until the end of the stream.
    UntilEnd,
    /// The hexadecimal digits of a chunk's size.
    ChunkSize(u64),
    /// The rest of the line that began with this size.
    ChunkLine(u64),
    /// So many bytes of the chunk are to come.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Complete,
}

impl RefusalBody {
    /// The body that follows this head.
    pub(crate) fn new<B>(response: &Response<B>) -> Self {
        let headers = response.headers();
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let framing = match length {
            // RFC 9112 §6.3: chunked, when it is there, comes last and "overrides the Content-Length".
            _ if headers.contains_key(TRANSFER_ENCODING) => Framing::ChunkSize(0),
            Some(length) => Framing::Length(length),
            None => Framing::UntilEnd,
        };
        Self {
            body: BytesMut::new(),
            framing,
            read: 0,
        }
    }

    /// Reads on until the body is complete, 64 KiB long, or the stream ends or fails.
    ///
    /// Cancel safe: what was read is kept.
    pub(crate) async fn read<IO: AsyncRead + Unpin>(&mut self, io: &mut IO) {
        let mut buffer = BytesMut::new();
        while !self.is_complete() {
            buffer.clear();
            buffer.reserve(4096);
            match io.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => self.handle_data(&buffer),
            }
        }
    }

    /// What came of it.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.body.freeze()
    }

    fn is_complete(&self) -> bool {
        self.body.len() >= LIMIT
            || self.read >= READ_LIMIT
            || matches!(self.framing, Framing::Complete | Framing::Length(0))
    }

    /// Takes bytes that came from the peer.
    pub(crate) fn handle_data(&mut self, mut data: &[u8]) {
        while let [first, rest @ ..] = data {
            if self.is_complete() {
                return;
            }
            let before = data.len();
            self.framing = match self.framing {
                Framing::Length(left) => Framing::Length(left - self.take(&mut data, left)),
                Framing::UntilEnd => {
                    self.take(&mut data, u64::MAX);
                    Framing::UntilEnd
                }
                Framing::Chunk(left) => match left - self.take(&mut data, left) {
                    0 => Framing::ChunkEnd,
                    left => Framing::Chunk(left),
                },
                framing => {
                    data = rest;
                    between_chunks(framing, *first)
                }
            };
            self.read += before - data.len();
        }
    }

    /// Moves at most `wanted` bytes, and no more than the limit allows, from `data` to the body.
    fn take(&mut self, data: &mut &[u8], wanted: u64) -> u64 {
        let room = LIMIT - self.body.len().min(LIMIT);
        let length = usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .min(room)
            .min(data.len());
        let (taken, rest) = data.split_at(length);
        self.body.extend_from_slice(taken);
        *data = rest;
        length as u64
    }
}

/// One byte of what stands between chunks.
fn between_chunks(framing: Framing, byte: u8) -> Framing {
    match (framing, byte) {
        (Framing::ChunkSize(0) | Framing::ChunkLine(0), b'\n') => Framing::Complete,
        (Framing::ChunkSize(size) | Framing::ChunkLine(size), b'\n') => Framing::Chunk(size),
        (Framing::ChunkSize(size), _) => match char::from(byte).to_digit(16) {
            Some(digit) => Framing::ChunkSize(size.saturating_mul(16).saturating_add(u64::from(digit))),
            None => Framing::ChunkLine(size),
        },
        (Framing::ChunkEnd, b'\n') => Framing::ChunkSize(0),
        (framing, _) => framing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(header: Option<(&str, &str)>, data: &[u8]) -> Bytes {
        let mut response = Response::builder().status(404);
        if let Some((name, value)) = header {
            response = response.header(name, value);
        }
        let response = response.body(()).unwrap();
        let mut whole = RefusalBody::new(&response);
        whole.handle_data(data);
        let mut bytewise = RefusalBody::new(&response);
        data.iter().for_each(|byte| bytewise.handle_data(&[*byte]));
        let whole = whole.into_bytes();
        assert!(whole == bytewise.into_bytes(), "a body depends on how it was cut");
        whole
    }

    #[test]
    fn reads_each_framing() {
        assert_eq!(body(Some(("content-length", "5")), b"hello, world"), "hello");
        assert_eq!(body(Some(("content-length", "50")), b"hello"), "hello");
        assert_eq!(body(Some(("content-length", "0")), b"hello"), "");
        assert_eq!(body(None, b"hello"), "hello");
        let chunked = Some(("transfer-encoding", "chunked"));
        assert_eq!(
            body(chunked, b"5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\nmore"),
            "hello, world"
        );
        assert_eq!(body(chunked, b"A\r\n0123"), "0123");
        assert_eq!(body(chunked, b"ffffffffffffffffffff\r\nx"), "x");
    }

    #[test]
    fn keeps_64_kib_and_no_more() {
        let data = vec![b'x'; 3 * LIMIT];
        assert_eq!(body(None, &data).len(), LIMIT);
        assert_eq!(body(Some(("content-length", "100000")), &data).len(), LIMIT);
        let mut chunks = RefusalBody::new(
            &Response::builder()
                .header("transfer-encoding", "chunked")
                .body(())
                .unwrap(),
        );
        chunks.handle_data(&b"1;xxxxxxxx\r\nx\r\n".repeat(20_000));
        assert!(chunks.into_bytes().len() <= READ_LIMIT);
    }

    #[tokio::test]
    async fn ends_with_the_body_the_stream_or_the_limit() {
        let response = Response::builder()
            .header("content-length", "3")
            .body(())
            .unwrap();
        let (mut near, mut far) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut far, b"abcdef")
            .await
            .unwrap();
        let mut refusal = RefusalBody::new(&response);
        refusal.read(&mut near).await;
        assert_eq!(refusal.into_bytes(), "abc");
        let mut endless = tokio::io::repeat(b'x');
        let mut refusal = RefusalBody::new(&Response::new(()));
        refusal.read(&mut endless).await;
        assert_eq!(refusal.into_bytes().len(), LIMIT);
    }
}
