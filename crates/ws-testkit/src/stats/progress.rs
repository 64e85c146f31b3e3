//! What a run tells while it goes on: one value per thing worth a line. How the line looks is `report`.

use std::net::SocketAddr;
use std::time::Duration;

use super::outcome::Failure;

/// The connections are up; sending begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The URL as connected to.
    pub url: String,
    /// The server's address.
    pub address: Option<SocketAddr>,
    /// See [`Summary::mode`](super::Summary::mode).
    pub mode: &'static str,
    /// The subprotocol the server chose; None in PING mode.
    pub protocol: Option<String>,
    /// Clients that are connected.
    pub clients: usize,
    /// Messages each of them sends.
    pub count: u64,
    /// Payload bytes of each message.
    pub size: usize,
    /// Largest payload of a frame sent, in bytes; 0: never cut. None in PING mode.
    pub fragment: Option<usize>,
}

/// A message (PING mode: a PONG) that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The client that received it, from 0.
    pub client: usize,
    /// The client that sent it, if that can be told.
    pub sender: Option<usize>,
    /// Its number at the sender, from 0, if that can be told.
    pub number: Option<u64>,
    /// Payload bytes.
    pub bytes: usize,
    /// Frames it came in.
    pub frames: u64,
    /// The opcode of its first frame.
    pub opcode: u8,
    /// How long the answer took; only for the client's own messages.
    pub round_trip: Option<Duration>,
    /// What was found out about it.
    pub mark: Mark,
}

/// The verdict on an [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// Exactly what was expected.
    Right,
    /// Not what was expected, and why.
    Wrong(String),
    /// Right, but given up as lost before.
    Late,
    /// Not of this run.
    Foreign,
}

/// A frame that was sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSeen {
    /// The client, from 0.
    pub client: usize,
    /// Sent (true) or received.
    pub sent: bool,
    /// The opcode: 0 for continuations.
    pub opcode: u8,
    /// The FIN bit.
    pub fin: bool,
    /// Payload bytes.
    pub bytes: usize,
}

/// Is told what happens during a run, from any thread. Every method does nothing unless implemented.
pub trait Observer: Send + Sync {
    /// The head of the server's answer to the upgrade.
    fn handshake(&self, client: usize, response: &http::Response<()>) {
        let _ = (client, response);
    }

    /// Sending begins.
    fn started(&self, started: &Started) {
        let _ = started;
    }

    /// A frame went out or came in.
    fn frame(&self, frame: &FrameSeen) {
        let _ = frame;
    }

    /// A message arrived.
    fn answer(&self, answer: &Answer) {
        let _ = answer;
    }

    /// PING mode: no PONG came in time for `number` (from 0).
    fn gave_up(&self, client: usize, number: u64) {
        let _ = (client, number);
    }

    /// A client did not end well.
    fn failed(&self, failure: &Failure) {
        let _ = failure;
    }
}

/// Observes nothing.
impl Observer for () {}
