//! A message that is encoded once and sent to many connections, as in a broadcast.

use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};

use super::options::SendOptions;
use crate::ext::ReservedBits;
use crate::frame::{FrameHeader, MAX_HEADER_LEN};
use crate::message::{Message, MessageKind};

/// A whole message encoded as one unmasked frame, header and payload in one shared buffer.
///
/// A server's frames are unmasked (RFC 6455 §5.1), so the same bytes go to every connection: cloning is one
/// reference count and moves one pointer, and queueing one of 16 KiB or more copies nothing. A client masks a copy with a fresh key.
///
/// ```
/// # use std::sync::Arc;
/// use bytes::Buf;
/// use ws_proto::{Config, PreparedMessage, SendPath};
///
/// let news = PreparedMessage::text("tea is ready");
/// let mut send = SendPath::server(Arc::new(Config::server()));
/// send.prepared(&news)?;
/// assert_eq!(send.chunk(), b"\x81\x0Ctea is ready");
/// # Ok::<(), ws_proto::UseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PreparedMessage {
    encoded: Arc<Encoded>,
}

/// What all clones share.
#[derive(Debug)]
struct Encoded {
    kind: MessageKind,
    header_len: usize,
    frame: Bytes,
    options: SendOptions,
    /// The same message compressed, once some connection wanted it so.
    shared: OnceLock<SharedFrame>,
}

/// A compressed frame for many connections.
#[derive(Debug)]
pub(super) struct SharedFrame {
    /// The window that it was compressed with.
    pub(super) window_bits: u8,
    /// Bytes of its payload.
    pub(super) payload_len: usize,
    pub(super) frame: Bytes,
}

/// The same kind, payload and options.
impl PartialEq for PreparedMessage {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (&*self.encoded, &*other.encoded);
        one.kind == two.kind && one.frame == two.frame && one.options == two.options
    }
}

impl Eq for PreparedMessage {}

impl PreparedMessage {
    /// Encodes a text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::encode(MessageKind::Text, text.as_bytes())
    }

    /// Encodes a binary message.
    #[must_use]
    pub fn binary(payload: &[u8]) -> Self {
        Self::encode(MessageKind::Binary, payload)
    }

    /// Encodes a whole message; `None` for a ping, a pong or a fragment.
    #[must_use]
    pub fn from_message(message: &Message) -> Option<Self> {
        match message {
            Message::Text(text) => Some(Self::text(text)),
            Message::Binary(bytes) => Some(Self::binary(bytes)),
            _ => None,
        }
    }

    fn encode(kind: MessageKind, payload: &[u8]) -> Self {
        let (header_len, frame) = encode(kind, ReservedBits::NONE, payload);
        Self::share_encoded(kind, header_len, frame, SendOptions::DEFAULT)
    }

    fn share_encoded(kind: MessageKind, header_len: usize, frame: Bytes, options: SendOptions) -> Self {
        Self {
            encoded: Arc::new(Encoded {
                kind,
                header_len,
                frame,
                options,
                shared: OnceLock::new(),
            }),
        }
    }

    /// The same with other options. Clones that were made before keep theirs.
    #[must_use]
    pub fn with_options(mut self, options: SendOptions) -> Self {
        if let Some(encoded) = Arc::get_mut(&mut self.encoded) {
            encoded.options = options;
            return self;
        }
        let Encoded {
            kind,
            header_len,
            frame,
            ..
        } = &*self.encoded;
        Self::share_encoded(*kind, *header_len, frame.clone(), options)
    }

    /// How it is sent.
    #[must_use]
    pub fn options(&self) -> SendOptions {
        self.encoded.options
    }

    /// Its compressed frame, if some connection has made one.
    pub(super) fn shared(&self) -> Option<&SharedFrame> {
        self.encoded.shared.get()
    }

    /// Keeps a compressed frame for other connections. If another thread was first, that one stays.
    pub(super) fn share(&self, frame: SharedFrame) {
        let _ = self.encoded.shared.set(frame);
    }

    /// The frame of such a message with another payload.
    pub(super) fn frame_of(&self, reserved: ReservedBits, payload: &[u8]) -> Bytes {
        encode(self.encoded.kind, reserved, payload).1
    }

    /// Text or binary.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.encoded.kind
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let Encoded {
            header_len, frame, ..
        } = &*self.encoded;
        frame.get(*header_len..).unwrap_or_default()
    }

    /// The unmasked frame, header and payload: what a server without extensions sends.
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        &self.encoded.frame
    }
}

/// One unmasked frame, and how long its header is.
fn encode(kind: MessageKind, reserved: ReservedBits, payload: &[u8]) -> (usize, Bytes) {
    let header = FrameHeader {
        fin: true,
        rsv: reserved.to_first_byte(),
        opcode: kind.opcode(),
        mask: None,
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; MAX_HEADER_LEN];
    let header_len = header.encode(&mut bytes);
    let mut frame = BytesMut::with_capacity(header_len + payload.len());
    frame.put_slice(bytes.get(..header_len).unwrap_or(&bytes));
    frame.put_slice(payload);
    (header_len, frame.freeze())
}

#[cfg(test)]
mod tests {
    use super::{PreparedMessage, SendOptions};
    use crate::message::{Message, MessageKind};

    #[test]
    fn one_frame_with_a_minimal_header() {
        for (length, header_len) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload = vec![7; length];
            let message = PreparedMessage::binary(&payload);
            assert_eq!(message.frame().len(), header_len + length);
            assert_eq!(message.payload(), payload);
            assert_eq!(message.kind(), MessageKind::Binary);
        }
    }

    #[test]
    fn a_clone_is_a_pointer_and_keeps_its_options() {
        assert_eq!(size_of::<PreparedMessage>(), size_of::<usize>());
        let first = PreparedMessage::text("x");
        let plain = SendOptions::new().compress(false);
        let second = first.clone().with_options(plain);
        assert_eq!((first.options(), second.options()), (SendOptions::new(), plain));
        assert_eq!(first.frame().as_ptr(), second.frame().as_ptr());
        assert_ne!(first, second);
        assert_eq!(first.with_options(plain), second);
    }

    #[test]
    fn only_whole_messages_can_be_prepared() {
        assert!(PreparedMessage::from_message(&Message::text("x")).is_some());
        assert!(PreparedMessage::from_message(&Message::Ping("x".into())).is_none());
    }
}
