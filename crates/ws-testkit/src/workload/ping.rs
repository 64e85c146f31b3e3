//! PING payloads and the judge of PONGs.
//!
//! A PONG must carry the payload of the PING it answers (RFC 6455 §5.5.3), so from 8 bytes on it is known by its
//! payload; shorter ones answer in the order of sending.

use std::collections::VecDeque;

use bytes::Bytes;

/// Payloads of at least this many bytes begin with 3 bytes of run id and 5 of number.
pub(crate) const PING_HEAD_LENGTH: usize = 8;

/// How many PINGs given up as lost are remembered, so that a late PONG is known for what it is.
const REMEMBERED: usize = 1024;

/// What a PONG is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PongVerdict {
    /// The answer that is waited for; its number.
    Right(u64),
    /// An answer to a PING that had been given up; its number.
    Late(u64),
    /// Stands for the PING that is waited for (if a number is given), but with another payload; or came twice.
    Wrong(Option<u64>),
    /// Unsolicited, which RFC 6455 §5.5.3 allows.
    Foreign,
}

/// The PINGs of one client.
#[derive(Debug)]
pub(crate) struct PingLedger {
    run: u32,
    size: usize,
    waiting: Option<u64>,
    given_up: VecDeque<u64>,
    sent: u64,
}

impl PingLedger {
    /// PINGs with `size` bytes of payload (at most 125, RFC 6455 §5.5), of the run `run`.
    pub(crate) fn new(run: u32, size: usize) -> Self {
        Self {
            run,
            size,
            waiting: None,
            given_up: VecDeque::new(),
            sent: 0,
        }
    }

    /// Payload of the next PING, which is waited for from now on.
    pub(crate) fn next_ping(&mut self) -> (u64, Bytes) {
        self.give_up();
        let number = self.sent;
        self.sent += 1;
        self.waiting = Some(number);
        (number, self.payload(number))
    }

    /// The number of the PING whose PONG has not come yet.
    pub(crate) fn waiting(&self) -> Option<u64> {
        self.waiting
    }

    /// Its time is over: a PONG that still comes for it is late.
    pub(crate) fn give_up(&mut self) {
        let Some(number) = self.waiting.take() else { return };
        if self.given_up.len() == REMEMBERED {
            self.given_up.pop_front();
        }
        self.given_up.push_back(number);
    }

    /// Judges a PONG.
    pub(crate) fn judge(&mut self, pong: &[u8]) -> PongVerdict {
        if let Some(place) = self
            .given_up
            .iter()
            .position(|number| self.payload(*number) == pong)
        {
            // By order below 8 bytes: the oldest unanswered PING with that payload comes first.
            return self
                .given_up
                .remove(place)
                .map_or(PongVerdict::Foreign, PongVerdict::Late);
        }
        match self.waiting {
            Some(number) if self.payload(number) == pong => {
                self.waiting = None;
                PongVerdict::Right(number)
            }
            _ if self.size < PING_HEAD_LENGTH => match self.waiting.take() {
                Some(number) => PongVerdict::Wrong(Some(number)),
                None => PongVerdict::Foreign,
            },
            waiting => self.judge_unknown(waiting, pong),
        }
    }

    /// A PONG that equals no unanswered PING: ours with spoiled or repeated bytes, or unsolicited?
    fn judge_unknown(&mut self, waiting: Option<u64>, pong: &[u8]) -> PongVerdict {
        let head = pong.get(..PING_HEAD_LENGTH);
        let waited_head = |number| self.head(number);
        match waiting {
            Some(number) if head == Some(&waited_head(number)[..]) => {
                self.waiting = None;
                PongVerdict::Wrong(Some(number))
            }
            _ if head.is_some_and(|head| head.starts_with(&self.run_bytes())) => PongVerdict::Wrong(None),
            _ => PongVerdict::Foreign,
        }
    }

    fn payload(&self, number: u64) -> Bytes {
        if self.size < PING_HEAD_LENGTH {
            let digits = number.to_be_bytes();
            return Bytes::copy_from_slice(digits.get(PING_HEAD_LENGTH - self.size..).unwrap_or_default());
        }
        let mut payload = self.head(number).to_vec();
        // A ramp that starts elsewhere in every PING.
        payload.extend((PING_HEAD_LENGTH..self.size).map(|place| (place as u64 ^ number) as u8));
        Bytes::from(payload)
    }

    fn head(&self, number: u64) -> [u8; PING_HEAD_LENGTH] {
        let [_, _, _, number @ ..] = number.to_be_bytes();
        let [a, b, c] = self.run_bytes();
        let [d, e, f, g, h] = number;
        [a, b, c, d, e, f, g, h]
    }

    fn run_bytes(&self) -> [u8; 3] {
        let [_, run @ ..] = self.run.to_be_bytes();
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pongs_answer_their_pings_at_every_size() {
        for size in 0..=125 {
            let mut ledger = PingLedger::new(77, size);
            for expected in 0..300 {
                let (number, payload) = ledger.next_ping();
                assert_eq!((number, payload.len()), (expected, size));
                assert_eq!(ledger.judge(&payload), PongVerdict::Right(number), "size {size}");
                assert_eq!(ledger.waiting(), None);
            }
        }
    }

    #[test]
    fn a_spoiled_pong_is_wrong_and_ends_the_wait() {
        let mut ledger = PingLedger::new(77, 64);
        let (number, payload) = ledger.next_ping();
        let mut spoiled = payload.to_vec();
        spoiled[63] ^= 1;
        assert_eq!(ledger.judge(&spoiled), PongVerdict::Wrong(Some(number)));
        assert_eq!(ledger.waiting(), None);
        let mut short = PingLedger::new(77, 4);
        let (number, _) = short.next_ping();
        assert_eq!(short.judge(b"abcd"), PongVerdict::Wrong(Some(number)));
    }

    #[test]
    fn unsolicited_pongs_are_foreign_and_repeated_ones_wrong() {
        let mut ledger = PingLedger::new(77, 8);
        let (number, payload) = ledger.next_ping();
        assert_eq!(ledger.judge(b""), PongVerdict::Foreign);
        assert_eq!(ledger.judge(b"I am still here"), PongVerdict::Foreign);
        assert_eq!(ledger.judge(&payload), PongVerdict::Right(number));
        assert_eq!(ledger.judge(&payload), PongVerdict::Wrong(None));
    }

    #[test]
    fn pongs_after_the_timeout_are_late_not_lost_answers_of_the_next() {
        for size in [0, 4, 8, 125] {
            let mut ledger = PingLedger::new(77, size);
            let (first, first_payload) = ledger.next_ping();
            ledger.give_up();
            let (second, second_payload) = ledger.next_ping();
            assert_eq!(
                ledger.judge(&first_payload),
                PongVerdict::Late(first),
                "size {size}"
            );
            assert_eq!(
                ledger.judge(&second_payload),
                PongVerdict::Right(second),
                "size {size}"
            );
        }
    }
}
