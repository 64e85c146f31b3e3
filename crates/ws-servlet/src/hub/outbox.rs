//! The mailbox of one session: what other tasks and topics want sent, until it is sent.
//!
//! Bounded in bytes. The session sends what is in it, when its [`Signal`] rings; or somebody writes it past the
//! connection while that waits (`gate`). Not here: what is under the lock (`state`), topics (`hub`).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::runtime::{self, Handle};
use tokio::sync::Notify;
use ws_handler::{Bypass, Signal};
use ws_proto::{CloseCode, Config, MAX_CONTROL_PAYLOAD, Message, PreparedMessage, UseError};

use super::Topic;
use super::gate::Passed;
use super::mail::{Mail, Offered, Overflow};
use super::state::{Phase, State};

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
    ///
    /// With it whether the caller now owes this mailbox a [`write_past`](Self::write_past) or a
    /// [`hand_over`](Self::hand_over), and the runtime of the connection, where that is best done. `None`: the task of the
    /// connection was woken, or somebody else owes that already.
    pub(crate) fn offer(
        &self,
        message: &PreparedMessage,
        overflow: Overflow,
    ) -> (Offered, Option<runtime::Id>) {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return (Offered::Gone, None);
        }
        let mail = Mail::Published(message.clone());
        let offered = if state.has_room(&mail, self.hard()) {
            state.push(mail);
            Offered::Queued
        } else {
            state.dropped += 1;
            self.signal.count_full_queue();
            match overflow {
                Overflow::DropNewest => return (Offered::Dropped, None),
                Overflow::DropOldest => {
                    if !state.make_room(&mail, self.hard()) {
                        return (Offered::Dropped, None);
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
        if state.gate.is_open() && offered != Offered::Closed {
            let promised = std::mem::replace(&mut state.promised, true);
            let home = state.gate.home().filter(|_| !promised);
            return (offered, home.map(Handle::id));
        }
        drop(state);
        self.signal.raise(Signal::MAIL);
        (offered, None)
    }

    /// Writes publications to the stream of a connection that waits, once: what the stream does not take is left to the
    /// connection's task. Returns the weight of what was written, and whether more may be written so: that is owed still.
    pub(super) fn write_past(&self, now: Instant) -> (usize, bool) {
        let mut state = self.lock();
        if !state.gate.is_open() {
            // The task goes on, and took what there was when it shut the gate.
            state.promised = false;
            return (0, false);
        }
        let before = state.weight;
        state.write_past(now);
        let after = state.weight;
        let more = state.gate.is_open() && state.is_publication_next();
        state.promised = more;
        let done = more || (state.gate.is_open() && state.queue.is_empty());
        drop(state);
        if !done {
            self.signal.raise(Signal::MAIL);
        }
        self.note_taken(before, after);
        (before - after, more)
    }

    /// Leaves what is owed to the connection's own task.
    pub(super) fn hand_over(&self) {
        self.lock().promised = false;
        self.signal.raise(Signal::MAIL);
    }

    /// The runtime that [`offer`](Self::offer) named.
    pub(super) fn home(&self) -> Option<Handle> {
        self.lock().gate.home().cloned()
    }

    /// The connection waits: what topics send may go past it, to the stream itself.
    pub(crate) fn open_gate(&self, bypass: impl FnOnce() -> Option<Bypass>) -> bool {
        let mut state = self.lock();
        // Whoever has queued something has woken the connection. Without topics nothing would go this way.
        state.phase == Phase::Open
            && state.queue.is_empty()
            && !state.topics.is_empty()
            && state.gate.open(bypass)
    }

    /// The connection goes on: nothing passes it any more. Says what has passed, and whether there is mail.
    pub(crate) fn shut_gate(&self) -> (Option<Passed>, bool) {
        let mut state = self.lock();
        state.gate.shut();
        (state.gate.take_passed(), !state.queue.is_empty())
    }

    /// The oldest item, for the session to send, and whether there are more behind it.
    pub(crate) fn pop(&self) -> Option<(Mail, bool)> {
        let mut state = self.lock();
        let before = state.weight;
        let mail = state.pop()?;
        let (after, more) = (state.weight, !state.queue.is_empty());
        drop(state);
        self.note_taken(before, after);
        Some((mail, more))
    }

    /// Tells who waits for room.
    fn note_taken(&self, before: usize, after: usize) {
        if before > self.soft() && after <= self.soft() {
            self.room.notify_waiters();
        }
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
        // The stream is not kept open by who still has a handle.
        let gate = std::mem::take(&mut state.gate);
        drop(state);
        drop(gate);
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
                outbox.offer(&published(1, 0), Overflow::DropNewest).0,
                Offered::Queued
            );
        }
        assert_eq!(
            outbox.offer(&published(1, 0), Overflow::DropNewest).0,
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
            outbox.offer(&published(1, 5 * HARD), Overflow::DropNewest).0,
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
            outbox.offer(&published(3, 300), Overflow::DropOldest).0,
            Offered::Dropped
        );
        assert_eq!(
            outbox.offer(&published(4, 800), Overflow::DropOldest).0,
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
            outbox.offer(&published(2, 600), Overflow::Close1013).0,
            Offered::Closed
        );
        assert_eq!(
            outbox.offer(&published(3, 1), Overflow::Close1013).0,
            Offered::Gone
        );
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
