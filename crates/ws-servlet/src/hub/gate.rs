//! The short way from a mailbox to the stream, past the task of the connection: open while that waits.
//!
//! Not here: the mailbox and its lock, under which everything here happens (`state`, `outbox`).

use std::io::{self, IoSlice};
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use ws_handler::Bypass;

/// A way to the stream that the connection opens when it begins to wait, and shuts when it goes on.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Made when it is first opened.
    bypass: Option<Bypass>,
    /// The runtime of the connection's task, which looks after the stream.
    home: Option<Handle>,
    /// When something was written last that the connection does not know of.
    written: Option<Instant>,
    /// Why nothing more goes this way: what the stream did not take of the last frame, or how it is broken.
    stuck: Option<Box<io::Result<Bytes>>>,
    open: bool,
}

/// What went through a gate, for the connection to take note of.
#[derive(Debug)]
pub(crate) struct Passed {
    /// When the last frame was written, or a part of it.
    pub(crate) at: Option<Instant>,
    /// What the stream did not take of that frame; empty if it took all.
    pub(crate) rest: io::Result<Bytes>,
}

impl Gate {
    /// Opens it. `false` if there is no way: the stream is not TCP, or there is no runtime.
    pub(super) fn open(&mut self, bypass: impl FnOnce() -> Option<Bypass>) -> bool {
        if self.home.is_none() {
            self.home = Handle::try_current().ok();
            self.bypass = self.home.as_ref().and_then(|_| bypass());
        }
        self.open = self.bypass.is_some();
        self.open
    }

    /// Shuts it: nothing passes any more.
    pub(super) fn shut(&mut self) {
        self.open = false;
    }

    /// What has passed since this was last asked.
    pub(super) fn take_passed(&mut self) -> Option<Passed> {
        if self.written.is_none() && self.stuck.is_none() {
            return None;
        }
        Some(Passed {
            at: self.written.take(),
            rest: self.stuck.take().map_or(Ok(Bytes::new()), |rest| *rest),
        })
    }

    /// The runtime on which something that is to pass is best written.
    pub(super) fn home(&self) -> Option<&Handle> {
        self.home.as_ref()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Writes as much as the stream takes at once. Shuts the gate if that is nothing.
    pub(super) fn write(&mut self, frames: &[IoSlice<'_>], now: Instant) -> usize {
        let Some(bypass) = &self.bypass else { return 0 };
        match bypass.try_write(frames) {
            Ok(written) if written > 0 => {
                self.written = Some(now);
                return written;
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.stuck = Some(Box::new(Err(error)));
            }
            // Its task waits for room. A stream that takes nothing and does not say why, it finds broken itself.
            _ => {}
        }
        self.shut();
        0
    }

    /// Of the last frame the stream has not taken this: shuts the gate.
    pub(super) fn keep_rest(&mut self, rest: Bytes) {
        self.stuck = Some(Box::new(Ok(rest)));
        self.shut();
    }
}
