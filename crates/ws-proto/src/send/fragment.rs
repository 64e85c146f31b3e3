//! Fragmented messages (RFC 6455 §5.4). Continuation opcodes are chosen here and nowhere else.

use crate::error::UseError;
use crate::frame::Opcode;
use crate::message::MessageKind;

use super::SendPath;
use super::options::SendOptions;

impl SendPath {
    /// Queues one frame of a message that is sent in parts; `fin` ends the message.
    ///
    /// The first frame carries the opcode of `kind`, the following ones are continuations. Control frames may be
    /// sent in between. The bytes of a text message may be cut inside a character; that all of them together are
    /// UTF-8 (RFC 6455 §8.1) is the caller's duty, it is not checked here.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame; [`UseError::MessageOpen`] if a message of the other kind is open.
    pub fn send_fragment(&mut self, kind: MessageKind, payload: &[u8], fin: bool) -> Result<(), UseError> {
        let opcode = self.next_fragment(kind, fin)?;
        if !self.push_coded(opcode, fin, payload, SendOptions::DEFAULT) {
            self.push_frame(opcode, fin, payload);
        }
        Ok(())
    }

    /// The kind of the fragmented message that is open: begun and not finished.
    #[must_use]
    pub fn open_message(&self) -> Option<MessageKind> {
        self.open_message
    }

    /// The opcode of the next fragment; remembers whether the message stays open.
    pub(super) fn next_fragment(&mut self, kind: MessageKind, fin: bool) -> Result<Opcode, UseError> {
        self.check_open()?;
        let opcode = match self.open_message {
            // RFC 6455 §5.4: "a single frame with the FIN bit clear and an opcode other than 0, followed by zero
            // or more frames with the FIN bit clear and the opcode set to 0".
            None => kind.opcode(),
            Some(open) if open == kind => Opcode::Continuation,
            Some(_) => return Err(UseError::MessageOpen),
        };
        self.data_frames = self.data_frames.wrapping_add(1);
        self.open_message = if fin { None } else { Some(kind) };
        Ok(opcode)
    }
}
