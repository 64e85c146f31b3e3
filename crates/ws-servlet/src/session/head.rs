//! What a session keeps of its request, read on demand: target, header lines, and the subprotocol that was chosen.
//!
//! The request was parsed and judged before the upgrade, so nothing here decides anything. RFC 9112 §2.1, §3, §5.

use std::{iter, str};

/// Fields that have done their work when the 101 is sent. Those of the connection, which are about the hop and not about
/// the request (RFC 9110 §7.6.1), and the two of the handshake that say the same in every session or nothing.
///
/// Fields that the peer itself lists in Connection are kept: we are no intermediary, and a peer could hide with it what
/// a proxy in between has added.
const SPENT: [&[u8]; 8] = [
    b"connection",
    b"upgrade",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
];

/// The rest of a request head in one allocation of exactly its size: the target, one line per field without the white
/// space around its value, an empty line, the subprotocol. Lines end with LF.
///
/// Method and version are those of every upgrade.
pub(crate) struct Head(Box<[u8]>);

impl Head {
    /// Keeps what outlives the handshake of the head `raw`.
    pub(crate) fn new(raw: &[u8], subprotocol: Option<&str>) -> Self {
        let mut lines = lines(raw);
        let mut kept = Vec::with_capacity(raw.len());
        kept.extend_from_slice(target(lines.next().unwrap_or_default()));
        kept.push(b'\n');
        for line in lines {
            if let Some((name, value)) = field(line).filter(|(name, _)| !is_spent(name)) {
                kept.extend_from_slice(name);
                kept.push(b':');
                kept.extend_from_slice(value);
                kept.push(b'\n');
            }
        }
        kept.push(b'\n');
        kept.extend_from_slice(subprotocol.unwrap_or_default().as_bytes());
        Self(kept.as_slice().into())
    }

    /// The path of the request target, still percent-encoded.
    pub(crate) fn path(&self) -> &str {
        let target = self.target();
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        // RFC 9112 §3.2.1: "If the target URI's path component is empty, the client MUST send "/"".
        if path.is_empty() { "/" } else { path }
    }

    /// What follows the `?` of the request target, still percent-encoded.
    pub(crate) fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The header lines in order, values without the white space around them.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = field(line)?;
                Some((str::from_utf8(name).ok()?, value))
            })
    }

    /// The subprotocol that was chosen; its name is never empty (RFC 6455 §4.1 item 10).
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        let name = self.lines().skip_while(|line| !line.is_empty()).nth(1)?;
        str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// The request target from its path on. Of the absolute form (`http://host/path`) the front is left out.
    fn target(&self) -> &str {
        let target = self.lines().next().unwrap_or_default();
        let target = str::from_utf8(target).unwrap_or_default();
        match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest
                .find(['/', '?'])
                .and_then(|start| rest.get(start..))
                .unwrap_or("/"),
            _ => target,
        }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'\n')
    }
}

/// The lines of a head up to the empty one, without their ends.
fn lines(mut raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    // RFC 9112 §2.2: empty lines in front of the request line are passed over.
    while let [b'\r' | b'\n', rest @ ..] = raw {
        raw = rest;
    }
    iter::from_fn(move || {
        let end = raw.iter().position(|byte| *byte == b'\n');
        let (line, rest) = raw.split_at_checked(end?)?;
        raw = rest.get(1..)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.is_empty()).then_some(line)
    })
}

fn is_spent(name: &[u8]) -> bool {
    SPENT.iter().any(|spent| name.eq_ignore_ascii_case(spent))
}

/// The target of a request line.
fn target(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

/// Name and value of a header line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(head: &Head) -> Vec<(&str, &[u8])> {
        head.headers().collect()
    }

    #[test]
    fn reads_target_and_headers_on_demand() {
        let head = Head::new(
            b"\r\nGET /a/b%20c?x=1?&y HTTP/1.1\r\nHost: h\r\nX-A:1\r\nx-a: \t2 \r\nEmpty:\r\n\r\nrest",
            None,
        );
        assert_eq!(head.path(), "/a/b%20c");
        assert_eq!(head.query(), Some("x=1?&y"));
        assert_eq!(
            headers(&head),
            [("Host", &b"h"[..]), ("X-A", b"1"), ("x-a", b"2"), ("Empty", b"")]
        );
        assert_eq!(head.subprotocol(), None);
    }

    #[test]
    fn what_is_spent_after_the_handshake_is_not_kept() {
        let head = Head::new(
            b"GET /?q HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nCOOKIE: a=b: c\r\n\
              Connection: keep-alive, Upgrade, Cookie\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: trailers\r\n\
              Transfer-Encoding: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\
              Sec-WebSocket-Protocol: b, a\r\nSec-WebSocket-Extensions: x\r\nOrigin: o\r\n\r\n",
            Some("a"),
        );
        assert_eq!(
            headers(&head),
            [
                ("Host", &b"h"[..]),
                ("COOKIE", b"a=b: c"),
                ("Sec-WebSocket-Protocol", b"b, a"),
                ("Sec-WebSocket-Extensions", b"x"),
                ("Origin", b"o")
            ]
        );
        assert_eq!(
            (head.path(), head.query(), head.subprotocol()),
            ("/", Some("q"), Some("a"))
        );
        let exact = "/?q\nHost:h\nCOOKIE:a=b: c\nSec-WebSocket-Protocol:b, a\nSec-WebSocket-Extensions:x\nOrigin:o\n\na";
        assert_eq!(head.0.len(), exact.len());
    }

    #[test]
    fn knows_every_form_of_target() {
        for (target, path, query) in [
            ("/", "/", None),
            ("/?", "/", Some("")),
            ("http://h:1/p?q", "/p", Some("q")),
            ("http://h", "/", None),
            ("ws://h?q", "/", Some("q")),
            ("/a://b", "/a://b", None),
        ] {
            let head = Head::new(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes(), None);
            assert_eq!((head.path(), head.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn bytes_that_are_no_head_give_nothing() {
        for raw in [&b""[..], b"\r\n\r\n", b"\xff\xff \xff\n:x\n"] {
            let head = Head::new(raw, None);
            assert_eq!((head.path(), head.query(), head.subprotocol()), ("/", None, None));
        }
    }
}
