//! The closing handshake, transition by transition (RFC 6455 §5.5.1, §7.1). The states are in `closing`.

use crate::code::CloseCode;
use crate::error::{ProtocolError, UseError};
use crate::frame::{CloseEvent, MAX_CONTROL_PAYLOAD, Opcode};
use crate::message::Utf8Bytes;

use super::SendPath;
use super::closing::{CloseReason, CloseState, Closing, Initiator};

/// Most bytes of the reason in a Close frame: the code takes two of the 125 (RFC 6455 §5.5.1).
const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

impl SendPath {
    /// Begins the closing handshake: queues a Close frame with this code and reason, or an empty one for `None`.
    /// Nothing can be sent afterwards; what was queued before still goes out, in order.
    ///
    /// A reason longer than 123 bytes is cut at a character boundary. A second call does nothing, and neither does
    /// one after the peer's Close frame, which has been answered already.
    ///
    /// # Errors
    /// [`UseError::CloseCode`] for a code that may not be on the wire (RFC 6455 §7.4).
    pub fn close(&mut self, reason: Option<(CloseCode, &str)>) -> Result<(), UseError> {
        if !matches!(self.closing, Closing::Open) {
            return Ok(());
        }
        if let Some((code, _)) = reason {
            if !code.is_sendable() {
                return Err(UseError::CloseCode(code.value()));
            }
        }
        self.push_close(reason);
        self.closing = Closing::Sent;
        Ok(())
    }

    /// The peer's Close frame came: answers it unless ours was sent before, and knows from now on how the
    /// connection ended.
    pub fn handle_close(&mut self, close: Option<CloseEvent<'_>>) {
        let who = match self.closing {
            Closing::Open => {
                // RFC 6455 §5.5.1: "When sending a Close frame in response, the endpoint typically echos the
                // status code it received."
                self.push_close(close.map(|close| (close.code, "")));
                Initiator::Remote
            }
            Closing::Sent => Initiator::Local,
            // RFC 6455 §7.1.5: the first Close frame counts.
            Closing::Answered(_) | Closing::Failed(_) | Closing::Lost(_) => return,
        };
        self.closing = Closing::Answered(Box::new(CloseReason {
            code: close.map_or(CloseCode::NO_STATUS, |close| close.code),
            reason: close.map_or(Utf8Bytes::default(), |close| close.reason.into()),
            who,
            clean: true,
        }));
    }

    /// The peer broke a rule: fails the connection (RFC 6455 §7.1.7). Queues a Close frame with the code that the
    /// error maps to, unless one was sent. The caller discards all input from here on.
    pub fn fail(&mut self, error: &ProtocolError) {
        let code = error.close_code();
        self.fail_as(code, error.reason(), code);
    }

    /// Fails the connection for a reason of the caller's own, as 1011 after a panic: like [`close`](Self::close),
    /// but the answer is not awaited and input is discarded from here on. Does nothing when the connection is over.
    ///
    /// # Errors
    /// [`UseError::CloseCode`] for a code that may not be on the wire (RFC 6455 §7.4).
    pub fn fail_with(&mut self, code: CloseCode, reason: &str) -> Result<(), UseError> {
        if !code.is_sendable() {
            return Err(UseError::CloseCode(code.value()));
        }
        self.fail_as(code, reason, code);
        Ok(())
    }

    /// The peer is gone or as good as gone: says so with 1011 if that can still be sent, and reports 1006.
    pub fn fail_unresponsive(&mut self, reason: &str) {
        self.fail_as(CloseCode::INTERNAL_ERROR, reason, CloseCode::ABNORMAL);
    }

    fn fail_as(&mut self, sent: CloseCode, reason: &str, reported: CloseCode) {
        match self.closing {
            Closing::Open => self.push_close(Some((sent, reason))),
            Closing::Sent => {}
            Closing::Answered(_) | Closing::Failed(_) | Closing::Lost(_) => return,
        }
        self.closing = Closing::Failed(Box::new(CloseReason {
            code: reported,
            reason: reason.into(),
            who: Initiator::Local,
            clean: false,
        }));
    }

    /// The transport is gone, or is to be given up now. Forgets what is queued. If the closing handshake was not
    /// done, the connection ended with 1006 (RFC 6455 §7.1.5).
    pub fn handle_lost(&mut self, who: Initiator) {
        let unsent = self.has_output();
        self.discard_output();
        let abnormal = |who| CloseReason {
            code: CloseCode::ABNORMAL,
            reason: Utf8Bytes::default(),
            who,
            clean: false,
        };
        self.closing = Closing::Lost(match std::mem::take(&mut self.closing) {
            Closing::Open => Box::new(abnormal(who)),
            Closing::Sent => Box::new(abnormal(Initiator::Local)),
            Closing::Answered(mut reason) => {
                // RFC 6455 §7.1.4: clean means that the closing handshake was completed, both ways.
                reason.clean = !unsent;
                reason
            }
            Closing::Failed(reason) | Closing::Lost(reason) => reason,
        });
    }

    /// Where the closing handshake stands.
    #[must_use]
    pub fn state(&self) -> CloseState {
        match self.closing {
            Closing::Open => CloseState::Open,
            Closing::Sent => CloseState::CloseSent,
            Closing::Answered(_) if self.has_output() => CloseState::CloseReceived,
            Closing::Failed(_) if self.has_output() => CloseState::CloseSent,
            Closing::Answered(_) | Closing::Failed(_) | Closing::Lost(_) => CloseState::Closed,
        }
    }

    /// Whether what is queued is the last of the connection: with it, the closing handshake is done.
    #[must_use]
    pub fn is_last_output(&self) -> bool {
        matches!(self.closing, Closing::Answered(_) | Closing::Failed(_)) && self.has_output()
    }

    /// How the connection ended; `None` while it has not. Known as soon as the peer's Close frame was handled, the
    /// connection was failed or lost.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        match &self.closing {
            Closing::Open | Closing::Sent => None,
            Closing::Answered(reason) | Closing::Failed(reason) | Closing::Lost(reason) => Some(reason),
        }
    }

    /// Whether the connection was failed or lost: what arrives means nothing any more.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.closing, Closing::Failed(_) | Closing::Lost(_))
    }

    /// Whether the transport is gone or given up.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.closing, Closing::Lost(_))
    }

    fn push_close(&mut self, reason: Option<(CloseCode, &str)>) {
        // A ping that came before is answered before: after the Close frame nothing is.
        self.release_pong();
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let mut len = 0;
        if let Some((code, text)) = reason {
            let text = cut_reason(text);
            let (code_place, text_place) = payload.split_at_mut(2);
            code_place.copy_from_slice(&code.value().to_be_bytes());
            if let Some(place) = text_place.get_mut(..text.len()) {
                place.copy_from_slice(text.as_bytes());
            }
            len = 2 + text.len();
        }
        self.push_frame(Opcode::Close, true, payload.get(..len).unwrap_or_default());
    }
}

/// As much of `text` as fits into a Close frame, ending between characters: RFC 6455 §5.5.1 wants the reason to be
/// UTF-8.
fn cut_reason(text: &str) -> &str {
    let mut end = text.len().min(MAX_CLOSE_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
