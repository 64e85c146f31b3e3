//! What all sessions of one route share, and what one session's configuration comes down to.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ws_proto::{Config, Delivery};

use crate::parameters::RouteLimits;
use crate::pattern::PathPattern;
use crate::registry::Sessions;

/// One route as its sessions see it.
#[derive(Debug)]
pub(crate) struct RouteContext {
    pub(crate) pattern: PathPattern,
    pub(crate) sessions: Sessions,
    /// Sessions of this route that are open.
    pub(crate) open: AtomicUsize,
}

/// The configuration of sessions, ready for either delivery so that a connection copies none.
#[derive(Debug, Clone)]
pub(crate) struct SessionLimits {
    messages: Arc<Config>,
    fragments: Arc<Config>,
    /// Bytes in a text message.
    pub(crate) max_text: usize,
    /// Bytes in a binary message.
    pub(crate) max_binary: usize,
}

impl SessionLimits {
    pub(crate) fn new(limits: RouteLimits) -> Self {
        Self {
            messages: Arc::new(limits.config.clone().with_delivery(Delivery::Message)),
            fragments: Arc::new(limits.config.with_delivery(Delivery::Fragment)),
            max_text: limits.max_text,
            max_binary: limits.max_binary,
        }
    }

    pub(crate) fn config(&self, delivery: Delivery) -> &Arc<Config> {
        match delivery {
            Delivery::Message => &self.messages,
            Delivery::Fragment => &self.fragments,
        }
    }
}

impl From<Config> for SessionLimits {
    fn from(config: Config) -> Self {
        Self::new(RouteLimits::new(config))
    }
}
