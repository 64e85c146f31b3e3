//! A connection that asked for plain HTTP.
//!
//! Here: [`PlainConnection`], the stream with everything the peer has sent so far put back in front. Not here: who
//! serves it (`hyper_upgrade`, or any [`Service::handover`](super::Service::handover)).

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::entrance::Entrance;
use super::peer::PeerInfo;
use crate::io::Io;

/// A connection whose first request is no upgrade, as a stream that still holds this request from its first byte on.
///
/// It counts as one of the server's connections until it is dropped.
#[derive(Debug)]
pub struct PlainConnection {
    stream: Rewound,
    entrance: Entrance,
}

impl PlainConnection {
    pub(crate) fn new(io: Io, read: BytesMut, entrance: Entrance) -> Self {
        Self {
            stream: Rewound { io, read },
            entrance,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &PeerInfo {
        &self.entrance.peer
    }

    /// Waits until the server begins to stop: finish the request in progress, take no other, and close. What is
    /// still open at the end of the shutdown's timeout is dropped. Cancel safe.
    ///
    /// The future borrows nothing: the connection can be read and written beside it.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        self.entrance.stop_token().cancelled_owned()
    }

    /// The stream, and the way back to the server.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_parts(self) -> (Rewound, Entrance) {
        (self.stream, self.entrance)
    }
}

/// A stream with bytes put back in front of it.
#[derive(Debug)]
pub(crate) struct Rewound {
    pub(crate) io: Io,
    /// Read from the peer, but not yet by whoever serves this connection.
    pub(crate) read: BytesMut,
}

impl AsyncRead for Rewound {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let count = this.read.len().min(buf.remaining());
        buf.put_slice(&this.read.split_to(count));
        if this.read.is_empty() {
            this.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
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

impl AsyncRead for PlainConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PlainConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
