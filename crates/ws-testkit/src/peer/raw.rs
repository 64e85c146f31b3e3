//! A peer that speaks raw frames over any stream and states what it expects. Scripts of such steps are in `script`.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::PeerError;
use super::frame::RawFrame;

/// An HTTP head above this many bytes is no head that a test wants.
const LONGEST_HEAD: usize = 64 * 1024;

/// Bytes of unexpected input that an error shows.
const SHOWN_BYTES: usize = 64;

/// One end of a connection in the hands of a test, after or before the opening handshake.
///
/// Every expectation has a time limit, 5 s unless [`within`](Self::within) says otherwise; with tokio's paused time
/// it costs nothing. The async methods are not cancel safe: a dropped one may have sent or taken a part.
#[derive(Debug)]
pub struct RawPeer<IO> {
    io: IO,
    received: BytesMut,
    patience: Duration,
    ended: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> RawPeer<IO> {
    /// Takes over one end of a connection.
    pub fn new(io: IO) -> Self {
        Self {
            io,
            received: BytesMut::new(),
            patience: Duration::from_secs(5),
            ended: false,
        }
    }

    /// The longest time to wait in each expectation (default 5 s).
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends bytes as they are.
    ///
    /// Not cancel safe: a part may have been sent.
    ///
    /// # Errors
    /// The transport's.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        self.io.write_all(bytes).await?;
        self.io.flush().await?;
        Ok(())
    }

    /// Sends a frame exactly as it is, wrong bits and all.
    ///
    /// Not cancel safe: a part may have been sent.
    ///
    /// # Errors
    /// The transport's.
    pub async fn send(&mut self, frame: &RawFrame) -> Result<(), PeerError> {
        self.send_bytes(&frame.encode()).await
    }

    /// Sends bytes in pieces of `chop` (at least 1) bytes, letting other tasks run in between.
    ///
    /// Not cancel safe: a part may have been sent.
    ///
    /// # Errors
    /// The transport's.
    pub async fn send_chopped(&mut self, bytes: &[u8], chop: usize) -> Result<(), PeerError> {
        for piece in bytes.chunks(chop.max(1)) {
            self.send_bytes(piece).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The next frame, whatever it is.
    ///
    /// Cancel safe: what has arrived is kept for the next call.
    ///
    /// # Errors
    /// Time is over, the stream ends, or the transport fails.
    pub async fn next_frame(&mut self) -> Result<RawFrame, PeerError> {
        self.frame_or("a frame").await
    }

    /// The next frame must be this one (masking key aside).
    ///
    /// Cancel safe, as [`next_frame`](Self::next_frame).
    ///
    /// # Errors
    /// Another frame comes, or none.
    pub async fn expect(&mut self, frame: &RawFrame) -> Result<RawFrame, PeerError> {
        let expected = frame.to_string();
        let found = self.frame_or(&expected).await?;
        if found.means_the_same(frame) {
            Ok(found)
        } else {
            Err(PeerError::OtherFrame { expected, found })
        }
    }

    /// The next frame must be a close frame with this code; None: without a code.
    ///
    /// Cancel safe, as [`next_frame`](Self::next_frame).
    ///
    /// # Errors
    /// Another frame comes, or none.
    pub async fn expect_close(&mut self, code: Option<u16>) -> Result<RawFrame, PeerError> {
        let expected = code.map_or("a close frame without a code".into(), |code| {
            format!("a close frame with {code}")
        });
        let found = self.frame_or(&expected).await?;
        let empty_as_told = code.is_some() || found.payload.is_empty();
        if found.opcode == 0x8 && found.close_code() == code && empty_as_told {
            Ok(found)
        } else {
            Err(PeerError::OtherFrame { expected, found })
        }
    }

    /// The other side must end the stream, without another byte.
    ///
    /// Cancel safe: what has arrived is kept for the next call.
    ///
    /// # Errors
    /// Bytes come, or nothing happens in time.
    pub async fn expect_end(&mut self) -> Result<(), PeerError> {
        if self.received.is_empty() {
            self.read_some("the end of the stream").await?;
        }
        if self.received.is_empty() {
            return Ok(());
        }
        let found = self.received.iter().take(SHOWN_BYTES).copied().collect();
        Err(PeerError::OtherBytes { found })
    }

    /// Reads an HTTP head up to and with its empty line; what follows stays for the next expectation.
    ///
    /// Cancel safe: what has arrived is kept for the next call.
    ///
    /// # Errors
    /// The stream ends first, time is over, or there is no end within 64 KiB.
    pub async fn expect_head(&mut self) -> Result<String, PeerError> {
        let expected = "an HTTP head";
        loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.received.split_to(end + 4);
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            if self.received.len() > LONGEST_HEAD {
                let found = String::from_utf8_lossy(&self.received)
                    .chars()
                    .take(SHOWN_BYTES)
                    .collect();
                return Err(PeerError::OtherHead {
                    expected: expected.into(),
                    found,
                });
            }
            self.read_some_or_end(expected).await?;
        }
    }

    /// Ends the own direction of the stream (TCP: sends FIN); the other one stays open.
    ///
    /// Cancel safe: a second call goes on.
    ///
    /// # Errors
    /// The transport's.
    pub async fn half_close(&mut self) -> Result<(), PeerError> {
        self.io.shutdown().await?;
        Ok(())
    }

    /// Gives the stream back, with the bytes received and not yet taken.
    pub fn into_inner(self) -> (IO, BytesMut) {
        (self.io, self.received)
    }

    async fn frame_or(&mut self, expected: &str) -> Result<RawFrame, PeerError> {
        loop {
            if let Some(frame) = RawFrame::decode(&mut self.received) {
                return Ok(frame);
            }
            self.read_some_or_end(expected).await?;
        }
    }

    async fn read_some_or_end(&mut self, expected: &str) -> Result<(), PeerError> {
        self.read_some(expected).await?;
        if self.ended {
            Err(PeerError::EndOfStream {
                expected: expected.into(),
            })
        } else {
            Ok(())
        }
    }

    /// Waits for bytes or for the end of the stream.
    async fn read_some(&mut self, expected: &str) -> Result<(), PeerError> {
        let read = tokio::time::timeout(self.patience, self.io.read_buf(&mut self.received)).await;
        match read {
            Ok(Ok(count)) => {
                self.ended = count == 0;
                Ok(())
            }
            Ok(Err(error)) => Err(PeerError::Io(error)),
            Err(_) => Err(PeerError::TimedOut {
                expected: expected.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (RawPeer<tokio::io::DuplexStream>, RawPeer<tokio::io::DuplexStream>) {
        let (left, right) = tokio::io::duplex(1 << 20);
        (RawPeer::new(left), RawPeer::new(right))
    }

    #[tokio::test(start_paused = true)]
    async fn frames_heads_and_the_end_are_expected_in_order() -> Result<(), PeerError> {
        let (mut left, mut right) = pair();
        left.send_bytes(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await?;
        left.send(&RawFrame::text("Hello").masked([1, 2, 3, 4])).await?;
        left.send_chopped(&RawFrame::close(1000, "bye").encode(), 1)
            .await?;
        left.half_close().await?;
        assert!(right.expect_head().await?.ends_with("Host: here\r\n\r\n"));
        right.expect(&RawFrame::text("Hello")).await?;
        right.expect_close(Some(1000)).await?;
        right.expect_end().await
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_an_error() -> Result<(), PeerError> {
        let (mut left, mut right) = pair();
        let error = right.next_frame().await;
        assert!(matches!(error, Err(PeerError::TimedOut { .. })), "{error:?}");
        left.send(&RawFrame::text("a")).await?;
        let error = right.expect(&RawFrame::text("b")).await;
        assert!(matches!(error, Err(PeerError::OtherFrame { .. })), "{error:?}");
        left.send(&RawFrame::close(1001, "")).await?;
        let error = right.expect_close(None).await;
        assert!(matches!(error, Err(PeerError::OtherFrame { .. })), "{error:?}");
        left.send_bytes(b"x").await?;
        let error = right.expect_end().await;
        assert!(matches!(error, Err(PeerError::OtherBytes { .. })), "{error:?}");
        left.half_close().await?;
        let error = right.expect(&RawFrame::text("b")).await;
        assert!(matches!(error, Err(PeerError::EndOfStream { .. })), "{error:?}");
        Ok(())
    }
}
