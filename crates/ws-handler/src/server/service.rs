//! What a server asks of the application: what should become of this request?
//!
//! Here: [`Service`], and [`NoService`], the answer of a server without plain HTTP. Not here: the answers (`outcome`),
//! who asks (`connection`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::house::{Judge, Judgement};
use super::outcome::{Outcome, one_line};
use super::peer::PeerInfo;
use super::plain::PlainConnection;
use crate::error::HandshakeError;
use crate::http1::RequestHead;

/// Decides what becomes of a request, and serves what is no WebSocket.
///
/// One service is shared by all connections and all workers. Services wrap one another: a service that has no use
/// for a request passes it to its next one, both [`call`](Self::call) and [`handover`](Self::handover).
///
/// A panic in `call` is answered with 500 and closes that connection only.
pub trait Service: Send + Sync + 'static {
    /// What should become of this request? The answer is due within the server's upgrade timeout (15 s from accept).
    ///
    /// Cancel safety: the future is dropped when that time is over or the server stops.
    fn call(&self, request: &RequestHead, peer: &PeerInfo) -> impl Future<Output = Outcome> + Send;

    /// Serves a connection for which [`call`](Self::call) answered [`Outcome::Handover`], from its first byte on.
    ///
    /// By default the connection is closed, which suits services that never answer so.
    ///
    /// Cancel safety: the future is dropped if it has not ended at the deadline of a shutdown; see
    /// [`PlainConnection::stopping`].
    fn handover(&self, connection: PlainConnection) -> impl Future<Output = ()> + Send {
        async move { drop(connection) }
    }
}

impl<S: Service> Service for Arc<S> {
    fn call(&self, request: &RequestHead, peer: &PeerInfo) -> impl Future<Output = Outcome> + Send {
        S::call(self, request, peer)
    }

    fn handover(&self, connection: PlainConnection) -> impl Future<Output = ()> + Send {
        S::handover(self, connection)
    }
}

/// Serves nothing itself: a plain GET is told to upgrade (426); anything else finds nothing here (404), an upgrade that
/// nobody before it has taken included (RFC 6455 §4.2.2 item 4).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoService;

impl Service for NoService {
    async fn call(&self, request: &RequestHead, _peer: &PeerInfo) -> Outcome {
        Outcome::Respond(if request.is_upgrade_attempt() {
            one_line(StatusCode::NOT_FOUND, "There is no WebSocket here.")
        } else if request.method() == Method::GET {
            HandshakeError::UpgradeRequired.response()
        } else {
            one_line(StatusCode::NOT_FOUND, "Nothing but WebSocket is served here.")
        })
    }
}

impl<S: Service> Judge for S {
    fn judge<'a>(&'a self, request: &'a RequestHead, peer: &'a PeerInfo) -> Judgement<'a> {
        Box::pin(self.call(request, peer))
    }
}

/// [`Service::handover`] without generics.
pub(crate) trait Host: Send + Sync {
    fn host<'a>(&'a self, connection: PlainConnection) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl<S: Service> Host for S {
    fn host<'a>(&'a self, connection: PlainConnection) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.handover(connection))
    }
}
