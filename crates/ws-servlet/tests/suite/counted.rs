//! A stream that counts what it is asked: on a TCP connection these are system calls.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// How often was asked for what.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Reads that brought something.
    reads: AtomicUsize,
    /// Reads that found nothing: none of them is a system call of a TCP connection if the read before it was short.
    empty: AtomicUsize,
    writes: AtomicUsize,
    /// Writes that could not be done yet.
    blocked: AtomicUsize,
}

/// The counts at one moment, or between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) reads: usize,
    pub(crate) empty: usize,
    pub(crate) writes: usize,
    pub(crate) blocked: usize,
}

impl Calls {
    /// What was counted since this was asked last.
    pub(crate) fn take(&self) -> Counts {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        Counts {
            reads: take(&self.reads),
            empty: take(&self.empty),
            writes: take(&self.writes),
            blocked: take(&self.blocked),
        }
    }
}

/// A server's end of a pipe.
#[derive(Debug)]
pub(crate) struct Counted {
    pipe: DuplexStream,
    calls: Arc<Calls>,
}

impl Counted {
    pub(crate) fn new(pipe: DuplexStream, calls: &Arc<Calls>) -> Self {
        Self {
            pipe,
            calls: Arc::clone(calls),
        }
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let count = if polled.is_ready() {
            &self.calls.writes
        } else {
            &self.calls.blocked
        };
        count.fetch_add(1, Ordering::Relaxed);
        polled
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.pipe).poll_read(cx, buffer);
        let count = if polled.is_ready() {
            &self.calls.reads
        } else {
            &self.calls.empty
        };
        count.fetch_add(1, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.pipe).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.pipe).poll_write_vectored(cx, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipe.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
