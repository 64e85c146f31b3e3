//! The usual frame in one look: a whole message of less than 64 KiB in one frame that lies whole in the input. It
//! passes the same checks as every frame, all of them at once; whatever is not of this kind takes the general way.

use super::{Machine, State};
use crate::config::{Config, Delivery};
use crate::frame::MAX_CONTROL_PAYLOAD;
use crate::mask::{MaskKey, apply_mask};
use crate::message::MessageKind;

/// FIN and opcode 1, no reserved bit (RFC 6455 §5.2).
const WHOLE_TEXT: u8 = 0x81;
/// FIN and opcode 2, no reserved bit.
const WHOLE_BINARY: u8 = 0x82;
const MASK: u8 = 0x80;
/// The length follows in two bytes (RFC 6455 §5.2).
const MEDIUM: u8 = 126;

/// The longest payload with a length of seven bits that may take this way under `config`; `None`: none may.
pub(super) fn limit(config: &Config) -> Option<u8> {
    let limits = &config.limits;
    if config.delivery != Delivery::Message || limits.max_fragments == 0 {
        return None;
    }
    u8::try_from(
        MAX_CONTROL_PAYLOAD
            .min(limits.max_frame_size)
            .min(limits.max_message_size),
    )
    .ok()
}

impl Machine {
    /// Takes such a frame from the start of `input`, unmasked. `None`: it is no such frame, nothing was taken.
    #[inline]
    pub(super) fn take_short<'i>(&mut self, input: &mut &'i mut [u8]) -> Option<(MessageKind, &'i mut [u8])> {
        let limit = self.short?;
        if self.message.is_some() || !matches!(self.state, State::Header { len: 0, .. }) {
            return None;
        }
        let [first, second, rest @ ..] = &**input else {
            return None;
        };
        let kind = match *first {
            WHOLE_TEXT => MessageKind::Text,
            WHOLE_BINARY => MessageKind::Binary,
            _ => return None,
        };
        let len = *second & !MASK;
        let masked = *second & MASK != 0;
        if masked != self.role.expects_mask() {
            return None;
        }
        if len > limit {
            return self.take_medium(kind, input);
        }
        let (key, header) = match rest.first_chunk::<4>() {
            Some(key) if masked => (Some(MaskKey(*key)), 6),
            None if masked => return None,
            _ => (None, 2),
        };
        Some((kind, split_payload(input, header, usize::from(len), key)?))
    }

    /// The same for a length in two bytes, masked as it must be. A length that one byte holds is left to the general way,
    /// which knows that it is a fault (RFC 6455 §5.2).
    fn take_medium<'i>(
        &self,
        kind: MessageKind,
        input: &mut &'i mut [u8],
    ) -> Option<(MessageKind, &'i mut [u8])> {
        let [_, second, high, low, rest @ ..] = &**input else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let limits = &self.config.limits;
        let longest = limits.max_frame_size.min(limits.max_message_size);
        if *second & !MASK != MEDIUM || len <= MAX_CONTROL_PAYLOAD || len > longest {
            return None;
        }
        let (key, header) = match rest.first_chunk::<4>() {
            Some(key) if self.role.expects_mask() => (Some(MaskKey(*key)), 8),
            _ => (None, 4),
        };
        Some((kind, split_payload(input, header, len, key)?))
    }
}

/// Takes a frame from the start of `input`; its payload, unmasked. `None`: it does not lie there whole, nothing was taken.
#[inline]
fn split_payload<'i>(
    input: &mut &'i mut [u8],
    header: usize,
    len: usize,
    key: Option<MaskKey>,
) -> Option<&'i mut [u8]> {
    let end = header + len;
    if input.len() < end {
        return None;
    }
    let (frame, rest) = std::mem::take(input).split_at_mut(end);
    *input = rest;
    let payload = frame.get_mut(header..).unwrap_or_default();
    if let Some(key) = key {
        apply_mask(key, payload);
    }
    Some(payload)
}
