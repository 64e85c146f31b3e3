//! The kernel's queue of accepted connections, emptied with as few calls as possible (Linux).
//!
//! Here: [`Queue`], which takes the place of a TCP listener in the accept loop. An accept in vain is dear: the kernel makes
//! a socket, a file and a name for it before it looks whether anybody waits, ten times the price of the question whether
//! it is worth while. Not here: the loop itself (`accept`).

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use super::accept::Listener;
use super::peer::PeerInfo;
use crate::io::Io;

/// For a question that is not to be waited for.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A TCP listener's connections.
pub(super) struct Queue {
    /// The listening socket. As a stream, because tokio lets nobody but its listener accept from one, but waits for a stream
    /// to be readable whatever is read then.
    socket: TcpStream,
    /// What is listened on.
    address: SocketAddr,
    /// The local address of all connections, once one was seen to have that of the listener. Never with one that listens on
    /// every address. (A listener that the system makes take other addresses, too, by IP_TRANSPARENT, has to do that.)
    local: Option<SocketAddr>,
    /// One was taken since the kernel has told of any: there may be more, or none.
    is_open: bool,
}

impl Queue {
    /// Takes a listener over; the listener again if there are no more descriptors, or the runtime cannot watch one.
    pub(super) fn new(listener: TcpListener) -> Result<Self, TcpListener> {
        Self::of(&listener).map_err(|error| {
            tracing::debug!(%error, "the queue of a listener cannot be watched");
            listener
        })
    }

    /// Of a descriptor of its own, so that the listener can still be had if this fails.
    fn of(listener: &TcpListener) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            socket: TcpStream::from_std(listener.as_fd().try_clone_to_owned()?.into())?,
            local: None,
            is_open: false,
        })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Option<SocketAddrAny>)>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            let asks = mem::take(&mut self.is_open);
            let taken = self.socket.try_io(Interest::READABLE, || {
                if asks && !has_waiting(&self.socket)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                Ok(acceptfrom_with(&self.socket, flags)?)
            });
            if !matches!(&taken, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                self.is_open = true;
                return Poll::Ready(taken);
            }
        }
    }

    /// The local address of a connection.
    fn local_of(&mut self, stream: &TcpStream) -> Option<SocketAddr> {
        if self.local.is_none() {
            let local = stream.local_addr().ok();
            if local != Some(self.address) {
                return local;
            }
            self.local = local;
        }
        self.local
    }
}

impl Listener for Queue {
    async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
        let (stream, remote) = poll_fn(|cx| self.poll_accept(cx)).await?;
        let stream = TcpStream::from_std(stream.into())?;
        let remote = remote.and_then(|remote| SocketAddr::try_from(remote).ok());
        let local = self.local_of(&stream);
        Ok((Io::from(stream), PeerInfo::new(remote, local)))
    }

    fn set_nodelay(&self) -> bool {
        self.socket.set_nodelay(true).is_ok()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Whether somebody waits to be accepted.
fn has_waiting(socket: &TcpStream) -> io::Result<bool> {
    let mut asked = [PollFd::new(socket, PollFlags::IN)];
    Ok(poll(&mut asked, Some(&AT_ONCE))? > 0)
}

/// The TCP listener that a listener is, or the listener as it came.
pub(super) fn as_tcp<L: Listener>(listener: L) -> Result<TcpListener, Option<L>> {
    let mut slot = Some(listener);
    let tcp = (&mut slot as &mut dyn Any).downcast_mut::<Option<TcpListener>>();
    tcp.and_then(Option::take).ok_or(()).map_err(|()| slot)
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    /// Whether a queue has nobody to give out, though the runtime was asked.
    async fn is_empty(queue: &mut Queue) -> bool {
        for _ in 0..3 {
            yield_now().await;
        }
        tokio::select! {
            biased;
            _ = queue.accept() => false,
            () = yield_now() => true,
        }
    }

    #[tokio::test]
    async fn several_that_wait_are_taken_and_then_those_who_come_later() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(address).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut queue = Queue::new(as_tcp(listener).ok().unwrap()).unwrap();
            assert!(is_empty(&mut queue).await);
            for count in [3, 1, 2] {
                let mut peers = Vec::new();
                for _ in 0..count {
                    peers.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
                }
                for peer in &peers {
                    let (io, info) = queue.accept().await.unwrap();
                    assert_eq!(info, PeerInfo::of(&io));
                    assert_eq!(info.remote, peer.local_addr().ok());
                    assert_eq!(info.local, peer.peer_addr().ok());
                }
                assert!(is_empty(&mut queue).await);
            }
            assert_eq!(queue.local.is_some(), address != "0.0.0.0:0");
        }
    }

    #[tokio::test]
    async fn other_listeners_come_back() {
        struct Nobody;
        impl Listener for Nobody {
            async fn accept(&mut self) -> io::Result<(Io, PeerInfo)> {
                std::future::pending().await
            }

            fn local_addr(&self) -> io::Result<SocketAddr> {
                Err(io::ErrorKind::NotConnected.into())
            }
        }
        assert!(matches!(as_tcp(Nobody), Err(Some(Nobody))));
    }
}
