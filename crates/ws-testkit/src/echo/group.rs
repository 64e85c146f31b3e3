//! The broadcast group: its topic, and its members on their way in.
//!
//! A connection is a member from before its 101 is written, so that whoever has read the 101 misses nothing. The
//! topic can only be subscribed to after it; what is published in between waits here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ws_proto::PreparedMessage;
use ws_servlet::Published;

/// Members of the group whose connections are not open yet.
#[derive(Debug)]
pub(crate) struct Group {
    arriving: Mutex<Arriving>,
    /// Bytes that may wait for one member.
    limit: usize,
    /// Members that were closed for not keeping up.
    closed_as_slow: AtomicU64,
}

#[derive(Debug, Default)]
struct Arriving {
    next: u64,
    members: HashMap<u64, Missed>,
}

/// What was published while a member was on its way in.
#[derive(Debug, Default)]
pub(super) struct Missed {
    pub(super) messages: Vec<PreparedMessage>,
    bytes: usize,
    /// There was more than may wait: the member cannot be given everything any more.
    pub(super) too_much: bool,
}

/// A member on its way in. Dropped before it [enters](Ticket::enter), it never was one.
#[derive(Debug)]
pub(super) struct Ticket {
    group: Arc<Group>,
    number: u64,
}

impl Group {
    /// A group in which `limit` bytes may wait for each member.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            arriving: Mutex::default(),
            limit,
            closed_as_slow: AtomicU64::new(0),
        })
    }

    /// How many members were closed because they did not keep up.
    pub(crate) fn closed_as_slow(&self) -> u64 {
        self.closed_as_slow.load(Ordering::Relaxed)
    }

    /// Lets a member in, as far as publications are concerned.
    pub(super) fn arrive(self: &Arc<Self>) -> Ticket {
        let mut arriving = self.arriving();
        let number = arriving.next;
        arriving.next += 1;
        arriving.members.insert(number, Missed::default());
        Ticket {
            group: Arc::clone(self),
            number,
        }
    }

    /// Gives `message` to all that are on their way in, and to the others by `publish`.
    ///
    /// All of it under one lock: a member that enters at the same time gets it exactly once.
    pub(super) fn publish(&self, message: &PreparedMessage, publish: impl FnOnce() -> Published) {
        let mut arriving = self.arriving();
        for missed in arriving.members.values_mut() {
            missed.add(message, self.limit);
        }
        let published = publish();
        drop(arriving);
        self.count_slow(published.closed);
    }

    /// Counts members that are closed because they did not keep up.
    pub(super) fn count_slow(&self, members: usize) {
        self.closed_as_slow.fetch_add(members as u64, Ordering::Relaxed);
    }

    /// Every method leaves the table sound before anything can panic.
    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Missed {
    /// One message may always wait, whatever its size, as in the queues of those that are in.
    fn add(&mut self, message: &PreparedMessage, limit: usize) {
        let bytes = self
            .bytes
            .saturating_add(message.payload().len())
            .saturating_add(size_of::<PreparedMessage>());
        self.too_much |= bytes > limit && !self.messages.is_empty();
        if self.too_much {
            self.messages = Vec::new();
            return;
        }
        self.bytes = bytes;
        self.messages.push(message.clone());
    }
}

impl Ticket {
    /// Hands over from waiting here to the topic, which `subscribe` joins, and returns what was missed.
    pub(super) fn enter<E>(&self, subscribe: impl FnOnce() -> Result<(), E>) -> Result<Missed, E> {
        let mut arriving = self.group.arriving();
        subscribe()?;
        Ok(arriving.members.remove(&self.number).unwrap_or_default())
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.group.arriving().members.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(count: usize) -> Vec<PreparedMessage> {
        (0..count)
            .map(|number| PreparedMessage::text(&number.to_string()))
            .collect()
    }

    fn count(published: &mut usize) -> Published {
        *published += 1;
        Published::default()
    }

    fn missed(missed: Result<Missed, ()>) -> usize {
        missed.unwrap().messages.len()
    }

    #[test]
    fn what_is_published_before_a_member_is_in_waits_for_it_once() {
        let group = Group::new(1 << 20);
        let messages = texts(3);
        let mut published = 0;
        group.publish(&messages[0], || count(&mut published));
        let early = group.arrive();
        group.publish(&messages[1], || count(&mut published));
        let late = group.arrive();
        group.publish(&messages[2], || count(&mut published));
        assert_eq!(published, 3, "those that are in get everything by the topic");
        assert_eq!(missed(early.enter(|| Ok(()))), 2);
        assert_eq!(missed(late.enter(|| Ok(()))), 1);
        assert_eq!(missed(late.enter(|| Ok(()))), 0);
        group.publish(&messages[0], Published::default);
        assert_eq!(missed(early.enter(|| Ok(()))), 0, "who is in gets nothing here");
    }

    #[test]
    fn who_never_enters_leaves_nothing_behind() {
        let group = Group::new(1 << 20);
        let ticket = group.arrive();
        group.publish(&texts(1)[0], Published::default);
        drop(ticket);
        assert!(group.arriving().members.is_empty());
        let refused = group.arrive();
        assert!(refused.enter(|| Err("closed")).is_err());
        drop(refused);
        assert!(group.arriving().members.is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_one_message_always_fits() {
        let group = Group::new(100);
        let large = PreparedMessage::binary(&[0; 1000]);
        let (one, two) = (group.arrive(), group.arrive());
        group.publish(&large, Published::default);
        let missed = one.enter(|| Ok::<_, ()>(())).unwrap();
        assert!(!missed.too_much && missed.messages.len() == 1);
        group.publish(&large, Published::default);
        let missed = two.enter(|| Ok::<_, ()>(())).unwrap();
        assert!(missed.too_much && missed.messages.is_empty());
    }
}
