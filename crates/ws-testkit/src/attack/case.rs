//! One case as data: what is sent, and what must come of it.

use std::time::Duration;

use bytes::Bytes;

use crate::peer::RawFrame;

/// The key of every masked frame: an attack must be repeatable, not unpredictable.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One thing that the attacker does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Sends bytes in one piece.
    Send(Bytes),
    /// Sends bytes in pieces of this length.
    Chopped(Bytes, usize),
    /// Sends the same bytes many times.
    Repeat(Bytes, usize),
    /// Does nothing for this long.
    Pause(Duration),
    /// Ends its own direction.
    HalfClose,
}

/// What must come of it.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// One HTTP answer with one of these statuses, then the end of the stream.
    Refused(&'static [u16]),
    /// As `Refused`, and the answer has this header line (in lower case, with one space).
    RefusedNaming(&'static [u16], &'static str),
    /// As `Refused`, or the end without an answer.
    RefusedOrDropped(&'static [u16]),
    /// Either a 101 or a refusal with one of these statuses.
    UpgradedOrRefused(&'static [u16]),
    /// The same, and the 101 has no header of this name (in lower case).
    UpgradedWithoutOrRefused(&'static str, &'static [u16]),
    /// 101, then a conversation.
    Upgraded,
    /// The same with permessage-deflate as it was offered.
    Compressing,
    /// Any answer but a 101.
    NotUpgraded,
    /// A close frame with one of these codes, then the end of the stream; no data before.
    Fails(&'static [u16]),
    /// These messages come back, then it is as with `Fails`.
    FailsBehind(Vec<(u8, Bytes)>, &'static [u16]),
    /// These messages (opcode and payload) come back, in this order, and then a closing handshake works.
    Echoes(Vec<(u8, Bytes)>),
    /// These control frames come back, then a closing handshake works.
    Answers(Vec<RawFrame>),
    /// A close frame with this code (None: without one), then the end of the stream, which the server ends first.
    Closes(Option<u16>),
    /// The stream ends; what was sent before does not matter.
    Ends,
    /// The stream ends, without a close frame or behind one with one of these codes.
    EndsOrFails(&'static [u16]),
    /// Whatever: only the server has to live. Nothing is read.
    Lives,
}

/// One case of the catalogue.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Its id in docs/SECURITY.md; several cases may share one.
    pub(super) id: &'static str,
    /// What is done, for people.
    pub(super) what: String,
    /// What is sent before the 101. None: a good request, whose 101 is waited for.
    pub(super) opening: Option<Vec<Act>>,
    /// What is sent afterwards.
    pub(super) acts: Vec<Act>,
    pub(super) expected: Expected,
    /// Waits for a timeout of the server, so it is run on request only. How long to be patient.
    pub(super) slow: Option<Duration>,
    /// Needs a server that agrees to permessage-deflate.
    pub(super) deflate: bool,
}

impl Case {
    /// After a good handshake.
    pub(super) fn after(
        id: &'static str,
        what: impl Into<String>,
        acts: Vec<Act>,
        expected: Expected,
    ) -> Self {
        Self {
            id,
            what: what.into(),
            opening: None,
            acts,
            expected,
            slow: None,
            deflate: false,
        }
    }

    /// After a good handshake that agreed on compression.
    pub(super) fn compressed(
        id: &'static str,
        what: impl Into<String>,
        acts: Vec<Act>,
        expected: Expected,
    ) -> Self {
        Self {
            deflate: true,
            ..Self::after(id, what, acts, expected)
        }
    }

    /// Instead of a good handshake.
    pub(super) fn instead(
        id: &'static str,
        what: impl Into<String>,
        opening: Vec<Act>,
        expected: Expected,
    ) -> Self {
        Self {
            opening: Some(opening),
            ..Self::after(id, what, Vec::new(), expected)
        }
    }

    /// The same, run on request only, with this patience.
    pub(super) fn slow(self, seconds: u64) -> Self {
        Self {
            slow: Some(Duration::from_secs(seconds)),
            ..self
        }
    }
}

/// Sends these frames, masked, in one piece.
pub(super) fn frames(frames: impl IntoIterator<Item = RawFrame>) -> Act {
    Act::Send(wire(frames))
}

/// The bytes of these frames, masked.
pub(super) fn wire(frames: impl IntoIterator<Item = RawFrame>) -> Bytes {
    frames
        .into_iter()
        .flat_map(|frame| frame.masked(KEY).encode())
        .collect()
}

/// Sends the first `count` bytes of a masked frame.
pub(super) fn beginning(frame: RawFrame, count: usize) -> Act {
    Act::Send(wire([frame]).slice(..count))
}
