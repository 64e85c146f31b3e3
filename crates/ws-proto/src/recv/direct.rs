//! The memory that payloads are gathered in: large ones are read straight into it, and it comes from and goes
//! back to a pool that the socket layer keeps.

use bytes::BufMut;

use super::{Coding, Event, Machine, State};
use crate::config::Delivery;
use crate::error::ProtocolError;
use crate::mask::apply_mask;

/// A direct read is worth it from this many missing bytes on: below, one more read of the shared buffer is as
/// good.
const DIRECT_READ_MIN: usize = 16 * 1024;

/// How much room a direct read is given at first; then as much as has arrived already, or as there is anyway.
const DIRECT_READ_ROOM: usize = 64 * 1024;

/// From so many bytes on, of which a part has arrived, a frame or message is large.
const LARGE: usize = 128 * 1024;

/// So many bytes of a large one must have arrived: what a peer only announces is not believed.
const LARGE_ARRIVED: usize = 4 * 1024;

impl Machine {
    /// Room in the assembly buffer for a large payload, so that the bytes can be read from the socket straight
    /// into it; `None` where the shared read buffer serves better. After reading `n` bytes into it call
    /// [`received_direct`](Self::received_direct).
    ///
    /// The room grows with what has arrived, never with what the peer declared. A buffer that was
    /// [exchanged](Self::exchange) for a larger one is used as it is.
    pub(super) fn direct_room(&mut self) -> Option<bytes::buf::Limit<&mut Vec<u8>>> {
        if self.lent {
            self.forget_lent();
        }
        let State::Payload(frame) = &self.state else {
            return None;
        };
        // What extensions have made something of goes through them first.
        if frame.opcode.is_control() || frame.missing < DIRECT_READ_MIN || frame.coding != Coding::Plain {
            return None;
        }
        let missing = frame.missing;
        // Text is gathered as text, which raw bytes cannot be read into.
        if self.config.delivery == Delivery::Message && self.is_text() {
            return None;
        }
        let buffer = self.assembly.raw()?;
        let spare = buffer.capacity() - buffer.len();
        let room = missing.min(buffer.len().max(DIRECT_READ_ROOM).max(spare));
        // What doubles by itself need not be doubled by the vector, too.
        buffer.reserve_exact(room);
        Some(buffer.limit(room))
    }

    /// Tells that `count` bytes were appended through [`direct_room`](Self::direct_room).
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(super) fn received_direct(&mut self, count: usize) -> Result<Option<Event<'_>>, ProtocolError> {
        let State::Payload(mut frame) = self.state else {
            return Ok(None);
        };
        let is_text = self.is_text();
        let Some(buffer) = self.assembly.raw() else {
            return Ok(None);
        };
        let start = buffer.len().saturating_sub(count);
        let part = buffer.get_mut(start..).unwrap_or_default();
        if let Some(key) = frame.key {
            apply_mask(key, part);
        }
        if is_text && self.utf8.push(part).is_err() {
            return Err(self.fail(ProtocolError::TextUtf8));
        }
        frame.missing = frame.missing.saturating_sub(count);
        frame.key = frame.key.map(|key| key.rotated(count));
        if frame.missing > 0 {
            self.state = State::Payload(frame);
            return Ok(None);
        }
        self.state = State::HEADER;
        if frame.fin || self.config.delivery == Delivery::Fragment {
            return self.finish_frame(frame, None);
        }
        Ok(None)
    }

    /// Whether a large payload is being gathered, and enough of it has arrived that a buffer that is large already
    /// should take it: see [`exchange`](Self::exchange).
    pub(super) fn is_large(&self) -> bool {
        let State::Payload(frame) = &self.state else {
            return false;
        };
        let arrived = self.assembly.len();
        let data = !frame.opcode.is_control() && frame.coding == Coding::Plain;
        data && !self.lent && arrived >= LARGE_ARRIVED && frame.missing.saturating_add(arrived) >= LARGE
    }

    /// Forgets what the last event was lent from.
    pub(super) fn forget(&mut self) {
        if self.lent {
            self.forget_lent();
        }
    }
}
