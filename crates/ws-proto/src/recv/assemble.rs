//! Gathering what did not arrive in one piece. It grows as bytes arrive, never from a declared length, and text
//! is gathered as text, so that nothing is validated twice.

use crate::copy::{append, append_text};
use crate::error::ProtocolError;
use crate::message::MessageKind;
use crate::utf8::Utf8Validator;

/// The one buffer of a connection in which an incomplete message, or frame, is gathered.
#[derive(Debug)]
pub(super) enum Assembly {
    Bytes(Vec<u8>),
    /// Whole characters only; an unfinished one is in the validator.
    Text(String),
}

impl Default for Assembly {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Assembly {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Bytes(_) => "",
            Self::Text(text) => text,
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

    /// Sees to it that `additional` bytes find room, growing by doubling but never beyond `limit` bytes, so that a
    /// message of `limit` bytes, however it arrives, never takes twice that.
    pub(super) fn make_room(&mut self, additional: usize, limit: usize) {
        let wanted = self.bytes().len().saturating_add(additional);
        if wanted <= self.capacity() {
            return;
        }
        let room = self.capacity().saturating_mul(2).min(limit).max(wanted) - self.bytes().len();
        match self {
            Self::Bytes(bytes) => bytes.reserve_exact(room),
            Self::Text(text) => text.reserve_exact(room),
        }
    }

    /// Appends bytes, whatever they are.
    pub(super) fn push_bytes(&mut self, part: &[u8]) {
        append(self.as_bytes(), part);
    }

    /// The buffer that raw bytes can be read into; `None` while text is gathered in it.
    pub(super) fn raw(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Text(_) => None,
        }
    }

    /// Empties it; the memory stays.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Bytes(bytes) => bytes.clear(),
            Self::Text(text) => text.clear(),
        }
    }

    pub(super) fn attach(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.capacity() > 0 {
            return Some(buffer);
        }
        buffer.clear();
        *self = Self::Bytes(buffer);
        None
    }

    /// Moves to another buffer and returns the old one, empty.
    pub(super) fn exchange(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.clear();
        let mut old = match self {
            Self::Bytes(bytes) => {
                append(&mut buffer, bytes);
                std::mem::replace(bytes, buffer)
            }
            Self::Text(text) => {
                // Empty, so there is nothing to check.
                let mut longer = String::from_utf8(buffer).unwrap_or_default();
                append_text(&mut longer, text);
                std::mem::replace(text, longer).into_bytes()
            }
        };
        old.clear();
        old
    }

    pub(super) fn detach(&mut self) -> Option<Vec<u8>> {
        if self.capacity() == 0 || !self.is_empty() {
            return None;
        }
        Some(std::mem::take(self).into_bytes())
    }

    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.capacity(),
            Self::Text(text) => text.capacity(),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
        }
    }

    /// As bytes; only ever switched while empty.
    fn as_bytes(&mut self) -> &mut Vec<u8> {
        if let Self::Text(_) = self {
            *self = Self::Bytes(std::mem::take(self).into_bytes());
        }
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(_) => unreachable!("switched to bytes above"),
        }
    }

    /// As text; only ever switched while empty, so that the check of the bytes costs nothing.
    fn as_text(&mut self) -> &mut String {
        if let Self::Bytes(_) = self {
            let mut bytes = std::mem::take(self).into_bytes();
            bytes.clear();
            *self = Self::Text(String::from_utf8(bytes).unwrap_or_default());
        }
        match self {
            Self::Text(text) => text,
            Self::Bytes(_) => unreachable!("switched to text above"),
        }
    }
}
