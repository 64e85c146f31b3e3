//! The server through its public API, in one program, so that the in-memory network is built once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what goes wrong in a test ends it"
)]

mod harness;

mod cancel;
mod counters;
mod first_request;
#[cfg(feature = "hyper")]
mod kept_alive;
mod limits;
mod shutdown;
#[cfg(unix)]
mod workers;
