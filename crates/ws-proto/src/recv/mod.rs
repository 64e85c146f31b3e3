//! The receiving machine: bytes in, [events](Event) out, every check in between (RFC 6455 §5, §6.2, §8).
//! It never sends: pings and closes are handed out as events, and whoever owns the send path answers them.
//!
//! Here: the machine itself; what a connection has of it, and lends away while it is idle, is in `path`.
//!
//! The way of a frame: its header is read (`Machine::begin_frame`), judged (`check`), its payload unmasked,
//! then lent out from the input where it lies there whole, else gathered (`assemble`) and lent out from there.

mod event;

mod check;

mod assemble;

mod direct;

mod finish;

mod coded;
mod progress;

mod short;

mod path;

#[cfg(test)]
mod tests;

pub use event::{Event, FragmentEvent};
pub use path::{ReceiveMemory, ReceivePath};
pub use progress::ReceiveWork;

use std::sync::Arc;

use crate::config::{Config, Delivery};
use crate::error::ProtocolError;
use crate::ext::{Incoming, LegalBits, ReservedBits};
use crate::frame::{FrameHeader, MAX_HEADER_LEN, Opcode};
use crate::mask::{MaskKey, apply_mask};
use crate::message::MessageKind;
use crate::role::Role;
use crate::steps;
use crate::utf8::Utf8Validator;
use assemble::Assembly;
use check::OpenMessage;

/// A frame whose header was read and judged, and whose payload is still arriving.
#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    opcode: Opcode,
    fin: bool,
    first: bool,
    /// The key for the next byte of payload; `None` for frames from a server.
    key: Option<MaskKey>,
    /// Bytes of payload that have not arrived.
    missing: usize,
    /// The reserved bits of the header.
    reserved: ReservedBits,
    /// What has to be done before the payload is the application's.
    coding: Coding,
}

/// What extensions have made of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// Nothing.
    Plain,
    /// It is compressed: inflated as it arrives (RFC 7692 §6).
    Deflated,
    /// An extension wants to see the frame whole.
    Whole,
}

/// Where in the stream of frames the input stands.
#[derive(Debug)]
enum State {
    /// Before or inside a header; the bytes of it that have arrived are kept here.
    Header { bytes: [u8; MAX_HEADER_LEN], len: u8 },
    /// Inside a payload.
    Payload(OpenFrame),
    /// A Close frame arrived or the peer broke a rule: everything that follows is discarded
    /// (RFC 6455 §5.5.1, §7.1.7).
    Discard,
}

impl State {
    const HEADER: Self = Self::Header {
        bytes: [0; MAX_HEADER_LEN],
        len: 0,
    };
}

/// All that is needed to turn the peer's bytes into [events](Event).
#[derive(Debug)]
struct Machine {
    role: Role,
    config: Arc<Config>,
    /// The reserved bits that negotiated extensions own (RFC 6455 §5.2).
    legal: LegalBits,
    /// What negotiated extensions do to frames; `None` for nearly everybody.
    extensions: Option<Box<Incoming>>,
    state: State,
    /// The fragmented message that is open, if any (RFC 6455 §5.4).
    message: Option<OpenMessage>,
    /// The payload that is gathered because it did not lie whole in one input.
    assembly: Assembly,
    /// The unfinished character at the end of an open text message.
    utf8: Utf8Validator,
    /// The payload of a control frame that was cut. A message may be half assembled meanwhile.
    control: Vec<u8>,
    /// The last event was lent from `assembly` or `control`, which is to be emptied before going on.
    lent: bool,
    /// The longest payload with a length of seven bits that may take the short way (`short`), if any may.
    short: Option<u8>,
    /// What was done since somebody asked.
    work: ReceiveWork,
}

/// A frame whose payload is complete, and where that lies: in the input, or (`None`) where it was gathered.
type Complete<'i> = (OpenFrame, Option<&'i mut [u8]>);

/// What became of a piece of payload.
enum Taken<'i> {
    /// The frame is not complete yet, or it was complete but not the end of its message.
    More,
    /// The whole payload lay in the input.
    Whole(&'i mut [u8]),
    /// The payload is complete in `assembly` or `control`.
    Gathered,
}

impl Machine {
    fn new(role: Role, config: Arc<Config>) -> Self {
        Self {
            role,
            short: short::limit(&config),
            config,
            legal: LegalBits::default(),
            extensions: None,
            state: State::HEADER,
            message: None,
            assembly: Assembly::default(),
            utf8: Utf8Validator::new(),
            control: Vec::new(),
            lent: false,
            work: ReceiveWork::default(),
        }
    }

    /// The next event of `input`, which is advanced past it and unmasked in place. `Ok(None)`: all of `input` is
    /// consumed and no further event is complete.
    ///
    /// # Errors
    /// The peer broke a rule. The connection is to be failed with the error's
    /// [close code](ProtocolError::close_code) (RFC 6455 §7.1.7); all further input is discarded.
    #[inline]
    fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i mut [u8]) -> Result<Option<Event<'s>>, ProtocolError> {
        steps::step();
        if self.lent {
            self.forget_lent();
        }
        if input.is_empty() {
            return Ok(None);
        }
        if let Some((kind, payload)) = self.take_short(input) {
            return self.whole_message(kind, payload);
        }
        self.next_of_any(input)
    }

    /// The same for frames of any kind. Not inlined, so that the short way stays short.
    #[inline(never)]
    fn next_of_any<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        match self.advance(input) {
            Ok(None) => Ok(None),
            Ok(Some((frame, payload))) => self.finish_frame(frame, payload),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Consumes input up to the end of a frame that makes an event.
    #[inline]
    fn advance<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Option<Complete<'i>>, ProtocolError> {
        loop {
            steps::step();
            let frame = match &mut self.state {
                State::Header { .. } => match self.begin_frame(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
                State::Payload(frame) => *frame,
                State::Discard => {
                    *input = &mut [];
                    return Ok(None);
                }
            };
            match self.take_payload(frame, input)? {
                Taken::Whole(payload) => return Ok(Some((frame, Some(payload)))),
                Taken::Gathered => return Ok(Some((frame, None))),
                Taken::More if input.is_empty() => return Ok(None),
                Taken::More => {}
            }
        }
    }

    /// Reads and judges a header; `None`: it is not complete, and its bytes are kept.
    #[inline]
    fn begin_frame(&mut self, input: &mut &mut [u8]) -> Result<Option<OpenFrame>, ProtocolError> {
        if !matches!(self.state, State::Header { len: 0, .. }) {
            return self.gather_header(input);
        }
        let limits = &self.config.limits;
        match check::header(input, self.role, self.legal, self.message.as_ref(), limits)? {
            Some((header, used)) => {
                skip(input, used);
                Ok(Some(self.open_frame(header)))
            }
            None => self.gather_header(input),
        }
    }

    /// The same where the header is cut.
    #[cold]
    fn gather_header(&mut self, input: &mut &mut [u8]) -> Result<Option<OpenFrame>, ProtocolError> {
        let State::Header { bytes, len } = &mut self.state else {
            return Ok(None);
        };
        let kept = usize::from(*len);
        // A header has at most 14 bytes, so what is copied beyond its end stays in the input.
        let room = bytes.get_mut(kept..).unwrap_or_default();
        let copied = room.len().min(input.len());
        for (to, from) in room.iter_mut().zip(input.iter()) {
            *to = *from;
        }
        let gathered = bytes.get(..kept + copied).unwrap_or_default();
        let limits = &self.config.limits;
        match check::header(gathered, self.role, self.legal, self.message.as_ref(), limits)? {
            Some((header, header_len)) => {
                skip(input, header_len.saturating_sub(kept));
                Ok(Some(self.open_frame(header)))
            }
            None => {
                // Cannot exceed 14.
                *len = u8::try_from(kept + copied).unwrap_or_default();
                skip(input, copied);
                Ok(None)
            }
        }
    }

    /// Notes what a judged header begins.
    #[inline]
    fn open_frame(&mut self, header: FrameHeader) -> OpenFrame {
        // Judged: not above the frame limit, which is a `usize`.
        let missing = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let first = header.opcode != Opcode::Continuation;
        let mut coding = Coding::Plain;
        self.work.frames = self.work.frames.wrapping_add(1);
        if !header.opcode.is_control() {
            let message = self.message.get_or_insert(OpenMessage {
                kind: if header.opcode == Opcode::Text {
                    MessageKind::Text
                } else {
                    MessageKind::Binary
                },
                size: 0,
                fragments: 0,
                compressed: false,
            });
            message.size = message.size.saturating_add(missing);
            message.fragments = message.fragments.saturating_add(1);
            if let Some(extensions) = &mut self.extensions {
                coding = coded::coding(extensions, message, header.rsv);
            }
        }
        OpenFrame {
            opcode: header.opcode,
            fin: header.fin,
            first,
            key: header.mask,
            missing,
            reserved: ReservedBits::from_first_byte(header.rsv),
            coding,
        }
    }

    /// Takes what has arrived of the payload of `frame`: unmasks it, and gathers it unless it is whole and can be
    /// lent out from where it lies.
    #[inline]
    fn take_payload<'i>(
        &mut self,
        frame: OpenFrame,
        input: &mut &'i mut [u8],
    ) -> Result<Taken<'i>, ProtocolError> {
        let here = frame.missing.min(input.len());
        let (part, rest) = std::mem::take(input).split_at_mut(here);
        *input = rest;
        if let Some(key) = frame.key {
            apply_mask(key, part);
        }
        let complete = here == frame.missing;
        if complete {
            if !matches!(self.state, State::Header { len: 0, .. }) {
                self.state = State::HEADER;
            }
        } else {
            let key = frame.key.map(|key| key.rotated(here));
            self.state = State::Payload(OpenFrame {
                key,
                missing: frame.missing - here,
                ..frame
            });
        }
        if frame.opcode.is_control() {
            if complete && self.control.is_empty() {
                return Ok(Taken::Whole(part));
            }
            self.control.extend_from_slice(part);
            return Ok(if complete { Taken::Gathered } else { Taken::More });
        }
        if frame.coding != Coding::Plain {
            return self.take_coded(frame, part, complete);
        }
        self.take_data(frame, part, complete)
    }

    /// The same for a data frame, whose payload is unmasked already.
    #[inline]
    fn take_data<'i>(
        &mut self,
        frame: OpenFrame,
        part: &'i mut [u8],
        complete: bool,
    ) -> Result<Taken<'i>, ProtocolError> {
        let kind = self
            .message
            .as_ref()
            .map_or(MessageKind::Binary, |message| message.kind);
        match self.config.delivery {
            Delivery::Message => {
                if complete && frame.fin && frame.first && self.assembly.is_empty() && self.utf8.is_complete()
                {
                    return Ok(Taken::Whole(part));
                }
                // The last frame says how long the message is.
                let limit = match &self.message {
                    Some(message) if frame.fin => message.size,
                    _ => self.config.limits.max_message_size,
                };
                // Up to three bytes of a character come back from the validator.
                self.assembly.make_room(part.len().saturating_add(3), limit);
                self.assembly.push(kind, part, &mut self.utf8)?;
                Ok(if complete && frame.fin {
                    Taken::Gathered
                } else {
                    Taken::More
                })
            }
            Delivery::Fragment => {
                if kind == MessageKind::Text {
                    self.utf8.push(part).map_err(|_| ProtocolError::TextUtf8)?;
                }
                if complete && self.assembly.is_empty() {
                    return Ok(Taken::Whole(part));
                }
                self.assembly.push_bytes(part);
                Ok(if complete { Taken::Gathered } else { Taken::More })
            }
        }
    }

    /// Empties what the last event was lent from.
    fn forget_lent(&mut self) {
        self.lent = false;
        if !self.control.is_empty() {
            self.control = Vec::new();
        } else {
            self.assembly.clear();
        }
    }

    /// The peer broke a rule: from here on everything is discarded (RFC 6455 §7.1.7).
    #[cold]
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.discard_all();
        error
    }

    fn discard_all(&mut self) {
        self.state = State::Discard;
        self.message = None;
        self.utf8.reset();
        self.assembly.clear();
        if let Some(extensions) = &mut self.extensions {
            extensions.abandon();
        }
    }

    /// Discards all further input, as after our own decision to fail the connection (RFC 6455 §7.1.7).
    fn stop(&mut self) {
        self.discard_all();
        self.lent = false;
        self.control = Vec::new();
    }

    /// Whether nothing has begun, and nothing is known of a connection but its role, its configuration and what its
    /// extensions remember.
    fn is_blank(&self) -> bool {
        let between = matches!(self.state, State::Header { len: 0, .. }) && self.message.is_none();
        between && self.assembly.is_empty() && self.utf8.is_complete() && self.control.capacity() == 0
    }

    /// Serves another connection, while it is blank.
    fn adopt(&mut self, role: Role, config: &Arc<Config>) {
        self.role = role;
        self.work = ReceiveWork::default();
        if !Arc::ptr_eq(&self.config, config) {
            self.short = short::limit(config);
            self.config = Arc::clone(config);
        }
    }

    fn is_text(&self) -> bool {
        self.message
            .as_ref()
            .is_some_and(|message| message.kind == MessageKind::Text)
    }
}

/// Advances `input` by `count` bytes.
#[inline]
fn skip(input: &mut &mut [u8], count: usize) {
    let all = std::mem::take(input);
    let count = count.min(all.len());
    *input = all.split_at_mut(count).1;
}
