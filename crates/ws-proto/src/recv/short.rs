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
/// The length follows in eight bytes.
const LONG: u8 = 127;

/// The longest payload that may take this way under `config`; `None`: none may.
pub(super) fn limit(config: &Config) -> Option<u16> {
    let limits = &config.limits;
    if config.delivery != Delivery::Message || limits.max_fragments == 0 {
        return None;
    }
    let longest = limits.max_frame_size.min(limits.max_message_size);
    Some(u16::try_from(longest).unwrap_or(u16::MAX))
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
        if (*second & MASK != 0) != self.role.expects_mask() {
            return None;
        }
        let (len, start) = length(*second & !MASK, rest)?;
        if len > limit {
            return None;
        }
        let (key, header) = match input.get(start..)?.first_chunk::<4>() {
            Some(key) if self.role.expects_mask() => (Some(MaskKey(*key)), start + 4),
            None if self.role.expects_mask() => return None,
            _ => (None, start),
        };
        let end = header + usize::from(len);
        if input.len() < end {
            return None;
        }
        let (frame, rest) = std::mem::take(input).split_at_mut(end);
        *input = rest;
        let payload = frame.get_mut(header..).unwrap_or_default();
        if let Some(key) = key {
            apply_mask(key, payload);
        }
        Some((kind, payload))
    }
}

/// The length of a payload, and the length of the header up to here, by the seven bits and what follows them. `None`: too
/// long for this way, cut, or in more bytes than it needs, which is a fault (RFC 6455 §5.2).
#[inline]
fn length(seven: u8, rest: &[u8]) -> Option<(u16, usize)> {
    match seven {
        LONG => None,
        MEDIUM => {
            let len = u16::from_be_bytes(*rest.first_chunk()?);
            (usize::from(len) > MAX_CONTROL_PAYLOAD).then_some((len, 4))
        }
        len => Some((u16::from(len), 2)),
    }
}
