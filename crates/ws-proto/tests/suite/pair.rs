//! Two pure connections joined back to back, with a virtual clock and a transport that can be stuck, cut or silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use ws_proto::{
    CloseReason, Config, Connection, Event, Extensions, Initiator, MaskKey, MessageKind, ProtocolError,
    TcpAction,
};

/// What an end got to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Fragment {
        kind: MessageKind,
        first: bool,
        fin: bool,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Error(ProtocolError),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Event::Fragment(fragment) => Self::Fragment {
                kind: fragment.kind,
                first: fragment.first,
                fin: fragment.fin,
                payload: fragment.payload.to_vec(),
            },
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(close) => {
                Self::Close(close.map(|close| (close.code.value(), close.reason.to_owned())))
            }
        }
    }
}

/// The one clock reading of the tests: virtual time starts somewhere.
#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// A source of masking keys for tests: different ones, always the same sequence.
pub(crate) fn masks() -> impl FnMut() -> MaskKey + Send + 'static {
    let mut state = 0x9E37_79B9_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        MaskKey(state.to_be_bytes())
    }
}

/// One end: a connection, and its half of the transport.
pub(crate) struct End {
    pub(crate) connection: Connection,
    /// Bytes on their way to this end.
    pub(crate) incoming: Vec<u8>,
    /// The peer has ended its direction, after `incoming`.
    pub(crate) peer_finished: bool,
    /// This end has ended its direction.
    pub(crate) finished: bool,
    /// This end has dropped the transport.
    pub(crate) dropped: bool,
    /// This end does not read: nothing is taken from `incoming`.
    pub(crate) deaf: bool,
    /// The transport takes nothing from this end.
    pub(crate) stuck: bool,
    /// All that this end has written.
    pub(crate) wire: Vec<u8>,
    /// All that this end has seen, in order.
    pub(crate) seen: Vec<Seen>,
}

impl End {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            incoming: Vec::new(),
            peer_finished: false,
            finished: false,
            dropped: false,
            deaf: false,
            stuck: false,
            wire: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// What was seen since the last time.
    pub(crate) fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.connection.send(text).unwrap();
    }

    /// Code, who and clean of the end, once there is one.
    pub(crate) fn ending(&self) -> Option<(u16, Initiator, bool)> {
        let CloseReason { code, who, clean, .. } = self.connection.close_reason()?;
        Some((code.value(), *who, *clean))
    }

    fn read(&mut self, now: Instant) -> bool {
        if self.deaf || self.dropped {
            return false;
        }
        if self.incoming.is_empty() {
            let ends = std::mem::take(&mut self.peer_finished);
            if ends {
                self.connection.handle_eof();
            }
            return ends;
        }
        let mut bytes = std::mem::take(&mut self.incoming);
        let mut input = bytes.as_mut_slice();
        self.connection.handle_received(now);
        loop {
            match self.connection.next(&mut input) {
                Ok(Some((event, _))) => self.seen.push(event.into()),
                Ok(None) => break,
                Err(error) => self.seen.push(Seen::Error(error)),
            }
        }
        assert!(input.is_empty(), "`None` means that all input is consumed");
        true
    }

    /// Writes what it can and closes TCP as told; returns the bytes and whether the direction ended.
    fn write(&mut self, now: Instant) -> (Vec<u8>, bool) {
        let mut sent = Vec::new();
        while let Some(output) = self.connection.poll_transmit() {
            if self.stuck || self.dropped {
                output.set_blocked(true);
                break;
            }
            // A transport that takes up to 1000 bytes at a time.
            let chunk = output.chunk();
            let count = chunk.len().min(1000);
            sent.extend_from_slice(&chunk[..count]);
            self.connection.handle_written(count, now);
        }
        self.wire.extend_from_slice(&sent);
        let ends = match self.connection.poll_tcp() {
            TcpAction::KeepOpen | TcpAction::Drain => false,
            TcpAction::HalfClose => {
                self.connection.handle_half_closed();
                assert_eq!(self.connection.poll_tcp(), TcpAction::Drain);
                true
            }
            TcpAction::Drop => {
                self.dropped = true;
                true
            }
        };
        let ends_now = ends && !self.finished;
        self.finished |= ends;
        (sent, ends_now)
    }
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(Config::client(), Config::server())
    }

    pub(crate) fn with(client: Config, server: Config) -> Self {
        let now = origin();
        Self {
            now,
            client: End::new(Connection::client(Arc::new(client), Box::new(masks()), now)),
            server: End::new(Connection::server(Arc::new(server), now)),
        }
    }

    /// The same with extensions.
    pub(crate) fn extended(mut self, client: &Extensions, server: &Extensions) -> Self {
        let now = self.now;
        let (client_config, server_config) = (
            self.client.connection.sender().config().clone(),
            self.server.connection.sender().config().clone(),
        );
        let connection = Connection::client(client_config, Box::new(masks()), now);
        self.client.connection = connection.with_extensions(client);
        self.server.connection = Connection::server(server_config, now).with_extensions(server);
        self
    }

    /// Lets bytes pass until nothing moves any more.
    pub(crate) fn run(&mut self) {
        loop {
            let (to_server, client_ends) = self.client.write(self.now);
            let (to_client, server_ends) = self.server.write(self.now);
            let moved = !to_server.is_empty() || !to_client.is_empty() || client_ends || server_ends;
            self.server.incoming.extend(to_server);
            self.client.incoming.extend(to_client);
            self.server.peer_finished |= client_ends;
            self.client.peer_finished |= server_ends;
            let server_read = self.server.read(self.now);
            let client_read = self.client.read(self.now);
            if !moved && !server_read && !client_read {
                return;
            }
        }
    }

    /// Lets time pass: both ends sleep from deadline to deadline.
    pub(crate) fn sleep(&mut self, duration: Duration) {
        self.run();
        let end = self.now + duration;
        loop {
            let deadlines = [&mut self.client, &mut self.server]
                .into_iter()
                .filter(|end| !end.dropped)
                .filter_map(|end| end.connection.poll_timeout(self.now))
                .min();
            match deadlines {
                Some(deadline) if deadline <= end => self.now = self.now.max(deadline),
                _ => break,
            }
            for end in [&mut self.client, &mut self.server] {
                if !end.dropped {
                    end.connection.handle_timeout(self.now);
                }
            }
            self.run();
        }
        self.now = end;
    }

    /// Puts bytes on the wire to the server that no client of ours would send.
    pub(crate) fn inject_to_server(&mut self, bytes: &[u8]) {
        self.server.incoming.extend_from_slice(bytes);
    }

    /// The same towards the client.
    pub(crate) fn inject_to_client(&mut self, bytes: &[u8]) {
        self.client.incoming.extend_from_slice(bytes);
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Masks every frame of `frames`, which may be cut anywhere or wrong in any way, as a client would.
pub(crate) fn masked(frames: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut out = Vec::new();
    let mut rest = frames;
    while let [first, second, after @ ..] = rest {
        out.extend([*first, second | 0x80]);
        let form = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (length, after) = after.split_at(form.min(after.len()));
        out.extend_from_slice(length);
        if length.len() < form {
            return out;
        }
        let declared = match form {
            0 => u64::from(second & 0x7F),
            _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        out.extend(KEY);
        let here = usize::try_from(declared).map_or(after.len(), |declared| declared.min(after.len()));
        let (payload, after) = after.split_at(here);
        out.extend(
            payload
                .iter()
                .zip(KEY.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}
