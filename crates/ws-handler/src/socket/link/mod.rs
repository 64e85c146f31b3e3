//! One connection without its receive path: what a session owns while an endpoint holds a borrowed payload.
//!
//! Here: [`Link`] and what it takes from the application and from the peer's events. Beside it: writing in `output`,
//! time in `clock`, reading and waiting in `wake`, the end of TCP in `ending`, messages that are not copied in
//! `send`. Not here: parsing (`ReadBuffer`, `ws_proto::ReceivePath`), owned messages (`receive`, `websocket`).

// 1: the parts of one poll
mod account;
mod clock;
mod output;
mod turn;

// 2: the end; what is written past a link
mod bypass;
mod ending;
mod panic;

// 3: what is polled
mod glance;
mod send;
mod wake;

pub use send::SendData;
pub use wake::Wake;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::Waker;

use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{
    CloseCode, CloseEvent, CloseReason, CloseState, Config, Event, Message, MessageKind, PreparedMessage,
    ProtocolError, Role, SendOptions, SendPath, TcpClosing, Timers, UseError,
};

use self::turn::Turn;
use super::error::{Lost, SocketError};
use super::large;
use super::pool;
use super::signal::Signal;
use super::wheel::Entry;
use crate::io::Io;

/// Everything of a connection but the receive path and the read buffer: stream, send path, timers, signal.
///
/// [`WebSocket`](crate::WebSocket) drives one for owned messages. An endpoint loop drives one for borrowed payloads:
/// receive path, read buffer, endpoint and link are then four separate variables, so that a callback can send
/// through the link while it holds a payload that is borrowed from the other two:
///
/// ```
/// # use std::sync::Arc;
/// use ws_handler::{Link, ReadBuffer, Signal, Wake};
/// use ws_proto::{Config, Event, ReceivePath, Role, SendPath};
///
/// # async fn echo(stream: tokio::net::TcpStream) {
/// let config = Arc::new(Config::server());
/// let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
/// let mut buffer = ReadBuffer::new();
/// let mut link = Link::new(stream, SendPath::server(config), Arc::new(Signal::new()));
/// loop {
///     match link.wake(&mut receive, &mut buffer).await {
///         Wake::Data => loop {
///             match buffer.next_event(&mut receive) {
///                 Ok(Some(Event::Text(text))) => {
///                     link.handle_data();
///                     let _ = link.text(text).await; // the text is still borrowed from the read buffer
///                 }
///                 Ok(Some(Event::Ping(payload))) => {
///                     if let Err(error) = link.handle_ping(payload) {
///                         link.fail(error);
///                         receive.stop();
///                     }
///                 }
///                 Ok(Some(Event::Pong(payload))) => link.handle_pong(payload),
///                 Ok(Some(Event::Close(close))) => link.handle_close(close),
///                 Ok(Some(_)) => link.handle_data(),
///                 Ok(None) => break,
///                 Err(error) => link.fail(error),
///             }
///         },
///         Wake::Finished | Wake::Lost(_) => break,
///         _ => {}
///     }
/// }
/// # }
/// ```
pub struct Link<IO = Io> {
    io: IO,
    send: SendPath,
    timers: Timers,
    tcp: TcpClosing,
    signal: Arc<Signal>,
    /// Whom the signal wakes: the waker that it was given last.
    listener: Option<Waker>,
    entry: Entry,
    /// Why the connection was lost, if it was.
    cause: Option<Box<Cause>>,
    /// A fault that time has shown and that no wake has told yet.
    fault: Option<ProtocolError>,
    flags: Flags,
    turn: Turn,
    /// Bytes of unfinished input that the factory has counted for this connection.
    accounted: u32,
    /// Bytes of unfinished input that are held beside the receive path.
    beside: u32,
    /// What to do when the link is dropped by a panic.
    on_panic: Option<fn(&mut Self)>,
}

/// Small facts about a link.
#[derive(Default)]
struct Flags {
    /// The clock was read in this wakeup.
    fresh: bool,
    /// A deadline has rung, and nothing has been read to the end since.
    rung: bool,
    /// Bytes were written that the stream may still hold (a TLS stream, say).
    unflushed: bool,
    /// The stream took no more at the last attempt.
    blocked: bool,
    /// The connection has borrowed memory for a batch and gives all of it back when it parks.
    borrows: bool,
    /// The receive path gathers in a buffer for large messages.
    large: bool,
    /// The sending direction of the stream was shut down.
    half_closed: bool,
    reading: Reading,
}

/// When the stream is read.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Not while more output waits than the soft limit.
    #[default]
    Pauses,
    /// However much output waits.
    GoesOn,
    /// No more: the connection is over, and a wake has told why.
    Told,
}

/// [`SocketError`] without what cannot be told twice.
#[derive(Clone)]
enum Cause {
    Lost(Lost),
    Io(Arc<io::Error>),
}

impl From<Cause> for SocketError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Lost(lost) => Self::Lost(lost),
            Cause::Io(error) => Self::Io(io::Error::new(error.kind(), error)),
        }
    }
}

impl<IO> Link<IO> {
    /// A link over a stream whose opening handshake is done. The signal is this link's alone.
    ///
    /// `send` is `SendPath::server(config)`, or `SendPath::client(config, Box::new(RandomMasks::new()?))`.
    pub fn new(io: IO, send: SendPath, signal: Arc<Signal>) -> Self {
        Self {
            io,
            timers: Timers::new(Arc::clone(send.config()), clock::read()),
            send,
            tcp: TcpClosing::new(),
            signal,
            listener: None,
            entry: Entry::default(),
            cause: None,
            fault: None,
            flags: Flags::default(),
            turn: Turn::default(),
            accounted: 0,
            beside: 0,
            on_panic: None,
        }
    }

    /// From now on the stream is read even while more output waits than the soft limit. For sockets whose messages
    /// are handed out: what they send in turn meets the limits of the queue, and of what reading itself queues, one
    /// pong waits at most. Were they to stop, two ends that both send and receive would wait for each other.
    pub(crate) fn read_on(&mut self) {
        self.flags.reading = Reading::GoesOn;
    }

    /// The peer sent data: tells the idle timer.
    #[inline]
    pub fn handle_data(&mut self) {
        self.turn.on_message();
        // Only a ping can be one too many.
        let _ = self.timers.on_event(&Event::Binary(&[]));
    }

    /// The peer sent a ping: queues the pong (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// The peer's ping budget is used up: [`fail`](Self::fail) the connection with it.
    pub fn handle_ping(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        self.handle_ping_unanswered(payload)?;
        self.prepare();
        self.send.handle_ping(payload);
        Ok(())
    }

    /// As [`handle_ping`](Self::handle_ping), but the application answers: no pong is queued.
    ///
    /// # Errors
    ///
    /// As [`handle_ping`](Self::handle_ping).
    pub fn handle_ping_unanswered(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        self.turn.on_message();
        self.timers.on_event(&Event::Ping(payload))
    }

    /// The peer sent a pong: tells the timer that waits for one.
    pub fn handle_pong(&mut self, payload: &[u8]) {
        self.turn.on_message();
        // Only a ping can be one too many.
        let _ = self.timers.on_event(&Event::Pong(payload));
    }

    /// The peer sent a Close frame: queues ours if none was sent yet (RFC 6455 §5.5.1).
    pub fn handle_close(&mut self, close: Option<CloseEvent<'_>>) {
        self.prepare();
        self.send.handle_close(close);
        self.look_at_clock();
    }

    /// The peer broke a rule: queues the Close frame that says so (RFC 6455 §7.1.7). What still arrives is
    /// discarded.
    pub fn fail(&mut self, error: ProtocolError) {
        self.prepare();
        self.send.fail(&error);
        self.look_at_clock();
        self.count_fault(error);
    }

    /// Fails the connection for a reason of the application's own, as 1011 after a panic: the peer's answer is not
    /// waited for.
    ///
    /// # Errors
    ///
    /// A code that may not be sent.
    pub fn fail_with(&mut self, code: CloseCode, reason: &str) -> Result<(), UseError> {
        self.prepare();
        self.send.fail_with(code, reason)?;
        self.look_at_clock();
        Ok(())
    }

    /// Queues a message without waiting, large payloads by reference.
    ///
    /// # Errors
    ///
    /// [`UseError`]; nothing was queued then.
    pub fn queue(&mut self, message: Message) -> Result<(), UseError> {
        self.prepare();
        self.send.message(message)
    }

    /// [`queue`](Self::queue) with options.
    ///
    /// # Errors
    ///
    /// As [`queue`](Self::queue).
    pub fn queue_with(&mut self, message: Message, options: SendOptions) -> Result<(), UseError> {
        self.prepare();
        self.send.message_with(message, options)
    }

    /// Queues a message that was encoded once for many connections.
    ///
    /// # Errors
    ///
    /// [`UseError`]; nothing was queued then.
    pub fn prepared(&mut self, message: &PreparedMessage) -> Result<(), UseError> {
        self.prepare();
        self.send.prepared(message)
    }

    /// Whether one more message may be queued by somebody who does not wait: the queue is empty, or stays below
    /// its hard limit.
    ///
    /// # Errors
    ///
    /// [`UseError::QueueFull`].
    pub fn room_for(&self, payload_len: usize) -> Result<(), UseError> {
        self.send.room_for(payload_len)
    }

    /// Queues a ping (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// More than 125 bytes of payload, or a Close frame was sent.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.prepare();
        self.send.ping(payload)
    }

    /// Queues a pong that nobody asked for, or one with which the application itself answers a ping
    /// (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.prepare();
        self.send.pong(payload)
    }

    /// Queues a Close frame; nothing can be sent after it (RFC 6455 §5.5.1). The connection then ends by itself
    /// while [`poll_wake`](Self::poll_wake) is polled: the peer's Close frame is waited for, up to
    /// [`Timeouts::close`](ws_proto::Timeouts::close) (10 s).
    ///
    /// # Errors
    ///
    /// A code that may not be sent. A second call does nothing; a reason above 123 bytes is cut.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), UseError> {
        self.prepare();
        self.send.close(Some((code, reason)))?;
        self.look_at_clock();
        Ok(())
    }

    /// Gives the connection up without a word: forgets what is queued and knows from now on that it ended with 1006,
    /// if it had not ended before. For a connection that is dropped while its callback waits.
    pub fn abandon(&mut self) {
        self.give_up(Lost::Dropped);
    }

    /// Bytes of compressed messages sent so far, both ways of counting: before, and on the wire.
    pub fn deflated_bytes(&self) -> (u64, u64) {
        self.send.deflated_bytes()
    }

    /// Whether a compressor is held between messages; see [`SendPath::holds_compressor`].
    pub fn holds_compressor(&self) -> bool {
        self.send.holds_compressor()
    }

    /// Bytes queued and not written.
    pub fn queued_bytes(&self) -> usize {
        self.send.queued_bytes()
    }

    /// Whether more is queued than the soft limit ([`Limits::soft_queue`](ws_proto::Limits::soft_queue), 64 KiB).
    pub fn above_soft_limit(&self) -> bool {
        self.send.above_soft_limit()
    }

    /// Whether data can still be sent: no Close frame was sent, and the connection is not lost.
    pub fn is_open(&self) -> bool {
        self.send.state() == CloseState::Open
    }

    /// The kind of the fragmented message that is open for sending: begun and not finished (RFC 6455 §5.4).
    pub fn open_message(&self) -> Option<MessageKind> {
        self.send.open_message()
    }

    /// How the connection ended: the peer's code and reason, or why this end failed it, or 1005 or 1006
    /// (RFC 6455 §7.1.5, §7.1.6); `None` while it has not.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.send.close_reason()
    }

    /// The signal that wakes this connection.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// The stream below.
    pub fn io(&self) -> &IO {
        &self.io
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.send.role()
    }

    /// The configuration of the connection.
    pub fn config(&self) -> &Arc<Config> {
        self.send.config()
    }

    /// Whether memory is held for output.
    #[cfg(test)]
    pub(crate) fn holds_memory(&self) -> bool {
        self.send.has_memory()
    }

    /// Sees to it that what is queued next goes into memory of the pool.
    #[inline]
    fn prepare(&mut self) {
        if !self.send.has_memory() {
            if let Some(memory) = pool::take_send() {
                // There is none, so it is taken.
                self.send.attach(memory);
            }
        }
    }

    /// Has the signal wake `waker` from now on; the flags are to be looked at once more after this call. The lock of the
    /// signal is taken only where the task is another than before.
    #[inline]
    fn listen(&mut self, waker: &Waker) {
        match &self.listener {
            Some(known) if known.will_wake(waker) => {}
            _ => self.listen_anew(waker),
        }
    }

    #[cold]
    fn listen_anew(&mut self, waker: &Waker) {
        self.signal.register(waker.clone());
        self.listener = Some(waker.clone());
    }

    /// An error if the connection is lost.
    fn check(&self) -> Result<(), SocketError> {
        if self.send.is_lost() {
            Err(self.lost_error())
        } else {
            Ok(())
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// Sends a whole text message. See [`SendData`].
    ///
    /// Cancel safe, as [`SendData`] tells.
    pub fn text<'a>(&'a mut self, text: &'a str) -> SendData<'a, IO> {
        SendData::message(self, MessageKind::Text, text.as_bytes())
    }

    /// Sends a whole binary message. See [`SendData`].
    ///
    /// Cancel safe, as [`SendData`] tells.
    pub fn binary<'a>(&'a mut self, bytes: &'a [u8]) -> SendData<'a, IO> {
        SendData::message(self, MessageKind::Binary, bytes)
    }

    /// Sends one frame of a message (RFC 6455 §5.4). Of text, the payload may begin and end inside a character;
    /// that all frames together are UTF-8 is the caller's duty. See [`SendData`].
    ///
    /// Cancel safe, as [`SendData`] tells.
    pub fn fragment<'a>(&'a mut self, kind: MessageKind, payload: &'a [u8], fin: bool) -> SendData<'a, IO> {
        SendData::fragment(self, kind, payload, fin)
    }
}

impl<IO> Drop for Link<IO> {
    fn drop(&mut self) {
        self.handle_panic();
        self.settle_account();
        if self.flags.large {
            large::forget();
        }
        self.entry.disarm(&self.signal);
        self.signal.unregister();
    }
}

impl<IO> fmt::Debug for Link<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("role", &self.send.role())
            .field("state", &self.send.state())
            .field("queued_bytes", &self.send.queued_bytes())
            .finish_non_exhaustive()
    }
}
