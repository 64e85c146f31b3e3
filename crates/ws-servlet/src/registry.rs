//! Who is connected: every open session of a servlet by its id, and counts.
//!
//! The factory's own list (`ws_handler::WebSocketFactory`) is for stopping; this one is for finding a session and
//! sending to it. Mailboxes are made here when somebody first asks for one.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ws_handler::Signal;
use ws_proto::Config;

use crate::handle::SessionHandle;
use crate::hub::{Hub, Outbox};
use crate::shelf::Shelf;

/// Parts of the table with a lock each, so that workers rarely meet.
const SHARDS: usize = 16;

/// The open sessions of a servlet: a cheap handle, clones share everything. Spans all workers.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Hub,
    shards: [Mutex<Shelf<Entry>>; SHARDS],
    next_id: AtomicU64,
    open: AtomicUsize,
}

struct Entry {
    signal: Arc<Signal>,
    config: Arc<Config>,
    outbox: Option<Arc<Outbox>>,
}

impl Sessions {
    pub(crate) fn new(hub: Hub) -> Self {
        let shared = Shared {
            hub,
            shards: Default::default(),
            // 0 is nobody.
            next_id: AtomicU64::new(1),
            open: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How many sessions are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many sessions have been opened since the servlet was built, the open ones included.
    pub fn opened(&self) -> u64 {
        self.shared.next_id.load(Ordering::Relaxed) - 1
    }

    /// The session with this id, if it is open. Makes its mailbox if nobody has asked for one before.
    pub fn find(&self, id: u64) -> Option<SessionHandle> {
        let outbox = self.outbox(id)?;
        Some(SessionHandle::new(outbox, self.shared.hub.clone()))
    }

    /// The ids of the sessions that are open, in no order. Some may have ended when you look.
    pub fn ids(&self) -> Vec<u64> {
        let mut ids = Vec::with_capacity(self.open());
        for shard in &self.shared.shards {
            ids.extend(lock(shard).iter().map(|(id, _)| id));
        }
        ids
    }

    /// Bytes that wait in the mailboxes of all open sessions: what topics and handles have queued and the sessions have
    /// not taken yet, each item counted with a small overhead. What a session sends itself is not in it.
    ///
    /// Looks at every session, so it is for a gauge and not for every message.
    pub fn queued_bytes(&self) -> usize {
        let of_shard = |shard| -> usize {
            let sessions = lock(shard);
            let outboxes = sessions.iter().filter_map(|(_, entry)| entry.outbox.as_ref());
            outboxes.map(|outbox| outbox.queued_bytes()).sum()
        };
        self.shared.shards.iter().map(of_shard).sum()
    }

    /// Enters a session and gives it an id that is never used again.
    pub(crate) fn enter(&self, signal: Arc<Signal>, config: Arc<Config>) -> u64 {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        self.shard(id).insert(
            id,
            Entry {
                signal,
                config,
                outbox: None,
            },
        );
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        id
    }

    /// The mailbox of an open session, made if there is none.
    pub(crate) fn outbox(&self, id: u64) -> Option<Arc<Outbox>> {
        let mut shard = self.shard(id);
        let entry = shard.get_mut(id)?;
        let outbox = entry.outbox.get_or_insert_with(|| {
            let (signal, config) = (Arc::clone(&entry.signal), Arc::clone(&entry.config));
            Arc::new(Outbox::new(id, signal, config))
        });
        Some(Arc::clone(outbox))
    }

    /// Takes a session out, ends its mailbox and takes it off its topics. Does nothing the second time.
    pub(crate) fn leave(&self, id: u64) {
        let Some(entry) = self.shard(id).remove(id) else {
            return;
        };
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        // Outside the lock of the shard: topics have their own.
        if let Some(outbox) = entry.outbox {
            self.shared.hub.leave(&outbox);
        }
    }

    /// The topics that these sessions are on.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Shelf<Entry>> {
        let [first, ..] = &self.shared.shards;
        // The remainder is below the number of shards, so there always is one.
        lock(self.shared.shards.get(id as usize % SHARDS).unwrap_or(first))
    }
}

/// Every change to a table is complete before anything that could panic, so a poisoned lock is sound.
fn lock(shard: &Mutex<Shelf<Entry>>) -> MutexGuard<'_, Shelf<Entry>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Sessions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sessions")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ws_proto::Message;

    use super::*;
    use crate::hub::Overflow;

    fn enter(sessions: &Sessions) -> u64 {
        sessions.enter(Arc::default(), Arc::new(Config::server()))
    }

    #[test]
    fn sessions_are_counted_and_found_while_they_are_open() {
        let sessions = Sessions::new(Hub::new());
        let (one, two) = (enter(&sessions), enter(&sessions));
        assert_ne!(one, two);
        assert_eq!((sessions.open(), sessions.opened()), (2, 2));
        assert_eq!(sessions.find(one).unwrap().id(), one);
        sessions.leave(one);
        sessions.leave(one);
        assert!(sessions.find(one).is_none());
        assert_eq!(
            (sessions.open(), sessions.opened(), sessions.ids()),
            (1, 2, vec![two])
        );
    }

    #[test]
    fn what_waits_in_all_mailboxes_is_counted() {
        let sessions = Sessions::new(Hub::new());
        let (one, two, _) = (enter(&sessions), enter(&sessions), enter(&sessions));
        assert_eq!(sessions.queued_bytes(), 0);
        for id in [one, two] {
            let handle = sessions.find(id).unwrap();
            handle.try_send(Message::binary(vec![0; 1000])).unwrap();
        }
        let both = sessions.queued_bytes();
        assert!((2000..2300).contains(&both), "{both}");
        sessions.leave(one);
        assert_eq!(sessions.queued_bytes(), both / 2);
        sessions.leave(two);
        assert_eq!(sessions.queued_bytes(), 0);
    }

    #[test]
    fn a_handle_outlives_its_session_harmlessly() {
        let sessions = Sessions::new(Hub::new());
        let id = enter(&sessions);
        let handle = sessions.find(id).unwrap();
        handle.subscribe("t", Overflow::default()).unwrap();
        assert!(handle.is_open() && sessions.hub().subscribers("t") == 1);
        sessions.leave(id);
        assert!(!handle.is_open());
        assert_eq!(
            handle.try_send(Message::text("x")),
            Err(ws_proto::UseError::Closed)
        );
        assert_eq!(sessions.hub().topics(), 0);
    }
}
