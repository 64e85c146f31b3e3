//! Answers as they come in, in any pieces: frames are taken apart, payloads compared with what was sent.
//!
//! What is looked at is the minimum: opcodes and FIN, the length of every message, its first and last bytes, or
//! all of them. UTF-8 is not checked again: equal bytes are. Of a compressed message only the frames are looked at
//! here; `inflated` looks into it. RFC 6455 §5.2, §5.4, §5.5, RFC 7692 §6.

use ws_proto::{FrameHeader, MAX_HEADER_LEN, Opcode, ReservedBits};

/// So many bytes at each end of a message are compared, unless all are.
const EDGE: usize = 8;

/// What the next answer must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) opcode: Opcode,
    pub(super) payload: &'a [u8],
}

/// What was found in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole message, as expected.
    Answer,
    /// The server asks; the payload must go back in a pong.
    Ping(Vec<u8>),
    /// The server closes; the payload of its close frame.
    Close(Vec<u8>),
}

/// Reads one connection's answers.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The beginning of a header that is cut.
    head: [u8; MAX_HEADER_LEN],
    head_len: usize,
    /// The frame whose payload is being read.
    frame: Option<FrameHeader>,
    /// Bytes of its payload that are still to come.
    missing: u64,
    /// Bytes of the message that were seen.
    seen: usize,
    /// Whether the message has begun: its next frame is a continuation.
    begun: bool,
    /// Whether messages may be compressed.
    may_compress: bool,
    /// Whether this one is.
    compressed: bool,
    /// The payload of a control frame.
    control: Vec<u8>,
}

impl Replies {
    /// Replies on a connection on which compression was agreed on, or not.
    pub(super) fn new(may_compress: bool) -> Self {
        Self {
            may_compress,
            ..Self::default()
        }
    }

    /// Takes from the input up to the end of the next answer or control frame; None when the input is used up.
    ///
    /// # Errors
    /// What is wrong with the answer. Nothing is to be read after that.
    pub(super) fn next(
        &mut self,
        input: &mut &[u8],
        expected: Option<Expected<'_>>,
        all: bool,
    ) -> Result<Option<Found>, String> {
        loop {
            let Some(frame) = self.frame else {
                match self.read_header(input)? {
                    Some(header) => self.begin_frame(header, expected)?,
                    None => return Ok(None),
                }
                continue;
            };
            let taken = usize::try_from(self.missing).map_or(input.len(), |missing| missing.min(input.len()));
            let (chunk, rest) = input.split_at(taken);
            *input = rest;
            self.missing -= taken as u64;
            if frame.opcode.is_control() {
                self.control.extend_from_slice(chunk);
            } else {
                if !self.compressed {
                    let payload = expected.map_or(&[][..], |expected| expected.payload);
                    compare(payload, self.seen, chunk, all)?;
                }
                self.seen += taken;
            }
            if self.missing > 0 {
                return Ok(None);
            }
            self.frame = None;
            if let Some(found) = self.end_frame(frame, expected)? {
                return Ok(Some(found));
            }
        }
    }

    /// The next header, once it is complete.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<FrameHeader>, String> {
        let broken = |error: ws_proto::ProtocolError| format!("the server broke the protocol: {error}");
        if self.head_len == 0 {
            if let Some((header, length)) = FrameHeader::parse(input).map_err(broken)? {
                *input = input.get(length..).unwrap_or_default();
                return Ok(Some(header));
            }
        }
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            if let Some(place) = self.head.get_mut(self.head_len) {
                *place = *byte;
                self.head_len += 1;
            }
            let head = self.head.get(..self.head_len).unwrap_or_default();
            if let Some((header, _)) = FrameHeader::parse(head).map_err(broken)? {
                self.head_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Everything that a header alone can get wrong.
    fn begin_frame(&mut self, header: FrameHeader, expected: Option<Expected<'_>>) -> Result<(), String> {
        // RFC 6455 §5.1: "A server MUST NOT mask any frames that it sends to the client."
        // RFC 7692 §6: only the first frame of a message says that it is compressed.
        let begins = !header.opcode.is_control() && !self.begun;
        let compressed = header.rsv == ReservedBits::RSV1.to_first_byte() && begins && self.may_compress;
        if header.mask.is_some() || (header.rsv != 0 && !compressed) {
            return Err("a frame of the server is masked or has reserved bits".into());
        }
        self.missing = header.payload_len;
        self.frame = Some(header);
        if header.opcode.is_control() {
            // At most 125 bytes: `FrameHeader::parse` refuses more.
            self.control.clear();
            return Ok(());
        }
        let Some(expected) = expected else {
            return Err("a message came that nobody asked for".into());
        };
        // RFC 6455 §5.4: the first frame has the opcode of the message, the others are continuations.
        let wanted = if self.begun {
            Opcode::Continuation
        } else {
            expected.opcode
        };
        if header.opcode != wanted {
            return Err(format!("a frame is {:?} instead of {wanted:?}", header.opcode));
        }
        if begins {
            self.compressed = compressed;
        }
        self.begun = true;
        if self.compressed {
            return Ok(());
        }
        let length = (self.seen as u64).saturating_add(header.payload_len);
        let right = expected.payload.len() as u64;
        if length > right || (header.fin && length < right) {
            return Err(format!("an answer has {length} bytes instead of {right}"));
        }
        Ok(())
    }

    /// A frame is complete: a control frame stands for itself, the last data frame for its message.
    fn end_frame(
        &mut self,
        frame: FrameHeader,
        expected: Option<Expected<'_>>,
    ) -> Result<Option<Found>, String> {
        match frame.opcode {
            Opcode::Ping => Ok(Some(Found::Ping(std::mem::take(&mut self.control)))),
            Opcode::Close => Ok(Some(Found::Close(std::mem::take(&mut self.control)))),
            Opcode::Pong => Ok(None),
            _ if !frame.fin => Ok(None),
            _ => {
                let right = expected.map_or(0, |expected| expected.payload.len());
                debug_assert!(
                    self.seen == right || self.compressed,
                    "begin_frame compares the lengths"
                );
                self.seen = 0;
                self.begun = false;
                Ok(Some(Found::Answer))
            }
        }
    }
}

/// Compares a piece of an answer that begins at `offset` with what was sent: at both ends of the message, or all.
fn compare(payload: &[u8], offset: usize, chunk: &[u8], all: bool) -> Result<(), String> {
    let end = offset + chunk.len();
    let tail = payload.len().saturating_sub(EDGE);
    let same = |from: usize, to: usize| {
        let (from, to) = (from.max(offset), to.min(end));
        from >= to || payload.get(from..to) == chunk.get(from - offset..to - offset)
    };
    let right = if all || payload.len() <= 2 * EDGE {
        same(0, payload.len())
    } else {
        same(0, EDGE) && same(tail, payload.len())
    };
    if right {
        Ok(())
    } else {
        Err(format!(
            "an answer differs from what was sent, between bytes {offset} and {end}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::RawFrame;

    const SENT: &[u8] = b"abcdefgh 0123456789 ijklmnop";

    fn read(bytes: &[u8], step: usize, all: bool) -> Result<Vec<Found>, String> {
        let expected = Some(Expected {
            opcode: Opcode::Text,
            payload: SENT,
        });
        let (mut replies, mut found) = (Replies::default(), Vec::new());
        for mut piece in bytes.chunks(step) {
            while let Some(one) = replies.next(&mut piece, expected, all)? {
                found.push(one);
            }
        }
        Ok(found)
    }

    fn frames(frames: &[RawFrame]) -> Vec<u8> {
        frames.iter().flat_map(RawFrame::encode).collect()
    }

    #[test]
    fn answers_are_found_however_the_input_is_cut() {
        let (first, last) = SENT.split_at(11);
        let bytes = frames(&[
            RawFrame::text(SENT),
            RawFrame::text(first).unfinished(),
            RawFrame::ping("why"),
            RawFrame::pong("x"),
            RawFrame::continuation("").unfinished(),
            RawFrame::continuation(last),
            RawFrame::close(1001, "bye"),
        ]);
        let close = [&1001_u16.to_be_bytes()[..], b"bye"].concat();
        for step in 1..=bytes.len() {
            for all in [false, true] {
                let found = read(&bytes, step, all).unwrap();
                let ping = Found::Ping(b"why".to_vec());
                assert_eq!(
                    found,
                    [Found::Answer, ping, Found::Answer, Found::Close(close.clone())],
                    "{step}"
                );
            }
        }
    }

    #[test]
    fn wrong_answers_are_refused() {
        let short = &SENT[..SENT.len() - 1];
        let long = [SENT, b"x"].concat();
        for (bytes, reason) in [
            (frames(&[RawFrame::binary(SENT)]), "Binary"),
            (frames(&[RawFrame::continuation(SENT)]), "Continuation"),
            (
                frames(&[RawFrame::text(SENT).unfinished(), RawFrame::text("")]),
                "Text",
            ),
            (frames(&[RawFrame::text(short)]), "27 bytes instead of 28"),
            (frames(&[RawFrame::text(long)]), "29 bytes instead of 28"),
            (frames(&[RawFrame::text(SENT).masked([1; 4])]), "masked"),
            (frames(&[RawFrame::text(SENT).reserved(4)]), "reserved"),
            (frames(&[RawFrame::new(3, "")]), "protocol"),
        ] {
            let refused = read(&bytes, 5, false).unwrap_err();
            assert!(refused.contains(reason), "{reason}: {refused}");
        }
        let nobody = Replies::default().next(&mut &frames(&[RawFrame::text("a")])[..], None, false);
        assert!(nobody.unwrap_err().contains("nobody"));
    }

    #[test]
    fn compressed_answers_are_taken_where_that_was_agreed_on_and_only_there() {
        // The first frame alone has the bit, and lengths tell nothing.
        let bytes = frames(&[
            RawFrame::text("abc").reserved(4).unfinished(),
            RawFrame::ping("why"),
            RawFrame::continuation("d"),
            RawFrame::text(SENT),
            RawFrame::text("").reserved(4),
        ]);
        let read = |bytes: &[u8], may_compress| {
            let expected = Some(Expected {
                opcode: Opcode::Text,
                payload: SENT,
            });
            let (mut replies, mut found) = (Replies::new(may_compress), Vec::new());
            for mut piece in bytes.chunks(2) {
                while let Some(one) = replies.next(&mut piece, expected, true)? {
                    found.push(one);
                }
            }
            Ok::<_, String>(found)
        };
        let ping = Found::Ping(b"why".to_vec());
        let all = [ping, Found::Answer, Found::Answer, Found::Answer];
        assert_eq!(read(&bytes, true).unwrap(), all);
        assert!(read(&bytes, false).unwrap_err().contains("reserved"));
        for wrong in [
            &[
                RawFrame::text("a").unfinished(),
                RawFrame::continuation("").reserved(4),
            ][..],
            &[RawFrame::ping("a").reserved(4)],
            &[RawFrame::text("a").reserved(2)],
        ] {
            assert!(read(&frames(wrong), true).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_byte_counts_with_verify_and_both_ends_without() {
        for place in 0..SENT.len() {
            let mut other = SENT.to_vec();
            other[place] ^= 1;
            let bytes = frames(&[RawFrame::text(other)]);
            assert!(read(&bytes, 3, true).is_err(), "byte {place}");
            let at_an_end = place < EDGE || place >= SENT.len() - EDGE;
            assert_eq!(read(&bytes, 3, false).is_err(), at_an_end, "byte {place}");
        }
    }
}
