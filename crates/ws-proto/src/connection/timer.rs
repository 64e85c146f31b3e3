//! Everything about a connection that depends on time: one table of timers, driven by the `now` that is passed in.
//! What a timeout does to the connection is `Timeout::apply`; waiting for it is the socket's business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::code::CloseCode;
use crate::config::{Config, Delivery};
use crate::error::ProtocolError;
use crate::recv::{Event, ReceivePath};
use crate::send::{CloseState, Initiator, SendPath};

use super::budget::Bucket;
use super::tcp::TcpClosing;

/// The timers of a connection. Each runs from a moment that is kept in [`Timers`], for the time that
/// [`Timeouts`](crate::Timeouts) gives it; the order is the order in which they are looked at when several are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// [`drain`](crate::Timeouts::drain), from the moment when only the end of TCP is awaited.
    Drain,
    /// [`close`](crate::Timeouts::close), from our Close frame until the closing handshake is done and written.
    Close,
    /// [`write_stall`](crate::Timeouts::write_stall), from the last bytes that the transport took while more wait.
    Write,
    /// [`unfinished_message`](crate::Timeouts::unfinished_message), from the last byte of an unfinished message.
    Message,
    /// [`whole_message`](crate::Timeouts::whole_message), from the first byte of an unfinished message.
    WholeMessage,
    /// [`pong`](crate::Timeouts::pong), from our ping until its pong.
    Pong,
    /// [`idle`](crate::Timeouts::idle), from the last data frame in either direction.
    Idle,
    /// [`ping_interval`](crate::Timeouts::ping_interval), from the last byte received. Rests while a pong is due.
    Ping,
    /// [`compressor`](crate::Timeouts::compressor), from the last data frame sent while a compressor is held.
    Compressor,
}

impl Timer {
    const ALL: [Self; 9] = [
        Self::Drain,
        Self::Close,
        Self::Write,
        Self::Message,
        Self::WholeMessage,
        Self::Pong,
        Self::Idle,
        Self::Ping,
        Self::Compressor,
    ];

    /// Those that run while nothing is read, too.
    const OUTPUT: [Self; 3] = [Self::Drain, Self::Close, Self::Write];

    /// How long it runs; `None`: it is switched off.
    fn period(self, config: &Config) -> Option<Duration> {
        let timeouts = &config.timeouts;
        match self {
            Self::Drain => Some(timeouts.drain),
            Self::Close => timeouts.close,
            Self::Write => timeouts.write_stall,
            Self::Message => timeouts.unfinished_message,
            Self::WholeMessage if config.delivery == Delivery::Fragment => None,
            Self::WholeMessage => timeouts.whole_message,
            Self::Pong => timeouts.pong,
            Self::Idle => timeouts.idle,
            Self::Ping => timeouts.ping_interval,
            Self::Compressor => timeouts.compressor,
        }
    }
}

/// Milliseconds since [`Timers::base`], at least 1; 0 says that a timer does not run.
type Tick = u32;

/// Ticks above this are moved down, so that they never wrap. 24 days.
const TICK_HIGH: Tick = 1 << 31;

/// Periods are cut to this, 12 days, so that moving ticks down keeps every running timer right.
const PERIOD_MAX: Tick = 1 << 30;

/// Something is due. [`apply`](Self::apply) does to the connection what the RFC or its configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timeout {
    /// Nothing was received for a while: a ping with this payload is to be sent.
    SendPing([u8; 4]),
    /// The pong for that ping did not come: the peer is gone. 1006 here, 1011 to the peer.
    PongOverdue,
    /// No data frame for too long: to be closed with 1001.
    Idle,
    /// No byte of an unfinished message for too long, or the message took too long in all: to be failed with 1008.
    MessageStalled,
    /// The transport takes nothing: to be dropped.
    WriteStalled,
    /// The peer did not answer our Close frame, or does not let us write ours: to be dropped.
    CloseOverdue,
    /// The peer did not close TCP after the closing handshake: to be dropped.
    DrainOver,
    /// Nothing was sent for a while that is compressed with context: the compressor's memory is to be given back.
    CompressorIdle,
}

impl Timeout {
    /// Does what is due, on the sending side. If [`SendPath::has_failed`] afterwards, stop the receiving side too
    /// ([`ReceivePath::stop`]).
    pub fn apply(self, send: &mut SendPath) {
        match self {
            // Refused after a Close frame only; the close timer runs then.
            Self::SendPing(payload) => drop(send.ping(&payload)),
            Self::PongOverdue => send.fail_unresponsive("no pong in time"),
            // The code may be sent, so this is never refused.
            Self::Idle => drop(send.close(Some((CloseCode::GOING_AWAY, "idle for too long")))),
            Self::MessageStalled => send.fail(&ProtocolError::MessageStalled),
            Self::CompressorIdle => send.hibernate(),
            Self::WriteStalled | Self::CloseOverdue | Self::DrainOver => send.handle_lost(Initiator::Local),
        }
    }
}

/// The timers of one connection, about a hundred bytes of it.
///
/// They read no clock and arm nothing: `on_*` notes that something happened, [`next_deadline`](Self::next_deadline)
/// says when to come back, [`handle_timeout`](Self::handle_timeout) what is due. Deadlines mostly move later, which
/// costs one store; who waits for one may keep waiting for the old one, come back early and be told that nothing is
/// due yet.
///
/// Order within one wakeup: [`handle_time`](Self::handle_time) once, and everything up to the next call of it happens
/// at that time; [`on_received`](Self::on_received) after a read; [`on_event`](Self::on_event) for each
/// event; [`on_written`](Self::on_written) after a write; at its end [`follow`](Self::follow), then `next_deadline`.
/// Read what the transport holds before asking `handle_timeout`, so that a pong which waits there counts.
#[derive(Debug)]
pub struct Timers {
    config: Arc<Config>,
    base: Instant,
    /// The last `now` that was passed in.
    now: Tick,
    /// Since when each timer runs, in the order of [`Timer`].
    since: [Tick; Timer::ALL.len()],
    /// The pings that the peer may still send.
    pings: Bucket,
    /// Number of the last ping that was sent; its four bytes are the payload.
    ping_number: u32,
    /// [`SendPath::data_frames`] when last seen.
    sent: u32,
    /// A timer was started that did not run when this was last taken.
    nearer: bool,
    /// The low half of [`ReceivePath::progress`] when last seen.
    progress: u32,
}

impl Timers {
    /// The timers of a connection that begins now.
    #[must_use]
    pub fn new(config: Arc<Config>, now: Instant) -> Self {
        let pings = Bucket::new(config.limits.ping_budget.as_ref(), 1);
        let mut timers = Self {
            config,
            base: now,
            now: 1,
            since: [0; Timer::ALL.len()],
            pings,
            ping_number: 0,
            sent: 0,
            nearer: true,
            progress: 0,
        };
        timers.start(Timer::Ping);
        timers.start(Timer::Idle);
        timers
    }

    /// It is `now`, until this is called again. A clock that goes back stands still here.
    #[inline]
    pub fn handle_time(&mut self, now: Instant) {
        match self.tick_at(now) {
            Some(tick) if tick <= TICK_HIGH => self.now = self.now.max(tick),
            _ => self.move_base(now),
        }
    }

    /// `None` if it lies so far from the base that no tick can tell.
    #[inline]
    fn tick_at(&self, at: Instant) -> Option<Tick> {
        let elapsed = at.saturating_duration_since(self.base).as_millis();
        Tick::try_from(elapsed).ok().map(|tick| tick.saturating_add(1))
    }

    /// Bytes came from the transport.
    #[inline]
    pub fn on_received(&mut self) {
        self.start(Timer::Ping);
    }

    /// An event came out of what was received last.
    ///
    /// # Errors
    /// [`ProtocolError::TooManyPings`] if this one is above the [ping budget](crate::Limits::ping_budget): the
    /// connection is to be failed with it.
    #[inline]
    pub fn on_event(&mut self, event: &Event<'_>) -> Result<(), ProtocolError> {
        match event {
            Event::Text(_) | Event::Binary(_) | Event::Fragment(_) => {
                self.start(Timer::Idle);
                // The next unfinished message starts them anew.
                self.stop(Timer::Message);
                self.stop(Timer::WholeMessage);
                Ok(())
            }
            Event::Ping(_) => self.on_ping(),
            Event::Pong(payload) => {
                self.on_pong(payload);
                Ok(())
            }
            Event::Close(_) => Ok(()),
        }
    }

    fn on_ping(&mut self) -> Result<(), ProtocolError> {
        match &self.config.limits.ping_budget {
            Some(budget) if !self.pings.take(budget, self.now) => Err(ProtocolError::TooManyPings),
            _ => Ok(()),
        }
    }

    /// Only the pong for our last ping counts: unsolicited ones (RFC 6455 §5.5.3) prove nothing.
    fn on_pong(&mut self, payload: &[u8]) {
        if payload == self.ping_number.to_be_bytes() {
            self.stop(Timer::Pong);
            // The next ping waited for this.
            self.nearer = true;
        }
    }

    /// The transport took some bytes.
    #[inline]
    pub fn on_written(&mut self) {
        self.start(Timer::Write);
    }

    /// A data frame was sent at `at`, past the send path, which knows nothing of it
    /// ([`SendPath::may_be_bypassed`](crate::SendPath::may_be_bypassed)).
    pub fn on_data_bypassed(&mut self, at: Instant) {
        let at = self.tick_at(at).unwrap_or(self.now);
        if let Some(since) = self
            .since
            .get_mut(Timer::Idle as usize)
            .filter(|since| **since != 0)
        {
            *since = at.max(*since);
        }
    }

    /// Looks at what became of the connection in this wakeup: starts and stops what depends on it.
    pub fn follow(&mut self, receive: &ReceivePath, send: &SendPath, tcp: &TcpClosing) {
        self.follow_sent(send, tcp);
        if send.state() == CloseState::Open {
            self.follow_received(receive);
        }
    }

    /// [`follow`](Self::follow) where nothing was received since it was called last.
    pub fn follow_sent(&mut self, send: &SendPath, tcp: &TcpClosing) {
        self.follow_output(send, tcp);
        if send.state() == CloseState::Open {
            self.follow_data(send);
        } else {
            // From here on the close timer is the one that counts.
            for timer in [
                Timer::Message,
                Timer::WholeMessage,
                Timer::Pong,
                Timer::Idle,
                Timer::Ping,
                Timer::Compressor,
            ] {
                self.stop(timer);
            }
        }
    }

    /// [`follow`](Self::follow) for who waits to write and does not read meanwhile: only the timers that depend on
    /// what is sent.
    pub fn follow_output(&mut self, send: &SendPath, tcp: &TcpClosing) {
        self.run_while(Timer::Drain, tcp.is_draining());
        self.run_while(
            Timer::Close,
            matches!(send.state(), CloseState::CloseSent | CloseState::CloseReceived),
        );
        self.run_while(Timer::Write, send.has_output());
    }

    fn follow_data(&mut self, send: &SendPath) {
        let sent = send.data_frames();
        if sent != self.sent {
            self.sent = sent;
            self.start(Timer::Idle);
            self.stop(Timer::Compressor);
        }
        self.run_while(Timer::Compressor, send.holds_compressor());
    }

    fn follow_received(&mut self, receive: &ReceivePath) {
        let unfinished = receive.is_unfinished();
        let progress = receive.progress() as u32;
        if unfinished && progress != self.progress {
            self.start(Timer::Message);
        }
        self.progress = progress;
        self.run_while(Timer::Message, unfinished);
        self.run_while(Timer::WholeMessage, unfinished);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if nothing runs. Calling it earlier does no
    /// harm.
    ///
    /// See [`take_nearer`](Self::take_nearer) for when it is worth asking.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.first_of(&Timer::ALL)
    }

    /// Whether [`next_deadline`](Self::next_deadline) may have come nearer since this was last asked. If not, who is
    /// woken at the old one need not look: deadlines that run on only move later.
    #[inline]
    pub fn take_nearer(&mut self) -> bool {
        std::mem::take(&mut self.nearer)
    }

    /// [`next_deadline`](Self::next_deadline) for who waits to write and does not read meanwhile.
    #[must_use]
    pub fn next_output_deadline(&self) -> Option<Instant> {
        self.first_of(&Timer::OUTPUT)
    }

    fn first_of(&self, timers: &[Timer]) -> Option<Instant> {
        let first = timers.iter().filter_map(|timer| self.deadline(*timer)).min()?;
        self.base
            .checked_add(Duration::from_millis(u64::from(first.saturating_sub(1))))
    }

    /// What is due at `now`, the gravest first. To be called until it returns `None`, each [`Timeout`] being applied
    /// in between.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Timeout> {
        self.due_of(&Timer::ALL, now)
    }

    /// [`handle_timeout`](Self::handle_timeout) for who waits to write and does not read meanwhile: a peer whose
    /// bytes nobody reads is not late.
    pub fn handle_output_timeout(&mut self, now: Instant) -> Option<Timeout> {
        self.due_of(&Timer::OUTPUT, now)
    }

    fn due_of(&mut self, timers: &[Timer], now: Instant) -> Option<Timeout> {
        self.handle_time(now);
        let due = *timers
            .iter()
            .find(|timer| self.deadline(**timer).is_some_and(|at| at <= self.now))?;
        self.stop(due);
        Some(match due {
            Timer::Drain => Timeout::DrainOver,
            Timer::Close => Timeout::CloseOverdue,
            Timer::Write => Timeout::WriteStalled,
            Timer::Message | Timer::WholeMessage => Timeout::MessageStalled,
            Timer::Pong => Timeout::PongOverdue,
            Timer::Idle => Timeout::Idle,
            Timer::Ping => {
                self.ping_number = self.ping_number.wrapping_add(1);
                self.start(Timer::Ping);
                self.start(Timer::Pong);
                Timeout::SendPing(self.ping_number.to_be_bytes())
            }
            Timer::Compressor => Timeout::CompressorIdle,
        })
    }

    fn deadline(&self, timer: Timer) -> Option<Tick> {
        let since = self.since(timer);
        if since == 0 || (timer == Timer::Ping && self.pong_is_due()) {
            return None;
        }
        let period = timer.period(&self.config)?;
        // At least one, so that no timer is due again in the moment that starts it.
        let period =
            Tick::try_from(period.as_millis()).map_or(PERIOD_MAX, |period| period.clamp(1, PERIOD_MAX));
        Some(since.saturating_add(period))
    }

    fn pong_is_due(&self) -> bool {
        self.since(Timer::Pong) != 0 && self.config.timeouts.pong.is_some()
    }

    fn since(&self, timer: Timer) -> Tick {
        self.since.get(timer as usize).copied().unwrap_or(0)
    }

    #[inline]
    fn start(&mut self, timer: Timer) {
        if let Some(since) = self.since.get_mut(timer as usize) {
            self.nearer |= *since == 0;
            *since = self.now;
        }
    }

    #[inline]
    fn stop(&mut self, timer: Timer) {
        if let Some(since) = self.since.get_mut(timer as usize) {
            *since = 0;
        }
    }

    /// Starts it if it does not run and should, stops it if it should not.
    #[inline]
    fn run_while(&mut self, timer: Timer, condition: bool) {
        if !condition {
            self.stop(timer);
        } else if self.since(timer) == 0 {
            self.start(timer);
        }
    }

    /// Puts the base 12 days before `now`. Timers that have run longer are due and stay so.
    #[cold]
    fn move_base(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.base);
        let shift = elapsed.saturating_sub(Duration::from_millis(u64::from(PERIOD_MAX)));
        let Some(base) = self.base.checked_add(shift) else {
            return;
        };
        self.base = base;
        self.now = PERIOD_MAX + 1;
        let shift = Tick::try_from(shift.as_millis()).unwrap_or(Tick::MAX);
        for since in self.since.iter_mut().filter(|since| **since != 0) {
            *since = since.saturating_sub(shift).max(1);
        }
        self.pings.move_base(shift);
    }
}
