//! sockudo-ws, with its stream; permessage-deflate is not negotiated.

use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Message;
use sockudo_ws::{Config, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Failure;
use super::batching::{self, Todo};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    batching::each(open(stream).await?, todo).await
}

pub(super) async fn echo_batched(stream: TcpStream) -> Result<(), Failure> {
    batching::batched(open(stream).await?, todo).await
}

async fn open(mut stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Failure> {
    let mut head = bytes::BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("no request".into());
        }
        if let Some((request, _)) = parse_request(&head)? {
            let accept = generate_accept_key(request.key);
            stream.write_all(&build_response(&accept, None, None)).await?;
            return Ok(WebSocketStream::server(stream, Config::default()));
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
