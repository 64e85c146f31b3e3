//! An inflater that is slow, plain, independent of the library's backend, and strict about the window: no reference
//! goes further back than agreed, whatever happens to be there. RFC 1951.

const LENGTH_BASE: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
    227, 258,
];
const LENGTH_EXTRA: [u32; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASE: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
    4097, 6145, 8193, 12_289, 16_385, 24_577,
];
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<usize, String> {
        let byte = self.bytes.get(self.at / 8).ok_or("input ends inside a block")?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(usize::from(bit))
    }

    fn take(&mut self, count: u32) -> Result<usize, String> {
        (0..count).try_fold(0, |sum, place| Ok(sum | self.bit()? << place))
    }
}

/// A canonical Huffman code: how many codes of each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        for length in lengths {
            counts[*length] += 1;
        }
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| (lengths[*symbol], *symbol));
        Self { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, String> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.bit()?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("no such code".to_owned())
    }
}

/// Inflates one direction of a connection, message by message.
pub(crate) struct Strict {
    window: usize,
    takeover: bool,
    /// Everything that came out since references were last allowed to reach back.
    seen: Vec<u8>,
    /// The longest distance that was used.
    pub(crate) furthest: usize,
}

impl Strict {
    pub(crate) fn new(window_bits: u8, takeover: bool) -> Self {
        Self {
            window: 1 << window_bits,
            takeover,
            seen: Vec::new(),
            furthest: 0,
        }
    }

    /// The message whose compressed payload this is (RFC 7692 §7.2.2).
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut payload = payload.to_vec();
        payload.extend([0x00, 0x00, 0xFF, 0xFF]);
        if !self.takeover {
            self.seen.clear();
        }
        let start = self.seen.len();
        let mut bits = Bits {
            bytes: &payload,
            at: 0,
        };
        while bits.at < payload.len() * 8 {
            let last = bits.bit()?;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => {
                    let lengths: Vec<_> = (0..288)
                        .map(|symbol| match symbol {
                            0..=143 => 8,
                            144..=255 => 9,
                            256..=279 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.codes(&mut bits, &Code::new(&lengths), &Code::new(&[5; 30]))?;
                }
                2 => self.dynamic(&mut bits)?,
                _ => return Err("block type 3".to_owned()),
            }
            if last == 1 {
                bits.at = bits.at.div_ceil(8) * 8;
            }
        }
        Ok(self.seen[start..].to_vec())
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), String> {
        bits.at = bits.at.div_ceil(8) * 8;
        let (length, check) = (bits.take(16)?, bits.take(16)?);
        if length != !check & 0xFFFF {
            return Err("stored length".to_owned());
        }
        for _ in 0..length {
            let byte = bits.take(8)?;
            self.seen.push(u8::try_from(byte).unwrap());
        }
        Ok(())
    }

    fn dynamic(&mut self, bits: &mut Bits<'_>) -> Result<(), String> {
        let (literals, distances, codes) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
        let mut lengths = vec![0; 19];
        for place in &ORDER[..codes] {
            lengths[*place] = bits.take(3)?;
        }
        let code = Code::new(&lengths);
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match code.symbol(bits)? {
                16 => (*lengths.last().ok_or("nothing to repeat")?, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                18 => (0, 11 + bits.take(7)?),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        let (literal, distance) = lengths.split_at(literals);
        self.codes(bits, &Code::new(literal), &Code::new(distance))
    }

    fn codes(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) -> Result<(), String> {
        loop {
            match literals.symbol(bits)? {
                literal @ 0..=255 => self.seen.push(u8::try_from(literal).unwrap()),
                256 => return Ok(()),
                symbol => {
                    let symbol = symbol - 257;
                    let length =
                        LENGTH_BASE.get(symbol).ok_or("length symbol")? + bits.take(LENGTH_EXTRA[symbol])?;
                    let symbol = distances.symbol(bits)?;
                    let extra = u32::try_from(symbol / 2).unwrap().saturating_sub(1);
                    let distance = DISTANCE_BASE.get(symbol).ok_or("distance symbol")? + bits.take(extra)?;
                    self.copy(length, distance)?;
                }
            }
        }
    }

    fn copy(&mut self, length: usize, distance: usize) -> Result<(), String> {
        if distance > self.window || distance > self.seen.len() {
            return Err(format!("distance {distance} with a window of {}", self.window));
        }
        self.furthest = self.furthest.max(distance);
        for _ in 0..length {
            self.seen.push(self.seen[self.seen.len() - distance]);
        }
        Ok(())
    }
}
