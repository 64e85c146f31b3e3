//! What becomes of a frame that is complete: an event, lent from the input or from where it was gathered.

use super::{Event, FragmentEvent, Machine, OpenFrame};
use crate::config::Delivery;
use crate::error::ProtocolError;
use crate::frame::{CloseEvent, Opcode};
use crate::message::MessageKind;

impl Machine {
    /// Makes the event of a complete frame. `payload` is where it lies, or `None` for what was gathered.
    #[inline]
    pub(super) fn finish_frame<'s>(
        &'s mut self,
        frame: OpenFrame,
        payload: Option<&'s mut [u8]>,
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        self.lent = payload.is_none();
        if frame.opcode.is_control() {
            return self.finish_control(frame.opcode, payload);
        }
        let Some(kind) = self.message.as_ref().map(|message| message.kind) else {
            return Ok(None);
        };
        if frame.fin {
            self.message = None;
        }
        if self.config.delivery == Delivery::Fragment {
            // RFC 6455 §8.1: a text may not end inside a character, though a fragment may.
            if frame.fin && !self.utf8.is_complete() {
                return Err(self.fail(ProtocolError::TextUtf8));
            }
            let payload = payload.map_or(self.assembly.bytes(), |payload| &*payload);
            let event = FragmentEvent {
                kind,
                first: frame.first,
                fin: frame.fin,
                payload,
            };
            return Ok(Some(Event::Fragment(event)));
        }
        match (kind, payload) {
            (kind, Some(payload)) => self.whole_message(kind, payload),
            (MessageKind::Binary, None) => Ok(Some(Event::Binary(self.assembly.bytes()))),
            (MessageKind::Text, None) if self.utf8.is_complete() => {
                Ok(Some(Event::Text(self.assembly.text())))
            }
            (MessageKind::Text, None) => Err(self.fail(ProtocolError::TextUtf8)),
        }
    }

    /// Makes the event of a message that lay whole in the input.
    #[inline]
    pub(super) fn whole_message<'s>(
        &mut self,
        kind: MessageKind,
        payload: &'s mut [u8],
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        match kind {
            MessageKind::Binary => Ok(Some(Event::Binary(payload))),
            MessageKind::Text => match simdutf8::basic::from_utf8(payload) {
                Ok(text) => Ok(Some(Event::Text(text))),
                Err(_) => Err(self.fail(ProtocolError::TextUtf8)),
            },
        }
    }

    /// The same for a control frame (RFC 6455 §5.5).
    fn finish_control<'s>(
        &'s mut self,
        opcode: Opcode,
        payload: Option<&'s mut [u8]>,
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        let closes = opcode == Opcode::Close;
        if closes {
            self.discard_all();
        }
        let payload = payload.map_or(self.control.as_slice(), |payload| &*payload);
        Ok(Some(match opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => Event::Close(CloseEvent::parse(payload)?),
        }))
    }
}
