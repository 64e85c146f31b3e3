//! Configuration of one connection: limits (RFC 6455 §10.4), timeouts, and how data is delivered.
//! What concerns HTTP (head size, handshake deadline, origins) is configured in `ws-handler`.

use std::time::Duration;

use crate::role::Role;

/// A size limit that never applies.
pub const UNLIMITED: usize = usize::MAX;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// In which units received data is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Whole messages, assembled from their fragments. The default.
    #[default]
    Message,
    /// One event per data frame, as soon as the whole frame has arrived and passed every check, while its
    /// message may still be open. A text frame may end inside a character.
    Fragment,
}

/// Limits on what a peer can make us hold (RFC 6455 §10.4). [`UNLIMITED`] switches a size off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in the payload of one frame; more is answered with 1009. Default 1 MiB.
    pub max_frame_size: usize,
    /// Bytes in one message, all fragments together; more is answered with 1009. Default 1 MiB.
    pub max_message_size: usize,
    /// Frames in one message, empty ones counted; more is answered with 1008. Default 16,384 for a server,
    /// 131,072 for a client.
    pub max_fragments: usize,
    /// Bytes in the outgoing queue above which senders wait and an echo stops reading. Default 64 KiB.
    pub soft_queue: usize,
    /// Bytes in the outgoing queue above which what may not wait is refused (`try_send`, publish). Control
    /// frames count. Default 1 MiB.
    pub hard_queue: usize,
    /// How many pings a peer may send; more is answered with 1008. `None`: any number. Default: 200 at once,
    /// 50 a second.
    pub ping_budget: Option<PingBudget>,
}

/// How many pings a peer may send: a bucket of `burst` pings that refills by `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingBudget {
    /// Pings at once.
    pub burst: u32,
    /// Pings a second in the long run.
    pub per_second: u32,
}

/// How long things may take. `None` switches a timer off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// A ping is sent after this long without receiving anything. Default 30 s.
    pub ping_interval: Option<Duration>,
    /// The pong for that ping must arrive within this time, else the connection is lost (1006 here, 1011 to the
    /// peer if it can be sent). Default 20 s.
    pub pong: Option<Duration>,
    /// Without data frames in either direction for this long the connection is closed with 1001. Default off.
    pub idle: Option<Duration>,
    /// A message that has begun must bring a byte at least this often, else 1008. Under
    /// [`Delivery::Fragment`] this counts inside a frame only. Default 20 s.
    pub unfinished_message: Option<Duration>,
    /// A message must be complete this long after its first byte, else 1008. Default off. Never applies under
    /// [`Delivery::Fragment`].
    pub whole_message: Option<Duration>,
    /// Output that is queued must make progress at least this often, else the connection is dropped. Default
    /// 30 s.
    pub write_stall: Option<Duration>,
    /// After our Close frame the peer's must arrive within this time, else the connection is dropped. Default
    /// 10 s.
    pub close: Option<Duration>,
    /// After the closing handshake, how long to read and discard before TCP is closed, so that no reset
    /// destroys what the peer has not read yet. Default 2 s.
    pub drain: Duration,
    /// A compressor with context takeover that was not used for this long gives its memory back, about 170 KiB, and
    /// keeps only its history, at most the agreed window (4 KiB by default). Waking another one costs about 5 µs at that
    /// window, 37 µs at 32 KiB. Default 1 s. Most give it back earlier: see [`SendPath::end_turn`](crate::SendPath::end_turn).
    pub compressor: Option<Duration>,
}

/// Everything that can be configured about one connection. Shared by all connections of a route, as an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What a peer can make us hold.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// In which units received data is handed out.
    pub delivery: Delivery,
}

impl Config {
    /// Bytes read and discarded after the closing handshake before TCP is closed: enough for what was in flight.
    pub const DRAIN_BYTES: usize = 64 * KIB;

    /// The defaults of a role.
    #[must_use]
    pub fn new(role: Role) -> Self {
        let max_fragments = match role {
            Role::Server => 16_384,
            Role::Client => 131_072,
        };
        Self {
            limits: Limits {
                max_frame_size: MIB,
                max_message_size: MIB,
                max_fragments,
                soft_queue: 64 * KIB,
                hard_queue: MIB,
                ping_budget: Some(PingBudget {
                    burst: 200,
                    per_second: 50,
                }),
            },
            timeouts: Timeouts {
                ping_interval: Some(Duration::from_secs(30)),
                pong: Some(Duration::from_secs(20)),
                idle: None,
                unfinished_message: Some(Duration::from_secs(20)),
                whole_message: None,
                write_stall: Some(Duration::from_secs(30)),
                close: Some(Duration::from_secs(10)),
                drain: Duration::from_secs(2),
                compressor: Some(Duration::from_secs(1)),
            },
            delivery: Delivery::Message,
        }
    }

    /// The defaults of a server.
    #[must_use]
    pub fn server() -> Self {
        Self::new(Role::Server)
    }

    /// The defaults of a client.
    #[must_use]
    pub fn client() -> Self {
        Self::new(Role::Client)
    }

    /// A server with the numbers of Jetty 12: 64 KiB for frames and messages, closed with 1001 after 30 s
    /// without data.
    #[must_use]
    pub fn jetty_profile() -> Self {
        let mut config = Self::server();
        config.limits.max_frame_size = 64 * KIB;
        config.limits.max_message_size = 64 * KIB;
        config.timeouts.idle = Some(Duration::from_secs(30));
        config
    }

    /// The same with another delivery.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of docs/SECURITY.md, which are also those of the doc comments above.
    #[test]
    fn defaults_are_the_documented_ones() {
        let (second, seconds) = (Duration::from_secs(1), Duration::from_secs);
        let server = Config::server();
        let limits = Limits {
            max_frame_size: 1_048_576,
            max_message_size: 1_048_576,
            max_fragments: 16_384,
            soft_queue: 65_536,
            hard_queue: 1_048_576,
            ping_budget: Some(PingBudget {
                burst: 200,
                per_second: 50,
            }),
        };
        let timeouts = Timeouts {
            ping_interval: Some(seconds(30)),
            pong: Some(seconds(20)),
            idle: None,
            unfinished_message: Some(seconds(20)),
            whole_message: None,
            write_stall: Some(seconds(30)),
            close: Some(seconds(10)),
            drain: seconds(2),
            compressor: Some(second),
        };
        assert_eq!((&server.limits, &server.timeouts), (&limits, &timeouts));
        assert_eq!(
            (server.delivery, Config::DRAIN_BYTES),
            (Delivery::Message, 65_536)
        );
        let mut client = server.clone();
        client.limits.max_fragments = 131_072;
        assert_eq!(Config::client(), client);
        let mut jetty = server;
        jetty.limits.max_frame_size = 65_536;
        jetty.limits.max_message_size = 65_536;
        jetty.timeouts.idle = Some(seconds(30));
        assert_eq!(Config::jetty_profile(), jetty);
    }
}
