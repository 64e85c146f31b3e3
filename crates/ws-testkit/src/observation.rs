//! What a test server tells about its connections while they run. Printing is the command line's business.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ws_proto::{MessageKind, Opcode};

use crate::protocol::Protocol;

/// Bytes of a payload that are shown: enough to recognise a message, short enough for one line.
const SHOWN: usize = 48;

/// One thing that happened on a connection. `Display` is one line without anything a terminal would obey.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Number of the connection, counted from 1 by each server.
    pub connection: u64,
    /// What happened.
    pub what: Happening<'a>,
}

/// What can happen on a connection of a test server.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Happening<'a> {
    /// The opening handshake is done.
    Open {
        /// Address of the client, if its stream has one.
        peer: Option<SocketAddr>,
        /// Path of the request, as it came.
        path: &'a str,
        /// What followed the `?`, if there was one.
        query: Option<&'a str>,
        /// What the connection does with messages.
        protocol: Protocol,
        /// The subprotocol as the answer names it.
        subprotocol: Option<&'a str>,
    },
    /// A data frame, a ping or a pong arrived and passed every check.
    Frame {
        /// What it is; a later frame of a message is [`Opcode::Continuation`].
        opcode: Opcode,
        /// Whether it is the last of its message.
        fin: bool,
        /// Its payload, unmasked.
        payload: &'a [u8],
    },
    /// The last frame of a message arrived.
    Message {
        /// Text or binary.
        kind: MessageKind,
        /// Bytes of payload in all its frames.
        length: u64,
        /// How many frames it came in.
        frames: u64,
    },
    /// The connection is over.
    Close {
        /// The code of the close frame, or 1005 or 1006 for what took its place (RFC 6455 §7.1.5).
        code: u16,
        /// The reason in the close frame.
        reason: &'a str,
    },
}

/// Where observations go. Called in the connection's own task: it must not block for long.
pub(crate) type Observer = Arc<dyn Fn(&Observation<'_>) + Send + Sync>;

impl fmt::Display for Observation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} ", self.connection)?;
        match self.what {
            Happening::Open {
                peer,
                path,
                query,
                protocol,
                subprotocol,
            } => {
                f.write_str("open")?;
                if let Some(peer) = peer {
                    write!(f, " {peer}")?;
                }
                write!(f, " {}", path.escape_default())?;
                if let Some(query) = query {
                    write!(f, "?{}", query.escape_default())?;
                }
                write!(f, " as {protocol}")?;
                match subprotocol {
                    Some(name) => write!(f, ", subprotocol {}", name.escape_default()),
                    None => f.write_str(", no subprotocol"),
                }
            }
            Happening::Frame { opcode, fin, payload } => {
                let (shown, more) = payload.split_at(payload.len().min(SHOWN));
                let end = if fin { "fin" } else { "more" };
                write!(
                    f,
                    "frame {opcode:?} {end} {} bytes \"{}\"",
                    payload.len(),
                    shown.escape_ascii()
                )?;
                if more.is_empty() {
                    Ok(())
                } else {
                    f.write_str("...")
                }
            }
            Happening::Message { kind, length, frames } => {
                let plural = if frames == 1 { "" } else { "s" };
                write!(f, "message {kind:?} {length} bytes in {frames} frame{plural}")
            }
            Happening::Close { code, reason } => write!(f, "close {code} \"{}\"", reason.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: Happening<'_>) -> String {
        Observation { connection: 7, what }.to_string()
    }

    #[test]
    fn every_happening_is_one_line_of_its_own() {
        let open = Happening::Open {
            peer: Some(([127, 0, 0, 1], 4321).into()),
            path: "/chat",
            query: Some("a=b"),
            protocol: Protocol::Echo,
            subprotocol: Some("echo"),
        };
        assert_eq!(
            line(open),
            "#7 open 127.0.0.1:4321 /chat?a=b as org.ietf.websocket.test-echo, subprotocol echo"
        );
        let message = Happening::Message {
            kind: MessageKind::Text,
            length: 5,
            frames: 1,
        };
        assert_eq!(line(message), "#7 message Text 5 bytes in 1 frame");
    }

    #[test]
    fn nothing_a_peer_sends_reaches_the_terminal_as_control_characters() {
        let frame = Happening::Frame {
            opcode: Opcode::Text,
            fin: false,
            payload: b"\x1b[2J\r\n\xff",
        };
        assert_eq!(line(frame), r#"#7 frame Text more 7 bytes "\x1b[2J\r\n\xff""#);
        let close = Happening::Close {
            code: 1000,
            reason: "\u{1b}\u{202e}\n",
        };
        assert!(
            line(close).chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{}",
            line(close)
        );
    }

    #[test]
    fn long_payloads_are_cut() {
        let frame = Happening::Frame {
            opcode: Opcode::Binary,
            fin: true,
            payload: &[0x41; 1000],
        };
        assert!(
            line(frame).len() < 120 && line(frame).ends_with("AAA\"..."),
            "{}",
            line(frame)
        );
    }
}
