//! Counts what parsers look at, in unit tests only: whether their time is linear is not for a clock to decide.
//!
//! Outside tests a step is nothing at all.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// A parser looks at one thing more: a byte of a field, a header, a piece of a payload.
#[inline]
pub(crate) fn step() {
    steps(1);
}

/// So many things more: the bytes of a payload that are unmasked, validated or copied.
#[inline]
#[cfg_attr(not(test), expect(unused_variables, reason = "nothing is counted"))]
pub(crate) fn steps(count: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + count);
}

/// How many steps `work` takes.
#[cfg(test)]
pub(crate) fn count(work: impl FnOnce()) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}
