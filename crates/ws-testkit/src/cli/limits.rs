//! Limits and timeouts of one connection as command line options, and the [`Config`] they make.
//!
//! The defaults are those of the test tools, not of the library: room for large messages and any number of
//! pings. Whoever types something sees the unit in the help.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use ws_proto::{Config, PingBudget, UNLIMITED};

/// The word that switches a limit or a timeout off.
const OFF: &str = "off";

/// Options for limits and timeouts, as typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits and timeouts of each connection")]
pub(crate) struct LimitArguments {
    /// Largest payload of one frame, in bytes, or off; more is closed with 1009
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    max_frame_size: Count,

    /// Largest message, in bytes, or off; more is closed with 1009. Does not concern test-echo, which
    /// never holds a message
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    max_message_size: Count,

    /// Most frames in one message, or off; more is closed with 1008. Does not concern test-echo
    #[arg(long, value_name = "FRAMES", default_value = "131072")]
    max_fragments: Count,

    /// Unsent bytes, or off, above which an echo waits and stops reading
    #[arg(long, value_name = "BYTES", default_value = "65536")]
    soft_queue: Count,

    /// Unsent bytes, or off, above which a connection that cannot keep up with a broadcast is closed
    /// with 1013
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    hard_queue: Count,

    /// Pings a peer may send, at once and per second in the long run (such as 200/50), or off; more is
    /// closed with 1008
    #[arg(long, value_name = "BURST/RATE", default_value = OFF)]
    ping_budget: Pings,

    /// Send a ping after this many seconds without receiving anything, or off
    #[arg(long, value_name = "SECS", default_value = "30")]
    ping_interval: Seconds,

    /// Seconds to wait for the answer to such a ping, or off
    #[arg(long, value_name = "SECS", default_value = "20")]
    pong_timeout: Seconds,

    /// Close with 1001 after this many seconds without a data frame, or off
    #[arg(long, value_name = "SECS", default_value = OFF)]
    idle_timeout: Seconds,

    /// Close with 1008 when a message that has begun brings no byte for this many seconds, or off. With
    /// test-echo it counts inside a frame only
    #[arg(long, value_name = "SECS", default_value = "20")]
    message_stall_timeout: Seconds,

    /// Close with 1008 when a message takes longer than this many seconds as a whole, or off. Does not
    /// concern test-echo
    #[arg(long, value_name = "SECS", default_value = OFF)]
    message_timeout: Seconds,

    /// Drop the connection when unsent bytes make no progress for this many seconds, or off
    #[arg(long, value_name = "SECS", default_value = "30")]
    write_timeout: Seconds,

    /// Drop the connection when the answer to a close frame takes longer than this many seconds, or off
    #[arg(long, value_name = "SECS", default_value = "10")]
    close_timeout: Seconds,
}

impl LimitArguments {
    /// The configuration these options describe, on top of `base`.
    pub(crate) fn resolve(&self, base: Config) -> Config {
        let mut config = base;
        config.limits.max_frame_size = self.max_frame_size.0;
        config.limits.max_message_size = self.max_message_size.0;
        config.limits.max_fragments = self.max_fragments.0;
        config.limits.soft_queue = self.soft_queue.0;
        config.limits.hard_queue = self.hard_queue.0;
        config.limits.ping_budget = self.ping_budget.0;
        config.timeouts.ping_interval = self.ping_interval.0;
        config.timeouts.pong = self.pong_timeout.0;
        config.timeouts.idle = self.idle_timeout.0;
        config.timeouts.unfinished_message = self.message_stall_timeout.0;
        config.timeouts.whole_message = self.message_timeout.0;
        config.timeouts.write_stall = self.write_timeout.0;
        config.timeouts.close = self.close_timeout.0;
        config
    }
}

/// What is wrong with a value; clap says which option it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// A number of bytes or frames; `off` is [`UNLIMITED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count(usize);

impl FromStr for Count {
    type Err = Malformed;

    fn from_str(typed: &str) -> Result<Self, Malformed> {
        if typed == OFF {
            return Ok(Self(UNLIMITED));
        }
        typed
            .parse()
            .map(Self)
            .map_err(|_| Malformed("a whole number, or off"))
    }
}

/// A time in seconds, fractions allowed; `off` is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seconds(Option<Duration>);

impl FromStr for Seconds {
    type Err = Malformed;

    fn from_str(typed: &str) -> Result<Self, Malformed> {
        if typed == OFF {
            return Ok(Self(None));
        }
        let number: f64 = typed
            .parse()
            .map_err(|_| Malformed("a number of seconds, or off"))?;
        match Duration::try_from_secs_f64(number) {
            Ok(time) if !time.is_zero() => Ok(Self(Some(time))),
            _ => Err(Malformed("a number of seconds above 0, or off")),
        }
    }
}

/// A budget of pings; `off` is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pings(Option<PingBudget>);

impl FromStr for Pings {
    type Err = Malformed;

    fn from_str(typed: &str) -> Result<Self, Malformed> {
        if typed == OFF {
            return Ok(Self(None));
        }
        let budget = typed.split_once('/').and_then(|(burst, rate)| {
            Some(PingBudget {
                burst: burst.parse().ok()?,
                per_second: rate.parse().ok()?,
            })
        });
        budget
            .map(|budget| Self(Some(budget)))
            .ok_or(Malformed("two whole numbers such as 200/50, or off"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::TestServer;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        limits: LimitArguments,
    }

    fn resolve(typed: &[&str]) -> Config {
        let words = std::iter::once("test").chain(typed.iter().copied());
        Typed::try_parse_from(words)
            .unwrap()
            .limits
            .resolve(Config::server())
    }

    #[test]
    fn without_options_it_is_the_configuration_of_the_test_server() {
        let config = resolve(&[]);
        assert_eq!(config, TestServer::default_config());
        assert_eq!(config.limits.max_frame_size, 16 << 20);
        assert_eq!(config.limits.max_message_size, 16 << 20);
        assert_eq!(config.limits.max_fragments, 131_072);
        assert_eq!(config.limits.ping_budget, None);
    }

    #[test]
    fn every_option_changes_its_own_setting() {
        let changed = resolve(&[
            "--max-frame-size=1",
            "--max-message-size=2",
            "--max-fragments=off",
            "--soft-queue=4",
            "--hard-queue=5",
            "--ping-budget=6/7",
            "--ping-interval=8",
            "--pong-timeout=9",
            "--idle-timeout=10",
            "--message-stall-timeout=11",
            "--message-timeout=12",
            "--write-timeout=13",
            "--close-timeout=off",
        ]);
        let mut expected = TestServer::default_config();
        let seconds = |number| Some(Duration::from_secs(number));
        expected.limits.max_frame_size = 1;
        expected.limits.max_message_size = 2;
        expected.limits.max_fragments = UNLIMITED;
        expected.limits.soft_queue = 4;
        expected.limits.hard_queue = 5;
        expected.limits.ping_budget = Some(PingBudget {
            burst: 6,
            per_second: 7,
        });
        expected.timeouts.ping_interval = seconds(8);
        expected.timeouts.pong = seconds(9);
        expected.timeouts.idle = seconds(10);
        expected.timeouts.unfinished_message = seconds(11);
        expected.timeouts.whole_message = seconds(12);
        expected.timeouts.write_stall = seconds(13);
        expected.timeouts.close = None;
        assert_eq!(changed, expected);
    }

    #[test]
    fn numbers_and_off_are_understood_and_nothing_else() {
        assert_eq!("0".parse(), Ok(Count(0)));
        assert_eq!("off".parse(), Ok(Count(UNLIMITED)));
        assert!("-1".parse::<Count>().is_err());
        assert_eq!("2.5".parse(), Ok(Seconds(Some(Duration::from_millis(2500)))));
        assert_eq!("off".parse(), Ok(Seconds(None)));
        for wrong in ["0", "-1", "NaN", "inf", "1e300", "soon", ""] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
        }
        let budget = PingBudget {
            burst: 200,
            per_second: 50,
        };
        assert_eq!("200/50".parse(), Ok(Pings(Some(budget))));
        assert_eq!("off".parse(), Ok(Pings(None)));
        assert!("200".parse::<Pings>().is_err());
    }
}
