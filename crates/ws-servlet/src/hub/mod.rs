//! Topics: in-process broadcast to sessions.
//!
//! A publication is encoded once and queued by reference at every subscriber. To the streams of those that wait it is
//! written past them (`carrier`); the others' own tasks send it. The queue of a subscriber and what happens when it is
//! full are in `outbox`. One hub serves every thread and every runtime.

mod gate;
mod mail;

mod queue;

mod state;

mod outbox;

mod carrier;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ws_proto::{PreparedMessage, UseError};

use self::carrier::Loads;
pub(crate) use self::gate::Passed;
pub use self::mail::Overflow;
pub(crate) use self::mail::{Mail, Offered};
pub(crate) use self::outbox::Outbox;

/// The topics of a servlet, or of several: a cheap handle, clones share everything.
///
/// Sessions come in with [`Session::subscribe`](crate::Session::subscribe) or
/// [`SessionHandle::subscribe`](crate::SessionHandle::subscribe) and leave by themselves when they end.
/// Publishing never waits for a subscriber.
///
/// All subscribers of a topic see its publications in the same order.
#[derive(Clone, Default)]
pub struct Hub {
    topics: Arc<RwLock<HashMap<Arc<str>, Arc<Topic>>>>,
}

/// What became of one publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Published {
    /// Subscribers for whom it was queued.
    pub queued: usize,
    /// Subscribers whose queue was full and who lost this or older publications.
    pub dropped: usize,
    /// Subscribers who are closed with 1013 because their queue was full.
    pub closed: usize,
}

/// One topic and who is on it.
pub(crate) struct Topic {
    name: Arc<str>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// In the order of the ids, which is the order in which the sessions were opened: what belongs to neighbours lies
    /// close together in memory, ours and the kernel's. In the order of a hash, every delivery misses the caches.
    by_session: BTreeMap<u64, Member>,
    /// The last one left and the topic was taken off the map: who still holds it looks again.
    retired: bool,
}

struct Member {
    outbox: Arc<Outbox>,
    overflow: Overflow,
}

impl Hub {
    /// A hub without topics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues `message` for every subscriber of `topic`. Who is slow meets the policy it subscribed with.
    ///
    /// Nobody on the topic is no error.
    pub fn publish(&self, topic: &str, message: &PreparedMessage) -> Published {
        self.publish_except(topic, message, None)
    }

    /// The same for everybody but the session with the id `except`.
    pub fn publish_except(&self, topic: &str, message: &PreparedMessage, except: Option<u64>) -> Published {
        self.find(topic)
            .map_or_else(Published::default, |topic| topic.publish(message, except))
    }

    /// How many sessions are on `topic`.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.find(topic)
            .map_or(0, |topic| topic.members().by_session.len())
    }

    /// How many topics have a subscriber. A topic exists while somebody is on it.
    pub fn topics(&self) -> usize {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Puts a session on a topic. A second time only changes the policy.
    pub(crate) fn subscribe(
        &self,
        outbox: &Arc<Outbox>,
        topic: &str,
        overflow: Overflow,
    ) -> Result<(), UseError> {
        loop {
            let topic = self.find_or_create(topic);
            let mut members = topic.members();
            if members.retired {
                continue;
            }
            let member = Member {
                outbox: Arc::clone(outbox),
                overflow,
            };
            let known = members.by_session.insert(outbox.session(), member).is_some();
            // Under the topic's lock: a session that ends now either sees this topic on its list, and waits for the
            // lock to leave it, or has ended before, and is taken off again here.
            if known || outbox.add_topic(&topic) {
                return Ok(());
            }
            members.by_session.remove(&outbox.session());
            drop(members);
            self.retire_if_empty(&topic);
            return Err(UseError::Closed);
        }
    }

    /// Takes a session off a topic. False if it was not on it.
    pub(crate) fn unsubscribe(&self, outbox: &Outbox, topic: &str) -> bool {
        let Some(topic) = self.find(topic) else {
            return false;
        };
        let mut members = topic.members();
        let known = members.by_session.remove(&outbox.session()).is_some();
        if known {
            outbox.remove_topic(&topic);
        }
        drop(members);
        self.retire_if_empty(&topic);
        known
    }

    /// Ends a mailbox and takes its session off every topic. Does nothing the second time.
    pub(crate) fn leave(&self, outbox: &Outbox) {
        for topic in outbox.end() {
            topic.members().by_session.remove(&outbox.session());
            self.retire_if_empty(&topic);
        }
    }

    fn find(&self, topic: &str) -> Option<Arc<Topic>> {
        self.topics
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(topic)
            .cloned()
    }

    fn find_or_create(&self, topic: &str) -> Arc<Topic> {
        if let Some(found) = self.find(topic) {
            return found;
        }
        let name: Arc<str> = topic.into();
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            Arc::new(Topic {
                name: Arc::clone(&name),
                members: Mutex::default(),
            })
        };
        Arc::clone(topics.entry(Arc::clone(&name)).or_insert_with(fresh))
    }

    /// Locks the map before the topic, as nobody locks them the other way round.
    fn retire_if_empty(&self, topic: &Arc<Topic>) {
        // The usual answer is no, and does not need the map.
        if !topic.members().by_session.is_empty() {
            return;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let mut members = topic.members();
        if members.by_session.is_empty() && !members.retired {
            members.retired = true;
            topics.remove(topic.name());
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hub").field("topics", &self.topics()).finish()
    }
}

impl Topic {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// One publication at a time, hence the same order for everybody.
    fn publish(&self, message: &PreparedMessage, except: Option<u64>) -> Published {
        let mut published = Published::default();
        let mut loads = Loads::default();
        for (session, member) in &self.members().by_session {
            if Some(*session) == except {
                continue;
            }
            let (offered, home) = member.outbox.offer(message, member.overflow);
            match offered {
                Offered::Queued => published.queued += 1,
                Offered::Dropped => published.dropped += 1,
                Offered::Closed => published.closed += 1,
                Offered::Gone => {}
            }
            if let Some(home) = home {
                loads.add(home, &member.outbox);
            }
        }
        // Outside the lock of the topic.
        loads.send_out();
        published
    }

    /// Every method leaves the members sound before anything can panic.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
