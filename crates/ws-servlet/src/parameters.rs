//! Init parameters of a route: Jetty's names for limits and times, read when the servlet is built.
//!
//! Does not hold attributes or anything of a request: that is `context`.

use std::time::Duration;

use ws_proto::{Config, UNLIMITED};

use crate::error::BuildError;

/// Bytes the outgoing queue may hold before senders wait ([`Limits::soft_queue`](ws_proto::Limits)).
const BUFFER_SIZE: &str = "bufferSize";
/// Milliseconds without data before the connection is closed with 1001.
const MAX_IDLE_TIME: &str = "maxIdleTime";
/// Bytes in one text message.
const MAX_TEXT_MESSAGE_SIZE: &str = "maxTextMessageSize";
/// Bytes in one binary message.
const MAX_BINARY_MESSAGE_SIZE: &str = "maxBinaryMessageSize";
/// The lowest protocol version that is spoken.
const MIN_VERSION: &str = "minVersion";

/// The one protocol version there is (RFC 6455 §4.1).
const VERSION: i64 = 13;

/// Name and value pairs, as a deployment descriptor gives them; later ones win.
#[derive(Debug, Clone, Default)]
pub(crate) struct InitParameters(Vec<(String, String)>);

/// What a connection of a route may do: the configuration of the codec, and a limit per kind of message, which
/// the codec does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteLimits {
    pub(crate) config: Config,
    pub(crate) max_text: usize,
    pub(crate) max_binary: usize,
}

impl RouteLimits {
    /// The same limit for both kinds.
    pub(crate) fn new(config: Config) -> Self {
        let both = config.limits.max_message_size;
        Self {
            config,
            max_text: both,
            max_binary: both,
        }
    }
}

impl InitParameters {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Applies the parameters to `limits`. `place` names the route in warnings and errors.
    pub(crate) fn apply(&self, mut limits: RouteLimits, place: &str) -> Result<RouteLimits, BuildError> {
        for (name, value) in &self.0 {
            apply_one(&mut limits, name, value, place)?;
        }
        Ok(limits)
    }
}

fn apply_one(limits: &mut RouteLimits, name: &str, value: &str, place: &str) -> Result<(), BuildError> {
    let bad = || BuildError::Parameter {
        place: place.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let number: i64 = value.trim().parse().map_err(|_| bad())?;
    match name {
        BUFFER_SIZE => {
            let size = usize::try_from(number)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(bad)?;
            limits.config.limits.soft_queue = size;
            limits.config.limits.hard_queue = limits.config.limits.hard_queue.max(size);
        }
        MAX_IDLE_TIME => limits.config.timeouts.idle = idle_time(number, place).map_err(|()| bad())?,
        MAX_TEXT_MESSAGE_SIZE => {
            limits.max_text = message_size(number, name, place).ok_or_else(bad)?;
            raise_codec_limits(limits);
        }
        MAX_BINARY_MESSAGE_SIZE => {
            limits.max_binary = message_size(number, name, place).ok_or_else(bad)?;
            raise_codec_limits(limits);
        }
        MIN_VERSION => check_version(number, place).map_err(|()| bad())?,
        _ => {
            return Err(BuildError::UnknownParameter {
                place: place.to_owned(),
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// -1 and 0 are "never", as in Jetty.
fn idle_time(milliseconds: i64, place: &str) -> Result<Option<Duration>, ()> {
    if milliseconds == 0 || milliseconds == -1 {
        tracing::warn!(
            place,
            "{MAX_IDLE_TIME} {milliseconds}: silent connections are kept for ever"
        );
        return Ok(None);
    }
    u64::try_from(milliseconds)
        .map(|time| Some(Duration::from_millis(time)))
        .map_err(|_| ())
}

/// -1 is "unlimited", which lets one peer use up the memory: said aloud.
fn message_size(bytes: i64, name: &str, place: &str) -> Option<usize> {
    if bytes == -1 {
        tracing::warn!(
            place,
            "{name} -1: one peer may send a message as large as the memory"
        );
        return Some(UNLIMITED);
    }
    usize::try_from(bytes).ok()
}

/// The codec has one limit for both kinds; the smaller of the two is looked after when a message is handed out.
fn raise_codec_limits(limits: &mut RouteLimits) {
    let larger = limits.max_text.max(limits.max_binary);
    limits.config.limits.max_message_size = larger;
    // A message may always come in one frame.
    limits.config.limits.max_frame_size = larger;
}

/// Jetty let older drafts in with a lower number. They are not spoken here, so a lower number changes nothing.
fn check_version(version: i64, place: &str) -> Result<(), ()> {
    match version {
        VERSION => Ok(()),
        -1..VERSION => {
            tracing::warn!(
                place,
                "{MIN_VERSION} {version}: only version {VERSION} is spoken, older drafts are refused"
            );
            Ok(())
        }
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(pairs: &[(&str, &str)]) -> Result<RouteLimits, BuildError> {
        let mut parameters = InitParameters::default();
        for (name, value) in pairs {
            parameters.set(name, value);
        }
        parameters.apply(RouteLimits::new(Config::server()), "/x")
    }

    #[test]
    fn every_name_of_jetty_is_known() {
        let limits = apply(&[
            ("bufferSize", "8192"),
            ("maxIdleTime", "300000"),
            ("maxTextMessageSize", "16384"),
            ("maxBinaryMessageSize", "4000000"),
            ("minVersion", "13"),
        ])
        .unwrap();
        assert_eq!(limits.config.limits.soft_queue, 8192);
        assert_eq!(limits.config.timeouts.idle, Some(Duration::from_secs(300)));
        assert_eq!((limits.max_text, limits.max_binary), (16_384, 4_000_000));
        assert_eq!(limits.config.limits.max_message_size, 4_000_000);
        assert_eq!(limits.config.limits.max_frame_size, 4_000_000);
    }

    #[test]
    fn minus_one_is_unlimited_and_never() {
        let limits = apply(&[("maxTextMessageSize", "-1"), ("maxIdleTime", "-1")]).unwrap();
        assert_eq!(limits.max_text, UNLIMITED);
        assert_eq!(
            limits.max_binary,
            Config::server().limits.max_message_size,
            "the other kind keeps its limit"
        );
        assert_eq!(limits.config.limits.max_message_size, UNLIMITED);
        assert_eq!(limits.config.timeouts.idle, None);
        assert_eq!(apply(&[("maxIdleTime", "0")]).unwrap().config.timeouts.idle, None);
    }

    #[test]
    fn a_bad_number_stops_the_build() {
        for (name, value) in [
            ("bufferSize", "0"),
            ("bufferSize", "-1"),
            ("bufferSize", "8k"),
            ("maxIdleTime", "-2"),
            ("maxIdleTime", ""),
            ("maxTextMessageSize", "-2"),
            ("maxTextMessageSize", "1e6"),
            ("maxBinaryMessageSize", "99999999999999999999"),
            ("minVersion", "14"),
            ("minVersion", "-2"),
        ] {
            assert!(
                matches!(apply(&[(name, value)]), Err(BuildError::Parameter { .. })),
                "{name}={value}"
            );
        }
        assert!(matches!(
            apply(&[("maxTextMessagesSize", "1")]),
            Err(BuildError::UnknownParameter { .. })
        ));
    }

    #[test]
    fn lower_versions_are_accepted_but_change_nothing() {
        for version in ["-1", "0", "8", "12"] {
            assert_eq!(apply(&[("minVersion", version)]).unwrap(), apply(&[]).unwrap());
        }
    }

    #[test]
    fn a_later_value_wins() {
        assert_eq!(
            apply(&[("bufferSize", "1"), ("bufferSize", "2")])
                .unwrap()
                .config
                .limits
                .soft_queue,
            2
        );
    }

    /// Counts what is logged as a warning.
    struct Warnings(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn what_is_unlimited_is_logged_as_a_warning() {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        tracing::subscriber::with_default(Warnings(count.clone()), || {
            for name in ["maxTextMessageSize", "maxBinaryMessageSize", "maxIdleTime"] {
                apply(&[(name, "1000")]).unwrap();
                let before = count.load(std::sync::atomic::Ordering::SeqCst);
                apply(&[(name, "-1")]).unwrap();
                assert_eq!(
                    count.load(std::sync::atomic::Ordering::SeqCst),
                    before + 1,
                    "{name}"
                );
            }
        });
    }
}
