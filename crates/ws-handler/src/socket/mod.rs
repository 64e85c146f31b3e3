//! The async socket: a connection of `ws_proto` over any byte stream.
//!
//! Here: reading, writing, timers and closing of one connection, and the [`Signal`] that wakes it. Not here: the
//! opening handshake (`handshake`), who accepts or dials (`server`, `client`), callbacks (`ws-servlet`).
//!
//! Modules are listed in layers, lowest first.

// 1: what connections share, and what goes wrong with one
mod crowd;
mod error;
mod pool;
mod signal;

// 2: timers, turns, input, memory for large messages
mod input;
mod large;
mod line;
mod wheel;

// 3: a connection without its receive path
mod link;

// 4: received messages
mod receive;

// 5: the socket in two halves
mod split;

// 6: the socket in one piece
mod websocket;

// 7: the same for others' traits
#[cfg(feature = "futures")]
mod stream;

#[cfg(test)]
mod tests;

pub use error::{Lost, SocketError, TrySendError};
pub use input::ReadBuffer;
pub use link::{Link, SendData, Wake};
pub use pool::lent_read_buffers;
pub use signal::Signal;
pub use split::{Receiver, Sender};
pub use websocket::WebSocket;
