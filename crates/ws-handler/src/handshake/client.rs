//! The client's side of the handshake: the request to send, and the judgement on the answer.
//!
//! What is particular to HTTP/1.1 is in `binding`; dialling and bytes are in `client/`. RFC 6455 §4.1.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use http::header::{
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
};
use http::header::{TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, StatusCode, Uri};

use super::extensions::ExtensionRegistry;
use super::{binding, key, subprotocol};
use crate::error::{ConnectError, RequestError, ResponseError, UrlError};
use crate::fields::{self, Field, Name};
use crate::negotiated::Negotiated;
use crate::random::Random;
use crate::url::WebSocketUrl;

/// A handshake as a client asks for it, good for any number of attempts: each has a key of its own.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    url: WebSocketUrl,
    headers: HeaderMap,
    subprotocols: Vec<String>,
    origin: Option<HeaderValue>,
    extensions: ExtensionRegistry,
}

impl ClientRequest {
    /// A handshake with nothing but what RFC 6455 §4.1 demands. User information in the URL is sent as Basic
    /// authentication, unless [`ClientRequest::header`] sets another `Authorization`.
    pub fn new(url: WebSocketUrl) -> Self {
        Self {
            url,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            origin: None,
            extensions: ExtensionRegistry::new(),
        }
    }

    /// Where the request goes.
    pub fn url(&self) -> &WebSocketUrl {
        &self.url
    }

    /// One more header line, after those of the same name.
    ///
    /// # Errors
    /// [`RequestError::ReservedHeader`] for a header that belongs to the handshake or announces a body.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, RequestError> {
        if is_reserved(&name) {
            return Err(RequestError::ReservedHeader(name));
        }
        self.headers.append(name, value);
        Ok(self)
    }

    /// The subprotocols to offer, in the order of preference. Default: none.
    ///
    /// # Errors
    /// [`RequestError::Subprotocol`] unless they are different tokens.
    pub fn subprotocols<T: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = T>,
    ) -> Result<Self, RequestError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if !subprotocol::is_valid_offer(&names) {
            return Err(RequestError::Subprotocol);
        }
        self.subprotocols = names;
        Ok(self)
    }

    /// The Origin to send. Default: none, as befits a client that is no browser (RFC 6455 §4.1 item 8).
    ///
    /// # Errors
    /// [`RequestError::Origin`] when the text is no header value.
    pub fn origin(mut self, origin: &str) -> Result<Self, RequestError> {
        self.origin = Some(HeaderValue::from_str(origin).map_err(|_| RequestError::Origin)?);
        Ok(self)
    }

    /// The extensions to offer. Default: none.
    #[must_use]
    pub fn extensions(mut self, registry: ExtensionRegistry) -> Self {
        self.extensions = registry;
        self
    }

    /// Starts one attempt: the request to send, and what is needed to judge its answer.
    ///
    /// # Errors
    /// [`ConnectError::Random`] when the operating system gives no randomness for the key.
    pub fn start(&self) -> Result<ClientAttempt<'_>, ConnectError> {
        let random = Random::new().map_err(ConnectError::Random)?;
        let key = key::fresh_key(random);
        let request = self
            .request(&key)
            .map_err(|_| ConnectError::Url(UrlError::Path))?;
        Ok(ClientAttempt {
            asked: self,
            key,
            request,
        })
    }

    fn request(&self, key: &str) -> Result<Request<()>, http::Error> {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::try_from(self.url.resource())?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(self.url.host_header())?);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(key)?);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        if let Some(origin) = &self.origin {
            headers.insert(ORIGIN, origin.clone());
        }
        if !self.subprotocols.is_empty() {
            headers.insert(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::try_from(self.subprotocols.join(", "))?,
            );
        }
        for offer in self.extensions.offers() {
            headers.append(
                SEC_WEBSOCKET_EXTENSIONS,
                HeaderValue::try_from(offer.to_string())?,
            );
        }
        if let Some(authorization) = self.url.authorization() {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if self.headers.contains_key(AUTHORIZATION) {
            headers.remove(AUTHORIZATION);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        Ok(request)
    }
}

/// One attempt at a handshake: a request with its own key.
#[derive(Debug)]
pub struct ClientAttempt<'a> {
    asked: &'a ClientRequest,
    key: String,
    request: Request<()>,
}

impl ClientAttempt<'_> {
    /// The request to send.
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// Judges the answer: every check of RFC 6455 §4.1.
    ///
    /// # Errors
    /// [`ResponseError`]: the check that failed. The connection must be closed without a frame.
    pub fn judge<B>(&self, response: &Response<B>) -> Result<Negotiated, ResponseError> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ResponseError::Status(response.status()));
        }
        binding::check_response(response, &self.key)?;
        let agreed = self.asked.extensions.confirm(response.headers().into())?;
        let subprotocol = self.subprotocol(response.headers())?;
        Ok(agreed.into_negotiated(subprotocol))
    }

    /// RFC 6455 §4.1: a subprotocol "that was not present in the client's handshake" fails the connection. No
    /// subprotocol at all is an answer, too: the server speaks none of those offered.
    fn subprotocol(&self, map: &HeaderMap) -> Result<Option<String>, ResponseError> {
        match fields::field(map.into(), Name::Protocol) {
            Field::Missing => Ok(None),
            Field::Repeated => Err(ResponseError::SubprotocolRepeated),
            Field::Once(name) => {
                let chosen = self
                    .asked
                    .subprotocols
                    .iter()
                    .find(|offered| offered.as_bytes() == name);
                chosen
                    .cloned()
                    .map(Some)
                    .ok_or(ResponseError::SubprotocolNotOffered)
            }
        }
    }
}

/// The headers that the handshake sets itself, and those that announce a body.
fn is_reserved(name: &HeaderName) -> bool {
    [
        HOST,
        UPGRADE,
        CONNECTION,
        ORIGIN,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
    ]
    .contains(name)
        || name.as_str().starts_with("sec-websocket-")
}
