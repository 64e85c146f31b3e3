//! yawc, without compression.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use yawc::frame::{Frame, OpCode};
use yawc::{Options, WebSocket};

use super::batching::{self, Todo};
use super::{Failure, LARGEST, hyper_accept};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    hyper_accept::serve(stream, |request| upgrade(request, false)).await
}

pub(super) async fn echo_batched(stream: TcpStream) -> Result<(), Failure> {
    hyper_accept::serve(stream, |request| upgrade(request, true)).await
}

async fn upgrade(mut request: Request<Incoming>, batched: bool) -> Result<Response<Empty<Bytes>>, Failure> {
    let options = Options::default()
        .without_compression()
        .with_utf8()
        .with_limits(LARGEST, 2 * LARGEST);
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(tokio::task::unconstrained(async move {
        let socket = upgraded.await?;
        let socket = futures_util::StreamExt::map(socket, Ok::<Frame, yawc::WebSocketError>);
        if batched {
            batching::batched(socket, todo).await
        } else {
            batching::each(socket, todo).await
        }
    }));
    Ok(response)
}

fn todo(frame: Frame) -> Todo<Frame> {
    match frame.opcode() {
        OpCode::Text | OpCode::Binary => Todo::Echo(frame),
        OpCode::Close => Todo::Close,
        _ => Todo::Nothing,
    }
}
