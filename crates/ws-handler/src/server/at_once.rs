//! What is ready at once, before timers and listeners are set up to wait for it.
//!
//! Most of what an opening waits for has happened already, and setting up a wait and taking it down costs more than a look.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// The output of a future that is ready at its next poll. `None`: it is not, and has to be polled again by who wants to wait
/// for it.
///
/// Cancel safe: it does not wait.
pub(super) async fn at_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::at_once;

    #[tokio::test]
    async fn what_is_not_ready_can_be_waited_for_afterwards() {
        assert_eq!(at_once(pin!(ready(1))).await, Some(1));
        assert_eq!(at_once(pin!(pending::<()>())).await, None);
        let mut later = pin!(async {
            tokio::task::yield_now().await;
            2
        });
        assert_eq!(at_once(later.as_mut()).await, None);
        assert_eq!(later.await, 2);
    }
}
