//! From which local address a connection comes. One address has some 28,000 ports, and a closed connection keeps
//! its port for a minute; every address 127.x.y.z is ours, so many of them are used.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::options::{BenchOptions, Load};

/// So many connections stay on one address. Well below the number of ephemeral ports.
const PER_ADDRESS: usize = 10_000;

/// Addresses in turn, when connections come and go: 127.0.0.2 to 127.0.0.241.
const IN_TURN: usize = 240;

/// The rule for one run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sources {
    /// The system chooses.
    Any,
    /// The next address after so many connections.
    Blocks,
    /// Another address for each connection.
    Turns,
}

impl Sources {
    /// Addresses rotate only where the server is on this machine's IPv4 loopback, and only where it matters.
    pub(super) fn new(options: &BenchOptions, server: SocketAddr) -> Self {
        let IpAddr::V4(address) = server.ip() else {
            return Self::Any;
        };
        match options.load {
            _ if !address.is_loopback() => Self::Any,
            Load::Connect(_) => Self::Turns,
            _ if options.connections > PER_ADDRESS => Self::Blocks,
            _ => Self::Any,
        }
    }

    /// The address for connection `number`.
    pub(super) fn address(self, number: u64) -> Option<IpAddr> {
        let step = match self {
            Self::Any => return None,
            Self::Blocks => number / PER_ADDRESS as u64,
            Self::Turns => number,
        };
        let last = (step % IN_TURN as u64) as u8;
        Some(Ipv4Addr::new(127, 0, 0, 2 + last).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(sources: Sources, number: u64) -> Option<String> {
        sources.address(number).map(|address| address.to_string())
    }

    #[test]
    fn addresses_change_every_ten_thousand_or_every_time() {
        assert_eq!(last(Sources::Any, 5), None);
        for (number, address) in [(0, "127.0.0.2"), (9_999, "127.0.0.2"), (10_000, "127.0.0.3")] {
            assert_eq!(last(Sources::Blocks, number).as_deref(), Some(address));
        }
        for (number, address) in [
            (0, "127.0.0.2"),
            (1, "127.0.0.3"),
            (239, "127.0.0.241"),
            (240, "127.0.0.2"),
        ] {
            assert_eq!(last(Sources::Turns, number).as_deref(), Some(address));
        }
    }
}
