//! WebSocket URLs: `ws` and `wss`, their defaults, and what a request needs of them.
//!
//! Resolving and dialling are the client's. RFC 6455 §3, RFC 3986, RFC 7617 §2.

mod authority;

pub(crate) use authority::{Authority, default_port};

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;

use crate::error::UrlError;

/// A `ws` or `wss` URL, checked and taken apart (RFC 6455 §3).
///
/// `Display` leaves out user information, so that no password reaches a log by accident.
///
/// ```
/// let url: ws_handler::WebSocketUrl = "ws://[::1]:9001/chat?room=7".parse()?;
/// assert_eq!((url.host(), url.port(), url.resource()), ("::1", 9001, "/chat?room=7"));
/// # Ok::<(), ws_handler::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketUrl {
    secure: bool,
    authority: Authority,
    resource: String,
    authorization: Option<HeaderValue>,
}

impl WebSocketUrl {
    /// True for `wss`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host as a resolver wants it, in lower case: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        self.authority.bare_host()
    }

    /// The port: 80 for `ws` and 443 for `wss` unless the URL says otherwise.
    pub fn port(&self) -> u16 {
        self.authority
            .port()
            .unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Path and query as the request line has them, never empty (RFC 6455 §3, "resource-name").
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The value of Host: brackets around an IPv6 address, the port only when it is not the default.
    /// RFC 6455 §4.1 item 4: "plus optionally ":" followed by /port/ (when not using the default port)".
    pub fn host_header(&self) -> String {
        let default = if self.secure { 443 } else { 80 };
        match self.authority.port() {
            Some(port) if port != default => format!("{}:{port}", self.authority.host()),
            _ => self.authority.host().to_owned(),
        }
    }

    /// The value of Authorization that the URL's user information stands for, if it has any (RFC 7617 §2).
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl fmt::Display for WebSocketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            if self.secure { "wss" } else { "ws" },
            self.host_header(),
            self.resource
        )
    }
}

impl fmt::Debug for WebSocketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocketUrl({self})")
    }
}

impl FromStr for WebSocketUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        // RFC 6455 §3: "The scheme component … MUST be compared case-insensitively" through RFC 3986 §3.1.
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        Ok(Self {
            secure,
            authority: parse_authority(authority)?,
            resource: parse_resource(resource)?,
            authorization: userinfo.map(basic_authorization).transpose()?,
        })
    }
}

fn parse_authority(text: &str) -> Result<Authority, UrlError> {
    let authority = Authority::parse(text).ok_or_else(|| {
        // Told apart for the reader only: without its last colon a text with a bad port is a good host.
        match text.rsplit_once(':') {
            Some((host, _)) if Authority::parse(host).is_some_and(|host| host.port().is_none()) => {
                UrlError::Port
            }
            _ => UrlError::Host,
        }
    })?;
    if authority.port() == Some(0) {
        Err(UrlError::Port)
    } else {
        Ok(authority)
    }
}

/// RFC 6455 §3: "/" when the path is empty, "?" and the query when there is one.
fn parse_resource(text: &str) -> Result<String, UrlError> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => {
                let mut is_hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                is_hex() && is_hex()
            }
            _ => is_path_byte(byte),
        };
        if !valid {
            return Err(UrlError::Path);
        }
    }
    Ok(if text.starts_with('/') {
        text.to_owned()
    } else {
        format!("/{text}")
    })
}

/// What a path or query holds unencoded (RFC 3986 §3.3, §3.4). Looser than the RFC: `[`, `]`, `|`, `^`, `` ` ``,
/// `{` and `}` pass as they do in browsers; no server confuses them with anything.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'%' | b'"' | b'<' | b'>' | b'\\')
}

fn basic_authorization(userinfo: &str) -> Result<HeaderValue, UrlError> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (user, password) = (percent_decode(user)?, percent_decode(password)?);
    // RFC 7617 §2: "a user-id containing a colon character is invalid"; both "MUST NOT contain any control
    // characters".
    if user.contains(&b':') || user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(UrlError::Userinfo);
    }
    let credentials = STANDARD.encode([&user[..], b":", &password[..]].concat());
    let mut value = HeaderValue::try_from(format!("Basic {credentials}")).map_err(|_| UrlError::Userinfo)?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decode(text: &str) -> Result<Vec<u8>, UrlError> {
    let hex = |digit: Option<u8>| {
        digit
            .and_then(|digit| char::from(digit).to_digit(16))
            .ok_or(UrlError::Userinfo)
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let value = hex(bytes.next())? * 16 + hex(bytes.next())?;
                decoded.push(u8::try_from(value).map_err(|_| UrlError::Userinfo)?);
            }
            b'@' | b'[' | b']' => return Err(UrlError::Userinfo),
            _ if byte.is_ascii_graphic() => decoded.push(byte),
            _ => return Err(UrlError::Userinfo),
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        // url, secure, host, port, Host header, resource
        let table = [
            ("ws://example.com", false, "example.com", 80, "example.com", "/"),
            (
                "WS://Example.COM:80/",
                false,
                "example.com",
                80,
                "example.com",
                "/",
            ),
            ("ws://example.com:", false, "example.com", 80, "example.com", "/"),
            (
                "wss://example.com:443/a",
                true,
                "example.com",
                443,
                "example.com",
                "/a",
            ),
            (
                "wss://example.com:80/a?b=c/d?e",
                true,
                "example.com",
                80,
                "example.com:80",
                "/a?b=c/d?e",
            ),
            (
                "ws://example.com?q",
                false,
                "example.com",
                80,
                "example.com",
                "/?q",
            ),
            (
                "ws://127.0.0.1:9001/%7Ea%2F",
                false,
                "127.0.0.1",
                9001,
                "127.0.0.1:9001",
                "/%7Ea%2F",
            ),
            ("ws://[::1]/x", false, "::1", 80, "[::1]", "/x"),
            (
                "ws://[FE80::1]:8080",
                false,
                "fe80::1",
                8080,
                "[fe80::1]:8080",
                "/",
            ),
            ("ws://u:p@host:1/x@y:z", false, "host", 1, "host:1", "/x@y:z"),
            (
                "ws://under_score.internal/",
                false,
                "under_score.internal",
                80,
                "under_score.internal",
                "/",
            ),
        ];
        for (text, secure, host, port, header, resource) in table {
            let url: WebSocketUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.is_secure(), secure, "{text}");
            assert_eq!(url.host(), host, "{text}");
            assert_eq!(url.port(), port, "{text}");
            assert_eq!(url.host_header(), header, "{text}");
            assert_eq!(url.resource(), resource, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_websocket_url() {
        let table = [
            ("", UrlError::Scheme),
            ("example.com", UrlError::Scheme),
            ("http://example.com/", UrlError::Scheme),
            ("ws:/example.com/", UrlError::Scheme),
            (" ws://example.com/", UrlError::Scheme),
            ("ws://example.com/#top", UrlError::Fragment),
            ("ws://example.com#", UrlError::Fragment),
            ("ws://", UrlError::Host),
            ("ws:///path", UrlError::Host),
            ("ws://:80/", UrlError::Host),
            ("ws://user@/", UrlError::Host),
            ("ws://ex ample.com/", UrlError::Host),
            ("ws://ex%20ample.com/", UrlError::Host),
            ("ws://exämple.com/", UrlError::Host),
            ("ws://a\\b/", UrlError::Host),
            ("ws://[::1/", UrlError::Host),
            ("ws://[::g]/", UrlError::Host),
            ("ws://[127.0.0.1]/", UrlError::Host),
            ("ws://::1/", UrlError::Host),
            ("ws://host:65536/", UrlError::Port),
            ("ws://host:0/", UrlError::Port),
            ("ws://host:+80/", UrlError::Port),
            ("ws://host:8x/", UrlError::Port),
            ("ws://host/a b", UrlError::Path),
            ("ws://host/a\r\nX: y", UrlError::Path),
            ("ws://host/%", UrlError::Path),
            ("ws://host/%2", UrlError::Path),
            ("ws://host/%2g", UrlError::Path),
            ("ws://host/%+1", UrlError::Path),
            ("ws://host/ä", UrlError::Path),
            ("ws://a%3Ab:c@host/", UrlError::Userinfo),
            ("ws://a%0A:c@host/", UrlError::Userinfo),
            ("ws://a@b@host/", UrlError::Userinfo),
            ("ws://%zz@host/", UrlError::Userinfo),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<WebSocketUrl>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn user_information_becomes_basic_authentication_and_is_never_shown() {
        let url: WebSocketUrl = "ws://Aladdin:open%20sesame@host/".parse().unwrap();
        // The example of RFC 7617 §2.
        assert_eq!(url.authorization().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(url.authorization().unwrap().is_sensitive());
        assert_eq!(format!("{url} {url:?}"), "ws://host/ WebSocketUrl(ws://host/)");
        let url: WebSocketUrl = "ws://user@host/".parse().unwrap();
        assert_eq!(url.authorization().unwrap(), "Basic dXNlcjo=");
        assert_eq!(
            "ws://host/".parse::<WebSocketUrl>().unwrap().authorization(),
            None
        );
    }
}
