//! A request head: parsed, and as it came.
//!
//! RFC 9112 §3, §5.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str;
use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, Version};

use super::parse::{Parsed, header_map, parse_request};
use super::scan::{HeadLimits, Kind, Scan};
use super::write::encode_request;
use crate::error::HeadError;
use crate::fields::{self, Asked, Fields, HandshakeRequest, Judged, Lines, Name};

/// The head of a request.
///
/// What a handshake asks of it is found without more ado; a [`Request`] with a map of all headers is made when somebody
/// asks for one.
#[derive(Clone)]
pub struct RequestHead(Box<Head>);

#[derive(Clone)]
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    /// As it came; empty when it came parsed. Then `request` is there from the beginning, and the two below are empty.
    received: Bytes,
    target: Range<usize>,
    lines: Lines,
    request: OnceLock<Box<Request<()>>>,
}

impl RequestHead {
    pub(super) fn received(parsed: Parsed, received: Bytes) -> Self {
        let Parsed {
            method,
            uri,
            version,
            target,
            lines,
        } = parsed;
        Self(Box::new(Head {
            method,
            uri,
            version,
            received,
            target,
            lines,
            request: OnceLock::new(),
        }))
    }

    /// A head that some HTTP library has parsed already.
    pub fn from_request(request: Request<()>) -> Self {
        Self(Box::new(Head {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            received: Bytes::new(),
            target: 0..0,
            lines: Lines::default(),
            request: OnceLock::from(Box::new(request)),
        }))
    }

    /// Parses a head that [`RequestHead::raw`] gave out: this is how one keeps nothing but its bytes and still has
    /// its headers when they are asked for.
    ///
    /// # Errors
    /// [`HeadError`] when the bytes are not one whole head and nothing else.
    pub fn parse(raw: &Bytes) -> Result<Self, HeadError> {
        let limits = HeadLimits {
            total: usize::MAX,
            first_line: usize::MAX,
            headers: usize::MAX,
        };
        match Scan::default().run(raw, Kind::Request, &limits)? {
            Some(found) if found.start == 0 && found.end == raw.len() => {
                Ok(Self::received(parse_request(raw, found.headers)?, raw.clone()))
            }
            _ => Err(HeadError::FirstLine),
        }
    }

    /// The method (RFC 9112 §3.1).
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The request target (RFC 9112 §3.2).
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }

    /// The request target as it came; of a head that an HTTP library has parsed, path and query.
    pub fn target(&self) -> &str {
        let received = self.0.received.get(self.0.target.clone()).unwrap_or_default();
        match str::from_utf8(received) {
            Ok(target) if !target.is_empty() => target,
            _ => self.0.uri.path_and_query().map_or("/", |target| target.as_str()),
        }
    }

    /// The header lines that mean something when the connection is open: names, as they came or in lower case when an HTTP
    /// library had parsed them, and values without the whitespace around them.
    ///
    /// Not among them are `Connection`, `Upgrade`, `Keep-Alive`, `Proxy-Connection`, `TE` and `Transfer-Encoding` (RFC 9110
    /// §7.6.1), `Sec-WebSocket-Key` and `Sec-WebSocket-Version`.
    pub fn lasting_lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let map = self.0.parsed_elsewhere().map(Request::headers);
        let parsed = map.into_iter().flat_map(|map| {
            let lines = map
                .iter()
                .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
            lines.filter(|(name, _)| !Name::of(name).is_spent())
        });
        self.0.lines.lasting(&self.0.received).chain(parsed)
    }

    /// True when the Upgrade list holds `websocket`; see [`is_upgrade_attempt`](crate::is_upgrade_attempt).
    pub fn is_upgrade_attempt(&self) -> bool {
        fields::has_token(self.0.fields(), Name::Upgrade, "websocket")
    }

    /// True when the peer offers subprotocols (RFC 6455 §1.9).
    pub fn offers_subprotocols(&self) -> bool {
        self.0.fields().contains(Name::Protocol)
    }

    /// Method, target, version and headers. Made at the first call.
    pub fn request(&self) -> &Request<()> {
        self.0.request.get_or_init(|| Box::new(self.0.request()))
    }

    /// The parsed request alone.
    pub fn into_request(self) -> Request<()> {
        let mut head = self.0;
        match head.request.take() {
            Some(request) => *request,
            None => head.request(),
        }
    }

    /// The bytes of the head in one allocation of exactly their size, which shares nothing with any read buffer:
    /// as they came, or written anew when an HTTP library had parsed them.
    pub fn raw(&self) -> Bytes {
        Bytes::from(self.bytes().into_owned().into_boxed_slice())
    }

    /// The bytes of the head, to be looked at: as they came, or written anew when an HTTP library had parsed them.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        if self.0.received.is_empty() {
            Cow::Owned(encode_request(self.request()))
        } else {
            Cow::Borrowed(&self.0.received)
        }
    }
}

impl Head {
    /// The request, if an HTTP library has parsed it.
    fn parsed_elsewhere(&self) -> Option<&Request<()>> {
        self.request
            .get()
            .map(|request| &**request)
            .filter(|_| self.received.is_empty())
    }

    fn fields(&self) -> Fields<'_> {
        match self.parsed_elsewhere() {
            Some(request) => request.headers().into(),
            None => Fields::Lines(&self.lines, &self.received),
        }
    }

    /// The request as an HTTP library has it.
    fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers();
        request
    }

    fn headers(&self) -> HeaderMap {
        #[expect(
            clippy::expect_used,
            reason = "whoever parsed the lines has seen to it that a map can hold them"
        )]
        header_map(&self.received, self.lines.iter(&self.received)).expect("the lines of a parsed head")
    }
}

impl Judged for RequestHead {
    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.0.method,
            target: &self.0.uri,
            version: self.0.version,
            fields: self.0.fields(),
        }
    }
}

impl HandshakeRequest for RequestHead {}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestHead").field(self.request()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(head: &RequestHead) -> Vec<(&[u8], &[u8])> {
        head.lasting_lines().collect()
    }

    #[test]
    fn lines_are_as_they_came_or_as_a_library_has_them() {
        let raw = Bytes::from_static(
            b"GET http://h/a?b HTTP/1.1\r\nHost: h\r\nUPGRADE: \twebsocket \r\nX-a:\r\n\r\n",
        );
        let head = RequestHead::parse(&raw).unwrap();
        assert_eq!(lines(&head), [(&b"Host"[..], &b"h"[..]), (b"X-a", b"")]);
        assert_eq!(
            (head.target(), head.method(), head.uri().path()),
            ("http://h/a?b", &Method::GET, "/a")
        );
        assert!(head.is_upgrade_attempt() && !head.offers_subprotocols());
        let before = lines(&head).len();
        let request = head.request().clone();
        assert_eq!(
            lines(&head).len(),
            before,
            "making a request of it changes nothing"
        );

        let parsed = RequestHead::from_request(request);
        assert_eq!(lines(&parsed), [(&b"host"[..], &b"h"[..]), (b"x-a", b"")]);
        assert_eq!(
            (parsed.target(), parsed.method(), parsed.uri().path()),
            ("/a?b", &Method::GET, "/a")
        );
        assert!(parsed.is_upgrade_attempt() && !parsed.offers_subprotocols());
        for head in [head, parsed] {
            assert_eq!(head.clone().into_request().headers(), head.request().headers());
            assert_eq!(head.into_request().uri(), "http://h/a?b");
        }
    }
}
