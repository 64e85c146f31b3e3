//! Topics: who is on them, what reaches whom, and in which order. Beside it: what goes past connections that wait
//! (`past`).

mod past;

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
