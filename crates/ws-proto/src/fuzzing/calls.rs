//! Random calls instead of random bytes: two ends, joined back to back, and what their applications, their transports
//! and the clock do to them. Nobody may break the protocol; what one end sent, the other sees in order, all of it if the
//! end was clean; and both ends come to an end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use crate::code::CloseCode;
use crate::config::Config;
use crate::connection::{Connection, TcpAction};
use crate::error::UseError;
use crate::mask::MaskKey;
use crate::message::{Message, MessageKind};
use crate::recv::Event;
use crate::send::{CloseState, PreparedMessage, SendOptions};

/// Every timer of both ends has run out several times after this many deadlines.
const MOST_DEADLINES: usize = 1000;

/// What an end has got to see, or has to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
}

/// One end: a connection, its half of the transport, and what it has sent and seen.
struct End {
    connection: Connection,
    incoming: Vec<u8>,
    peer_finished: bool,
    finished: bool,
    dropped: bool,
    /// Nothing is read.
    deaf: bool,
    /// Nothing can be written.
    stuck: bool,
    seen: Vec<Seen>,
    sent: Vec<Seen>,
    /// The frames so far of a message that is open for sending.
    open: Vec<u8>,
}

/// Bytes of the input, one after the other, 0 at its end.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    /// Mostly small, seldom around the edges where frames change their form: large ones take their time.
    fn length(&mut self) -> usize {
        let choice = usize::from(self.next());
        match choice {
            0..=239 => choice,
            240..=247 => 16_380 + choice - 240,
            248..=253 => 65_533 + choice - 248,
            _ => choice * 300,
        }
    }

    fn text(&mut self) -> String {
        let length = self.length();
        let mut text = "aé€😀".repeat(length / 10);
        text.extend(["é", "€", "😀"].iter().take(length % 4).copied());
        text
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (length, first) = (self.length(), self.next());
        (0..length)
            .map(|place| first.wrapping_add(place.to_le_bytes()[0] & 7))
            .collect()
    }
}

/// Calls on two ends, as the input has them. The first byte chooses compression, the second how input is cut.
pub fn calls(data: &[u8], now: Instant) {
    let mut choices = Choices(data.iter());
    let (terms, piece) = (choices.next(), usize::from(choices.next()).max(1) * 16);
    let mut ends = pair(terms, now);
    let mut now = now;
    while !choices.0.as_slice().is_empty() {
        let call = choices.next();
        let [client, server] = &mut ends;
        let end = if call & 0x80 == 0 { client } else { server };
        match call & 0x0F {
            11 => run(&mut ends, piece, now),
            12 => {
                run(&mut ends, piece, now);
                now += Duration::from_secs(u64::from(choices.next() % 64));
                for end in ends.iter_mut().filter(|end| !end.dropped) {
                    end.connection.handle_timeout(now);
                }
            }
            call => end.act(call, &mut choices),
        }
    }
    finish(&mut ends, piece, now);
    let [client, server] = &ends;
    server.check(&client.sent);
    client.check(&server.sent);
}

fn pair(terms: u8, now: Instant) -> [End; 2] {
    let mut config = Config::client();
    config.limits.max_message_size = usize::MAX;
    let client_config = Arc::new(config.clone());
    config.limits.max_fragments = 16_384;
    let mut key = 0_u32;
    let masks = move || {
        key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        MaskKey(key.to_be_bytes())
    };
    let client = Connection::client(client_config, Box::new(masks), now);
    let server = Connection::server(Arc::new(config), now);
    #[cfg(feature = "deflate")]
    if terms & 0x80 != 0 {
        let (of_server, of_client) = super::compression::agree(terms);
        return [
            client.with_extensions(&of_client),
            server.with_extensions(&of_server),
        ]
        .map(End::new);
    }
    let _ = terms;
    [client, server].map(End::new)
}

/// Lets bytes pass until nothing moves.
fn run(ends: &mut [End; 2], piece: usize, now: Instant) {
    let [client, server] = ends;
    loop {
        let mut moved = client.write(server, now);
        moved |= server.write(client, now);
        moved |= client.read(piece, now);
        moved |= server.read(piece, now);
        if !moved {
            return;
        }
    }
}

/// Lets both close, and time pass until both have.
fn finish(ends: &mut [End; 2], piece: usize, mut now: Instant) {
    for end in ends.iter_mut() {
        (end.deaf, end.stuck) = (false, false);
    }
    run(ends, piece, now);
    for end in ends.iter_mut() {
        let _ = end.connection.close(None);
    }
    for _ in 0..MOST_DEADLINES {
        run(ends, piece, now);
        let deadline = ends
            .iter_mut()
            .filter(|end| !end.dropped)
            .filter_map(|end| end.connection.poll_timeout(now))
            .min();
        let Some(deadline) = deadline else { break };
        now = now.max(deadline);
        for end in ends.iter_mut().filter(|end| !end.dropped) {
            end.connection.handle_timeout(now);
        }
    }
    for end in ends {
        assert!(end.dropped, "every connection has an end");
    }
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
            seen: Vec::new(),
            sent: Vec::new(),
            open: Vec::new(),
        }
    }

    /// One call of the application, or a change of the transport.
    fn act(&mut self, call: u8, choices: &mut Choices<'_>) {
        match call {
            0 => {
                let text = choices.text();
                let result = self.whole(|send| send.text(&text));
                self.expect(result, MessageKind::Text, text.into_bytes());
            }
            1 => {
                let bytes = choices.bytes();
                let result = self.whole(|send| send.message(Message::binary(bytes.clone())));
                self.expect(result, MessageKind::Binary, bytes);
            }
            2 => {
                let text = choices.text();
                let result = self.whole(|send| send.prepared(&PreparedMessage::text(&text)));
                self.expect(result, MessageKind::Text, text.into_bytes());
            }
            3 => {
                let bytes = choices.bytes();
                let result = self.whole(|send| {
                    let left = send.begin_large(MessageKind::Binary, &bytes, SendOptions::new())?;
                    send.finish_large(bytes.get(bytes.len() - left..).unwrap_or_default());
                    Ok(())
                });
                self.expect(result, MessageKind::Binary, bytes);
            }
            4..=6 => self.fragment(call == 6, choices),
            7 => {
                let payload = [choices.next()];
                let open = self.is_open();
                let result = self.connection.sender().ping(&payload);
                assert_eq!(result.is_ok(), open);
                if open {
                    self.sent.push(Seen::Ping(payload.to_vec()));
                }
            }
            8 => {
                let pong = Message::Pong(Bytes::copy_from_slice(&[choices.next()]));
                let open = self.is_open();
                assert_eq!(self.connection.send(pong).is_ok(), open);
            }
            9 => self.stuck = !self.stuck,
            10 => self.deaf = !self.deaf,
            13 => drop(
                self.connection
                    .close(Some((CloseCode::new(u16::from(choices.next()) * 20), "fuzz"))),
            ),
            14 => self.connection.sender().hibernate(),
            _ => {
                if choices.next() == 7 {
                    self.connection.handle_lost();
                }
            }
        }
    }

    fn is_open(&self) -> bool {
        self.connection.state() == CloseState::Open
    }

    /// Sends a whole message; whether that is allowed is known beforehand.
    fn whole(
        &mut self,
        send: impl FnOnce(&mut crate::send::SendPath) -> Result<(), UseError>,
    ) -> Result<(), UseError> {
        let allowed = match (self.is_open(), self.connection.sender().open_message()) {
            (false, _) => Err(UseError::Closed),
            (true, Some(_)) => Err(UseError::MessageOpen),
            (true, None) => Ok(()),
        };
        assert_eq!(send(self.connection.sender()), allowed);
        allowed
    }

    fn expect(&mut self, result: Result<(), UseError>, kind: MessageKind, payload: Vec<u8>) {
        if result.is_ok() {
            self.sent.push(Seen::Message(kind, payload));
        }
    }

    /// Sends a frame of a message. Of text only one-byte characters, so that any cut is right.
    fn fragment(&mut self, fin: bool, choices: &mut Choices<'_>) {
        let mut payload = choices.bytes();
        let open = self.connection.sender().open_message();
        let kind = match choices.next() & 1 {
            0 => MessageKind::Text,
            _ => MessageKind::Binary,
        };
        if kind == MessageKind::Text {
            payload.iter_mut().for_each(|byte| *byte &= 0x7F);
        }
        let allowed = match (self.is_open(), open) {
            (false, _) => Err(UseError::Closed),
            (true, Some(open)) if open != kind => Err(UseError::MessageOpen),
            (true, _) => Ok(()),
        };
        let result = self.connection.sender().send_fragment(kind, &payload, fin);
        assert_eq!(result, allowed);
        if result.is_ok() {
            self.open.append(&mut payload);
            if fin {
                let message = std::mem::take(&mut self.open);
                self.sent.push(Seen::Message(kind, message));
            }
        }
    }

    /// Writes what it can to `peer` and obeys the end of TCP; whether anything changed.
    fn write(&mut self, peer: &mut Self, now: Instant) -> bool {
        let before = peer.incoming.len();
        while let Some(output) = self.connection.poll_transmit() {
            if self.stuck || self.dropped {
                output.set_blocked(true);
                break;
            }
            let chunk = output.chunk();
            let count = chunk.len().min(1000);
            peer.incoming
                .extend_from_slice(chunk.get(..count).unwrap_or_default());
            self.connection.handle_written(count, now);
        }
        let ends = match self.connection.poll_tcp() {
            TcpAction::KeepOpen | TcpAction::Drain => false,
            TcpAction::HalfClose => {
                self.connection.handle_half_closed();
                true
            }
            TcpAction::Drop => {
                self.dropped = true;
                true
            }
        };
        let ends_now = ends && !self.finished;
        self.finished |= ends;
        peer.peer_finished |= ends_now;
        ends_now || peer.incoming.len() > before
    }

    /// Reads all that has come; whether there was anything.
    fn read(&mut self, piece: usize, now: Instant) -> bool {
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
        for part in bytes.chunks_mut(piece) {
            self.connection.handle_received(now);
            let mut input = part;
            loop {
                let seen = match self.connection.next(&mut input) {
                    Ok(None) => break,
                    Ok(Some((Event::Text(text), _))) => {
                        Seen::Message(MessageKind::Text, text.as_bytes().to_vec())
                    }
                    Ok(Some((Event::Binary(bytes), _))) => Seen::Message(MessageKind::Binary, bytes.to_vec()),
                    Ok(Some((Event::Ping(payload), _))) if payload.len() == 1 => Seen::Ping(payload.to_vec()),
                    Ok(Some(_)) => continue,
                    // Only time and the number of pings can be held against an end of ours.
                    Err(error) => {
                        assert_eq!(error.close_code(), CloseCode::POLICY_VIOLATION, "{error}");
                        continue;
                    }
                };
                self.seen.push(seen);
            }
        }
        true
    }

    /// What it has seen is what the other sent: from the beginning, and all of it if the end was clean.
    fn check(&self, sent: &[Seen]) {
        assert!(
            sent.starts_with(&self.seen),
            "{:.200?} is not what was sent: {sent:.200?}",
            self.seen
        );
        let clean = self.connection.close_reason().is_some_and(|reason| reason.clean);
        assert!(
            !clean || sent.len() == self.seen.len(),
            "clean, but {} of {} arrived",
            self.seen.len(),
            sent.len()
        );
    }
}
