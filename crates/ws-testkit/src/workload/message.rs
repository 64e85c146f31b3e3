//! A message as it arrived, the frames it came in, and the verdict on it.

use std::fmt;

use bytes::Bytes;
use ws_proto::MessageKind;

/// The frames of one message: how many and how long, without keeping a list of them.
///
/// Enough to tell apart every way of cutting that the test protocols know, at a fixed size whatever arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    count: u64,
    first: usize,
    last: usize,
    /// Every frame but the last is as long as the first.
    uniform: bool,
}

impl Shape {
    /// A message whose first frame carries `length` bytes of payload.
    pub(crate) fn starting(length: usize) -> Self {
        Self {
            count: 1,
            first: length,
            last: length,
            uniform: true,
        }
    }

    /// The next frame of the message arrived.
    #[must_use]
    pub(crate) fn followed_by(self, length: usize) -> Self {
        Self {
            count: self.count + 1,
            last: length,
            uniform: self.uniform && self.last == self.first,
            ..self
        }
    }

    /// A message of `size` bytes cut into frames of at most `fragment` bytes; 0 cuts nothing.
    pub(crate) fn cut(size: usize, fragment: usize) -> Self {
        if fragment == 0 || size <= fragment {
            return Self::starting(size);
        }
        let count = size.div_ceil(fragment);
        let last = size - (count - 1) * fragment;
        Self {
            count: count as u64,
            first: fragment,
            last,
            uniform: true,
        }
    }

    /// A message of `size` bytes in exactly two frames, the first with half of the bytes, rounded down.
    pub(crate) fn halves(size: usize) -> Self {
        Self::starting(size / 2).followed_by(size - size / 2)
    }

    /// How many frames.
    pub(crate) fn frames(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "1 frame of {} bytes", self.first),
            2 => write!(f, "2 frames of {} and {} bytes", self.first, self.last),
            count => {
                let others = if self.uniform {
                    ""
                } else {
                    ", of differing lengths"
                };
                write!(
                    f,
                    "{count} frames, first {} bytes, last {} bytes{others}",
                    self.first, self.last
                )
            }
        }
    }
}

/// One whole message, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Text or binary, from the first frame's opcode.
    pub(crate) kind: MessageKind,
    /// All frames' payloads, joined.
    pub(crate) payload: Bytes,
    /// The frames it came in.
    pub(crate) shape: Shape,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Fault {
    /// Text came back as binary or the other way round.
    Kind,
    /// Longer or shorter than what was sent.
    Length {
        /// Bytes sent.
        expected: usize,
        /// Bytes received.
        found: usize,
    },
    /// The first byte that differs, counted from 0.
    Content {
        /// Its place in the payload.
        at: usize,
    },
    /// The bytes are right, but the protocol promises other frames.
    Frames {
        /// What the protocol promises.
        expected: Shape,
        /// What came.
        found: Shape,
    },
    /// Answered already.
    Duplicate,
    /// Right, but after an answer to a later message.
    OutOfOrder,
    /// Nothing like it was sent.
    Unknown,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("text and binary are exchanged"),
            Self::Length { expected, found } => write!(f, "{expected} bytes were sent, {found} came back"),
            Self::Content { at } => write!(f, "byte {at} differs from what was sent"),
            Self::Frames { expected, found } => write!(f, "expected {expected}, got {found}"),
            Self::Duplicate => f.write_str("came a second time"),
            Self::OutOfOrder => f.write_str("came after the answer to a later message"),
            Self::Unknown => f.write_str("was never sent"),
        }
    }
}

/// The verdict on one message that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exactly what was expected.
    Right {
        /// Who sent it; None when that cannot be told (short broadcast messages).
        client: Option<usize>,
        /// Its number at the sender, from 0; None when that cannot be told.
        number: Option<u64>,
    },
    /// Not what was expected.
    Wrong {
        /// The number of the own message that it answers, if one can be told.
        number: Option<u64>,
        /// What is wrong.
        fault: Fault,
    },
    /// Somebody else's message.
    Foreign,
}

/// Where and how `found` differs from `expected`.
pub(super) fn difference(expected: &[u8], found: &[u8]) -> Option<Fault> {
    if expected.len() != found.len() {
        return Some(Fault::Length {
            expected: expected.len(),
            found: found.len(),
        });
    }
    if expected == found {
        return None;
    }
    let at = expected
        .iter()
        .zip(found)
        .take_while(|(left, right)| left == right)
        .count();
    Some(Fault::Content { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_and_receiving_agree_on_the_shape() {
        for (size, fragment) in [
            (0, 0),
            (0, 5),
            (5, 5),
            (6, 5),
            (10, 5),
            (11, 5),
            (16_777_216, 4000),
        ] {
            let mut left = size;
            let mut received: Option<Shape> = None;
            loop {
                let length = if fragment == 0 { left } else { left.min(fragment) };
                left -= length;
                received = Some(received.map_or(Shape::starting(length), |shape| shape.followed_by(length)));
                if left == 0 {
                    break;
                }
            }
            assert_eq!(received, Some(Shape::cut(size, fragment)), "{size} by {fragment}");
        }
    }

    #[test]
    fn other_cuts_of_the_same_bytes_are_other_shapes() {
        let cut = Shape::cut(12, 4);
        assert_ne!(cut, Shape::starting(4).followed_by(3).followed_by(5));
        assert_ne!(cut, Shape::starting(4).followed_by(5).followed_by(3));
        assert_ne!(
            cut,
            Shape::starting(4).followed_by(3).followed_by(1).followed_by(4)
        );
        assert_ne!(
            cut,
            Shape::starting(4).followed_by(4).followed_by(4).followed_by(0)
        );
        assert_ne!(Shape::halves(1), Shape::starting(1));
        assert_eq!(Shape::halves(7), Shape::starting(3).followed_by(4));
    }

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(difference(b"abc", b"abc"), None);
        assert_eq!(difference(b"abc", b"abd"), Some(Fault::Content { at: 2 }));
        assert_eq!(
            difference(b"abc", b"ab"),
            Some(Fault::Length {
                expected: 3,
                found: 2
            })
        );
    }
}
