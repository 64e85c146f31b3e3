//! Two extensions for tests, as Jetty has them: `identity` does nothing, `fragment` cuts messages into frames.

use super::frames::{ExtensionFrame, FrameDecoder, FrameEncoder, FrameExtension};
use super::params::ExtensionOffer;
use super::reserved::ReservedBits;
use crate::frame::Opcode;

/// The extension `identity`: nothing happens to frames, and any parameter is agreed to. It shows what negotiation
/// does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdentityExtension;

impl IdentityExtension {
    /// The name in `Sec-WebSocket-Extensions`.
    pub const NAME: &'static str = "identity";
}

impl FrameExtension for IdentityExtension {
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
        None
    }

    fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
        None
    }
}

/// The extension `fragment;maxLength=N;minFragments=M`: what is sent is cut into frames of at most N bytes and at
/// least M in number. First pieces of N bytes while more than that remains, then half of the rest each time
/// until one is missing, and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentExtension {
    max_length: usize,
    min_fragments: usize,
}

impl FragmentExtension {
    /// The name in `Sec-WebSocket-Extensions`.
    pub const NAME: &'static str = "fragment";

    /// A peer may ask for no more frames per message than this: every one costs two bytes at least, even an empty
    /// one.
    pub const MAX_MIN_FRAGMENTS: usize = 1024;

    /// A rule: frames of at most `max_length` bytes (`None`: any number), at least `min_fragments` per message. Both
    /// are cut to what can be asked for.
    #[must_use]
    pub fn new(max_length: Option<usize>, min_fragments: usize) -> Self {
        Self {
            max_length: max_length.map_or(usize::MAX, |length| length.max(1)),
            min_fragments: min_fragments.clamp(1, Self::MAX_MIN_FRAGMENTS),
        }
    }

    /// The rule as an offer.
    #[must_use]
    pub fn to_offer(&self) -> ExtensionOffer<'static> {
        let limited = self.max_length < usize::MAX;
        let parameters = [
            limited.then(|| ("maxLength", Some(self.max_length.to_string()))),
            (self.min_fragments > 1).then(|| ("minFragments", Some(self.min_fragments.to_string()))),
        ];
        ExtensionOffer::of_tokens(Self::NAME, parameters.into_iter().flatten())
    }

    /// Reads the parameters of an offer or an answer: `maxLength` (bytes, at least 1; -1: no limit, the default) and
    /// `minFragments` (1 to [`MAX_MIN_FRAGMENTS`](Self::MAX_MIN_FRAGMENTS), default 1). `None` for anything else.
    #[must_use]
    pub fn from_offer(offer: &ExtensionOffer<'_>) -> Option<Self> {
        let (mut max_length, mut min_fragments) = (None, None);
        for parameter in offer.parameters() {
            let (place, unlimited) = match parameter.name() {
                "maxLength" => (&mut max_length, Some("-1")),
                "minFragments" => (&mut min_fragments, None),
                _ => return None,
            };
            let value = match parameter.value() {
                text if text.is_some() && text == unlimited => usize::MAX,
                text => text?.parse().ok().filter(|number| *number >= 1)?,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let min_fragments = min_fragments.unwrap_or(1);
        (min_fragments <= Self::MAX_MIN_FRAGMENTS).then_some(Self {
            max_length: max_length.unwrap_or(usize::MAX),
            min_fragments,
        })
    }
}

impl FrameExtension for FragmentExtension {
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
        Some(Box::new(*self))
    }

    /// A message in many frames is read by anybody.
    fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
        None
    }
}

impl FrameEncoder for FragmentExtension {
    fn encode(&mut self, frame: ExtensionFrame, next: &mut dyn FnMut(ExtensionFrame)) {
        let mut rest = frame.payload.as_slice();
        let (mut opcode, mut reserved) = (frame.opcode, frame.reserved);
        let mut pieces = 1;
        loop {
            let length = if rest.len() > self.max_length {
                self.max_length
            } else if pieces < self.min_fragments {
                rest.len() / 2
            } else {
                break;
            };
            let (piece, after) = rest.split_at(length);
            next(ExtensionFrame {
                opcode,
                fin: false,
                reserved,
                payload: piece.to_vec(),
            });
            // RFC 6455 §5.4; a bit that says something about a message stands on its first frame.
            (opcode, reserved) = (Opcode::Continuation, ReservedBits::NONE);
            rest = after;
            pieces += 1;
        }
        next(ExtensionFrame {
            opcode,
            fin: frame.fin,
            reserved,
            payload: rest.to_vec(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{ExtensionFrame, FragmentExtension, FrameEncoder, ReservedBits};
    use crate::ext::params::parse_extensions;
    use crate::frame::Opcode;

    fn rule(parameters: &str) -> Option<FragmentExtension> {
        let line = format!("fragment{parameters}");
        FragmentExtension::from_offer(&parse_extensions(&line).next().unwrap().unwrap())
    }

    fn cut(parameters: &str, length: usize) -> Vec<(usize, bool, Opcode)> {
        let mut out = Vec::new();
        let frame = ExtensionFrame {
            opcode: Opcode::Text,
            fin: true,
            reserved: ReservedBits::NONE,
            payload: vec![b'x'; length],
        };
        rule(parameters).unwrap().encode(frame, &mut |frame| {
            out.push((frame.payload.len(), frame.fin, frame.opcode));
        });
        out
    }

    fn lengths(parameters: &str, length: usize) -> Vec<usize> {
        let frames = cut(parameters, length);
        assert!(frames.iter().rev().skip(1).all(|(_, fin, _)| !fin));
        assert!(
            frames
                .iter()
                .skip(1)
                .all(|(_, _, opcode)| *opcode == Opcode::Continuation)
        );
        assert!(frames[0].2 == Opcode::Text && frames[frames.len() - 1].1);
        frames.iter().map(|(length, ..)| *length).collect()
    }

    #[test]
    fn the_cutting_rule() {
        assert_eq!(
            lengths("; maxLength=4; minFragments=7", 15),
            [4, 4, 4, 1, 1, 0, 1]
        );
        assert_eq!(lengths("; maxLength=4", 15), [4, 4, 4, 3]);
        assert_eq!(lengths("; maxLength=4", 8), [4, 4]);
        assert_eq!(lengths("; minFragments=2", 9), [4, 5]);
        assert_eq!(lengths("; minFragments=3", 0), [0, 0, 0]);
        assert_eq!(lengths("; maxLength=-1", 9), [9]);
        assert_eq!(lengths("", 9), [9]);
    }

    #[test]
    fn parameters_out_of_bounds_are_declined() {
        for parameters in [
            "; maxLength=0",
            "; maxLength=-2",
            "; maxLength",
            "; minFragments=0",
            "; minFragments=-1",
            "; minFragments=1025",
            "; minFragments=2; minFragments=2",
            "; other=1",
        ] {
            assert_eq!(rule(parameters), None, "{parameters}");
        }
        assert!(rule("; minFragments=1024").is_some());
        for parameters in [
            "",
            "; maxLength=4",
            "; minFragments=7",
            "; maxLength=4; minFragments=7",
        ] {
            let offer = rule(parameters).unwrap().to_offer();
            assert_eq!(offer.to_string(), format!("fragment{parameters}"));
        }
        assert_eq!(
            FragmentExtension::new(Some(0), 9999).to_offer().to_string(),
            "fragment; maxLength=1; minFragments=1024"
        );
    }
}
