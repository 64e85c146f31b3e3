//! One waker for all tasks that share a connection.
//!
//! A stream remembers one task to wake for reading and one for writing. When several tasks poll the same stream, each
//! would push the other out. So they all poll in the name of the crowd, and the crowd wakes whoever waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The tasks that wait for one connection.
#[derive(Default)]
pub(super) struct Crowd {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    receiver: Option<Waker>,
    seats: Vec<Place>,
}

#[derive(Default)]
struct Place {
    taken: bool,
    waker: Option<Waker>,
}

impl Crowd {
    /// The receiving half waits.
    pub(super) fn receiver_waits(&self, waker: &Waker) {
        let mut waiting = self.lock();
        match &mut waiting.receiver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Wakes the receiving half.
    pub(super) fn wake_receiver(&self) {
        let receiver = self.lock().receiver.take();
        if let Some(waker) = receiver {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        let (receiver, senders) = {
            let mut waiting = self.lock();
            let senders: Vec<Waker> = waiting
                .seats
                .iter_mut()
                .filter_map(|place| place.waker.take())
                .collect();
            (waiting.receiver.take(), senders)
        };
        // Outside the lock: a waker may run foreign code.
        receiver.into_iter().chain(senders).for_each(Waker::wake);
    }

    /// Nothing that is done under the lock leaves it unsound half way.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

/// The place of one sending future in the crowd; empty until it has to wait.
pub(super) struct Seat<'a> {
    crowd: &'a Crowd,
    index: Option<usize>,
}

impl<'a> Seat<'a> {
    pub(super) fn new(crowd: &'a Crowd) -> Self {
        Self { crowd, index: None }
    }

    /// The future waits. To be called before the poll that may find that it has to.
    pub(super) fn wait(&mut self, waker: &Waker) {
        let mut waiting = self.crowd.lock();
        let seats = &mut waiting.seats;
        let index = self.index.unwrap_or_else(|| {
            seats.iter().position(|place| !place.taken).unwrap_or_else(|| {
                seats.push(Place::default());
                seats.len() - 1
            })
        });
        self.index = Some(index);
        if let Some(place) = seats.get_mut(index) {
            *place = Place {
                taken: true,
                waker: Some(waker.clone()),
            };
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let Some(index) = self.index else { return };
        let mut waiting = self.crowd.lock();
        if let Some(place) = waiting.seats.get_mut(index) {
            *place = Place::default();
        }
        while waiting.seats.last().is_some_and(|place| !place.taken) {
            waiting.seats.pop();
        }
        if waiting.seats.is_empty() {
            waiting.seats = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn everybody_who_waits_is_woken_once_and_who_left_is_not() {
        let counts: Vec<_> = (0..4).map(|_| Arc::new(Count::default())).collect();
        let wakers: Vec<_> = counts
            .iter()
            .map(|count| Waker::from(Arc::clone(count)))
            .collect();
        let crowd = Arc::new(Crowd::default());
        crowd.receiver_waits(&wakers[0]);
        let mut stays = Seat::new(&crowd);
        let mut leaves = Seat::new(&crowd);
        leaves.wait(&wakers[1]);
        stays.wait(&wakers[2]);
        stays.wait(&wakers[3]);
        drop(leaves);
        let waker = Waker::from(Arc::clone(&crowd));
        waker.wake_by_ref();
        waker.wake_by_ref();
        let woken: Vec<_> = counts
            .iter()
            .map(|count| count.0.load(Ordering::SeqCst))
            .collect();
        assert_eq!(woken, [1, 0, 0, 1]);
        drop(stays);
        assert!(crowd.lock().seats.is_empty());
    }
}
