//! One open connection as its endpoint sees it: [`Session`].
//!
//! Here: who the peer is, sending, topics. Beside it: the request head (`head`), the mailbox of other tasks (`mail`).
//! Not here: the seat of a session among others (`registry`), its view from other tasks (`handle`), who reads
//! (`dispatch`).

mod head;
mod remote;

mod mail;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use http::Extensions;
use ws_handler::{Io, Link, SendData, SocketError};
use ws_proto::{CloseCode, ExtensionOffer, Message, MessageKind, PreparedMessage, SendOptions, UseError};

use crate::context::{RouteContext, SessionExtensions};
use crate::handle::SessionHandle;
use crate::hub::{Hub, Outbox, Overflow, Published};

pub(crate) use self::head::Head;
use self::remote::Remote;

/// An open connection, lent to the callbacks of its [`Endpoint`](crate::Endpoint). It owns the socket and writes
/// directly, without a lock. Other tasks use a [`SessionHandle`].
///
/// Sending: a small message is copied to the outgoing queue, and everything that one read from the peer brought
/// about leaves in one write. Above [`Limits::soft_queue`](ws_proto::Limits::soft_queue) (64 KiB) a send waits, and
/// since nothing is read meanwhile, a peer that does not read what it asked for is asked no more.
pub struct Session {
    pub(crate) link: Link<Io>,
    id: u64,
    route: Arc<RouteContext>,
    head: Head,
    /// `None` for the many that have none.
    extensions: SessionExtensions,
    remote: Remote,
    attributes: Extensions,
    /// The mailbox, once somebody has asked for it.
    outbox: Option<Arc<Outbox>>,
    /// There is or was something in the mailbox that is not delivered yet.
    mail_waits: bool,
    /// What topics send may go past this session.
    gate_open: bool,
    /// Still among the open sessions of its route and servlet.
    entered: bool,
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) link: Link<Io>,
    pub(crate) route: Arc<RouteContext>,
    pub(crate) head: Head,
    pub(crate) extensions: Vec<ExtensionOffer<'static>>,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) attributes: Extensions,
}

impl Session {
    /// Enters a connection among the open sessions.
    pub(crate) fn open(parts: Parts, config: Arc<ws_proto::Config>) -> Self {
        let Parts {
            link,
            route,
            head,
            extensions,
            remote,
            attributes,
        } = parts;
        let extensions = route.agreed.share(extensions);
        let id = route.sessions.enter(Arc::clone(link.signal()), config);
        route.open.fetch_add(1, Ordering::Relaxed);
        Self {
            link,
            id,
            route,
            head,
            extensions,
            remote: remote.into(),
            attributes,
            outbox: None,
            mail_waits: false,
            gate_open: false,
            entered: true,
        }
    }

    /// Leaves the registry and all topics: nobody finds the session from now on.
    pub(crate) fn leave(&mut self) {
        if std::mem::take(&mut self.entered) {
            self.route.open.fetch_sub(1, Ordering::Relaxed);
            self.route.sessions.leave(self.id);
        }
    }

    /// A number that no other session of this servlet ever has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The pattern of the route that the request matched.
    pub fn route(&self) -> &str {
        self.route.pattern.as_str()
    }

    /// The path of the request, percent-encoded as it came.
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// What the path has in the place of `{name}`, decoded; `"*"` is what `/*` stands for. `None` if the pattern has
    /// no such variable. Read from the request head at each call.
    pub fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.route.pattern.parameter(self.head.path(), name)
    }

    /// The names of the variables in the route's pattern, in order.
    pub fn path_parameter_names(&self) -> impl Iterator<Item = &str> {
        self.route.pattern.variables()
    }

    /// What follows the `?` of the request target, percent-encoded as it came.
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// The first header of this name, whatever its case, if its value is UTF-8. Read from the request head at each
    /// call. See [`headers`](Self::headers) for those that are not kept.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The headers of the request in order: names as they came, values without the white space around them.
    ///
    /// Not among them are those that are spent when the connection is open: `Connection`, `Upgrade`, `Keep-Alive`,
    /// `Proxy-Connection`, `TE` and `Transfer-Encoding` (RFC 9110 §7.6.1), `Sec-WebSocket-Key` and
    /// `Sec-WebSocket-Version`. Filters and acceptors see all of them ([`Opening::request`](crate::Opening::request)).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// The subprotocol that was chosen (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.head.subprotocol()
    }

    /// The extensions in use, with their parameters, in the order of the response (RFC 6455 §9.1).
    pub fn extensions(&self) -> &[ExtensionOffer<'static>] {
        self.extensions.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The peer's address; `None` if the stream has none.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote.address()
    }

    /// Values of the application's own, one per type. Filters and acceptors may have put some there before the
    /// upgrade, a user's identity for instance.
    pub fn attributes(&self) -> &Extensions {
        &self.attributes
    }

    /// The same, to be changed.
    pub fn attributes_mut(&mut self) -> &mut Extensions {
        &mut self.attributes
    }

    /// Sends a whole text message.
    ///
    /// Lazy: nothing happens before it is polled. Below 16 KiB the text is copied to the queue and the future ready
    /// at once, unless the queue is above its soft limit: then it waits. From 16 KiB on it is written straight from
    /// `text`.
    ///
    /// Cancel safe: dropped while it waits for the queue, nothing is sent; dropped later, the message is sent whole.
    ///
    /// # Errors
    /// [`SocketError::Use`] after a Close frame or while a message of fragments is open; otherwise the connection is
    /// lost.
    pub fn text<'a>(&'a mut self, text: &'a str) -> SendData<'a, Io> {
        self.link.text(text)
    }

    /// Sends a whole binary message. See [`text`](Self::text).
    ///
    /// Cancel safe, as [`text`](Self::text).
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn binary<'a>(&'a mut self, payload: &'a [u8]) -> SendData<'a, Io> {
        self.link.binary(payload)
    }

    /// Sends one frame of a message (RFC 6455 §5.4): the first call begins the message, `fin` ends it. Of text,
    /// the payload may begin and end inside a character; that the whole is UTF-8 is the caller's duty. See
    /// [`text`](Self::text).
    ///
    /// While the message is open, what topics and handles send waits.
    ///
    /// Cancel safe, as [`text`](Self::text).
    ///
    /// # Errors
    /// As [`text`](Self::text); [`UseError::MessageOpen`] if a message of the other kind is open.
    pub fn send_fragment<'a>(
        &'a mut self,
        kind: MessageKind,
        payload: &'a [u8],
        fin: bool,
    ) -> SendData<'a, Io> {
        self.link.fragment(kind, payload, fin)
    }

    /// Waits until the queue is not above its soft limit and takes an owned message; a large payload is sent by
    /// reference.
    ///
    /// Cancel safe: dropped before it is ready, nothing is sent.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        self.send_with(message, SendOptions::new()).await
    }

    /// The same with options, as not to compress this message.
    ///
    /// Cancel safe, as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub async fn send_with(
        &mut self,
        message: impl Into<Message>,
        options: SendOptions,
    ) -> Result<(), SocketError> {
        self.room().await?;
        Ok(self.link.queue_with(message.into(), options)?)
    }

    /// The same with a message that was encoded once for many sessions.
    ///
    /// Cancel safe, as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub async fn prepared(&mut self, message: &PreparedMessage) -> Result<(), SocketError> {
        self.room().await?;
        Ok(self.link.prepared(message)?)
    }

    /// Writes until the queue is at or below its soft limit.
    async fn room(&mut self) -> Result<(), SocketError> {
        std::future::poll_fn(|cx| {
            if !self.link.above_soft_limit() {
                return Poll::Ready(Ok(()));
            }
            match self.link.poll_flush(cx) {
                Poll::Pending if !self.link.above_soft_limit() => Poll::Ready(Ok(())),
                flushed => flushed,
            }
        })
        .await
    }

    /// Writes everything that is queued. Without it the queue is written when the callback returns.
    ///
    /// Cancel safe: what is not written stays queued.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        self.link.flush().await
    }

    /// Queues a ping (RFC 6455 §5.5.2) with at most 125 bytes of payload.
    ///
    /// # Errors
    /// [`UseError::ControlTooLong`]; [`UseError::Closed`] after a Close frame.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.link.ping(payload)
    }

    /// Queues a pong: one that nobody asked for (RFC 6455 §5.5.3), or the answer to a ping that the endpoint has
    /// [handled](crate::Handled).
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.link.pong(payload)
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2). Nothing can be sent afterwards; what the peer sends until its
    /// own Close frame arrives is still delivered. A reason of more than 123 bytes is cut.
    ///
    /// # Errors
    /// [`UseError::CloseCode`] for a code that may not be sent (RFC 6455 §7.4).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), UseError> {
        self.link.close(code, reason)
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// The kind of the message that was begun with [`send_fragment`](Self::send_fragment) and is not finished.
    pub fn open_message(&self) -> Option<MessageKind> {
        self.link.open_message()
    }

    /// Bytes that are queued and not written.
    pub fn queued_bytes(&self) -> usize {
        self.link.queued_bytes()
    }

    /// This session for other tasks. Its mailbox is made at the first call. `None` in
    /// [`on_close`](crate::Endpoint::on_close), when nothing could be sent any more.
    pub fn handle(&mut self) -> Option<SessionHandle> {
        let outbox = Arc::clone(self.outbox()?);
        Some(SessionHandle::new(outbox, self.hub().clone()))
    }

    /// Puts this session on a topic: it is sent everything that is published there, until it leaves or ends. If its
    /// mailbox is full it is closed with 1013; see [`subscribe_with`](Self::subscribe_with).
    ///
    /// # Errors
    /// [`UseError::Closed`] if the session has ended.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), UseError> {
        self.subscribe_with(topic, Overflow::default())
    }

    /// The same with another policy for the case that this session is too slow. A second time only changes that.
    ///
    /// # Errors
    /// [`UseError::Closed`] if the session has ended.
    pub fn subscribe_with(&mut self, topic: &str, overflow: Overflow) -> Result<(), UseError> {
        let outbox = Arc::clone(self.outbox().ok_or(UseError::Closed)?);
        self.hub().subscribe(&outbox, topic, overflow)
    }

    /// Takes this session off a topic. False if it was not on it.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        self.outbox
            .as_ref()
            .is_some_and(|outbox| self.hub().unsubscribe(outbox, topic))
    }

    /// Queues a text message for everybody on a topic, this session included if it is on it. Never waits.
    pub fn publish(&self, topic: &str, text: &str) -> Published {
        self.hub().publish(topic, &PreparedMessage::text(text))
    }

    /// The topics of the servlet, for binary messages or messages prepared before.
    pub fn hub(&self) -> &Hub {
        self.route.sessions.hub()
    }

    fn outbox(&mut self) -> Option<&Arc<Outbox>> {
        if self.outbox.is_none() {
            self.outbox = self.route.sessions.outbox(self.id);
        }
        self.outbox.as_ref().filter(|_| self.entered)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("id", &self.id)
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}
