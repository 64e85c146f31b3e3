//! The part of the frame catalogue that vectors cannot tell: when an error is found, and what is held meanwhile
//! (F05 to F07, F12 to F18, F23 to F26).

use std::sync::Arc;

use ws_proto::{Config, Delivery, Event, ProtocolError, ReceivePath, Role};

use crate::pair::{Seen, masked};
use crate::vectors::frame;

fn receiver(config: Config) -> ReceivePath {
    ReceivePath::new(Role::Server, Arc::new(config))
}

/// Feeds bytes as they are; the last thing that came out.
fn feed(receive: &mut ReceivePath, bytes: &[u8]) -> Result<Vec<Seen>, ProtocolError> {
    let mut bytes = bytes.to_vec();
    let mut input = bytes.as_mut_slice();
    let mut seen = Vec::new();
    while let Some(event) = receive.next(&mut input)? {
        seen.push(event.into());
    }
    Ok(seen)
}

#[test]
fn f05_reserved_opcodes_are_refused_at_the_second_byte() {
    for opcode in (3..8).chain(11..16) {
        for second in [0x80, 0xFE, 0xFF] {
            let mut receive = receiver(Config::server());
            assert_eq!(feed(&mut receive, &[0x80 | opcode]), Ok(vec![]));
            assert_eq!(
                feed(&mut receive, &[second]),
                Err(ProtocolError::ReservedOpcode(opcode))
            );
            assert_eq!(receive.buffered(), 0);
            assert!(receive.is_stopped());
        }
    }
}

#[test]
fn f06_nothing_of_a_huge_reserved_frame_is_held() {
    let mut receive = receiver(Config::server());
    let mut bytes = vec![0x83, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    bytes.resize(100_000, 0xAA);
    assert_eq!(feed(&mut receive, &bytes), Err(ProtocolError::ReservedOpcode(3)));
    assert_eq!(feed(&mut receive, &bytes), Ok(vec![]), "discarded");
    assert_eq!(receive.buffered(), 0);
}

#[test]
fn f07_a_frame_below_at_and_above_its_limit_judged_before_key_and_payload() {
    for (length, fits) in [(999_u16, true), (1000, true), (1001, false)] {
        let mut config = Config::server();
        config.limits.max_frame_size = 1000;
        let mut receive = receiver(config);
        let [high, low] = length.to_be_bytes();
        let expected = if fits {
            Ok(vec![])
        } else {
            Err(ProtocolError::FrameTooBig)
        };
        assert_eq!(feed(&mut receive, &[0x82, 0xFE, high, low]), expected);
    }
}

#[test]
fn f12_a_declared_mebibyte_holds_only_what_arrived() {
    let mut receive = receiver(Config::server());
    feed(&mut receive, &masked(b"\x82\x7F\0\0\0\0\0\x10\0\0 10 bytes")).unwrap();
    assert_eq!(receive.buffered(), 9);
    let buffer_grows_with_input = |receive: &mut ReceivePath| {
        let room = receive.direct_room().unwrap();
        room.into_inner().capacity()
    };
    assert!(buffer_grows_with_input(&mut receive) <= 2 * 64 * 1024);
}

#[test]
fn f13_f14_a_message_below_at_and_above_its_limit_at_the_last_of_many_fragments() {
    for delivery in [Delivery::Message, Delivery::Fragment] {
        for (last, fits) in [(8, true), (9, true), (10, false)] {
            let mut config = Config::server().with_delivery(delivery);
            config.limits.max_message_size = 1000;
            let mut receive = receiver(config);
            feed(&mut receive, &masked(&frame(0x02, &[1]))).unwrap();
            for _ in 0..99 {
                feed(&mut receive, &masked(&frame(0x00, &[1; 10]))).unwrap();
            }
            let header = masked(&[0x80, last]);
            let result = feed(&mut receive, &header);
            if !fits {
                assert_eq!(
                    result,
                    Err(ProtocolError::MessageTooBig),
                    "at the header of that fragment"
                );
                continue;
            }
            assert_eq!(result, Ok(vec![]));
            let seen = feed(&mut receive, &vec![0; usize::from(last)]).unwrap();
            match &seen[..] {
                [Seen::Binary(message)] => assert_eq!(message.len(), 991 + usize::from(last)),
                [Seen::Fragment { fin, payload, .. }] => {
                    assert!(*fin && payload.len() == usize::from(last));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn f15_f16_f17_fragments_below_at_and_above_the_limit() {
    for payload in [&b"x"[..], b""] {
        for (fragments, fits) in [(16_383, true), (16_384, true), (16_385, false)] {
            let mut receive = receiver(Config::server());
            feed(&mut receive, &masked(&frame(0x01, payload))).unwrap();
            let middle = masked(&frame(0x00, payload));
            for _ in 2..fragments {
                feed(&mut receive, &middle).unwrap();
                assert!(receive.buffered() <= fragments);
            }
            let result = feed(&mut receive, &masked(&frame(0x80, payload)));
            if fits {
                assert_eq!(
                    result,
                    Ok(vec![Seen::Text("x".repeat(fragments * payload.len()))])
                );
            } else {
                assert_eq!(result, Err(ProtocolError::TooManyFragments));
                assert_eq!(ProtocolError::TooManyFragments.close_code().value(), 1008);
            }
        }
    }
}

#[test]
fn f17_memory_of_many_fragments_is_at_most_twice_the_payload() {
    let mut config = Config::server();
    config.limits.max_fragments = usize::MAX;
    let mut receive = receiver(config);
    feed(&mut receive, &masked(&frame(0x02, b"x"))).unwrap();
    for _ in 0..10_000 {
        feed(&mut receive, &masked(&frame(0x00, b"y"))).unwrap();
    }
    feed(&mut receive, &masked(&frame(0x80, b"z"))).unwrap();
    let buffer = receive.detach().unwrap();
    assert!(buffer.capacity() <= 2 * 10_002 + 4096, "{}", buffer.capacity());
}

#[test]
fn f18_what_an_unfinished_message_holds_is_bounded_by_the_limits() {
    let mut receive = receiver(Config::server());
    feed(&mut receive, &masked(&frame(0x02, &[0; 1 << 16]))).unwrap();
    for _ in 0..15 {
        feed(&mut receive, &masked(&frame(0x00, &[0; 1 << 16]))).unwrap();
    }
    assert_eq!(receive.buffered(), 1 << 20);
    assert_eq!(
        feed(&mut receive, &masked(&[0x00, 1])),
        Err(ProtocolError::MessageTooBig)
    );
    assert_eq!(receive.buffered(), 0, "and let go");
}

/// Sequences that are wrong, and after how many of their bytes that is certain.
const WRONG: [(&[u8], usize); 16] = [
    (b"\x80", 1),
    (b"\xBF", 1),
    (b"\xC0\xAF", 1),
    (b"\xC1\xBF", 1),
    (b"\xC2\x20", 2),
    (b"\xE0\x80\xAF", 2),
    (b"\xE0\x9F\xBF", 2),
    (b"\xE1\x80a", 3),
    (b"\xED\xA0\x80", 2),
    (b"\xED\xBF\xBF", 2),
    (b"\xF0\x80\x80\xAF", 2),
    (b"\xF0\x8F\xBF\xBF", 2),
    (b"\xF1\x80\x80a", 4),
    (b"\xF4\x90\x80\x80", 2),
    (b"\xF5\x80\x80\x80", 1),
    (b"\xFF", 1),
];

#[test]
fn f23_f24_wrong_text_is_refused_at_the_first_byte_that_cannot_be_right() {
    for delivery in [Delivery::Message, Delivery::Fragment] {
        for before in [
            "",
            "a",
            "é",
            "plain ascii of some length, longer than a vector register is",
        ] {
            for (wrong, certain) in WRONG {
                let mut receive = receiver(Config::server().with_delivery(delivery));
                let mut text = before.as_bytes().to_vec();
                text.extend_from_slice(wrong);
                let mut bytes = frame(0x01, &text);
                bytes[1] = 125; // more is promised
                let bytes = masked(&bytes);
                let at = 6 + before.len() + certain;
                for (index, byte) in bytes.iter().enumerate().take(at) {
                    let result = feed(&mut receive, &[*byte]);
                    let expected = if index + 1 < at {
                        Ok(vec![])
                    } else {
                        Err(ProtocolError::TextUtf8)
                    };
                    assert_eq!(result, expected, "{before:?} {wrong:X?} at {index}");
                }
            }
        }
    }
}

#[test]
fn f23_wrong_text_is_refused_wherever_its_fragments_are_cut() {
    for (wrong, _) in WRONG {
        let mut text = b"ok \xC3\xA9 ".to_vec();
        text.extend_from_slice(wrong);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut bytes = masked(&frame(0x01, &text[..first]));
                bytes.extend(masked(&frame(0x00, &text[first..second])));
                bytes.extend(masked(&frame(0x80, &text[second..])));
                let mut receive = receiver(Config::server());
                assert_eq!(feed(&mut receive, &bytes), Err(ProtocolError::TextUtf8));
            }
        }
    }
}

#[test]
fn f26_the_same_bytes_are_good_as_binary() {
    for (wrong, _) in WRONG {
        let mut receive = receiver(Config::server());
        let seen = feed(&mut receive, &masked(&frame(0x82, wrong)));
        assert_eq!(seen, Ok(vec![Seen::Binary(wrong.to_vec())]));
    }
}

#[test]
fn a_large_binary_read_straight_into_the_assembly_is_the_same_message() {
    let payload: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for delivery in [Delivery::Message, Delivery::Fragment] {
        for start in [6 + 8, 6 + 9, 20_001] {
            let mut wire = masked(&frame(0x02, b"before "));
            wire.extend(masked(&frame(0x80, &payload)));
            let mut receive = receiver(Config::server().with_delivery(delivery));
            let mut message = Vec::new();
            let mut at = 13 + start;
            let mut gather = |event: Option<Event<'_>>| match event {
                Some(Event::Binary(bytes)) => message = bytes.to_vec(),
                Some(Event::Fragment(fragment)) => message.extend_from_slice(fragment.payload),
                _ => {}
            };
            let mut head = wire[..at].to_vec();
            let mut input = head.as_mut_slice();
            while let Some(event) = receive.next(&mut input).unwrap() {
                gather(Some(event));
            }
            while let Some(room) = receive.direct_room() {
                let count = room.limit().min(7_777).min(wire.len() - at);
                room.into_inner().extend_from_slice(&wire[at..at + count]);
                at += count;
                gather(receive.received_direct(count).unwrap());
            }
            let mut tail = wire[at..].to_vec();
            let mut input = tail.as_mut_slice();
            while let Some(event) = receive.next(&mut input).unwrap() {
                gather(Some(event));
            }
            assert!(
                message == [b"before ", payload.as_slice()].concat(),
                "{delivery:?} from {start}"
            );
        }
    }
}
