//! The one task of an accepted connection: first its opening, then what became of it.
//!
//! Here: [`Course`], which is what is spawned. Not here: what either part does (`connection`, `entrance`), and the fresh
//! task of an upgrade on a kept-alive connection (`entrance`), which spawns its [`ConnectionFuture`] as it is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::outcome::ConnectionFuture;

/// Reads and answers the first request. `None`: nothing is left to do.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Option<ConnectionFuture>> + Send>>;

/// A connection from its accept to its end.
///
/// Both parts are in boxes: the memory of the opening is freed before the other part begins, and what is left of the
/// task is small (a tokio task of at most 24 bytes takes 128, a larger one 256).
pub(crate) enum Course {
    Opening(Opening),
    Connection(ConnectionFuture),
}

impl Future for Course {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut *self {
                Self::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Some(connection) => *self = Self::Connection(connection),
                    None => return Poll::Ready(()),
                },
                Self::Connection(connection) => return connection.as_mut().poll(cx),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ConnectionFuture, Course};

    #[test]
    fn what_is_spawned_for_a_connection_fits_the_smallest_task() {
        assert!(size_of::<Course>() <= 24 && size_of::<ConnectionFuture>() <= 24);
    }

    #[tokio::test]
    async fn the_opening_is_freed_before_the_connection_begins() {
        let opening = Arc::new(());
        let watched = Arc::downgrade(&opening);
        let course = Course::Opening(Box::pin(async move {
            let opening = opening;
            tokio::task::yield_now().await;
            assert_eq!(Arc::strong_count(&opening), 1);
            Some(Box::pin(async move { assert!(watched.upgrade().is_none()) }) as ConnectionFuture)
        }));
        course.await;
        Course::Opening(Box::pin(async { None })).await;
    }
}
