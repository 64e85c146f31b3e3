//! A panic in a callback ends one connection, not the worker.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future and gives back what a panic in it left. After that it must not be polled again.
///
/// Borrows the future, which stays where it is: passing it by value would keep two places for it in every
/// connection.
pub(super) struct Caught<'a, F>(pub(super) Pin<&'a mut F>);

impl<F: Future> Future for Caught<'_, F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut();
        // Unwind safe: the future is not polled again, and of what it had borrowed, the connection is failed and the
        // endpoint only told of its end.
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
