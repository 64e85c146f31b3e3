//! What to do when accepting fails.
//!
//! Here: [`BackOff`]. Not here: the loop that obeys it (`accept`).

use std::io::{self, ErrorKind};
use std::time::Duration;

/// The first pause, and the unit of doubling.
const FIRST: Duration = Duration::from_millis(5);
/// The longest pause: a freed file descriptor is noticed within this time.
const LONGEST: Duration = Duration::from_secs(1);
/// So many failed connections in a row are passed over at once; more look like a condition, not like peers.
const PASSED_OVER: u32 = 64;

/// Pauses between attempts to accept, growing while they fail.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    pause: Duration,
    passed_over: u32,
}

impl BackOff {
    /// Accepting works (again).
    pub(crate) fn handle_success(&mut self) {
        *self = Self::default();
    }

    /// How long to wait after `error`. `None`: that connection is gone, the next one may be fine.
    pub(crate) fn handle_error(&mut self, error: &io::Error) -> Option<Duration> {
        if concerns_one_connection(error) && self.passed_over < PASSED_OVER {
            self.passed_over += 1;
            return None;
        }
        self.pause = (self.pause * 2).clamp(FIRST, LONGEST);
        Some(self.pause)
    }
}

/// accept(2) also reports errors of the connection it would have returned; those say nothing about the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::time::Duration;

    use super::{BackOff, PASSED_OVER};

    /// EMFILE, "too many open files".
    const EMFILE: i32 = 24;

    #[test]
    fn lack_of_descriptors_doubles_the_pause_up_to_a_second() {
        let mut back_off = BackOff::default();
        let pauses: Vec<_> = (0..10)
            .filter_map(|_| back_off.handle_error(&Error::from_raw_os_error(EMFILE)))
            .collect();
        let millis: Vec<_> = pauses.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        back_off.handle_success();
        assert_eq!(
            back_off.handle_error(&Error::from_raw_os_error(EMFILE)),
            Some(Duration::from_millis(5)),
            "a success starts anew"
        );
    }

    #[test]
    fn an_aborted_connection_is_passed_over_but_not_for_ever() {
        let mut back_off = BackOff::default();
        for _ in 0..PASSED_OVER {
            assert_eq!(
                back_off.handle_error(&Error::from(ErrorKind::ConnectionAborted)),
                None
            );
        }
        assert!(
            back_off
                .handle_error(&Error::from(ErrorKind::ConnectionAborted))
                .is_some()
        );
        back_off.handle_success();
        assert_eq!(back_off.handle_error(&Error::from(ErrorKind::Interrupted)), None);
    }
}
