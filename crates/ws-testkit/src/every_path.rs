//! Upgrades on every path, those included that a servlet refuses because programs in between may read them in
//! different ways (`//`, `;`, dot segments). A test server gives access to nothing by its paths, so there is nothing
//! to get around.

use http::Uri;
use http::uri::PathAndQuery;
use ws_handler::{Outcome, PeerInfo, PlainConnection, RequestHead, Service};
use ws_servlet::RequestPath;

/// Shows the service behind it `/` in place of a path that is not clear; plain HTTP it leaves alone.
#[derive(Debug)]
pub(crate) struct EveryPath<S>(pub(crate) S);

impl<S: Service> Service for EveryPath<S> {
    async fn call(&self, request: &RequestHead, peer: &PeerInfo) -> Outcome {
        match at_the_root(request) {
            Some(clear) => self.0.call(&clear, peer).await,
            None => self.0.call(request, peer).await,
        }
    }

    async fn handover(&self, connection: PlainConnection) {
        self.0.handover(connection).await;
    }
}

/// The same request for `/`, if it is an upgrade attempt on a path that is not clear.
fn at_the_root(request: &RequestHead) -> Option<RequestHead> {
    if RequestPath::parse(request.uri().path()).is_ok() || !request.is_upgrade_attempt() {
        return None;
    }
    let request = request.request();
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    let mut clear = request.clone();
    *clear.uri_mut() = Uri::from_parts(parts).ok()?;
    Some(RequestHead::from_request(clear))
}
