//! Who is at the other end of a connection.

use std::net::SocketAddr;

use crate::io::Io;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's address. `None` for streams that have none, in-memory pipes for instance.
    pub remote: Option<SocketAddr>,
    /// The local address the peer connected to.
    pub local: Option<SocketAddr>,
}

impl PeerInfo {
    /// The two ends of a connection.
    pub fn new(remote: Option<SocketAddr>, local: Option<SocketAddr>) -> Self {
        Self { remote, local }
    }

    /// The two ends of a stream, as far as it knows them.
    pub fn of(io: &Io) -> Self {
        Self::new(io.peer_addr(), io.local_addr())
    }
}
