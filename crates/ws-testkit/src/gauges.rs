//! What a test server tells about itself as a whole: [`ServerGauges`], and the line of JSON they are printed as.
//!
//! The line is documented in docs/SOAK-JSON.md. `ws-testkit server --gauges` prints it and `ws-testkit soak` reads it.

use serde_json::{Value, json};

use crate::process;

/// The value of the object's `schema` field. Fields may be added under the same name; when one is removed or
/// changes its meaning the number rises.
pub(crate) const SCHEMA: &str = "ws-testkit.gauges/1";

/// What a [`TestServer`](crate::TestServer) holds at one moment, and what has happened since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerGauges {
    /// Open connections: waiting for a request, plain HTTP and WebSocket together.
    pub connections: u64,
    /// Open WebSocket connections.
    pub websockets: u64,
    /// Open sessions.
    pub sessions: u64,
    /// Topics with a subscriber.
    pub topics: u64,
    /// Members of the broadcast group whose connections are open.
    pub subscribers: u64,
    /// Bytes waiting in the mailboxes of sessions (broadcasts above all), each item counted with a small overhead.
    pub queued_bytes: u64,
    /// Bytes of messages that have begun and not ended, over all connections.
    pub unfinished_bytes: u64,
    /// Read buffers of 64 KiB in use.
    pub read_buffers: u64,
    /// Tasks of the runtime that the server was started on.
    pub tasks: u64,
    /// Sessions opened since the start (counter).
    pub opened: u64,
    /// Subscribers closed with 1013 because they did not keep up, since the start (counter).
    pub closed_as_slow: u64,
    /// Connections dropped because a pong did not come, since the start (counter).
    pub pong_timeouts: u64,
    /// Connections dropped because output made no progress, since the start (counter).
    pub write_stalls: u64,
    /// Times that a connection with much input had to let others have their turn, since the start (counter).
    pub turns: u64,
    /// Connections turned away because the server was full, since the start (counter).
    pub turned_away: u64,
    /// Bytes of resident memory of the process; None where the system does not tell (it does on Linux).
    pub resident_bytes: Option<u64>,
    /// Open descriptors of the process; None as above.
    pub descriptors: Option<u64>,
}

impl ServerGauges {
    /// Adds what the system tells about this process.
    pub(crate) fn with_process(mut self) -> Self {
        let pid = std::process::id();
        self.resident_bytes = process::resident(pid).ok();
        self.descriptors = process::descriptors(pid).ok();
        self
    }

    /// One JSON object on one line, without its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = json!({
            "schema": SCHEMA,
            "connections": self.connections,
            "websockets": self.websockets,
            "sessions": self.sessions,
            "topics": self.topics,
            "subscribers": self.subscribers,
            "queued_bytes": self.queued_bytes,
            "unfinished_bytes": self.unfinished_bytes,
            "read_buffers": self.read_buffers,
            "tasks": self.tasks,
            "opened": self.opened,
            "closed_as_slow": self.closed_as_slow,
            "pong_timeouts": self.pong_timeouts,
            "write_stalls": self.write_stalls,
            "turns": self.turns,
            "turned_away": self.turned_away,
            "resident_bytes": self.resident_bytes,
            "descriptors": self.descriptors,
        });
        value.to_string()
    }

    /// Reads such a line; None for anything else, so that other lines may stand between.
    #[must_use]
    pub fn from_json(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        if value.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
            return None;
        }
        Some(Self {
            connections: number("connections")?,
            websockets: number("websockets")?,
            sessions: number("sessions")?,
            topics: number("topics")?,
            subscribers: number("subscribers")?,
            queued_bytes: number("queued_bytes")?,
            unfinished_bytes: number("unfinished_bytes")?,
            read_buffers: number("read_buffers")?,
            tasks: number("tasks")?,
            opened: number("opened")?,
            closed_as_slow: number("closed_as_slow")?,
            pong_timeouts: number("pong_timeouts")?,
            write_stalls: number("write_stalls")?,
            turns: number("turns")?,
            turned_away: number("turned_away")?,
            resident_bytes: number("resident_bytes"),
            descriptors: number("descriptors"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        let gauges = ServerGauges {
            connections: 1,
            websockets: 2,
            sessions: 3,
            topics: 4,
            subscribers: 5,
            queued_bytes: 6,
            read_buffers: 7,
            tasks: 8,
            opened: 9,
            closed_as_slow: 10,
            unfinished_bytes: 12,
            pong_timeouts: 13,
            write_stalls: 14,
            turns: 15,
            turned_away: 16,
            resident_bytes: Some(11),
            descriptors: None,
        };
        let line = gauges.to_json();
        assert_eq!(ServerGauges::from_json(&line), Some(gauges));
        let value: Value = serde_json::from_str(&line).unwrap();
        let document = include_str!("../../../docs/SOAK-JSON.md");
        for name in value.as_object().unwrap().keys() {
            assert!(document.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn other_lines_are_none_of_it() {
        for line in [
            "listening on ws://127.0.0.1:1/",
            "{}",
            "[]",
            r#"{"schema":"ws-testkit.gauges/2"}"#,
            "",
        ] {
            assert_eq!(ServerGauges::from_json(line), None, "{line}");
        }
    }
}
