//! The test server as its clients see it: protocols, plain HTTP, and the program.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

// layer 1
mod wire;

// layer 2
mod command;
mod gauges;
mod lifecycle;
mod plain_http;
mod protocols;
