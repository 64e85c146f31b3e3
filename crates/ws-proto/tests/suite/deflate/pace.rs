//! Which connections keep a compressor between their turns.

use std::sync::Arc;

use ws_proto::{Config, MessageKind, SendPath};

use super::strict::Strict;
use super::{SharedPool, Terms, json, sent};

/// A few dozen turns of others, after which a compressor has left the caches.
const LONG: usize = 24;

/// Connections of one thread, and what their peers inflate with.
struct Crowd {
    connections: Vec<(SendPath, Strict)>,
    pool: &'static SharedPool,
    said: u32,
}

impl Crowd {
    fn new(size: usize, bits: u8, level: u8, pool: &'static SharedPool) -> Self {
        let (_, server) = Terms::of(bits, true).agree(0, level);
        let server = server.with_pool(pool);
        let connect = |_| {
            let send = SendPath::server(Arc::new(Config::server())).with_extensions(&server);
            (send, Strict::new(bits, true))
        };
        Self {
            connections: (0..size).map(connect).collect(),
            pool,
            said: 0,
        }
    }

    /// One of them sends two messages and goes to wait; both can be read. Returns the length of the second on the wire.
    fn turn(&mut self, of: usize) -> usize {
        let (send, strict) = &mut self.connections[of];
        let mut length = 0;
        for _ in 0..2 {
            self.said += 1;
            let text = json(300, self.said % 7);
            send.text(&text).unwrap();
            assert!(send.holds_compressor(), "for the rest of the turn");
            let (header, payload) = sent(send).remove(0);
            assert_eq!(header.rsv, 0x40);
            assert_eq!(strict.message(&payload).unwrap(), text.as_bytes());
            length = payload.len();
        }
        let _ = send.detach();
        length
    }

    /// All of them, one after the other.
    fn round(&mut self) {
        for one in 0..self.connections.len() {
            self.turn(one);
        }
    }

    fn holders(&self) -> usize {
        let holds = |(send, _): &&(SendPath, Strict)| send.holds_compressor();
        self.connections.iter().filter(holds).count()
    }
}

#[test]
fn few_keep_their_compressors_and_many_share_one() {
    for (size, keep) in [(1, 1), (LONG, LONG), (LONG + 1, 0), (100, 0)] {
        let mut crowd = Crowd::new(size, 15, 6, SharedPool::leaked());
        crowd.round();
        assert_eq!(crowd.holders(), 0, "who has spoken once may never do so again");
        assert_eq!(crowd.pool.idle().1, 1, "one serves all");
        for _ in 0..3 {
            crowd.round();
            assert_eq!(crowd.holders(), keep, "{size} in turn");
        }
        assert_eq!(crowd.pool.kept(), keep);
        crowd.connections.clear();
        assert_eq!(crowd.pool.kept(), 0);
    }
}

#[test]
fn who_comes_back_late_gives_its_compressor_back_and_loses_no_context() {
    let mut crowd = Crowd::new(LONG + 2, 15, 6, SharedPool::leaked());
    crowd.turn(0);
    let alone = crowd.turn(0);
    assert_eq!((crowd.holders(), crowd.pool.kept()), (1, 1));
    for other in 1..=LONG {
        crowd.turn(other);
    }
    let late = crowd.turn(0);
    assert_eq!((crowd.holders(), crowd.pool.kept()), (0, 0));
    crowd.turn(0);
    let soon = crowd.turn(0);
    assert_eq!((crowd.holders(), crowd.pool.kept()), (1, 1), "twice in a row");
    assert!(late <= alone && soon <= alone, "{alone} {late} {soon}");
}

#[test]
fn a_fast_level_with_a_large_window_is_kept_however_late() {
    for (bits, level, keep) in [(15, 3, 40), (15, 4, 0), (14, 3, 40), (13, 1, 0), (9, 9, 0)] {
        let mut crowd = Crowd::new(40, bits, level, SharedPool::leaked());
        crowd.round();
        crowd.round();
        assert_eq!(crowd.holders(), keep, "{bits} bits, level {level}");
    }
}

#[test]
fn no_more_are_kept_than_the_pool_lets() {
    for most in [0, 7, 8, 20] {
        let pool = SharedPool::leaked_with(most);
        let mut crowd = Crowd::new(8, 12, 1, pool);
        crowd.round();
        crowd.round();
        crowd.round();
        assert_eq!(crowd.holders(), most.min(8));
        assert_eq!(pool.kept(), most.min(8));
        for (send, _) in &mut crowd.connections {
            send.hibernate();
        }
        assert_eq!((crowd.holders(), pool.kept()), (0, 0));
    }
}

#[test]
fn a_message_that_is_open_goes_on_with_another_compressor() {
    for takeover in [true, false] {
        let pool = SharedPool::leaked_with(0);
        let (_, server) = Terms::of(12, takeover).agree(0, 1);
        let mut send = SendPath::server(Arc::new(Config::server())).with_extensions(&server.with_pool(pool));
        let mut strict = Strict::new(12, takeover);
        for round in 0..3 {
            let text = json(9_000, round);
            let mut payload = Vec::new();
            for (number, part) in text.as_bytes().chunks(2_000).enumerate() {
                send.send_fragment(MessageKind::Text, part, number == 4).unwrap();
                payload.extend(sent(&mut send).remove(0).1);
                send.end_turn();
                assert!(!send.holds_compressor() && pool.idle().1 == 1);
            }
            assert!(
                payload.len() < 4_500,
                "with what was said before: {}",
                payload.len()
            );
            assert_eq!(strict.message(&payload).unwrap(), text.as_bytes());
        }
    }
}

#[test]
fn a_message_that_is_open_may_keep_its_compressor() {
    let pool = SharedPool::leaked();
    let mut crowd = Crowd::new(1, 12, 1, pool);
    crowd.turn(0);
    let (send, strict) = &mut crowd.connections[0];
    send.send_fragment(MessageKind::Binary, b"some, ", false).unwrap();
    let mut payload = sent(send).remove(0).1;
    let _ = send.detach();
    assert!(send.holds_compressor() && pool.idle().1 == 0);
    send.send_fragment(MessageKind::Binary, b"and some", true)
        .unwrap();
    payload.extend(sent(send).remove(0).1);
    let _ = send.detach();
    assert!(send.holds_compressor(), "its two turns were near each other");
    assert_eq!(strict.message(&payload).unwrap(), b"some, and some");
}
