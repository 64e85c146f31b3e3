//! The request head of a session, kept as the bytes it came in and read on demand.
//!
//! It was parsed and judged before the upgrade, so nothing here decides anything. RFC 9112 §2.1, §3, §5.

/// A request head in one allocation of exactly its size.
pub(crate) struct Head(Box<[u8]>);

impl Head {
    pub(crate) fn new(raw: &[u8]) -> Self {
        Self(raw.into())
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
        self.lines().skip(1).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let name = std::str::from_utf8(name).ok()?;
            Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
        })
    }

    /// The request target from its path on. Of the absolute form (`http://host/path`) the front is left out.
    fn target(&self) -> &str {
        let line = self.lines().next().unwrap_or_default();
        let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let target = std::str::from_utf8(target).unwrap_or_default();
        match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest
                .find(['/', '?'])
                .and_then(|start| rest.get(start..))
                .unwrap_or("/"),
            _ => target,
        }
    }

    /// The lines up to the empty one, without their ends.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            // RFC 9112 §2.2: empty lines in front of the request line are passed over.
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_target_and_headers_on_demand() {
        let head = Head::new(
            b"\r\nGET /a/b%20c?x=1?&y HTTP/1.1\r\nHost: h\r\nX-A:1\r\nx-a: \t2 \r\nEmpty:\r\n\r\nrest",
        );
        assert_eq!(head.path(), "/a/b%20c");
        assert_eq!(head.query(), Some("x=1?&y"));
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(
            headers,
            [("Host", &b"h"[..]), ("X-A", b"1"), ("x-a", b"2"), ("Empty", b"")]
        );
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
            let head = Head::new(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
            assert_eq!((head.path(), head.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn bytes_that_are_no_head_give_nothing() {
        for raw in [&b""[..], b"\r\n\r\n", b"\xff\xff \xff\n:x\n"] {
            let head = Head::new(raw);
            assert_eq!((head.path(), head.query()), ("/", None));
        }
    }
}
