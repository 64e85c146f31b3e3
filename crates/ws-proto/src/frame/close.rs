//! The payload of a Close frame (RFC 6455 §5.5.1): two bytes of code, then a reason in UTF-8.

use crate::code::CloseCode;
use crate::error::ProtocolError;

/// Code and reason of a Close frame, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// Text for a person, at most 123 bytes on the wire.
    pub reason: String,
}

/// Code and reason of a Close frame that was received, borrowed from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseEvent<'a> {
    /// Why.
    pub code: CloseCode,
    /// Text for a person.
    pub reason: &'a str,
}

impl<'a> CloseEvent<'a> {
    /// Reads the unmasked payload of a Close frame. `None`: the payload was empty.
    ///
    /// # Errors
    /// A payload of one byte, a code that may not be sent (1002), a reason that is not UTF-8 (1007).
    pub fn parse(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::ClosePayloadLength),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::new(code);
        if !code.is_sendable() {
            return Err(ProtocolError::CloseCode(code.value()));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::CloseReasonUtf8)?;
        Ok(Some(Self { code, reason }))
    }

    /// The same, owned.
    #[must_use]
    pub fn to_owned(self) -> CloseFrame {
        CloseFrame {
            code: self.code,
            reason: self.reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CloseEvent;
    use crate::code::CloseCode;
    use crate::error::ProtocolError;

    #[test]
    fn reads_every_form() {
        assert_eq!(CloseEvent::parse(b""), Ok(None));
        assert_eq!(CloseEvent::parse(b"\x03"), Err(ProtocolError::ClosePayloadLength));
        let event = CloseEvent::parse(b"\x03\xE8bye").unwrap().unwrap();
        assert_eq!((event.code, event.reason), (CloseCode::NORMAL, "bye"));
        assert_eq!(
            CloseEvent::parse(b"\x03\xED"),
            Err(ProtocolError::CloseCode(1005))
        );
        assert_eq!(
            CloseEvent::parse(b"\x03\xE8\xFF"),
            Err(ProtocolError::CloseReasonUtf8)
        );
    }
}
