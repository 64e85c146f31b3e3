//! The address of a session's peer, kept small.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// An `Option<SocketAddr>` in 16 bytes instead of 32: an address of IPv6 is in a box.
pub(crate) enum Remote {
    Unknown,
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl From<Option<SocketAddr>> for Remote {
    fn from(address: Option<SocketAddr>) -> Self {
        match address {
            None => Self::Unknown,
            Some(SocketAddr::V4(address)) => Self::V4(address),
            Some(SocketAddr::V6(address)) => Self::V6(Box::new(address)),
        }
    }
}

impl Remote {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unknown => None,
            Self::V4(address) => Some(SocketAddr::V4(*address)),
            Self::V6(address) => Some(SocketAddr::V6(**address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_address_in_16_bytes() {
        assert!(size_of::<Remote>() <= 16);
        for text in ["127.0.0.1:65535", "[2001:db8::1%7]:80", "[::ffff:10.0.0.1]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Remote::from(Some(address)).address(), Some(address));
        }
        assert_eq!(Remote::from(None).address(), None);
    }
}
