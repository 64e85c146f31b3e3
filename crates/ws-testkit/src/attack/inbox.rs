//! What the attacked server says: heads, frames, the end, or nothing for too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::peer::RawFrame;

/// More of an answer is not kept.
const KEPT: usize = 1 << 20;

/// How the server's side went on.
#[derive(Debug)]
pub(super) enum Said<T> {
    It(T),
    /// The end of the stream, or a reset: after an answer they mean the same.
    End,
    /// Nothing, for longer than the patience.
    Silence,
}

/// The reading half of an attack.
pub(super) struct Inbox<'a, R> {
    reader: R,
    received: BytesMut,
    patience: Duration,
    /// Rises while the other half still writes: a server that still reads is not silent.
    written: &'a AtomicU64,
}

impl<'a, R: AsyncRead + Unpin> Inbox<'a, R> {
    pub(super) fn new(reader: R, patience: Duration, written: &'a AtomicU64) -> Self {
        Self {
            reader,
            received: BytesMut::new(),
            patience,
            written,
        }
    }

    /// The next HTTP head, and its status.
    pub(super) async fn head(&mut self) -> Said<(u16, String)> {
        loop {
            let end = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.received.split_to(end + 4);
                let head = String::from_utf8_lossy(&head).into_owned();
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                return Said::It((status.unwrap_or(0), head));
            }
            match self.more().await {
                Said::It(()) => {}
                Said::End => return Said::End,
                Said::Silence => return Said::Silence,
            }
        }
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> Said<RawFrame> {
        loop {
            if let Some(frame) = RawFrame::decode(&mut self.received) {
                return Said::It(frame);
            }
            match self.more().await {
                Said::It(()) => {}
                Said::End => return Said::End,
                Said::Silence => return Said::Silence,
            }
        }
    }

    /// Everything up to the end; false if the end did not come.
    pub(super) async fn rest(&mut self) -> (Bytes, bool) {
        let mut rest = BytesMut::new();
        loop {
            rest.extend_from_slice(&self.received);
            rest.truncate(KEPT);
            self.received.clear();
            match self.more().await {
                Said::It(()) => {}
                Said::End => return (rest.freeze(), true),
                Said::Silence => return (rest.freeze(), false),
            }
        }
    }

    async fn more(&mut self) -> Said<()> {
        let mut written = self.written.load(Ordering::Relaxed);
        loop {
            match tokio::time::timeout(self.patience, self.reader.read_buf(&mut self.received)).await {
                Ok(Ok(0) | Err(_)) => return Said::End,
                Ok(Ok(_)) => return Said::It(()),
                Err(_) => {
                    let now = self.written.load(Ordering::Relaxed);
                    if now == written {
                        return Said::Silence;
                    }
                    written = now;
                }
            }
        }
    }
}
