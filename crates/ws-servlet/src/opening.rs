//! A connection on its way in: what filters and acceptors see before the 101.
//!
//! [`Opening`] and [`Refusal`]. The judgement of the handshake itself is `ws_handler::ServerHandshake`.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Extensions, HeaderValue, Request, Response, StatusCode};
use ws_handler::{HandshakeError, PeerInfo, RequestHead};

use crate::pattern::{PathError, PathPattern};

/// An upgrade request that passed every check of RFC 6455 and matched a route, before it is answered.
pub struct Opening<'a> {
    request: &'a RequestHead,
    peer: &'a PeerInfo,
    pattern: &'a PathPattern,
    attributes: Extensions,
}

/// What an opening keeps for the session without showing it: permits, guards.
#[derive(Clone, Default)]
struct Kept(Vec<Arc<dyn Any + Send + Sync>>);

impl<'a> Opening<'a> {
    pub(crate) fn new(request: &'a RequestHead, peer: &'a PeerInfo, pattern: &'a PathPattern) -> Self {
        Self {
            request,
            peer,
            pattern,
            attributes: Extensions::new(),
        }
    }

    pub(crate) fn into_attributes(self) -> Extensions {
        self.attributes
    }

    /// The request.
    pub fn request(&self) -> &Request<()> {
        self.request.request()
    }

    /// The same with the bytes it came in. What a few fields tell is found there without making a map of all of them.
    pub fn head(&self) -> &RequestHead {
        self.request
    }

    /// The first header of this name, if its value is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request().headers().get(name)?.to_str().ok()
    }

    /// The credentials of `Authorization: Bearer …` (RFC 6750 §2.1).
    pub fn bearer_token(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The path of the request, percent-encoded as it came.
    pub fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// What the path has in the place of `{name}`, decoded; `"*"` is what `/*` stands for.
    pub fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.pattern.parameter(self.path(), name)
    }

    /// What follows the `?`, percent-encoded as it came.
    pub fn query(&self) -> Option<&str> {
        self.request.uri().query()
    }

    /// The pattern of the route that the request matched.
    pub fn route(&self) -> &str {
        self.pattern.as_str()
    }

    /// The peer's address; `None` if the stream has none.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.peer.remote
    }

    /// Values of the application's own, one per type. They become the
    /// [attributes of the session](crate::Session::attributes).
    pub fn attributes(&self) -> &Extensions {
        &self.attributes
    }

    /// The same, to be changed: a filter leaves here whom it has recognised.
    pub fn attributes_mut(&mut self) -> &mut Extensions {
        &mut self.attributes
    }

    /// Keeps `guard` until the session has ended, or until the request is refused.
    pub fn keep(&mut self, guard: impl Any + Send + Sync) {
        self.attributes
            .get_or_insert_default::<Kept>()
            .0
            .push(Arc::new(guard));
    }
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Opening")
            .field("path", &self.path())
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}

/// The answer to a request that is not let in. After it the connection is closed.
#[derive(Debug)]
pub struct Refusal(Box<Response<Bytes>>);

impl Refusal {
    /// A status and one line of text. A status that is no refusal (below 300) becomes 403.
    pub fn new(status: StatusCode, text: &str) -> Self {
        let mut response = Response::new(Bytes::from(format!("{text}\n")));
        let refuses = status.as_u16() >= 300;
        *response.status_mut() = if refuses { status } else { StatusCode::FORBIDDEN };
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        Self(Box::new(response))
    }

    /// 403: known, and not allowed.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This is not allowed.")
    }

    /// 401: not known. `challenge` says how to be, as `Bearer` or `Basic realm="x"` (RFC 9110 §11.6.1).
    pub fn unauthorized(challenge: &str) -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "Credentials are needed.");
        match HeaderValue::from_str(challenge) {
            Ok(challenge) => refusal.header(WWW_AUTHENTICATE, challenge),
            Err(_) => refusal,
        }
    }

    /// 503: not now. Clients are asked to wait for five seconds.
    pub fn unavailable(text: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text).header(RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// 400: no route is found for a path that may be read in two ways.
    pub(crate) fn bad_path(error: PathError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &format!("Not routed: {error}."))
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().append(name, value);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        *self.0
    }
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self(Box::new(error.response()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_never_lets_in() {
        for status in [
            StatusCode::SWITCHING_PROTOCOLS,
            StatusCode::OK,
            StatusCode::NO_CONTENT,
        ] {
            assert_eq!(Refusal::new(status, "x").status(), StatusCode::FORBIDDEN);
        }
        let response = Refusal::unauthorized("Bearer").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response.body(), "Credentials are needed.\n");
    }

    #[test]
    fn credentials_and_guards_go_with_the_opening() {
        let request = Request::get("/room/a%20b?q")
            .header("Authorization", "bearer  t0k ")
            .body(())
            .unwrap();
        let (head, peer) = (RequestHead::from_request(request), PeerInfo::default());
        let pattern = PathPattern::parse("/room/{id}").unwrap();
        let mut opening = Opening::new(&head, &peer, &pattern);
        assert_eq!(opening.bearer_token(), Some("t0k"));
        assert_eq!(opening.path_parameter("id").unwrap(), "a b");
        assert_eq!((opening.query(), opening.route()), (Some("q"), "/room/{id}"));
        let guard = Arc::new(());
        opening.keep(Arc::clone(&guard));
        opening.keep(Arc::clone(&guard));
        opening.attributes_mut().insert(7_u32);
        let attributes = opening.into_attributes();
        assert_eq!(
            (Arc::strong_count(&guard), attributes.get::<u32>()),
            (3, Some(&7))
        );
        drop(attributes);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
