//! What HTTP/1.1 asks of a WebSocket handshake: the upgrade mechanism itself.
//!
//! Version, subprotocol, extensions and origin are the same over every HTTP version and live in `server` and
//! `client`; the tunnel over HTTP/2 (RFC 8441: CONNECT and 200 instead of GET and 101, no key) will stand beside
//! this. RFC 6455 §4.2.1 items 1 to 5, RFC 9110 §7.8, RFC 9112 §3.2.

use http::header::HeaderMap;
use http::{Method, Response, Uri, Version};

use super::key::{Accept, is_valid_key};
use crate::error::{HandshakeError, ResponseError};
use crate::fields::{self, Asked, Field, Fields, Name};
use crate::url::Authority;

/// True when the Upgrade list holds `websocket`: such a request is switched or refused, and never served as
/// plain HTTP.
///
/// `websocket/13` and `notwebsocket` are other protocols. RFC 9110 §7.8.
pub fn is_upgrade_attempt(headers: &HeaderMap) -> bool {
    fields::has_token(headers.into(), Name::Upgrade, "websocket")
}

/// Server: what makes an HTTP/1.1 request an upgrade at all. Returns where the request was sent, a valid
/// [`Authority`].
pub(super) fn check_request(asked: Asked<'_>) -> Result<&str, HandshakeError> {
    let fields = asked.fields;
    if !fields::has_token(fields, Name::Upgrade, "websocket") {
        return Err(HandshakeError::UpgradeRequired);
    }
    // RFC 6455 §4.2.1 item 1: "An HTTP/1.1 or higher GET request".
    if asked.method != Method::GET {
        return Err(HandshakeError::Method);
    }
    if asked.version != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    let authority = check_host(fields, asked.target)?;
    // RFC 6455 §4.2.1 item 4. Without it a proxy in between has not agreed to the upgrade.
    if !fields::has_token(fields, Name::Connection, "Upgrade") {
        return Err(HandshakeError::ConnectionLacksUpgrade);
    }
    check_no_body(fields)?;
    Ok(authority)
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 … to any HTTP/1.1 request message that lacks a Host header
/// field and to any request message that contains more than one Host header field line or a Host header field
/// with an invalid field value."
fn check_host<'a>(fields: Fields<'a>, target: &'a Uri) -> Result<&'a str, HandshakeError> {
    let host = match fields::field(fields, Name::Host) {
        Field::Missing => return Err(HandshakeError::HostMissing),
        Field::Repeated => return Err(HandshakeError::HostRepeated),
        Field::Once(host) => host,
    };
    let is_valid = |authority: &&str| Authority::is_valid(authority);
    let host = fields::text(host)
        .filter(is_valid)
        .ok_or(HandshakeError::HostInvalid)?;
    match (target.scheme_str(), target.authority()) {
        (None, None) if target.path().starts_with('/') => Ok(host),
        // RFC 9112 §3.2.2: with the absolute form "the origin server MUST ignore the received Host header
        // field (if any) and instead replace it with the host information of the request-target".
        (Some("http" | "https" | "ws" | "wss"), Some(authority)) => {
            let authority = Some(authority.as_str());
            authority.filter(is_valid).ok_or(HandshakeError::RequestTarget)
        }
        _ => Err(HandshakeError::RequestTarget),
    }
}

/// Stricter than the RFC: a GET may have a body, but one on an upgrade is how requests are smuggled past proxies.
fn check_no_body(fields: Fields<'_>) -> Result<(), HandshakeError> {
    let is_zero = |value: &[u8]| value == b"0";
    if fields.contains(Name::TransferEncoding) || !fields.all(Name::ContentLength).all(is_zero) {
        return Err(HandshakeError::Body);
    }
    Ok(())
}

/// Server: the answer to the key (RFC 6455 §4.2.1 item 5).
pub(super) fn check_key(fields: Fields<'_>) -> Result<Accept, HandshakeError> {
    match fields::field(fields, Name::Key) {
        Field::Missing => Err(HandshakeError::KeyMissing),
        Field::Repeated => Err(HandshakeError::KeyRepeated),
        Field::Once(key) if is_valid_key(key) => Ok(Accept::of_key(key)),
        Field::Once(_) => Err(HandshakeError::KeyInvalid),
    }
}

/// Client: judges what makes a 101 an answer to our upgrade (RFC 6455 §4.1 items 2 to 4 on the response).
pub(super) fn check_response<B>(response: &Response<B>, key: &str) -> Result<(), ResponseError> {
    let fields = Fields::from(response.headers());
    if response.version() != Version::HTTP_11 {
        return Err(ResponseError::HttpVersion);
    }
    // RFC 6455 §4.1: the value must be "an ASCII case-insensitive match for the value "websocket"": not a list
    // with something else in it.
    let mut protocols = fields::list(fields, Name::Upgrade);
    if !protocols
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
        || protocols.next().is_some()
    {
        return Err(ResponseError::Upgrade);
    }
    if !fields::has_token(fields, Name::Connection, "Upgrade") {
        return Err(ResponseError::Connection);
    }
    match fields::field(fields, Name::Accept) {
        Field::Missing => Err(ResponseError::AcceptMissing),
        Field::Repeated => Err(ResponseError::AcceptRepeated),
        Field::Once(accept) if accept == Accept::of_key(key.as_bytes()).as_bytes() => Ok(()),
        Field::Once(_) => Err(ResponseError::AcceptMismatch),
    }
}
