//! Streaming UTF-8 validation (RFC 6455 §8.1): fails inside a frame as soon as the bytes are wrong, and carries
//! at most three bytes of an unfinished character from one part to the next.

use std::fmt;

use crate::steps;

/// The bytes are not UTF-8, and nothing that could follow would make them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

/// What [`Utf8Validator::push`] found in one part of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Validated<'a> {
    /// The character that began in an earlier part and was completed by this one (else empty).
    pub completed: Completed,
    /// The whole characters of this part after that.
    pub text: &'a str,
}

/// A character whose bytes came in several parts: at most four bytes, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed(Option<char>);

impl Completed {
    /// The character, if there was one.
    #[must_use]
    pub fn char(self) -> Option<char> {
        self.0
    }
}

/// Validates text that comes in parts, cut anywhere. The receiving half has one of its own; who sends text in fragments
/// ([`SendPath::send_fragment`](crate::SendPath::send_fragment)) and does not know it to be UTF-8 can use one, too.
///
/// ```
/// use ws_proto::{InvalidUtf8, Utf8Validator};
///
/// let mut validator = Utf8Validator::new();
/// assert_eq!(validator.push(b"caf\xC3")?.text, "caf");
/// assert!(!validator.is_complete());
/// assert_eq!(validator.push(b"\xA9!")?.completed.char(), Some('é'));
/// assert!(validator.push(b"\xFF").is_err());
/// # Ok::<(), InvalidUtf8>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Utf8Validator {
    /// The bytes of an unfinished character; the first `len` count. Always a proper prefix of a character.
    carry: [u8; 3],
    len: u8,
}

impl Utf8Validator {
    /// A validator at the start of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            carry: [0; 3],
            len: 0,
        }
    }

    /// Whether the text could end here: no character is unfinished.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything: the next part starts a new text.
    pub fn reset(&mut self) {
        self.len = 0;
    }

    /// Takes the next part of the text and gives back the characters that are whole now.
    ///
    /// # Errors
    /// [`InvalidUtf8`] as soon as the bytes so far cannot be the start of any UTF-8 text. After that only
    /// [`reset`](Self::reset) makes sense.
    #[inline]
    pub fn push<'a>(&mut self, part: &'a [u8]) -> Result<Validated<'a>, InvalidUtf8> {
        steps::steps(part.len());
        if self.len == 0 {
            return Ok(Validated {
                completed: Completed(None),
                text: self.take_whole(part)?,
            });
        }
        let (completed, rest) = self.complete(part)?;
        let text = if self.len == 0 { self.take_whole(rest)? } else { "" };
        Ok(Validated { completed, text })
    }

    /// Adds bytes of `part` to the carried character until it is whole; gives back what follows it.
    #[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "proved in the body"))]
    fn complete<'a>(&mut self, part: &'a [u8]) -> Result<(Completed, &'a [u8]), InvalidUtf8> {
        let mut character = [0; 4];
        let carried = usize::from(self.len);
        // No index below can fail: `len` is at most 3, since only `carry_over` raises it, within `carry`; the loop takes no
        // more than `part` has, and no more than fits behind the carried bytes in 4.
        character[..carried].copy_from_slice(&self.carry[..carried]);
        for taken in 1..=part.len().min(4 - carried) {
            character[carried + taken - 1] = part[taken - 1];
            match std::str::from_utf8(&character[..carried + taken]) {
                Ok(whole) => {
                    self.len = 0;
                    return Ok((Completed(whole.chars().next()), &part[taken..]));
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        self.carry_over(&character[..carried + part.len().min(4 - carried)])?;
        Ok((Completed(None), &[]))
    }

    /// The whole characters at the start of `part`; an unfinished one at its end is carried over.
    #[inline]
    fn take_whole<'a>(&mut self, part: &'a [u8]) -> Result<&'a str, InvalidUtf8> {
        match simdutf8::basic::from_utf8(part) {
            Ok(text) => Ok(text),
            Err(_) => self.take_cut(part),
        }
    }

    /// The same where the fast check said no: wrong, or only cut inside its last character.
    #[cold]
    fn take_cut<'a>(&mut self, part: &'a [u8]) -> Result<&'a str, InvalidUtf8> {
        match simdutf8::compat::from_utf8(part) {
            Ok(text) => Ok(text),
            Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
            Err(error) => {
                let (whole, unfinished) = part.split_at(error.valid_up_to());
                self.carry_over(unfinished)?;
                // Checked a second time, and only for a part that ends inside a character.
                simdutf8::basic::from_utf8(whole).map_err(|_| InvalidUtf8)
            }
        }
    }

    fn carry_over(&mut self, unfinished: &[u8]) -> Result<(), InvalidUtf8> {
        let carry = self.carry.get_mut(..unfinished.len()).ok_or(InvalidUtf8)?;
        carry.copy_from_slice(unfinished);
        self.len = u8::try_from(unfinished.len()).map_err(|_| InvalidUtf8)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidUtf8, Utf8Validator};

    /// Feeds `text` in two parts; gives the text back, or at which byte it was refused.
    fn in_two_parts(text: &[u8], cut: usize) -> Result<(String, bool), InvalidUtf8> {
        let mut validator = Utf8Validator::new();
        let mut out = String::new();
        for part in [&text[..cut], &text[cut..]] {
            let validated = validator.push(part)?;
            out.extend(validated.completed.char());
            out.push_str(validated.text);
        }
        Ok((out, validator.is_complete()))
    }

    #[test]
    fn agrees_with_std_at_every_cut() {
        let texts: [&[u8]; 12] = [
            b"plain",
            "κόσμε".as_bytes(),
            "a\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}z".as_bytes(),
            b"\xC0\x80",
            b"\xED\xA0\x80",
            b"\xF4\x90\x80\x80",
            b"\xF0\x80\x80\x80",
            b"ok\xFF",
            b"\x80",
            b"\xE2\x82",
            b"\xF0\x9F\x98",
            b"",
        ];
        for text in texts {
            let expected = std::str::from_utf8(text);
            for cut in 0..=text.len() {
                match (&expected, in_two_parts(text, cut)) {
                    (Ok(expected), found) => assert_eq!(found, Ok(((*expected).to_owned(), true))),
                    (Err(error), found) if error.error_len().is_some() => assert_eq!(found, Err(InvalidUtf8)),
                    (Err(_), found) => assert!(!found.unwrap().1, "{text:?} ends inside a character"),
                }
            }
        }
    }

    #[test]
    fn one_byte_at_a_time_fails_at_the_first_impossible_byte() {
        // Autobahn 6.4: the text is wrong from its 13th byte on (F4 90 is beyond U+10FFFF).
        let text = b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited";
        let mut validator = Utf8Validator::new();
        let refused = text.iter().position(|byte| validator.push(&[*byte]).is_err());
        assert_eq!(refused, Some(12));
    }
}
