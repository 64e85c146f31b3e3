//! Being woken at a moment between two milliseconds, which a poll cannot do by itself.
//!
//! Linux has a descriptor for it; without it an open loop polls without sleeping when its next moment is near, and
//! keeps a core busy with that.

#[cfg(target_os = "linux")]
pub(super) use descriptor::Alarm;
#[cfg(not(target_os = "linux"))]
pub(super) use none::Alarm;

#[cfg(target_os = "linux")]
mod descriptor {
    use std::io;
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// Makes an event with a token of its own at the moment it is set to.
    #[derive(Debug)]
    pub(in super::super) struct Alarm(OwnedFd);

    impl Alarm {
        pub(in super::super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
            // Each time it goes off is an event of its own (edge triggered), so it need not be read.
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// Goes off after this time, which is not nothing, instead of when it was set to before. Whether it will.
        pub(in super::super) fn set(&self, after: Duration) -> bool {
            let zero = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let value = Timespec::try_from(after).unwrap_or(zero);
            let once = Itimerspec {
                it_interval: zero,
                it_value: value,
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once).is_ok()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    /// Cannot be set.
    #[derive(Debug)]
    pub(in super::super) struct Alarm;

    impl Alarm {
        #[expect(clippy::unnecessary_wraps, reason = "the other one may fail")]
        pub(in super::super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
            Ok(Self)
        }

        pub(in super::super) fn set(&self, _: Duration) -> bool {
            false
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{Duration, Instant};

    use mio::{Events, Poll, Token};

    use super::Alarm;

    #[test]
    fn it_goes_off_as_often_as_it_is_set_and_not_before_its_time() {
        let mut poll = Poll::new().unwrap();
        let alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        for microseconds in [1, 300, 1500] {
            let after = Duration::from_micros(microseconds);
            let begun = Instant::now();
            assert!(alarm.set(after));
            poll.poll(&mut events, None).unwrap();
            assert!(begun.elapsed() >= after);
            assert_eq!(
                events.iter().map(|event| event.token()).collect::<Vec<_>>(),
                [Token(7)]
            );
        }
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "once each");
    }
}
