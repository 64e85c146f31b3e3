//! yawc, plain or compressing.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use yawc::frame::{Frame, OpCode};
use yawc::{CompressionLevel, DeflatePool, Options, WebSocket};

use super::batching::{self, Todo};
use super::deflate::Deflate;
use super::{Failure, LARGEST, hyper_accept};

/// Codecs that wait between messages; one thread needs few.
const POOLED: usize = 16;

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    hyper_accept::serve(stream, |request| upgrade(request, plain(), false)).await
}

pub(super) async fn echo_batched(stream: TcpStream) -> Result<(), Failure> {
    hyper_accept::serve(stream, |request| upgrade(request, plain(), true)).await
}

/// Options of a compressing server: one pool for all its connections.
pub(super) fn deflating(deflate: Deflate) -> Options {
    let mut options = Options::default()
        .with_compression_level(
            deflate
                .level
                .map_or_else(CompressionLevel::default, CompressionLevel::new),
        )
        .with_compression_threshold(0)
        .with_server_max_window_bits(deflate.window_bits)
        // Unless it is told, it lets clients have the smallest window.
        .with_client_max_window_bits(deflate.window_bits)
        .with_utf8()
        .with_limits(LARGEST, 2 * LARGEST);
    if !deflate.takeover {
        options = options
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(DeflatePool::new(POOLED));
    }
    options
}

pub(super) async fn echo_deflated(stream: TcpStream, options: Options) -> Result<(), Failure> {
    hyper_accept::serve(stream, move |request| upgrade(request, options.clone(), true)).await
}

fn plain() -> Options {
    Options::default()
        .without_compression()
        .with_utf8()
        .with_limits(LARGEST, 2 * LARGEST)
}

async fn upgrade(
    mut request: Request<Incoming>,
    options: Options,
    batched: bool,
) -> Result<Response<Empty<Bytes>>, Failure> {
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
