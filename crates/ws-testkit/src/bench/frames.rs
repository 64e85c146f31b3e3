//! Payloads become masked frames, compressed if that was agreed on: the stream of one connection.
//!
//! RFC 6455 §5.3, §5.4; RFC 7692 §7.2.1.

use std::sync::Arc;

use bytes::Buf as _;
use ws_proto::{Config, Extensions, MaskKey, MessageKind, SendPath};

/// The messages of a batch as they are on the wire.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// The frames of all messages, one after the other.
    pub(super) bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    ends: Vec<usize>,
}

impl Wire {
    /// Where the first `messages` of the batch end in its bytes.
    pub(super) fn end(&self, messages: usize) -> usize {
        messages
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(if messages == 0 { 0 } else { self.bytes.len() })
    }
}

/// One stream: with context takeover each message may refer to those before it.
pub(super) struct Frames {
    path: SendPath,
    kind: MessageKind,
    fragments: usize,
}

impl Frames {
    pub(super) fn new(kind: MessageKind, fragments: usize, seed: u32, extensions: &Extensions) -> Self {
        let mut key = seed;
        // RFC 6455 §5.3 wants keys that nobody can foresee; here nobody is to be fooled, and runs are to be alike.
        let masks = move || {
            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            MaskKey(key.to_be_bytes())
        };
        Self {
            path: SendPath::client(Arc::new(Config::client()), Box::new(masks)).with_extensions(extensions),
            kind,
            fragments,
        }
    }

    /// The next messages of the stream.
    pub(super) fn wire(&mut self, payloads: &[Vec<u8>]) -> Wire {
        let mut wire = Wire::default();
        for payload in payloads {
            self.push(payload);
            while self.path.has_remaining() {
                let chunk = self.path.chunk();
                wire.bytes.extend_from_slice(chunk);
                let written = chunk.len();
                self.path.advance(written);
            }
            wire.ends.push(wire.bytes.len());
        }
        wire
    }

    /// Queues a message in frames of about the same size.
    fn push(&mut self, payload: &[u8]) {
        let mut rest = payload;
        for number in 0..self.fragments {
            // Rounded up, so that it is the last frames that are a byte shorter.
            let length = rest.len().div_ceil(self.fragments - number);
            let (part, after) = rest.split_at(length);
            rest = after;
            let fin = number + 1 == self.fragments;
            let queued = self.path.send_fragment(self.kind, part, fin);
            debug_assert_eq!(queued, Ok(()), "the path is open, and fragments come in order");
        }
    }
}
