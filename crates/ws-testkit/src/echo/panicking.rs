//! The endpoint that panics, for tests of what that costs. Served only where it is asked for.

use ws_servlet::{Endpoint, EndpointError, Session};

/// Panics at the first message.
#[derive(Debug)]
pub(crate) struct Panicking;

impl Panicking {
    /// Its subprotocol.
    pub(crate) const NAME: &str = "ws-testkit-panic";
}

impl Endpoint for Panicking {
    #[expect(clippy::panic, reason = "it is what this endpoint is for")]
    async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
        panic!("a panic in a callback, as asked for");
    }
}
