//! Recipes for payloads: any message of a run can be made again from its sender and number, so nobody keeps it.
//!
//! From 24 bytes on a payload begins with run id, client and number in hexadecimal digits; shorter ones come from a
//! small set of contents, so that a multiset of them stays small however many are sent.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;
use ws_proto::MessageKind;

/// Payloads of at least this many bytes begin with 8 digits of run id, 6 of client and 10 of number.
pub(crate) const HEAD_LENGTH: usize = 24;

const RUN_DIGITS: usize = 8;
const CLIENT_DIGITS: usize = 6;

/// How many different contents messages too short for a head have.
pub(super) const SHORT_VARIETY: u64 = 64;

/// What text is made of: the word for "word", with characters of 1 to 4 bytes.
const WORDS: [&str; 32] = [
    "word ",
    "слово ",
    "λέξη ",
    "言葉",
    "단어 ",
    "الكلمة ",
    "מילה ",
    "शब्द ",
    "คำ",
    "từ ",
    "słowo ",
    "žodis ",
    "orð ",
    "sõna ",
    "szó ",
    "parola ",
    "palabra ",
    "mot ",
    "Wort, ",
    "woord ",
    "kelime ",
    "բառ ",
    "სიტყვა ",
    "ቃል ",
    "சொல் ",
    "词語",
    "ord. ",
    "cuvânt ",
    "🗨️ ",
    "fjalë ",
    "𝔴𝔬𝔯𝔡 ",
    "riječ\n",
];

/// Bits of randomness that choose a word, and how many words 64 bits choose.
const WORD_BITS: u32 = 5;
const WORDS_PER_DRAW: u32 = 64 / WORD_BITS;

/// A run id that differs from those of other runs on the same server, as far as 32 bits can.
pub(crate) fn fresh_run_id() -> u32 {
    // The standard library seeds every RandomState from the operating system; nothing secret depends on it.
    let random = RandomState::new().build_hasher().finish();
    (random >> 32) as u32 ^ random as u32
}

/// How to make every payload of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// Tells this run's messages from others'.
    pub(crate) run: u32,
    /// Text payloads are valid UTF-8 of exactly `size` bytes, binary ones any bytes.
    pub(crate) kind: MessageKind,
    /// Bytes of each payload.
    pub(crate) size: usize,
}

impl Recipe {
    /// The payload of message `number` of `client`; the same arguments always give the same bytes.
    pub(crate) fn payload(&self, client: usize, number: u64) -> Bytes {
        let mut payload = Vec::with_capacity(self.size);
        let seed = if self.has_head() {
            payload.extend_from_slice(format!("{:08x}{client:06x}{number:010x}", self.run).as_bytes());
            (client as u64).rotate_left(40) ^ number
        } else {
            number % SHORT_VARIETY
        };
        let mut random = Random(seed ^ u64::from(self.run).rotate_left(24));
        match self.kind {
            MessageKind::Text => fill_text(&mut payload, self.size, &mut random),
            MessageKind::Binary => fill_binary(&mut payload, self.size, &mut random),
        }
        Bytes::from(payload)
    }

    /// Whether the payloads are long enough to say whose they are.
    pub(crate) fn has_head(&self) -> bool {
        self.size >= HEAD_LENGTH
    }

    /// Client and number at the head of a payload of this run; None for anybody else's.
    pub(super) fn read_head(&self, payload: &[u8]) -> Option<(usize, u64)> {
        let head = std::str::from_utf8(payload.get(..HEAD_LENGTH)?).ok()?;
        // from_str_radix would take a sign.
        if !head.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let (run, rest) = head.split_at(RUN_DIGITS);
        let (client, number) = rest.split_at(CLIENT_DIGITS);
        let run = u32::from_str_radix(run, 16).ok()?;
        let client = usize::from_str_radix(client, 16).ok()?;
        let number = u64::from_str_radix(number, 16).ok()?;
        (run == self.run).then_some((client, number))
    }
}

/// Extends `payload` to `size` bytes with whole words, then with letters where no word fits.
fn fill_text(payload: &mut Vec<u8>, size: usize, random: &mut Random) {
    while payload.len() < size {
        let drawn = random.next();
        for place in 0..WORDS_PER_DRAW {
            let choice = (drawn >> (place * WORD_BITS)) as usize % WORDS.len();
            let left = size - payload.len();
            match WORDS.get(choice).filter(|word| word.len() <= left) {
                Some(word) => payload.extend_from_slice(word.as_bytes()),
                None if left > 0 => payload.push(b'a' + choice as u8 % 26),
                None => break,
            }
        }
    }
}

/// Extends `payload` to `size` bytes of anything.
fn fill_binary(payload: &mut Vec<u8>, size: usize, random: &mut Random) {
    while payload.len() < size {
        let bytes = random.next().to_le_bytes();
        let wanted = bytes.len().min(size - payload.len());
        payload.extend_from_slice(bytes.get(..wanted).unwrap_or(&bytes));
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): tiny, fast, and good enough that no two payloads look alike.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(kind: MessageKind, size: usize) -> Recipe {
        Recipe {
            run: 0xfeed_0042,
            kind,
            size,
        }
    }

    #[test]
    fn text_is_utf8_of_exactly_the_size() {
        for size in (0..300).chain([65_535, 65_536]) {
            for number in 0..4 {
                let payload = recipe(MessageKind::Text, size).payload(3, number);
                assert_eq!(payload.len(), size);
                assert!(std::str::from_utf8(&payload).is_ok(), "size {size}");
            }
        }
        let long = recipe(MessageKind::Text, 4096).payload(0, 0);
        assert!(
            !long.is_ascii(),
            "characters of several bytes are part of the mix"
        );
    }

    #[test]
    fn binary_has_exactly_the_size_and_is_not_text() {
        for size in [0, 1, 7, 8, 9, 125, 126, 65_536] {
            assert_eq!(recipe(MessageKind::Binary, size).payload(0, 0).len(), size);
        }
        assert!(std::str::from_utf8(&recipe(MessageKind::Binary, 4096).payload(0, 0)).is_err());
    }

    #[test]
    fn payloads_repeat_exactly_and_differ_by_run_client_and_number() {
        let recipe = recipe(MessageKind::Binary, 64);
        let payload = recipe.payload(5, 9);
        assert_eq!(payload, recipe.payload(5, 9));
        for other in [
            recipe.payload(6, 9),
            recipe.payload(5, 10),
            Recipe { run: 1, ..recipe }.payload(5, 9),
        ] {
            assert_ne!(payload, other);
            assert_ne!(
                payload[HEAD_LENGTH..],
                other[HEAD_LENGTH..],
                "not only the head differs"
            );
        }
    }

    #[test]
    fn the_head_tells_client_and_number_of_this_run_only() {
        let recipe = recipe(MessageKind::Text, 24);
        let payload = recipe.payload(0xabc, 1_000_000);
        assert_eq!(recipe.read_head(&payload), Some((0xabc, 1_000_000)));
        assert_eq!(Recipe { run: 1, ..recipe }.read_head(&payload), None);
        assert_eq!(recipe.read_head(&payload[..23]), None);
        assert_eq!(recipe.read_head(b"+eed0042000abc00000f4240"), None);
    }
}
