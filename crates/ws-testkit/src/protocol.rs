//! The test subprotocols: one table of their names, aliases and what each does with a message.
//!
//! The endpoints that do it are in `echo/`; the client's idea of a right answer is beside the client.
//! Names are compared as RFC 6455 §4.1 has them: exactly, case included.

use std::fmt;
use std::str::FromStr;

/// What a test connection does with the messages it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// Every data frame comes back as it came (opcode, FIN, payload), as soon as it is complete.
    Echo,
    /// Every whole message goes to every connection of the two broadcast protocols, the sender too.
    Broadcast,
    /// As [`Protocol::Broadcast`], in the same group, plus a ping with payload 01 02 03 every 10 seconds.
    BroadcastPing,
    /// The whole message comes back as one single frame.
    Assemble,
    /// Each message comes back as exactly two frames: the first half of the bytes, rounded down, then the rest.
    Fragment,
    /// Answers pings and echoes nothing. It has no name on the wire.
    Silent,
}

/// One line of the table. The first name is the one to offer; the others are understood too.
struct Entry {
    protocol: Protocol,
    names: &'static [&'static str],
}

static TABLE: &[Entry] = &[
    Entry {
        protocol: Protocol::Echo,
        names: &["org.ietf.websocket.test-echo", "echo", "lws-mirror-protocol"],
    },
    Entry {
        protocol: Protocol::Broadcast,
        names: &["org.ietf.websocket.test-echo-broadcast", "echo-broadcast"],
    },
    Entry {
        protocol: Protocol::Assemble,
        names: &["org.ietf.websocket.test-echo-assemble", "echo-assemble"],
    },
    Entry {
        protocol: Protocol::Fragment,
        names: &["org.ietf.websocket.test-echo-fragment", "echo-fragment"],
    },
    Entry {
        protocol: Protocol::BroadcastPing,
        names: &["echo-broadcast-ping"],
    },
];

/// What [`Protocol::Silent`] is called on a command line; nobody can offer it on the wire.
const SILENT: &str = "silent";

/// What the names begin with that the IETF working group gave; a command line may leave it out.
const LONG_PREFIX: &str = "org.ietf.websocket.";

impl Protocol {
    /// The protocol that `name`, as offered in `Sec-WebSocket-Protocol`, stands for; aliases count.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|entry| entry.names.contains(&name))
            .map(|entry| entry.protocol)
    }

    /// The name to offer for it; `None` for the silent endpoint, which is what offering nothing gets.
    #[must_use]
    pub fn subprotocol(self) -> Option<&'static str> {
        TABLE
            .iter()
            .find(|entry| entry.protocol == self)
            .and_then(|entry| entry.names.first().copied())
    }

    /// Every subprotocol name and alias the test server accepts.
    pub fn subprotocols() -> impl Iterator<Item = &'static str> {
        TABLE.iter().flat_map(|entry| entry.names.iter().copied())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subprotocol().unwrap_or(SILENT))
    }
}

/// A name that is neither in the table nor `silent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProtocol(String);

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown protocol {:?}; known are {SILENT}", self.0)?;
        Protocol::subprotocols().try_for_each(|name| write!(f, ", {name}"))
    }
}

impl std::error::Error for UnknownProtocol {}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    /// Understands every name and alias, the long names without `org.ietf.websocket.`, and `silent`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == SILENT {
            return Ok(Self::Silent);
        }
        Self::from_subprotocol(name)
            .or_else(|| Self::from_subprotocol(&format!("{LONG_PREFIX}{name}")))
            .ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_alias_means_its_protocol() {
        for (name, protocol) in [
            ("org.ietf.websocket.test-echo", Protocol::Echo),
            ("echo", Protocol::Echo),
            ("lws-mirror-protocol", Protocol::Echo),
            ("org.ietf.websocket.test-echo-broadcast", Protocol::Broadcast),
            ("echo-broadcast", Protocol::Broadcast),
            ("org.ietf.websocket.test-echo-assemble", Protocol::Assemble),
            ("echo-assemble", Protocol::Assemble),
            ("org.ietf.websocket.test-echo-fragment", Protocol::Fragment),
            ("echo-fragment", Protocol::Fragment),
            ("echo-broadcast-ping", Protocol::BroadcastPing),
        ] {
            assert_eq!(Protocol::from_subprotocol(name), Some(protocol), "{name}");
            assert_eq!(name.parse(), Ok(protocol), "{name}");
        }
        assert_eq!(Protocol::subprotocols().count(), 10);
    }

    #[test]
    fn silent_has_a_name_for_people_and_none_on_the_wire() {
        assert_eq!("silent".parse(), Ok(Protocol::Silent));
        assert_eq!(Protocol::from_subprotocol("silent"), None);
        assert_eq!(Protocol::Silent.subprotocol(), None);
        assert_eq!(Protocol::Silent.to_string(), "silent");
    }

    #[test]
    fn a_command_line_may_leave_the_long_prefix_out_but_the_wire_may_not() {
        assert_eq!("test-echo".parse(), Ok(Protocol::Echo));
        assert_eq!("test-echo-fragment".parse(), Ok(Protocol::Fragment));
        assert_eq!(Protocol::from_subprotocol("test-echo"), None);
    }

    #[test]
    fn names_are_compared_with_their_case_and_mistakes_list_what_is_known() {
        assert_eq!(Protocol::from_subprotocol("Echo"), None);
        let error = "Echo".parse::<Protocol>().unwrap_err().to_string();
        assert!(
            error.contains("\"Echo\"") && error.contains("lws-mirror-protocol"),
            "{error}"
        );
    }

    #[test]
    fn the_protocol_shown_is_the_one_offered() {
        for protocol in [
            Protocol::Echo,
            Protocol::Broadcast,
            Protocol::BroadcastPing,
            Protocol::Assemble,
            Protocol::Fragment,
        ] {
            assert_eq!(
                protocol.subprotocol().and_then(Protocol::from_subprotocol),
                Some(protocol)
            );
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
    }
}
