//! What one end is willing to do about permessage-deflate. What both ends agreed on is in `negotiate`.

use std::fmt;

/// The base-2 logarithm of an LZ77 window in bytes: 8 (256 bytes) to 15 (32 KiB), RFC 7692 §7.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes. Our own output then refers at most one byte back, see [`DeflateConfig`].
    pub const MIN: Self = Self(8);
    /// 32 KiB: what holds where nothing is negotiated.
    pub const MAX: Self = Self(15);
    /// 4 KiB: on JSON-like text it costs a tenth more bytes than 32 KiB, and an eighth of the memory.
    pub const DEFAULT: Self = Self(12);

    /// `None` unless `bits` is between 8 and 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The value of a parameter: RFC 7692 §7.1.2.1: "a decimal integer value without leading zeroes between 8 to
    /// 15 inclusive".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [digit @ b'8'..=b'9'] => Some(Self(digit - b'0')),
            [b'1', digit @ b'0'..=b'5'] => Some(Self(10 + digit - b'0')),
            _ => None,
        }
    }

    /// The number, 8 to 15.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// The window in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << self.0
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How this end wants to use permessage-deflate. The default keeps windows of 4 KiB in both directions, where
/// negotiation allows, and context from message to message.
///
/// A window of 8 bits: the backend has no such compressor (like zlib it would take one of 9 bits without a word).
/// So with 8 bits we compress by run lengths and Huffman codes alone and never refer more than one byte back.
/// Inflating is not affected.
///
/// Danger: compressing a secret together with text that an attacker chooses tells the secret's bytes by the
/// length (the CRIME and BREACH attacks). Send such messages with
/// [`SendOptions::compress`](crate::SendOptions::compress) off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeflateConfig {
    /// The largest window of the server's compressor (RFC 7692 §7.1.2.1). A server uses at most this and says so
    /// even unasked; a client asks for it. `None`: 15, and not mentioned unless the other end does. Default 12.
    pub server_max_window_bits: Option<WindowBits>,
    /// The largest window of the client's compressor (RFC 7692 §7.1.2.2). A client uses at most this and offers
    /// it; a server asks for it if the client offers to obey. `None`: 15, and a client does not offer to be
    /// limited. Default 12.
    pub client_max_window_bits: Option<WindowBits>,
    /// The server compresses each message by itself (RFC 7692 §7.1.1.1): more bytes, and no memory between
    /// messages. Default off.
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself (RFC 7692 §7.1.1.2). Default off.
    pub client_no_context_takeover: bool,
    /// Messages below this many bytes are sent plain: they gain little. 0: every message is sent compressed, even
    /// one that grows by it. Of a message sent in fragments the first fragment decides. Default 1024.
    pub threshold: usize,
    /// 1 (fast) to 9 (small); values outside are cut to that. Default 1: on messages of 1 KiB the higher ones cost
    /// two to five times the time.
    pub level: u8,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            server_max_window_bits: Some(WindowBits::DEFAULT),
            client_max_window_bits: Some(WindowBits::DEFAULT),
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            threshold: 1024,
            level: 1,
        }
    }
}

impl DeflateConfig {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No context takeover in either direction: a connection holds nothing for compression between messages, and
    /// a broadcast is compressed once for all.
    #[must_use]
    pub fn no_context_takeover() -> Self {
        Self {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..Self::default()
        }
    }

    /// The same with another threshold.
    #[must_use]
    pub fn with_threshold(mut self, threshold: usize) -> Self {
        self.threshold = threshold;
        self
    }

    /// The same with another level.
    #[must_use]
    pub fn with_level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{DeflateConfig, WindowBits};

    #[test]
    fn defaults_are_the_documented_ones() {
        let default = DeflateConfig {
            server_max_window_bits: WindowBits::new(12),
            client_max_window_bits: WindowBits::new(12),
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            threshold: 1024,
            level: 1,
        };
        assert_eq!(DeflateConfig::new(), default);
        let forgetful = DeflateConfig {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..default
        };
        assert_eq!(DeflateConfig::no_context_takeover(), forgetful);
    }

    #[test]
    fn window_bits_are_8_to_15_and_written_without_zeroes() {
        for bits in 0..=255 {
            let expected = (8..=15).contains(&bits);
            assert_eq!(WindowBits::new(bits).is_some(), expected);
            assert_eq!(WindowBits::parse(&bits.to_string()).is_some(), expected, "{bits}");
        }
        for text in ["", "08", "015", "+9", "9 ", "8x", "1", "16", "-9", "1e1"] {
            assert_eq!(WindowBits::parse(text), None, "{text}");
        }
        assert_eq!(WindowBits::MIN.bytes(), 256);
        assert_eq!(WindowBits::MAX.bytes(), 32_768);
    }
}
