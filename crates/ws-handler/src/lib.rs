//! WebSocket handshake over HTTP and the async WebSocket socket.
//!
//! Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![forbid(unsafe_code)]

// layer 1: the byte stream, and what was agreed on it
mod io;
mod negotiated;

// layer 2: one connection
mod socket;

pub use io::{Duplex, Io};
pub use negotiated::Negotiated;
pub use socket::{
    Link, Lost, ReadBuffer, Receiver, SendData, Sender, Signal, SocketError, TrySendError, Wake, WebSocket,
};
