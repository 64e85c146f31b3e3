//! What a service answers: what becomes of a request.
//!
//! Here: [`Outcome`], and what an accepted upgrade hands over ([`Upgrade`], [`Upgraded`]). Not here: who is asked
//! (`service`), the judgement of a handshake (`handshake`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ws_proto::{Config, SendPath};

use super::peer::PeerInfo;
use crate::error::HandshakeError;
use crate::factory::{Registration, WebSocketFactory};
use crate::handshake::Accepted;
use crate::http1::RequestHead;
use crate::io::Io;
use crate::negotiated::Negotiated;
use crate::socket::{Link, WebSocket};

/// What becomes of a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The connection switches to WebSocket.
    Upgrade(Upgrade),
    /// This response is sent, with `Connection: close`, and the connection is closed. Whatever the peer sent after
    /// its request is never looked at.
    Respond(http::Response<Bytes>),
    /// Plain HTTP: the connection goes to [`Service::handover`](super::Service::handover). Never for an upgrade attempt, which is switched
    /// or refused: the server answers 404 if a service says so nevertheless.
    Handover,
}

impl Outcome {
    /// An upgrade by the rules of `factory`, or the refusal they demand. `run` makes the connection's future.
    pub fn upgrade(
        factory: &WebSocketFactory,
        request: &RequestHead,
        run: impl FnOnce(Upgraded) -> ConnectionFuture + Send + 'static,
    ) -> Self {
        let upgrade = factory
            .accept(request)
            .and_then(|accepted| Upgrade::new(factory, accepted, run));
        match upgrade {
            Ok(upgrade) => Self::Upgrade(upgrade),
            Err(refusal) => Self::from(refusal),
        }
    }
}

impl From<HandshakeError> for Outcome {
    fn from(refusal: HandshakeError) -> Self {
        Self::Respond(refusal.response())
    }
}

/// The future of one WebSocket connection.
pub type ConnectionFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An accepted upgrade: what to answer, and what to run over the connection once the answer is written.
pub struct Upgrade {
    /// The answer and what was negotiated. In a box, since it passes through many hands.
    pub accepted: Box<Accepted>,
    /// Limits and timeouts of this connection.
    pub config: Arc<Config>,
    /// The connection's place among the open ones of its factory.
    pub registration: Registration,
    /// Makes the connection's future. Called after the answer was written, once.
    pub run: Box<dyn FnOnce(Upgraded) -> ConnectionFuture + Send>,
}

impl Upgrade {
    /// An upgrade with the factory's configuration, entered into its list of open connections.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Stopping`] when the factory was stopped.
    pub fn new(
        factory: &WebSocketFactory,
        accepted: Accepted,
        run: impl FnOnce(Upgraded) -> ConnectionFuture + Send + 'static,
    ) -> Result<Self, HandshakeError> {
        let registration = factory.register()?;
        Ok(Self {
            accepted: Box::new(accepted),
            config: Arc::clone(factory.config()),
            registration,
            run: Box::new(run),
        })
    }

    /// The same with a configuration of its own.
    #[must_use]
    pub fn with_config(mut self, config: Arc<Config>) -> Self {
        self.config = config;
        self
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

/// A connection that has just become a WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upgraded {
    /// The stream, past the handshake.
    pub io: Io,
    /// What the peer sent right behind its request: the first bytes of the WebSocket conversation.
    pub leftover: BytesMut,
    /// Subprotocol and extensions.
    pub negotiated: Negotiated,
    /// The request that asked for the upgrade.
    pub request: RequestHead,
    /// Limits and timeouts of this connection.
    pub config: Arc<Config>,
    /// Who is at the other end.
    pub peer: PeerInfo,
    /// The place among the open connections of the factory and of the server, free again when this is dropped: keep it
    /// as long as the stream.
    pub registration: Registration,
}

impl Upgraded {
    /// The connection as a socket with owned messages, the request, and the registration: keep the latter as long
    /// as the socket. When a panic drops the socket, the peer is told with 1011.
    pub fn into_socket(self) -> (WebSocket, RequestHead, Registration) {
        let Self {
            io,
            leftover,
            negotiated,
            request,
            config,
            registration,
            ..
        } = self;
        let signal = Arc::clone(registration.signal());
        let send = SendPath::server(config).with_extensions(&negotiated.chain);
        let mut link = Link::new(io, send, signal);
        link.announce_panics();
        let socket = WebSocket::from_link(link, &leftover, negotiated);
        (socket, request, registration)
    }
}

/// A response with one line of plain text.
pub(crate) fn one_line(status: StatusCode, text: &'static str) -> http::Response<Bytes> {
    let mut body = BytesMut::with_capacity(text.len() + 1);
    body.extend_from_slice(text.as_bytes());
    body.extend_from_slice(b"\n");
    let mut response = http::Response::new(body.freeze());
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
