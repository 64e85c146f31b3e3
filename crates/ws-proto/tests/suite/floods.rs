//! Floods and peers that do not read: W01, W03, W04, F27, F29.

use ws_proto::{Config, Initiator, MAX_CONTROL_PAYLOAD, ProtocolError};

use crate::pair::{Pair, Seen, masked, seconds};

/// No ping budget, so that only the queue protects.
fn unbudgeted() -> Config {
    let mut config = Config::server();
    config.limits.ping_budget = None;
    config
}

#[test]
fn ten_pings_in_one_read_get_ten_pongs() {
    let mut pair = Pair::new();
    for n in 0..10 {
        pair.client.connection.sender().ping(&[n]).unwrap();
    }
    pair.run();
    let pongs: Vec<Seen> = (0..10).map(|n| Seen::Pong(vec![n])).collect();
    assert_eq!(pair.client.seen, pongs);
}

#[test]
fn w01_a_million_pings_from_a_peer_that_never_reads_hold_one_pong() {
    let mut pair = Pair::with(Config::client(), unbudgeted());
    pair.server.stuck = true;
    pair.server.text("does not get through");
    pair.run();
    let queued = pair.server.connection.sender().queued_bytes();
    let batch: Vec<u8> = masked(&b"\x89\x04ping".repeat(10_000));
    for _ in 0..100 {
        pair.inject_to_server(&batch);
        pair.run();
        assert_eq!(pair.server.connection.sender().queued_bytes(), queued);
        assert_eq!(pair.server.take_seen().len(), 10_000);
    }
    pair.inject_to_server(&masked(b"\x89\x04last"));
    pair.run();
    pair.server.stuck = false;
    pair.run();
    assert_eq!(
        pair.client.seen,
        [
            Seen::Text("does not get through".into()),
            Seen::Pong(b"last".to_vec())
        ]
    );
}

#[test]
fn w01_a_million_pings_in_one_batch_stay_below_the_hard_limit() {
    let mut pair = Pair::with(Config::client(), unbudgeted());
    let mut ping = vec![0x89, 125];
    ping.extend([7; MAX_CONTROL_PAYLOAD]);
    pair.server.stuck = true;
    pair.inject_to_server(&masked(&ping.repeat(50_000)));
    // Nobody has told the queue that the transport is stuck: the hard limit holds.
    pair.run();
    let hard = pair.server.connection.sender().config().limits.hard_queue;
    let queued = pair.server.connection.sender().queued_bytes();
    assert!(queued <= hard + 2 + MAX_CONTROL_PAYLOAD, "{queued}");
    assert!(queued > hard / 2, "and it was used");
}

#[test]
fn w03_a_million_empty_texts_are_delivered_and_nothing_is_held() {
    let mut pair = Pair::new();
    let batch = masked(&b"\x81\x00".repeat(100_000));
    for _ in 0..10 {
        pair.inject_to_server(&batch);
        pair.run();
        let seen = pair.server.take_seen();
        assert_eq!(seen.len(), 100_000);
        assert!(seen.iter().all(|seen| *seen == Seen::Text(String::new())));
    }
    assert_eq!(pair.server.connection.sender().queued_bytes(), 0);
}

#[test]
fn w04_of_a_million_close_frames_the_first_counts() {
    let mut pair = Pair::new();
    pair.inject_to_server(&masked(&b"\x88\x02\x0F\xA0".repeat(1_000_000)));
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Close(Some((4000, String::new())))]);
    assert_eq!(pair.server.wire, b"\x88\x02\x0F\xA0");
}

#[test]
fn f27_random_bytes_end_in_a_known_code_or_wait() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for seed in 0..10_000 {
        let mut pair = Pair::with(Config::client(), unbudgeted());
        let mut bytes: Vec<u8> = (0..1 + random() % 120)
            .map(|_| random().to_le_bytes()[3])
            .collect();
        if seed % 2 == 0 {
            // Half of them begin like a frame, so as to get past the first two bytes.
            bytes[0] = bytes[0] & 0x8F | 0x80;
            bytes.insert(1, 0x80 | bytes[0] & 0x7F);
        }
        pair.inject_to_server(&bytes);
        pair.run();
        match pair.server.ending() {
            None => {}
            Some((1002 | 1007 | 1009, Initiator::Local, false)) => {
                assert!(matches!(pair.server.seen.last(), Some(Seen::Error(_))));
            }
            Some((_, Initiator::Remote, true)) => {
                assert!(matches!(pair.server.seen.last(), Some(Seen::Close(_))));
            }
            other => panic!("{bytes:02X?}: {other:?}"),
        }
        pair.sleep(seconds(60));
        if pair.server.ending().is_none() {
            // Only whole frames came, so that nothing is owed.
            pair.client.text("still alive");
            pair.run();
            assert_eq!(
                pair.server.seen.last(),
                Some(&Seen::Text("still alive".into())),
                "{bytes:02X?}"
            );
        }
    }
}

#[test]
fn f29_ten_thousand_tiny_frames_in_one_write_are_all_delivered() {
    let mut pair = Pair::new();
    let frames: Vec<u8> = (0..10_000_u16)
        .flat_map(|n| {
            let [high, low] = n.to_be_bytes();
            [0x82, 2, high, low]
        })
        .collect();
    pair.inject_to_server(&masked(&frames));
    pair.run();
    assert_eq!(pair.server.seen.len(), 10_000);
    for (n, seen) in pair.server.seen.iter().enumerate() {
        assert_eq!(
            *seen,
            Seen::Binary(u16::try_from(n).unwrap().to_be_bytes().to_vec())
        );
    }
}

#[test]
fn after_an_error_whatever_follows_is_neither_seen_nor_answered() {
    let mut pair = Pair::new();
    pair.inject_to_server(&masked(b"\x89\x01a\x83\x00\x89\x01b\x88\x00"));
    pair.run();
    assert_eq!(
        pair.server.seen,
        [
            Seen::Ping(b"a".to_vec()),
            Seen::Error(ProtocolError::ReservedOpcode(3))
        ]
    );
    assert_eq!(pair.client.seen[0], Seen::Pong(b"a".to_vec()));
    assert_eq!(
        pair.client.seen[1],
        Seen::Close(Some((1002, "reserved opcode".into())))
    );
    assert_eq!(pair.client.seen.len(), 2);
}
