//! Every error of this crate, grouped by who erred; one file per group.
//!
//! Errors of the protocol after the handshake are `ws-proto`'s.

mod handshake;
mod head;
mod url;

mod connect;

pub use connect::{ConnectError, ConnectStage, ConnectionRefused, RequestError, ResponseError};
pub use handshake::HandshakeError;
pub use head::{HeadError, ReadHeadError};
pub use url::UrlError;
