//! The path of a request, cut into decoded segments once, for routing.
//!
//! Does not match anything: that is `pattern`. The query never gets here.
//!
//! A path that two programs may read differently (a proxy or a filter in front, the plain HTTP service beside
//! us, the endpoint behind us) reaches no endpoint: it is refused, so no trick with `%2e%2e`, `//`, `;x`, `%00`
//! or `%2f` can lead a WebSocket past a rule that was written for HTTP. RFC 3986 §3.3, §6.2.2.

use std::borrow::Cow;
use std::fmt;
use std::slice;

/// Why a path is not routed. The request is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// An empty segment, as in `/a//b`.
    EmptySegment,
    /// A `.` or `..` segment, encoded or not.
    DotSegment,
    /// A `;`: path parameters, which some servers cut off and others keep.
    PathParameter,
    /// A backslash, `%5c` or `%2f`: a separator to some and data to others.
    HiddenSeparator,
    /// A control character, encoded or not.
    ControlCharacter,
    /// A `%` without two hexadecimal digits after it.
    BadEscape,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

impl PathError {
    /// One short phrase, fit for the body of the 400.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path does not begin with a slash",
            Self::EmptySegment => "empty path segment",
            Self::DotSegment => "dot segment in path",
            Self::PathParameter => "semicolon in path",
            Self::HiddenSeparator => "encoded slash or backslash in path",
            Self::ControlCharacter => "control character in path",
            Self::BadEscape => "broken percent escape in path",
            Self::NotUtf8 => "path is not UTF-8",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl std::error::Error for PathError {}

/// A request path as routes see it: segments between slashes, each percent-decoded exactly once.
///
/// `/` is one empty segment; a trailing slash is an empty last segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath<'a>(Segments<'a>);

/// The segments of a path: one, as of most paths that an endpoint has, needs no list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segments<'a> {
    One(Cow<'a, str>),
    Several(Vec<Cow<'a, str>>),
}

impl<'a> RequestPath<'a> {
    /// Cuts and decodes `raw`, the path of the request target without its query.
    ///
    /// # Errors
    /// [`PathError`] when the path may be read in more than one way.
    pub fn parse(raw: &'a str) -> Result<Self, PathError> {
        let rest = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        if !rest.contains('/') {
            return Ok(Self(Segments::One(decode_segment(rest)?)));
        }
        let mut segments = Vec::new();
        let mut pieces = rest.split('/').peekable();
        while let Some(piece) = pieces.next() {
            // Only the last one may be empty: a trailing slash, or `/` itself.
            if piece.is_empty() && pieces.peek().is_some() {
                return Err(PathError::EmptySegment);
            }
            segments.push(decode_segment(piece)?);
        }
        Ok(Self(Segments::Several(segments)))
    }

    /// The decoded segments, at least one.
    pub fn segments(&self) -> &[Cow<'a, str>] {
        match &self.0 {
            Segments::One(segment) => slice::from_ref(segment),
            Segments::Several(segments) => segments,
        }
    }

    /// Takes the segments out.
    pub(crate) fn into_segments(self) -> Vec<Cow<'a, str>> {
        match self.0 {
            Segments::One(segment) => vec![segment],
            Segments::Several(segments) => segments,
        }
    }
}

/// Decodes one segment and refuses what is ambiguous in it.
pub(super) fn decode_segment(piece: &str) -> Result<Cow<'_, str>, PathError> {
    for byte in piece.bytes() {
        match byte {
            b';' => return Err(PathError::PathParameter),
            b'\\' => return Err(PathError::HiddenSeparator),
            0..=0x1f | 0x7f => return Err(PathError::ControlCharacter),
            _ => {}
        }
    }
    let decoded = if piece.contains('%') {
        Cow::Owned(unescape(piece)?)
    } else {
        Cow::Borrowed(piece)
    };
    if decoded == "." || decoded == ".." {
        return Err(PathError::DotSegment);
    }
    Ok(decoded)
}

/// Undoes percent-encoding, once.
fn unescape(piece: &str) -> Result<String, PathError> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = rest.next().and_then(hex_digit).ok_or(PathError::BadEscape)?;
        let low = rest.next().and_then(hex_digit).ok_or(PathError::BadEscape)?;
        match high << 4 | low {
            b'/' | b'\\' => return Err(PathError::HiddenSeparator),
            0..=0x1f | 0x7f => return Err(PathError::ControlCharacter),
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).map_err(|_| PathError::NotUtf8)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(raw: &str) -> Vec<String> {
        RequestPath::parse(raw)
            .unwrap()
            .into_segments()
            .into_iter()
            .map(Cow::into_owned)
            .collect()
    }

    #[test]
    fn plain_paths_are_cut_and_decoded_once() {
        assert_eq!(segments("/"), [""]);
        assert_eq!(segments("/a/b"), ["a", "b"]);
        assert_eq!(segments("/a/"), ["a", ""]);
        assert_eq!(segments("/a%20b/%C3%A9"), ["a b", "é"]);
        // Decoded once only: `%2565` is the three characters `%65`.
        assert_eq!(segments("/%2565"), ["%65"]);
        assert_eq!(segments("/a%2eb/..."), ["a.b", "..."]);
    }

    #[test]
    fn every_ambiguous_path_is_refused() {
        for (raw, why) in [
            ("a", PathError::NotAbsolute),
            ("", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("//", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("//a", PathError::EmptySegment),
            ("/.", PathError::DotSegment),
            ("/a/..", PathError::DotSegment),
            ("/a/../b", PathError::DotSegment),
            ("/%2e%2e/b", PathError::DotSegment),
            ("/%2E/b", PathError::DotSegment),
            ("/.%2e", PathError::DotSegment),
            ("/a;x/b", PathError::PathParameter),
            ("/..;/b", PathError::PathParameter),
            ("/a%2fb", PathError::HiddenSeparator),
            ("/a%2Fb", PathError::HiddenSeparator),
            ("/a%5cb", PathError::HiddenSeparator),
            ("/a\\b", PathError::HiddenSeparator),
            ("/a%00", PathError::ControlCharacter),
            ("/a%0d%0a", PathError::ControlCharacter),
            ("/a\u{7f}", PathError::ControlCharacter),
            ("/a%", PathError::BadEscape),
            ("/a%4", PathError::BadEscape),
            ("/a%zz", PathError::BadEscape),
            ("/a%+4", PathError::BadEscape),
            ("/%ff", PathError::NotUtf8),
            ("/%c3", PathError::NotUtf8),
        ] {
            assert_eq!(RequestPath::parse(raw), Err(why), "{raw:?}");
        }
    }
}
