//! Who is attacked, and what is known about its limits.

use std::fmt;
use std::time::Duration;

use ws_handler::{UrlError, WebSocketUrl};

/// What to attack and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AttackOptions {
    /// An echo server: every message must come back as it was, in any frames.
    pub url: String,
    /// The subprotocol to offer in good handshakes, if the server needs one.
    pub protocol: Option<String>,
    /// The largest frame and message that the server takes, in bytes. Default 1 MiB.
    pub largest: usize,
    /// The most frames that one message may have. Default 16,384.
    pub fragments: usize,
    /// The longest wait for what must come. Default 5 s.
    pub timeout: Duration,
    /// Also run the cases that wait for a timeout of the server (up to a minute each). Default no.
    pub slow: bool,
    /// Connections that send random bytes. Default 100.
    pub seeds: u64,
    /// Only the cases whose id begins with one of these. Default: none, which means all.
    pub only: Vec<String>,
}

impl AttackOptions {
    /// The defaults for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            protocol: None,
            largest: 1 << 20,
            fragments: 16_384,
            timeout: Duration::from_secs(5),
            slow: false,
            seeds: 100,
            only: Vec::new(),
        }
    }
}

/// Why there is no report.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttackError {
    /// The URL is none.
    Url(UrlError),
    /// `wss` is not spoken, or no case was chosen.
    Unusable(&'static str),
    /// No TCP connection before the first case.
    NoConnection(std::io::Error),
    /// A good client cannot converse: no 101, or messages do not come back.
    NoEcho(String),
}

impl fmt::Display for AttackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("the URL cannot be used"),
            Self::Unusable(why) => f.write_str(why),
            Self::NoConnection(_) => f.write_str("no TCP connection"),
            Self::NoEcho(why) => write!(f, "a good client cannot converse with this server: {why}"),
        }
    }
}

impl std::error::Error for AttackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::NoConnection(error) => Some(error),
            Self::Unusable(_) | Self::NoEcho(_) => None,
        }
    }
}

/// The options, ready for use.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: WebSocketUrl,
    pub(super) options: AttackOptions,
}

impl Target {
    pub(super) fn new(options: AttackOptions) -> Result<Self, AttackError> {
        let url: WebSocketUrl = options.url.parse().map_err(AttackError::Url)?;
        if url.is_secure() {
            return Err(AttackError::Unusable("only ws:// can be attacked"));
        }
        Ok(Self { url, options })
    }

    /// A good request with `changes`: a line with a colon takes the place of the header of that name, or comes at the
    /// end; `-Name` takes it away, `+line` adds one more; a line without a colon is the request line.
    pub(super) fn request(&self, changes: &[&str]) -> Vec<u8> {
        let mut lines = vec![
            format!("GET {} HTTP/1.1", self.url.resource()),
            format!("Host: {}", self.url.host_header()),
            "Upgrade: websocket".to_owned(),
            "Connection: Upgrade".to_owned(),
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            "Sec-WebSocket-Version: 13".to_owned(),
        ];
        if let Some(protocol) = &self.options.protocol {
            lines.push(format!("Sec-WebSocket-Protocol: {protocol}"));
        }
        for change in changes {
            apply(&mut lines, change);
        }
        lines.push("\r\n".to_owned());
        lines.join("\r\n").into_bytes()
    }
}

fn apply(lines: &mut Vec<String>, change: &str) {
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
    if let Some(removed) = change.strip_prefix('-') {
        lines.retain(|line| name(line).as_deref() != Some(&*removed.to_ascii_lowercase()));
    } else if let Some(added) = change.strip_prefix('+') {
        lines.push(added.to_owned());
    } else if !change.contains(':') {
        if let Some(line) = lines.first_mut() {
            change.clone_into(line);
        }
    } else {
        let place = lines.iter_mut().skip(1).find(|line| name(line) == name(change));
        match place {
            Some(line) => change.clone_into(line),
            None => lines.push(change.to_owned()),
        }
    }
}
