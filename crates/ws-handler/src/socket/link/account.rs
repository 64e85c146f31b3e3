//! What a connection accounts for to its factory: limits it has hit, and the unfinished input it holds.
//!
//! Not here: the sums (`hits`, `unfinished`).

use ws_proto::{ProtocolError, ReceivePath};

use super::Link;
use crate::hits::Limit;

impl<IO> Link<IO> {
    /// Counts a fault, if it is about a limit.
    #[cold]
    pub(super) fn count_fault(&self, fault: ProtocolError) {
        if let Some(limit) = Limit::of_fault(fault) {
            self.signal.count(limit);
        }
    }

    /// Says how many bytes of unfinished messages are held beside the receive path, as by who puts fragments together.
    /// They count towards the factory's budget
    /// ([`with_unfinished_input`](crate::WebSocketFactory::with_unfinished_input)) from the next wait on.
    pub fn set_held_beside(&mut self, bytes: usize) {
        self.beside = small(bytes);
    }

    /// Before waiting: tells the factory what is held, if that has changed. Above the budget the connection fails.
    #[inline]
    pub(super) fn account(&mut self, receive: &mut ReceivePath) {
        let held = small(receive.held()).saturating_add(self.beside);
        if held != self.accounted {
            self.account_for(held, receive);
        }
    }

    #[cold]
    fn account_for(&mut self, held: u32, receive: &mut ReceivePath) {
        let Some(ledger) = self.signal.ledger() else {
            return;
        };
        if ledger.unfinished.change(self.accounted as usize, held as usize) {
            self.accounted = held;
            return;
        }
        if self.send.has_failed() {
            return;
        }
        let fault = ProtocolError::TooMuchUnfinished;
        self.fail(fault);
        self.fault = Some(fault);
        receive.stop();
        // What is left is told at the next wait.
        self.beside = 0;
    }

    /// The connection is over, and so is what it held.
    pub(super) fn settle_account(&mut self) {
        if self.accounted > 0 {
            if let Some(ledger) = self.signal.ledger() {
                ledger.unfinished.change(self.accounted as usize, 0);
            }
        }
    }
}

/// An open connection is small, and so are these numbers: a message above 4 GiB counts as 4 GiB.
#[inline]
fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
