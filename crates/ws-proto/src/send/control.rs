//! Pings and pongs (RFC 6455 §5.5.2, §5.5.3). The Close frame is in `close`.

use crate::error::UseError;
use crate::frame::{MAX_CONTROL_PAYLOAD, Opcode};

use super::SendPath;
use super::closing::Closing;

/// The payload of a pong that could not be queued yet.
pub(super) struct HeldPong {
    len: usize,
    payload: [u8; MAX_CONTROL_PAYLOAD],
}

impl SendPath {
    /// Queues a ping. The payload has at most 125 bytes.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame, [`UseError::ControlTooLong`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.push_control(Opcode::Ping, payload)
    }

    /// Queues a pong that nobody asked for (RFC 6455 §5.5.3 allows it), or the answer to a ping when the caller
    /// answers pings itself. The payload has at most 125 bytes.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame, [`UseError::ControlTooLong`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.push_control(Opcode::Pong, payload)
    }

    fn push_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), UseError> {
        self.check_open()?;
        // RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less".
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(UseError::ControlTooLong);
        }
        self.push_frame(opcode, true, payload);
        Ok(())
    }

    /// A ping came from the peer: queues the pong (RFC 6455 §5.5.2), unless a Close frame was sent.
    ///
    /// While earlier output could not be written ([`set_blocked`](Self::set_blocked)), or the queue is above its
    /// hard limit, one pong is held back, and a newer ping replaces it, so that a peer that pings and never reads
    /// costs no memory. RFC 6455 §5.5.3: an endpoint "MAY elect to send a Pong frame for only the most recently
    /// processed Ping frame".
    #[inline]
    pub fn handle_ping(&mut self, payload: &[u8]) {
        if !matches!(self.closing, Closing::Open) || payload.len() > MAX_CONTROL_PAYLOAD {
            return;
        }
        if self.blocked || self.held_pong.is_some() || self.room_for(payload.len()).is_err() {
            self.hold_pong(payload);
        } else {
            self.push_frame(Opcode::Pong, true, payload);
        }
    }

    #[cold]
    fn hold_pong(&mut self, payload: &[u8]) {
        let held = self.held_pong.get_or_insert_with(|| {
            Box::new(HeldPong {
                len: 0,
                payload: [0; MAX_CONTROL_PAYLOAD],
            })
        });
        if let Some(place) = held.payload.get_mut(..payload.len()) {
            place.copy_from_slice(payload);
            held.len = payload.len();
        }
    }

    /// Queues the pong that was held back, if there is one.
    pub(super) fn release_pong(&mut self) {
        if let Some(held) = self.held_pong.take() {
            self.push_frame(
                Opcode::Pong,
                true,
                held.payload.get(..held.len).unwrap_or_default(),
            );
        }
    }
}
