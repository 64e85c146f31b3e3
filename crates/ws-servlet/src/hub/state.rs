//! What is under the lock of a mailbox: its queue and weight, the topics of its session, the way to the stream.
//!
//! Not here: the lock and whom to wake (`outbox`).

use std::borrow::Cow;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

use ws_proto::{CloseCode, UseError};

use super::Topic;
use super::gate::Gate;
use super::mail::Mail;
use super::queue::Queue;

/// Frames in one write past the connection.
const FRAMES: usize = 16;

/// What is in a mailbox, and how far its session has come.
#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Queue,
    /// Weight of everything in `queue`.
    pub(super) weight: usize,
    /// Publications thrown away so far.
    pub(super) dropped: u64,
    pub(super) topics: Vec<Arc<Topic>>,
    pub(super) phase: Phase,
    pub(super) gate: Gate,
    /// Somebody has promised to look after this mailbox ([`Promise`](super::carrier::Promise)).
    pub(super) promised: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    /// A close is queued: nothing more goes in behind it.
    Closing,
    /// The session has ended: nothing goes in and nothing is subscribed.
    Ended,
}

impl State {
    pub(super) fn check_open(&self) -> Result<(), UseError> {
        if self.phase == Phase::Open {
            Ok(())
        } else {
            Err(UseError::Closed)
        }
    }

    /// One item always fits into an empty queue, whatever its size.
    pub(super) fn has_room(&self, mail: &Mail, hard: usize) -> bool {
        self.queue.is_empty() || self.weight.saturating_add(mail.weight()) <= hard
    }

    pub(super) fn push(&mut self, mail: Mail) {
        self.weight = self.weight.saturating_add(mail.weight());
        self.queue.push(mail);
    }

    /// Throws the oldest publications away until `mail` fits. What handles sent is not touched.
    pub(super) fn make_room(&mut self, mail: &Mail, hard: usize) -> bool {
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
    pub(super) fn close_for_slowness(&mut self) {
        self.queue.retain(|old| !old.is_published());
        self.weight = self.queue.iter().map(Mail::weight).sum();
        self.push(Mail::Close(
            CloseCode::TRY_AGAIN_LATER,
            Cow::Borrowed("subscriber too slow"),
        ));
        self.phase = Phase::Closing;
    }

    /// The oldest item.
    pub(super) fn pop(&mut self) -> Option<Mail> {
        let mail = self.queue.pop()?;
        self.weight = self.weight.saturating_sub(mail.weight());
        Some(mail)
    }

    /// Writes the publications that come next to the stream, once, as much as that takes. What happens then to those behind
    /// them depends on whether the gate is open still.
    pub(super) fn write_past(&mut self, now: Instant) {
        let mut frames = [IoSlice::new(&[]); FRAMES];
        let mut count = 0;
        for (slot, mail) in frames.iter_mut().zip(self.queue.iter()) {
            let Mail::Published(message) = mail else { break };
            *slot = IoSlice::new(message.frame());
            count += 1;
        }
        if count > 0 {
            let frames = frames.get(..count).unwrap_or_default();
            let written = self.gate.write(frames, now);
            self.take_written(written);
        }
    }

    /// Takes out what was written.
    fn take_written(&mut self, mut written: usize) {
        while written > 0 {
            let Some(Mail::Published(message)) = self.pop() else {
                return;
            };
            let frame = message.frame();
            if written < frame.len() {
                self.gate.keep_rest(frame.slice(written..));
            }
            written = written.saturating_sub(frame.len());
        }
    }

    /// Whether a publication is next.
    pub(super) fn is_publication_next(&self) -> bool {
        self.queue.iter().next().is_some_and(Mail::is_published)
    }
}
