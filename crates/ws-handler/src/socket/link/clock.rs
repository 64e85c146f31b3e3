//! What happens to a link because of time. One reading of the clock per wakeup, none per frame.
//!
//! Here: reading the clock, arming the wheel, doing what is due. Not here: which timers there are
//! (`ws_proto::Timers`), how they ring (`wheel`).

use std::time::Instant;

use ws_proto::{Initiator, ProtocolError, ReceivePath, Timeout};

use super::{Cause, Link};
use crate::hits::Limit;
use crate::socket::error::Lost;
use crate::socket::signal::Signal;

/// Now, by the clock of tokio, which a test can stop.
pub(super) fn read() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<IO> Link<IO> {
    /// Reads the clock and tells the timers.
    pub(super) fn look_at_clock(&mut self) -> Instant {
        let now = read();
        self.timers.handle_time(now);
        self.flags.fresh = true;
        now
    }

    /// Sees to it that the timers know the time of this wakeup.
    fn look_at_clock_once(&mut self) {
        if !self.flags.fresh {
            self.look_at_clock();
        }
    }

    /// Whether a deadline has rung. The timers of the peer are asked only when the stream has been read to its end
    /// afterwards, so the ring is remembered until then.
    pub(super) fn take_ring(&mut self) -> bool {
        let rung = self.signal.take(Signal::DEADLINE) != 0;
        if rung {
            // What has rung is no longer in the wheel, and the entry is not to believe so.
            self.entry.disarm(&self.signal);
            self.flags.rung = true;
        }
        rung
    }

    /// Does everything that is due, after the stream was read to its end, so that a pong or the rest of a message
    /// that waits there counts.
    pub(super) fn run_timers(&mut self, receive: &mut ReceivePath) {
        self.flags.rung = false;
        let now = self.look_at_clock();
        self.timers.follow(receive, &self.send, &self.tcp);
        while let Some(timeout) = self.timers.handle_timeout(now) {
            self.handle_timeout(timeout);
            if self.send.has_failed() {
                receive.stop();
            }
            self.timers.follow(receive, &self.send, &self.tcp);
        }
    }

    /// Does what is due about output, while nothing is read and the peer's timers prove nothing.
    pub(super) fn run_output_timers(&mut self) {
        let now = self.look_at_clock();
        self.timers.follow_output(&self.send, &self.tcp);
        while let Some(timeout) = self.timers.handle_output_timeout(now) {
            self.handle_timeout(timeout);
            self.timers.follow_output(&self.send, &self.tcp);
        }
    }

    fn handle_timeout(&mut self, timeout: Timeout) {
        self.prepare();
        self.count_timeout(timeout);
        let answered = self.send.close_reason().is_some();
        timeout.apply(&mut self.send);
        let lost = match timeout {
            Timeout::MessageStalled => {
                self.fault = Some(ProtocolError::MessageStalled);
                return;
            }
            Timeout::PongOverdue => Lost::PongOverdue,
            Timeout::WriteStalled => Lost::WriteStalled,
            Timeout::CloseOverdue => Lost::CloseOverdue,
            _ => {
                self.follow_lost();
                return;
            }
        };
        // How the connection ended is known already if the peer closed it or a rule was broken.
        if !answered && self.cause.is_none() {
            self.cause = Some(Box::new(Cause::Lost(lost)));
        }
        self.follow_lost();
    }

    /// Counts what is due because a limit was reached.
    fn count_timeout(&self, timeout: Timeout) {
        let limit = match timeout {
            Timeout::MessageStalled => Limit::MessageTime,
            Timeout::PongOverdue => Limit::Pong,
            Timeout::WriteStalled => Limit::WriteStall,
            Timeout::CloseOverdue => Limit::Close,
            Timeout::DrainOver => Limit::Drain,
            Timeout::Idle => Limit::Idle,
            _ => return,
        };
        self.signal.count(limit);
    }

    /// Drops the transport if the send path has given it up.
    fn follow_lost(&mut self) {
        if self.send.is_lost() {
            self.tcp.handle_lost(&mut self.send, Initiator::Local);
        }
    }

    /// Before waiting with the stream read to its end: arms the next deadline, unless what is armed rings early enough.
    pub(super) fn arm(&mut self, receive: &ReceivePath) {
        self.look_at_clock_once();
        self.flags.fresh = false;
        self.timers.follow(receive, &self.send, &self.tcp);
        self.arm_next();
    }

    /// The same where nothing was received since.
    pub(super) fn arm_sent(&mut self) {
        self.look_at_clock_once();
        self.flags.fresh = false;
        self.timers.follow_sent(&self.send, &self.tcp);
        self.arm_next();
    }

    fn arm_next(&mut self) {
        if !self.timers.take_nearer() && self.entry.is_armed() {
            return;
        }
        match self.timers.next_deadline() {
            Some(deadline) => self.entry.arm(deadline.into(), &self.signal),
            None => self.entry.disarm(&self.signal),
        }
    }

    /// Before waiting for output only: arms the next deadline that concerns it. What is armed for other timers stays,
    /// and whether they have come nearer is not taken note of.
    pub(super) fn arm_output(&mut self) {
        self.look_at_clock_once();
        self.flags.fresh = false;
        self.timers.follow_output(&self.send, &self.tcp);
        if let Some(deadline) = self.timers.next_output_deadline() {
            self.entry.arm(deadline.into(), &self.signal);
        }
    }
}
