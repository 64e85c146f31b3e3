//! What a server allows its peers.
//!
//! Here: [`Limits`], with the numbers and how each was chosen. Not here: the builder that sets them (`server`), limits
//! of a WebSocket conversation (`ws_proto::Config`), of a request head (`http1`).

use std::time::Duration;

use ws_proto::UNLIMITED;

use crate::http1::HeadLimits;

/// File descriptors left to the rest of the process: listeners, files served, log files, connections to others.
const SPARE_DESCRIPTORS: u64 = 256;

/// Limits of a server. See the setters of [`Server`](super::Server) for units, defaults and effects.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    /// Connections that have not sent their first request yet.
    pub(crate) waiting: usize,
    /// Sizes of the first request's head.
    pub(crate) head: HeadLimits,
    /// From accept to the end of the first request's head.
    pub(crate) head_timeout: Duration,
    /// From accept to the end of the answer to the first request.
    pub(crate) upgrade_timeout: Duration,
}

impl Limits {
    /// Connections over the limit that are told so at the same time; more are dropped without a word, so that a
    /// flood of them cannot eat the spare descriptors.
    pub(crate) const TURNED_AWAY: usize = 64;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: default_connections(descriptor_limit()),
            waiting: 1024,
            head: HeadLimits::default(),
            head_timeout: Duration::from_secs(10),
            upgrade_timeout: Duration::from_secs(15),
        }
    }
}

/// A connection is a file descriptor, so their number is what the process may open, less a reserve.
fn default_connections(descriptors: Option<u64>) -> usize {
    match descriptors {
        // A process that may open hardly more than the reserve gets half of what there is.
        Some(limit) => {
            let usable = limit.saturating_sub(SPARE_DESCRIPTORS).max(limit / 2).max(1);
            usize::try_from(usable).unwrap_or(UNLIMITED)
        }
        None => UNLIMITED,
    }
}

/// How many files this process may have open at a time.
#[cfg(unix)]
fn descriptor_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Windows has no such limit per process.
#[cfg(not(unix))]
fn descriptor_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ws_proto::UNLIMITED;

    use super::{Limits, default_connections};
    use crate::http1::HeadLimits;

    /// The numbers of docs/SECURITY.md, which are also those of the setters' doc comments.
    #[test]
    fn defaults_are_the_documented_ones() {
        let limits = Limits::default();
        let head = HeadLimits {
            total: 16_384,
            first_line: 8_192,
            headers: 100,
        };
        assert_eq!((limits.head, limits.waiting), (head, 1024));
        assert_eq!(limits.head_timeout, Duration::from_secs(10));
        assert_eq!(limits.upgrade_timeout, Duration::from_secs(15));
        assert_eq!(Limits::TURNED_AWAY, 64);
    }

    #[test]
    fn a_reserve_of_descriptors_is_left() {
        assert_eq!(default_connections(Some(20_000)), 19_744);
        assert_eq!(default_connections(Some(300)), 150);
        assert_eq!(default_connections(Some(1)), 1);
        assert_eq!(default_connections(None), UNLIMITED);
        assert!(Limits::default().connections > 0);
    }
}
