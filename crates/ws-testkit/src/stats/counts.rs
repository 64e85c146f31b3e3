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
    }
}
