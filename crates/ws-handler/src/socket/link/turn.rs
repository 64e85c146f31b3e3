//! How much a connection may do before others have their turn.
//!
//! Here: the count, and how much to read at once. Not here: reading and stepping aside (`wake`).

/// What a connection may do before it lets others have their turn, in bytes read. With large messages the detour over
/// the runtime's queue does not show after so many. (Tokio's own budget counts reads: 128 of them, of any length.)
const TURN: u32 = 256 * 1024;

/// What a frame counts on top of its bytes: to read its header, and to see whether it is legal, takes about as long as
/// reading so many.
const FRAME: u32 = 64;

/// What a message, ping or pong counts on top, in frames: a callback and an answer take about as long as reading 256
/// bytes. A message of 4 KiB counts 6 % more by it.
const MESSAGE: u32 = 4;

/// Below so many bytes a frame, which is 128 a message, on average, they are tiny.
const TINY: u32 = 32;

/// How much is read at once from a peer that sends tiny messages or frames: what is read is also answered before anybody
/// else has a turn, and with messages of a few bytes this is a whole turn (1,100 messages, a tenth of a millisecond). And
/// how much is read first from a peer that sends large ones: the rest is read where it is gathered, and need not be
/// copied. And from one that has said nothing yet: a full buffer of empty messages is two milliseconds of work.
const SHORT_READ: usize = 8 * 1024;

/// What was done since others had their turn.
#[derive(Debug)]
pub(super) struct Turn {
    bytes: u32,
    /// Frames, and messages as so many frames.
    frames: u32,
    /// A large message was among them.
    large: bool,
    /// The turn before brought tiny messages or large ones, or there was none.
    short: bool,
    /// What was received before has not been followed by the timers: the connection did not wait for input.
    owes: bool,
}

impl Default for Turn {
    /// The first turn.
    fn default() -> Self {
        Self::after(true)
    }
}

impl Turn {
    fn after(short: bool) -> Self {
        Self {
            bytes: 0,
            frames: 0,
            large: false,
            short,
            owes: false,
        }
    }

    /// So many bytes were read.
    pub(super) fn on_received(&mut self, count: usize) {
        // Far below 4 GiB.
        self.bytes = self.bytes.saturating_add(count as u32);
    }

    /// So many frames were among them, other than those that are counted as messages alone.
    #[inline]
    pub(super) fn on_frames(&mut self, count: u32) {
        self.frames = self.frames.wrapping_add(count);
    }

    /// One message, ping or pong came out of them.
    #[inline]
    pub(super) fn on_message(&mut self) {
        self.frames = self.frames.wrapping_add(MESSAGE);
    }

    /// One of them was gathered in a large buffer.
    pub(super) fn on_large(&mut self) {
        self.large = true;
    }

    /// Nothing was read, and no message taken, since others had their turn, and all before was looked after.
    pub(super) fn is_new(&self) -> bool {
        self.bytes == 0 && self.frames == 0 && !self.owes
    }

    /// The turn ended without a look at what it brought.
    pub(super) fn owe(&mut self) {
        self.owes = true;
    }

    /// Whether others are to have their turn before anything more is read.
    pub(super) fn is_over(&self) -> bool {
        self.bytes.saturating_add(self.frames.saturating_mul(FRAME)) >= TURN
    }

    /// The most that is to be read at once.
    pub(super) fn most(&self) -> usize {
        if self.is_short() { SHORT_READ } else { usize::MAX }
    }

    /// Others have their turn.
    pub(super) fn end(&mut self) {
        *self = Self::after(self.large || self.is_short());
    }

    fn is_short(&self) -> bool {
        if self.bytes == 0 {
            return self.short;
        }
        self.frames.saturating_mul(TINY) > self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_below_at_and_above_its_limit() {
        // Bytes alone, and bytes beside messages that count 256 each.
        for (messages, below) in [(0, 262_143), (1, 261_887), (1023, 255)] {
            for (bytes, over) in [(below, false), (below + 1, true), (below + 2, true)] {
                let mut turn = Turn::default();
                turn.on_received(bytes);
                (0..messages).for_each(|_| turn.on_message());
                assert_eq!(turn.is_over(), over, "{bytes} bytes and {messages} messages");
            }
        }
    }

    #[test]
    fn a_turn_ends_after_256_kib_however_they_are_cut() {
        let mut turn = Turn::default();
        turn.on_received(TURN as usize - 1);
        assert!(!turn.is_over());
        turn.on_received(1);
        assert!(turn.is_over());
        turn.end();
        assert!(!turn.is_over());
        turn.on_received(6 * 1024);
        (0..1000).for_each(|_| turn.on_message());
        assert!(turn.is_over(), "a thousand messages count like 256,000 bytes");
    }

    #[test]
    fn frames_count_a_quarter_of_a_message() {
        let mut turn = Turn::default();
        turn.on_received(7 * 3000);
        turn.on_frames(3000);
        assert_eq!(turn.most(), SHORT_READ, "they are tiny");
        assert!(!turn.is_over(), "213,000 bytes");
        turn.on_frames(800);
        assert!(turn.is_over());
        turn.end();
        assert_eq!(turn.most(), SHORT_READ, "it is remembered");
        turn.on_received(32 * 100);
        turn.on_frames(100);
        assert_eq!(turn.most(), usize::MAX);
    }

    #[test]
    fn after_tiny_messages_little_is_read_until_larger_ones_come() {
        let mut turn = Turn::default();
        assert_eq!(turn.most(), SHORT_READ, "nothing is known");
        turn.on_received(1);
        assert_eq!(turn.most(), usize::MAX, "of a message that has begun");
        turn.end();
        turn.on_received(1270);
        (0..10).for_each(|_| turn.on_message());
        assert_eq!(turn.most(), SHORT_READ);
        turn.end();
        assert_eq!(turn.most(), SHORT_READ, "it is remembered");
        turn.end();
        assert_eq!(turn.most(), SHORT_READ, "a turn without input teaches nothing");
        turn.on_received(SHORT_READ);
        assert_eq!(turn.most(), usize::MAX, "no message in so many bytes");
        turn.on_message();
        turn.end();
        assert_eq!(turn.most(), usize::MAX);
    }

    #[test]
    fn after_a_large_message_little_is_read_first_and_then_all() {
        let mut turn = Turn::default();
        turn.on_received(200_000);
        turn.on_large();
        turn.end();
        assert_eq!(turn.most(), SHORT_READ);
        turn.on_received(SHORT_READ);
        assert_eq!(turn.most(), usize::MAX, "of whatever it is");
        turn.end();
        assert_eq!(turn.most(), usize::MAX, "it was none");
    }
}
