//! Coarse timers, one ticker per runtime thread instead of one sleep per connection.
//!
//! Here: [`Entry`], the place of one connection in the wheel of the thread that armed it, and the ticker task that
//! raises [`Signal::DEADLINE`]. Not here: what a deadline means (`ws_proto::Timers`): the wheel may ring without
//! need (the horizon was reached, the deadline has moved), never too early for a deadline that stands.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep};

use super::signal::Signal;

/// Width of a slot: how late a deadline may be noticed. Connections need no better than a fraction of a second.
pub(crate) const GRANULARITY: Duration = Duration::from_millis(64);
/// Slots in the wheel: a horizon of half a minute. A later deadline rings at the horizon and is armed again.
const SLOTS: u64 = 512;
/// No node.
const NONE: u32 = u32::MAX;

thread_local! {
    /// The wheel of this thread, and the runtime its ticker runs on.
    static WHEEL: RefCell<Option<(runtime::Id, Arc<Wheel>)>> = const { RefCell::new(None) };
}

/// The place of one connection in a wheel; empty until a deadline is armed.
#[derive(Default)]
pub(crate) struct Entry {
    wheel: Option<Arc<Wheel>>,
    node: u32,
    /// The tick at which the node rings, while `wheel` is set.
    tick: u64,
}

impl Entry {
    /// Sees to it that the signal is raised within [`GRANULARITY`] after `deadline`, and not before, unless the
    /// deadline lies beyond the horizon. Leaves an entry alone that already rings earlier.
    ///
    /// Without a tokio runtime there are no timers, and nothing is armed.
    pub(crate) fn arm(&mut self, deadline: Instant, signal: &Arc<Signal>) {
        if let Some(wheel) = &self.wheel {
            if self.tick <= wheel.tick_of(deadline) && !signal_is_due(signal) {
                return;
            }
            self.disarm(signal);
        }
        let Some(wheel) = Wheel::of_this_thread() else {
            return;
        };
        if let Some((node, tick)) = wheel.insert(deadline, signal) {
            *self = Self {
                wheel: Some(wheel),
                node,
                tick,
            };
        }
    }

    /// Takes the entry out of the wheel, if it is in one.
    pub(crate) fn disarm(&mut self, signal: &Arc<Signal>) {
        if let Some(wheel) = self.wheel.take() {
            wheel.remove(self.node, self.tick, signal);
        }
    }
}

/// A raised deadline means that the node is no longer in the wheel.
fn signal_is_due(signal: &Signal) -> bool {
    signal.peek(Signal::DEADLINE) != 0
}

struct Wheel {
    origin: Instant,
    state: Mutex<State>,
}

struct State {
    slots: Vec<u32>,
    nodes: Vec<Node>,
    /// Head of the list of free nodes.
    free: u32,
    armed: usize,
    /// The last tick that was rung.
    now: u64,
    /// The tick the ticker sleeps until; `u64::MAX` while it sleeps for good.
    sleeps_until: u64,
    ticker: Option<Waker>,
    /// The ticker's runtime has ended: nothing here will ring again.
    dead: bool,
}

struct Node {
    /// `None` while the node is free.
    signal: Option<Arc<Signal>>,
    previous: u32,
    next: u32,
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
                    Some((runtime, wheel)) if *runtime == id && !wheel.lock().dead => Arc::clone(wheel),
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
            slots: vec![NONE; SLOTS as usize],
            nodes: Vec::new(),
            free: NONE,
            armed: 0,
            now: 0,
            sleeps_until: 0,
            ticker: None,
            dead: false,
        };
        Self {
            origin: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// The first tick at or after `deadline`: a ring is never early.
    fn tick_of(&self, deadline: Instant) -> u64 {
        let nanoseconds = deadline.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanoseconds.div_ceil(GRANULARITY.as_nanos())).unwrap_or(u64::MAX)
    }

    fn time_of(&self, tick: u64) -> Instant {
        // A tick that is slept until lies within the horizon, so the product cannot overflow.
        self.origin + Duration::from_nanos((GRANULARITY.as_nanos() as u64).saturating_mul(tick))
    }

    /// Every method leaves the lists sound before anything can panic, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, deadline: Instant, signal: &Arc<Signal>) -> Option<(u32, u64)> {
        let mut state = self.lock();
        // While nothing was armed the ticker slept and `now` stood still.
        if state.armed == 0 {
            let now =
                Instant::now().saturating_duration_since(self.origin).as_nanos() / GRANULARITY.as_nanos();
            state.now = state.now.max(u64::try_from(now).unwrap_or(u64::MAX));
        }
        let tick = self.tick_of(deadline).clamp(state.now + 1, state.now + SLOTS);
        let node = state.link(tick, Arc::clone(signal))?;
        let ticker = if tick < state.sleeps_until {
            state.ticker.take()
        } else {
            None
        };
        drop(state);
        if let Some(ticker) = ticker {
            ticker.wake();
        }
        Some((node, tick))
    }

    fn remove(&self, node: u32, tick: u64, signal: &Arc<Signal>) {
        let removed = self.lock().unlink(node, tick, signal);
        // Dropped outside the lock.
        drop(removed);
    }
}

impl State {
    /// Puts a signal into the slot of `tick`.
    fn link(&mut self, tick: u64, signal: Arc<Signal>) -> Option<u32> {
        let slot = (tick % SLOTS) as usize;
        let head = *self.slots.get(slot)?;
        let node = Node {
            signal: Some(signal),
            previous: NONE,
            next: head,
        };
        let index = if self.free == NONE {
            let index = u32::try_from(self.nodes.len())
                .ok()
                .filter(|index| *index != NONE)?;
            self.nodes.push(node);
            index
        } else {
            let index = self.free;
            let place = self.nodes.get_mut(index as usize)?;
            self.free = place.next;
            *place = node;
            index
        };
        if let Some(next) = self.nodes.get_mut(head as usize) {
            next.previous = index;
        }
        *self.slots.get_mut(slot)? = index;
        self.armed += 1;
        Some(index)
    }

    /// Takes a node out, if it still is the caller's: it may have rung and been given to another.
    fn unlink(&mut self, index: u32, tick: u64, signal: &Arc<Signal>) -> Option<Arc<Signal>> {
        let node = self.nodes.get_mut(index as usize)?;
        if !node
            .signal
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, signal))
        {
            return None;
        }
        let removed = node.signal.take();
        let (previous, next) = (node.previous, node.next);
        node.next = self.free;
        self.free = index;
        match self.nodes.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => *self.slots.get_mut((tick % SLOTS) as usize)? = next,
        }
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = previous;
        }
        self.armed -= 1;
        removed
    }

    /// Empties every slot up to and including `tick` and collects what lay there.
    fn ring_until(&mut self, tick: u64, due: &mut Vec<Arc<Signal>>) {
        // After a long pause one round visits every slot; more would find nothing new.
        let first = (self.now + 1).max(tick.saturating_sub(SLOTS - 1));
        for slot in first..=tick {
            let Some(head) = self.slots.get_mut((slot % SLOTS) as usize) else {
                continue;
            };
            let mut index = std::mem::replace(head, NONE);
            while let Some(node) = self.nodes.get_mut(index as usize) {
                due.extend(node.signal.take());
                let next = std::mem::replace(&mut node.next, self.free);
                self.free = index;
                self.armed -= 1;
                index = next;
            }
        }
        self.now = self.now.max(tick);
        if self.armed == 0 {
            // A crowd that has gone leaves no memory behind.
            self.nodes = Vec::new();
            self.free = NONE;
        }
    }

    /// The next tick with something in its slot.
    fn next_tick(&self) -> u64 {
        if self.armed == 0 {
            return u64::MAX;
        }
        (self.now + 1..=self.now + SLOTS)
            .find(|tick| {
                self.slots
                    .get((tick % SLOTS) as usize)
                    .is_some_and(|head| *head != NONE)
            })
            .unwrap_or(u64::MAX)
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
            let elapsed = Instant::now()
                .saturating_duration_since(this.wheel.origin)
                .as_nanos();
            let tick = u64::try_from(elapsed / GRANULARITY.as_nanos()).unwrap_or(u64::MAX);
            let mut state = this.wheel.lock();
            state.ring_until(tick, &mut due);
            let next = state.next_tick();
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
        let mut state = self.wheel.lock();
        state.dead = true;
        state.ticker = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the signal's deadline flag is set, and takes it.
    async fn rung(signal: &Signal) {
        std::future::poll_fn(|cx| {
            signal.register(cx.waker());
            if signal.take(Signal::DEADLINE) != 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn armed_nodes() -> usize {
        WHEEL.with_borrow(|wheel| wheel.as_ref().map_or(0, |(_, wheel)| wheel.lock().armed))
    }

    #[tokio::test(start_paused = true)]
    async fn rings_at_most_one_slot_late_and_never_early() {
        let signal = Arc::new(Signal::new());
        for milliseconds in [0, 1, 63, 64, 65, 1_000, 10_001, 29_999] {
            let start = Instant::now();
            let deadline = start + Duration::from_millis(milliseconds);
            let mut entry = Entry::default();
            entry.arm(deadline, &signal);
            rung(&signal).await;
            let now = Instant::now();
            assert!(now >= deadline, "{milliseconds} ms: early");
            // Tokio's own timer rounds up to a millisecond.
            let late = GRANULARITY + Duration::from_millis(1);
            assert!(
                now <= deadline + late + GRANULARITY,
                "{milliseconds} ms: {:?}",
                now - deadline
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_the_horizon_rings_at_the_horizon_and_is_armed_again() {
        let signal = Arc::new(Signal::new());
        let mut entry = Entry::default();
        let deadline = Instant::now() + Duration::from_secs(100);
        let mut rings = 0;
        while Instant::now() < deadline {
            entry.arm(deadline, &signal);
            rung(&signal).await;
            entry.disarm(&signal);
            rings += 1;
        }
        assert_eq!(rings, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_left_alone_when_the_deadline_moves_later_and_moved_when_earlier() {
        let signal = Arc::new(Signal::new());
        let mut entry = Entry::default();
        let start = Instant::now();
        entry.arm(start + Duration::from_secs(5), &signal);
        let place = (entry.node, entry.tick);
        entry.arm(start + Duration::from_secs(9), &signal);
        assert_eq!((entry.node, entry.tick), place);
        entry.arm(start + Duration::from_secs(1), &signal);
        assert_ne!(entry.tick, place.1);
        assert_eq!(armed_nodes(), 1);
        rung(&signal).await;
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_disarmed_entry_leaves_the_wheel_and_a_stale_one_does_no_harm() {
        let signals: Vec<_> = (0..5).map(|_| Arc::new(Signal::new())).collect();
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut entries: Vec<Entry> = signals
            .iter()
            .map(|signal| {
                let mut entry = Entry::default();
                entry.arm(deadline, signal);
                entry
            })
            .collect();
        assert_eq!(armed_nodes(), 5);
        for index in [2, 0, 4] {
            entries[index].disarm(&signals[index]);
        }
        assert_eq!(armed_nodes(), 2);
        rung(&signals[1]).await;
        rung(&signals[3]).await;
        assert_eq!(armed_nodes(), 0);
        // Both have rung. A newcomer gets one of their nodes, which a late disarm must not touch.
        let newcomer = Arc::new(Signal::new());
        let mut entry = Entry::default();
        entry.arm(Instant::now() + Duration::from_secs(1), &newcomer);
        for (entry, signal) in entries.iter_mut().zip(&signals) {
            entry.disarm(signal);
        }
        assert_eq!(armed_nodes(), 1);
        rung(&newcomer).await;
        assert!(
            [0, 2, 4]
                .iter()
                .all(|index| signals[*index].peek(Signal::DEADLINE) == 0)
        );
    }

    #[test]
    fn a_new_runtime_on_the_same_thread_gets_a_new_ticker() {
        for _ in 0..2 {
            let runtime = runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let signal = Arc::new(Signal::new());
                let mut entry = Entry::default();
                entry.arm(Instant::now() + Duration::from_secs(1), &signal);
                rung(&signal).await;
            });
        }
    }

    #[test]
    fn an_entry_may_ring_on_a_thread_other_than_the_one_that_armed_it() {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    tokio::spawn(async {
                        let signal = Arc::new(Signal::new());
                        let mut entry = Entry::default();
                        for _ in 0..2 {
                            entry.arm(Instant::now() + Duration::from_millis(1), &signal);
                            rung(&signal).await;
                            entry.disarm(&signal);
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}
