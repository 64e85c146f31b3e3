//! A WebSocket test server, a test client, and the command line around them.
//!
//! [`Protocol`] is the table of test subprotocols.
#![forbid(unsafe_code)]

// layer 1
mod protocol;

// layer 4
mod cli;

pub use protocol::{Protocol, UnknownProtocol};

#[doc(hidden)]
pub use cli::run;
