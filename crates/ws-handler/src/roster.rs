//! Who is connected: a table of open connections and the seats they hold in it.
//!
//! Here: [`Roster`] and [`Seat`], used twice: the factory keeps one of its WebSocket connections, the server one of
//! everything it accepted; and [`Roster::clear`], the closing of all of them (tell, wait, drop). Not here: what a
//! connection does when told (`socket`).

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use ws_proto::CloseCode;

use crate::socket::Signal;

/// How long a connection has for its last callbacks after it was told to drop everything, before its task is
/// aborted. Long enough for a task that is alive, short enough not to stretch the deadline noticeably.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Rows that a table has room for at first.
const FEW: usize = 16;

/// What became of the connections that were open when a stop began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StopSummary {
    /// Connections that ended by themselves before the deadline, by the closing handshake as a rule.
    pub closed: usize,
    /// Connections that were still open at the deadline and were dropped.
    pub dropped: usize,
}

/// A table of open connections. Shared by all threads; the lock is held for a few instructions at a time.
#[derive(Default)]
pub(crate) struct Roster {
    table: Mutex<Table>,
    vacated: Notify,
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    /// The vacant row that is taken next; each names another one.
    vacant: Option<u32>,
    open: usize,
    /// The flags every connection has been told since the stop, if there was one.
    told: u8,
    /// Connections that were open when the stop began.
    open_at_stop: usize,
    dropped: usize,
}

/// One row: 24 bytes of every open connection, twice. An index is used again, so a generation tells its holders apart.
#[derive(Default)]
struct Entry {
    generation: u32,
    /// Of a vacant row: the next one. The last one names itself.
    next: u32,
    signal: Option<Arc<Signal>>,
    task: Option<AbortHandle>,
}

/// A row's name: stays valid, and harmless, after the row was given to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeatNumber {
    index: u32,
    generation: u32,
}

/// One connection's place in a roster. Dropping it frees the place.
pub(crate) struct Seat {
    roster: Arc<Roster>,
    number: SeatNumber,
}

impl Roster {
    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.table().open
    }

    /// Takes a seat, unless `limit` are taken.
    pub(crate) fn admit(self: &Arc<Self>, limit: usize) -> Option<Seat> {
        let mut table = self.table();
        if table.open >= limit {
            return None;
        }
        let index = table.take_row()?;
        let generation = table.entries.get(index as usize)?.generation;
        table.open += 1;
        drop(table);
        Some(Seat {
            roster: Arc::clone(self),
            number: SeatNumber { index, generation },
        })
    }

    /// As [`set_task`](Self::set_task), unless a task was named already: whoever spawned the first one may come late.
    pub(crate) fn set_first_task(&self, number: SeatNumber, task: AbortHandle) {
        if let Some(entry) = self.table().holder(number).filter(|entry| entry.task.is_none()) {
            entry.task = Some(task);
        }
    }

    /// Names the task to abort when this seat must be cleared by force. Does nothing when the seat is free again.
    pub(crate) fn set_task(&self, number: SeatNumber, task: AbortHandle) {
        let replaced = match self.table().holder(number) {
            Some(entry) => entry.task.replace(task),
            None => Some(task),
        };
        // Outside the lock: dropping the last handle of a finished task frees the task.
        drop(replaced);
    }

    /// The task that was named for a seat, for somebody who sits there. Waits for whoever has spawned it and is about to
    /// name it: on another thread that may be a moment away. `None` when the seat is free again.
    pub(crate) async fn task(&self, number: SeatNumber) -> Option<AbortHandle> {
        loop {
            let task = self.table().holder(number)?.task.clone();
            if task.is_some() {
                return task;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Raises `flags` at every connection, now and in future.
    pub(crate) fn tell(&self, flags: u8) {
        let mut table = self.table();
        if table.told == 0 {
            table.open_at_stop = table.open;
        }
        table.told |= flags;
        let signals: Vec<_> = table
            .entries
            .iter()
            .filter_map(|entry| entry.signal.clone())
            .collect();
        drop(table);
        // Outside the lock: waking may run code that is not ours.
        for signal in signals {
            signal.raise(flags);
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn vacated(&self) {
        loop {
            let mut vacated = std::pin::pin!(self.vacated.notified());
            // Listens before it looks, so that a seat freed in between is not missed.
            vacated.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            vacated.await;
        }
    }

    /// Closes every connection: tells all with `flags`, waits until `deadline`, tells the rest to drop everything,
    /// and aborts what even then does not end.
    pub(crate) async fn clear(&self, flags: u8, deadline: Instant) -> StopSummary {
        self.tell(flags);
        if timeout_at(deadline, self.vacated()).await.is_err() {
            self.tell(flags | Signal::KILL);
            self.count_dropped();
            if timeout(LAST_WORDS, self.vacated()).await.is_err() {
                self.abort_all();
            }
        }
        self.summary()
    }

    fn count_dropped(&self) {
        let mut table = self.table();
        table.dropped = table.dropped.max(table.open);
    }

    fn abort_all(&self) {
        let tasks: Vec<_> = self
            .table()
            .entries
            .iter()
            .filter_map(|entry| entry.task.clone())
            .collect();
        for task in tasks {
            task.abort();
        }
    }

    pub(crate) fn summary(&self) -> StopSummary {
        let table = self.table();
        StopSummary {
            closed: table.open_at_stop.saturating_sub(table.dropped),
            dropped: table.dropped,
        }
    }

    /// Every change to the table is complete before anything that could panic, so a poisoned lock is sound.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// A vacant row, or a new one.
    fn take_row(&mut self) -> Option<u32> {
        if let Some(index) = self.vacant {
            let next = self.entries.get(index as usize)?.next;
            self.vacant = (next != index).then_some(next);
            return Some(index);
        }
        let index = u32::try_from(self.entries.len()).ok()?;
        if self.entries.len() == self.entries.capacity() {
            // By an eighth: doubling would leave up to half of the table empty.
            self.entries.reserve_exact(FEW.max(self.entries.len() / 8));
        }
        self.entries.push(Entry::default());
        Some(index)
    }

    fn holder(&mut self, number: SeatNumber) -> Option<&mut Entry> {
        self.entries
            .get_mut(number.index as usize)
            .filter(|entry| entry.generation == number.generation)
    }
}

impl Seat {
    pub(crate) fn number(&self) -> SeatNumber {
        self.number
    }

    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Names the signal to raise when all are told something. What was told already is raised at once.
    pub(crate) fn set_signal(&self, signal: &Arc<Signal>) {
        let mut table = self.roster.table();
        let told = table.told;
        if let Some(entry) = table.holder(self.number) {
            entry.signal = Some(Arc::clone(signal));
        }
        drop(table);
        if told != 0 {
            signal.raise(told);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.roster.table();
        let index = self.number.index;
        let next = table.vacant.unwrap_or(index);
        let Some(entry) = table.holder(self.number) else {
            return;
        };
        let freed = mem::take(entry);
        entry.generation = freed.generation.wrapping_add(1);
        entry.next = next;
        table.vacant = Some(index);
        table.open -= 1;
        let empty = table.open == 0;
        drop(table);
        drop(freed);
        if empty {
            self.roster.vacated.notify_waiters();
        }
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.number.index).finish()
    }
}

/// The flags that tell a connection to close with `code`. RFC 6455 §7.4.1 and the registry know two codes for a server
/// that goes: 1012 for a restart, and 1001, which stands for anything else.
pub(crate) fn stop_flags(code: CloseCode) -> u8 {
    if code == CloseCode::SERVICE_RESTART {
        Signal::STOP | Signal::RESTART
    } else {
        Signal::STOP
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_used_again_before_the_table_grows_and_it_grows_by_an_eighth() {
        let roster: Arc<Roster> = Arc::default();
        let mut seats: Vec<_> = (0..10_000).map(|_| roster.admit(usize::MAX).unwrap()).collect();
        let capacity = roster.table().entries.capacity();
        assert!(capacity < 11_500, "{capacity}");
        for step in 2..9 {
            let mut turn = 0..;
            seats.retain(|_| turn.next().unwrap_or(0) % step != 0);
            assert_eq!(roster.open(), seats.len());
            seats.resize_with(10_000, || roster.admit(10_000).unwrap());
            assert!(roster.admit(10_000).is_none());
        }
        let rows: HashSet<_> = seats.iter().map(|seat| seat.number.index).collect();
        assert_eq!(
            (rows.len(), roster.table().entries.capacity()),
            (10_000, capacity)
        );
        assert_eq!(size_of::<Entry>(), 24);
        drop(seats);
        assert_eq!(roster.open(), 0);
    }
}
