//! The 101: its bytes straight from what was agreed on, or a response for who wants to add to it.
//!
//! RFC 6455 §4.2.2 item 5. What it says is decided in `server`; responses in general are written in `http1`.

use http::header::{CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::{Response, StatusCode};

use super::key::Accept;

/// What stands in every 101 (RFC 6455 §4.2.2 item 5.1 to 5.3).
const BEGINNING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/// A 101 in the making.
#[derive(Debug)]
pub(super) struct Switching {
    accept: Accept,
    pub(super) subprotocol: Option<HeaderValue>,
    /// RFC 6455 §11.3.2: "the |Sec-WebSocket-Extensions| header field MUST NOT appear more than once in an HTTP
    /// response".
    pub(super) extensions: Option<HeaderValue>,
    /// The whole, once somebody has asked for it to change it.
    changed: Option<Box<Response<()>>>,
}

impl Switching {
    /// The answer to a key, without subprotocol and extensions.
    pub(super) fn new(accept: Accept) -> Self {
        Self {
            accept,
            subprotocol: None,
            extensions: None,
            changed: None,
        }
    }

    /// The response.
    pub(super) fn response(&self) -> Response<()> {
        match &self.changed {
            Some(response) => Response::clone(response),
            None => self.made(),
        }
    }

    /// The response, to be changed.
    pub(super) fn response_mut(&mut self) -> &mut Response<()> {
        let made = self.changed.take().unwrap_or_else(|| Box::new(self.made()));
        self.changed.insert(made)
    }

    /// Its bytes, or the response if it was changed.
    pub(super) fn written(&self) -> Result<Vec<u8>, &Response<()>> {
        match &self.changed {
            Some(response) => Err(response),
            None => Ok(self.encode()),
        }
    }

    fn made(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.to_value());
        if let Some(value) = &self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value.clone());
        }
        if let Some(value) = &self.extensions {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, value.clone());
        }
        response
    }

    fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(BEGINNING);
        put(b"Sec-WebSocket-Accept: ", self.accept.as_bytes(), &mut head);
        if let Some(value) = &self.subprotocol {
            put(b"Sec-WebSocket-Protocol: ", value.as_bytes(), &mut head);
        }
        if let Some(value) = &self.extensions {
            put(b"Sec-WebSocket-Extensions: ", value.as_bytes(), &mut head);
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

fn put(name: &[u8], value: &[u8], head: &mut Vec<u8>) {
    head.extend_from_slice(name);
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::header::SET_COOKIE;

    use super::*;
    use crate::http1::encode_response;

    #[test]
    fn its_bytes_are_those_of_the_response() {
        let value = |text| Some(HeaderValue::from_static(text));
        for (subprotocol, extensions) in [
            (None, None),
            (value("chat"), None),
            (None, value("identity")),
            (value("chat"), value("permessage-deflate; a=1, identity")),
        ] {
            let mut switching = Switching::new(Accept::of_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
            (switching.subprotocol, switching.extensions) = (subprotocol, extensions);
            let written = switching.written().unwrap();
            assert_eq!(written, encode_response(&switching.response()));
            // What is added is sent, and is there the next time.
            let headers = switching.response_mut().headers_mut();
            headers.insert(SET_COOKIE, HeaderValue::from_static("a=b"));
            switching
                .response_mut()
                .headers_mut()
                .append(SET_COOKIE, HeaderValue::from_static("c"));
            let changed = encode_response(switching.written().unwrap_err());
            assert_eq!(changed, encode_response(&switching.response()));
            assert_eq!(
                changed,
                [
                    &written[..written.len() - 2],
                    b"Set-Cookie: a=b\r\nSet-Cookie: c\r\n\r\n"
                ]
                .concat()
            );
        }
    }
}
