//! The sending machine: frames out, in an order that is legal whoever asks (RFC 6455 §5, §6.1, §7.1).
//!
//! Here: the path itself and whole messages. Beside it: fragmented messages in `fragment`, pings and pongs in
//! `control`, the closing handshake in `close`, payloads that are not copied in `large`, small ones that need no
//! second thought in `short`, the way to the transport in `output`, past the queue in `bypass`. When to write, and what
//! the peer's frames mean, is not decided here.

mod backlog;
mod closing;
mod options;

mod prepared;
mod queue;

mod bypass;
mod close;
mod coded;
mod control;
mod fragment;
mod large;
mod output;

mod short;

#[cfg(test)]
mod tests;

pub use closing::{CloseReason, CloseState, Initiator};
pub use large::LARGE_PAYLOAD;
pub use options::SendOptions;
pub use prepared::PreparedMessage;
pub use queue::SendMemory;

use std::sync::Arc;

use bytes::Bytes;

use crate::config::Config;
use crate::copy::append;
use crate::error::UseError;
use crate::ext::{Extensions, Outgoing, ReservedBits};
use crate::frame::{FrameHeader, MAX_CONTROL_PAYLOAD, MAX_HEADER_LEN, Opcode};
use crate::mask::{MaskGen, apply_mask};
use crate::message::{Message, MessageKind};
use crate::role::Role;

use closing::Closing;
use control::HeldPong;
use queue::Queue;

/// The sending half of a connection: takes messages, gives the bytes of frames.
///
/// Every verb checks whether it is legal now, encodes its frame and appends it to the outgoing queue; nothing is
/// written here. The queue is read through [`bytes::Buf`], which `SendPath` implements: write
/// [`chunk`](bytes::Buf::chunk) or [`chunks_vectored`](bytes::Buf::chunks_vectored), then
/// [`advance`](bytes::Buf::advance) by what was accepted, and say so with [`set_blocked`](Self::set_blocked) when
/// nothing more was.
///
/// The verbs set no bound on the queue, so that one message of any size always finds room; who may wait does so
/// while [`above_soft_limit`](Self::above_soft_limit), and who may not asks [`room_for`](Self::room_for) first.
///
/// ```
/// # use std::sync::Arc;
/// use bytes::Buf;
/// use ws_proto::{Config, SendPath};
///
/// let mut send = SendPath::server(Arc::new(Config::server()));
/// send.text("Hello")?;
/// assert_eq!(send.chunk(), [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]); // RFC 6455 §5.7
/// send.advance(7);
/// assert!(!send.has_output());
/// # Ok::<(), ws_proto::UseError>(())
/// ```
pub struct SendPath {
    queue: Queue,
    config: Arc<Config>,
    /// Where keys come from; present in clients and only there (RFC 6455 §5.1).
    masks: Option<Box<Masks>>,
    closing: Closing,
    /// The one pong that waits for the queue to move.
    held_pong: Option<Box<HeldPong>>,
    /// What negotiated extensions do to frames; `None` for nearly everybody.
    extensions: Option<Box<Outgoing>>,
    /// The kind of the fragmented message that is open (RFC 6455 §5.4).
    open_message: Option<MessageKind>,
    /// Data frames so far, wrapping.
    data_frames: u32,
    /// The transport took no more bytes and the queue has not been empty since.
    blocked: bool,
}

/// Behind one pointer and not two words, since servers have none.
struct Masks(Box<dyn MaskGen>);

impl SendPath {
    /// The sending half of a server. It never masks (RFC 6455 §5.1).
    #[must_use]
    pub fn server(config: Arc<Config>) -> Self {
        Self::new(config, None)
    }

    /// The sending half of a client. It masks every frame with the next key of `masks` (RFC 6455 §5.3).
    #[must_use]
    pub fn client(config: Arc<Config>, masks: Box<dyn MaskGen>) -> Self {
        Self::new(config, Some(Box::new(Masks(masks))))
    }

    fn new(config: Arc<Config>, masks: Option<Box<Masks>>) -> Self {
        Self {
            queue: Queue::default(),
            config,
            masks,
            closing: Closing::Open,
            held_pong: None,
            extensions: None,
            open_message: None,
            data_frames: 0,
            blocked: false,
        }
    }

    /// The same with the extensions that the handshake agreed on.
    #[must_use]
    pub fn with_extensions(mut self, extensions: &Extensions) -> Self {
        self.extensions = extensions.outgoing();
        self
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        if self.masks.is_some() {
            Role::Client
        } else {
            Role::Server
        }
    }

    /// The configuration that this path obeys.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Queues a whole text message as one frame.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame; [`UseError::MessageOpen`] while a fragmented message is open.
    #[inline]
    pub fn text(&mut self, text: &str) -> Result<(), UseError> {
        self.begin_whole_message()?;
        if !self.push_coded(Opcode::Text, true, text.as_bytes(), SendOptions::DEFAULT) {
            self.push_frame(Opcode::Text, true, text.as_bytes());
        }
        Ok(())
    }

    /// Queues a whole binary message as one frame.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame; [`UseError::MessageOpen`] while a fragmented message is open.
    #[inline]
    pub fn binary(&mut self, payload: &[u8]) -> Result<(), UseError> {
        self.begin_whole_message()?;
        if !self.push_coded(Opcode::Binary, true, payload, SendOptions::DEFAULT) {
            self.push_frame(Opcode::Binary, true, payload);
        }
        Ok(())
    }

    /// Queues a message that was prepared once for many connections. A server keeps one of [`LARGE_PAYLOAD`] bytes
    /// or more by reference. Where messages are compressed without context takeover, it is compressed by the first
    /// connection that wants it so, for all others with at least that window.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame; [`UseError::MessageOpen`] while a fragmented message is open.
    pub fn prepared(&mut self, message: &PreparedMessage) -> Result<(), UseError> {
        self.begin_whole_message()?;
        if self.extensions.is_some() {
            if let Some(shared) = self.share_coded(message) {
                self.push_whole(&shared);
                return Ok(());
            }
            if self.push_coded(
                message.kind().opcode(),
                true,
                message.payload(),
                message.options(),
            ) {
                return Ok(());
            }
        }
        if self.masks.is_some() {
            self.push_frame(message.kind().opcode(), true, message.payload());
        } else {
            self.push_whole(message.frame());
        }
        Ok(())
    }

    /// Appends a whole unmasked frame, header and all.
    fn push_whole(&mut self, frame: &Bytes) {
        if frame.len() < LARGE_PAYLOAD {
            append(self.queue.tail(frame.len()), frame);
        } else {
            self.queue.push_shared(frame.clone());
        }
    }

    /// Queues whatever `message` is. A server keeps a payload of [`LARGE_PAYLOAD`] bytes or more by reference.
    ///
    /// # Errors
    /// Those of [`text`](Self::text), [`send_fragment`](Self::send_fragment), [`ping`](Self::ping) and
    /// [`pong`](Self::pong).
    pub fn message(&mut self, message: Message) -> Result<(), UseError> {
        self.message_with(message, SendOptions::DEFAULT)
    }

    /// [`message`](Self::message) with options.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn message_with(&mut self, message: Message, options: SendOptions) -> Result<(), UseError> {
        match message {
            Message::Text(text) => {
                self.begin_whole_message()?;
                self.push_owned(Opcode::Text, true, text.into_bytes(), options);
                Ok(())
            }
            Message::Binary(bytes) => {
                self.begin_whole_message()?;
                self.push_owned(Opcode::Binary, true, bytes, options);
                Ok(())
            }
            Message::Fragment(fragment) => {
                let opcode = self.next_fragment(fragment.kind, fragment.fin)?;
                self.push_owned(opcode, fragment.fin, fragment.payload, options);
                Ok(())
            }
            Message::Ping(payload) => self.ping(&payload),
            Message::Pong(payload) => self.pong(&payload),
        }
    }

    /// How many data frames were queued so far, wrapping: who compares two readings knows whether any was.
    #[must_use]
    pub fn data_frames(&self) -> u32 {
        self.data_frames
    }

    /// RFC 6455 §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
    #[inline]
    fn check_open(&self) -> Result<(), UseError> {
        match self.closing {
            Closing::Open => Ok(()),
            _ => Err(UseError::Closed),
        }
    }

    /// RFC 6455 §5.4: "the fragments of one message MUST NOT be interleaved between the fragments of another
    /// message".
    #[inline]
    fn begin_whole_message(&mut self) -> Result<(), UseError> {
        self.check_open()?;
        if self.open_message.is_some() {
            return Err(UseError::MessageOpen);
        }
        self.data_frames = self.data_frames.wrapping_add(1);
        Ok(())
    }

    /// Appends one frame. The payload is copied; a client masks the copy.
    #[inline]
    fn push_frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        match u8::try_from(payload.len()) {
            // RFC 6455 §5.2: up to 125 the length is one byte, so the whole header is two.
            Ok(short) if payload.len() <= MAX_CONTROL_PAYLOAD && self.masks.is_none() => {
                let chunk = self.queue.tail(2 + payload.len());
                chunk.extend_from_slice(&[u8::from(fin) << 7 | opcode.bits(), short]);
                chunk.extend_from_slice(payload);
            }
            _ => self.push_long_frame(opcode, fin, ReservedBits::NONE, payload),
        }
    }

    /// The same for any length, with reserved bits.
    fn push_long_frame(&mut self, opcode: Opcode, fin: bool, reserved: ReservedBits, payload: &[u8]) {
        let key = self.masks.as_mut().map(|masks| masks.0.next_key());
        let header = FrameHeader {
            fin,
            rsv: reserved.to_first_byte(),
            opcode,
            mask: key,
            payload_len: payload.len() as u64,
        };
        let mut bytes = [0; MAX_HEADER_LEN];
        let header_len = header.encode(&mut bytes);
        let chunk = self.queue.tail(header_len + payload.len());
        chunk.extend_from_slice(bytes.get(..header_len).unwrap_or(&bytes));
        let start = chunk.len();
        append(chunk, payload);
        if let (Some(key), Some(copy)) = (key, chunk.get_mut(start..)) {
            apply_mask(key, copy);
        }
    }

    /// Appends one frame whose payload may stay where it is.
    fn push_owned(&mut self, opcode: Opcode, fin: bool, payload: Bytes, options: SendOptions) {
        if self.push_coded(opcode, fin, &payload, options) {
            return;
        }
        if self.masks.is_some() || payload.len() < LARGE_PAYLOAD {
            self.push_frame(opcode, fin, &payload);
        } else {
            self.push_header(opcode, fin, payload.len());
            self.queue.push_shared(payload);
        }
    }

    /// Appends an unmasked header alone; its payload must follow.
    fn push_header(&mut self, opcode: Opcode, fin: bool, payload_len: usize) {
        let header = FrameHeader {
            fin,
            rsv: 0,
            opcode,
            mask: None,
            payload_len: payload_len as u64,
        };
        let mut bytes = [0; MAX_HEADER_LEN];
        let header_len = header.encode(&mut bytes);
        self.queue
            .tail(header_len)
            .extend_from_slice(bytes.get(..header_len).unwrap_or(&bytes));
    }
}
