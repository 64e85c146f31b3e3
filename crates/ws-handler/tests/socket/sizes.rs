//! Memory per connection is the size of its future. The bounds are what was measured, and a little room.

use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use tokio::net::TcpStream;
use ws_handler::{Io, Link, ReadBuffer, SendData, Signal, SocketError, Wake, WebSocket};
use ws_proto::{Config, Event, ReceivePath, Role, SendPath};

/// What an endpoint loop is, without the endpoint.
async fn echo(io: Io) {
    let config = Arc::new(Config::server());
    let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
    let mut buffer = ReadBuffer::new();
    let mut link = Link::new(io, SendPath::server(config), Arc::new(Signal::new()));
    loop {
        match link.wake(&mut receive, &mut buffer).await {
            Wake::Data => loop {
                match buffer.next_event(&mut receive) {
                    Ok(Some(Event::Text(text))) => drop(link.text(text).await),
                    Ok(Some(Event::Close(close))) => link.handle_close(close),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => link.fail(error),
                }
            },
            Wake::Finished | Wake::Lost(_) => break,
            _ => {}
        }
    }
}

async fn socket_echo(mut socket: WebSocket) -> Result<(), SocketError> {
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}

fn assert_at_most(what: &str, size: usize, bound: usize) {
    println!("{what}: {size} bytes");
    assert!(size <= bound, "{what}: {size} bytes, more than {bound}");
}

#[tokio::test]
async fn futures_and_their_parts_stay_small() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    assert_at_most("Link", size_of::<Link>(), 296);
    assert_at_most("ReadBuffer", size_of::<ReadBuffer>(), 24);
    assert_at_most("SendData", size_of::<SendData<'_, Io>>(), 32);
    assert_at_most("Signal", size_of::<Signal>(), 40);
    assert_at_most("WebSocket", size_of::<WebSocket>(), 424);
    assert_at_most(
        "an echo by borrowed events",
        size_of_val(&echo(Io::from(stream))),
        448,
    );
    let (near, _far) = tokio::io::duplex(16);
    let socket = crate::support::socket(Io::boxed(near), Role::Server);
    assert_at_most(
        "an echo by owned messages",
        size_of_val(&socket_echo(socket)),
        1_480,
    );
}
