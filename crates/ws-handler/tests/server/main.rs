//! The server through its public API, in one program, so that the in-memory network is built once.

mod harness;

mod first_request;
#[cfg(feature = "hyper")]
mod kept_alive;
mod limits;
