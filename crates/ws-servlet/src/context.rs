//! What all sessions of one route share, and what one session's configuration comes down to.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use ws_proto::{Config, Delivery, ExtensionOffer, MessageKind};

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
    pub(crate) agreed: Agreed,
}

/// The extensions in use by a session, with their parameters. `None`: none, which is the rule.
pub(crate) type SessionExtensions = Option<Arc<Vec<ExtensionOffer<'static>>>>;

/// What the last session of a route has agreed on. Clients of one kind agree on the same, and share it: with
/// permessage-deflate that is half a kilobyte.
#[derive(Debug, Default)]
pub(crate) struct Agreed(Mutex<SessionExtensions>);

impl Agreed {
    /// The extensions of one more session, shared with the session before if they are the same.
    pub(crate) fn share(&self, extensions: Vec<ExtensionOffer<'static>>) -> SessionExtensions {
        if extensions.is_empty() {
            return None;
        }
        // Replaced whole, so sound even after a panic.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(&extensions) {
            *last = Some(Arc::new(extensions));
        }
        last.clone()
    }
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
    /// `None`: the codec's own limit holds for both kinds, which is the rule.
    pub(crate) sizes: Option<Arc<MessageLimits>>,
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
        let sizes = MessageLimits {
            max_text: limits.max_text,
            max_binary: limits.max_binary,
        };
        Self {
            messages: Arc::new(limits.config.clone().with_delivery(Delivery::Message)),
            fragments: Arc::new(limits.config.with_delivery(Delivery::Fragment)),
            sizes: (sizes.max_text != sizes.max_binary).then(|| Arc::new(sizes)),
        }
    }

    pub(crate) fn config(&self, delivery: Delivery) -> &Arc<Config> {
        match delivery {
            Delivery::Message => &self.messages,
            Delivery::Fragment => &self.fragments,
        }
    }
}

#[cfg(test)]
mod tests {
    use ws_proto::ExtensionOffer;

    use super::*;

    #[test]
    fn sessions_that_agree_on_the_same_share_it() {
        let agreed = Agreed::default();
        let offer = |text: &'static str| vec![ExtensionOffer::new(text).unwrap()];
        assert!(agreed.share(Vec::new()).is_none());
        let first = agreed.share(offer("identity")).unwrap();
        assert!(Arc::ptr_eq(&first, &agreed.share(offer("identity")).unwrap()));
        let other = agreed.share(offer("fragment")).unwrap();
        assert_eq!((*first).clone(), offer("identity"), "whoever has it keeps it");
        assert_eq!(*other, offer("fragment"));
    }
}
