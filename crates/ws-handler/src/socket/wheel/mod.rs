//! Coarse timers, one ticker per runtime thread instead of one sleep per connection.
//!
//! Here: [`Entry`], the place of one connection in the wheel of the thread that armed it, and the ticker task that
//! raises [`Signal::DEADLINE`]. Not here: what a deadline means (`ws_proto::Timers`): the wheel may ring without
//! need (the horizon was reached, the deadline has moved), never too early for a deadline that stands.

mod slots;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep};

use super::signal::Signal;
use slots::Slots;

/// Width of a slot: how late a deadline may be noticed. Connections need no better than a fraction of a second.
pub(crate) const GRANULARITY: Duration = Duration::from_millis(64);

thread_local! {
    /// The wheel of this thread, and the runtime its ticker runs on.
    static WHEEL: RefCell<Option<(runtime::Id, Arc<Wheel>)>> = const { RefCell::new(None) };
}

/// The place of one connection in a wheel; empty until a deadline is armed.
#[derive(Default)]
pub(crate) struct Entry {
    place: Option<Place>,
}

struct Place {
    wheel: Arc<Wheel>,
    node: u32,
    /// When it rings. A wheel turns for 8 years before its ticks need more bits.
    tick: u32,
}

impl Entry {
    /// Sees to it that the signal is raised within [`GRANULARITY`] after `deadline`, and not before, unless the
    /// deadline lies beyond the horizon. Leaves an entry alone that already rings early enough.
    ///
    /// Without a tokio runtime there are no timers, and nothing is armed.
    pub(crate) fn arm(&mut self, deadline: Instant, signal: &Arc<Signal>) {
        if let Some(place) = &self.place {
            // Less than a slot after the deadline: no slot in between would do better.
            if place.wheel.time_of(place.tick.into()) < deadline + GRANULARITY && !place.wheel.is_dead() {
                return;
            }
            self.disarm(signal);
        }
        let insert = || Wheel::of_this_thread()?.insert(deadline, signal);
        // Another wheel follows one that has come to its last tick.
        self.place = insert().or_else(insert);
    }

    /// Whether it will ring.
    pub(crate) fn is_armed(&self) -> bool {
        self.place.as_ref().is_some_and(|place| !place.wheel.is_dead())
    }

    /// Takes the entry out of the wheel, if it is in one. To be called when it has rung, too.
    pub(crate) fn disarm(&mut self, signal: &Arc<Signal>) {
        if let Some(place) = self.place.take() {
            let removed = place
                .wheel
                .lock()
                .slots
                .remove(place.node, place.tick.into(), signal);
            // Dropped outside the lock.
            drop(removed);
        }
    }
}

struct Wheel {
    origin: Instant,
    state: Mutex<State>,
    /// The ticker's runtime has ended, or no later tick can be told: nothing more is to be armed here.
    dead: AtomicBool,
}

struct State {
    slots: Slots,
    /// The tick the ticker sleeps until; `u64::MAX` while it sleeps for good.
    sleeps_until: u64,
    ticker: Option<Waker>,
}

impl Wheel {
    /// The wheel of this thread for the current runtime, made and its ticker spawned when there is none.
    fn of_this_thread() -> Option<Arc<Self>> {
        let handle = Handle::try_current().ok()?;
        let id = handle.id();
        WHEEL
            .try_with(|cell| {
                let mut place = cell.borrow_mut();
                match place.as_ref() {
                    Some((runtime, wheel)) if *runtime == id && !wheel.is_dead() => Arc::clone(wheel),
                    _ => {
                        let wheel = Arc::new(Self::new());
                        handle.spawn(Ticker {
                            wheel: Arc::clone(&wheel),
                            sleep: None,
                        });
                        *place = Some((id, Arc::clone(&wheel)));
                        wheel
                    }
                }
            })
            .ok()
    }

    fn new() -> Self {
        let state = State {
            slots: Slots::new(),
            sleeps_until: 0,
            ticker: None,
        };
        Self {
            origin: Instant::now(),
            state: Mutex::new(state),
            dead: AtomicBool::new(false),
        }
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// The first tick at or after `deadline`: a ring is never early.
    fn tick_of(&self, deadline: Instant) -> u64 {
        let nanoseconds = deadline.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanoseconds.div_ceil(GRANULARITY.as_nanos())).unwrap_or(u64::MAX)
    }

    /// The tick that has come.
    fn tick_now(&self) -> u64 {
        let nanoseconds = Instant::now().saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanoseconds / GRANULARITY.as_nanos()).unwrap_or(u64::MAX)
    }

    fn time_of(&self, tick: u64) -> Instant {
        // A tick that is armed lies within the horizon, so the product cannot overflow.
        self.origin + Duration::from_nanos((GRANULARITY.as_nanos() as u64).saturating_mul(tick))
    }

    /// Every method leaves the lists sound before anything can panic, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(self: Arc<Self>, deadline: Instant, signal: &Arc<Signal>) -> Option<Place> {
        let mut state = self.lock();
        if state.slots.armed() == 0 {
            // The ticker slept, and the slots stood still.
            state.slots.skip_to(self.tick_now());
        }
        let (node, tick) = state.slots.insert(self.tick_of(deadline), Arc::clone(signal))?;
        let Ok(short) = u32::try_from(tick) else {
            self.dead.store(true, Ordering::Relaxed);
            let removed = state.slots.remove(node, tick, signal);
            drop(state);
            drop(removed);
            return None;
        };
        let ticker = if tick < state.sleeps_until {
            state.ticker.take()
        } else {
            None
        };
        drop(state);
        if let Some(ticker) = ticker {
            ticker.wake();
        }
        Some(Place {
            wheel: self,
            node,
            tick: short,
        })
    }
}

/// The task that rings. It sleeps until the next slot in use, and for good while nothing is armed.
struct Ticker {
    wheel: Arc<Wheel>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for Ticker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut due = Vec::new();
        loop {
            let tick = this.wheel.tick_now();
            let mut state = this.wheel.lock();
            state.slots.ring_until(tick, &mut due);
            let next = state.slots.next_tick();
            state.sleeps_until = next;
            state.ticker = Some(cx.waker().clone());
            drop(state);
            for signal in due.drain(..) {
                signal.raise(Signal::DEADLINE);
            }
            if next == u64::MAX {
                return Poll::Pending;
            }
            let until = this.wheel.time_of(next);
            let sleep = match &mut this.sleep {
                Some(sleep) => {
                    sleep.as_mut().reset(until);
                    sleep
                }
                none => none.insert(Box::pin(tokio::time::sleep_until(until))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // The runtime is going down. Entries that are armed again find another wheel.
        self.wheel.dead.store(true, Ordering::Relaxed);
        self.wheel.lock().ticker = None;
    }
}
