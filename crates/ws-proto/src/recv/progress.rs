//! What a timer or a counter wants to know about the receiving half: is something unfinished, does it move, how
//! much is held.

use super::{Machine, State};
use crate::config::Delivery;

/// About what the inflater of one message takes.
const INFLATER: usize = 64 * 1024;

/// What a receive path has done, for who limits the work that is done at once: bytes of input tell little about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveWork {
    /// Frames that have begun. A message in one frame that took the short way (below 64 KiB, and it lay whole in the input)
    /// is not counted: it is an event.
    pub frames: u32,
    /// Bytes that extensions have made: of a compressed message, what came out.
    pub decoded: u32,
}

impl Machine {
    /// Whether something has begun to arrive that the peer owes the rest of: the timer for unfinished messages
    /// runs. Under [`Delivery::Fragment`] that is a frame, else a message or a frame.
    pub(super) fn is_unfinished(&self) -> bool {
        match &self.state {
            State::Header { len: 0, .. } => {
                self.message.is_some() && self.config.delivery == Delivery::Message
            }
            State::Header { .. } | State::Payload(_) => true,
            State::Discard => false,
        }
    }

    /// A number that grows whenever a byte of what is unfinished arrives, and starts again with the next message.
    /// Control frames between the fragments of a message do not move it: they are not part of the message.
    pub(super) fn progress(&self) -> u64 {
        let (size, fragments) = self.message.as_ref().map_or((0, 0), |message| {
            (message.size as u64, u64::from(message.fragments))
        });
        let arrived = size.wrapping_add(fragments);
        // Without an open message a control frame is itself what is unfinished.
        let control_counts = self.message.is_none() || self.config.delivery == Delivery::Fragment;
        match &self.state {
            State::Payload(frame) if !frame.opcode.is_control() => arrived.wrapping_sub(frame.missing as u64),
            // A header has at most 14 bytes and a control payload 125: these two sums never go down within a frame.
            State::Payload(_) if control_counts => arrived + 14 + self.control.len() as u64,
            State::Header { len, .. } if control_counts => arrived + u64::from(*len),
            State::Payload(_) | State::Header { .. } | State::Discard => arrived,
        }
    }

    /// Bytes that are held for what is incomplete, as a budget for many connections counts them: the payload so far,
    /// and 64 KiB for the inflater of a compressed message that is open. The memory behind them is at most twice that.
    pub(super) fn held(&self) -> usize {
        let coded = self.extensions.as_ref().map_or(0, |extensions| {
            let inflates = extensions
                .deflate
                .as_ref()
                .is_some_and(|deflate| deflate.is_open());
            extensions.gathered() + if inflates { INFLATER } else { 0 }
        });
        let lent = if self.lent { 0 } else { self.buffered() };
        lent + coded
    }

    /// Bytes that are held for what is incomplete.
    pub(super) fn buffered(&self) -> usize {
        self.assembly.len() + self.control.len()
    }
}
