//! Reading heads from a byte stream, of requests and of responses.
//!
//! RFC 9112 §2.2.

use std::future::poll_fn;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use tokio::io::{AsyncRead, ReadBuf};

use super::head::RequestHead;
use super::parse::{parse_request, parse_response};
use super::scan::{HeadLimits, Kind, Scan};
use crate::error::{HeadError, ReadHeadError};

/// At most this much is read at once, on the stack. Nearly every head fits.
const READ_SIZE: usize = 4 * 1024;

/// Finds and parses heads in a stream of bytes, and keeps every byte after them.
///
/// Each byte is looked at once and each head parsed once, however small the pieces they arrive in. It holds at
/// most the limit of a head and one read beyond it (16 + 4 KiB by default).
///
/// It can be fed by hand with [`HeadReader::handle_data`], or from any `AsyncRead`.
#[derive(Debug, Default)]
pub struct HeadReader {
    buffer: BytesMut,
    scan: Scan,
    limits: HeadLimits,
}

impl HeadReader {
    /// An empty reader.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            buffer: BytesMut::new(),
            scan: Scan::default(),
            limits,
        }
    }

    /// A reader that begins with bytes which were read before.
    pub fn with_leftover(limits: HeadLimits, leftover: BytesMut) -> Self {
        Self {
            buffer: leftover,
            ..Self::new(limits)
        }
    }

    /// Takes bytes that came from the peer.
    pub fn handle_data(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next request head among the bytes taken so far, `None` while it is incomplete.
    ///
    /// # Errors
    /// [`HeadError`]. Where the next head would begin is unknown then: the connection is good for one answer.
    pub fn next_request(&mut self) -> Result<Option<RequestHead>, HeadError> {
        let Some((head, headers)) = self.split_head(Kind::Request)? else {
            return Ok(None);
        };
        Ok(Some(RequestHead::received(parse_request(&head, headers)?, head)))
    }

    /// The next response head among the bytes taken so far, `None` while it is incomplete.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn next_response(&mut self) -> Result<Option<Response<()>>, HeadError> {
        let Some((head, headers)) = self.split_head(Kind::Response)? else {
            return Ok(None);
        };
        parse_response(&head, headers).map(Some)
    }

    /// Reads until a request head is complete. `None`: the stream ended before its first byte.
    ///
    /// Cancel safe: bytes that were read stay in the reader, and the next call goes on with them.
    ///
    /// # Errors
    /// [`ReadHeadError`]. No deadline is kept here.
    pub async fn read_request<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
    ) -> Result<Option<RequestHead>, ReadHeadError> {
        loop {
            if let Some(head) = self.next_request()? {
                return Ok(Some(head));
            }
            if self.fill(io).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ReadHeadError::Truncated)
                };
            }
        }
    }

    /// Reads until a response head is complete.
    ///
    /// Cancel safe, as [`HeadReader::read_request`] is.
    ///
    /// # Errors
    /// [`ReadHeadError`]. No deadline is kept here.
    pub async fn read_response<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
    ) -> Result<Response<()>, ReadHeadError> {
        loop {
            if let Some(head) = self.next_response()? {
                return Ok(head);
            }
            if self.fill(io).await? == 0 {
                return Err(ReadHeadError::Truncated);
            }
        }
    }

    /// True when no byte is kept: nothing came yet, or everything was given out.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Every byte after the heads given out, exactly. Without memory when there is none.
    pub fn into_leftover(self) -> BytesMut {
        if self.buffer.is_empty() {
            BytesMut::new()
        } else {
            self.buffer
        }
    }

    /// One read; 0 at the end of the stream. Cancel safe: what a poll has read is in the buffer when it returns.
    ///
    /// The memory of the buffer is that of the bytes in it: a peer that sends nothing costs none.
    async fn fill<IO: AsyncRead + Unpin>(&mut self, io: &mut IO) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut read))?;
            self.buffer.extend_from_slice(read.filled());
            Poll::Ready(Ok(read.filled().len()))
        })
        .await
    }

    fn split_head(&mut self, kind: Kind) -> Result<Option<(Bytes, usize)>, HeadError> {
        let Some(found) = self.scan.run(&self.buffer, kind, &self.limits)? else {
            return Ok(None);
        };
        self.scan = Scan::default();
        // Alone in the buffer, as nearly every head, it takes the buffer with it: no memory is shared.
        let mut head = if found.end == self.buffer.len() {
            mem::take(&mut self.buffer)
        } else {
            self.buffer.split_to(found.end)
        };
        if found.start > 0 {
            head.advance(found.start);
        }
        Ok(Some((head.freeze(), found.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps;

    /// Twice as many bytes, each alone, are twice as many steps: what came before is kept, and not looked at again.
    #[test]
    fn h15_a_reader_looks_at_each_byte_once() {
        let limits = HeadLimits {
            total: usize::MAX,
            ..HeadLimits::default()
        };
        steps::assert_linear(|head| {
            let mut reader = HeadReader::new(limits);
            for byte in head {
                reader.handle_data(&[*byte]);
                assert!(reader.next_request().unwrap().is_none());
            }
        });
    }
}
