//! The servlet through its public interface: requests and frames in, frames and callbacks out. Time is virtual.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod callbacks;
mod calls;
mod counted;
mod endings;
mod extensions;
mod mail;
mod past;
mod rig;
mod routing;
mod shared_factory;
mod workers;
