//! The frame header (RFC 6455 §5.2): reading it from a slice, writing it to a small array.
//! Whether the frame is legal at this point of the connection is decided in `recv::check`.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M|  length     |  16 or 64 bits more of length |
//! |I|S|S|S|  (4)  |A|   (7)       |  if the 7 bits are 126 or 127 |
//! |N|V|V|V|       |S|             |                               |
//! | |1|2|3|       |K|             |  masking key, if MASK is set  |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! ```

use crate::error::ProtocolError;
use crate::frame::opcode::{MAX_CONTROL_PAYLOAD, Opcode};
use crate::mask::MaskKey;

/// Most bytes that a frame header can have: 2, 8 of length, 4 of masking key.
pub const MAX_HEADER_LEN: usize = 14;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// A frame header (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The three reserved bits, where they stand in the first byte: RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, if the frame is masked.
    pub mask: Option<MaskKey>,
    /// Bytes of payload.
    pub payload_len: u64,
}

/// What the first two bytes of a header say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) opcode: Opcode,
    pub(crate) masked: bool,
    /// The 7-bit length: the length itself up to 125, else which form follows.
    pub(crate) short: u8,
}

impl Lead {
    /// Reads the first two bytes.
    ///
    /// # Errors
    /// Reserved opcode, control frame without FIN, control frame with an extended length: all that can be told
    /// without seeing the rest, so that a hostile length is never looked at.
    #[inline]
    pub(crate) fn parse(first: u8, second: u8) -> Result<Self, ProtocolError> {
        let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
            return Err(ProtocolError::ReservedOpcode(first & OPCODE));
        };
        let lead = Self {
            fin: first & FIN != 0,
            rsv: first & RSV,
            opcode,
            masked: second & MASK != 0,
            short: second & LENGTH,
        };
        if opcode.is_control() {
            // RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT
            // be fragmented."
            if !lead.fin {
                return Err(ProtocolError::FragmentedControl);
            }
            if usize::from(lead.short) > MAX_CONTROL_PAYLOAD {
                return Err(ProtocolError::ControlTooLong);
            }
        }
        Ok(lead)
    }

    /// Bytes of the whole header.
    #[inline]
    pub(crate) fn header_len(self) -> usize {
        let length = match self.short {
            LENGTH_16 => 2,
            LENGTH_64 => 8,
            _ => 0,
        };
        2 + length + if self.masked { 4 } else { 0 }
    }
}

impl FrameHeader {
    /// Reads a header from the start of `bytes`. `Ok(None)`: more bytes are needed. Else the header and its
    /// own length in bytes.
    ///
    /// # Errors
    /// Reserved opcodes, control frames that are fragmented or longer than 125 bytes, lengths that are not
    /// minimal or have the top bit set (RFC 6455 §5.2, §5.5). Decided from the first two bytes where they
    /// suffice.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        Self::parse_rest(Lead::parse(*first, *second)?, rest)
    }

    /// The same where the first two bytes are read already and `rest` follows them.
    #[inline]
    pub(crate) fn parse_rest(lead: Lead, rest: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((payload_len, rest)) = Self::parse_length(lead.short, rest)? else {
            return Ok(None);
        };
        let mask = if lead.masked {
            let Some(key) = rest.first_chunk::<4>() else {
                return Ok(None);
            };
            Some(MaskKey(*key))
        } else {
            None
        };
        let header = Self {
            fin: lead.fin,
            rsv: lead.rsv,
            opcode: lead.opcode,
            mask,
            payload_len,
        };
        Ok(Some((header, lead.header_len())))
    }

    /// The length after the 7-bit form `short`, and what follows it.
    #[inline]
    fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
        match short {
            LENGTH_16 => {
                let Some((length, rest)) = rest.split_first_chunk::<2>() else {
                    return Ok(None);
                };
                let length = u64::from(u16::from_be_bytes(*length));
                // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
                if length < u64::from(LENGTH_16) {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                Ok(Some((length, rest)))
            }
            LENGTH_64 => {
                let Some((length, rest)) = rest.split_first_chunk::<8>() else {
                    return Ok(None);
                };
                let length = u64::from_be_bytes(*length);
                // RFC 6455 §5.2: "the most significant bit MUST be 0".
                if length >> 63 != 0 {
                    return Err(ProtocolError::LengthTopBit);
                }
                if length <= u64::from(u16::MAX) {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                Ok(Some((length, rest)))
            }
            _ => Ok(Some((u64::from(short), rest))),
        }
    }

    /// Writes the header into `out` with the minimal length form; returns how many bytes it took.
    #[inline]
    #[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "proved in the body"))]
    pub fn encode(&self, out: &mut [u8; MAX_HEADER_LEN]) -> usize {
        let mask_bit = if self.mask.is_some() { MASK } else { 0 };
        // No index below can fail: all are constants below 14, but `len`, which is 2, 4 or 10 when the key's 4 bytes follow.
        out[0] = if self.fin { FIN } else { 0 } | (self.rsv & RSV) | self.opcode.bits();
        let mut len = match self.payload_len {
            short @ 0..=125 => {
                out[1] = mask_bit | short.to_be_bytes()[7];
                2
            }
            medium @ 126..=0xFFFF => {
                out[1] = mask_bit | LENGTH_16;
                out[2..4].copy_from_slice(&medium.to_be_bytes()[6..]);
                4
            }
            long => {
                out[1] = mask_bit | LENGTH_64;
                out[2..10].copy_from_slice(&long.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            out[len..len + 4].copy_from_slice(&key.0);
            len += 4;
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameHeader, MAX_HEADER_LEN};
    use crate::error::ProtocolError;
    use crate::frame::Opcode;
    use crate::mask::MaskKey;

    fn header(payload_len: u64, mask: Option<MaskKey>) -> FrameHeader {
        FrameHeader {
            fin: true,
            rsv: 0,
            opcode: Opcode::Binary,
            mask,
            payload_len,
        }
    }

    #[test]
    fn round_trip_at_every_edge_of_the_length_forms() {
        for mask in [None, Some(MaskKey([1, 2, 3, 4]))] {
            for length in [
                0,
                1,
                125,
                126,
                127,
                0xFFFF,
                0x1_0000,
                u64::from(u32::MAX) + 11,
                i64::MAX as u64,
            ] {
                let mut out = [0; MAX_HEADER_LEN];
                let len = header(length, mask).encode(&mut out);
                assert_eq!(
                    FrameHeader::parse(&out[..len]),
                    Ok(Some((header(length, mask), len)))
                );
                for cut in 0..len {
                    assert_eq!(FrameHeader::parse(&out[..cut]), Ok(None), "{length} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn lengths_must_be_minimal_and_below_two_to_the_63() {
        let minimal = Err(ProtocolError::LengthNotMinimal);
        assert_eq!(FrameHeader::parse(&[0x82, 126, 0, 125]), minimal);
        assert!(matches!(FrameHeader::parse(&[0x82, 126, 0, 126]), Ok(Some(_))));
        assert_eq!(
            FrameHeader::parse(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
            minimal
        );
        assert!(matches!(
            FrameHeader::parse(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            Ok(Some(_))
        ));
        let top = FrameHeader::parse(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(top, Err(ProtocolError::LengthTopBit));
    }

    #[test]
    fn two_bytes_suffice_to_refuse() {
        assert_eq!(
            FrameHeader::parse(&[0x83, 0xFF]),
            Err(ProtocolError::ReservedOpcode(3))
        );
        assert_eq!(
            FrameHeader::parse(&[0x09, 0x80]),
            Err(ProtocolError::FragmentedControl)
        );
        assert_eq!(
            FrameHeader::parse(&[0x89, 0xFE]),
            Err(ProtocolError::ControlTooLong)
        );
    }

    #[test]
    fn rsv_bits_are_kept_for_their_owner() {
        let (header, _) = FrameHeader::parse(&[0xC1, 0]).unwrap().unwrap();
        assert_eq!(header.rsv, 0x40);
    }
}
