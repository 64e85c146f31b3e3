//! What the threads of a run have in common: whether to stop, and how much is done.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// What the thread that measures and the threads of load have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) stop: AtomicBool,
    /// Messages answered (connects completed) so far, measured or not.
    pub(super) answered: AtomicU64,
    /// Bytes written to and read from all connections after their handshakes.
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
}
