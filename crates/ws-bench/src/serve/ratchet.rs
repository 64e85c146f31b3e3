//! ratchet_rs.

use bytes::BytesMut;
use ratchet_rs::{Message, NoExtProvider, PayloadType, SubprotocolRegistry, WebSocketConfig};
use tokio::net::TcpStream;

use super::{Failure, LARGEST};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let config = WebSocketConfig {
        max_message_size: LARGEST,
    };
    let accepted =
        ratchet_rs::accept_with(stream, config, NoExtProvider, SubprotocolRegistry::default()).await?;
    let mut socket = accepted.upgrade().await?.websocket;
    let mut buffer = BytesMut::new();
    loop {
        let kind = match socket.read(&mut buffer).await? {
            Message::Text => PayloadType::Text,
            Message::Binary => PayloadType::Binary,
            Message::Close(_) => return Ok(()),
            _ => continue,
        };
        socket.write(&mut buffer, kind).await?;
        buffer.clear();
    }
}
