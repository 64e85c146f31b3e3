//! Gathering what did not arrive in one piece. It grows as bytes arrive, never from a declared length, and text
//! is gathered as text, so that nothing is validated twice.

use crate::copy::{append, append_text};
use crate::error::ProtocolError;
use crate::message::MessageKind;
use crate::utf8::Utf8Validator;

/// The one buffer of a connection in which an incomplete message, or frame, is gathered.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    buffer: Buffer,
    /// Where the payload begins: behind what lay in the buffer when it was [exchanged](Assembly::exchange).
    start: usize,
}

#[derive(Debug)]
enum Buffer {
    Bytes(Vec<u8>),
    /// Whole characters only; an unfinished one is in the validator.
    Text(String),
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
        }
    }
}

impl Assembly {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.bytes().len() - self.start
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes().get(self.start..).unwrap_or_default()
    }

    pub(super) fn text(&self) -> &str {
        match &self.buffer {
            Buffer::Bytes(_) => "",
            Buffer::Text(text) => text.get(self.start..).unwrap_or_default(),
        }
    }

    /// Appends a part of a message; of text, the characters that are whole now.
    pub(super) fn push(
        &mut self,
        kind: MessageKind,
        part: &[u8],
        utf8: &mut Utf8Validator,
    ) -> Result<(), ProtocolError> {
        match kind {
            MessageKind::Binary => self.push_bytes(part),
            MessageKind::Text => {
                let validated = utf8.push(part).map_err(|_| ProtocolError::TextUtf8)?;
                let text = self.as_text();
                text.extend(validated.completed.char());
                append_text(text, validated.text);
            }
        }
        Ok(())
    }

    /// Sees to it that `additional` bytes find room, growing by doubling but never beyond `limit` bytes of payload, so
    /// that a message of `limit` bytes, however it arrives, never takes twice that.
    pub(super) fn make_room(&mut self, additional: usize, limit: usize) {
        let room = self.capacity() - self.start;
        let wanted = self.len().saturating_add(additional);
        if wanted <= room {
            return;
        }
        let more = room.saturating_mul(2).min(limit).max(wanted) - self.len();
        match &mut self.buffer {
            Buffer::Bytes(bytes) => bytes.reserve_exact(more),
            Buffer::Text(text) => text.reserve_exact(more),
        }
    }

    /// Appends bytes, whatever they are.
    pub(super) fn push_bytes(&mut self, part: &[u8]) {
        append(self.as_bytes(), part);
    }

    /// The buffer that raw bytes can be appended to; `None` while text is gathered in it.
    pub(super) fn raw(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.buffer {
            Buffer::Bytes(bytes) => Some(bytes),
            Buffer::Text(_) => None,
        }
    }

    /// Empties it; the memory stays.
    pub(super) fn clear(&mut self) {
        match &mut self.buffer {
            Buffer::Bytes(bytes) => bytes.truncate(self.start),
            Buffer::Text(text) => text.truncate(self.start),
        }
    }

    pub(super) fn attach(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.capacity() > 0 {
            return Some(buffer);
        }
        buffer.clear();
        self.buffer = Buffer::Bytes(buffer);
        None
    }

    /// Moves to another buffer, behind what lies in it, and returns the old one, empty.
    pub(super) fn exchange(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let other = Self {
            start: buffer.len(),
            buffer: Buffer::Bytes(buffer),
        };
        let old = std::mem::replace(self, other);
        match &old.buffer {
            Buffer::Bytes(_) => append(self.as_bytes(), old.bytes()),
            Buffer::Text(_) => append_text(self.as_text(), old.text()),
        }
        old.emptied()
    }

    pub(super) fn detach(&mut self) -> Option<Vec<u8>> {
        if self.capacity() == 0 || !self.is_empty() {
            return None;
        }
        Some(std::mem::take(self).emptied())
    }

    pub(super) fn capacity(&self) -> usize {
        match &self.buffer {
            Buffer::Bytes(bytes) => bytes.capacity(),
            Buffer::Text(text) => text.capacity(),
        }
    }

    /// The memory, with nothing in it.
    fn emptied(self) -> Vec<u8> {
        let mut buffer = self.buffer.into_bytes();
        buffer.clear();
        buffer
    }

    /// As bytes; only ever switched while empty.
    fn as_bytes(&mut self) -> &mut Vec<u8> {
        if let Buffer::Text(_) = self.buffer {
            self.buffer = Buffer::Bytes(std::mem::take(&mut self.buffer).into_bytes());
        }
        match &mut self.buffer {
            Buffer::Bytes(bytes) => bytes,
            Buffer::Text(_) => unreachable!("switched to bytes above"),
        }
    }

    /// As text; only ever switched while empty, so that only what lies before the payload is checked.
    fn as_text(&mut self) -> &mut String {
        if let Buffer::Bytes(_) = self.buffer {
            let bytes = std::mem::take(&mut self.buffer).into_bytes();
            let text = String::from_utf8(bytes).unwrap_or_default();
            self.start = text.len();
            self.buffer = Buffer::Text(text);
        }
        match &mut self.buffer {
            Buffer::Text(text) => text,
            Buffer::Bytes(_) => unreachable!("switched to text above"),
        }
    }
}
