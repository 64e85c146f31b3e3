//! One thing that waits to be sent in a mailbox, and what happens when there is no room for it.
//!
//! The mailbox is in `outbox`.

use std::borrow::Cow;

use ws_proto::{CloseCode, MAX_CONTROL_PAYLOAD, Message, PreparedMessage};

/// What a queued item weighs besides its payload, so that empty messages are bounded too. About the size of an
/// item in the queue with its share of the queue's spare room.
pub(super) const ITEM_OVERHEAD: usize = 64;

/// What happens to a subscriber whose queue is full when something is published. The publisher never waits, and
/// other subscribers notice nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The slow subscriber's connection is closed with 1013 (try again later). What was queued for it from topics
    /// is thrown away. The default: a subscriber either gets everything or knows that it did not.
    #[default]
    Close1013,
    /// What is published now is not delivered to it.
    DropNewest,
    /// The oldest publications in its queue make room.
    DropOldest,
}

/// What became of a publication at one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Queued,
    /// It, or older ones in its favour, were thrown away.
    Dropped,
    /// The subscriber is being closed for its slowness.
    Closed,
    /// The subscriber has ended already.
    Gone,
}

/// One thing to be sent.
#[derive(Debug)]
pub(crate) enum Mail {
    /// From a topic: encoded once for all subscribers.
    Published(PreparedMessage),
    /// From a handle.
    Message(Message),
    /// The closing handshake is to begin.
    Close(CloseCode, Cow<'static, str>),
}

impl Mail {
    pub(super) fn weight(&self) -> usize {
        let payload = match self {
            Self::Published(message) => message.payload().len(),
            Self::Message(message) => message.payload().len(),
            Self::Close(..) => MAX_CONTROL_PAYLOAD,
        };
        payload.saturating_add(ITEM_OVERHEAD)
    }

    /// From a topic, which may throw it away again.
    pub(super) fn is_published(&self) -> bool {
        matches!(self, Self::Published(_))
    }
}
