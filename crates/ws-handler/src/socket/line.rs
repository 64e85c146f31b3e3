//! Connections whose turn is over stand in line, and one of them is let in for each look at the sockets.
//!
//! Without the line all of them would have a turn between two such looks: beside a hundred peers that flood, others
//! waited for a hundred turns. With it they wait for one, and those in line share what is left of the thread. Not here:
//! when a turn is over (`link::turn`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::runtime::{self, Handle};
use tokio::task::yield_now;

thread_local! {
    /// The line of this thread, and the runtime whose tasks stand in it.
    static LINE: RefCell<Option<(runtime::Id, Arc<Line>)>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Waker>,
    /// Somebody lets them in.
    ushered: bool,
    /// The last one that came while there was no line, by its waker's address: to be compared, not to be used.
    last: usize,
}

impl Line {
    fn of_this_thread(runtime: runtime::Id) -> Option<Arc<Self>> {
        LINE.try_with(|cell| {
            let mut place = cell.borrow_mut();
            match place.as_ref() {
                Some((known, line)) if *known == runtime => Arc::clone(line),
                _ => Arc::clone(&place.insert((runtime, Arc::default())).1),
            }
        })
        .ok()
    }

    /// Nothing can panic while it is held, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one. None: the usher is to end.
    fn take(&self) -> Option<Waker> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            // A line that was long leaves no memory behind.
            *state = State::default();
        }
        next
    }
}

/// Stands in line: the task is woken when it is let in. `false`: there is no line, because there is no runtime or nobody
/// else who has had a turn; it is enough to yield.
pub(super) fn stand(waker: &Waker) -> bool {
    let Ok(handle) = Handle::try_current() else {
        return false;
    };
    let Some(line) = Line::of_this_thread(handle.id()) else {
        return false;
    };
    let mut state = line.lock();
    if !state.ushered {
        let me = waker.data() as usize;
        let before = std::mem::replace(&mut state.last, me);
        if before == 0 || before == me {
            return false;
        }
        state.ushered = true;
        handle.spawn(usher(Arc::clone(&line)));
    }
    state.waiting.push_back(waker.clone());
    true
}

/// Lets them in, one for each look at the sockets, until nobody waits any more: a turn is a tenth of a millisecond of work,
/// a look a hundredth of that. Waking a task that has other reasons to run, or is gone, does no harm.
async fn usher(line: Arc<Line>) {
    loop {
        // Tokio looks at the sockets before it goes on with who has yielded.
        yield_now().await;
        match line.take() {
            Some(next) => next.wake(),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    /// Writes its number down when it is woken.
    struct Told(u32, Arc<Mutex<Vec<u32>>>);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[tokio::test]
    async fn one_is_let_in_for_each_look_in_the_order_in_which_they_came() {
        let told = Arc::default();
        let wakers = [1, 2, 3, 4].map(|number| Waker::from(Arc::new(Told(number, Arc::clone(&told)))));
        assert!(!stand(&wakers[0]), "nobody else has had a turn");
        for waker in &wakers {
            let stands = stand(waker);
            assert_eq!(stands, waker.data() != wakers[0].data());
        }
        assert!(stand(&wakers[0]));
        let mut before = 0;
        for _ in 0..8 {
            yield_now().await;
            let now = told.lock().unwrap().len();
            assert!(now <= before + 1, "{told:?}");
            before = now;
        }
        assert_eq!(*told.lock().unwrap(), [2, 3, 4, 1]);
    }
}
