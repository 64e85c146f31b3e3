//! Messages of an endpoint that takes frames: those it leaves alone are put together here.
//!
//! Only [`Delivery::Fragment`](ws_proto::Delivery::Fragment); otherwise the codec assembles.

use ws_proto::{FragmentEvent, MessageKind, ProtocolError};

use crate::context::MessageLimits;

/// The message that is coming in, as far as nobody has handled it. Holds memory only inside a message of several
/// frames.
#[derive(Default)]
pub(super) struct Assembly(Option<Box<Part>>);

/// The frames so far.
enum Part {
    Bytes(Vec<u8>),
    /// A frame of this message was handled: the rest is the application's, too.
    Handled,
}

/// A message whose last frame has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whole<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Assembly {
    /// The application has handled a frame of this message: nothing of it is kept.
    pub(super) fn skip(&mut self, fin: bool) {
        if fin {
            self.0 = None;
        } else {
            match self.0.as_deref_mut() {
                Some(part) => *part = Part::Handled,
                None => self.0 = Some(Box::new(Part::Handled)),
            }
        }
    }

    /// Takes a frame that nobody has handled. With the last one the message is given out, straight from the frame if
    /// that is the only one.
    pub(super) fn add<'a>(
        &'a mut self,
        frame: FragmentEvent<'a>,
        limits: MessageLimits,
    ) -> Result<Option<Whole<'a>>, ProtocolError> {
        let kept = match self.0.as_deref() {
            None => 0,
            Some(Part::Bytes(bytes)) => bytes.len(),
            Some(Part::Handled) => {
                if frame.fin {
                    self.0 = None;
                }
                return Ok(None);
            }
        };
        // Before a byte is kept.
        if frame.payload.len() > limits.of(frame.kind).saturating_sub(kept) {
            return Err(ProtocolError::MessageTooBig);
        }
        if frame.first && frame.fin {
            return whole(frame.kind, frame.payload).map(Some);
        }
        let part = self.0.get_or_insert_with(|| Box::new(Part::Bytes(Vec::new())));
        let Part::Bytes(bytes) = &mut **part else {
            return Ok(None);
        };
        bytes.extend_from_slice(frame.payload);
        if frame.fin {
            whole(frame.kind, bytes).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Bytes that are held of the message that is coming in.
    pub(super) fn held(&self) -> usize {
        match self.0.as_deref() {
            Some(Part::Bytes(bytes)) => bytes.len(),
            Some(Part::Handled) | None => 0,
        }
    }

    /// Forgets the message that was given out.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

/// The codec has validated text already, frame by frame; a `&str` has to be earned once more.
fn whole(kind: MessageKind, payload: &[u8]) -> Result<Whole<'_>, ProtocolError> {
    match kind {
        MessageKind::Text => match std::str::from_utf8(payload) {
            Ok(text) => Ok(Whole::Text(text)),
            Err(_) => Err(ProtocolError::TextUtf8),
        },
        MessageKind::Binary => Ok(Whole::Binary(payload)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MessageLimits = MessageLimits {
        max_text: 4,
        max_binary: 6,
    };

    fn frame(kind: MessageKind, first: bool, fin: bool, payload: &[u8]) -> FragmentEvent<'_> {
        FragmentEvent {
            kind,
            first,
            fin,
            payload,
        }
    }

    #[test]
    fn frames_that_nobody_handled_become_a_message() {
        let mut assembly = Assembly::default();
        let text = MessageKind::Text;
        assert_eq!(
            assembly.add(frame(text, true, true, "é".as_bytes()), LIMITS),
            Ok(Some(Whole::Text("é")))
        );
        assert_eq!(assembly.add(frame(text, true, false, b"a\xC3"), LIMITS), Ok(None));
        assert_eq!(assembly.add(frame(text, false, false, b""), LIMITS), Ok(None));
        assert_eq!(
            assembly.add(frame(text, false, true, b"\xA9"), LIMITS),
            Ok(Some(Whole::Text("aé")))
        );
        assembly.clear();
        assert!(assembly.0.is_none());
    }

    #[test]
    fn each_kind_has_its_limit() {
        for (kind, limit) in [(MessageKind::Text, 4), (MessageKind::Binary, 6)] {
            let mut assembly = Assembly::default();
            assert!(
                assembly
                    .add(frame(kind, true, true, &vec![b'a'; limit]), LIMITS)
                    .is_ok()
            );
            let above = vec![b'a'; limit + 1];
            assert_eq!(
                assembly.add(frame(kind, true, true, &above), LIMITS),
                Err(ProtocolError::MessageTooBig)
            );
            assert_eq!(
                assembly.add(frame(kind, true, false, &vec![b'a'; limit]), LIMITS),
                Ok(None)
            );
            assert_eq!(
                assembly.add(frame(kind, false, true, b"a"), LIMITS),
                Err(ProtocolError::MessageTooBig)
            );
        }
    }

    #[test]
    fn one_handled_frame_makes_the_message_the_applications() {
        let mut assembly = Assembly::default();
        let binary = MessageKind::Binary;
        assert_eq!(
            assembly.add(frame(binary, true, false, b"12345"), LIMITS),
            Ok(None)
        );
        assembly.skip(false);
        assert!(matches!(assembly.0.as_deref(), Some(Part::Handled)));
        assert_eq!(
            assembly.add(frame(binary, false, false, b"1234567"), LIMITS),
            Ok(None),
            "not kept, no limit"
        );
        assert_eq!(assembly.add(frame(binary, false, true, b"x"), LIMITS), Ok(None));
        assert_eq!(
            assembly.add(frame(binary, true, true, b"y"), LIMITS),
            Ok(Some(Whole::Binary(b"y")))
        );
        assert!(assembly.0.is_none());
    }
}
