//! Wraps an endpoint and tells an observer what happens on its connection.

use ws_proto::{CloseReason, Delivery, MessageKind, Opcode};
use ws_servlet::{Endpoint, EndpointError, Frame, Handled, Session, SessionError};

use crate::observation::{Happening, Observation, Observer};
use crate::protocol::Protocol;

/// An endpoint that does what `inner` does, and tells about it.
///
/// It asks for frames even where `inner` wants messages: what it does not handle is assembled all the same.
pub(crate) struct Observed<E> {
    inner: E,
    protocol: Protocol,
    connection: u64,
    observer: Observer,
    /// The message that is open.
    message: OpenMessage,
}

/// What has arrived of a message.
struct OpenMessage {
    kind: MessageKind,
    length: u64,
    frames: u64,
}

impl OpenMessage {
    fn new(kind: MessageKind) -> Self {
        Self {
            kind,
            length: 0,
            frames: 0,
        }
    }
}

impl<E> Observed<E> {
    pub(crate) fn new(inner: E, protocol: Protocol, connection: u64, observer: Observer) -> Self {
        let message = OpenMessage::new(MessageKind::Binary);
        Self {
            inner,
            protocol,
            connection,
            observer,
            message,
        }
    }

    fn tell(&self, what: Happening<'_>) {
        (self.observer)(&Observation {
            connection: self.connection,
            what,
        });
    }

    /// Tells about a frame, and about the message it ends. The close frame is told with the end of the connection.
    fn tell_frame(&mut self, frame: &Frame<'_>) {
        let Frame {
            opcode, fin, payload, ..
        } = *frame;
        if opcode == Opcode::Close {
            return;
        }
        self.tell(Happening::Frame { opcode, fin, payload });
        match opcode {
            Opcode::Text => self.message = OpenMessage::new(MessageKind::Text),
            Opcode::Binary => self.message = OpenMessage::new(MessageKind::Binary),
            Opcode::Continuation => {}
            Opcode::Close | Opcode::Ping | Opcode::Pong => return,
        }
        self.message.frames += 1;
        self.message.length += payload.len() as u64;
        if fin {
            let OpenMessage { kind, length, frames } = self.message;
            self.tell(Happening::Message { kind, length, frames });
        }
    }
}

impl<E: Endpoint + Sync> Endpoint for Observed<E> {
    fn delivery(&self) -> Delivery {
        Delivery::Fragment
    }

    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        self.tell(Happening::Open {
            peer: session.remote_addr(),
            path: session.path(),
            query: session.query(),
            protocol: self.protocol,
            subprotocol: session.subprotocol(),
        });
        self.inner.on_open(session).await
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        self.inner.on_text(session, text).await
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        self.inner.on_binary(session, payload).await
    }

    async fn on_frame(&mut self, session: &mut Session, frame: Frame<'_>) -> Result<Handled, EndpointError> {
        self.tell_frame(&frame);
        match self.inner.delivery() {
            Delivery::Fragment => self.inner.on_frame(session, frame).await,
            Delivery::Message => Ok(Handled::No),
        }
    }

    async fn on_ping(&mut self, session: &mut Session, payload: &[u8]) -> Result<Handled, EndpointError> {
        self.inner.on_ping(session, payload).await
    }

    async fn on_pong(&mut self, session: &mut Session, payload: &[u8]) -> Result<Handled, EndpointError> {
        self.inner.on_pong(session, payload).await
    }

    async fn on_error(&mut self, session: &mut Session, error: &SessionError) {
        self.inner.on_error(session, error).await;
    }

    async fn on_close(&mut self, session: &mut Session, reason: &CloseReason) {
        self.tell(Happening::Close {
            code: reason.code.value(),
            reason: &reason.reason,
        });
        self.inner.on_close(session, reason).await;
    }
}
