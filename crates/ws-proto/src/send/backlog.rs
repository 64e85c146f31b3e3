//! What waits in the outgoing queue: encoded frames in the order in which they go out. It knows bytes and their order,
//! nothing of frames; those are laid out in `send`. Not here: that an idle connection has none of this (`queue`).
//!
//! Small frames lie end to end in one chunk, so that a batch of replies is one contiguous write. Payloads that
//! are worth not copying keep their place in the order as a piece beside the chunk.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Places for pieces that are worth keeping; 48 bytes each.
const MAX_PIECES_KEPT: usize = 32;

/// Encoded bytes in the order in which they go out.
#[derive(Default)]
pub(super) struct Backlog {
    /// Copied bytes; what stands before `head` is written already.
    chunk: Vec<u8>,
    /// Index of the first unwritten byte of `chunk`.
    head: usize,
    /// What is not in `chunk`, first to go first. `at` never decreases, `head <= at <= chunk.len()`.
    pieces: VecDeque<Piece>,
    /// Unwritten bytes of all shared pieces.
    shared: usize,
}

/// A payload that goes out when `head` has reached `at`. Never empty.
struct Piece {
    at: usize,
    body: Body,
}

enum Body {
    /// Held by reference.
    Shared(Bytes),
    /// Not held at all: the caller owns these bytes and writes them itself. At most one piece is of this kind.
    Borrowed(usize),
}

impl Backlog {
    /// Bytes held and not written. Bytes that the caller lends are not counted: they are not ours.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.chunk.len() - self.head + self.shared
    }

    /// Whether nothing at all waits, neither held nor borrowed.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.chunk.len() && self.pieces.is_empty()
    }

    /// The end of the chunk, with room for `additional` more bytes.
    #[inline]
    pub(super) fn tail(&mut self, additional: usize) -> &mut Vec<u8> {
        if self.chunk.capacity() - self.chunk.len() < additional {
            self.make_room(additional);
        }
        &mut self.chunk
    }

    #[cold]
    fn make_room(&mut self, additional: usize) {
        // Moving the unwritten rest to the front costs no more than what was written since the last time.
        if self.head >= self.chunk.len() - self.head {
            self.chunk.drain(..self.head);
            for piece in &mut self.pieces {
                piece.at -= self.head;
            }
            self.head = 0;
        }
        self.chunk.reserve(additional);
    }

    /// Appends a payload by reference.
    pub(super) fn push_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.shared += bytes.len();
            let at = self.chunk.len();
            self.pieces.push_back(Piece {
                at,
                body: Body::Shared(bytes),
            });
        }
    }

    /// Appends a place for `len` bytes that the caller keeps and writes itself.
    pub(super) fn push_borrowed(&mut self, len: usize) {
        debug_assert_eq!(self.borrowed(), 0, "one borrowed payload at a time");
        if len > 0 {
            let at = self.chunk.len();
            self.pieces.push_back(Piece {
                at,
                body: Body::Borrowed(len),
            });
        }
    }

    /// Unwritten bytes of the borrowed payload.
    pub(super) fn borrowed(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| match &piece.body {
                Body::Borrowed(len) => *len,
                Body::Shared(_) => 0,
            })
            .sum()
    }

    /// Takes over the unwritten rest of the borrowed payload. A `rest` of another length is cut to fit or the
    /// missing bytes are zeros, so that the frame keeps its declared length whatever happens.
    pub(super) fn keep_borrowed(&mut self, rest: &[u8]) {
        for piece in &mut self.pieces {
            if let Body::Borrowed(len) = piece.body {
                debug_assert_eq!(len, rest.len(), "exactly the unwritten rest is kept");
                let mut kept = Vec::with_capacity(len);
                kept.extend_from_slice(rest.get(..len).unwrap_or(rest));
                kept.resize(len, 0);
                self.shared += len;
                piece.body = Body::Shared(kept.into());
            }
        }
    }

    /// Accounts for `count` written bytes, those of the borrowed payload included. More than there are is the
    /// same as all.
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        if self.pieces.is_empty() {
            self.head += count.min(self.chunk.len() - self.head);
        } else {
            self.advance_pieces(count);
        }
        if self.is_empty() {
            self.chunk.clear();
            self.head = 0;
        }
    }

    fn advance_pieces(&mut self, mut count: usize) {
        while count > 0 {
            let stop = self.pieces.front().map_or(self.chunk.len(), |piece| piece.at);
            let step = count.min(stop - self.head);
            self.head += step;
            count -= step;
            let Some(piece) = self.pieces.front_mut() else {
                return;
            };
            let (step, done) = match &mut piece.body {
                Body::Shared(bytes) => {
                    let step = count.min(bytes.len());
                    bytes.advance(step);
                    self.shared -= step;
                    (step, bytes.is_empty())
                }
                Body::Borrowed(len) => {
                    let step = count.min(*len);
                    *len -= step;
                    (step, *len == 0)
                }
            };
            count -= step;
            if done {
                self.pieces.pop_front();
            }
        }
    }

    /// Bytes that can be written from here: all up to the borrowed payload.
    #[inline]
    pub(super) fn ready(&self) -> usize {
        if self.pieces.is_empty() {
            return self.chunk.len() - self.head;
        }
        let mut shared = 0;
        for piece in &self.pieces {
            match &piece.body {
                Body::Shared(bytes) => shared += bytes.len(),
                Body::Borrowed(_) => return piece.at - self.head + shared,
            }
        }
        self.chunk.len() - self.head + shared
    }

    /// The first contiguous bytes; empty when nothing is ready.
    #[inline]
    pub(super) fn first(&self) -> &[u8] {
        let Some(piece) = self.pieces.front() else {
            return self.inline(self.head, self.chunk.len());
        };
        match &piece.body {
            Body::Shared(bytes) if piece.at == self.head => bytes,
            _ => self.inline(self.head, piece.at),
        }
    }

    /// Fills `slices` with what is ready, in order; returns how many were filled.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut put = |bytes: &'a [u8]| {
            if bytes.is_empty() {
                return true;
            }
            let Some(slot) = slices.get_mut(filled) else {
                return false;
            };
            *slot = IoSlice::new(bytes);
            filled += 1;
            true
        };
        let mut from = self.head;
        for piece in &self.pieces {
            if !put(self.inline(from, piece.at)) {
                return filled;
            }
            from = piece.at;
            match &piece.body {
                Body::Shared(bytes) if put(bytes) => {}
                _ => return filled,
            }
        }
        put(self.inline(from, self.chunk.len()));
        filled
    }

    fn inline(&self, from: usize, to: usize) -> &[u8] {
        self.chunk.get(from..to).unwrap_or_default()
    }

    /// Forgets everything that waits.
    pub(super) fn clear(&mut self) {
        self.chunk.clear();
        self.head = 0;
        self.pieces.clear();
        self.shared = 0;
    }

    /// Bytes that the chunk takes.
    pub(super) fn capacity(&self) -> usize {
        self.chunk.capacity()
    }

    /// Gives up what an unusual crowd of pieces has left.
    pub(super) fn trim(&mut self) {
        if self.pieces.capacity() > MAX_PIECES_KEPT {
            self.pieces = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use bytes::Bytes;

    use super::Backlog;

    /// a, shared B, c, borrowed D (4 bytes), e
    fn mixed() -> Backlog {
        let mut backlog = Backlog::default();
        backlog.tail(2).extend_from_slice(b"aa");
        backlog.push_shared(Bytes::from_static(b"BBB"));
        backlog.tail(1).extend_from_slice(b"c");
        backlog.push_borrowed(4);
        backlog.tail(2).extend_from_slice(b"ee");
        backlog
    }

    fn ready_bytes(backlog: &Backlog) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = backlog.slices(&mut slices);
        let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(bytes.len(), backlog.ready());
        assert!(bytes.starts_with(backlog.first()));
        assert_eq!(backlog.first().is_empty(), bytes.is_empty());
        bytes
    }

    #[test]
    fn order_is_kept_whatever_the_writes() {
        let lent = b"DDDD";
        for step in 1..=12 {
            let mut backlog = mixed();
            let mut out = Vec::new();
            while !backlog.is_empty() {
                let mut next = ready_bytes(&backlog);
                let borrowed = backlog.borrowed();
                if backlog.len() > next.len() || borrowed > 0 {
                    next.extend_from_slice(&lent[4 - borrowed..]);
                }
                next.truncate(step);
                backlog.advance(next.len());
                out.extend(next);
            }
            assert_eq!(out, b"aaBBBcDDDDee", "in steps of {step}");
            assert_eq!(backlog.len(), 0);
        }
    }

    #[test]
    fn the_rest_of_a_borrowed_payload_can_be_kept() {
        let mut backlog = mixed();
        backlog.advance(8);
        assert_eq!((backlog.borrowed(), backlog.ready(), backlog.len()), (2, 0, 2));
        backlog.keep_borrowed(b"XY");
        assert_eq!((backlog.borrowed(), backlog.len()), (0, 4));
        assert_eq!(ready_bytes(&backlog), b"XYee");
    }

    #[test]
    fn a_backlog_that_is_never_empty_does_not_grow_for_ever() {
        let mut backlog = Backlog::default();
        backlog.tail(100).extend_from_slice(&[0; 100]);
        for _ in 0..100_000 {
            backlog.tail(10).extend_from_slice(&[1; 10]);
            backlog.advance(10);
        }
        assert_eq!(backlog.len(), 100);
        assert!(backlog.chunk.capacity() < 1000, "{}", backlog.chunk.capacity());
    }

    #[test]
    fn compaction_moves_the_pieces_along() {
        let mut backlog = mixed();
        backlog.keep_borrowed(b"DDDD");
        backlog.advance(6);
        backlog.make_room(10_000);
        assert_eq!(ready_bytes(&backlog), b"DDDDee");
    }
}
