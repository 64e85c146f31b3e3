//! WebSocket handshake over HTTP and the async WebSocket socket.
//!
//! Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![forbid(unsafe_code)]

// layer 1: errors; the byte stream, and what was agreed on it
mod error;
mod io;
mod negotiated;

// layer 2: randomness, addresses
mod random;
mod url;

// layer 3: the opening handshake, pure; HTTP/1.1 heads; one connection
mod handshake;
mod http1;
mod socket;

// layer 4: connecting; who is connected
mod client;
mod roster;

// layer 5: what connections have in common
mod factory;

// layer 6: accepting
mod server;

// layer 7: ready-made services
mod handler;
#[cfg(feature = "hyper")]
mod hyper_upgrade;

pub use client::{ClientUpgrade, ConnectBuilder, client_handshake, connect};
pub use error::{
    ConnectError, ConnectStage, ConnectionRefused, HandshakeError, HeadError, ReadHeadError, RequestError,
    ResponseError, UrlError,
};
pub use factory::{Registration, WebSocketFactory};
pub use handler::WebSocketHandler;
pub use handshake::{
    Accepted, ClientAttempt, ClientRequest, ExtensionNegotiator, ExtensionRegistry, NegotiatedExtension,
    Origin, OriginError, OriginPolicy, ServerHandshake, UpgradeRequest, is_upgrade_attempt,
};
pub use http1::{HeadLimits, HeadReader, RequestHead, ResponseBody, encode_request, encode_response};
#[cfg(feature = "hyper")]
pub use hyper_upgrade::HyperService;
pub use io::{Duplex, Io};
pub use negotiated::Negotiated;
pub use random::RandomMasks;
pub use roster::StopSummary;
pub use server::{
    BoundServer, ConnectionFuture, Listener, NoService, Outcome, PeerInfo, PlainConnection, Server,
    ServerHandle, Service, Upgrade, Upgraded, serve,
};
pub use socket::{
    Link, Lost, ReadBuffer, Receiver, SendData, Sender, Signal, SocketError, TrySendError, Wake, WebSocket,
};
pub use url::WebSocketUrl;
