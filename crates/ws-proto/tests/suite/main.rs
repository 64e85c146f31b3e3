//! Tests of ws-proto through its public API: two connections joined in memory with virtual time, vectors from
//! files, and the catalogues of bad frames and bad endings.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may unwrap and panic as tests do"
)]

mod pair;

mod calls;
mod closing;
mod floods;
mod frames;
mod round_trip;
mod timers;
mod vectors;

#[cfg(feature = "codec")]
mod codec;
mod corpus;

mod chain;
#[cfg(feature = "deflate")]
mod deflate;
