//! The byte stream below a WebSocket, behind one name.
//!
//! Here: [`Io`], which keeps a TCP stream as it is and boxes anything else, so that endpoints and sessions need
//! no I/O type parameter. Beside it: a TCP stream that others write to as well (`shared`). Not here: framing and
//! timers (`socket`), accepting and dialling (`server`, `client`).

mod shared;

pub use shared::{Bypass, SharedTcp};

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, empty, sink};
use tokio::net::TcpStream;

/// Where the empty slice of [`end_follows`] points.
static END: [u8; 1] = [0];

/// An empty slice behind the others of a vectored write: the end of the stream comes at once, and whoever can do so sends
/// it together with these last bytes. To any other stream it is an empty slice.
pub(crate) fn end_follows() -> IoSlice<'static> {
    IoSlice::new(END.get(..0).unwrap_or_default())
}

/// The bytes in front of [`end_follows`], if it stands behind one slice.
#[cfg(target_os = "linux")]
fn last_bytes<'a>(slices: &'a [IoSlice<'_>]) -> Option<&'a [u8]> {
    match slices {
        [bytes, end] if end.is_empty() && std::ptr::eq(end.as_ptr(), END.as_ptr()) => Some(bytes),
        _ => None,
    }
}

/// Writes bytes that the kernel keeps until the end of the stream is written, too, so that both leave in one segment.
#[cfg(target_os = "linux")]
fn poll_write_last(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    use rustix::net::{SendFlags, send};

    shared::poll_try_write(stream, cx, |stream| {
        stream.try_io(Interest::WRITABLE, || {
            Ok(send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
        })
    })
}

/// Anything a WebSocket can run over: an ordered, reliable stream of bytes in both directions.
///
/// Implemented for every type that fits; nobody implements it by hand.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Duplex for T {}

/// A byte stream: TCP without indirection, or anything else in a box.
///
/// # Examples
///
/// ```
/// use ws_handler::Io;
///
/// let (near, _far) = tokio::io::duplex(64);
/// let io = Io::boxed(near);
/// assert!(io.peer_addr().is_none());
/// ```
#[non_exhaustive]
pub enum Io {
    /// A TCP stream, polled directly.
    Tcp(TcpStream),
    /// A TCP stream that is also written to past its connection.
    Shared(SharedTcp),
    /// Any other stream (TLS, an HTTP/2 stream, an in-memory pipe), polled through one virtual call.
    Boxed(Box<dyn Duplex>),
}

impl Io {
    /// Boxes any stream. For a [`TcpStream`] use `Io::from`, which keeps it unboxed.
    pub fn boxed(stream: impl Duplex + 'static) -> Self {
        Self::Boxed(Box::new(stream))
    }

    /// The TCP stream, if it is one.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Shared(shared) => Some(shared.stream()),
            Self::Boxed(_) => None,
        }
    }

    /// The address of the peer, when the stream is TCP and still knows it.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.tcp()?.peer_addr().ok()
    }

    /// The local address, when the stream is TCP and still knows it.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp()?.local_addr().ok()
    }

    /// Turns Nagle's algorithm off (`true`) or on. Does nothing for boxed streams.
    ///
    /// Accepting and connecting turn it off by default: output is already batched, one write per batch, so
    /// waiting for an acknowledgement before the last segment only adds delay.
    ///
    /// # Errors
    ///
    /// What the operating system answers, for instance on a stream that is no longer connected.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.tcp().map_or(Ok(()), |stream| stream.set_nodelay(nodelay))
    }

    /// Whether Nagle's algorithm is off. Boxed streams have none, as far as we know.
    pub(crate) fn nodelay(&self) -> io::Result<bool> {
        self.tcp().map_or(Ok(true), TcpStream::nodelay)
    }

    /// A second way to write to this stream. `None` if it is no TCP stream, or has one already.
    pub(crate) fn bypass(&mut self) -> Option<Bypass> {
        // In a box that takes no memory, for the moment.
        match std::mem::replace(self, Self::boxed(tokio::io::join(empty(), sink()))) {
            Self::Tcp(stream) => {
                let (shared, bypass) = SharedTcp::new(stream);
                *self = Self::Shared(shared);
                Some(bypass)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

impl From<TcpStream> for Io {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => f.debug_tuple("Io::Tcp").field(stream).finish(),
            Self::Shared(shared) => f.debug_tuple("Io::Shared").field(shared).finish(),
            Self::Boxed(_) => f.write_str("Io::Boxed(..)"),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Shared(shared) => shared.poll_read(cx, buf),
            Self::Boxed(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Shared(shared) => shared.poll_write(cx, bytes),
            Self::Boxed(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        #[cfg(target_os = "linux")]
        if let (Some(stream), Some(bytes)) = (this.tcp(), last_bytes(slices)) {
            return poll_write_last(stream, cx, bytes);
        }
        match this {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Shared(shared) => shared.poll_write_vectored(cx, slices),
            Self::Boxed(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Shared(_) => true,
            Self::Boxed(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            // TCP streams hold nothing back.
            Self::Shared(_) => Poll::Ready(Ok(())),
            Self::Boxed(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Shared(shared) => Poll::Ready(shared.shut_down()),
            Self::Boxed(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[cfg(target_os = "linux")]
    use super::last_bytes;
    use super::{Io, end_follows};

    #[tokio::test]
    async fn a_tcp_stream_stays_unboxed_and_knows_its_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut near = Io::from(TcpStream::connect(address).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        assert_eq!(near.peer_addr(), Some(address));
        assert_eq!(near.local_addr(), Some(far.peer_addr().unwrap()));
        near.set_nodelay(true).unwrap();
        let Io::Tcp(stream) = &near else { panic!("boxed") };
        assert!(stream.nodelay().unwrap());
        near.write_all(b"ab").await.unwrap();
        let mut bytes = [0; 2];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ab");
    }

    #[tokio::test]
    async fn last_bytes_and_the_end_of_the_stream_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = Io::from(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        let slices = [IoSlice::new(b"ab"), end_follows()];
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 2);
        near.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"ab");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_mark_of_the_end_is_one() {
        let (bytes, empty) = (IoSlice::new(b"ab"), IoSlice::new(&[]));
        assert_eq!(last_bytes(&[bytes, end_follows()]), Some(&b"ab"[..]));
        assert!(last_bytes(&[bytes, empty]).is_none() && last_bytes(&[bytes]).is_none());
        assert!(last_bytes(&[bytes, bytes, end_follows()]).is_none());
    }

    #[tokio::test]
    async fn any_other_stream_is_boxed() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Io::boxed(near);
        near.set_nodelay(true).unwrap();
        near.write_all(b"cd").await.unwrap();
        near.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"cd");
        far.write_all(b"ef").await.unwrap();
        let mut bytes = [0; 2];
        near.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ef");
    }
}
