//! The receiving machine by itself: limits in triples, cuts at every byte, direct reads.

mod large;

use std::sync::Arc;

use super::{Event, ReceivePath};
use crate::config::{Config, Delivery};
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, MAX_HEADER_LEN, Opcode};
use crate::mask::{MaskKey, apply_mask};
use crate::role::Role;
use crate::steps;

const KEY: MaskKey = MaskKey([0x37, 0xFA, 0x21, 0x3D]);

/// A frame as a client sends it.
fn frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin,
        rsv: 0,
        opcode,
        mask: Some(KEY),
        payload_len: u64::try_from(payload.len()).unwrap(),
    };
    let mut head = [0; MAX_HEADER_LEN];
    let len = header.encode(&mut head);
    let mut bytes = head[..len].to_vec();
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    apply_mask(KEY, &mut bytes[start..]);
    bytes
}

fn server(change: impl FnOnce(&mut Config)) -> ReceivePath {
    let mut config = Config::server();
    change(&mut config);
    ReceivePath::new(Role::Server, Arc::new(config))
}

/// Everything that comes out for `parts`, as text, up to an error.
fn events<'a>(path: &mut ReceivePath, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut out = Vec::new();
    for part in parts {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            match path.next(&mut input) {
                Ok(Some(event)) => out.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => out.push(format!("{error:?}")),
            }
        }
        assert!(input.is_empty(), "None means that all input is consumed");
    }
    out
}

fn last(path: &mut ReceivePath, bytes: &[u8]) -> String {
    events(path, [bytes]).pop().unwrap_or_default()
}

#[test]
fn cut_at_any_byte_or_all_bytes_gives_the_same_events() {
    let wire = [
        frame(true, Opcode::Text, "κόσμε".as_bytes()),
        frame(false, Opcode::Text, "κόσ".as_bytes().split_at(3).0),
        frame(true, Opcode::Ping, b"between"),
        frame(false, Opcode::Continuation, "κόσ".as_bytes().split_at(3).1),
        frame(false, Opcode::Continuation, b""),
        frame(true, Opcode::Continuation, b"end"),
        frame(true, Opcode::Binary, &[7; 300]),
        frame(true, Opcode::Text, b""),
        frame(true, Opcode::Pong, b""),
        frame(true, Opcode::Close, b"\x03\xE8bye"),
        frame(true, Opcode::Ping, b"after close"),
    ]
    .concat();
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let whole = events(
            &mut server(|config| config.delivery = delivery),
            [wire.as_slice()],
        );
        assert_eq!(
            whole.len(),
            if delivery == Delivery::Message { 7 } else { 10 },
            "{whole:?}"
        );
        assert!(whole.last().unwrap().contains("bye"));
        for cut in 0..wire.len() {
            let (head, tail) = wire.split_at(cut);
            let found = events(&mut server(|config| config.delivery = delivery), [head, tail]);
            assert_eq!(found, whole, "cut at {cut}");
        }
        let bytewise = events(&mut server(|config| config.delivery = delivery), wire.chunks(1));
        assert_eq!(bytewise, whole);
    }
}

#[test]
fn a_fragment_event_may_end_inside_a_character_but_a_text_may_not() {
    let mut path = server(|config| config.delivery = Delivery::Fragment);
    let first = frame(false, Opcode::Text, b"\xE2\x82");
    assert!(last(&mut path, &first).contains("[226, 130]"));
    assert_eq!(
        last(&mut path, &frame(true, Opcode::Continuation, b"")),
        "TextUtf8"
    );
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let mut path = server(|config| config.delivery = delivery);
        assert_eq!(
            last(&mut path, &frame(true, Opcode::Text, b"\xE2\x82")),
            "TextUtf8"
        );
    }
}

#[test]
fn wrong_text_fails_before_its_frame_is_complete() {
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let mut path = server(|config| config.delivery = delivery);
        let wire = frame(true, Opcode::Text, b"ok\xFFand a lot more");
        assert_eq!(last(&mut path, &wire[..9]), "TextUtf8");
        assert!(path.is_stopped());
        assert!(
            events(&mut path, [&wire[9..]]).is_empty(),
            "the rest is discarded"
        );
    }
}

#[test]
fn limits_in_triples() {
    let limits = |config: &mut Config| {
        config.limits.max_frame_size = 100;
        config.limits.max_message_size = 150;
        config.limits.max_fragments = 3;
    };
    for (size, expected) in [(99, "Binary"), (100, "Binary"), (101, "FrameTooBig")] {
        let found = last(&mut server(limits), &frame(true, Opcode::Binary, &vec![1; size]));
        assert!(found.starts_with(expected), "{size}: {found}");
    }
    for (size, expected) in [(49, "Binary"), (50, "Binary"), (51, "MessageTooBig")] {
        let mut path = server(limits);
        assert_eq!(last(&mut path, &frame(false, Opcode::Binary, &[1; 100])), "");
        let wire = frame(true, Opcode::Continuation, &vec![1; size]);
        // The header suffices to refuse.
        let found = events(&mut path, [&wire[..6], &wire[6..]]).pop().unwrap();
        assert!(found.starts_with(expected), "{size}: {found}");
    }
    for (fragments, expected) in [(2, "Text"), (3, "Text"), (4, "TooManyFragments")] {
        for payload in ["", "a"] {
            let mut path = server(limits);
            assert_eq!(
                last(&mut path, &frame(false, Opcode::Text, payload.as_bytes())),
                ""
            );
            let mut found = String::new();
            for number in 2..=fragments {
                let fin = number == fragments;
                found = last(&mut path, &frame(fin, Opcode::Continuation, payload.as_bytes()));
            }
            assert!(found.starts_with(expected), "{fragments}: {found}");
        }
    }
}

#[test]
fn a_huge_length_stores_nothing() {
    for head in [
        &[0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0][..],
        &[0x82, 0xFE, 0xFF, 0xFF][..],
    ] {
        let mut path = server(|config| config.limits.max_frame_size = 1000);
        assert_eq!(
            last(&mut path, head),
            "FrameTooBig",
            "the masking key is not waited for"
        );
        assert_eq!(path.buffered(), 0);
    }
    let mut path = server(|_| ());
    assert_eq!(last(&mut path, &[0x83, 0xFF]), "ReservedOpcode(3)");
}

#[test]
fn masks_and_reserved_bits_are_judged_by_role() {
    let mut unmasked = ReceivePath::new(Role::Server, Arc::new(Config::server()));
    assert_eq!(last(&mut unmasked, &[0x81, 0x01]), "Unmasked");
    let mut masked = ReceivePath::new(Role::Client, Arc::new(Config::client()));
    assert_eq!(last(&mut masked, &[0x81, 0x81]), "Masked");
    for rsv in [0x40, 0x20, 0x10] {
        for opcode in [1, 9] {
            assert_eq!(
                last(&mut server(|_| ()), &[0x80 | rsv | opcode, 0x80]),
                "ReservedBits"
            );
        }
    }
    let mut client = ReceivePath::new(Role::Client, Arc::new(Config::client()));
    assert_eq!(last(&mut client, &[0x81, 2, b'o', b'k']), "Text(\"ok\")");
}

#[test]
fn sequence_of_fragments_is_enforced() {
    let wire = frame(true, Opcode::Continuation, b"x");
    assert_eq!(last(&mut server(|_| ()), &wire), "UnexpectedContinuation");
    let wire = [
        frame(false, Opcode::Text, b"x"),
        frame(true, Opcode::Binary, b"y"),
    ]
    .concat();
    assert_eq!(last(&mut server(|_| ()), &wire), "ExpectedContinuation");
}

#[test]
fn an_idle_path_gives_its_memory_back_and_another_goes_on_with_it() {
    let mut path = server(|_| ());
    assert!(path.is_detached() && path.detach().is_none(), "it has none");
    let wire = frame(true, Opcode::Text, b"in two parts");
    assert_eq!(events(&mut path, [&wire[..10]]), Vec::<String>::new());
    assert!(path.is_unfinished());
    assert!(path.detach().is_none(), "in use");
    assert_eq!(events(&mut path, [&wire[10..]]), ["Text(\"in two parts\")"]);
    assert!(!path.is_unfinished());
    let memory = path.detach().unwrap();
    let capacity = memory.capacity();
    assert!(capacity >= 12 && path.is_detached());

    // Another configuration, another role: nothing of the first one is left.
    let mut config = Config::client();
    config.limits.max_frame_size = 5;
    let mut other = ReceivePath::new(Role::Client, Arc::new(config));
    assert!(other.attach(memory).is_none());
    assert_eq!(events(&mut other, [&b"\x81\x05Hello"[..]]), ["Text(\"Hello\")"]);
    let memory = other.detach().unwrap();
    assert_eq!(memory.capacity(), capacity, "the same memory");
    assert!(other.attach(memory).is_none());
    assert_eq!(
        events(&mut other, [&b"\x81\x06Hello!"[..]]),
        ["FrameTooBig"],
        "its own limit"
    );

    // It discards from now on, for which it needs no memory.
    let memory = other.detach().unwrap();
    assert!(other.is_stopped() && !other.is_detached());
    assert_eq!(events(&mut other, [&b"\x81\x05Hello"[..]]), Vec::<String>::new());
    let memory = other.attach(memory).unwrap();
    assert!(other.detach().is_none());
    // With the memory of one that discards another one begins anew.
    assert!(path.attach(memory).is_none());
    assert_eq!(events(&mut path, [&wire[..]]), ["Text(\"in two parts\")"]);
}

#[test]
fn a_path_that_is_stopped_discards_whatever_it_had() {
    let wire = frame(true, Opcode::Text, b"in two parts");
    for arrived in [0, 3, 10, wire.len()] {
        let mut path = server(|_| ());
        events(&mut path, wire[..arrived].chunks(arrived.max(1)));
        path.stop();
        path.stop();
        assert_eq!(events(&mut path, [&wire[arrived..], &wire]), Vec::<String>::new());
        assert!(path.is_stopped() && path.direct_room().is_none() && !path.is_unfinished());
        assert_eq!(path.detach().is_some(), arrived > 0, "what had none takes none");
        assert!(path.exchange(Vec::new()).is_empty() && path.is_stopped());
        assert_eq!(path.received_direct(0), Ok(None));
        assert_eq!(events(&mut path, [&wire[..]]), Vec::<String>::new());
    }
}

#[test]
fn whatever_has_begun_keeps_its_memory_and_an_empty_buffer_is_taken_alone() {
    let whole = frame(true, Opcode::Binary, b"whole");
    let first = frame(false, Opcode::Binary, b"first");
    let ping = frame(true, Opcode::Ping, b"?");
    for (what, wire) in [
        ("a header", &whole[..3]),
        ("a payload", &whole[..8]),
        ("a message", &first),
        ("a ping", &ping[..6]),
    ] {
        let mut path = server(|_| ());
        events(&mut path, [wire]);
        assert!(path.detach().is_none(), "{what}");
    }
    let mut path = server(|config| config.delivery = Delivery::Fragment);
    events(&mut path, [&first[..8], &first[8..]]);
    assert!(path.detach().is_none(), "a message is open");
    let buffer = path.detach_buffer().unwrap();
    assert!(buffer.capacity() > 0 && path.wants_buffer());
    assert_eq!(path.attach_buffer(buffer), None);
    assert!(!path.wants_buffer());
}

#[test]
fn borrowed_events_come_from_the_input() {
    let mut path = server(|_| ());
    let mut wire = frame(true, Opcode::Binary, b"here");
    let place = wire[6..].as_ptr();
    let mut input = wire.as_mut_slice();
    let Ok(Some(Event::Binary(payload))) = path.next(&mut input) else {
        panic!("no message")
    };
    assert_eq!((payload, payload.as_ptr()), (&b"here"[..], place));
}

#[test]
fn an_error_stops_the_path() {
    let mut path = server(|_| ());
    let mut wire = [0x83_u8, 0x80];
    assert_eq!(
        path.next(&mut wire.as_mut_slice()),
        Err(ProtocolError::ReservedOpcode(3))
    );
    assert!(path.is_stopped() && !path.is_unfinished());
}

#[test]
fn the_short_way_obeys_the_same_limits() {
    for (change, size, expected) in [
        (
            (|limits| limits.max_frame_size = 5) as fn(&mut crate::config::Limits),
            5,
            "Text",
        ),
        (|limits| limits.max_frame_size = 5, 6, "FrameTooBig"),
        (|limits| limits.max_message_size = 5, 5, "Text"),
        (|limits| limits.max_message_size = 5, 6, "MessageTooBig"),
        (|limits| limits.max_fragments = 0, 1, "TooManyFragments"),
        (|_| (), 125, "Text"),
        (|_| (), 126, "Text"),
        (|limits| limits.max_frame_size = 200, 200, "Text"),
        (|limits| limits.max_frame_size = 200, 201, "FrameTooBig"),
        (|limits| limits.max_message_size = 200, 201, "MessageTooBig"),
        (|_| (), 65_535, "Text"),
        (|_| (), 65_536, "Text"),
    ] {
        let mut path = server(|config| change(&mut config.limits));
        let found = last(&mut path, &frame(true, Opcode::Text, &vec![b'a'; size]));
        assert!(found.starts_with(expected), "{size}: {found}");
    }
    let mut path = server(|_| ());
    assert_eq!(last(&mut path, &frame(false, Opcode::Text, b"open")), "");
    assert_eq!(
        last(&mut path, &frame(true, Opcode::Text, b"new")),
        "ExpectedContinuation"
    );
    let mut path = server(|_| ());
    assert_eq!(last(&mut path, &frame(true, Opcode::Close, b"")), "Close(None)");
    assert_eq!(
        last(&mut path, &frame(true, Opcode::Text, b"late")),
        "",
        "discarded"
    );
    // RFC 6455 §5.2: 125 bytes need no second byte of length.
    let mut long = frame(true, Opcode::Binary, &[7; 125]);
    long.splice(1..2, [0x80 | 126, 0, 125]);
    assert_eq!(last(&mut server(|_| ()), &long), "LengthNotMinimal");
}

/// Random bytes, in one piece and one by one: the machine passes its stages no more often than bytes came, and each byte
/// is unmasked, validated and copied once at the most.
#[test]
fn f27_random_bytes_take_no_more_steps_than_they_are() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    for seed in 0..10_000 {
        let mut bytes: Vec<u8> = (0..1024).map(|_| random()).collect();
        if seed % 2 == 0 {
            // Half of them begin like a frame, so as to get past the first two bytes.
            bytes[0] = bytes[0] & 0x8F | 0x80;
            bytes[1] |= 0x80;
        }
        for (count, piece) in [(512, 512), (1024, 1024), (512, 1), (1024, 1)] {
            let mut path = server(|_| {});
            let pieces = bytes[..count].chunks(piece);
            // A call without input takes two steps.
            let calls = 2 * pieces.len();
            let steps = steps::count(|| drop(events(&mut path, pieces)));
            assert!(
                steps <= calls + 4 * count,
                "{steps} steps for {count} bytes in {calls} calls"
            );
        }
    }
}

/// The same for what takes longest: many of the smallest frames, one long one in single bytes.
#[test]
fn f27_twice_as_many_bytes_take_twice_as_many_steps() {
    let tiny = frame(true, Opcode::Text, b"");
    let part = [
        frame(false, Opcode::Binary, b""),
        frame(false, Opcode::Continuation, b"x").repeat(4000),
    ]
    .concat();
    let long = frame(true, Opcode::Text, &[b'x'; 60_000]);
    for (bytes, half, piece) in [
        (tiny.repeat(10_000), tiny.len() * 5_000, usize::MAX),
        (tiny.repeat(10_000), tiny.len() * 5_000, 1),
        (part.clone(), part.len() / 2, usize::MAX),
        (part.clone(), part.len() / 2, 1),
        (long.clone(), 30_000, 1),
    ] {
        let steps = |bytes: &[u8]| {
            let mut path = server(|_| {});
            steps::count(|| drop(events(&mut path, bytes.chunks(piece))))
        };
        let (once, twice) = (steps(&bytes[..half]), steps(&bytes));
        assert!(once <= 6 * half + 3, "{once} steps for {half} bytes");
        // The one header of a long frame is in both halves, and its bytes take fewer steps.
        assert!(twice <= 2 * once + 128, "{once}, {twice}");
    }
}
