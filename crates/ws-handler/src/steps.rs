//! Counts what parsers look at, in unit tests only: whether their time is linear is not for a clock to decide.
//!
//! Outside tests a step is nothing at all.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// A parser looks at one thing more: a byte of a head or of a field, a name.
#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}

/// How many steps `work` takes.
#[cfg(test)]
pub(crate) fn count(work: impl FnOnce()) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}

/// Twice as many bytes of a head are twice as many steps for `read`, which gets the head.
#[cfg(test)]
pub(crate) fn assert_linear(read: impl Fn(&[u8])) {
    let bytewise = |length: usize| {
        let head = [b"GET / HTTP/1.1\r\nA: ", &vec![b'x'; length][..]].concat();
        count(|| read(&head))
    };
    let (once, twice) = (bytewise(2_000), bytewise(4_000));
    assert!((2_000..2_050).contains(&once), "{once}");
    assert!((4_000..4_050).contains(&twice), "{twice}");
}
