//! WebSocket over HTTP/1.1, server and client: the opening handshake, the async socket, the server around them.
//!
//! | to | use |
//! |---|---|
//! | serve WebSockets | [`Server`] with a [`Service`]: [`WebSocketHandler`], or the routes of `ws-servlet` |
//! | serve plain HTTP beside them | `HyperService`, as the next service (feature `hyper`) |
//! | connect to a server | [`connect`] |
//! | converse | [`WebSocket`], whole or split; with feature `futures` also as `Stream` and `Sink` |
//! | share rules and limits, count connections, stop them all | [`WebSocketFactory`] |
//! | judge a handshake inside another HTTP server | [`ServerHandshake`], then [`WebSocket::from_upgraded`] |
//!
//! An echo server, and a client that tries it:
//!
//! ```
//! use ws_handler::{Server, WebSocketFactory, WebSocketHandler, connect};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let echo = WebSocketHandler::new(WebSocketFactory::default(), |mut socket, _request| async move {
//!     while let Ok(Some(message)) = socket.recv().await {
//!         if message.is_data() && socket.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! });
//! let server = Server::new().bind("127.0.0.1:0").await?;
//! let address = server.local_addr()?;
//! let handle = server.handle();
//! let serving = tokio::spawn(server.serve(echo));
//!
//! let (mut socket, _response) = connect(format!("ws://{address}/")).await?;
//! socket.send("hello").await?;
//! assert_eq!(socket.recv().await?, Some("hello".into()));
//!
//! let stop = handle.shutdown(std::time::Duration::from_secs(5));
//! assert_eq!(socket.recv().await?, None); // closed with 1001, and answered
//! assert_eq!(stop.await.closed, 1);
//! serving.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Every limit is on by default: see [`Server`], [`HeadLimits`] and [`ws_proto::Config`].
// Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// layer 1: errors; the byte stream, and what was agreed on it; codecs that wait for messages; steps of parsers
#[cfg(feature = "deflate")]
mod codecs;
mod error;
mod io;
mod negotiated;
mod steps;

// layer 2: randomness, addresses; header fields; what is counted
mod fields;
mod hits;
mod random;
mod unfinished;
mod url;

// layer 3: what connections account for together
mod ledger;

// layer 4: the opening handshake, pure; HTTP/1.1 heads; one connection
mod handshake;
mod http1;
mod socket;

// layer 5: connecting; who is connected
mod client;
mod roster;

// layer 6: what connections have in common
mod factory;

// layer 7: accepting
mod server;

// layer 8: ready-made services
mod handler;
#[cfg(feature = "hyper")]
mod hyper_upgrade;

// layer 9: bodies of fuzz targets
#[doc(hidden)]
pub mod fuzzing;

pub use client::{ClientUpgrade, ConnectBuilder, client_handshake, connect};
pub use error::{
    ConnectError, ConnectStage, ConnectionRefused, HandshakeError, HeadError, ReadHeadError, RequestError,
    ResponseError, UrlError,
};
pub use factory::{Registration, WebSocketFactory};
pub use fields::HandshakeRequest;
pub use handler::WebSocketHandler;
pub use handshake::{
    Accepted, ClientAttempt, ClientRequest, ExtensionNegotiator, ExtensionRegistry, NegotiatedExtension,
    Origin, OriginError, OriginPolicy, ServerHandshake, UpgradeRequest, is_upgrade_attempt,
};
pub use hits::{ConnectionLimitHits, ServerLimitHits};
pub use http1::{HeadLimits, HeadReader, RequestHead, ResponseBody, encode_request, encode_response};
#[cfg(feature = "hyper")]
pub use hyper_upgrade::HyperService;
pub use io::{Bypass, Duplex, Io, SharedTcp};
pub use negotiated::Negotiated;
pub use random::RandomMasks;
pub use roster::StopSummary;
pub use server::{
    BoundServer, ConnectionFuture, Listener, NoService, Outcome, PeerInfo, PlainConnection, Server,
    ServerHandle, Service, Upgrade, Upgraded, serve,
};
pub use socket::{
    Link, Lost, ReadBuffer, Receiver, SendData, Sender, Signal, SocketError, TrySendError, Wake, WebSocket,
    lent_read_buffers,
};
pub use url::WebSocketUrl;
