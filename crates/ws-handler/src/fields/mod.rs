//! Header fields as the handshake needs them: token lists over any number of lines, and fields that may come once.
//!
//! Here: [`Fields`], one view of heads that an HTTP library has parsed and of those that were parsed here ([`Lines`]), and
//! what is asked of it. RFC 9110 §5.3 (combined lines), §5.6.1 (lists), §5.6.2 (tokens).

mod name;

mod lines;

mod asked;

use http::header::{HeaderMap, HeaderValue, ValueIter};

pub use self::asked::HandshakeRequest;
pub(crate) use self::asked::{Asked, Judged};
pub(crate) use self::lines::Lines;
pub(crate) use self::name::Name;
use crate::steps;

/// The header fields of a head.
#[derive(Clone, Copy)]
pub(crate) enum Fields<'a> {
    /// Parsed by an HTTP library.
    Map(&'a HeaderMap),
    /// Found in the bytes of a head.
    Lines(&'a Lines, &'a [u8]),
}

impl<'a> From<&'a HeaderMap> for Fields<'a> {
    fn from(map: &'a HeaderMap) -> Self {
        Self::Map(map)
    }
}

impl<'a> Fields<'a> {
    /// The values of the lines called `name`, in order.
    pub(crate) fn all(self, name: Name) -> impl Iterator<Item = &'a [u8]> {
        match self {
            Self::Lines(lines, head) => Values::Lines(lines.all(head, name)),
            Self::Map(map) => match name.header() {
                Some(name) => Values::Map(map.get_all(name).into_iter()),
                None => Values::None,
            },
        }
    }

    /// The value of the first of these lines.
    fn first(self, name: Name) -> Option<&'a [u8]> {
        match self {
            Self::Lines(lines, head) => lines.all(head, name).next(),
            Self::Map(map) => Some(map.get(name.header()?)?.as_bytes()),
        }
    }

    /// True when there is a line of this name.
    pub(crate) fn contains(self, name: Name) -> bool {
        match self {
            Self::Lines(lines, _) => lines.contain(name),
            Self::Map(map) => name.header().is_some_and(|name| map.contains_key(name)),
        }
    }
}

/// The values of the lines of one name.
enum Values<'a> {
    Map(ValueIter<'a, HeaderValue>),
    Lines(lines::Values<'a>),
    None,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Map(values) => values.next().map(HeaderValue::as_bytes),
            Self::Lines(values) => values.next(),
            Self::None => None,
        }
    }
}

/// The members of a comma-separated list, over all lines of that name, without the whitespace around them.
///
/// Empty members are left out (RFC 9110 §5.6.1.2). One pass, no copy.
pub(crate) fn list(fields: Fields<'_>, name: Name) -> impl Iterator<Item = &[u8]> {
    let members = fields.all(name).flat_map(|line| line.split(is_comma));
    members.map(trim).filter(|member| !member.is_empty())
}

fn is_comma(byte: &u8) -> bool {
    steps::step();
    *byte == b','
}

/// True when `token` is a member of the list, compared without regard to case.
pub(crate) fn has_token(fields: Fields<'_>, name: Name, token: &str) -> bool {
    let token = token.as_bytes();
    let is_token = |member: &[u8]| member == token || member.eq_ignore_ascii_case(token);
    // Nearly every list has one member, written without more.
    fields.first(name).is_some_and(is_token) || list(fields, name).any(is_token)
}

/// A field that may come at most once.
pub(crate) enum Field<'a> {
    Missing,
    /// Its value without the whitespace around it.
    Once(&'a [u8]),
    Repeated,
}

/// Counts the lines called `name`.
pub(crate) fn field(fields: Fields<'_>, name: Name) -> Field<'_> {
    match fields {
        Fields::Lines(lines, head) => count(lines.all(head, name)),
        Fields::Map(_) => count(fields.all(name)),
    }
}

fn count<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Field<'a> {
    match (lines.next(), lines.next()) {
        (None, _) => Field::Missing,
        (Some(value), None) => Field::Once(trim(value)),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

/// The value as text, when it is ASCII.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    value
        .is_ascii()
        .then(|| std::str::from_utf8(value).ok())
        .flatten()
}

/// RFC 9110 §5.6.2: "token = 1*tchar".
pub(crate) fn is_token(text: &[u8]) -> bool {
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
    use super::*;

    /// Looks at the lines of one name, in both forms.
    fn both(lines: &[&str], name: Name, look: impl Fn(Fields<'_>)) {
        let mut map = HeaderMap::new();
        let mut found = Lines::with_capacity(lines.len());
        let mut head = Vec::new();
        for line in lines {
            let header = name.header().unwrap();
            map.append(header.clone(), HeaderValue::from_str(line).unwrap());
            let start = head.len() as u32;
            head.extend_from_slice(header.as_str().as_bytes());
            let end = head.len() as u32;
            head.extend_from_slice(line.as_bytes());
            found.push(name, start..end, end..head.len() as u32);
        }
        assert_eq!(found.len(), lines.len());
        look(Fields::Map(&map));
        look(Fields::Lines(&found, &head));
    }

    #[test]
    fn lists_run_over_lines() {
        both(&[" keep-alive\t,,", ", UPGRADE ,x"], Name::Connection, |fields| {
            assert_eq!(
                list(fields, Name::Connection).collect::<Vec<_>>(),
                [&b"keep-alive"[..], b"UPGRADE", b"x"]
            );
            assert!(has_token(fields, Name::Connection, "upgrade"));
            assert!(!has_token(fields, Name::Connection, "grade"));
            assert!(!has_token(fields, Name::Connection, "keep"));
            assert!(!has_token(fields, Name::Upgrade, "websocket"));
        });
    }

    #[test]
    fn fields_are_counted() {
        both(&[], Name::Host, |fields| {
            assert!(matches!(field(fields, Name::Host), Field::Missing));
        });
        both(&["\t a "], Name::Host, |fields| {
            assert!(matches!(field(fields, Name::Host), Field::Once(b"a")));
        });
        both(&["\t a ", "a"], Name::Host, |fields| {
            assert!(matches!(field(fields, Name::Host), Field::Repeated));
            assert!(fields.contains(Name::Host) && !fields.contains(Name::Other));
        });
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
