//! What all sessions of one route share, and what one session's configuration comes down to.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ws_proto::{Config, Delivery, MessageKind};

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

/// Bytes in one message, by kind. The codec knows only the larger of the two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageLimits {
    pub(crate) max_text: usize,
    pub(crate) max_binary: usize,
}

/// The configuration of sessions, ready for either delivery so that a connection copies none.
#[derive(Debug)]
pub(crate) struct SessionLimits {
    messages: Arc<Config>,
    fragments: Arc<Config>,
    pub(crate) sizes: MessageLimits,
}

impl MessageLimits {
    pub(crate) fn of(self, kind: MessageKind) -> usize {
        match kind {
            MessageKind::Text => self.max_text,
            MessageKind::Binary => self.max_binary,
        }
    }

    /// The codec's own limit for both kinds.
    pub(crate) fn of_config(config: &Config) -> Self {
        let both = config.limits.max_message_size;
        Self {
            max_text: both,
            max_binary: both,
        }
    }
}

impl SessionLimits {
    pub(crate) fn new(limits: RouteLimits) -> Self {
        Self {
            messages: Arc::new(limits.config.clone().with_delivery(Delivery::Message)),
            fragments: Arc::new(limits.config.with_delivery(Delivery::Fragment)),
            sizes: MessageLimits {
                max_text: limits.max_text,
                max_binary: limits.max_binary,
            },
        }
    }

    pub(crate) fn config(&self, delivery: Delivery) -> &Arc<Config> {
        match delivery {
            Delivery::Message => &self.messages,
            Delivery::Fragment => &self.fragments,
        }
    }
}
