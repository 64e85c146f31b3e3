//! Is this frame legal now? Decided from the first two bytes where they suffice, then from the length, always
//! before any of the payload is looked at or stored (RFC 6455 §5.1, §5.2, §5.4, §10.4).

use crate::config::Limits;
use crate::error::ProtocolError;
use crate::ext::{LegalBits, ReservedBits};
use crate::frame::{FrameHeader, Lead, Opcode};
use crate::message::MessageKind;
use crate::role::Role;

/// A message of which a first frame has begun (RFC 6455 §5.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenMessage {
    pub(super) kind: MessageKind,
    /// Bytes that its frames so far have declared: never above the message limit.
    pub(super) size: usize,
    /// Its frames so far, empty ones counted.
    pub(super) fragments: u32,
    /// It is compressed (RFC 7692 §6): RSV1 was set on its first frame.
    pub(super) compressed: bool,
}

/// Reads a header from the start of `bytes` and judges it. `None`: it is not complete.
#[inline(always)]
pub(super) fn header(
    bytes: &[u8],
    role: Role,
    legal: LegalBits,
    message: Option<&OpenMessage>,
    limits: &Limits,
) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let lead = Lead::parse(*first, *second)?;
    check_lead(lead, role, legal, message.is_some())?;
    let parsed = FrameHeader::parse_rest(lead, rest)?;
    // The length is judged as soon as it is there; the masking key may still be on its way.
    match parsed {
        Some((header, _)) => check_size(lead, header.payload_len, message, limits)?,
        None => check_early_size(lead, rest, message, limits)?,
    }
    Ok(parsed)
}

/// What the first two bytes can tell.
#[inline]
fn check_lead(lead: Lead, role: Role, legal: LegalBits, message_open: bool) -> Result<(), ProtocolError> {
    // RFC 6455 §5.2: "If a nonzero value is received and none of the negotiated extensions defines the meaning of
    // such a nonzero value, the receiving endpoint MUST _Fail the WebSocket Connection_."
    if lead.rsv != 0 && !is_legal(lead, legal) {
        return Err(ProtocolError::ReservedBits);
    }
    // RFC 6455 §5.1: "The server MUST close the connection upon receiving a frame that is not masked." "A client
    // MUST close a connection if it detects a masked frame."
    if lead.masked != role.expects_mask() {
        return Err(if lead.masked {
            ProtocolError::Masked
        } else {
            ProtocolError::Unmasked
        });
    }
    // RFC 6455 §5.4: fragments of one message are not mixed with those of another.
    match lead.opcode {
        Opcode::Continuation if !message_open => Err(ProtocolError::UnexpectedContinuation),
        Opcode::Text | Opcode::Binary if message_open => Err(ProtocolError::ExpectedContinuation),
        _ => Ok(()),
    }
}

/// No extension gives a meaning to a bit on a control frame (RFC 7692 §6.1 forbids it for its own).
#[cold]
fn is_legal(lead: Lead, legal: LegalBits) -> bool {
    let bits = ReservedBits::from_first_byte(lead.rsv);
    match lead.opcode {
        Opcode::Text | Opcode::Binary => legal.first.contains(bits),
        Opcode::Continuation => legal.later.contains(bits),
        _ => false,
    }
}

/// What the length tells. Compared as 64 bits, before it is used for anything.
#[inline]
fn check_size(
    lead: Lead,
    payload_len: u64,
    message: Option<&OpenMessage>,
    limits: &Limits,
) -> Result<(), ProtocolError> {
    if lead.opcode.is_control() {
        return Ok(());
    }
    let (size, fragments) = message.map_or((0, 0), |message| (message.size, message.fragments));
    let (frame_limit, message_limit) = if lead.rsv != 0 || message.is_some_and(|message| message.compressed) {
        (
            grown(limits.max_frame_size, 1),
            grown(limits.max_message_size, fragments as usize),
        )
    } else {
        (limits.max_frame_size, limits.max_message_size)
    };
    if payload_len > widen(frame_limit) {
        return Err(ProtocolError::FrameTooBig);
    }
    match widen(size).checked_add(payload_len) {
        Some(total) if total <= widen(message_limit) => {}
        _ => return Err(ProtocolError::MessageTooBig),
    }
    if fragments as usize >= limits.max_fragments {
        return Err(ProtocolError::TooManyFragments);
    }
    Ok(())
}

/// How long something that an extension has coded may be on the wire. Data that does not shrink grows: by an eighth
/// with the worst of codes of RFC 1951, and by a few bytes for every fragment. None of it is stored; what comes out
/// is held to the limit exactly.
#[cold]
fn grown(limit: usize, fragments: usize) -> usize {
    let per_fragment = fragments.saturating_add(4).saturating_mul(16);
    limit.saturating_add(limit / 8).saturating_add(per_fragment)
}

/// The length of a header that lacks only its masking key.
#[cold]
fn check_early_size(
    lead: Lead,
    rest: &[u8],
    message: Option<&OpenMessage>,
    limits: &Limits,
) -> Result<(), ProtocolError> {
    match FrameHeader::parse_rest(
        Lead {
            masked: false,
            ..lead
        },
        rest,
    )? {
        Some((header, _)) => check_size(lead, header.payload_len, message, limits),
        None => Ok(()),
    }
}

/// A `usize` as 64 bits.
#[inline]
fn widen(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
