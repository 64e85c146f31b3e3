//! What a client run is asked to do, resolved and checked. As typed on a command line it is in `cli/client`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ws_handler::{ClientRequest, WebSocketUrl};
use ws_proto::DeflateConfig;

/// RFC 6455 §5.5: control frames carry at most 125 bytes.
const LONGEST_PING: usize = 125;

/// A payload is made in one piece, and a machine that cannot hold it should not be asked to.
const LARGEST_MESSAGE: usize = 1 << 30;

/// The number of a message has 10 hexadecimal digits in its payload, that of a client 6.
const MOST_MESSAGES: u64 = 1 << 40;
const MOST_CLIENTS: usize = 1 << 24;

/// What a [`ClientRun`](super::ClientRun) does.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `ws://host:port/path`.
    pub url: String,
    /// Subprotocols to offer, in order of preference. Default: none, which makes it a PING run.
    pub protocols: Vec<String>,
    /// Further headers of the upgrade request. Default: none.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Binary instead of text messages. Default: false.
    pub binary: bool,
    /// Messages (PINGs) per client. Default: 10.
    pub count: u64,
    /// Payload bytes per message, at most 1 GiB; per PING at most 125. Default: 64.
    pub size: usize,
    /// Largest payload of a frame sent, in bytes; 0: messages are not cut. Ignored for PINGs. Default: 4000.
    pub fragment: usize,
    /// Connections at the same time. Default: 1.
    pub clients: usize,
    /// Pause of each client between one message and the next (PING: between the PONG and the next PING).
    /// Default: 1 s.
    pub delay: Duration,
    /// Offer permessage-deflate (RFC 7692) on these terms. Default: no.
    pub deflate: Option<DeflateConfig>,
    /// The longest wait without progress: for TCP, for the handshake, for a PONG, for anything to move while
    /// answers are outstanding. Default: 10 s.
    pub timeout: Duration,
}

impl ClientOptions {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            protocols: Vec::new(),
            headers: Vec::new(),
            binary: false,
            count: 10,
            size: 64,
            fragment: 4000,
            clients: 1,
            delay: Duration::from_secs(1),
            deflate: None,
            timeout: Duration::from_secs(10),
        }
    }

    /// Without subprotocols to offer it is a PING run.
    pub fn is_ping(&self) -> bool {
        self.protocols.is_empty()
    }

    /// Says what in these options makes no sense, before anything is done.
    ///
    /// # Errors
    /// The first thing found.
    pub fn check(&self) -> Result<(), OptionsError> {
        let out_of_range = |what, most: u64| Err(OptionsError::OutOfRange { what, most });
        if self.is_ping() && self.size > LONGEST_PING {
            return Err(OptionsError::PingTooLong(self.size));
        }
        if self.size > LARGEST_MESSAGE {
            return out_of_range("size", LARGEST_MESSAGE as u64);
        }
        if self.count > MOST_MESSAGES {
            return out_of_range("count", MOST_MESSAGES);
        }
        if self.clients == 0 || self.clients > MOST_CLIENTS {
            return out_of_range("clients", MOST_CLIENTS as u64);
        }
        if self.timeout.is_zero() {
            return Err(OptionsError::NoTimeout);
        }
        self.request().map(drop)
    }

    /// The URL, taken apart.
    pub(super) fn parse_url(&self) -> Result<WebSocketUrl, OptionsError> {
        let url: WebSocketUrl = self.url.parse().map_err(OptionsError::unusable)?;
        if url.is_secure() {
            Err(OptionsError::Tls)
        } else {
            Ok(url)
        }
    }

    /// The upgrade request that these options describe.
    fn request(&self) -> Result<ClientRequest, OptionsError> {
        let mut request = ClientRequest::new(self.parse_url()?)
            .subprotocols(self.protocols.iter().cloned())
            .map_err(OptionsError::unusable)?;
        for (name, value) in &self.headers {
            request = request
                .header(name.clone(), value.clone())
                .map_err(OptionsError::unusable)?;
        }
        Ok(request)
    }
}

/// Options that make no sense; the exit status is [`Usage`](crate::ExitStatus::Usage).
#[derive(Debug)]
#[non_exhaustive]
pub enum OptionsError {
    /// A PING carries at most 125 bytes (RFC 6455 §5.5).
    PingTooLong(usize),
    /// A number is 0 where it must not be, or too large.
    OutOfRange {
        /// Which option.
        what: &'static str,
        /// The largest number that works.
        most: u64,
    },
    /// A timeout of 0 leaves no time for anything.
    NoTimeout,
    /// TLS does not exist here yet.
    Tls,
    /// The URL, a header or a subprotocol cannot be used in a request.
    Request(Box<dyn Error + Send + Sync>),
}

impl OptionsError {
    fn unusable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Request(Box::new(error))
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PingTooLong(size) => {
                write!(
                    f,
                    "a PING carries at most {LONGEST_PING} bytes (RFC 6455 §5.5), not {size}; "
                )?;
                f.write_str("to send messages, offer a subprotocol")
            }
            Self::OutOfRange { what, most } => write!(f, "{what} is out of range (at most {most})"),
            Self::NoTimeout => f.write_str("the timeout must be longer than 0 seconds"),
            Self::Tls => f.write_str("wss:// needs TLS, which is not supported yet"),
            Self::Request(error) => {
                write!(f, "{error}")?;
                let mut source = error.source();
                while let Some(inner) = source {
                    write!(f, ": {inner}")?;
                    source = inner.source();
                }
                Ok(())
            }
        }
    }
}

impl Error for OptionsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut ClientOptions)) -> Result<(), OptionsError> {
        let mut options = ClientOptions::new("ws://localhost/");
        change(&mut options);
        options.check()
    }

    #[test]
    fn defaults_make_sense_with_and_without_a_protocol() {
        assert!(options(|_| {}).is_ok());
        assert!(options(|options| options.protocols.push("echo".into())).is_ok());
    }

    #[test]
    fn pings_are_short_and_messages_need_not_be() {
        assert!(options(|options| options.size = 125).is_ok());
        assert!(matches!(
            options(|options| options.size = 126),
            Err(OptionsError::PingTooLong(126))
        ));
        let long = options(|options| {
            options.size = 16 << 20;
            options.protocols.push("echo".into());
        });
        assert!(long.is_ok());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let out_of_range = |result| matches!(result, Err(OptionsError::OutOfRange { .. }));
        assert!(out_of_range(options(|options| options.clients = 0)));
        assert!(out_of_range(options(|options| options.count = u64::MAX)));
        let too_large = options(|options| {
            options.size = usize::MAX;
            options.protocols.push("echo".into());
        });
        assert!(out_of_range(too_large));
        let no_timeout = options(|options| options.timeout = Duration::ZERO);
        assert!(matches!(no_timeout, Err(OptionsError::NoTimeout)));
    }

    #[test]
    fn requests_that_cannot_be_sent_are_refused_before_anything_is_done() {
        let tls = options(|options| options.url = "wss://localhost/".into());
        assert!(matches!(tls, Err(OptionsError::Tls)));
        let unusable = |result| matches!(result, Err(OptionsError::Request(_)));
        assert!(unusable(
            options(|options| options.url = "http//localhost".into())
        ));
        assert!(unusable(options(
            |options| options.url = "ws://localhost/#fragment".into()
        )));
        assert!(unusable(options(|options| options
            .protocols
            .push("no token".into()))));
        assert!(unusable(options(
            |options| options.protocols = vec!["echo".into(), "echo".into()]
        )));
        let header = |name: &'static str| (HeaderName::from_static(name), HeaderValue::from_static("x"));
        assert!(unusable(options(|options| options
            .headers
            .push(header("sec-websocket-key")))));
        assert!(options(|options| options.headers.push(header("x-test"))).is_ok());
    }
}
