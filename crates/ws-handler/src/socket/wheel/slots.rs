//! The slots of the wheel: a list of signals for each tick of the coming half minute, in one slab of nodes.
//!
//! Adding, removing and ringing cost the same however many there are. No clock here, and no lock.

use std::sync::Arc;

use crate::socket::signal::Signal;

/// Slots in the wheel: a horizon of half a minute. A later deadline rings at the horizon and is armed again.
pub(super) const SLOTS: u64 = 512;
/// No node.
const NONE: u32 = u32::MAX;

/// Signals, each at a tick within the horizon.
pub(super) struct Slots {
    /// Head of the list of each slot.
    heads: Vec<u32>,
    nodes: Vec<Node>,
    /// Head of the list of free nodes.
    free: u32,
    armed: usize,
    /// The last tick that was rung.
    now: u64,
}

struct Node {
    /// `None` while the node is free.
    signal: Option<Arc<Signal>>,
    previous: u32,
    next: u32,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![NONE; SLOTS as usize],
            nodes: Vec::new(),
            free: NONE,
            armed: 0,
            now: 0,
        }
    }

    /// How many signals there are.
    pub(super) fn armed(&self) -> usize {
        self.armed
    }

    /// Moves on without ringing, as is right while there is nothing to ring.
    pub(super) fn skip_to(&mut self, tick: u64) {
        if self.armed == 0 {
            self.now = self.now.max(tick);
        }
    }

    /// Adds a signal at `tick`, or at the nearest tick that can be had. Returns where it is: node and tick.
    pub(super) fn insert(&mut self, tick: u64, signal: Arc<Signal>) -> Option<(u32, u64)> {
        let tick = tick.clamp(self.now + 1, self.now + SLOTS);
        self.link(tick, signal).map(|node| (node, tick))
    }

    /// Puts a signal into the slot of `tick`.
    fn link(&mut self, tick: u64, signal: Arc<Signal>) -> Option<u32> {
        let slot = (tick % SLOTS) as usize;
        let head = *self.heads.get(slot)?;
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
        *self.heads.get_mut(slot)? = index;
        self.armed += 1;
        Some(index)
    }

    /// Takes a node out, if it still is the caller's: it may have rung and been given to another.
    pub(super) fn remove(&mut self, index: u32, tick: u64, signal: &Arc<Signal>) -> Option<Arc<Signal>> {
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
            None => *self.heads.get_mut((tick % SLOTS) as usize)? = next,
        }
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = previous;
        }
        self.armed -= 1;
        removed
    }

    /// Empties every slot up to and including `tick` and collects what lay there.
    pub(super) fn ring_until(&mut self, tick: u64, due: &mut Vec<Arc<Signal>>) {
        // After a long pause one round visits every slot; more would find nothing new.
        let first = (self.now + 1).max(tick.saturating_sub(SLOTS - 1));
        for slot in first..=tick {
            let Some(head) = self.heads.get_mut((slot % SLOTS) as usize) else {
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
    pub(super) fn next_tick(&self) -> u64 {
        if self.armed == 0 {
            return u64::MAX;
        }
        (self.now + 1..=self.now + SLOTS)
            .find(|tick| {
                self.heads
                    .get((tick % SLOTS) as usize)
                    .is_some_and(|head| *head != NONE)
            })
            .unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Numbers that look random and are the same every time (xorshift).
    fn numbers() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), |last| {
            let mut next = *last;
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            Some(next)
        })
    }

    #[test]
    fn does_what_a_sorted_map_does() {
        let mut random = numbers();
        let mut roll = move |below: u64| random.next().unwrap() % below;
        let mut slots = Slots::new();
        let mut model: BTreeMap<usize, (u32, u64, Arc<Signal>)> = BTreeMap::new();
        let mut now = 0;
        for id in 0..20_000 {
            match roll(10) {
                0..=4 => {
                    let signal = Arc::new(Signal::new());
                    let wanted = now + roll(700);
                    let (node, tick) = slots.insert(wanted, Arc::clone(&signal)).unwrap();
                    assert_eq!(tick, wanted.clamp(now + 1, now + SLOTS));
                    model.insert(id, (node, tick, signal));
                }
                5..=7 => {
                    let Some(id) = model
                        .keys()
                        .nth(roll(model.len().max(1) as u64) as usize)
                        .copied()
                    else {
                        continue;
                    };
                    let (node, tick, signal) = model.remove(&id).unwrap();
                    assert!(slots.remove(node, tick, &signal).is_some());
                    assert!(slots.remove(node, tick, &signal).is_none(), "gone already");
                }
                _ => {
                    now += roll(40) * roll(40);
                    let mut rung = Vec::new();
                    slots.ring_until(now, &mut rung);
                    let due = model.extract_due(now);
                    assert_eq!(rung.len(), due.len());
                    for signal in rung {
                        assert!(due.iter().any(|(_, _, known)| Arc::ptr_eq(known, &signal)));
                    }
                }
            }
            assert_eq!(slots.armed(), model.len());
            let first = model.values().map(|(_, tick, _)| *tick).min();
            assert_eq!(slots.next_tick(), first.unwrap_or(u64::MAX));
        }
    }

    trait ExtractDue {
        fn extract_due(&mut self, now: u64) -> Vec<(u32, u64, Arc<Signal>)>;
    }

    impl ExtractDue for BTreeMap<usize, (u32, u64, Arc<Signal>)> {
        fn extract_due(&mut self, now: u64) -> Vec<(u32, u64, Arc<Signal>)> {
            let ids: Vec<_> = self
                .iter()
                .filter(|(_, (_, tick, _))| *tick <= now)
                .map(|(id, _)| *id)
                .collect();
            ids.iter().filter_map(|id| self.remove(id)).collect()
        }
    }
}
