//! How a client run ended: per connection, and as one exit status for the whole run.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::counts::Counts;
use super::rtt::RoundTrips;

/// The exit codes of the client commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: every answer came and was right.
    Success,
    /// 1: an answer was wrong, or missing at the timeout.
    WrongAnswer,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: no TCP connection.
    NoConnection,
    /// 4: no valid 101, or none of the offered subprotocols was accepted.
    Refused,
    /// 5: the connection was closed before all answers were in.
    ClosedEarly,
    /// 6: TCP was up, but the handshake was not done in time.
    HandshakeTimeout,
    /// 7: reserved for TLS failures.
    Tls,
    /// 130: interrupted by the user.
    Interrupted,
}

impl ExitStatus {
    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::WrongAnswer => 1,
            Self::Usage => 2,
            Self::NoConnection => 3,
            Self::Refused => 4,
            Self::ClosedEarly => 5,
            Self::HandshakeTimeout => 6,
            Self::Tls => 7,
            Self::Interrupted => 130,
        }
    }

    /// Place in the order in which several clients' statuses are weighed: the lowest rank wins.
    fn rank(self) -> u8 {
        match self {
            Self::Usage => 0,
            Self::Interrupted => 1,
            Self::NoConnection => 2,
            Self::Tls => 3,
            Self::Refused => 4,
            Self::HandshakeTimeout => 5,
            Self::ClosedEarly => 6,
            Self::WrongAnswer => 7,
            Self::Success => 8,
        }
    }

    /// The one of two statuses that a run with both of them ends with: the first of 130, 3, 4, 6, 5, 1.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}

/// How one client's connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All answers are in (right or wrong: the counts tell).
    Complete,
    /// Nothing moved for the whole timeout while answers were outstanding.
    TimedOut,
    /// No TCP connection: name not found, refused, unreachable, no answer.
    NoConnection {
        /// What the operating system said.
        reason: String,
    },
    /// The server's answer to the upgrade is no valid 101, or it accepted none of the offered subprotocols.
    Refused {
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// What is wrong with the answer.
        reason: String,
    },
    /// TCP was up, but no complete answer to the upgrade came in time.
    HandshakeTimeout,
    /// Closed before all answers were in.
    Closed {
        /// The close code; 1005 when the close frame had none, 1006 when there was no close frame.
        code: u16,
        /// The reason in the close frame, or what happened instead of one.
        reason: String,
    },
    /// The user stopped the run.
    Interrupted,
}

impl Ending {
    /// What this ending alone means as an exit status.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Complete => ExitStatus::Success,
            Self::TimedOut => ExitStatus::WrongAnswer,
            Self::NoConnection { .. } => ExitStatus::NoConnection,
            Self::Refused { .. } => ExitStatus::Refused,
            Self::HandshakeTimeout => ExitStatus::HandshakeTimeout,
            Self::Closed { .. } => ExitStatus::ClosedEarly,
            Self::Interrupted => ExitStatus::Interrupted,
        }
    }

    /// A short name without spaces, as used in the JSON report.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::TimedOut => "timed_out",
            Self::NoConnection { .. } => "no_connection",
            Self::Refused { .. } => "refused",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Closed { .. } => "closed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("all answers are in"),
            Self::TimedOut => f.write_str("answers are missing and nothing moved for the whole timeout"),
            Self::NoConnection { reason } => write!(f, "no TCP connection: {reason}"),
            Self::Refused {
                status: Some(status),
                reason,
            } => write!(f, "no WebSocket: HTTP status {status}: {reason}"),
            Self::Refused { status: None, reason } => write!(f, "no WebSocket: {reason}"),
            Self::HandshakeTimeout => {
                f.write_str("TCP is up, but the WebSocket handshake was not done in time")
            }
            Self::Closed { code, reason } if reason.is_empty() => {
                write!(
                    f,
                    "closed before all answers were in: code {code}, no reason given"
                )
            }
            Self::Closed { code, reason } => {
                write!(
                    f,
                    "closed before all answers were in: code {code}, reason: {reason}"
                )
            }
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// A client whose connection did not end with [`Ending::Complete`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The client's number, from 0.
    pub client: usize,
    /// What happened to it.
    pub ending: Ending,
}

/// What became of an offer of permessage-deflate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeflateOutcome {
    /// The extension with its parameters as the server answered (the first client's, of several); `None`: declined.
    pub negotiated: Option<String>,
}

/// Everything a run found out, for the reports and for tests.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The URL as connected to.
    pub url: String,
    /// The server's address, once a connection was up.
    pub address: Option<SocketAddr>,
    /// What was checked: `ping`, `echo`, `assemble`, `fragment`, `broadcast` or `messages`.
    pub mode: &'static str,
    /// The subprotocols offered, in order.
    pub offered: Vec<String>,
    /// The subprotocol the server chose.
    pub protocol: Option<String>,
    /// Clients asked for.
    pub clients: usize,
    /// Clients whose handshake succeeded.
    pub opened: usize,
    /// Messages each client was to send.
    pub count: u64,
    /// Payload bytes of each message.
    pub size: usize,
    /// Largest payload of a frame sent, in bytes; 0: never cut. None in PING mode.
    pub fragment: Option<usize>,
    /// Whether binary messages were sent (false in PING mode).
    pub binary: bool,
    /// What became of the offer to compress; `None`: there was none.
    pub deflate: Option<DeflateOutcome>,
    /// The clients' counts, added up.
    pub counts: Counts,
    /// Round-trip times: from handing the first frame of a message to the connection until its last came back.
    pub round_trips: RoundTrips,
    /// From the first send to the last answer, or to the end of the run if answers are missing.
    pub elapsed: Duration,
    /// Clients that did not end well, by their number.
    pub failures: Vec<Failure>,
    /// The user stopped the run.
    pub interrupted: bool,
}

impl Summary {
    /// The exit status of the whole run.
    pub fn status(&self) -> ExitStatus {
        let answers = if self.counts.wrong > 0 || self.counts.lost > 0 {
            ExitStatus::WrongAnswer
        } else {
            ExitStatus::Success
        };
        let stopped = if self.interrupted {
            ExitStatus::Interrupted
        } else {
            ExitStatus::Success
        };
        self.failures
            .iter()
            .map(|failure| failure.ending.status())
            .fold(answers.or_worse(stopped), ExitStatus::or_worse)
    }

    /// Whole messages received per second of [`elapsed`](Self::elapsed); 0 when no time passed.
    pub fn messages_per_second(&self) -> f64 {
        per_second(self.counts.messages_received, self.elapsed)
    }

    /// Payload received, in MiB per second of [`elapsed`](Self::elapsed); 0 when no time passed.
    pub fn mebibytes_per_second(&self) -> f64 {
        per_second(self.counts.bytes_received, self.elapsed) / (1024.0 * 1024.0)
    }
}

fn per_second(amount: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    // A run may be shorter than the clock can tell, and NaN is no JSON.
    if seconds > 0.0 {
        amount as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Ending {
        Ending::Closed {
            code: 1006,
            reason: String::new(),
        }
    }

    fn refused() -> Ending {
        Ending::Refused {
            status: Some(404),
            reason: "Not Found".into(),
        }
    }

    fn no_connection() -> Ending {
        Ending::NoConnection {
            reason: "refused".into(),
        }
    }

    fn status(endings: &[Ending], interrupted: bool, wrong: u64) -> u8 {
        let failures = endings
            .iter()
            .cloned()
            .enumerate()
            .map(|(client, ending)| Failure { client, ending });
        let summary = Summary {
            url: "ws://localhost/".into(),
            address: None,
            mode: "echo",
            offered: vec![],
            protocol: None,
            clients: 1,
            opened: 1,
            count: 1,
            size: 1,
            fragment: Some(0),
            binary: false,
            deflate: None,
            counts: Counts {
                wrong,
                ..Counts::default()
            },
            round_trips: RoundTrips::new(),
            elapsed: Duration::ZERO,
            failures: failures.collect(),
            interrupted,
        };
        assert_eq!(summary.messages_per_second(), 0.0, "no time passed");
        summary.status().code()
    }

    #[test]
    fn several_clients_end_with_the_first_of_130_3_4_6_5_1() {
        let all = [
            Ending::TimedOut,
            closed(),
            Ending::HandshakeTimeout,
            refused(),
            no_connection(),
        ];
        assert_eq!(status(&all, true, 1), 130);
        assert_eq!(status(&all, false, 1), 3);
        assert_eq!(status(&all[..4], false, 1), 4);
        assert_eq!(status(&all[..3], false, 1), 6);
        assert_eq!(status(&all[..2], false, 1), 5);
        assert_eq!(status(&all[..1], false, 0), 1);
        assert_eq!(status(&[], false, 1), 1);
        assert_eq!(status(&[], false, 0), 0);
    }

    #[test]
    fn refusals_and_closes_tell_status_code_and_reason() {
        assert!(refused().to_string().contains("404"));
        let ending = Ending::Closed {
            code: 1013,
            reason: "too slow".into(),
        };
        assert!(ending.to_string().contains("1013") && ending.to_string().contains("too slow"));
        assert!(closed().to_string().contains("1006"));
    }
}
