//! How many errors were logged on this thread: the leak line allows one for each panic and failure that was asked for.

use std::cell::Cell;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static ERRORS: Cell<isize> = const { Cell::new(0) };
}

/// Hears errors only.
struct Errors;

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        ERRORS.set(ERRORS.get() + 1);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Counts until it is dropped.
pub(crate) fn listen() -> DefaultGuard {
    tracing::subscriber::set_default(Errors)
}

/// One error is going to be logged, and that is right.
pub(crate) fn expect_one() {
    ERRORS.set(ERRORS.get() - 1);
}

/// Errors logged on this thread while somebody listened, without those that were expected.
pub(crate) fn errors() -> isize {
    ERRORS.get()
}
