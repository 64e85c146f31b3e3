//! The grammar of a complete head.
//!
//! Where the head ends was found by `scan`, which has also seen to it that CR and LF stand only at the ends of lines. Of a
//! request the lines are classified while they are parsed, and `http` types made of them only for who asks; of a
//! response, which httparse takes apart, they are made at once. RFC 9112 §3 to §5, RFC 9110 §5.5, §5.6.2.

use std::ops::Range;
use std::str;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Uri, Version};

use super::search::{position_of, position_of_control};
use crate::error::HeadError;
use crate::fields::{Lines, Name, is_token};

/// A longer name is none to the `http` types.
const LONGEST_NAME: usize = u16::MAX as usize;

/// A parsed request head. Positions are those in its bytes.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) target: Range<usize>,
    pub(super) lines: Lines,
}

/// Parses a request head with `count` header lines.
pub(super) fn parse_request(head: &Bytes, count: usize) -> Result<Parsed, HeadError> {
    let (word, rest) = split_word(head)?;
    let method = Method::from_bytes(word).map_err(|_| HeadError::FirstLine)?;
    let (target, rest) = split_word(rest)?;
    if !is_text(target) {
        return Err(HeadError::FirstLine);
    }
    let (minor, rest) = split_version(rest)?;
    let lines = header_lines(head, head.len() - rest.len(), count)?;
    let start = word.len() + 1;
    Ok(Parsed {
        method,
        uri: uri(head, target)?,
        version: version(Some(minor))?,
        target: start..start + target.len(),
        lines,
    })
}

/// A word of the request line, and what follows the one space behind it.
fn split_word(line: &[u8]) -> Result<(&[u8], &[u8]), HeadError> {
    let end = line.iter().position(|byte| *byte <= b' ');
    match end.and_then(|end| line.split_at_checked(end)) {
        Some((word, [b' ', rest @ ..])) if !word.is_empty() => Ok((word, rest)),
        _ => Err(HeadError::FirstLine),
    }
}

/// No control characters, and UTF-8. What else has no place in a target is judged when it is taken apart.
fn is_text(target: &[u8]) -> bool {
    position_of_control(target).is_none() && (target.is_ascii() || str::from_utf8(target).is_ok())
}

/// The minor version, and what follows the end of the request line.
fn split_version(rest: &[u8]) -> Result<(u8, &[u8]), HeadError> {
    let (minor, rest) = match rest.split_first_chunk() {
        Some((b"HTTP/1.1", rest)) => (1, rest),
        Some((b"HTTP/1.0", rest)) => (0, rest),
        _ => return Err(HeadError::Version),
    };
    match rest {
        [b'\r', b'\n', rest @ ..] => Ok((minor, rest)),
        _ => Err(HeadError::Header),
    }
}

/// The header lines of a head, the first of which begins at `at`.
fn header_lines(head: &[u8], mut at: usize, count: usize) -> Result<Lines, HeadError> {
    if u32::try_from(head.len()).is_err() {
        return Err(HeadError::TooLarge);
    }
    let mut lines = Lines::with_capacity(count);
    // The empty line behind them begins with a CR, which is no name.
    while head.get(at).is_some_and(|byte| *byte != b'\r') {
        let (name, name_at, value_at, end) = header_line(head, at).ok_or(HeadError::Header)?;
        lines.push(name, place(name_at), place(value_at));
        at = end;
    }
    // A map has a size of its own that it cannot exceed, whatever the limit on lines is set to.
    if lines.len() > FEW && HeaderMap::<()>::try_with_capacity(lines.len()).is_err() {
        return Err(HeadError::TooManyHeaders);
    }
    Ok(lines)
}

/// Header lines for which every map has room.
const FEW: usize = 1000;

/// A place in a head whose length is a `u32`.
fn place(range: Range<usize>) -> Range<u32> {
    range.start as u32..range.end as u32
}

/// The name of the line that begins at `at`, where name and value stand, and where the next line begins. RFC 9110 §5.5: a
/// "field value does not include leading or trailing whitespace".
fn header_line(head: &[u8], at: usize) -> Option<(Name, Range<usize>, Range<usize>, usize)> {
    let line = head.get(at..)?;
    let length = position_of(line, b':')?;
    let (text, rest) = line.split_at_checked(length)?;
    let name = Name::of(text);
    // A name that is known is a token.
    if name == Name::Other && (text.len() > LONGEST_NAME || !is_token(text)) {
        return None;
    }
    let start = at + length + 1;
    let end = start + end_of_value(rest.get(1..)?)?;
    let value = trim(head, start..end);
    // The LF is behind the CR: so the scan has left it.
    Some((name, at..at + length, value, end + 2))
}

/// Where the CR behind a value is: all that comes before it may stand in one.
fn end_of_value(line: &[u8]) -> Option<usize> {
    let mut passed = 0;
    loop {
        let rest = line.get(passed..)?;
        let at = position_of_control(rest)?;
        match rest.get(at)? {
            b'\r' => return Some(passed + at),
            b'\t' => passed += at + 1,
            _ => return None,
        }
    }
}

/// The same without the spaces and tabs around it; what consists of them alone ends where it begins.
fn trim(head: &[u8], mut range: Range<usize>) -> Range<usize> {
    let is_space = |at: usize| matches!(head.get(at), Some(b' ' | b'\t'));
    while range.start < range.end && is_space(range.start) {
        range.start += 1;
    }
    while range.start < range.end && is_space(range.end - 1) {
        range.end -= 1;
    }
    range
}

/// Parses a response head with `count` header lines. The reason phrase is dropped.
pub(super) fn parse_response(head: &Bytes, count: usize) -> Result<Response<()>, HeadError> {
    let mut lines = vec![httparse::EMPTY_HEADER; count];
    let mut parsed = httparse::Response::new(&mut lines);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(HeadError::FirstLine),
        Err(error) => return Err(head_error(error)),
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = Response::new(());
    *response.status_mut() = status.ok_or(HeadError::FirstLine)?;
    *response.version_mut() = version(parsed.version)?;
    let lines = parsed
        .headers
        .iter()
        .map(|line| (line.name.as_bytes(), line.value));
    *response.headers_mut() = header_map(head, lines)?;
    Ok(response)
}

fn head_error(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
            HeadError::Header
        }
        httparse::Error::TooManyHeaders => HeadError::TooManyHeaders,
        httparse::Error::Version => HeadError::Version,
        httparse::Error::Status | httparse::Error::Token => HeadError::FirstLine,
    }
}

/// RFC 9112 §3.2: none of the forms of a request target has a fragment, which `Uri` would drop in silence.
fn uri(head: &Bytes, target: &[u8]) -> Result<Uri, HeadError> {
    if target.contains(&b'#') || !target.is_ascii() {
        return Err(HeadError::FirstLine);
    }
    if target == b"/" {
        // The same, and nothing is shared.
        return Ok(Uri::default());
    }
    Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| HeadError::FirstLine)
}

fn version(minor: Option<u8>) -> Result<Version, HeadError> {
    match minor {
        Some(0) => Ok(Version::HTTP_10),
        Some(1) => Ok(Version::HTTP_11),
        _ => Err(HeadError::Version),
    }
}

/// Values share the head's memory.
pub(super) fn header_map<'h>(
    head: &Bytes,
    lines: impl ExactSizeIterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<HeaderMap, HeadError> {
    // A map has a size of its own that it cannot exceed, whatever the limit on lines is set to.
    let mut map = HeaderMap::try_with_capacity(lines.len()).map_err(|_| HeadError::TooManyHeaders)?;
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name).map_err(|_| HeadError::Header)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| HeadError::Header)?;
        map.try_append(name, value)
            .map_err(|_| HeadError::TooManyHeaders)?;
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::scan::{HeadLimits, Kind, Scan};

    /// The same by httparse and the `http` types.
    fn peer(head: &Bytes, count: usize) -> Result<(Method, Uri, Version, HeaderMap), HeadError> {
        let mut lines = vec![httparse::EMPTY_HEADER; count];
        let mut parsed = httparse::Request::new(&mut lines);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(HeadError::FirstLine),
            Err(error) => return Err(head_error(error)),
        }
        let method = Method::from_bytes(parsed.method.unwrap().as_bytes());
        let lines = parsed
            .headers
            .iter()
            .map(|line| (line.name.as_bytes(), line.value));
        let headers = header_map(head, lines)?;
        Ok((
            method.map_err(|_| HeadError::FirstLine)?,
            uri(head, parsed.path.unwrap().as_bytes())?,
            version(parsed.version)?,
            headers,
        ))
    }

    fn ours(head: &Bytes, count: usize) -> Result<(Method, Uri, Version, HeaderMap), HeadError> {
        let parsed = parse_request(head, count)?;
        assert_eq!(parsed.lines.len(), count);
        let headers = header_map(head, parsed.lines.iter(head))?;
        Ok((parsed.method, parsed.uri, parsed.version, headers))
    }

    /// Compares the two on a head, if it is one to the scan.
    fn compare(text: &[u8]) -> bool {
        let Ok(Some(found)) = Scan::default().run(text, Kind::Request, &HeadLimits::default()) else {
            return false;
        };
        let head = Bytes::copy_from_slice(&text[found.start..found.end]);
        let (ours, peer) = (ours(&head, found.headers), peer(&head, found.headers));
        assert_eq!(ours, peer, "{}", text.escape_ascii());
        ours.is_ok()
    }

    const HEAD: &[u8] =
        b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Two: \t1 2\t \r\nx-two:a\tb\r\n\r\n";

    #[test]
    fn each_byte_in_each_place_is_judged_as_by_httparse() {
        let mut accepted = 0;
        for at in 0..HEAD.len() {
            for byte in 0..=u8::MAX {
                let mut text = HEAD.to_vec();
                text[at] = byte;
                accepted += usize::from(compare(&text));
                text.insert(at, HEAD[at]);
                accepted += usize::from(compare(&text));
                text.drain(at..=at + 1);
                accepted += usize::from(compare(&text));
            }
        }
        assert!(accepted > 10_000, "{accepted}");
    }

    #[test]
    fn first_lines_and_lines_are_judged_as_by_httparse() {
        let firsts = [
            "GET / HTTP/1.1",
            "GET / HTTP/1.0",
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "GET / HTTP/1.10",
            "GET / HTTP/1.1 ",
            "GET / HTTP/1",
            "GET / H",
            "GET /",
            "GET / ",
            "GET",
            "GET ",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET http://h/p?q HTTP/1.1",
            "GET http://h HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "CONNECT h:1 HTTP/1.1",
            "GET /# HTTP/1.1",
            "GET /\u{e4} HTTP/1.1",
            "GET // HTTP/1.1",
            "GET /a\tb HTTP/1.1",
            "G(T / HTTP/1.1",
            "x / HTTP/1.1",
            "GET /a|b{c} HTTP/1.1",
            "GET h HTTP/1.1",
            "GET ://h HTTP/1.1",
            "GET /\x7f HTTP/1.1",
        ];
        let lines = [
            "",
            "A: b\r\n",
            "A : b\r\n",
            "A\r\n",
            ": b\r\n",
            " A: b\r\n",
            "A: b\r\n c\r\n",
            "A:\r\n",
            "A: \t \r\n",
            "A: \t b \t c \t\r\n",
            "A: \u{e4}\r\n",
            "\u{e4}: a\r\n",
            "A: \x7f\r\n",
            "A: \x01\r\n",
            "A:b\r\nA:c\r\nHost: x\r\n",
        ];
        for first in firsts {
            for line in lines {
                compare(format!("{first}\r\n{line}\r\n").as_bytes());
            }
        }
    }

    #[test]
    fn what_an_http_library_could_not_hold_is_refused() {
        let limits = HeadLimits {
            total: usize::MAX,
            first_line: usize::MAX,
            headers: usize::MAX,
        };
        for (text, expected) in [
            (
                format!("GET / HTTP/1.1\r\n{}: b\r\n\r\n", "a".repeat(65_535)),
                None,
            ),
            (
                format!("GET / HTTP/1.1\r\n{}: b\r\n\r\n", "a".repeat(65_536)),
                Some(HeadError::Header),
            ),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(24_576)),
                None,
            ),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(24_577)),
                Some(HeadError::TooManyHeaders),
            ),
        ] {
            let found = Scan::default()
                .run(text.as_bytes(), Kind::Request, &limits)
                .unwrap()
                .unwrap();
            let head = Bytes::from(text);
            assert_eq!(ours(&head, found.headers).err(), expected);
            assert_eq!(peer(&head, found.headers).err(), expected);
        }
    }
}
