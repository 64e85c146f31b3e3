//! Header fields as the handshake needs them: token lists over any number of lines, and fields that may come once.
//!
//! RFC 9110 §5.3 (combined lines), §5.6.1 (lists), §5.6.2 (tokens).

use http::header::{AsHeaderName, HeaderMap, HeaderValue};

use crate::steps;

/// The members of a comma-separated list, over all lines of that name, without the whitespace around them.
///
/// Empty members are left out (RFC 9110 §5.6.1.2). One pass, no copy.
pub(super) fn list(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(is_comma));
    members.map(trim).filter(|member| !member.is_empty())
}

fn is_comma(byte: &u8) -> bool {
    steps::step();
    *byte == b','
}

/// True when `token` is a member of the list, compared without regard to case.
pub(super) fn has_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    list(headers, name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// A field that may come at most once.
pub(super) enum Field<'a> {
    Missing,
    /// Its value without the whitespace around it.
    Once(&'a [u8]),
    Repeated,
}

/// Counts the lines called `name`.
pub(super) fn field(headers: &HeaderMap, name: impl AsHeaderName) -> Field<'_> {
    let mut lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (None, _) => Field::Missing,
        (Some(value), None) => Field::Once(trim(value)),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

/// The value as text, when it is ASCII.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    value
        .is_ascii()
        .then(|| std::str::from_utf8(value).ok())
        .flatten()
}

/// RFC 9110 §5.6.2: "token = 1*tchar".
pub(super) fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| {
        steps::step();
        byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
    };
    !text.is_empty() && text.iter().all(is_tchar)
}

/// Optional whitespace is spaces and tabs only (RFC 9110 §5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        steps::step();
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use http::header::{CONNECTION, HOST, UPGRADE};

    use super::*;

    #[test]
    fn lists_run_over_lines() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static(" keep-alive\t,,"));
        headers.append(CONNECTION, HeaderValue::from_static(", UPGRADE ,x"));
        assert_eq!(
            list(&headers, CONNECTION).collect::<Vec<_>>(),
            [&b"keep-alive"[..], b"UPGRADE", b"x"]
        );
        assert!(has_token(&headers, CONNECTION, "upgrade"));
        assert!(!has_token(&headers, CONNECTION, "grade"));
        assert!(!has_token(&headers, CONNECTION, "keep"));
        assert!(!has_token(&headers, UPGRADE, "websocket"));
    }

    #[test]
    fn fields_are_counted() {
        let mut headers = HeaderMap::new();
        assert!(matches!(field(&headers, HOST), Field::Missing));
        headers.append(HOST, HeaderValue::from_static("\t a "));
        assert!(matches!(field(&headers, HOST), Field::Once(b"a")));
        headers.append(HOST, HeaderValue::from_static("a"));
        assert!(matches!(field(&headers, HOST), Field::Repeated));
    }

    #[test]
    fn tokens() {
        assert!(is_token(b"chat.v1+json"));
        for wrong in [
            &b""[..],
            b"a b",
            b"a/b",
            b"a=b",
            b"\"a\"",
            b"\xc3\xa4",
            b"a\0",
            b"(a)",
        ] {
            assert!(!is_token(wrong));
        }
    }
}
