//! What HTTP/1.1 asks of a WebSocket handshake: the upgrade mechanism itself.
//!
//! Version, subprotocol, extensions and origin are the same over every HTTP version and live in `server` and
//! `client`; the tunnel over HTTP/2 (RFC 8441: CONNECT and 200 instead of GET and 101, no key) will stand beside
//! this. RFC 6455 §4.2.1 items 1 to 5, RFC 9110 §7.8, RFC 9112 §3.2.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};

use super::headers::{self, Field};
use super::key;
use crate::error::{HandshakeError, ResponseError};
use crate::url::Authority;

/// True when the Upgrade list holds `websocket`: such a request is switched or refused, and never served as
/// plain HTTP.
///
/// `websocket/13` and `notwebsocket` are other protocols. RFC 9110 §7.8.
pub fn is_upgrade_attempt(headers: &HeaderMap) -> bool {
    headers::has_token(headers, UPGRADE, "websocket")
}

/// Server: what makes an HTTP/1.1 request an upgrade at all. Returns where the request was sent.
pub(super) fn check_request<B>(request: &Request<B>) -> Result<Authority, HandshakeError> {
    let headers = request.headers();
    if !is_upgrade_attempt(headers) {
        return Err(HandshakeError::UpgradeRequired);
    }
    // RFC 6455 §4.2.1 item 1: "An HTTP/1.1 or higher GET request".
    if request.method() != Method::GET {
        return Err(HandshakeError::Method);
    }
    if request.version() != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    let authority = check_host(headers, request.uri())?;
    // RFC 6455 §4.2.1 item 4. Without it a proxy in between has not agreed to the upgrade.
    if !headers::has_token(headers, CONNECTION, "upgrade") {
        return Err(HandshakeError::ConnectionLacksUpgrade);
    }
    check_no_body(headers)?;
    Ok(authority)
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 … to any HTTP/1.1 request message that lacks a Host header
/// field and to any request message that contains more than one Host header field line or a Host header field
/// with an invalid field value."
fn check_host(headers: &HeaderMap, target: &Uri) -> Result<Authority, HandshakeError> {
    let host = match headers::field(headers, HOST) {
        Field::Missing => return Err(HandshakeError::HostMissing),
        Field::Repeated => return Err(HandshakeError::HostRepeated),
        Field::Once(host) => host,
    };
    let host = headers::text(host)
        .and_then(Authority::parse)
        .ok_or(HandshakeError::HostInvalid)?;
    match (target.scheme_str(), target.authority()) {
        (None, None) if target.path().starts_with('/') => Ok(host),
        // RFC 9112 §3.2.2: with the absolute form "the origin server MUST ignore the received Host header
        // field (if any) and instead replace it with the host information of the request-target".
        (Some("http" | "https" | "ws" | "wss"), Some(authority)) => {
            Authority::parse(authority.as_str()).ok_or(HandshakeError::RequestTarget)
        }
        _ => Err(HandshakeError::RequestTarget),
    }
}

/// Stricter than the RFC: a GET may have a body, but one on an upgrade is how requests are smuggled past proxies.
fn check_no_body(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let is_zero = |value: &HeaderValue| value.as_bytes() == b"0";
    if headers.contains_key(TRANSFER_ENCODING) || !headers.get_all(CONTENT_LENGTH).into_iter().all(is_zero) {
        return Err(HandshakeError::Body);
    }
    Ok(())
}

/// Server: the answer to the key (RFC 6455 §4.2.1 item 5).
pub(super) fn check_key(headers: &HeaderMap) -> Result<HeaderValue, HandshakeError> {
    match headers::field(headers, SEC_WEBSOCKET_KEY) {
        Field::Missing => Err(HandshakeError::KeyMissing),
        Field::Repeated => Err(HandshakeError::KeyRepeated),
        Field::Once(key) if key::is_valid_key(key) => Ok(key::accept_value(key)),
        Field::Once(_) => Err(HandshakeError::KeyInvalid),
    }
}

/// Server: the 101, without subprotocol and extensions (RFC 6455 §4.2.2 item 5.1 to 5.4).
pub(super) fn switching_protocols(accept: HeaderValue) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Client: judges what makes a 101 an answer to our upgrade (RFC 6455 §4.1 items 2 to 4 on the response).
pub(super) fn check_response<B>(response: &Response<B>, key: &str) -> Result<(), ResponseError> {
    let headers = response.headers();
    if response.version() != Version::HTTP_11 {
        return Err(ResponseError::HttpVersion);
    }
    // RFC 6455 §4.1: the value must be "an ASCII case-insensitive match for the value "websocket"": not a list
    // with something else in it.
    let mut protocols = headers::list(headers, UPGRADE);
    if !protocols
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
        || protocols.next().is_some()
    {
        return Err(ResponseError::Upgrade);
    }
    if !headers::has_token(headers, CONNECTION, "upgrade") {
        return Err(ResponseError::Connection);
    }
    match headers::field(headers, SEC_WEBSOCKET_ACCEPT) {
        Field::Missing => Err(ResponseError::AcceptMissing),
        Field::Repeated => Err(ResponseError::AcceptRepeated),
        Field::Once(accept) if accept == key::accept_for(key.as_bytes()).as_bytes() => Ok(()),
        Field::Once(_) => Err(ResponseError::AcceptMismatch),
    }
}
