//! One echo server per name: what they share is here, what is particular to a crate in the file named after it.
//!
//! `-b` in a name: replies are batched, that is, every message that is ready is fed and then flushed once.

// layer 1
mod batching;
mod hyper_accept;

// layer 2
mod axum;
mod fastwebsockets;
mod floor;
mod ratchet;
mod sockudo;
mod tokio_websockets;
mod tungstenite;
mod wtx;
mod yawc;

use std::error::Error;
use std::future::Future;

use tokio::net::{TcpListener, TcpStream};

/// Whatever a server can fail with.
type Failure = Box<dyn Error + Send + Sync>;

/// Messages and frames of this size must pass: the largest of the shapes, and room.
const LARGEST: usize = 16 << 20;

/// Every name that can be served.
pub(crate) const NAMES: [&str; 13] = [
    "floor",
    "axum",
    "fastwebsockets",
    "ratchet",
    "sockudo-ws",
    "sockudo-ws-b",
    "tokio-websockets",
    "tokio-websockets-b",
    "tungstenite",
    "tungstenite-b",
    "wtx",
    "yawc",
    "yawc-b",
];

/// Serves until the process is killed.
pub(crate) fn run(name: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("listening on ws://{}/", listener.local_addr()?);
            match name {
                "axum" => axum::serve(listener).await,
                "floor" => accept(listener, floor::echo).await,
                "fastwebsockets" => accept(listener, fastwebsockets::echo).await,
                "ratchet" => accept(listener, ratchet::echo).await,
                "sockudo-ws" => accept(listener, sockudo::echo).await,
                "sockudo-ws-b" => accept(listener, sockudo::echo_batched).await,
                "tokio-websockets" => accept(listener, tokio_websockets::echo).await,
                "tokio-websockets-b" => accept(listener, tokio_websockets::echo_batched).await,
                "tungstenite" => accept(listener, tungstenite::echo).await,
                "tungstenite-b" => accept(listener, tungstenite::echo_batched).await,
                "wtx" => accept(listener, wtx::echo).await,
                "yawc" => accept(listener, yawc::echo).await,
                "yawc-b" => accept(listener, yawc::echo_batched).await,
                other => Err(format!("there is no server `{other}`").into()),
            }
        })
        .map_err(|error| error as Box<dyn Error>)
}

/// A task for each connection, without tokio's budget, as the crates' own benchmarks have it.
async fn accept<F>(listener: TcpListener, serve: fn(TcpStream) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks is the other side's news.
        tokio::spawn(tokio::task::unconstrained(
            async move { drop(serve(stream).await) },
        ));
    }
}
