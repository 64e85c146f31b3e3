//! sockudo-ws, with its stream, plain or compressing.

use bytes::{Bytes, BytesMut};
use sockudo_ws::deflate::{DeflateConfig, DeflateNegotiation, negotiate_server_deflate};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Message;
use sockudo_ws::{CompressedWebSocketStream, Config, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Failure;
use super::batching::{self, Todo};
use super::deflate::Deflate;

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    batching::each(open(stream).await?, todo).await
}

pub(super) async fn echo_batched(stream: TcpStream) -> Result<(), Failure> {
    batching::batched(open(stream).await?, todo).await
}

pub(super) async fn echo_deflated(stream: TcpStream, deflate: Deflate) -> Result<(), Failure> {
    let policy = DeflateConfig {
        server_no_context_takeover: !deflate.takeover,
        client_no_context_takeover: !deflate.takeover,
        server_max_window_bits: deflate.window_bits.try_into()?,
        client_max_window_bits: deflate.window_bits.try_into()?,
        compression_level: deflate
            .level
            .unwrap_or(DeflateConfig::default().compression_level),
        compression_threshold: 0,
    };
    let (stream, leftover, agreed) = shake_hands(stream, Some(&policy)).await?;
    let agreed = agreed.ok_or("the client offers no compression that fits")?.config;
    let config = Config::default();
    let socket = CompressedWebSocketStream::server_with_leftover(stream, config, agreed, Some(leftover));
    batching::batched(socket, todo).await
}

async fn open(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Failure> {
    let (stream, _, _) = shake_hands(stream, None).await?;
    Ok(WebSocketStream::server(stream, Config::default()))
}

async fn shake_hands(
    mut stream: TcpStream,
    policy: Option<&DeflateConfig>,
) -> Result<(TcpStream, Bytes, Option<DeflateNegotiation>), Failure> {
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("no request".into());
        }
        if let Some((request, length)) = parse_request(&head)? {
            let agreed = policy.and_then(|policy| negotiate_server_deflate(request.extensions?, policy));
            let extensions = agreed.as_ref().map(DeflateNegotiation::to_response_header);
            let accept = generate_accept_key(request.key);
            let response = build_response(&accept, None, extensions.as_deref());
            stream.write_all(&response).await?;
            return Ok((stream, head.split_off(length).freeze(), agreed));
        }
    }
}

fn todo(message: Message) -> Todo<Message> {
    match message {
        Message::Text(_) | Message::Binary(_) => Todo::Echo(message),
        Message::Close(_) => Todo::Close,
        _ => Todo::Nothing,
    }
}
