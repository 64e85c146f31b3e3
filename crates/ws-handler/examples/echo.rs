//! An echo server on owned messages: `echo [ADDRESS]`, 127.0.0.1 and any free port unless one is given. One thread.

use std::io;

use ws_handler::{Server, WebSocket, WebSocketFactory, WebSocketHandler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let server = Server::new()
        .bind(address.as_deref().unwrap_or("127.0.0.1:0"))
        .await?;
    println!("listening on ws://{}/", server.local_addr()?);
    let echo = WebSocketHandler::new(WebSocketFactory::default(), |socket, _request| echo(socket));
    server.serve(echo).await;
    Ok(())
}

async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        // A ping has been answered already.
        if message.is_data() && socket.send(message).await.is_err() {
            break;
        }
    }
}
