//! `test-echo-assemble`: the whole message comes back as one single frame, however it was cut.

use ws_servlet::{Endpoint, EndpointError, Session};

/// Returns each message in one frame.
#[derive(Debug)]
pub(crate) struct AssembleEcho;

impl Endpoint for AssembleEcho {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        session.text(text).await?;
        Ok(())
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        session.binary(payload).await?;
        Ok(())
    }
}
