//! The HTTP part of crates that upgrade a hyper connection.

use std::future::Future;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;

/// Serves one connection; `upgrade` answers the request and goes on with the connection in a task of its own.
pub(super) async fn serve<U, F>(stream: TcpStream, upgrade: U) -> Result<(), Failure>
where
    U: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Result<Response<Empty<Bytes>>, Failure>> + Send + 'static,
{
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(upgrade));
    Ok(connection.with_upgrades().await?)
}
