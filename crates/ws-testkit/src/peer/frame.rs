//! One raw frame: every bit of the header free, RFC 6455 §5.2.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;

/// How the payload length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LengthForm {
    /// The shortest form, as RFC 6455 §5.2 demands.
    #[default]
    Minimal,
    /// 16 bits, even where 7 would do.
    Bits16,
    /// 64 bits, even where fewer would do.
    Bits64,
}

/// A frame with any header bits, legal or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// The FIN bit.
    pub fin: bool,
    /// RSV1 to RSV3 as the bits 4, 2 and 1.
    pub rsv: u8,
    /// 0 to 15.
    pub opcode: u8,
    /// The masking key; None: not masked.
    pub mask: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Bytes,
    /// How the length is written.
    pub length_form: LengthForm,
    /// A length to declare instead of the payload's own.
    pub declared_length: Option<u64>,
}

impl RawFrame {
    /// A final, unmasked frame with no reserved bits.
    pub fn new(opcode: u8, payload: impl Into<Bytes>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            mask: None,
            payload: payload.into(),
            length_form: LengthForm::Minimal,
            declared_length: None,
        }
    }

    /// A continuation frame (opcode 0).
    pub fn continuation(payload: impl Into<Bytes>) -> Self {
        Self::new(0x0, payload)
    }

    /// A text frame (opcode 1); the bytes need not be UTF-8.
    pub fn text(payload: impl Into<Bytes>) -> Self {
        Self::new(0x1, payload)
    }

    /// A binary frame (opcode 2).
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self::new(0x2, payload)
    }

    /// A close frame (opcode 8) with a code and a reason.
    pub fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::new(0x8, payload)
    }

    /// A ping frame (opcode 9).
    pub fn ping(payload: impl Into<Bytes>) -> Self {
        Self::new(0x9, payload)
    }

    /// A pong frame (opcode 10).
    pub fn pong(payload: impl Into<Bytes>) -> Self {
        Self::new(0xa, payload)
    }

    /// The same frame without FIN: more are to come.
    #[must_use]
    pub fn unfinished(self) -> Self {
        Self { fin: false, ..self }
    }

    /// The same frame with these reserved bits (RSV1 = 4, RSV2 = 2, RSV3 = 1).
    #[must_use]
    pub fn reserved(self, rsv: u8) -> Self {
        Self { rsv: rsv & 7, ..self }
    }

    /// The same frame, masked with this key.
    #[must_use]
    pub fn masked(self, key: [u8; 4]) -> Self {
        Self {
            mask: Some(key),
            ..self
        }
    }

    /// The same frame with its length written in this form.
    #[must_use]
    pub fn length_as(self, length_form: LengthForm) -> Self {
        Self { length_form, ..self }
    }

    /// The same frame claiming another length than its payload has.
    #[must_use]
    pub fn declaring(self, length: u64) -> Self {
        Self {
            declared_length: Some(length),
            ..self
        }
    }

    /// The close code in the payload, if this is a close frame with one.
    pub fn close_code(&self) -> Option<u16> {
        match self.payload.get(..2) {
            Some(&[high, low]) if self.opcode == 0x8 => Some(u16::from_be_bytes([high, low])),
            _ => None,
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let fin = if self.fin { FIN } else { 0 };
        let mut bytes = vec![fin | (self.rsv & 7) << 4 | self.opcode & 0xf];
        let mask = if self.mask.is_some() { MASK } else { 0 };
        let length = self.declared_length.unwrap_or(self.payload.len() as u64);
        match (self.length_form, u8::try_from(length), u16::try_from(length)) {
            (LengthForm::Minimal, Ok(length @ 0..=125), _) => bytes.push(mask | length),
            (LengthForm::Minimal | LengthForm::Bits16, _, Ok(length)) => {
                bytes.push(mask | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        let key = self.mask.unwrap_or_default();
        bytes.extend_from_slice(self.mask.as_ref().map_or(&[], |key| &key[..]));
        bytes.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        bytes
    }

    /// Takes a whole frame from the front of `bytes`; None while it is not complete.
    pub fn decode(bytes: &mut BytesMut) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length_form, length, mut at) = match second & 0x7f {
            126 => {
                let length = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
                let form = if length < 126 {
                    LengthForm::Bits16
                } else {
                    LengthForm::Minimal
                };
                (form, u64::from(length), 4)
            }
            127 => {
                let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
                let form = if length <= 0xffff {
                    LengthForm::Bits64
                } else {
                    LengthForm::Minimal
                };
                (form, length, 10)
            }
            length => (LengthForm::Minimal, u64::from(length), 2),
        };
        let mut mask = None;
        if second & MASK != 0 {
            let key: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            mask = Some(key);
            at += 4;
        }
        let length = usize::try_from(length).ok()?;
        if bytes.len() - at < length {
            return None;
        }
        bytes.advance(at);
        let payload = bytes.split_to(length);
        let key = mask.unwrap_or_default();
        let payload = payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect::<Vec<_>>();
        Some(Self {
            fin: first & FIN != 0,
            rsv: first >> 4 & 7,
            opcode: first & 0xf,
            mask,
            payload: payload.into(),
            length_form,
            declared_length: None,
        })
    }

    /// Same FIN, reserved bits, opcode, payload and length form; masking aside, which is fresh in every frame.
    pub fn means_the_same(&self, other: &Self) -> bool {
        let parts = |frame: &Self| (frame.fin, frame.rsv, frame.opcode, frame.length_form);
        parts(self) == parts(other) && self.payload == other.payload
    }
}

impl fmt::Display for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.opcode {
            0x0 => "continuation",
            0x1 => "text",
            0x2 => "binary",
            0x8 => "close",
            0x9 => "ping",
            0xa => "pong",
            _ => "reserved",
        };
        write!(f, "{name} frame (opcode {:#x}", self.opcode)?;
        f.write_str(if self.fin { ", FIN" } else { ", no FIN" })?;
        if self.rsv != 0 {
            write!(f, ", RSV {:03b}", self.rsv)?;
        }
        f.write_str(if self.mask.is_some() { ", masked" } else { "" })?;
        match self.close_code() {
            Some(code) => write!(f, ", close code {code}, {} bytes)", self.payload.len()),
            None => write!(f, ", {} bytes)", self.payload.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6455_section_5_7() {
        let hello = RawFrame::text("Hello");
        assert_eq!(hello.encode(), [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        let masked = hello.masked([0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(
            masked.encode(),
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
        assert_eq!(
            RawFrame::text("Hel").unfinished().encode(),
            [0x01, 0x03, 0x48, 0x65, 0x6c]
        );
        assert_eq!(RawFrame::continuation("lo").encode(), [0x80, 0x02, 0x6c, 0x6f]);
        assert_eq!(
            RawFrame::binary(vec![0; 256]).encode()[..4],
            [0x82, 0x7e, 0x01, 0x00]
        );
        let long = RawFrame::binary(vec![0; 65_536]).encode();
        assert_eq!(long[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn frames_survive_the_wire_cut_at_any_byte() {
        let frames = [
            RawFrame::new(0xf, "").reserved(7).unfinished(),
            RawFrame::binary(vec![7; 125]).masked([1, 2, 3, 4]),
            RawFrame::binary(vec![7; 126]).masked([9, 8, 7, 6]).reserved(4),
            RawFrame::text("x").length_as(LengthForm::Bits16),
            RawFrame::text("x").length_as(LengthForm::Bits64).masked([0; 4]),
            RawFrame::binary(vec![1; 65_536]),
            RawFrame::close(1002, "no"),
        ];
        for frame in frames {
            let bytes = frame.encode();
            for cut in (0..bytes.len()).take(20) {
                let mut received = BytesMut::from(&bytes[..cut]);
                assert_eq!(RawFrame::decode(&mut received), None);
                received.extend_from_slice(&bytes[cut..]);
                received.extend_from_slice(b"rest");
                assert_eq!(RawFrame::decode(&mut received).as_ref(), Some(&frame));
                assert_eq!(&received[..], b"rest");
            }
        }
    }

    #[test]
    fn a_declared_length_is_written_as_told() {
        let frame = RawFrame::binary("abc").declaring(1 << 63);
        assert_eq!(
            frame.encode(),
            [0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']
        );
    }
}
