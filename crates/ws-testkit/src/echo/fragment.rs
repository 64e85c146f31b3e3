//! `test-echo-fragment`: each message comes back as exactly two frames.

use ws_proto::MessageKind;
use ws_servlet::{Endpoint, EndpointError, Session};

/// Returns the first half of the bytes, rounded down, without FIN, and the rest as final continuation.
#[derive(Debug)]
pub(crate) struct FragmentEcho;

impl FragmentEcho {
    /// The cut is made at a byte, so that a text may be cut inside a character (RFC 6455 §5.4 allows it).
    async fn halves(session: &mut Session, kind: MessageKind, payload: &[u8]) -> Result<(), EndpointError> {
        let (first, rest) = payload.split_at(payload.len() / 2);
        session.send_fragment(kind, first, false).await?;
        session.send_fragment(kind, rest, true).await?;
        Ok(())
    }
}

impl Endpoint for FragmentEcho {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        Self::halves(session, MessageKind::Text, text.as_bytes()).await
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Self::halves(session, MessageKind::Binary, payload).await
    }
}
