//! Opcodes (RFC 6455 §5.2, §11.8).

/// Most bytes that the payload of a control frame may have (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// What a frame is (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// 0: the next part of a fragmented message.
    Continuation,
    /// 1: text, or its first part.
    Text,
    /// 2: binary data, or its first part.
    Binary,
    /// 8: the closing handshake.
    Close,
    /// 9: a ping.
    Ping,
    /// 10: a pong.
    Pong,
}

impl Opcode {
    /// The opcode of the low four bits of a frame's first byte; `None` if it is reserved.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// The four bits of this opcode.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether this is a control frame (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[cfg(test)]
mod tests {
    use super::Opcode;

    #[test]
    fn bits_round_trip_and_the_rest_is_reserved() {
        let known: Vec<u8> = (0..=u8::MAX)
            .filter(|&bits| Opcode::from_bits(bits).is_some())
            .collect();
        assert_eq!(known, [0, 1, 2, 8, 9, 10]);
        for bits in known {
            let opcode = Opcode::from_bits(bits).unwrap();
            assert_eq!(opcode.bits(), bits);
            assert_eq!(opcode.is_control(), bits >= 8);
        }
    }
}
