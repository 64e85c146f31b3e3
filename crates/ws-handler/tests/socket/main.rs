//! The async socket through its public face: messages, closing, timers, halves, cancellation.

mod batches;
mod cancel;
mod closing;
mod link;
mod messages;
mod sizes;
mod split;
mod support;
mod timers;

#[cfg(feature = "futures")]
mod stream;
