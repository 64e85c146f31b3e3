//! One connection under load: what it may send, what it has written, what was answered.

use std::io::{self, Read as _, Write as _};
use std::time::Instant;

use mio::net::TcpStream;
use ws_proto::CloseCode;

use super::batch::Batches;
use super::inflated::Inflated;
use super::measured::Trouble;
use super::reply::{Found, Replies};
use crate::peer::RawFrame;
use crate::stats::Ending;

/// What a connection needs to know of its run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) batches: &'a Batches,
    pub(super) pipeline: u64,
    pub(super) verify: bool,
    /// The bytes come back as they were sent.
    pub(super) tcp: bool,
    /// The first connection alone sends, and everybody gets it.
    pub(super) fan_out: bool,
}

/// Bytes on the wire.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    number: usize,
    replies: Replies,
    /// Instead of these: what looks into compressed messages.
    inflated: Option<Box<Inflated>>,
    traffic: Traffic,
    /// Messages that may have been sent by now: the in-flight ones are those from `answered` on.
    pub(super) due: u64,
    pub(super) answered: u64,
    /// When the last of these became due.
    pub(super) sent_at: Instant,
    /// What has been written: whole batches, and bytes of the next.
    round: u64,
    written: usize,
    /// Without WebSocket: bytes of the batch that have come back.
    returned: usize,
    /// Pongs that wait for a place between two messages.
    pongs: Vec<u8>,
}

impl Connection {
    /// A connection on which compression was agreed on, if `may_compress`; then `inflated` looks into what comes, or
    /// nobody does.
    pub(super) fn new(
        stream: TcpStream,
        number: usize,
        may_compress: bool,
        inflated: Option<Box<Inflated>>,
        now: Instant,
    ) -> Self {
        Self {
            stream,
            number,
            replies: Replies::new(may_compress),
            inflated,
            traffic: Traffic::default(),
            due: 0,
            answered: 0,
            sent_at: now,
            round: 0,
            written: 0,
            returned: 0,
            pongs: Vec::new(),
        }
    }

    /// Sent, or to be sent, and not yet answered.
    pub(super) fn in_flight(&self) -> u64 {
        self.due - self.answered
    }

    /// What went over the wire since this was asked last.
    pub(super) fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }

    /// Writes what is due, as far as the socket takes it: one write for a whole batch where it does.
    pub(super) fn flush(&mut self, rules: Rules<'_>) -> Result<(), Trouble> {
        if rules.fan_out && self.number > 0 {
            return self.flush_pongs();
        }
        loop {
            let open = self
                .due
                .saturating_sub(self.round * rules.pipeline)
                .min(rules.pipeline);
            let Some(batch) = rules.batches.batch(self.number, self.round) else {
                return Ok(());
            };
            let end = batch.wire.end(open as usize);
            if self.written < end {
                let bytes = batch.wire.bytes.get(self.written..end).unwrap_or_default();
                match self.write(bytes)? {
                    Some(count) => self.written += count,
                    None => return Ok(()),
                }
            }
            if self.written == end {
                if open < rules.pipeline || end == 0 {
                    return self.flush_pongs();
                }
                self.round += 1;
                self.written = 0;
            }
        }
    }

    fn flush_pongs(&mut self) -> Result<(), Trouble> {
        if self.pongs.is_empty() {
            return Ok(());
        }
        let pongs = std::mem::take(&mut self.pongs);
        let count = self.write(&pongs)?.unwrap_or(0);
        // A cut pong must be ended before anything else; so few bytes always fit unless the server reads nothing.
        if count == 0 || count == pongs.len() {
            self.pongs = pongs.get(count..).unwrap_or_default().to_vec();
            Ok(())
        } else {
            Err(Trouble::Ended(Ending::TimedOut))
        }
    }

    /// None when the socket takes nothing now.
    fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, Trouble> {
        loop {
            match self.stream.write(bytes) {
                Ok(count) => {
                    self.traffic.sent += count as u64;
                    return Ok(Some(count));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// Reads what is there; answers how many messages it answered.
    pub(super) fn read(&mut self, buffer: &mut [u8], rules: Rules<'_>) -> Result<u64, Trouble> {
        let before = self.answered;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(closed(&[])),
                Ok(count) => {
                    self.handle_data(buffer.get_mut(..count).unwrap_or_default(), rules)?;
                    // A short read has emptied the socket: what comes later makes an event of its own.
                    if count < buffer.len() {
                        return Ok(self.answered - before);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.answered - before),
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// Takes bytes that came from the server.
    pub(super) fn handle_data(&mut self, mut input: &mut [u8], rules: Rules<'_>) -> Result<(), Trouble> {
        self.traffic.received += input.len() as u64;
        if rules.tcp {
            return self.handle_echo(input, rules);
        }
        let sender = if rules.fan_out { 0 } else { self.number };
        loop {
            let batch = rules.batches.batch(sender, self.answered / rules.pipeline);
            let expected = batch
                .filter(|_| self.answered < self.due)
                .and_then(|batch| batch.expected((self.answered % rules.pipeline) as usize));
            let found = match &mut self.inflated {
                Some(inflated) => inflated.next(&mut input, expected),
                None => {
                    let mut rest = &*input;
                    let found = self.replies.next(&mut rest, expected, rules.verify);
                    let used = input.len() - rest.len();
                    input = std::mem::take(&mut input).split_at_mut(used).1;
                    found
                }
            };
            match found.map_err(Trouble::Wrong)? {
                None => return Ok(()),
                Some(Found::Answer) => self.answered += 1,
                Some(Found::Ping(payload)) => {
                    // RFC 6455 §5.3 wants a fresh key for what others may choose; nobody is to be fooled here.
                    let pong = RawFrame::pong(payload).masked([0x5a, 0xc3, 0x96, 0x0f]);
                    self.pongs.extend_from_slice(&pong.encode());
                }
                Some(Found::Close(payload)) => return Err(closed(&payload)),
            }
        }
    }

    /// Takes bytes that a server without WebSocket sent back.
    fn handle_echo(&mut self, mut input: &[u8], rules: Rules<'_>) -> Result<(), Trouble> {
        while !input.is_empty() {
            let message = (self.answered % rules.pipeline) as usize;
            let batch = rules.batches.batch(self.number, self.answered / rules.pipeline);
            let Some(batch) = batch.filter(|_| self.answered < self.due) else {
                return Err(Trouble::Wrong("bytes came that nobody asked for".into()));
            };
            let end = batch.wire.end(message + 1);
            let (chunk, rest) = input.split_at(input.len().min(end - self.returned));
            let sent = batch.wire.bytes.get(self.returned..self.returned + chunk.len());
            let ends_differ =
                sent.is_none_or(|sent| (sent.first(), sent.last()) != (chunk.first(), chunk.last()));
            if ends_differ || (rules.verify && sent != Some(chunk)) {
                return Err(Trouble::Wrong("bytes differ from what was sent".into()));
            }
            input = rest;
            self.returned += chunk.len();
            if self.returned == end {
                self.answered += 1;
            }
            if self.answered % rules.pipeline == 0 && self.returned == batch.wire.bytes.len() {
                self.returned = 0;
            }
        }
        Ok(())
    }

    /// Whether pongs are waiting.
    pub(super) fn has_pongs(&self) -> bool {
        !self.pongs.is_empty()
    }

    /// Says goodbye, if that can be done at once.
    pub(super) fn close(mut self, tcp: bool) {
        // Between two frames only; nothing is measured any more, and nobody waits for the answer.
        if self.in_flight() == 0 && !tcp {
            drop(self.stream.write(&close_frame()));
        }
    }
}

/// A close frame with the code 1000, as a client sends it.
pub(super) fn close_frame() -> Vec<u8> {
    RawFrame::close(CloseCode::NORMAL.value(), "")
        .masked([0x5a, 0xc3, 0x96, 0x0f])
        .encode()
}

/// The server has closed, with this payload in its close frame or with none.
fn closed(payload: &[u8]) -> Trouble {
    let (code, reason) = match payload.split_first_chunk::<2>() {
        Some((code, reason)) => (
            u16::from_be_bytes(*code),
            String::from_utf8_lossy(reason).into_owned(),
        ),
        None => (CloseCode::ABNORMAL.value(), String::new()),
    };
    Trouble::Ended(Ending::Closed { code, reason })
}

fn lost(error: &io::Error) -> Trouble {
    Trouble::Ended(Ending::Closed {
        code: CloseCode::ABNORMAL.value(),
        reason: error.to_string(),
    })
}
