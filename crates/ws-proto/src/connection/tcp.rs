//! Who closes TCP, and when (RFC 6455 §7.1.1). The closing handshake that comes before is in `send::close`.

use crate::config::Config;
use crate::role::Role;
use crate::send::{CloseState, Initiator, SendPath};

/// What the owner of the transport does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TcpAction {
    /// Go on reading and writing.
    KeepOpen,
    /// Everything is written: shut down the sending direction, then call
    /// [`handle_half_closed`](TcpClosing::handle_half_closed) and ask again.
    HalfClose,
    /// Read and throw away, reporting how much with [`handle_discarded`](TcpClosing::handle_discarded), until the peer
    /// ends its direction. A timeout of 2 s and 64 KiB bound it.
    Drain,
    /// Drop the transport now.
    Drop,
}

/// The end of TCP after the end of the WebSocket connection.
///
/// ```text
///                          server, or failed: HalfClose
///            over, all     ┌────────────────────────────┐  handle_half_closed
///   Open ──── written ─────┤                            ├──────────▶ Draining ── end of input, ──▶ Done
///    │                     └── client: the server ends ─┘              64 KiB or 2 s              (Drop)
///    └── transport lost, or the peer ended its direction first ────────────────────────────────────▲
/// ```
///
/// RFC 6455 §7.1.1: "the server MUST close the TCP connection immediately; whereas the client MUST wait for the
/// server" in the normal case (a timeout excepted). Both ends read on for a little after their last byte: dropping
/// a socket with unread input resets it, and the reset can eat the Close frame before the peer has read it.
#[derive(Debug)]
pub struct TcpClosing {
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The WebSocket connection is not over, or not everything is written.
    Open,
    /// The same, and the peer will send nothing more.
    PeerFinished,
    /// Only the peer's end of input is awaited; so many more bytes are read for it.
    Draining { left: u32 },
    /// Nothing is left to do.
    Done,
}

impl Default for TcpClosing {
    fn default() -> Self {
        Self::new()
    }
}

impl TcpClosing {
    /// A transport that is open both ways.
    #[must_use]
    pub const fn new() -> Self {
        Self { phase: Phase::Open }
    }

    /// What to do with the transport now. Cheap: to be asked after every round of reading and writing.
    pub fn poll(&mut self, send: &SendPath) -> TcpAction {
        match self.phase {
            Phase::Done => TcpAction::Drop,
            Phase::Draining { .. } => TcpAction::Drain,
            Phase::Open | Phase::PeerFinished if send.state() != CloseState::Closed => TcpAction::KeepOpen,
            Phase::Open if send.is_lost() => TcpAction::Drop,
            // RFC 6455 §7.1.1: "the server MUST close the TCP connection immediately". §7.1.7 lets either end close
            // what it has failed.
            Phase::Open if send.role() == Role::Server || send.has_failed() => TcpAction::HalfClose,
            Phase::Open => {
                self.drain();
                TcpAction::Drain
            }
            Phase::PeerFinished => TcpAction::Drop,
        }
    }

    /// Whether [`poll`](Self::poll) says [`TcpAction::HalfClose`] as soon as what is queued is written: then the end of the
    /// stream can leave together with the Close frame.
    #[must_use]
    pub fn ends_with_output(&self, send: &SendPath) -> bool {
        matches!(self.phase, Phase::Open)
            && send.is_last_output()
            && (send.role() == Role::Server || send.has_failed())
    }

    fn drain(&mut self) {
        self.phase = Phase::Draining {
            // Far below 4 GiB.
            left: Config::DRAIN_BYTES as u32,
        };
    }

    /// The sending direction was shut down, as [`TcpAction::HalfClose`] asked.
    pub fn handle_half_closed(&mut self) {
        if matches!(self.phase, Phase::Open) {
            self.drain();
        }
    }

    /// So many bytes were read and thrown away, as [`TcpAction::Drain`] asked.
    pub fn handle_discarded(&mut self, count: usize) {
        if let Phase::Draining { left } = &mut self.phase {
            match left.checked_sub(u32::try_from(count).unwrap_or(u32::MAX)) {
                Some(rest) if rest > 0 => *left = rest,
                _ => self.phase = Phase::Done,
            }
        }
    }

    /// The peer ended its direction. Without a Close frame before it, that is the end of the connection with 1006.
    pub fn handle_eof(&mut self, send: &mut SendPath) {
        let answers = send.state() == CloseState::CloseReceived || send.has_failed();
        if answers && send.has_output() {
            // Its direction is finished, ours still brings the Close frame.
            self.phase = Phase::PeerFinished;
        } else {
            self.handle_lost(send, Initiator::Remote);
        }
    }

    /// The transport failed, or is given up now: reading or writing returned an error, or a timeout said so.
    pub fn handle_lost(&mut self, send: &mut SendPath, who: Initiator) {
        send.handle_lost(who);
        self.phase = Phase::Done;
    }

    /// Whether only the peer's end of input is awaited.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Buf;

    use super::*;
    use crate::code::CloseCode;
    use crate::frame::CloseEvent;

    type End = fn(&mut SendPath);

    /// What is foretold is what is said once the queue is empty.
    #[test]
    fn the_end_that_follows_the_output_is_foretold() {
        let closed = |send: &mut SendPath| {
            send.handle_close(Some(CloseEvent {
                code: CloseCode::NORMAL,
                reason: "",
            }));
        };
        let failed = |send: &mut SendPath| send.fail_with(CloseCode::INTERNAL_ERROR, "").unwrap();
        let began = |send: &mut SendPath| send.close(None).unwrap();
        let cases: [(End, bool); 3] = [(closed, true), (failed, true), (began, false)];
        for (end, expected) in cases {
            let mut send = SendPath::server(Arc::new(Config::server()));
            let mut tcp = TcpClosing::new();
            assert!(!tcp.ends_with_output(&send));
            end(&mut send);
            assert_eq!(tcp.ends_with_output(&send), expected);
            send.advance(send.queued_bytes());
            assert_eq!(tcp.poll(&send) == TcpAction::HalfClose, expected);
            assert!(!tcp.ends_with_output(&send));
        }
    }
}
