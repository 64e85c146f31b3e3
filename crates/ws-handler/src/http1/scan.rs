//! Where a head ends: a scan that looks at each byte once, however the bytes arrive, and keeps the limits.
//!
//! The grammar within the lines is `parse`'s. RFC 9112 §2.1, §2.2.

use super::search::position_below;
use crate::error::HeadError;
use crate::steps;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, the empty line at its end included. Default 16 KiB: room for cookies. Beyond: 431.
    pub total: usize,
    /// Bytes of the first line without its end. Default 8 KiB (RFC 9112 §3 recommends at least 8,000). Beyond: 414.
    pub first_line: usize,
    /// Header lines. Default 100. Beyond: 431.
    pub headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            total: 16 * 1024,
            first_line: 8 * 1024,
            headers: 100,
        }
    }
}

/// Which kind of head is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// A head found in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it begins: after empty lines.
    pub(super) start: usize,
    /// Where it ends: after its empty line.
    pub(super) end: usize,
    /// How many header lines it has.
    pub(super) headers: usize,
}

/// The state of a scan; positions count from the start of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The first byte not looked at yet.
    at: usize,
    /// Where the head begins.
    start: usize,
    /// Where the current line begins.
    line: usize,
    /// Complete lines so far.
    lines: usize,
    /// The byte before `at` is a CR.
    after_cr: bool,
}

impl Scan {
    /// Looks at the bytes it has not seen yet. The verdict on a byte depends only on the bytes before it, so it does
    /// not matter how the buffer grew.
    pub(super) fn run(
        &mut self,
        buffer: &[u8],
        kind: Kind,
        limits: &HeadLimits,
    ) -> Result<Option<Found>, HeadError> {
        loop {
            self.pass_over(buffer.get(self.at..).unwrap_or_default(), limits);
            let found = match buffer.get(self.at..) {
                Some([b'\r', b'\n', ..]) if !self.after_cr && self.at + 1 < limits.total => {
                    self.crlf(limits)?
                }
                Some([byte, ..]) => self.byte(*byte, kind, limits)?,
                _ => return Ok(None),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Passes over bytes inside a line at once, for which `byte` would only count: no ends of lines, and none at which a
    /// limit is reached.
    fn pass_over(&mut self, rest: &[u8], limits: &HeadLimits) {
        if self.after_cr || self.at == self.line {
            return;
        }
        let mut room = limits.total.saturating_sub(self.at + 1);
        if self.lines == 0 {
            room = room.min((self.line.saturating_add(limits.first_line)).saturating_sub(self.at));
        }
        let rest = rest.get(..room).unwrap_or(rest);
        // CR, LF and NUL are among the bytes up to CR; the others of them are rare in a head.
        let plain = position_below(rest, b'\r' + 1).unwrap_or(rest.len());
        (0..plain).for_each(|_| steps::step());
        self.at += plain;
    }

    /// A CR and an LF at once, for which `byte` would do the same, the first of them within the limit.
    fn crlf(&mut self, limits: &HeadLimits) -> Result<Option<Found>, HeadError> {
        (0..2).for_each(|_| steps::step());
        self.at += 2;
        match self.end_of_line(self.at - 1, limits)? {
            None if self.at >= limits.total => Err(HeadError::TooLarge),
            found => Ok(found),
        }
    }

    fn byte(&mut self, byte: u8, kind: Kind, limits: &HeadLimits) -> Result<Option<Found>, HeadError> {
        steps::step();
        let position = self.at;
        self.at += 1;
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => {
                if let Some(found) = self.end_of_line(position, limits)? {
                    return Ok(Some(found));
                }
            }
            // Also forbidden by RFC 9110 §5.5: "CR, LF, and NUL characters are invalid and dangerous".
            b'\n' | 0 => return Err(HeadError::LineEnd),
            _ if after_cr => return Err(HeadError::LineEnd),
            b'\r' => {}
            _ if self.lines == 0 => self.first_line(position, byte, kind, limits)?,
            _ => {}
        }
        // Empty lines before the head count, too: else they could go on forever.
        if self.at >= limits.total {
            Err(HeadError::TooLarge)
        } else {
            Ok(None)
        }
    }

    fn first_line(
        &self,
        position: usize,
        byte: u8,
        kind: Kind,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        let begins = match kind {
            Kind::Request => byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte),
            Kind::Response => byte == b'H',
        };
        if position == self.line && !begins {
            return Err(HeadError::NotHttp);
        }
        if self.at - self.line > limits.first_line {
            Err(HeadError::FirstLineTooLong)
        } else {
            Ok(())
        }
    }

    /// The LF at `position` ends a line.
    fn end_of_line(&mut self, position: usize, limits: &HeadLimits) -> Result<Option<Found>, HeadError> {
        let is_empty = position - self.line == 1;
        self.line = self.at;
        if !is_empty {
            self.lines += 1;
            // The first line is no header.
            return if self.lines > limits.headers.saturating_add(1) {
                Err(HeadError::TooManyHeaders)
            } else {
                Ok(None)
            };
        }
        if self.lines == 0 {
            // RFC 9112 §2.2: a server "SHOULD ignore at least one empty line (CRLF) received prior to the
            // request-line".
            self.start = self.at;
            return Ok(None);
        }
        if self.at > limits.total {
            return Err(HeadError::TooLarge);
        }
        Ok(Some(Found {
            start: self.start,
            end: self.at,
            headers: self.lines - 1,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &[u8], limits: HeadLimits) -> Result<Option<Found>, HeadError> {
        let whole = Scan::default().run(text, Kind::Request, &limits);
        let mut scan = Scan::default();
        let mut bytewise = Ok(None);
        for end in 0..=text.len() {
            bytewise = scan.run(&text[..end], Kind::Request, &limits);
            if !matches!(bytewise, Ok(None)) {
                break;
            }
        }
        assert_eq!(whole, bytewise, "{}", text.escape_ascii());
        whole
    }

    #[test]
    fn finds_the_end() {
        let found = |start, end, headers| Ok(Some(Found { start, end, headers }));
        let limits = HeadLimits::default();
        assert_eq!(scan(b"GET / HTTP/1.1\r\n\r\n", limits), found(0, 18, 0));
        assert_eq!(
            scan(b"\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nrest\n", limits),
            found(4, 28, 1)
        );
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n", limits), Ok(None));
        assert_eq!(scan(b"", limits), Ok(None));
    }

    #[test]
    fn refuses_other_line_ends() {
        let wrong: [&[u8]; 6] = [
            b"GET / HTTP/1.1\n\n",
            b"GET / HTTP/1.1\r\nA: b\n\r\n",
            b"GET / HTTP/1.1\rA: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            b"GET / HTTP/1.1\r\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: \0\r\n\r\n",
        ];
        for text in wrong {
            assert_eq!(scan(text, HeadLimits::default()), Err(HeadError::LineEnd));
        }
        assert_eq!(scan(b"\n", HeadLimits::default()), Err(HeadError::LineEnd));
    }

    #[test]
    fn other_protocols_are_seen_at_once() {
        assert_eq!(
            scan(b"\x16\x03\x01\x02\x00", HeadLimits::default()),
            Err(HeadError::NotHttp)
        );
        assert_eq!(scan(b" GET", HeadLimits::default()), Err(HeadError::NotHttp));
        let scan = Scan::default().run(b"SSH-2.0", Kind::Response, &HeadLimits::default());
        assert_eq!(scan, Err(HeadError::NotHttp));
    }

    /// Each byte is looked at once, at the ends of lines twice, also when it comes alone: twice as many bytes are twice as
    /// many steps.
    #[test]
    fn h15_a_head_in_single_bytes_takes_as_many_steps_as_it_has_bytes() {
        let limits = HeadLimits {
            total: usize::MAX,
            ..HeadLimits::default()
        };
        steps::assert_linear(|head| {
            let mut scan = Scan::default();
            for end in 0..=head.len() {
                assert_eq!(scan.run(&head[..end], Kind::Request, &limits), Ok(None));
            }
        });
    }

    #[test]
    fn each_limit_below_at_and_above() {
        let limits = HeadLimits {
            total: 40,
            first_line: 20,
            headers: 3,
        };
        let line = |length: usize| format!("{:x<length$}\r\n\r\n", "GET ");
        assert!(scan(line(19).as_bytes(), limits).unwrap().is_some());
        assert!(scan(line(20).as_bytes(), limits).unwrap().is_some());
        assert_eq!(
            scan(line(21).as_bytes(), limits),
            Err(HeadError::FirstLineTooLong)
        );
        let total = |length: usize| format!("GET /\r\nA: {}\r\n\r\n", "x".repeat(length - 14));
        assert!(scan(total(39).as_bytes(), limits).unwrap().is_some());
        assert!(scan(total(40).as_bytes(), limits).unwrap().is_some());
        assert_eq!(scan(total(41).as_bytes(), limits), Err(HeadError::TooLarge));
        assert_eq!(
            scan("\r\n".repeat(30).as_bytes(), limits),
            Err(HeadError::TooLarge)
        );
        let headers = |count: usize| format!("GET /\r\n{}\r\n", "A:\r\n".repeat(count));
        assert_eq!(scan(headers(3).as_bytes(), limits).unwrap().unwrap().headers, 3);
        assert_eq!(
            scan(headers(4).as_bytes(), limits),
            Err(HeadError::TooManyHeaders)
        );
    }
}
