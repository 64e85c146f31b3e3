//! tokio-websockets: echo, and broadcast.

use tokio::net::TcpStream;
use tokio_websockets::{Config, Limits, Message, ServerBuilder, WebSocketStream};

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
    let accepted = ServerBuilder::new()
        .config(Config::default().frame_size(LARGEST))
        .limits(Limits::default().max_payload_len(Some(LARGEST)))
        .accept(stream)
        .await?;
    Ok(accepted.1)
}

fn todo(message: Message) -> Todo<Message> {
    if message.is_text() || message.is_binary() {
        Todo::Echo(message)
    } else {
        Todo::Nothing
    }
}
