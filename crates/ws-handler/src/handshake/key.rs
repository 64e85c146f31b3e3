//! Sec-WebSocket-Key and the Sec-WebSocket-Accept that answers it.
//!
//! RFC 6455 §1.3, §4.1 items 7 and 4, §4.2.1 item 5, §4.2.2 item 5.4.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;
use sha1_smol::Sha1;

use crate::random::Random;

/// RFC 6455 §1.3: "concatenate this with the Globally Unique Identifier … in string form".
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A new key: 16 random bytes in base64 (RFC 6455 §4.1 item 7: "selected randomly for each connection").
pub(super) fn fresh_key(random: Random) -> String {
    let mut nonce = [0; 16];
    random.fill(&mut nonce);
    STANDARD.encode(nonce)
}

/// True for 16 bytes in base64 (RFC 6455 §4.2.1 item 5): 22 characters that carry them, and two that fill up.
///
/// Looser than the RFC: bits left over in the last character may be set. RFC 4648 §3.5 leaves that to the
/// decoder, and some clients draw 24 characters instead of 16 bytes.
pub(super) fn is_valid_key(key: &[u8]) -> bool {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.split_last_chunk() {
        Some((carrying, b"==")) => carrying.len() == 22 && carrying.iter().all(in_alphabet),
        _ => false,
    }
}

/// The value of Sec-WebSocket-Accept (RFC 6455 §4.2.2 item 5.4): a digest of 20 bytes in base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Accept([u8; 28]);

impl Accept {
    /// The answer to a key.
    pub(super) fn of_key(key: &[u8]) -> Self {
        let mut digest = Sha1::new();
        digest.update(key);
        digest.update(GUID);
        let mut accept = [0; 28];
        // 20 bytes are 28 characters, the last of which fills up.
        let written = STANDARD.encode_slice(digest.digest().bytes(), &mut accept);
        debug_assert_eq!(written, Ok(accept.len()));
        Self(accept)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as a header value.
    pub(super) fn to_value(self) -> HeaderValue {
        #[expect(
            clippy::expect_used,
            reason = "base64 has only letters, digits, '+', '/' and '='"
        )]
        HeaderValue::from_bytes(&self.0).expect("base64 is a header value")
    }
}

impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accept")
            .field(&self.0.escape_ascii().to_string())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_example_of_rfc_6455() {
        let accept = Accept::of_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept.as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept.to_value(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_valid_and_fresh() {
        let random = Random::new().unwrap();
        let keys: HashSet<_> = (0..100).map(|_| fresh_key(random)).collect();
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| is_valid_key(key.as_bytes())));
    }

    #[test]
    fn only_sixteen_bytes_in_base64_are_a_key() {
        assert!(is_valid_key(b"AAAAAAAAAAAAAAAAAAAAAA=="));
        assert!(
            is_valid_key(b"dGhlIHNhbXBsZSBub25jZR=="),
            "left-over bits are let pass"
        );
        let wrong: [&[u8]; 10] = [
            b"",
            b"AAAAAAAAAAAAAAAAAAAA",
            b"AAAAAAAAAAAAAAAAAAAAA===",
            b"AAAAAAAAAAAAAAAAAAAAAAA=",
            b"AAAAAAAAAAAAAAAAAAAAAAAA",
            b"AAAAAAAAAAAAAAAAAAAAAA",
            b"AAAAAAAAAAAAAAAAAAAAAA== ",
            b"AAAAAAAAAAAAAAAAAAAA!A==",
            b"AAAAAAAAAAAAAAAAAAAA_-==",
            b"not base64 at all, but l",
        ];
        for key in wrong {
            assert!(!is_valid_key(key), "{}", key.escape_ascii());
        }
    }
}
