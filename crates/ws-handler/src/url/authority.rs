//! `host [":" port]`, as it stands in URLs, in Host and in Origin.
//!
//! User information is not part of it here. RFC 3986 §3.2.2, §3.2.3, RFC 9110 §7.2.

use std::net::Ipv6Addr;

/// A host in lower case and a port where one is given. Two of them are equal when they mean the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// With brackets around an IPv6 address.
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// Reads `host [":" port]`; `None` for anything else. An empty port counts as none (RFC 3986 §3.2.3).
    ///
    /// Stricter than the RFC: no percent-encoding, no sub-delims and no zone in a host. No resolver knows such
    /// names, and proxies disagree about them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = split(text)?;
        let host = match host {
            Host::Address(address) => format!("[{address}]"),
            Host::Name(name) => name.to_ascii_lowercase(),
        };
        Some(Self { host, port })
    }

    /// True for a text that [`parse`](Self::parse) reads.
    pub(crate) fn is_valid(text: &str) -> bool {
        split(text).is_some()
    }

    /// The host with brackets around an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The host without brackets.
    pub(crate) fn bare_host(&self) -> &str {
        self.host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&self.host)
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }
}

/// A host as it is written.
enum Host<'a> {
    Address(Ipv6Addr),
    Name(&'a str),
}

/// Host and port of a text.
fn split(text: &str) -> Option<(Host<'_>, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        return Some((Host::Address(address.parse().ok()?), parse_port(rest)?));
    }
    let colon = text.bytes().position(|byte| byte == b':');
    let (host, port) = text.split_at(colon.unwrap_or(text.len()));
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if host.is_empty() || !host.bytes().all(valid) {
        return None;
    }
    Some((Host::Name(host), parse_port(port)?))
}

/// Reads what follows a host: nothing, or a colon and up to five digits.
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.strip_prefix(':')?;
    if digits.is_empty() {
        return Some(None);
    }
    let port = digits.bytes().try_fold(0_u16, |port, digit| {
        let value = u16::from(digit.checked_sub(b'0').filter(|value| *value < 10)?);
        port.checked_mul(10)?.checked_add(value)
    });
    port.map(Some)
}

/// The port that a scheme means when none is written.
pub(crate) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_and_ports() {
        let parts = |text| {
            let found = Authority::parse(text);
            assert_eq!(Authority::is_valid(text), found.is_some());
            found.map(|found| (found.host().to_owned(), found.port()))
        };
        assert_eq!(parts("Host"), Some(("host".to_owned(), None)));
        assert_eq!(parts("host:"), Some(("host".to_owned(), None)));
        assert_eq!(parts("host:8080"), Some(("host".to_owned(), Some(8080))));
        assert_eq!(parts("host:065535"), Some(("host".to_owned(), Some(65_535))));
        assert_eq!(parts("[0:0::1]:1"), Some(("[::1]".to_owned(), Some(1))));
        for wrong in [
            "", ":80", "a b", "a/b", "a@b", "a:b", "a:1:2", "::1", "[::1]x", "[::1", "a:99999", "a:65536",
            "a:+1", "a:1x", "a,b", "a\0",
        ] {
            assert_eq!(parts(wrong), None, "{wrong:?}");
        }
    }
}
