//! The mailbox of one session: what other tasks and topics want sent, until the connection's own task sends it.
//!
//! Bounded in bytes. Does not send anything: the session does, when its [`Signal`] rings. Topics are in `hub`.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use ws_handler::Signal;
use ws_proto::{CloseCode, Config, MAX_CONTROL_PAYLOAD, Message, PreparedMessage, UseError};

use super::Topic;
use super::mail::{Mail, Offered, Overflow};
use super::queue::Queue;

/// The mailbox itself, shared by the session and every handle to it.
pub(crate) struct Outbox {
    session: u64,
    signal: Arc<Signal>,
    /// For its limits, in bytes.
    config: Arc<Config>,
    state: Mutex<State>,
    /// Rings when the queue falls to the soft limit and when the session ends.
    room: Notify,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// Weight of everything in `queue`.
    weight: usize,
    /// Publications thrown away so far.
    dropped: u64,
    topics: Vec<Arc<Topic>>,
    phase: Phase,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// A close is queued: nothing more goes in behind it.
    Closing,
    /// The session has ended: nothing goes in and nothing is subscribed.
    Ended,
}

impl Outbox {
    /// An empty mailbox with the limits of the session's configuration.
    pub(crate) fn new(session: u64, signal: Arc<Signal>, config: Arc<Config>) -> Self {
        Self {
            session,
            signal,
            config,
            state: Mutex::default(),
            room: Notify::new(),
        }
    }

    fn soft(&self) -> usize {
        self.config.limits.soft_queue
    }

    fn hard(&self) -> usize {
        self.config.limits.hard_queue
    }

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Queues `message` once the queue is at or below its soft limit.
    ///
    /// Cancel safe: dropped before it is ready, nothing was queued.
    pub(crate) async fn send(&self, message: Message) -> Result<(), UseError> {
        check(&message)?;
        loop {
            // Made before the look at the queue: it hears of every ring from now on, polled or not.
            let room = self.room.notified();
            {
                let mut state = self.lock();
                state.check_open()?;
                if state.weight <= self.soft() {
                    state.push(Mail::Message(message));
                    break;
                }
            }
            room.await;
        }
        self.signal.raise(Signal::MAIL);
        Ok(())
    }

    /// Queues `message` unless the queue would grow beyond its hard limit.
    pub(crate) fn try_send(&self, message: Message) -> Result<(), UseError> {
        check(&message)?;
        let mail = Mail::Message(message);
        {
            let mut state = self.lock();
            state.check_open()?;
            if !state.has_room(&mail, self.hard()) {
                self.signal.count_full_queue();
                return Err(UseError::QueueFull);
            }
            state.push(mail);
        }
        self.signal.raise(Signal::MAIL);
        Ok(())
    }

    /// Queues the closing handshake behind what is queued already. Never full.
    pub(crate) fn close(&self, code: CloseCode, reason: String) -> Result<(), UseError> {
        if !code.is_sendable() {
            return Err(UseError::CloseCode(code.value()));
        }
        {
            let mut state = self.lock();
            state.check_open()?;
            state.push(Mail::Close(code, reason.into()));
            state.phase = Phase::Closing;
        }
        self.signal.raise(Signal::MAIL);
        Ok(())
    }

    /// Queues a publication, or does what `overflow` says. Never waits for anything but a short lock.
    pub(crate) fn offer(&self, message: &PreparedMessage, overflow: Overflow) -> Offered {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Offered::Gone;
        }
        let mail = Mail::Published(message.clone());
        let offered = if state.has_room(&mail, self.hard()) {
            state.push(mail);
            Offered::Queued
        } else {
            state.dropped += 1;
            self.signal.count_full_queue();
            match overflow {
                Overflow::DropNewest => return Offered::Dropped,
                Overflow::DropOldest => {
                    if !state.make_room(&mail, self.hard()) {
                        return Offered::Dropped;
                    }
                    state.push(mail);
                    Offered::Dropped
                }
                Overflow::Close1013 => {
                    state.close_for_slowness();
                    Offered::Closed
                }
            }
        };
        drop(state);
        self.signal.raise(Signal::MAIL);
        offered
    }

    /// The oldest item, for the session to send, and whether there are more behind it.
    pub(crate) fn pop(&self) -> Option<(Mail, bool)> {
        let mut state = self.lock();
        let mail = state.queue.pop()?;
        let more = !state.queue.is_empty();
        let before = state.weight;
        state.weight = state.weight.saturating_sub(mail.weight());
        let room = before > self.soft() && state.weight <= self.soft();
        drop(state);
        if room {
            self.room.notify_waiters();
        }
        Some((mail, more))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Bytes queued, each item counted with a small overhead.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.lock().weight
    }

    /// Publications thrown away because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// Notes that the session is on a topic. False: the session has ended, the topic must forget it.
    pub(super) fn add_topic(&self, topic: &Arc<Topic>) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Ended {
            return false;
        }
        state.topics.push(Arc::clone(topic));
        true
    }

    pub(super) fn remove_topic(&self, topic: &Arc<Topic>) {
        self.lock().topics.retain(|known| !Arc::ptr_eq(known, topic));
    }

    /// The names of the topics that the session is on.
    pub(crate) fn topic_names(&self) -> Vec<Arc<str>> {
        self.lock()
            .topics
            .iter()
            .map(|topic| Arc::clone(topic.name()))
            .collect()
    }

    /// Ends the mailbox: what is queued is thrown away, and who waits for room is told. Returns the topics to
    /// leave; empty the second time.
    pub(super) fn end(&self) -> Vec<Arc<Topic>> {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        state.weight = 0;
        let queue = std::mem::take(&mut state.queue);
        let topics = std::mem::take(&mut state.topics);
        drop(state);
        drop(queue);
        self.room.notify_waiters();
        topics
    }

    /// Every method leaves the state sound before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Outbox")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl State {
    fn check_open(&self) -> Result<(), UseError> {
        if self.phase == Phase::Open {
            Ok(())
        } else {
            Err(UseError::Closed)
        }
    }

    /// One item always fits into an empty queue, whatever its size.
    fn has_room(&self, mail: &Mail, hard: usize) -> bool {
        self.queue.is_empty() || self.weight.saturating_add(mail.weight()) <= hard
    }

    fn push(&mut self, mail: Mail) {
        self.weight = self.weight.saturating_add(mail.weight());
        self.queue.push(mail);
    }

    /// Throws the oldest publications away until `mail` fits. What handles sent is not touched.
    fn make_room(&mut self, mail: &Mail, hard: usize) -> bool {
        let mut surplus = self.weight.saturating_add(mail.weight()).saturating_sub(hard);
        let published: usize = self
            .queue
            .iter()
            .filter(|m| m.is_published())
            .map(Mail::weight)
            .sum();
        // With nothing but publications in the queue an oversized one may still have it all to itself.
        if published < surplus && self.queue.iter().any(|m| !m.is_published()) {
            return false;
        }
        let mut removed = 0;
        self.queue.retain(|old| {
            if surplus == 0 || !old.is_published() {
                return true;
            }
            surplus = surplus.saturating_sub(old.weight());
            removed += old.weight();
            false
        });
        self.weight = self.weight.saturating_sub(removed);
        true
    }

    /// The publications are gone and 1013 takes their place; what handles sent goes out before it.
    fn close_for_slowness(&mut self) {
        self.queue.retain(|old| !old.is_published());
        self.weight = self.queue.iter().map(Mail::weight).sum();
        self.push(Mail::Close(
            CloseCode::TRY_AGAIN_LATER,
            Cow::Borrowed("subscriber too slow"),
        ));
        self.phase = Phase::Closing;
    }
}

/// What could not be sent anyway is refused at once, to its sender.
fn check(message: &Message) -> Result<(), UseError> {
    match message {
        Message::Ping(payload) | Message::Pong(payload) if payload.len() > MAX_CONTROL_PAYLOAD => {
            Err(UseError::ControlTooLong)
        }
        // Only the endpoint sends messages in parts: those of two senders could get in between one another.
        Message::Fragment(_) => Err(UseError::MessageOpen),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ws_proto::MessageKind;

    use super::super::mail::ITEM_OVERHEAD;

    use super::*;

    const HARD: usize = 1000;

    fn outbox() -> Outbox {
        let mut config = Config::server();
        (config.limits.soft_queue, config.limits.hard_queue) = (200, HARD);
        Outbox::new(1, Arc::new(Signal::new()), Arc::new(config))
    }

    fn published(byte: u8, len: usize) -> PreparedMessage {
        PreparedMessage::binary(&vec![byte; len])
    }

    fn queued(outbox: &Outbox) -> Vec<(u8, usize)> {
        std::iter::from_fn(|| outbox.pop())
            .map(|(mail, _)| match mail {
                Mail::Published(message) => (message.payload()[0], message.payload().len()),
                Mail::Message(message) => (message.payload()[0], message.payload().len()),
                Mail::Close(code, _) => (0, usize::from(code.value())),
            })
            .collect()
    }

    #[test]
    fn the_limit_counts_bytes_and_items() {
        let outbox = outbox();
        for _ in 0..HARD / ITEM_OVERHEAD {
            assert_eq!(
                outbox.offer(&published(1, 0), Overflow::DropNewest),
                Offered::Queued
            );
        }
        assert_eq!(
            outbox.offer(&published(1, 0), Overflow::DropNewest),
            Offered::Dropped
        );
        assert_eq!(outbox.dropped(), 1);
        assert!(outbox.queued_bytes() <= HARD);
        while outbox.pop().is_some() {}
        assert_eq!(outbox.queued_bytes(), 0);
    }

    #[test]
    fn an_empty_queue_takes_one_message_of_any_size() {
        let outbox = outbox();
        assert_eq!(
            outbox.offer(&published(1, 5 * HARD), Overflow::DropNewest),
            Offered::Queued
        );
        assert_eq!(
            outbox.try_send(Message::binary(vec![2])),
            Err(UseError::QueueFull)
        );
        assert_eq!(queued(&outbox), [(1, 5 * HARD)]);
        assert_eq!(outbox.try_send(Message::binary(vec![2; 2 * HARD])), Ok(()));
    }

    #[test]
    fn drop_oldest_spares_what_handles_sent() {
        let outbox = outbox();
        outbox.offer(&published(1, 300), Overflow::DropOldest);
        outbox.try_send(Message::binary(vec![2; 300])).unwrap();
        assert_eq!(
            outbox.offer(&published(3, 300), Overflow::DropOldest),
            Offered::Dropped
        );
        assert_eq!(
            outbox.offer(&published(4, 800), Overflow::DropOldest),
            Offered::Dropped,
            "does not fit at all"
        );
        assert_eq!(queued(&outbox), [(2, 300), (3, 300)]);
        outbox.offer(&published(5, 500), Overflow::DropOldest);
        outbox.offer(&published(6, 5 * HARD), Overflow::DropOldest);
        assert_eq!(queued(&outbox), [(6, 5 * HARD)], "alone it may be of any size");
    }

    #[test]
    fn a_slow_subscriber_is_closed_with_1013_once() {
        let outbox = outbox();
        outbox.try_send(Message::binary(vec![9; 100])).unwrap();
        outbox.offer(&published(1, 600), Overflow::Close1013);
        assert_eq!(
            outbox.offer(&published(2, 600), Overflow::Close1013),
            Offered::Closed
        );
        assert_eq!(outbox.offer(&published(3, 1), Overflow::Close1013), Offered::Gone);
        assert_eq!(outbox.try_send(Message::text("late")), Err(UseError::Closed));
        assert_eq!(queued(&outbox), [(9, 100), (0, 1013)]);
    }

    #[tokio::test]
    async fn send_waits_above_the_soft_limit_and_is_told_of_the_end() {
        let outbox = Arc::new(outbox());
        outbox.send(Message::binary(vec![1; 300])).await.unwrap();
        let waits = |outbox: &Arc<Outbox>| {
            let outbox = Arc::clone(outbox);
            tokio::spawn(async move { outbox.send(Message::binary(vec![2; 10])).await })
        };
        let first = waits(&outbox);
        tokio::task::yield_now().await;
        assert!(!first.is_finished());
        assert!(outbox.pop().is_some());
        first.await.unwrap().unwrap();
        assert_eq!(queued(&outbox), [(2, 10)]);

        outbox.send(Message::binary(vec![1; 300])).await.unwrap();
        let second = waits(&outbox);
        tokio::task::yield_now().await;
        outbox.end();
        assert_eq!(second.await.unwrap(), Err(UseError::Closed));
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_at_once() {
        assert_eq!(
            outbox().try_send(Message::Ping(vec![0; 126].into())),
            Err(UseError::ControlTooLong)
        );
        assert_eq!(outbox().try_send(Message::Ping(vec![0; 125].into())), Ok(()));
        let fragment = ws_proto::Fragment {
            kind: MessageKind::Text,
            first: true,
            fin: true,
            payload: "x".into(),
        };
        assert_eq!(
            outbox().try_send(Message::Fragment(fragment)),
            Err(UseError::MessageOpen)
        );
        assert_eq!(
            outbox().close(CloseCode::NO_STATUS, String::new()),
            Err(UseError::CloseCode(1005))
        );
    }
}
