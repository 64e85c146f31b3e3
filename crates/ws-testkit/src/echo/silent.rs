//! The endpoint of connections without a known subprotocol: it answers pings, as the library does, and says
//! nothing else.

use ws_servlet::Endpoint;

/// Receives everything and echoes nothing.
#[derive(Debug)]
pub(crate) struct Silent;

impl Endpoint for Silent {}
