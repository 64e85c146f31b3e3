//! What a bench run is asked to do, resolved and checked. As typed on a command line it is in `cli/bench`.

use std::time::Duration;

use ws_handler::{ClientRequest, ExtensionRegistry, WebSocketUrl};
use ws_proto::DeflateConfig;

/// Frames are built before the run and held in memory, several versions of each.
const LARGEST_MESSAGE: usize = 256 << 20;
const MOST_IN_FLIGHT: usize = 65_536;
const MOST_CONNECTIONS: usize = 1_000_000;
const MOST_THREADS: usize = 1024;

/// What the messages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// ASCII text that looks like JSON.
    Text,
    /// Text with characters of 1 to 4 bytes.
    Utf8,
    /// Any bytes.
    Binary,
}

impl Payload {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Utf8 => "utf8",
            Self::Binary => "binary",
        }
    }
}

/// What the connections do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// Each connection has its pipeline full: when all of it is answered, it is sent again.
    Closed,
    /// So many messages per second over all connections, whether or not the server keeps up.
    Open(f64),
    /// Connect, upgrade, close, and again; so many per second, or as fast as it goes.
    Connect(Option<f64>),
    /// So many messages on each connection, then silence.
    Idle(u64),
    /// What the first connection sends goes to all.
    FanOut,
}

impl Load {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
            Self::Connect(_) => "connect",
            Self::Idle(_) => "idle",
            Self::FanOut => "fan-out",
        }
    }

    /// What is asked for per second, where the load is not simply all that goes.
    pub(crate) fn rate(self) -> Option<f64> {
        match self {
            Self::Open(rate) => Some(rate),
            Self::Connect(rate) => rate,
            Self::Closed | Self::Idle(_) | Self::FanOut => None,
        }
    }
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Measured for so long, after a warm-up that does not count.
    Time {
        /// Not measured.
        warm_up: Duration,
        /// Measured.
        measured: Duration,
    },
    /// So many messages on each connection (connects in all), all of them measured.
    Count(u64),
}

/// What a bench run does.
#[derive(Debug, Clone)]
pub(crate) struct BenchOptions {
    pub(crate) url: String,
    /// The subprotocol to offer, if any.
    pub(crate) protocol: Option<String>,
    /// What to offer of permessage-deflate, if anything.
    pub(crate) deflate: Option<DeflateConfig>,
    /// The server speaks no WebSocket: no handshake, and every byte comes back as it was sent.
    pub(crate) tcp: bool,
    pub(crate) load: Load,
    pub(crate) until: Until,
    pub(crate) connections: usize,
    /// Messages in flight on each connection.
    pub(crate) pipeline: usize,
    /// Payload bytes of each message.
    pub(crate) size: usize,
    pub(crate) payload: Payload,
    /// Frames that each message is cut into.
    pub(crate) fragments: usize,
    /// Whether every byte of every answer is compared.
    pub(crate) verify: bool,
    pub(crate) threads: usize,
    /// The longest wait for TCP, for the handshake, and for answers that are missing at the end.
    pub(crate) timeout: Duration,
    /// The server's process, to be watched.
    pub(crate) pid: Option<u32>,
    /// Whether an open loop leaves its core to others between two moments, and is woken a little late. Otherwise it looks
    /// without a pause for what comes.
    pub(crate) sleeps: bool,
}

impl BenchOptions {
    /// Says what in these options makes no sense, before anything is done.
    pub(crate) fn check(&self) -> Result<(), String> {
        in_range("connections", self.connections, 1, MOST_CONNECTIONS)?;
        in_range("pipeline", self.pipeline, 1, MOST_IN_FLIGHT)?;
        in_range("size", self.size, 0, LARGEST_MESSAGE)?;
        in_range(
            "size times pipeline",
            self.size * self.pipeline,
            0,
            LARGEST_MESSAGE,
        )?;
        in_range("fragments", self.fragments, 1, self.size.max(1))?;
        in_range("threads", self.threads, 1, MOST_THREADS)?;
        if self.is_idle() && self.pid.is_none() {
            return Err("--idle needs --pid: it measures the memory of the server's process".into());
        }
        if matches!(
            (self.load, self.until),
            (Load::Open(_) | Load::Idle(_), Until::Count(_))
        ) {
            return Err(format!("--count does not go with {}", self.load_option()));
        }
        if self.tcp && (self.protocol.is_some() || matches!(self.load, Load::Connect(_))) {
            return Err("--tcp goes neither with --protocol nor with --connect-rate".into());
        }
        if self.tcp && (self.deflate.is_some() || self.load == Load::FanOut) {
            return Err("--tcp goes neither with --deflate nor with --fan-out".into());
        }
        if self.load == Load::FanOut && self.threads > 1 {
            return Err("--fan-out counts deliveries in one thread".into());
        }
        self.request().map(drop)
    }

    /// Whether the load is silence.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.load, Load::Idle(_))
    }

    /// The upgrade request that these options describe.
    pub(crate) fn request(&self) -> Result<ClientRequest, String> {
        let url: WebSocketUrl = self
            .url
            .parse()
            .map_err(|error: ws_handler::UrlError| error.to_string())?;
        if url.is_secure() {
            return Err("wss:// needs TLS, which is not supported yet".into());
        }
        let extensions = self
            .deflate
            .iter()
            .fold(ExtensionRegistry::new(), |all, deflate| all.with(deflate.clone()));
        ClientRequest::new(url)
            .extensions(extensions)
            .subprotocols(self.protocol.clone())
            .map_err(|error| error.to_string())
    }

    fn load_option(&self) -> &'static str {
        if self.is_idle() { "--idle" } else { "--rate" }
    }
}

fn in_range(what: &str, number: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&number) {
        Ok(())
    } else {
        Err(format!("{what} must be from {least} to {most}, not {number}"))
    }
}
