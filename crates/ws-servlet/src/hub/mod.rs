//! Topics: in-process broadcast to sessions.
//!
//! A publication is encoded once and queued by reference at every subscriber; each subscriber's own task sends
//! it. The queue of a subscriber and what happens when it is full are in `outbox`. Topics know nothing of workers:
//! one hub serves every thread.

mod mail;

mod queue;

mod outbox;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ws_proto::{PreparedMessage, UseError};

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
        for (session, member) in &self.members().by_session {
            if Some(*session) == except {
                continue;
            }
            match member.outbox.offer(message, member.overflow) {
                Offered::Queued => published.queued += 1,
                Offered::Dropped => published.dropped += 1,
                Offered::Closed => published.closed += 1,
                Offered::Gone => {}
            }
        }
        published
    }

    /// Every method leaves the members sound before anything can panic.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::thread;

    use tokio::io::DuplexStream;
    use ws_handler::{Link, ReadBuffer, Signal};
    use ws_proto::{Config, ReceivePath, Role, SendPath};

    use super::*;

    fn outbox(session: u64) -> Arc<Outbox> {
        let mut config = Config::server();
        (config.limits.soft_queue, config.limits.hard_queue) = (1 << 10, 1 << 12);
        Arc::new(Outbox::new(session, Arc::new(Signal::new()), Arc::new(config)))
    }

    /// A connection that waits, and that the signal of this mailbox wakes.
    fn waiting(outbox: &Outbox, waker: &Waker) -> (Link<DuplexStream>, DuplexStream) {
        let config = Arc::new(Config::server());
        let (near, far) = tokio::io::duplex(16);
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut link = Link::new(near, SendPath::server(config), Arc::clone(outbox.signal()));
        let mut cx = Context::from_waker(waker);
        assert!(
            link.poll_wake(&mut cx, &mut receive, &mut ReadBuffer::new())
                .is_pending()
        );
        (link, far)
    }

    fn count(outbox: &Outbox) -> usize {
        std::iter::from_fn(|| outbox.pop()).count()
    }

    #[test]
    fn a_publication_reaches_its_topic_only() {
        let hub = Hub::new();
        let (one, two, three) = (outbox(1), outbox(2), outbox(3));
        hub.subscribe(&one, "a", Overflow::default()).unwrap();
        hub.subscribe(&two, "a", Overflow::default()).unwrap();
        hub.subscribe(&two, "a", Overflow::DropNewest).unwrap();
        hub.subscribe(&three, "b", Overflow::default()).unwrap();
        assert_eq!(hub.publish("a", &PreparedMessage::text("x")).queued, 2);
        assert_eq!(
            hub.publish_except("a", &PreparedMessage::text("x"), Some(1))
                .queued,
            1
        );
        assert_eq!(
            hub.publish("none", &PreparedMessage::text("x")),
            Published::default()
        );
        assert_eq!((count(&one), count(&two), count(&three)), (1, 2, 0));
        assert_eq!((hub.topics(), hub.subscribers("a")), (2, 2));
    }

    #[test]
    fn subscribers_are_served_in_the_order_in_which_their_sessions_were_opened() {
        struct Bell(u64, Arc<Mutex<Vec<u64>>>);

        impl Wake for Bell {
            fn wake(self: Arc<Self>) {
                self.1.lock().unwrap().push(self.0);
            }
        }

        let (hub, rung, mut connections) = (Hub::new(), Arc::default(), Vec::new());
        for session in [70, 3, 1, 100, 42] {
            let one = outbox(session);
            let bell = Arc::new(Bell(session, Arc::clone(&rung)));
            connections.push(waiting(&one, &Waker::from(bell)));
            hub.subscribe(&one, "t", Overflow::default()).unwrap();
        }
        hub.publish("t", &PreparedMessage::text("x"));
        assert_eq!(*rung.lock().unwrap(), [1, 3, 42, 70, 100]);
    }

    #[test]
    fn a_session_that_ends_leaves_every_topic_and_empty_topics_go() {
        let hub = Hub::new();
        let one = outbox(1);
        hub.subscribe(&one, "a", Overflow::default()).unwrap();
        hub.subscribe(&one, "b", Overflow::default()).unwrap();
        assert_eq!(one.topic_names().len(), 2);
        assert!(hub.unsubscribe(&one, "b"));
        assert!(!hub.unsubscribe(&one, "b"));
        assert_eq!(hub.topics(), 1);
        hub.leave(&one);
        hub.leave(&one);
        assert_eq!(
            (hub.topics(), hub.publish("a", &PreparedMessage::text("x")).queued),
            (0, 0)
        );
        assert_eq!(
            hub.subscribe(&one, "a", Overflow::default()),
            Err(UseError::Closed)
        );
        assert_eq!(hub.topics(), 0, "a refused subscription leaves no empty topic");
    }

    #[test]
    fn one_slow_subscriber_meets_its_own_policy_and_nobody_elses() {
        let hub = Hub::new();
        let (slow, lossy, quick) = (outbox(1), outbox(2), outbox(3));
        hub.subscribe(&slow, "t", Overflow::Close1013).unwrap();
        hub.subscribe(&lossy, "t", Overflow::DropOldest).unwrap();
        hub.subscribe(&quick, "t", Overflow::Close1013).unwrap();
        let mut total = Published::default();
        for _ in 0..20 {
            let published = hub.publish("t", &PreparedMessage::binary(&[0; 1000]));
            total.closed += published.closed;
            total.dropped += published.dropped;
            assert_eq!(count(&quick), 1);
        }
        assert_eq!(total.closed, 1);
        assert!(total.dropped >= 15 && lossy.queued_bytes() <= 1 << 12);
        assert!(!slow.is_open() && lossy.is_open() && quick.is_open());
    }

    /// Subscribing, leaving and ending while others publish: nothing reaches one that has ended, and when all are
    /// gone no entry is left.
    #[test]
    fn races_of_subscribe_leave_and_publish_lose_nothing() {
        let hub = Hub::new();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        hub.publish("t", &PreparedMessage::text("x"));
                    }
                });
            }
            let workers: Vec<_> = (0..3)
                .map(|worker: u64| {
                    let hub = &hub;
                    scope.spawn(move || {
                        for round in 0..400 {
                            let one = outbox(worker << 32 | round);
                            let twin = Arc::clone(&one);
                            hub.subscribe(&one, "t", Overflow::DropOldest).unwrap();
                            let mine = hub.publish("t", &PreparedMessage::text("mine"));
                            assert!(mine.queued + mine.dropped >= 1);
                            assert!(count(&one) >= 1, "a member gets its own publication");
                            thread::scope(|race| {
                                race.spawn(|| hub.subscribe(&twin, "u", Overflow::DropOldest).is_ok());
                                race.spawn(|| hub.unsubscribe(&twin, "t"));
                                hub.leave(&one);
                            });
                            hub.publish("t", &PreparedMessage::text("x"));
                            hub.publish("u", &PreparedMessage::text("x"));
                            assert!(one.is_empty(), "nothing reaches a session that has ended");
                        }
                    })
                })
                .collect();
            let results: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            stop.store(true, Ordering::Relaxed);
            assert!(results.iter().all(Result::is_ok));
        });
        assert_eq!(
            (hub.topics(), hub.subscribers("t"), hub.subscribers("u")),
            (0, 0, 0)
        );
    }
}
