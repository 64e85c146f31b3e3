//! Sec-WebSocket-Key and the Sec-WebSocket-Accept that answers it.
//!
//! RFC 6455 §1.3, §4.1 items 7 and 4, §4.2.1 item 5, §4.2.2 item 5.4.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::header::HeaderValue;
use sha1_smol::Sha1;

use crate::random::Random;

/// RFC 6455 §1.3: "concatenate this with the Globally Unique Identifier … in string form".
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Looser than the RFC: bits left over in the last character may be set. RFC 4648 §3.5 leaves that to the
/// decoder, and some clients draw 24 characters instead of 16 bytes.
const KEY_DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A new key: 16 random bytes in base64 (RFC 6455 §4.1 item 7: "selected randomly for each connection").
pub(super) fn fresh_key(random: Random) -> String {
    let mut nonce = [0; 16];
    random.fill(&mut nonce);
    STANDARD.encode(nonce)
}

/// True for 16 bytes in base64 (RFC 6455 §4.2.1 item 5).
pub(super) fn is_valid_key(key: &[u8]) -> bool {
    // The length first: nothing is decoded that cannot be a key.
    let mut nonce = [0; 18];
    key.len() == 24 && KEY_DECODER.decode_slice(key, &mut nonce) == Ok(16)
}

/// The value of Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2 item 5.4).
pub(super) fn accept_for(key: &[u8]) -> String {
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(GUID);
    STANDARD.encode(digest.digest().bytes())
}

/// The same as a header value.
pub(super) fn accept_value(key: &[u8]) -> HeaderValue {
    #[expect(
        clippy::expect_used,
        reason = "base64 has only letters, digits, '+', '/' and '='"
    )]
    HeaderValue::try_from(accept_for(key)).expect("base64 is a header value")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_example_of_rfc_6455() {
        assert_eq!(
            accept_for(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
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
