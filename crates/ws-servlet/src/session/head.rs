//! What a session keeps of its request, read on demand: target, header lines, and the subprotocol that was chosen.
//!
//! The request was parsed and judged before the upgrade, so nothing here decides anything. RFC 9112 §2.1, §3, §5.

use std::str;

use ws_handler::RequestHead;

/// The rest of a request head in one allocation of exactly its size: the target, one line per field without the white
/// space around its value, an empty line, the subprotocol. Lines end with LF.
///
/// Method and version are those of every upgrade.
pub(crate) struct Head(Box<[u8]>);

impl Head {
    /// Keeps what outlives the handshake of a request.
    pub(crate) fn new(request: &RequestHead, subprotocol: Option<&str>) -> Self {
        let target = request.target().as_bytes();
        let chosen = subprotocol.unwrap_or_default().as_bytes();
        let lines: usize = request
            .lasting_lines()
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        let mut head = Vec::with_capacity(target.len() + lines + chosen.len() + 2);
        head.extend_from_slice(target);
        head.push(b'\n');
        request.lasting_lines().for_each(|(name, value)| {
            head.extend_from_slice(name);
            head.push(b':');
            head.extend_from_slice(value);
            head.push(b'\n');
        });
        head.push(b'\n');
        head.extend_from_slice(chosen);
        // As long as it was made, so nothing is copied.
        Self(head.into_boxed_slice())
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

/// Name and value of a header line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(raw: &str, subprotocol: Option<&str>) -> Head {
        Head::new(&RequestHead::parse(&raw.to_owned().into()).unwrap(), subprotocol)
    }

    fn headers(head: &Head) -> Vec<(&str, &[u8])> {
        head.headers().collect()
    }

    #[test]
    fn reads_target_and_headers_on_demand() {
        let head = head(
            "GET /a/b%20c?x=1?&y HTTP/1.1\r\nHost: h\r\nX-A:1\r\nx-a: \t2 \r\nEmpty:\r\n\r\n",
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
        let head = head(
            "GET /?q HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nCOOKIE: a=b: c\r\n\
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
            let head = head(&format!("GET {target} HTTP/1.1\r\n\r\n"), None);
            assert_eq!((head.path(), head.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn what_an_http_library_has_parsed_is_kept_alike() {
        let request = http::Request::get("http://h/p?q")
            .header("X-A", "1")
            .header("Upgrade", "websocket")
            .body(());
        let head = Head::new(&RequestHead::from_request(request.unwrap()), Some("a"));
        assert_eq!(headers(&head), [("x-a", &b"1"[..])]);
        assert_eq!(
            (head.path(), head.query(), head.subprotocol()),
            ("/p", Some("q"), Some("a"))
        );
    }
}
