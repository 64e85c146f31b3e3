//! The catalogue of bad peers against the whole stack, on virtual time and without sockets: docs/SECURITY.md leads from
//! each id to its test. Cases that one layer decides alone are tested beside that layer.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

// layer 1
mod heap;
mod log;

// layer 2
mod endpoints;

// layer 3
mod scene;

// layer 4
mod attacks_closing;
mod attacks_deflate;
mod attacks_frames;
mod attacks_handshake;
mod client;
mod closing;
mod command;
mod compression;
mod fairness;
mod limits;
mod memory;
mod policy;
mod program;
mod stopping;
mod time;
mod topics;
mod trouble;
mod work;
