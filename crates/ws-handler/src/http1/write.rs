//! Writing heads and small responses.
//!
//! What they say was decided elsewhere; `http` types cannot hold a line end, so nothing can be smuggled into
//! them. RFC 9112 §3, §4, §6.

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version};

/// The head of a request in origin form (RFC 9112 §3.2.1).
pub fn encode_request<B>(request: &Request<B>) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    for part in [
        request.method().as_str(),
        " ",
        target,
        " ",
        version(request.version()),
        "\r\n",
    ] {
        head.extend_from_slice(part.as_bytes());
    }
    put_headers(request.headers(), &mut head);
    head.extend_from_slice(b"\r\n");
    head
}

/// A whole response: head and body. It gets a Content-Length where one may stand and none is given (RFC 9110
/// §8.6, RFC 9112 §6.3), so `Response<()>` works for a 101 and for an empty answer.
pub fn encode_response<B: ResponseBody>(response: &Response<B>) -> Vec<u8> {
    let body = response.body().bytes();
    let mut head = Vec::with_capacity(256 + body.len());
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    for part in [
        version(response.version()),
        " ",
        status.as_str(),
        " ",
        reason,
        "\r\n",
    ] {
        head.extend_from_slice(part.as_bytes());
    }
    put_headers(response.headers(), &mut head);
    let framed = [CONTENT_LENGTH, TRANSFER_ENCODING]
        .iter()
        .any(|name| response.headers().contains_key(name));
    if may_have_body(status) && !framed {
        head.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    if may_have_body(status) {
        head.extend_from_slice(body);
    }
    head
}

/// What can stand in a response that is written at once.
pub trait ResponseBody {
    /// The bytes of the body.
    fn bytes(&self) -> &[u8];
}

impl ResponseBody for () {
    fn bytes(&self) -> &[u8] {
        &[]
    }
}

impl ResponseBody for bytes::Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// RFC 9110 §6.4.1: "All 1xx (Informational), 204 (No Content), and 304 (Not Modified) responses do not include
/// content."
fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// Everything but HTTP/1.0 is written as HTTP/1.1, since that is what is spoken here.
fn version(version: Version) -> &'static str {
    if version == Version::HTTP_10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    }
}

fn put_headers(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        put_name(name.as_str(), out);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// `http` keeps names in lower case. They mean the same in any case, but some peers look for the spelling of the
/// RFCs, so that is what they get.
fn put_name(name: &str, out: &mut Vec<u8>) {
    for (index, word) in name.split('-').enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        match word {
            "websocket" => out.extend_from_slice(b"WebSocket"),
            "www" => out.extend_from_slice(b"WWW"),
            _ => {
                let start = out.len();
                out.extend_from_slice(word.as_bytes());
                if let Some(first) = out.get_mut(start) {
                    first.make_ascii_uppercase();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, WWW_AUTHENTICATE};

    use super::*;

    #[test]
    fn writes_a_request() {
        let request = Request::get("http://ignored/a?b")
            .header(HOST, "h:1")
            .header(SEC_WEBSOCKET_KEY, "k");
        let text = encode_request(
            &request
                .header("X-a-B", "1")
                .header("x-a-b", "2")
                .body(())
                .unwrap(),
        );
        let expected =
            "GET /a?b HTTP/1.1\r\nHost: h:1\r\nSec-WebSocket-Key: k\r\nX-A-B: 1\r\nX-A-B: 2\r\n\r\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn writes_responses() {
        let text = |response: Vec<u8>| String::from_utf8(response).unwrap();
        let response = Response::builder()
            .status(101)
            .header(CONNECTION, "Upgrade")
            .body(())
            .unwrap();
        assert_eq!(
            text(encode_response(&response)),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"
        );
        let response = Response::builder()
            .status(401)
            .header(WWW_AUTHENTICATE, "Basic")
            .body(Bytes::from("no\n"));
        let expected =
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno\n";
        assert_eq!(text(encode_response(&response.unwrap())), expected);
        let response = Response::builder().status(599).body(()).unwrap();
        assert_eq!(
            text(encode_response(&response)),
            "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"
        );
        let response = Response::builder().status(204).body(()).unwrap();
        assert_eq!(
            text(encode_response(&response)),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
    }
}
