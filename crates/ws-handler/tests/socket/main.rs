//! The async socket through its public face: messages, closing, timers, halves, cancellation.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

mod batches;
mod calls;
mod cancel;
mod closing;
mod counters;
mod link;
mod messages;
mod sizes;
mod split;
mod support;
mod timers;
mod turns;

#[cfg(feature = "futures")]
mod stream;
