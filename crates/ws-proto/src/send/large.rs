//! Large payloads that are written straight from the caller's memory.
//!
//! Copying a large payload into the queue costs more than the header, and more memory than needed. A server may
//! leave it where it is: [`begin_large`](SendPath::begin_large) queues the header and a place for the payload, the
//! caller writes queue and payload together and reports what was accepted.

use crate::error::UseError;
use crate::frame::Opcode;
use crate::message::MessageKind;

use super::SendPath;
use super::options::SendOptions;

/// Payloads from this many bytes on are worth not copying: below it one more copy costs less than one more slice to
/// write and, for shared ones, a reference count.
pub const LARGE_PAYLOAD: usize = 16 * 1024;

impl SendPath {
    /// Begins a whole message of which the payload stays with the caller. Returns how many bytes at the end of
    /// `payload` the caller must write itself: all of them, or none if the payload was copied after all, because it
    /// is small, because it was compressed, or because this is a client, which masks.
    ///
    /// Then, until [`large_remaining`](Self::large_remaining) is 0: write what is queued
    /// ([`chunks_vectored`](bytes::Buf::chunks_vectored) ends where the payload begins) followed by the last
    /// `large_remaining` bytes of the payload, in one vectored write, and [`advance`](bytes::Buf::advance) by the sum
    /// that was accepted. A caller that gives up half way hands the rest over with
    /// [`finish_large`](Self::finish_large). Frames that are queued meanwhile go out after the payload.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use bytes::Buf;
    /// use ws_proto::{Config, MessageKind, SendOptions, SendPath};
    ///
    /// let mut send = SendPath::server(Arc::new(Config::server()));
    /// let payload = vec![7; 100_000];
    /// assert_eq!(send.begin_large(MessageKind::Binary, &payload, SendOptions::new())?, payload.len());
    /// assert_eq!(send.chunk(), [0x82, 127, 0, 0, 0, 0, 0, 1, 0x86, 0xA0]); // the header and nothing else
    /// send.advance(10 + 60_000); // the transport took the header and 60,000 bytes of `payload`
    /// let rest = &payload[payload.len() - send.large_remaining()..];
    /// assert_eq!(rest.len(), 40_000);
    /// send.finish_large(rest); // no patience: queue the rest
    /// assert_eq!(send.remaining(), 40_000);
    /// # Ok::<(), ws_proto::UseError>(())
    /// ```
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame; [`UseError::MessageOpen`] while a fragmented message is open.
    pub fn begin_large(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        options: SendOptions,
    ) -> Result<usize, UseError> {
        self.begin_whole_message()?;
        Ok(self.push_lent(kind.opcode(), true, payload, options))
    }

    /// The same for one frame of a fragmented message: [`send_fragment`](Self::send_fragment) without the copy.
    ///
    /// # Errors
    /// [`UseError::Closed`] after a Close frame; [`UseError::MessageOpen`] if a message of the other kind is open.
    pub fn begin_large_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: bool,
        options: SendOptions,
    ) -> Result<usize, UseError> {
        let opcode = self.next_fragment(kind, fin)?;
        Ok(self.push_lent(opcode, fin, payload, options))
    }

    fn push_lent(&mut self, opcode: Opcode, fin: bool, payload: &[u8], options: SendOptions) -> usize {
        if self.push_coded(opcode, fin, payload, options) {
            return 0;
        }
        // One payload is lent at a time: a second one is copied.
        if self.masks.is_some() || payload.len() < LARGE_PAYLOAD || self.queue.borrowed() > 0 {
            self.push_frame(opcode, fin, payload);
            return 0;
        }
        self.push_header(opcode, fin, payload.len());
        self.queue.push_borrowed(payload.len());
        payload.len()
    }

    /// Bytes of the lent payload that are not written yet: the caller's to write, after what
    /// [`chunks_vectored`](bytes::Buf::chunks_vectored) gives.
    #[must_use]
    pub fn large_remaining(&self) -> usize {
        self.queue.borrowed()
    }

    /// Copies the unwritten rest of the lent payload, its last [`large_remaining`](Self::large_remaining) bytes, into
    /// the queue. Does nothing when there is none.
    pub fn finish_large(&mut self, rest: &[u8]) {
        self.queue.keep_borrowed(rest);
    }
}
