//! axum, with its WebSocket extractor (tokio-tungstenite below) and replies batched.

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::any;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use super::batching::{self, Todo};
use super::{Failure, LARGEST};

pub(super) async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let upgrade = |upgrade: WebSocketUpgrade| async {
        upgrade
            .max_message_size(LARGEST)
            .max_frame_size(LARGEST)
            .on_upgrade(|socket| async { drop(batching::batched(socket, todo).await) })
    };
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, Router::new().route("/", any(upgrade))).await?)
}

fn todo(message: Message) -> Todo<Message> {
    match message {
        Message::Text(_) | Message::Binary(_) => Todo::Echo(message),
        // The answer goes out with the next flush; the stream ends by itself.
        _ => Todo::Nothing,
    }
}
