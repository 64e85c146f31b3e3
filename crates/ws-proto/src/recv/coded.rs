//! Payloads that extensions have made something of: inflated as they arrive, or gathered whole for whoever wants to
//! see frames (RFC 6455 §9, RFC 7692 §6).
//!
//! What comes out goes where any payload goes that does not lie whole in the input: to the assembly buffer.

use super::check::OpenMessage;
use super::{Coding, Machine, OpenFrame, Taken};
use crate::config::{Delivery, Limits};
use crate::error::ProtocolError;
use crate::ext::{ExtensionFrame, Incoming, ReservedBits};
use crate::frame::Opcode;
use crate::message::MessageKind;
use crate::utf8::Utf8Validator;

use super::assemble::Assembly;

/// What has to be done to a frame that has just begun; notes whether it begins a compressed message.
pub(super) fn coding(extensions: &mut Incoming, message: &mut OpenMessage, rsv: u8) -> Coding {
    if message.fragments == 1 {
        extensions.made = 0;
        message.compressed = extensions.begins_compressed(ReservedBits::from_first_byte(rsv));
    }
    if extensions.gathers() {
        Coding::Whole
    } else if message.compressed {
        Coding::Deflated
    } else {
        Coding::Plain
    }
}

impl Machine {
    /// Takes what has arrived of the payload of a coded frame, unmasked already.
    pub(super) fn take_coded<'i>(
        &mut self,
        frame: OpenFrame,
        part: &[u8],
        complete: bool,
    ) -> Result<Taken<'i>, ProtocolError> {
        let (Some(extensions), Some(message)) = (&mut self.extensions, &mut self.message) else {
            return Ok(Taken::More);
        };
        let mut output = Output {
            kind: message.kind,
            delivery: self.config.delivery,
            limits: &self.config.limits,
            assembly: &mut self.assembly,
            utf8: &mut self.utf8,
            made: extensions.made,
        };
        if frame.coding == Coding::Whole {
            extensions.gather(part);
            if !complete {
                return Ok(Taken::More);
            }
            take_whole(extensions, frame, message.compressed, &mut output)?;
        } else if let Some(deflate) = &mut extensions.deflate {
            let limit = self.config.limits.max_message_size;
            let mut sink = |piece: &[u8]| output.push(piece);
            deflate.push(part, limit, &mut sink)?;
            if complete && frame.fin {
                deflate.finish(limit, &mut sink)?;
            }
        }
        let made = output.made - extensions.made;
        self.work.decoded = self
            .work
            .decoded
            .saturating_add(u32::try_from(made).unwrap_or(u32::MAX));
        extensions.made = output.made;
        let delivered = match self.config.delivery {
            Delivery::Message => complete && frame.fin,
            Delivery::Fragment => complete,
        };
        Ok(if delivered { Taken::Gathered } else { Taken::More })
    }
}

/// Shows a complete frame to every extension.
fn take_whole(
    extensions: &mut Incoming,
    frame: OpenFrame,
    compressed: bool,
    output: &mut Output<'_>,
) -> Result<(), ProtocolError> {
    let mut whole = ExtensionFrame {
        opcode: match (frame.first, output.kind) {
            (false, _) => Opcode::Continuation,
            (true, kind) => kind.opcode(),
        },
        fin: frame.fin,
        reserved: frame.reserved,
        payload: extensions.take_gathered(),
    };
    let limit = output.limits.max_message_size - output.made;
    extensions.decode(&mut whole, compressed, limit)?;
    output.push(&whole.payload)
}

/// Where the payload of a coded frame goes, and what it must be.
struct Output<'a> {
    kind: MessageKind,
    delivery: Delivery,
    limits: &'a Limits,
    assembly: &'a mut Assembly,
    utf8: &'a mut Utf8Validator,
    /// Bytes of the message that came out so far.
    made: usize,
}

impl Output<'_> {
    /// Takes a piece: within the limit, and of text only what can be text.
    fn push(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        let limit = self.limits.max_message_size;
        match self.made.checked_add(piece.len()) {
            Some(made) if made <= limit => self.made = made,
            _ => return Err(ProtocolError::MessageTooBig),
        }
        self.assembly.make_room(piece.len().saturating_add(3), limit);
        if self.delivery == Delivery::Message {
            return self.assembly.push(self.kind, piece, self.utf8);
        }
        // RFC 6455 §8.1, though a fragment may end inside a character.
        if self.kind == MessageKind::Text {
            self.utf8.push(piece).map_err(|_| ProtocolError::TextUtf8)?;
        }
        self.assembly.push_bytes(piece);
        Ok(())
    }
}
