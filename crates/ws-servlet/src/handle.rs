//! A session as seen from other tasks: [`SessionHandle`].
//!
//! What it sends lies in the session's mailbox (`hub::outbox`) until the connection's own task has taken it.

use std::sync::Arc;

use ws_handler::Signal;
use ws_proto::{CloseCode, Message, UseError};

use crate::hub::{Hub, Outbox, Overflow};

/// Sends to a session from any task or thread. Cheap to clone; keeps no connection open; every call on the handle
/// of a session that has ended returns [`UseError::Closed`].
///
/// The mailbox behind it is bounded in bytes by the route's configuration:
/// [`Limits::soft_queue`](ws_proto::Limits::soft_queue) (64 KiB) and
/// [`Limits::hard_queue`](ws_proto::Limits::hard_queue) (1 MiB); each message counts 64 bytes more than its payload.
/// One message always fits into an empty mailbox, whatever its size.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    outbox: Arc<Outbox>,
    hub: Hub,
}

impl SessionHandle {
    pub(crate) fn new(outbox: Arc<Outbox>, hub: Hub) -> Self {
        Self { outbox, hub }
    }

    /// The id of the session.
    pub fn id(&self) -> u64 {
        self.outbox.session()
    }

    /// Sends a message as soon as the mailbox is not above its soft limit. Ready does not mean written.
    ///
    /// Messages go out in the order of the calls. While the endpoint has a message of fragments open, they wait for
    /// its end.
    ///
    /// Do not wait for this inside a callback of the same session: the mailbox is emptied by the task that runs the
    /// callback. There is [`Session::text`](crate::Session::text) for that.
    ///
    /// Cancel safe: dropped before it is ready, nothing was queued.
    ///
    /// # Errors
    /// [`UseError::Closed`] if the session is closing; [`UseError::ControlTooLong`] for pings and pongs;
    /// [`UseError::MessageOpen`] for a [`Message::Fragment`], which only the endpoint can send.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), UseError> {
        self.outbox.send(message.into()).await
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// [`UseError::QueueFull`] if the mailbox would grow above its hard limit; the errors of
    /// [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), UseError> {
        self.outbox.try_send(message.into())
    }

    /// Begins the closing handshake behind everything that was sent before.
    ///
    /// A reason of more than 123 bytes is cut.
    ///
    /// # Errors
    /// [`UseError::Closed`] if the session is closing; [`UseError::CloseCode`] for a code that may not be sent
    /// (RFC 6455 §7.4).
    pub fn close(&self, code: CloseCode, reason: impl Into<String>) -> Result<(), UseError> {
        self.outbox.close(code, reason.into())
    }

    /// Drops the connection at once, without a closing handshake; the peer sees 1006. What is in the mailbox is
    /// lost.
    pub fn kill(&self) {
        self.outbox.signal().raise(Signal::KILL);
    }

    /// Whether messages are taken still.
    pub fn is_open(&self) -> bool {
        self.outbox.is_open()
    }

    /// Bytes in the mailbox, each message counted with 64 bytes more than its payload.
    pub fn queued_bytes(&self) -> usize {
        self.outbox.queued_bytes()
    }

    /// Publications that this session lost because its mailbox was full.
    pub fn dropped(&self) -> u64 {
        self.outbox.dropped()
    }

    /// Puts the session on a topic; `overflow` says what happens when its mailbox is full. A second time only
    /// changes that.
    ///
    /// # Errors
    /// [`UseError::Closed`] if the session has ended.
    pub fn subscribe(&self, topic: &str, overflow: Overflow) -> Result<(), UseError> {
        self.hub.subscribe(&self.outbox, topic, overflow)
    }

    /// Takes the session off a topic. False if it was not on it.
    pub fn unsubscribe(&self, topic: &str) -> bool {
        self.hub.unsubscribe(&self.outbox, topic)
    }

    /// The topics that the session is on.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.outbox.topic_names()
    }
}
