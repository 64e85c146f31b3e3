//! The async socket: a connection of `ws_proto` over any byte stream.
//!
//! Here: reading, writing, timers and closing of one connection, and the [`Signal`] that wakes it. Not here: the
//! opening handshake (`handshake`), who accepts or dials (`server`, `client`), callbacks (`ws-servlet`).
//!
//! Modules are listed in layers, lowest first.

// 1: what connections share
mod pool;
mod signal;

// 2: timers and input
mod input;
mod wheel;

pub use input::ReadBuffer;
pub use signal::Signal;
