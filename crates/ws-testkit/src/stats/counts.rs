//! Plain counters of one client run. Round-trip times are in `rtt`.

use std::ops::AddAssign;

/// Frames, messages and verdicts counted by one client or, added up, by a whole run.
///
/// In PING mode a *message* is one PING or PONG. Control frames that belong to neither mode (a ping from the
/// server, the close frame) are in no counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Data frames (PING mode: PING frames) handed to the connection completely.
    pub frames_sent: u64,
    /// Data frames (PING mode: PONG frames) that arrived.
    pub frames_received: u64,
    /// Messages handed to the connection completely.
    pub messages_sent: u64,
    /// Whole messages that arrived, whatever the verdict on them.
    pub messages_received: u64,
    /// Messages that arrived and were exactly what was expected.
    pub right: u64,
    /// Expected messages that never arrived.
    pub lost: u64,
    /// Messages that arrived with a wrong byte, a wrong opcode, wrong frames, twice, or out of order.
    pub wrong: u64,
    /// Messages of somebody else: another run on the same broadcast group, an unsolicited pong.
    pub foreign: u64,
    /// Answers that came after they had been given up as lost (they stay counted as lost).
    pub late: u64,
    /// Payload bytes sent, without frame headers.
    pub bytes_sent: u64,
    /// Payload bytes received, without frame headers.
    pub bytes_received: u64,
    /// Of the bytes sent, those of compressed messages: before, then on the wire.
    pub deflated: Change,
    /// Of the bytes received, those of compressed messages: on the wire, then inflated.
    pub inflated: Change,
}

/// What compression made of a number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Bytes that went in.
    pub from: u64,
    /// Bytes that came out.
    pub to: u64,
}

impl From<(u64, u64)> for Change {
    fn from((from, to): (u64, u64)) -> Self {
        Self { from, to }
    }
}

impl AddAssign for Change {
    fn add_assign(&mut self, other: Self) {
        self.from += other.from;
        self.to += other.to;
    }
}

impl Counts {
    /// Payload bytes sent as they were on the wire.
    pub fn wire_bytes_sent(&self) -> u64 {
        (self.bytes_sent + self.deflated.to).saturating_sub(self.deflated.from)
    }

    /// Payload bytes received as they were on the wire.
    pub fn wire_bytes_received(&self) -> u64 {
        (self.bytes_received + self.inflated.from).saturating_sub(self.inflated.to)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.frames_sent += other.frames_sent;
        self.frames_received += other.frames_received;
        self.messages_sent += other.messages_sent;
        self.messages_received += other.messages_received;
        self.right += other.right;
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.foreign += other.foreign;
        self.late += other.late;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.deflated += other.deflated;
        self.inflated += other.inflated;
    }
}
