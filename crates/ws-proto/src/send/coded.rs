//! Messages that extensions make something of (RFC 6455 §9, RFC 7692 §6): which ones, and what their frames look like.
//! The compressing is in `ext::deflate`, the order of extensions in `ext::chain`.

use bytes::Bytes;

use super::SendPath;
use super::options::SendOptions;
use super::prepared::{PreparedMessage, SharedFrame};
use crate::ext::{Compressor, ExtensionFrame, Outgoing, ReservedBits};
use crate::frame::{FrameHeader, MAX_HEADER_LEN, Opcode};
use crate::mask::apply_mask;

impl SendPath {
    /// Queues a data frame through the extensions. `false`: none of them does anything to it, and nothing was queued.
    #[inline]
    pub(super) fn push_coded(
        &mut self,
        opcode: Opcode,
        fin: bool,
        payload: &[u8],
        options: SendOptions,
    ) -> bool {
        self.extensions.is_some() && self.push_through_extensions(opcode, fin, payload, options)
    }

    fn push_through_extensions(
        &mut self,
        opcode: Opcode,
        fin: bool,
        payload: &[u8],
        options: SendOptions,
    ) -> bool {
        let Some(extensions) = &mut self.extensions else {
            return false;
        };
        let compressed = extensions.deflate.as_ref().is_some_and(|deflate| {
            if opcode == Opcode::Continuation {
                deflate.is_open()
            } else {
                options.compress && deflate.wants(payload.len())
            }
        });
        if extensions.has_frames() {
            self.push_frames(opcode, fin, payload, compressed);
            return true;
        }
        compressed && self.push_deflated(opcode, fin, payload)
    }

    /// Through every extension, one after the other.
    fn push_frames(&mut self, opcode: Opcode, fin: bool, payload: &[u8], compressed: bool) {
        let Some(mut extensions) = self.extensions.take() else {
            return;
        };
        let frame = ExtensionFrame {
            opcode,
            fin,
            reserved: ReservedBits::NONE,
            payload: payload.to_vec(),
        };
        extensions.encode(frame, compressed, &mut |frame| {
            self.push_long_frame(frame.opcode, frame.fin, frame.reserved, &frame.payload);
        });
        self.extensions = Some(extensions);
    }

    /// Compresses straight into the queue, behind room for the header. `false`: it did not shrink, need not be
    /// compressed, and was not queued.
    fn push_deflated(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) -> bool {
        let Some(deflate) = compressor(&mut self.extensions) else {
            return false;
        };
        let first = opcode != Opcode::Continuation;
        let header = |payload_len: usize, mask| FrameHeader {
            fin,
            // RFC 7692 §6.1: set "on the first fragment of a message" and on no other.
            rsv: if first {
                ReservedBits::RSV1
            } else {
                ReservedBits::NONE
            }
            .to_first_byte(),
            opcode,
            mask,
            payload_len: payload_len as u64,
        };
        let key = self.masks.as_mut().map(|masks| masks.0.next_key());
        let mut bytes = [0; MAX_HEADER_LEN];
        // Most messages shrink to less than 64 KiB, and most not below 126 bytes.
        let guess = header(payload.len().clamp(126, 0xFFFF), key).encode(&mut bytes);
        let chunk = self.queue.tail(guess + payload.len() / 2);
        let start = chunk.len();
        chunk.extend_from_slice(bytes.get(..guess).unwrap_or_default());
        deflate.compress(payload, fin, chunk);
        let length = chunk.len() - start - guess;
        // Only where the next message does not refer to this one (RFC 7692 §7.1.1) may it go out in another shape
        // than it went into the compressor.
        let whole = first && fin;
        if whole && length >= payload.len() && !deflate.has_takeover() && !deflate.always() {
            chunk.truncate(start);
            deflate.discard(payload.len(), length);
            return false;
        }
        if let (Some(key), Some(payload)) = (key, chunk.get_mut(start + guess..)) {
            apply_mask(key, payload);
        }
        let header_len = header(length, key).encode(&mut bytes);
        let head = bytes.get(..header_len).unwrap_or_default();
        chunk.splice(start..start + guess, head.iter().copied());
        true
    }

    /// The frame of a prepared message that is compressed once for all connections that can share it; `None` if
    /// this one cannot.
    pub(super) fn share_coded(&mut self, message: &PreparedMessage) -> Option<Bytes> {
        // A client masks every frame with another key.
        if self.masks.is_some() {
            return None;
        }
        let extensions = self
            .extensions
            .as_mut()
            .filter(|extensions| !extensions.has_frames())?;
        let deflate = extensions.deflate.as_mut()?;
        let length = message.payload().len();
        if !message.options().compress || !deflate.wants(length) || deflate.has_takeover() {
            return None;
        }
        if let Some(shared) = message.shared() {
            // RFC 7692 §7.1.2: what was compressed with a window can be read with any that is as large.
            let fits = shared.window_bits <= deflate.window_bits();
            return fits.then(|| {
                deflate.count_shared(length, shared.payload_len);
                shared.frame.clone()
            });
        }
        let mut payload = Vec::with_capacity(length / 2);
        deflate.compress(message.payload(), true, &mut payload);
        let shrunk = payload.len() < length || deflate.always();
        if !shrunk {
            deflate.discard(length, payload.len());
        }
        let shared = SharedFrame {
            window_bits: deflate.window_bits(),
            payload_len: if shrunk { payload.len() } else { length },
            frame: if shrunk {
                message.frame_of(ReservedBits::RSV1, &payload)
            } else {
                message.frame().clone()
            },
        };
        let frame = shared.frame.clone();
        message.share(shared);
        Some(frame)
    }

    /// Whether a compressor is held between messages: about 170 KiB at a window of 4 KiB. Only with context
    /// takeover, and only after the first compressed message; see [`detach`](Self::detach).
    #[inline]
    #[must_use]
    pub fn holds_compressor(&self) -> bool {
        match &self.extensions {
            Some(extensions) => extensions
                .deflate
                .as_ref()
                .is_some_and(|deflate| deflate.holds_codec()),
            None => false,
        }
    }

    /// The connection goes to wait, for whatever: gives the compressor back unless it is worth keeping until it goes on,
    /// and one more may be kept ([`CodecPool`](crate::CodecPool)). What comes next is the same on the wire.
    /// [`detach`](Self::detach) does this, too.
    pub fn end_turn(&mut self) {
        if let Some(deflate) = compressor(&mut self.extensions) {
            deflate.end_turn();
        }
    }

    /// Gives the compressor back and keeps only its history, at most the agreed window. The next message wakes
    /// another compressor with that history; nothing else changes.
    pub fn hibernate(&mut self) {
        if let Some(deflate) = compressor(&mut self.extensions) {
            deflate.give_back();
        }
    }

    /// Bytes of compressed messages so far, both ways of counting: before, and on the wire. (0, 0) without
    /// permessage-deflate.
    #[must_use]
    pub fn deflated_bytes(&self) -> (u64, u64) {
        self.extensions
            .as_ref()
            .and_then(|extensions| extensions.deflate.as_ref())
            .map_or((0, 0), |deflate| deflate.counted())
    }
}

/// What compresses, if that was agreed on.
fn compressor(extensions: &mut Option<Box<Outgoing>>) -> Option<&mut Compressor> {
    extensions.as_mut()?.deflate.as_mut()
}
