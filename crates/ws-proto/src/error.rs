//! Errors, grouped by who erred: [`ProtocolError`] is the peer's fault, [`UseError`] the caller's. I/O errors
//! do not exist in this crate. One function, [`ProtocolError::close_code`], maps a fault to the wire.

use std::fmt;

use crate::code::CloseCode;

/// The peer broke a rule: the connection is to be failed (RFC 6455 §7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An RSV bit was set that no negotiated extension owns, or on a frame where its owner forbids it
    /// (RFC 6455 §5.2).
    ReservedBits,
    /// Opcode 3–7 or 11–15 (RFC 6455 §5.2).
    ReservedOpcode(u8),
    /// A control frame with FIN clear (RFC 6455 §5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes of payload (RFC 6455 §5.5).
    ControlTooLong,
    /// A length that was not encoded in the minimal number of bytes (RFC 6455 §5.2).
    LengthNotMinimal,
    /// A 64-bit length with its top bit set (RFC 6455 §5.2).
    LengthTopBit,
    /// A client sent an unmasked frame (RFC 6455 §5.1).
    Unmasked,
    /// A server sent a masked frame (RFC 6455 §5.1).
    Masked,
    /// A continuation frame while no message was open (RFC 6455 §5.4).
    UnexpectedContinuation,
    /// A text or binary frame while a fragmented message was open (RFC 6455 §5.4).
    ExpectedContinuation,
    /// A Close frame with a payload of one byte (RFC 6455 §5.5.1).
    ClosePayloadLength,
    /// A Close frame with a code that may not be sent (RFC 6455 §7.4).
    CloseCode(u16),
    /// A Close reason that is not UTF-8 (RFC 6455 §5.5.1).
    CloseReasonUtf8,
    /// Text that is not UTF-8 (RFC 6455 §8.1).
    TextUtf8,
    /// A compressed message that cannot be inflated: corrupt, cut short, or with a reference to bytes before what
    /// was agreed to be kept (RFC 7692 §7.2.2).
    CompressedData,
    /// A frame longer than the frame limit (RFC 6455 §10.4).
    FrameTooBig,
    /// A message longer than the message limit (RFC 6455 §10.4).
    MessageTooBig,
    /// More fragments in one message than allowed, empty ones counted (RFC 6455 §10.4).
    TooManyFragments,
    /// More pings than the ping budget allows.
    TooManyPings,
    /// No byte of an unfinished message arrived in time, or the message took too long.
    MessageStalled,
    /// All connections together hold as much unfinished input as they may, and this one wanted more. The peer broke no
    /// rule that it could know of; it may try again later. Never found by this crate: who has several connections
    /// counts ([`ReceivePath::held`](crate::ReceivePath::held)).
    TooMuchUnfinished,
}

impl ProtocolError {
    /// The status code that tells the peer what it did (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthTopBit
            | Self::Unmasked
            | Self::Masked
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::ClosePayloadLength
            | Self::CloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::CloseReasonUtf8 | Self::TextUtf8 | Self::CompressedData => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig | Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::TooManyPings | Self::MessageStalled => CloseCode::POLICY_VIOLATION,
            Self::TooMuchUnfinished => CloseCode::TRY_AGAIN_LATER,
        }
    }

    /// The text that goes with the code: short, fixed, fit for the reason of a Close frame (at most 123 bytes).
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bit set without an extension that owns it",
            Self::ReservedOpcode(_) => "reserved opcode",
            Self::FragmentedControl => "control frame without FIN",
            Self::ControlTooLong => "control frame longer than 125 bytes",
            Self::LengthNotMinimal => "payload length not in its minimal form",
            Self::LengthTopBit => "payload length with the top bit set",
            Self::Unmasked => "frame from a client is not masked",
            Self::Masked => "frame from a server is masked",
            Self::UnexpectedContinuation => "continuation frame without a message",
            Self::ExpectedContinuation => "new message before the last one was finished",
            Self::ClosePayloadLength => "close payload of one byte",
            Self::CloseCode(_) => "close code that may not be sent",
            Self::CloseReasonUtf8 => "close reason is not UTF-8",
            Self::TextUtf8 => "text is not UTF-8",
            Self::CompressedData => "compressed data is corrupt",
            Self::FrameTooBig => "frame too big",
            Self::MessageTooBig => "message too big",
            Self::TooManyFragments => "too many fragments in one message",
            Self::TooManyPings => "too many pings",
            Self::MessageStalled => "message was not finished in time",
            Self::TooMuchUnfinished => "too many unfinished messages at the moment",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedOpcode(opcode) => write!(f, "reserved opcode {opcode:#x}"),
            Self::CloseCode(code) => write!(f, "close code {code} may not be sent"),
            other => f.write_str(other.reason()),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// The caller asked for something that is not possible. The connection is unharmed: nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UseError {
    /// A Close frame was sent already, or the connection has ended (RFC 6455 §5.5.1: "The application MUST NOT
    /// send any more data frames after sending a Close frame").
    Closed,
    /// A control payload of more than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
    /// A close code that may not stand in a Close frame (RFC 6455 §7.4).
    CloseCode(u16),
    /// A whole message, or a fragment of the other kind, while a fragmented message is open (RFC 6455 §5.4).
    MessageOpen,
    /// The outgoing queue is above its hard limit.
    QueueFull,
}

impl fmt::Display for UseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is closing or closed"),
            Self::ControlTooLong => f.write_str("a control frame holds at most 125 bytes"),
            Self::CloseCode(code) => write!(f, "close code {code} may not be sent"),
            Self::MessageOpen => f.write_str("a fragmented message is open: finish it first"),
            Self::QueueFull => f.write_str("the outgoing queue is full"),
        }
    }
}

impl std::error::Error for UseError {}

#[cfg(test)]
mod tests {
    use super::ProtocolError;

    #[test]
    fn every_fault_has_its_code_and_a_reason_that_fits() {
        use ProtocolError as E;
        let table: [(u16, &[E]); 5] = [
            (
                1002,
                &[
                    E::ReservedBits,
                    E::ReservedOpcode(3),
                    E::FragmentedControl,
                    E::ControlTooLong,
                    E::LengthNotMinimal,
                    E::LengthTopBit,
                    E::Unmasked,
                    E::Masked,
                    E::UnexpectedContinuation,
                    E::ExpectedContinuation,
                    E::ClosePayloadLength,
                    E::CloseCode(1005),
                ],
            ),
            (1007, &[E::CloseReasonUtf8, E::TextUtf8, E::CompressedData]),
            (1008, &[E::TooManyFragments, E::TooManyPings, E::MessageStalled]),
            (1009, &[E::FrameTooBig, E::MessageTooBig]),
            (1013, &[E::TooMuchUnfinished]),
        ];
        for (code, errors) in table {
            for error in errors {
                // RFC 6455 §7.4.1
                assert_eq!(error.close_code().value(), code, "{error:?}");
                assert!(error.close_code().is_sendable(), "{error:?}");
                assert!(error.reason().len() <= 123, "{error:?}");
            }
        }
    }
}
