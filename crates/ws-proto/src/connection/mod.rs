//! A whole connection without a socket: the receiving and the sending machine, the timers and the end of TCP, glued
//! (RFC 6455 §5.5, §7). Who needs them apart, to receive in one task and send from others, takes
//! [`Connection::into_parts`] and does the glueing itself.

mod budget;
mod tcp;

mod timer;

pub use tcp::{TcpAction, TcpClosing};
pub use timer::{Timeout, Timers};

use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;

use crate::code::CloseCode;
use crate::config::Config;
use crate::error::{ProtocolError, UseError};
use crate::ext::Extensions;
use crate::mask::MaskGen;
use crate::message::Message;
use crate::recv::{Event, ReceivePath};
use crate::role::Role;
use crate::send::{CloseReason, CloseState, Initiator, SendPath};

/// A WebSocket connection, without transport and clock.
///
/// Its methods are of three kinds:
///
/// * `handle_*`: something came from outside. [`handle_received`](Self::handle_received) and
///   [`next`](Self::next), [`handle_written`](Self::handle_written), [`handle_timeout`](Self::handle_timeout),
///   [`handle_eof`](Self::handle_eof), [`handle_lost`](Self::handle_lost),
///   [`handle_half_closed`](Self::handle_half_closed).
/// * plain verbs: the application asks. [`send`](Self::send), [`close`](Self::close), and all that
///   [`sender`](Self::sender) lends.
/// * `poll_*`: the caller must act. [`poll_transmit`](Self::poll_transmit) (write this),
///   [`poll_tcp`](Self::poll_tcp) (close or drop the transport), [`poll_timeout`](Self::poll_timeout) (come back then).
///
/// Order of calls, for ever:
///
/// 1. After reading bytes: `handle_received(now)`, then `next` until it returns `None`. Pings and the peer's Close
///    frame are answered on the way, and a broken rule fails the connection; the events only tell.
/// 2. `poll_transmit` until it returns `None` or the transport takes no more: write, then `handle_written`.
/// 3. `poll_tcp`, and obey.
/// 4. `poll_timeout(now)`; sleep until then, until bytes come or until the application has something to send. When the
///    time has come: `handle_timeout(now)`, and again from 2.
///
/// ```
/// # #![expect(clippy::disallowed_methods, reason = "an example needs some instant")]
/// # use std::{sync::Arc, time::Instant};
/// use bytes::Buf;
/// use ws_proto::{Config, Connection, Event, TcpAction};
///
/// let now = Instant::now();
/// let mut server = Connection::server(Arc::new(Config::server()), now);
///
/// // RFC 6455 §5.7: a masked text message with "Hello".
/// let mut read = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let mut input = &mut read[..];
/// server.handle_received(now);
/// while let Some((event, send)) = server.next(&mut input)? {
///     if let Event::Text(text) = event {
///         send.text(text)?; // the text is still borrowed from `read`
///     }
/// }
/// let output = server.poll_transmit().ok_or("nothing to write")?;
/// assert_eq!(output.chunk(), b"\x81\x05Hello");
/// server.handle_written(7, now);
/// assert_eq!(server.poll_tcp(), TcpAction::KeepOpen);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    receive: ReceivePath,
    send: SendPath,
    timers: Timers,
    tcp: TcpClosing,
}

impl Connection {
    /// The server's end of a connection that was opened at `now`.
    #[must_use]
    pub fn server(config: Arc<Config>, now: Instant) -> Self {
        Self::new(Role::Server, config.clone(), SendPath::server(config), now)
    }

    /// The client's end of a connection that was opened at `now`, with its source of masking keys.
    #[must_use]
    pub fn client(config: Arc<Config>, masks: Box<dyn MaskGen>, now: Instant) -> Self {
        Self::new(Role::Client, config.clone(), SendPath::client(config, masks), now)
    }

    fn new(role: Role, config: Arc<Config>, send: SendPath, now: Instant) -> Self {
        Self {
            receive: ReceivePath::new(role, config.clone()),
            send,
            timers: Timers::new(config, now),
            tcp: TcpClosing::new(),
        }
    }

    /// The same with the extensions that the handshake agreed on.
    #[must_use]
    pub fn with_extensions(self, extensions: &Extensions) -> Self {
        Self {
            receive: self.receive.with_extensions(extensions),
            send: self.send.with_extensions(extensions),
            ..self
        }
    }

    /// The parts, for receiving and sending apart.
    #[must_use]
    pub fn into_parts(self) -> (ReceivePath, SendPath, Timers, TcpClosing) {
        (self.receive, self.send, self.timers, self.tcp)
    }

    /// Bytes were read; [`next`](Self::next) takes them.
    pub fn handle_received(&mut self, now: Instant) {
        self.timers.handle_time(now);
        self.timers.on_received();
    }

    /// The next event of `input`, which is advanced past it and unmasked in place, together with the sending half, so
    /// that a reply can be queued while the payload is still borrowed. `Ok(None)`: all of `input` is consumed.
    ///
    /// A ping has been answered and so has a Close frame when their events come out.
    ///
    /// # Errors
    /// The peer broke a rule. The connection has been failed, the Close frame is queued; all further input is
    /// discarded without another error.
    #[inline]
    pub fn next<'c, 'i: 'c>(
        &'c mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<(Event<'c>, &'c mut SendPath)>, ProtocolError> {
        if self.send.state() != CloseState::Open {
            self.prepare_to_discard(input.len());
        }
        let event = match self.receive.next(input) {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.send.fail(&error);
                return Err(error);
            }
        };
        if let Err(error) = self.timers.on_event(&event) {
            self.send.fail(&error);
            return Err(error);
        }
        match event {
            Event::Ping(payload) => self.send.handle_ping(payload),
            Event::Close(close) => self.send.handle_close(close),
            _ => {}
        }
        Ok(Some((event, &mut self.send)))
    }

    fn prepare_to_discard(&mut self, count: usize) {
        self.tcp.handle_discarded(count);
        // RFC 6455 §7.1.7: "An endpoint MUST NOT continue to attempt to process data (including a responding Close
        // frame) from the remote endpoint after being instructed to _Fail the WebSocket Connection_."
        if self.send.has_failed() && !self.receive.is_stopped() {
            self.receive.stop();
        }
    }

    /// The transport took `count` bytes of what [`poll_transmit`](Self::poll_transmit) gave.
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        if count > 0 {
            self.send.advance(count);
            self.timers.handle_time(now);
            self.timers.on_written();
        }
    }

    /// Does what is due at `now`. Calling it too early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timeout) = self.timers.handle_timeout(now) {
            timeout.apply(&mut self.send);
            if self.send.is_lost() {
                self.tcp.handle_lost(&mut self.send, Initiator::Local);
            }
            if self.send.state() != CloseState::Open {
                self.timers.follow(&self.receive, &self.send, &self.tcp);
            }
        }
    }

    /// The peer ended its direction of the transport: no more bytes will come. Without a Close frame before it the
    /// connection has ended with 1006 (RFC 6455 §7.1.5).
    pub fn handle_eof(&mut self) {
        self.receive.stop();
        self.tcp.handle_eof(&mut self.send);
    }

    /// The transport failed.
    pub fn handle_lost(&mut self) {
        self.receive.stop();
        self.tcp.handle_lost(&mut self.send, Initiator::Remote);
    }

    /// The sending direction was shut down, as [`TcpAction::HalfClose`] asked.
    pub fn handle_half_closed(&mut self) {
        self.tcp.handle_half_closed();
    }

    /// Queues a message.
    ///
    /// # Errors
    /// Those of [`SendPath::message`].
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), UseError> {
        self.send.message(message.into())
    }

    /// Begins the closing handshake; see [`SendPath::close`].
    ///
    /// # Errors
    /// [`UseError::CloseCode`] for a code that may not be on the wire.
    pub fn close(&mut self, reason: Option<(CloseCode, &str)>) -> Result<(), UseError> {
        self.send.close(reason)
    }

    /// The sending half, for every other verb.
    pub fn sender(&mut self) -> &mut SendPath {
        &mut self.send
    }

    /// What is to be written, as [`Buf`]; `None` if nothing is. After writing call
    /// [`handle_written`](Self::handle_written) rather than `advance`, so that the time of it is known.
    pub fn poll_transmit(&mut self) -> Option<&mut SendPath> {
        self.send.has_output().then_some(&mut self.send)
    }

    /// What to do with the transport.
    pub fn poll_tcp(&mut self) -> TcpAction {
        self.tcp.poll(&self.send)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, seen from `now`; `None`: no timer runs.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        self.timers.handle_time(now);
        self.timers.follow(&self.receive, &self.send, &self.tcp);
        self.timers.next_deadline()
    }

    /// Where the closing handshake stands.
    #[must_use]
    pub fn state(&self) -> CloseState {
        self.send.state()
    }

    /// How the connection ended; `None` while it has not.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.send.close_reason()
    }
}
