//! Why a server refuses an upgrade, and the response that says so.
//!
//! The checks themselves are in `handshake/`. RFC 6455 §4.2, RFC 9110 §7.8, §15.5.

use std::fmt;

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode};
use ws_proto::ExtensionSyntaxError;

/// Why an upgrade is refused: one variant per demand that was not met.
///
/// [`HandshakeError::response`] is the one place where a refusal becomes an HTTP answer. Its `Display` is the
/// one line of text that the peer gets to read; it never repeats what the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// No `websocket` in the Upgrade list of a request to a place that speaks only WebSocket: 426.
    UpgradeRequired,
    /// The method is not GET (RFC 6455 §4.2.1 item 1): 405 with `Allow: GET`.
    Method,
    /// The request is not HTTP/1.1 (RFC 6455 §4.2.1 item 1): 400.
    HttpVersion,
    /// The request target is neither a path nor an `http`, `https`, `ws` or `wss` URI (RFC 6455 §4.2.1 item 1): 400.
    RequestTarget,
    /// No Host (RFC 6455 §4.2.1 item 2): 400.
    HostMissing,
    /// More than one Host (RFC 9112 §3.2): 400.
    HostRepeated,
    /// A Host that is no `host [":" port]` (RFC 9112 §3.2): 400.
    HostInvalid,
    /// No `upgrade` token in Connection (RFC 6455 §4.2.1 item 4): 400.
    ConnectionLacksUpgrade,
    /// No Sec-WebSocket-Version (RFC 6455 §4.2.1 item 6): 426, naming the version spoken here.
    VersionMissing,
    /// More than one Sec-WebSocket-Version (RFC 6455 §11.3.5): 400, naming the version spoken here.
    VersionRepeated,
    /// Another version than 13 (RFC 6455 §4.2.2 item 4): 426, naming the version spoken here.
    VersionUnsupported,
    /// No Sec-WebSocket-Key (RFC 6455 §4.2.1 item 5): 400.
    KeyMissing,
    /// More than one Sec-WebSocket-Key (RFC 6455 §11.3.1): 400.
    KeyRepeated,
    /// A Sec-WebSocket-Key that is not 16 bytes in base64 (RFC 6455 §4.2.1 item 5): 400.
    KeyInvalid,
    /// The request announces a body: 400.
    Body,
    /// Sec-WebSocket-Protocol is no list of different tokens (RFC 6455 §4.1 item 10): 400.
    SubprotocolSyntax,
    /// None of the offered subprotocols is spoken here, where one is required: 400.
    SubprotocolRequired,
    /// The application chose a subprotocol that was not offered (RFC 6455 §4.2.2 item 5): 500.
    SubprotocolNotOffered,
    /// Sec-WebSocket-Extensions does not conform to its grammar (RFC 6455 §9.1): 400.
    ExtensionSyntax(ExtensionSyntaxError),
    /// The Origin is not allowed, or is no origin (RFC 6455 §4.2.2 item 4, §10.2): 403.
    Origin,
    /// Nothing here wants this connection: 503.
    NoEndpoint,
    /// The server is stopping: 503 with `Retry-After`.
    Stopping,
    /// The server has as many connections as it may have: 503 with `Retry-After`.
    TooManyConnections,
}

impl HandshakeError {
    /// The HTTP status of the refusal.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UpgradeRequired | Self::VersionMissing | Self::VersionUnsupported => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::SubprotocolNotOffered => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoEndpoint | Self::Stopping | Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::HttpVersion
            | Self::RequestTarget
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ConnectionLacksUpgrade
            | Self::VersionRepeated
            | Self::KeyMissing
            | Self::KeyRepeated
            | Self::KeyInvalid
            | Self::Body
            | Self::SubprotocolSyntax
            | Self::SubprotocolRequired
            | Self::ExtensionSyntax(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The whole refusal: status, headers and one line of text.
    ///
    /// It always says `close` in Connection: whatever the peer sends after a refused upgrade must never be
    /// read as a request, since a proxy between may take the connection for a tunnel already.
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        self.add_headers(headers);
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response"; §7.8: and
            // "MUST also send an "Upgrade" connection option".
            Self::UpgradeRequired | Self::VersionMissing | Self::VersionUnsupported => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade, close"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            // RFC 6455 §4.2.2 item 4: an error "and a |Sec-WebSocket-Version| header field indicating the
            // version(s) the server is capable of understanding".
            Self::VersionRepeated => {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Stopping | Self::TooManyConnections => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UpgradeRequired => "This place speaks WebSocket only: upgrade to websocket.",
            Self::Method => "A WebSocket upgrade is a GET request.",
            Self::HttpVersion => "A WebSocket upgrade needs HTTP/1.1.",
            Self::RequestTarget => "The request target is neither a path nor an http URI.",
            Self::HostMissing => "The Host header is missing.",
            Self::HostRepeated => "There is more than one Host header.",
            Self::HostInvalid => "The Host header is not a host with an optional port.",
            Self::ConnectionLacksUpgrade => "The Connection header does not list upgrade.",
            Self::VersionMissing => "The Sec-WebSocket-Version header is missing.",
            Self::VersionRepeated => "There is more than one Sec-WebSocket-Version header.",
            Self::VersionUnsupported => "Only WebSocket version 13 is spoken here.",
            Self::KeyMissing => "The Sec-WebSocket-Key header is missing.",
            Self::KeyRepeated => "There is more than one Sec-WebSocket-Key header.",
            Self::KeyInvalid => "The Sec-WebSocket-Key header is not 16 bytes in base64.",
            Self::Body => "A WebSocket upgrade has no body.",
            Self::SubprotocolSyntax => "The Sec-WebSocket-Protocol header is not a list of different tokens.",
            Self::SubprotocolRequired => "None of the offered subprotocols is spoken here.",
            Self::SubprotocolNotOffered => "The server chose a subprotocol that was not offered.",
            Self::ExtensionSyntax(_) => "The Sec-WebSocket-Extensions header is malformed.",
            Self::Origin => "This origin is not allowed.",
            Self::NoEndpoint => "No endpoint takes this connection.",
            Self::Stopping => "The server is stopping.",
            Self::TooManyConnections => "The server has too many connections.",
        })
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ExtensionSyntax(source) => Some(source),
            _ => None,
        }
    }
}

impl From<ExtensionSyntaxError> for HandshakeError {
    fn from(source: ExtensionSyntaxError) -> Self {
        Self::ExtensionSyntax(source)
    }
}
