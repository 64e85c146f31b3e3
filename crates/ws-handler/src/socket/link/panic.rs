//! The last words of a connection whose owner panics.
//!
//! Not here: panics that are caught and answered while the connection lives (`Link::fail_with`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};
use std::thread;

use tokio::io::AsyncWrite;
use ws_proto::CloseCode;

use super::Link;

impl<IO: AsyncWrite + Unpin> Link<IO> {
    /// From now on a panic that drops the link tells the peer so: a Close frame with 1011 (internal error), as far
    /// as the stream takes it at once.
    pub(crate) fn announce_panics(&mut self) {
        self.on_panic = Some(Self::say_internal_error);
    }

    fn say_internal_error(&mut self) {
        if self.fail_with(CloseCode::INTERNAL_ERROR, "").is_ok() {
            // Nobody is left to wait for what the stream does not take now.
            let _ = self.poll_output(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<IO> Link<IO> {
    pub(super) fn handle_panic(&mut self) {
        let Some(say) = self.on_panic.filter(|_| thread::panicking()) else {
            return;
        };
        // A second panic while the first unwinds would abort the process. The link is dropped next, so whatever
        // state a panic leaves it in is never seen.
        let _ = catch_unwind(AssertUnwindSafe(|| say(self)));
    }
}
