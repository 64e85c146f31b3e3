//! Carriers: tasks that write publications to the streams of connections that wait, without waking their tasks.
//!
//! A publication to many is one task for each runtime that has subscribers, or one for each of its threads, instead of a
//! wake and a turn for each subscriber. On a runtime of one thread it begins when the publisher's turn is over, so what is
//! published in one turn leaves in one write. Not here: what a connection must be like to be passed (`gate`), what goes
//! out and in which order (`state`).

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use super::outbox::Outbox;

/// Below so many subscribers of a runtime their own tasks write: to spawn a carrier costs as much as a wake or two.
const FEW: usize = 3;

/// Mailboxes that a carrier looks after before others have their turn: about half a millisecond of writing. Tokio runs 61
/// tasks between two looks at its sockets, so a carrier is no worse than the tasks it replaces.
pub(super) const TURN: usize = 64;

/// The same in bytes, for large publications.
const TURN_BYTES: usize = 256 * 1024;

/// A carrier of its own for every so many mailboxes, as far as the runtime has threads for them.
const SHARE: usize = 256;

/// A mailbox that somebody owes a look: [`Outbox::write_past`], or if it is dropped before, [`Outbox::hand_over`].
struct Promise(Option<Arc<Outbox>>);

impl Promise {
    /// Writes once. The weight of what was written, and the promise, if it is not kept yet.
    fn write_past(mut self, now: std::time::Instant) -> (usize, Option<Self>) {
        let (weight, more) = self
            .0
            .as_ref()
            .map_or((0, false), |outbox| outbox.write_past(now));
        if more {
            return (weight, Some(self));
        }
        self.0 = None;
        (weight, None)
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(outbox) = &self.0 {
            outbox.hand_over();
        }
    }
}

/// What is to be written, by the runtime on which that is best done.
#[derive(Default)]
pub(super) struct Loads(Vec<Load>);

struct Load {
    id: runtime::Id,
    home: Option<Handle>,
    promises: VecDeque<Promise>,
}

impl Loads {
    /// Takes over what [`Outbox::offer`] has told the caller to see to.
    pub(super) fn add(&mut self, id: runtime::Id, outbox: &Arc<Outbox>) {
        let promise = Promise(Some(Arc::clone(outbox)));
        match self.0.iter_mut().find(|load| load.id == id) {
            Some(load) => load.promises.push_back(promise),
            None => self.0.push(Load {
                id,
                home: outbox.home(),
                promises: VecDeque::from([promise]),
            }),
        }
    }

    /// Sends carriers out.
    pub(super) fn send_out(self) {
        for Load { home, promises, .. } in self.0 {
            match home {
                Some(home) if promises.len() >= FEW => send_out(promises, &home),
                _ => drop(promises),
            }
        }
    }
}

fn send_out(mut promises: VecDeque<Promise>, home: &Handle) {
    let threads = home.metrics().num_workers();
    let carriers = threads.min(promises.len().div_ceil(SHARE));
    let share = promises.len().div_ceil(carriers);
    while promises.len() > share {
        home.spawn(carry(promises.drain(..share).collect()));
    }
    home.spawn(carry(promises));
    if threads > 1 {
        // What a thread of several spawns last can run on no other: let that be nothing, so that a publisher that goes on
        // working does not hold up what it has published.
        home.spawn(async {});
    }
}

/// Keeps promises, in turns.
async fn carry(mut promises: VecDeque<Promise>) {
    while !promises.is_empty() {
        let now = Instant::now().into_std();
        let mut bytes = 0;
        for _ in 0..TURN {
            let Some(promise) = promises.pop_front() else {
                return;
            };
            let (weight, more) = promise.write_past(now);
            promises.extend(more);
            bytes += weight;
            if bytes >= TURN_BYTES {
                break;
            }
        }
        tokio::task::yield_now().await;
    }
}
