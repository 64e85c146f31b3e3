//! The two machines as `Decoder` and `Encoder` of tokio-util, for use with its `Framed` (feature `codec`).
//!
//! A codec cannot write by itself and has no clock: it answers no pings, sends no Close frame and has no timeouts.
//! Who wants those takes the socket of `ws-handler`, or [`Connection`](crate::Connection).

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::code::CloseCode;
use crate::config::Config;
use crate::error::{ProtocolError, UseError};
use crate::frame::{CloseEvent, CloseFrame};
use crate::mask::MaskGen;
use crate::message::{Fragment, Message};
use crate::recv::{Event, ReceivePath};
use crate::role::Role;
use crate::send::{CloseReason, SendPath};

/// What a [`WebSocketCodec`] yields, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Data, a ping or a pong. A ping has not been answered: send [`Message::Pong`] with its payload (RFC 6455
    /// §5.5.2).
    Message(Message),
    /// The peer's Close frame, the last item. To answer it, send it back (RFC 6455 §5.5.1). `None`: it was empty.
    Close(Option<CloseFrame>),
}

/// What can go wrong in a [`WebSocketCodec`].
#[derive(Debug)]
#[non_exhaustive]
pub enum CodecError {
    /// The transport failed.
    Io(io::Error),
    /// The peer broke a rule. The Close frame that says so is ready: sending any [`Received::Close`] writes it, and
    /// nothing else can be sent.
    Protocol(ProtocolError),
    /// The message cannot be sent now; the connection is unharmed.
    Use(UseError),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(_) => "transport failed",
            Self::Protocol(_) => "the peer broke the protocol",
            Self::Use(_) => "the message cannot be sent",
        })
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Use(error) => Some(error),
        }
    }
}

impl From<io::Error> for CodecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A [`Decoder`] that yields [`Received`], whole messages or fragments as [`Config::delivery`] says, and an [`Encoder`]
/// of [`Message`] and of [`Received`].
///
/// ```
/// # use std::sync::Arc;
/// use bytes::BytesMut;
/// use tokio_util::codec::{Decoder, Encoder};
/// use ws_proto::{Config, Message, Received, WebSocketCodec};
///
/// let mut codec = WebSocketCodec::server(Arc::new(Config::server()));
/// let mut input = BytesMut::from(&b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..]); // RFC 6455 §5.7
/// let Some(Received::Message(hello)) = codec.decode(&mut input)? else { panic!() };
/// assert_eq!(hello.as_text(), Some("Hello"));
///
/// let mut output = BytesMut::new();
/// codec.encode(hello, &mut output)?;
/// assert_eq!(&output[..], b"\x81\x05Hello");
/// # Ok::<(), ws_proto::CodecError>(())
/// ```
pub struct WebSocketCodec {
    receive: ReceivePath,
    send: SendPath,
}

impl WebSocketCodec {
    /// The codec of a server's end.
    #[must_use]
    pub fn server(config: Arc<Config>) -> Self {
        Self {
            receive: ReceivePath::new(Role::Server, config.clone()),
            send: SendPath::server(config),
        }
    }

    /// The codec of a client's end, with its source of masking keys.
    #[must_use]
    pub fn client(config: Arc<Config>, masks: Box<dyn MaskGen>) -> Self {
        Self {
            receive: ReceivePath::new(Role::Client, config.clone()),
            send: SendPath::client(config, masks),
        }
    }

    /// How the connection ended; `None` while neither the peer's Close frame nor a violation has come.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.send.close_reason()
    }

    /// Moves what the sending machine has encoded to `output`.
    fn flush(&mut self, output: &mut BytesMut) {
        output.reserve(self.send.remaining());
        output.put(&mut self.send);
    }
}

impl Decoder for WebSocketCodec {
    type Item = Received;
    type Error = CodecError;

    /// Takes all of `input` up to the end of the next item; what is incomplete is kept inside.
    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Received>, CodecError> {
        let available = input.len();
        let mut rest = &mut input[..];
        let result = match self.receive.next(&mut rest) {
            Ok(Some(Event::Close(close))) => {
                self.send.handle_close(close);
                Ok(Some(Received::Close(close.map(CloseEvent::to_owned))))
            }
            Ok(event) => Ok(event.and_then(owned).map(Received::Message)),
            Err(error) => {
                self.send.fail(&error);
                Err(CodecError::Protocol(error))
            }
        };
        let taken = available - rest.len();
        input.advance(taken);
        result
    }
}

/// The message of an event other than a close, copied.
fn owned(event: Event<'_>) -> Option<Message> {
    Some(match event {
        Event::Text(text) => Message::text(text),
        Event::Binary(bytes) => Message::from(bytes),
        Event::Ping(payload) => Message::Ping(Bytes::copy_from_slice(payload)),
        Event::Pong(payload) => Message::Pong(Bytes::copy_from_slice(payload)),
        Event::Fragment(fragment) => Message::Fragment(Fragment {
            kind: fragment.kind,
            first: fragment.first,
            fin: fragment.fin,
            payload: Bytes::copy_from_slice(fragment.payload),
        }),
        Event::Close(_) => return None,
    })
}

impl Encoder<Message> for WebSocketCodec {
    type Error = CodecError;

    fn encode(&mut self, message: Message, output: &mut BytesMut) -> Result<(), CodecError> {
        self.send.message(message).map_err(CodecError::Use)?;
        self.flush(output);
        Ok(())
    }
}

impl Encoder<Received> for WebSocketCodec {
    type Error = CodecError;

    /// A [`Received::Close`] begins the closing handshake, or answers it: after the peer's Close frame, or after an
    /// error, the one frame that is due is written and the argument does not matter.
    fn encode(&mut self, item: Received, output: &mut BytesMut) -> Result<(), CodecError> {
        match item {
            Received::Message(message) => self.send.message(message),
            Received::Close(frame) => {
                let reason: Option<(CloseCode, &str)> =
                    frame.as_ref().map(|frame| (frame.code, frame.reason.as_str()));
                self.send.close(reason)
            }
        }
        .map_err(CodecError::Use)?;
        self.flush(output);
        Ok(())
    }
}
