//! tokio-tungstenite: echo, and broadcast.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

use super::batching::{self, Todo};
use super::fan_out::{self, Room};
use super::{Failure, LARGEST};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    batching::each(open(stream).await?, todo).await
}

pub(super) async fn echo_batched(stream: TcpStream) -> Result<(), Failure> {
    batching::batched(open(stream).await?, todo).await
}

pub(super) async fn fan_out(stream: TcpStream, room: Room<Message>) -> Result<(), Failure> {
    let inbox = room.enter();
    fan_out::member(open(stream).await?, room, inbox, todo).await
}

async fn open(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Failure> {
    let config = WebSocketConfig::default()
        .max_frame_size(Some(LARGEST))
        .max_message_size(Some(LARGEST));
    Ok(accept_async_with_config(stream, Some(config)).await?)
}

fn todo(message: Message) -> Todo<Message> {
    match message {
        Message::Text(_) | Message::Binary(_) => Todo::Echo(message),
        // The answer goes out with the next flush; the stream ends by itself.
        _ => Todo::Nothing,
    }
}
