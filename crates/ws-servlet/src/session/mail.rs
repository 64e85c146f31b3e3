//! From the mailbox to the socket: what topics and handles want sent, taken as the outgoing queue has room;
//! and when topics may send past it.

use std::task::{Context, Poll};

use ws_handler::{ReadBuffer, Signal, Wake};
use ws_proto::{ReceivePath, UseError};

use super::Session;
use crate::hub::{Mail, Passed};

impl Session {
    /// Takes from the mailbox what the outgoing queue has room for. The rest waits there, where its bounds apply.
    pub(crate) fn deliver_mail(&mut self) {
        if self.link.signal().take(Signal::MAIL) != 0 {
            self.mail_waits = true;
        }
        while self.can_deliver() {
            let Some((mail, more)) = self.outbox().and_then(|outbox| outbox.pop()) else {
                self.mail_waits = false;
                return;
            };
            // What comes in from now on raises the signal again: no second look at an empty mailbox.
            self.mail_waits = more;
            // What a closing connection cannot send any more is dropped here.
            if let Err(error) = self.deliver(mail) {
                tracing::trace!(session = self.id, %error, "mail dropped");
            }
        }
    }

    fn deliver(&mut self, mail: Mail) -> Result<(), UseError> {
        match mail {
            Mail::Published(message) => self.link.prepared(&message),
            Mail::Message(message) => self.link.queue(message),
            Mail::Close(code, reason) => self.link.close(code, &reason),
        }
    }

    /// Whether there may be mail and it may be sent: the queue is not above its soft limit, and no message of
    /// fragments is open, between whose parts nothing else may come (RFC 6455 §5.4).
    fn can_deliver(&self) -> bool {
        self.mail_waits && self.link.open_message().is_none() && !self.link.above_soft_limit()
    }

    /// What comes next on this connection. Mail is delivered on the way.
    pub(crate) fn poll_wake(
        &mut self,
        cx: &mut Context<'_>,
        receive: &mut ReceivePath,
        buffer: &mut ReadBuffer,
    ) -> Poll<Wake> {
        if self.gate_open {
            self.shut_gate();
        }
        loop {
            self.deliver_mail();
            match self.link.poll_wake(cx, receive, buffer) {
                Poll::Ready(Wake::Mail) => self.mail_waits = true,
                // It wrote before it waits: there may be room now for what waits in the mailbox.
                Poll::Pending if self.can_deliver() => {}
                Poll::Pending => {
                    if self.outbox.is_some() {
                        self.open_gate();
                    }
                    return Poll::Pending;
                }
                ready => return ready,
            }
        }
    }

    // Never inlined: those without a mailbox would pay for them at every wake.

    /// The connection waits: until it is polled again, what topics send may go past it.
    #[inline(never)]
    fn open_gate(&mut self) {
        if let Some(outbox) = self.outbox.as_ref().filter(|_| self.link.may_be_bypassed()) {
            self.gate_open = outbox.open_gate(|| self.link.bypass());
        }
    }

    /// The connection goes on, and hears of what has passed it.
    #[inline(never)]
    fn shut_gate(&mut self) {
        self.gate_open = false;
        let Some(outbox) = &self.outbox else { return };
        let (passed, mail) = outbox.shut_gate();
        self.mail_waits |= mail;
        if let Some(Passed { at, rest }) = passed {
            self.link.handle_bypassed(at, rest);
        }
    }
}
