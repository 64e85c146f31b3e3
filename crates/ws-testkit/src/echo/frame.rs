//! `test-echo`: every data frame comes back as it came, while its message is still open.

use ws_proto::{Delivery, MessageKind, Opcode};
use ws_servlet::{Endpoint, EndpointError, Frame, Handled, Session};

/// Returns each data frame with the same opcode, FIN and payload as soon as it is complete. It holds nothing of a
/// message, so that messages may be of any length.
#[derive(Debug)]
pub(crate) struct FrameEcho {
    /// Kind of the message that is open, which its continuation frames do not tell (RFC 6455 §5.4).
    kind: MessageKind,
}

impl FrameEcho {
    pub(crate) fn new() -> Self {
        Self {
            kind: MessageKind::Binary,
        }
    }
}

impl Endpoint for FrameEcho {
    fn delivery(&self) -> Delivery {
        Delivery::Fragment
    }

    async fn on_frame(&mut self, session: &mut Session, frame: Frame<'_>) -> Result<Handled, EndpointError> {
        match frame.opcode {
            Opcode::Text => self.kind = MessageKind::Text,
            Opcode::Binary => self.kind = MessageKind::Binary,
            Opcode::Continuation => {}
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(Handled::No),
        }
        // A frame may end inside a character; the opcode of a later one is chosen by the library, and is
        // continuation as it was for the one that came.
        session.send_fragment(self.kind, frame.payload, frame.fin).await?;
        Ok(Handled::Yes)
    }
}
