//! A TCP stream that is written to from two places: by its connection, and past it.
//!
//! Not here: when the second way is open (`ws_proto::SendPath::may_be_bypassed`), who takes it (the topics of
//! `ws-servlet`).

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A TCP stream to which a [`Bypass`] leads as well. Its connection reads and writes as before.
#[derive(Debug)]
pub struct SharedTcp {
    half: OwnedReadHalf,
}

impl SharedTcp {
    pub(super) fn new(stream: TcpStream) -> (Self, Bypass) {
        let (read, write) = stream.into_split();
        (Self { half: read }, Bypass { half: Some(write) })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.half.as_ref()
    }

    // Never inlined into `Io`, where they would make the way of an ordinary TCP stream longer.

    #[inline(never)]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_read(cx, buf)
    }

    #[inline(never)]
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_try_write(self.stream(), cx, |stream| stream.try_write(bytes))
    }

    #[inline(never)]
    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_try_write(self.stream(), cx, |stream| stream.try_write_vectored(slices))
    }

    pub(super) fn shut_down(&self) -> io::Result<()> {
        SockRef::from(self.stream()).shutdown(Shutdown::Write)
    }
}

/// Writes when the stream takes something. `write` makes one attempt, through the stream's readiness.
pub(super) fn poll_try_write(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    write: impl Fn(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match write(stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}

/// The way to a connection's stream past the connection, from any thread: made by
/// [`Link::bypass`](crate::Link::bypass).
///
/// Whoever holds it writes whole frames, and only while [`Link::may_be_bypassed`](crate::Link::may_be_bypassed) holds
/// and nobody polls the link. It keeps the stream open: drop it when the connection ends.
#[derive(Debug)]
pub struct Bypass {
    /// Always there.
    half: Option<OwnedWriteHalf>,
}

impl Bypass {
    /// Writes as much as the stream takes at once.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if it takes nothing now; what the operating system says otherwise. Nothing was written
    /// then.
    pub fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&self.half, slices) {
            (Some(half), [only]) => try_write_one(half, only),
            (Some(half), slices) => half.try_write_vectored(slices),
            (None, _) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Without a look at what tokio knows of the stream: whoever writes here has many streams and none of that in its caches,
/// and mostly there is room.
#[cfg(target_os = "linux")]
fn try_write_one(half: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};

    Ok(send(
        half.as_ref(),
        bytes,
        SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
    )?)
}

#[cfg(not(target_os = "linux"))]
fn try_write_one(half: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    half.try_write(bytes)
}

impl Drop for Bypass {
    fn drop(&mut self) {
        if let Some(half) = self.half.take() {
            // Its connection decides when the stream is shut down.
            half.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, IoSlice};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use crate::io::{Io, end_follows};

    async fn pair() -> (Io, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Io::from(near), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_shared_stream_is_used_as_before_and_past_it() {
        let (mut near, mut far) = pair().await;
        let addresses = (near.peer_addr(), near.local_addr());
        near.set_nodelay(true).unwrap();
        let bypass = near.bypass().unwrap();
        assert!(near.bypass().is_none(), "one way past is enough");
        assert_eq!((near.peer_addr(), near.local_addr()), addresses);
        assert!(near.nodelay().unwrap() && near.is_write_vectored());

        near.write_all(b"a").await.unwrap();
        assert_eq!(bypass.try_write(&[IoSlice::new(b"b")]).unwrap(), 1);
        let slices = [IoSlice::new(b"c"), IoSlice::new(b"de")];
        assert_eq!(bypass.try_write(&slices).unwrap(), 3);
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 3);
        near.flush().await.unwrap();
        let mut bytes = [0; 8];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"abcdecde");
        far.write_all(b"f").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'f');

        // Dropping the way past ends nothing.
        drop(bypass);
        let last = [IoSlice::new(b"last"), end_follows()];
        assert_eq!(near.write_vectored(&last).await.unwrap(), 4);
        near.shutdown().await.unwrap();
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"last");
    }

    #[tokio::test]
    async fn a_stream_that_is_full_says_so_and_waits_as_before() {
        let block = vec![7; 1 << 20];
        // One slice goes another way than several.
        for slices in [&[IoSlice::new(&block)][..], &[IoSlice::new(&block); 2]] {
            let (mut near, mut far) = pair().await;
            let bypass = near.bypass().unwrap();
            let mut sent = 0;
            let error = loop {
                match bypass.try_write(slices) {
                    Ok(count) => sent += count,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            let mut received = vec![0; sent + 3];
            let both = async { tokio::join!(near.write_all(b"end"), far.read_exact(&mut received)) };
            let (written, read) = timeout(Duration::from_secs(20), both).await.unwrap();
            written.unwrap();
            read.unwrap();
            assert!(received.ends_with(b"\x07end"));
        }
    }

    #[tokio::test]
    async fn only_tcp_can_be_passed() {
        let (near, _far) = tokio::io::duplex(16);
        assert!(Io::boxed(near).bypass().is_none());
    }
}
