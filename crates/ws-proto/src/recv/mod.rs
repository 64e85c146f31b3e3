//! The receiving machine: bytes in, [events](Event) out, every check in between (RFC 6455 §5, §6.2, §8).
//! It never sends: pings and closes are handed out as events, and `connection` answers them.

mod event;

pub use event::{Event, FragmentEvent};

use std::sync::Arc;

use crate::config::Config;
use crate::error::ProtocolError;
use crate::role::Role;

/// skeleton
pub struct ReceivePath {
    role: Role,
    config: Arc<Config>,
}

impl ReceivePath {
    /// skeleton
    pub fn new(role: Role, config: Arc<Config>) -> Self {
        Self { role, config }
    }

    /// The next event of `input`. `Ok(None)`: all input is consumed.
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        let _ = (input, self.role, &self.config);
        unimplemented!()
    }
}
