//! Compressed messages that are sent: which ones, never beyond the window, never out of step with the peer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use ws_proto::{Config, Message, MessageKind, Opcode, PreparedMessage, SendOptions, SendPath};

use super::strict::Strict;
use super::{SharedPool, Terms, json, noise, sent};
use crate::pair::{Pair, Seen};

#[test]
fn our_output_never_exceeds_the_agreed_window() {
    for bits in 8..=15 {
        for takeover in [true, false] {
            for level in [1, 2, 4, 6] {
                let terms = Terms::of(bits, takeover);
                let mut send = if level == 2 {
                    terms.client_send(0, level)
                } else {
                    terms.server_send(0, level)
                };
                let mut strict = Strict::new(bits, takeover);
                // Messages that repeat one another at distances around the window, and one that is longer.
                let early = noise(300, 77);
                let window = 1_usize << bits;
                for round in 0..24_u32 {
                    let message = match round % 6 {
                        0 => early.clone(),
                        1 => json(1000, round).into_bytes(),
                        2 => noise(window / 16 * (round as usize / 2 + 1), 3),
                        3 => json(window + 3000, 5).into_bytes(),
                        4 => [early.clone(), noise(window.saturating_sub(280), 4), early.clone()].concat(),
                        _ => vec![b'r'; 5000],
                    };
                    send.binary(&message).unwrap();
                    if round % 7 == 0 {
                        send.hibernate();
                    }
                    let frames = sent(&mut send);
                    let [(header, payload)] = frames.as_slice() else {
                        panic!("one frame")
                    };
                    assert_eq!(header.rsv, 0x40);
                    let inflated = strict.message(payload);
                    assert!(
                        inflated.as_ref().is_ok_and(|bytes| *bytes == message),
                        "{bits} bits, takeover {takeover}, level {level}, round {round}: {:?}",
                        inflated.err()
                    );
                }
                assert!(strict.furthest <= window);
                if bits == 8 {
                    assert_eq!(strict.furthest, 1, "run lengths only");
                } else {
                    assert!(strict.furthest > 200, "the window is used: {}", strict.furthest);
                }
            }
        }
    }
}

/// Payload and whether it was compressed, of the one frame that is queued.
fn only(send: &mut SendPath) -> (Vec<u8>, bool) {
    let mut frames = sent(send);
    assert_eq!(frames.len(), 1);
    let (header, payload) = frames.remove(0);
    assert!(header.fin);
    (payload, header.rsv == 0x40)
}

#[test]
fn messages_below_the_threshold_are_plain_and_so_is_what_opts_out() {
    let mut send = Terms::of(12, true).server_send(1024, 1);
    let (short, long) = (json(1023, 1), json(1024, 1));
    send.text(&short).unwrap();
    assert_eq!(only(&mut send), (short.into_bytes(), false));
    assert!(
        !send.holds_compressor(),
        "made for the first compressed message only"
    );
    send.text(&long).unwrap();
    let (payload, compressed) = only(&mut send);
    assert!(compressed && payload.len() < 500, "{}", payload.len());
    assert!(send.holds_compressor());

    let plain = SendOptions::new().compress(false);
    send.message_with(Message::text(long.as_str()), plain).unwrap();
    assert_eq!(only(&mut send), (long.clone().into_bytes(), false));
    send.prepared(&PreparedMessage::text(&long).with_options(plain))
        .unwrap();
    assert_eq!(only(&mut send), (long.clone().into_bytes(), false));
    let large = json(20_000, 4);
    assert_eq!(
        send.begin_large(MessageKind::Text, large.as_bytes(), plain),
        Ok(20_000)
    );
    send.finish_large(large.as_bytes());
    assert_eq!(only(&mut send), (large.clone().into_bytes(), false));
    assert_eq!(
        send.begin_large(MessageKind::Text, large.as_bytes(), SendOptions::new()),
        Ok(0)
    );
    assert!(only(&mut send).1);
    // Threshold 0: every message, the empty one too (RFC 7692 §7.2.3.6).
    let mut send = Terms::of(12, false).server_send(0, 1);
    send.text("").unwrap();
    assert_eq!(only(&mut send), (vec![0x00], true));
    send.binary(b"x").unwrap();
    assert!(only(&mut send).1);
}

#[test]
fn what_does_not_shrink_is_plain_without_takeover_and_in_step_with_it() {
    for takeover in [false, true] {
        let mut send = Terms::of(15, takeover).server_send(1024, 6);
        let mut strict = Strict::new(15, takeover);
        for round in 0..12 {
            let message = if round % 2 == 0 {
                noise(3000, round)
            } else {
                json(3000, round).into_bytes()
            };
            send.binary(&message).unwrap();
            let (payload, compressed) = only(&mut send);
            assert_eq!(compressed, takeover || round % 2 == 1, "round {round}");
            if compressed {
                assert_eq!(strict.message(&payload).unwrap(), message);
            } else {
                assert_eq!(payload, message);
            }
        }
    }
}

#[test]
fn takeover_makes_the_second_of_two_messages_small() {
    for (takeover, small) in [(true, true), (false, false)] {
        let mut send = Terms::of(12, takeover).server_send(0, 6);
        let message = noise(1000, 8);
        send.binary(&message).unwrap();
        let first = only(&mut send).0.len();
        send.binary(&message).unwrap();
        let second = only(&mut send).0.len();
        assert!(first > 1000);
        assert_eq!(second < 50, small, "{second}");
    }
}

#[test]
fn a_fragmented_message_is_compressed_as_its_first_frame_decides() {
    let mut send = Terms::of(12, true).client_send(100, 1);
    for (first, compressed) in [(100, true), (99, false)] {
        for (length, fin) in [(first, false), (5, false), (0, false), (500, true)] {
            send.send_fragment(MessageKind::Binary, &vec![7; length], fin)
                .unwrap();
        }
        let frames = sent(&mut send);
        let bits: Vec<_> = frames.iter().map(|(header, _)| header.rsv == 0x40).collect();
        assert_eq!(bits, [compressed, false, false, false]);
        let opcodes: Vec<_> = frames.iter().map(|(header, _)| header.opcode).collect();
        assert_eq!(opcodes[0], Opcode::Binary);
        assert!(opcodes[1..].iter().all(|opcode| *opcode == Opcode::Continuation));
        let payload: Vec<u8> = frames.into_iter().flat_map(|(_, payload)| payload).collect();
        let expected = vec![7; first + 505];
        if compressed {
            assert_eq!(Strict::new(12, true).message(&payload).unwrap(), expected);
        } else {
            assert_eq!(payload, expected);
        }
    }
    // A message that ends with an empty frame.
    let mut send = Terms::of(12, true).server_send(0, 1);
    send.send_fragment(MessageKind::Text, b"all of it", false)
        .unwrap();
    send.hibernate();
    assert!(!send.holds_compressor(), "though a message is open");
    send.send_fragment(MessageKind::Text, b"", true).unwrap();
    let payload: Vec<u8> = sent(&mut send)
        .into_iter()
        .flat_map(|(_, payload)| payload)
        .collect();
    assert_eq!(Strict::new(12, true).message(&payload).unwrap(), b"all of it");
}

#[test]
fn a_compressor_hibernates_to_its_history_and_wakes_with_it() {
    let (client, server) = Terms::of(12, true).agree(0, 1);
    let pool = SharedPool::leaked();
    let mut pair = Pair::new().extended(&client, &server.with_pool(pool));
    let message = json(2000, 1);
    let mut wire = Vec::new();
    for _ in 0..4 {
        pair.server.text(&message);
        pair.run();
        assert_eq!(pair.client.take_seen(), [Seen::Text(message.clone())]);
        wire.push(std::mem::take(&mut pair.server.wire).len());
        assert!(pair.server.connection.sender().holds_compressor());
        pair.sleep(Duration::from_millis(999));
        assert!(pair.server.connection.sender().holds_compressor());
        assert_eq!(pool.idle().1, 0);
        pair.sleep(Duration::from_millis(2));
        assert!(!pair.server.connection.sender().holds_compressor());
        assert_eq!(pool.idle().1, 1);
    }
    assert!(
        wire[0] > 400 && wire[1..].iter().all(|length| *length < 80),
        "{wire:?}"
    );
    // Without takeover nothing is held even for a moment.
    let (_, server) = Terms::of(12, false).agree(0, 1);
    let mut send = SendPath::server(Arc::new(Config::server())).with_extensions(&server.with_pool(pool));
    send.text(&message).unwrap();
    assert!(!send.holds_compressor());
    assert_eq!(pool.idle().1, 1, "the same one was used");
}

#[test]
fn a_prepared_message_is_compressed_once_for_all_who_can_read_it() {
    let message = PreparedMessage::text(&json(30_000, 3));
    let mut wire = Vec::new();
    for (bits, takeover) in [
        (12, false),
        (12, false),
        (15, false),
        (10, false),
        (12, true),
        (12, true),
    ] {
        let mut send = Terms::of(bits, takeover).server_send(1024, 1);
        for _ in 0..2 {
            send.prepared(&message).unwrap();
        }
        let start = send.chunk().as_ptr();
        let frames = sent(&mut send);
        let mut strict = Strict::new(bits, takeover);
        for (header, payload) in &frames {
            assert_eq!(header.rsv, 0x40);
            assert_eq!(strict.message(payload).unwrap(), message.payload());
        }
        assert_eq!(send.deflated_bytes().0, 60_000);
        assert_eq!(
            send.deflated_bytes().1,
            frames.iter().map(|(header, _)| header.payload_len).sum::<u64>()
        );
        wire.push((frames[0].1.clone(), start));
    }
    assert!(
        wire[0].0 == wire[1].0 && wire[0].0 == wire[2].0,
        "shared by 12 and 15 bits"
    );
    assert!(wire[0].0 != wire[3].0, "10 bits need their own");
    // One that is small, and one that does not shrink: plain for all.
    for payload in [noise(500, 1), noise(5000, 1)] {
        let message = PreparedMessage::binary(&payload);
        for _ in 0..2 {
            let mut send = Terms::of(12, false).server_send(1024, 1);
            send.prepared(&message).unwrap();
            assert_eq!(only(&mut send), (payload.clone(), false));
        }
    }
    // A client masks, so nothing can be shared.
    let mut send = Terms::of(12, false).client_send(1024, 1);
    send.prepared(&message).unwrap();
    assert_eq!(
        Strict::new(12, false).message(&only(&mut send).0).unwrap(),
        message.payload()
    );
}

#[test]
fn headers_fit_whatever_becomes_of_the_length() {
    // From 64-bit lengths to 16-bit ones, from 16-bit to 7-bit ones, and the other way.
    for length in [0, 1, 60, 125, 126, 130, 1000, 65_535, 65_536, 70_000, 400_000] {
        for client in [false, true] {
            for message in [vec![0; length], noise(length, 2), json(length, 2).into_bytes()] {
                let terms = Terms::of(15, false);
                let mut send = if client {
                    terms.client_send(0, 1)
                } else {
                    terms.server_send(0, 1)
                };
                send.text("before").unwrap();
                send.binary(&message).unwrap();
                send.text("after").unwrap();
                let frames = sent(&mut send);
                let mut strict = Strict::new(15, false);
                let inflated: Vec<_> = frames
                    .iter()
                    .map(|(_, payload)| strict.message(payload).unwrap())
                    .collect();
                assert!(
                    inflated == [b"before".to_vec(), message, b"after".to_vec()],
                    "{length}"
                );
            }
        }
    }
}

#[test]
fn two_ends_understand_one_another_on_all_terms() {
    for bits in 8..=15 {
        for (server_takeover, client_takeover) in [(true, true), (true, false), (false, true), (false, false)]
        {
            let terms = Terms {
                server_bits: bits,
                client_bits: 23 - bits,
                server_takeover,
                client_takeover,
            };
            let (client, server) = terms.agree(100, 1);
            let mut pair = Pair::new().extended(&client, &server);
            for round in 0..20_u32 {
                let message = match round % 4 {
                    0 => json(3000, round),
                    1 => json(50, round),
                    2 => json(90_000, round / 8),
                    _ => String::new(),
                };
                pair.client.text(&message);
                pair.server.text(&message);
                pair.run();
                assert!(pair.client.take_seen() == [Seen::Text(message.clone())]);
                assert!(pair.server.take_seen() == [Seen::Text(message)]);
            }
        }
    }
}
