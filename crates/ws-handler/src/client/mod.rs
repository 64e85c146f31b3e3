//! Opening connections: find the host, open TCP, shake hands.
//!
//! What is sent and how the answer is judged is in `handshake/client`; the open socket is in `socket/`. RFC 6455 §4.1.

mod dial;
mod exchange;

mod connect;

pub use connect::{ConnectBuilder, connect};
pub use exchange::{ClientUpgrade, client_handshake};
