//! The three reserved bits of a frame header, and which negotiated extension owns which.
//!
//! Parsing the bits off the wire is the frame header's business. RFC 6455 §5.2, §9.1.

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// A set of the reserved header bits RSV1, RSV2 and RSV3 (RFC 6455 §5.2).
///
/// The default is the empty set: no extension, every bit must be zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ReservedBits(u8);

impl ReservedBits {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// RSV1, which permessage-deflate uses (RFC 7692 §6).
    pub const RSV1: Self = Self(0x40);
    /// RSV2.
    pub const RSV2: Self = Self(0x20);
    /// RSV3.
    pub const RSV3: Self = Self(0x10);

    /// The reserved bits of a frame's first byte; the other bits of `byte` are ignored.
    pub const fn from_first_byte(byte: u8) -> Self {
        Self(byte & 0x70)
    }

    /// The bits where they stand in a frame's first byte.
    pub const fn to_first_byte(self) -> u8 {
        self.0
    }

    /// True when no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when every bit of `other` is in `self`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for ReservedBits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for ReservedBits {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for ReservedBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Self::RSV1, "RSV1"), (Self::RSV2, "RSV2"), (Self::RSV3, "RSV3")];
        f.debug_set()
            .entries(
                names
                    .iter()
                    .filter(|(bit, _)| self.contains(*bit))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

/// Which negotiated extension owns which reserved bit of a connection.
///
/// Two extensions that give meaning to the same bit cannot both be in use (RFC 6455 §9.1), so negotiation
/// claims the bits of each accepted extension here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservedOwners {
    claims: Vec<(ReservedBits, Box<str>)>,
}

impl ReservedOwners {
    /// Gives `bits` to `extension`.
    ///
    /// # Errors
    /// [`ReservedBitsTaken`] when one of the bits has an owner already; nothing is claimed then.
    pub fn claim(&mut self, bits: ReservedBits, extension: &str) -> Result<(), ReservedBitsTaken> {
        if let Some((taken, owner)) = self
            .claims
            .iter()
            .find(|(claimed, _)| !(*claimed & bits).is_empty())
        {
            return Err(ReservedBitsTaken {
                bits: *taken & bits,
                owner: owner.clone(),
            });
        }
        if !bits.is_empty() {
            self.claims.push((bits, extension.into()));
        }
        Ok(())
    }

    /// Every bit that has an owner: the bits a frame may carry.
    pub fn claimed(&self) -> ReservedBits {
        self.claims
            .iter()
            .fold(ReservedBits::NONE, |all, (bits, _)| all | *bits)
    }

    /// The name of the extension that owns one of `bits`, if any does.
    pub fn owner_of(&self, bits: ReservedBits) -> Option<&str> {
        self.claims
            .iter()
            .find(|(claimed, _)| !(*claimed & bits).is_empty())
            .map(|(_, owner)| &**owner)
    }
}

/// Two extensions want the same reserved bit (RFC 6455 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedBitsTaken {
    /// The bits in dispute.
    pub bits: ReservedBits,
    /// Who has them.
    pub owner: Box<str>,
}

impl fmt::Display for ReservedBitsTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reserved bits {:?} already belong to extension {}",
            self.bits, self.owner
        )
    }
}

impl std::error::Error for ReservedBitsTaken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_where_the_first_byte_has_them() {
        assert_eq!(ReservedBits::from_first_byte(0b1100_0001), ReservedBits::RSV1);
        assert_eq!(
            ReservedBits::from_first_byte(0b1011_1111),
            ReservedBits::RSV2 | ReservedBits::RSV3
        );
        assert_eq!(ReservedBits::from_first_byte(0x8F), ReservedBits::NONE);
        assert_eq!((ReservedBits::RSV1 | ReservedBits::RSV3).to_first_byte(), 0x50);
        assert_eq!(
            format!("{:?}", ReservedBits::RSV1 | ReservedBits::RSV3),
            r#"{"RSV1", "RSV3"}"#
        );
    }

    #[test]
    fn a_bit_has_one_owner() {
        let mut owners = ReservedOwners::default();
        owners.claim(ReservedBits::RSV1, "permessage-deflate").unwrap();
        owners.claim(ReservedBits::NONE, "identity").unwrap();
        let refused = owners
            .claim(ReservedBits::RSV1 | ReservedBits::RSV2, "other")
            .unwrap_err();
        assert_eq!(refused.bits, ReservedBits::RSV1);
        assert_eq!(&*refused.owner, "permessage-deflate");
        assert_eq!(owners.claimed(), ReservedBits::RSV1);
        owners.claim(ReservedBits::RSV2, "other").unwrap();
        assert_eq!(owners.owner_of(ReservedBits::RSV2), Some("other"));
        assert_eq!(owners.owner_of(ReservedBits::RSV3), None);
    }
}
