//! Compressed messages that arrive: the RFC's vectors, limits to the byte, everything that is corrupt.

use std::sync::Arc;

use ws_proto::{Config, Delivery, MessageKind, ProtocolError, ReceivePath, Role};

use super::{Terms, json, noise, sent};
use crate::pair::{Seen, masked};

/// A frame of a client, its payload compressed already. `first` has the opcode and bits of the first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(u8::try_from(short).unwrap()),
        medium @ 126..=0xFFFF => {
            bytes.push(126);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend(u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    masked(&bytes)
}

pub(super) const TEXT: u8 = 0xC1;
pub(super) const BINARY: u8 = 0xC2;
pub(super) const PART_OF_TEXT: u8 = 0x41;
const MORE: u8 = 0x00;
const END: u8 = 0x80;

pub(super) fn server(terms: Terms, change: impl FnOnce(&mut Config)) -> ReceivePath {
    let mut config = Config::server();
    change(&mut config);
    ReceivePath::new(Role::Server, Arc::new(config)).with_extensions(&terms.agree(0, 6).1)
}

/// Everything that comes out of `bytes`, read in parts of `step` bytes.
fn seen(path: &mut ReceivePath, bytes: &[u8], step: usize) -> Vec<Seen> {
    let mut out = Vec::new();
    for part in bytes.chunks(step.max(1)) {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            match path.next(&mut input) {
                Ok(Some(event)) => out.push(event.into()),
                Ok(None) => break,
                Err(error) => out.push(Seen::Error(error)),
            }
        }
    }
    out
}

pub(super) fn all(path: &mut ReceivePath, bytes: &[u8]) -> Vec<Seen> {
    seen(path, bytes, bytes.len())
}

pub(super) fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

pub(super) fn corrupt() -> Vec<Seen> {
    vec![Seen::Error(ProtocolError::CompressedData)]
}

/// A block that is not compressed, not final: `bytes` as they are.
pub(super) fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut block = vec![0x00];
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend_from_slice(bytes);
    block
}

/// A fixed block (RFC 1951 §3.2.6) with one reference of length 3, then an empty block up to the tail.
pub(super) fn reference(distance: usize) -> Vec<u8> {
    let (base, symbol) = (0..30_u32)
        .map(|symbol| {
            let base = match symbol {
                0..=3 => symbol as usize + 1,
                _ => (1 << (symbol / 2)) + 1 + if symbol % 2 == 1 { 1 << (symbol / 2 - 1) } else { 0 },
            };
            (base, symbol)
        })
        .take_while(|(base, _)| *base <= distance)
        .last()
        .unwrap();
    let mut bits: Vec<bool> = vec![false, true, false];
    let mut huffman =
        |code: u32, length: u32| bits.extend((0..length).rev().map(|place| code >> place & 1 == 1));
    huffman(0b000_0001, 7);
    huffman(symbol, 5);
    let extra = (symbol / 2).saturating_sub(1);
    bits.extend((0..extra).map(|place| (distance - base) >> place & 1 == 1));
    bits.extend([false; 7]);
    // The first three bits of an empty block without compression; the rest of it is the tail.
    bits.extend([false; 3]);
    bits.chunks(8)
        .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)))
        .collect()
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 7692 §7.2.3.1, twice with context takeover §7.2.3.2, §7.2.3.3, §7.2.3.4, §7.2.3.5.
    let messages: [&[u8]; 5] = [
        &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
        &[0xF2, 0x00, 0x11, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        &[
            0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
        ],
    ];
    for bits in 8..=15 {
        let mut path = server(Terms::of(bits, true), |_| {});
        for message in messages {
            assert_eq!(all(&mut path, &frame(TEXT, message)), [text("Hello")]);
        }
    }
    // RFC 7692 §7.2.3.1: in two fragments; the second has no RSV1.
    let mut path = server(Terms::FULL, |_| {});
    let mut bytes = frame(PART_OF_TEXT, &messages[0][..3]);
    bytes.extend(frame(END, &messages[0][3..]));
    assert_eq!(all(&mut path, &bytes), [text("Hello")]);
}

#[test]
fn cut_at_any_byte_the_events_are_the_same() {
    let (client, _) = Terms::of(12, true).agree(0, 6);
    let mut send = ws_proto::SendPath::client(Arc::new(Config::client()), Box::new(crate::pair::masks()))
        .with_extensions(&client);
    send.text(&json(300, 1)).unwrap();
    send.send_fragment(MessageKind::Text, json(200, 2).as_bytes(), false)
        .unwrap();
    send.ping(b"between").unwrap();
    send.send_fragment(MessageKind::Text, "é".as_bytes(), true)
        .unwrap();
    send.binary(&noise(100, 3)).unwrap();
    send.text("").unwrap();
    let bytes = {
        use bytes::Buf;
        send.copy_to_bytes(send.remaining())
    };
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let path = || server(Terms::of(12, true), |config| config.delivery = delivery);
        let expected = all(&mut path(), &bytes);
        assert!(
            !expected.iter().any(|seen| matches!(seen, Seen::Error(_))),
            "{expected:?}"
        );
        assert_eq!(expected.len(), if delivery == Delivery::Message { 5 } else { 6 });
        for step in 1..200 {
            assert_eq!(
                seen(&mut path(), &bytes, step),
                expected,
                "{delivery:?} in steps of {step}"
            );
        }
    }
}

#[test]
fn the_limit_passes_and_one_more_is_too_big() {
    for (size, bomb) in [
        (1000, false),
        (100_000, false),
        (100_000, true),
        (1_000_000, true),
    ] {
        for takeover in [true, false] {
            let terms = Terms::of(12, takeover);
            let message = |size| if bomb { vec![b'a'; size] } else { noise(size, 7) };
            let mut send = terms.client_send(0, 9);
            for (length, fits) in [(size, true), (size + 1, false)] {
                send.binary(&message(length)).unwrap();
                let (_, payload) = sent(&mut send).remove(0);
                for parts in [1, 2, 7] {
                    let mut bytes = Vec::new();
                    for (number, part) in payload.chunks(payload.len().div_ceil(parts)).enumerate() {
                        let fin = if (number + 1) * payload.len().div_ceil(parts) >= payload.len() {
                            0x80
                        } else {
                            0
                        };
                        bytes.extend(frame(if number == 0 { 0x42 } else { 0 } | fin, part));
                    }
                    // A fresh path each time: the message may refer to nothing, or to itself only.
                    let mut path = server(Terms::of(12, false), |config| {
                        config.limits.max_message_size = size;
                    });
                    if takeover && !fits {
                        continue;
                    }
                    let expected = if fits {
                        Seen::Binary(message(length))
                    } else {
                        Seen::Error(ProtocolError::MessageTooBig)
                    };
                    assert!(
                        seen(&mut path, &bytes, 1000) == [expected],
                        "{length} of {size} in {parts} parts"
                    );
                }
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit_under_fragment_delivery_and_byte_by_byte() {
    let mut send = Terms::of(15, false).client_send(0, 9);
    send.binary(&vec![0; 2_000_000]).unwrap();
    let (_, payload) = sent(&mut send).remove(0);
    assert!(payload.len() < 4000, "{}", payload.len());
    let mut bytes = frame(0x42, &payload[..1500]);
    bytes.extend(frame(END, &payload[1500..]));
    for delivery in [Delivery::Message, Delivery::Fragment] {
        for step in [1, 100_000] {
            let mut path = server(Terms::FULL, |config| config.delivery = delivery);
            let seen = seen(&mut path, &bytes, step);
            assert_eq!(seen.last(), Some(&Seen::Error(ProtocolError::MessageTooBig)));
        }
    }
}

#[test]
fn corrupt_data_is_1007() {
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let table: &[(&str, &[u8])] = &[
        ("block type 3", &[0x06]),
        (
            "stored length and its complement differ",
            &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48],
        ),
        (
            "a table of lengths that is no code",
            &[0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ),
        ("cut inside a symbol", &hello[..4]),
        ("cut inside a stored block", &[0x00, 0x08, 0x00, 0xF7, 0xFF, 0x48]),
        ("nothing at all", &[]),
        (
            "what follows the last block is no block",
            &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x07],
        ),
        ("a reference to before the first byte", &reference(1)),
        (
            "the tail itself was sent and something is missing",
            &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF],
        ),
    ];
    assert_eq!(ProtocolError::CompressedData.close_code().value(), 1007);
    for (why, payload) in table {
        for delivery in [Delivery::Message, Delivery::Fragment] {
            let mut path = server(Terms::FULL, |config| config.delivery = delivery);
            assert_eq!(all(&mut path, &frame(BINARY, payload)), corrupt(), "{why}");
            assert!(path.is_stopped());
            assert_eq!(all(&mut path, &frame(BINARY, &hello)), []);
        }
    }
}

#[test]
fn a_final_block_may_end_a_message_or_stand_in_it() {
    let hello_final = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut twice = hello_final.to_vec();
    // RFC 1951 §3.2.3: what follows may refer to what came before (RFC 7692 §7.2.3.4 has blocks after it).
    twice.extend(reference(5));
    for takeover in [true, false] {
        for delivery in [Delivery::Message, Delivery::Fragment] {
            let mut path = server(Terms::of(15, takeover), |config| config.delivery = delivery);
            let one = all(&mut path, &frame(TEXT, &hello_final));
            let two = all(&mut path, &frame(TEXT, &twice));
            let contents = |seen: &[Seen]| match seen {
                [Seen::Text(text)] => text.clone(),
                [
                    Seen::Fragment {
                        payload, fin: true, ..
                    },
                ] => String::from_utf8(payload.clone()).unwrap(),
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (contents(&one), contents(&two)),
                ("Hello".to_owned(), "HelloHel".to_owned())
            );
        }
    }
    // Each costs a load of the history, so their number is limited.
    let many = |count: usize| frame(BINARY, &[[0x03, 0x00].repeat(count), vec![0x00]].concat());
    let mut path = server(Terms::FULL, |_| {});
    assert_eq!(all(&mut path, &many(1024)), [Seen::Binary(Vec::new())]);
    assert_eq!(all(&mut path, &many(1025)), corrupt());
}

#[test]
fn references_reach_no_further_than_what_is_kept() {
    let block = |size: usize| frame(BINARY, &[stored(&noise(size, 5)), vec![0x00]].concat());
    for bits in 8..=15 {
        let window = 1 << bits;
        let whole = |takeover| server(Terms::of(bits, takeover), |_| {});
        // The previous message: with takeover yes, without no.
        let mut path = whole(true);
        all(&mut path, &block(window + 100));
        let end = noise(window + 100, 5)[100..103].to_vec();
        assert_eq!(
            all(&mut path, &frame(BINARY, &reference(window))),
            [Seen::Binary(end)]
        );
        let mut path = whole(false);
        all(&mut path, &block(window + 100));
        assert_eq!(
            all(&mut path, &frame(BINARY, &reference(1))),
            corrupt(),
            "{bits} bits"
        );
        // Before the window that is kept.
        if bits < 15 {
            let mut path = whole(true);
            all(&mut path, &block(window + 100));
            assert_eq!(
                all(&mut path, &frame(BINARY, &reference(window + 1))),
                corrupt(),
                "{bits} bits"
            );
        }
    }
}

#[test]
fn empty_messages_both_ways() {
    let mut path = server(Terms::FULL, |_| {});
    // RFC 7692 §7.2.3.6, and an empty fixed block.
    for empty in [&[0x00][..], &[0x02, 0x00]] {
        assert_eq!(all(&mut path, &frame(TEXT, empty)), [text("")]);
        assert_eq!(all(&mut path, &frame(BINARY, empty)), [Seen::Binary(Vec::new())]);
    }
    // Uncompressed ones, of all sizes, between compressed ones.
    assert_eq!(all(&mut path, &frame(0x81, b"")), [text("")]);
    assert_eq!(all(&mut path, &frame(0x81, b"plain")), [text("plain")]);
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(all(&mut path, &frame(TEXT, &hello)), [text("Hello")]);
    assert_eq!(all(&mut path, &frame(0x81, b"plain")), [text("plain")]);
    assert_eq!(
        all(&mut path, &frame(TEXT, &[0xF2, 0x00, 0x11, 0x00, 0x00])),
        [text("Hello")]
    );
}

#[test]
fn rsv1_stands_on_the_first_frame_of_a_data_message_only() {
    let refused = [Seen::Error(ProtocolError::ReservedBits)];
    let part = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF];
    let path = || server(Terms::FULL, |_| {});
    let continued = |first: u8| [frame(PART_OF_TEXT, &part), frame(first, &[0x00])].concat();
    assert_eq!(all(&mut path(), &continued(END)), [text("He")]);
    assert_eq!(all(&mut path(), &continued(END | 0x40)), refused);
    assert_eq!(all(&mut path(), &continued(MORE | 0x40)), refused);
    // Not on a continuation of an uncompressed message either.
    let plain = [frame(0x01, b"He"), frame(END | 0x40, &part)].concat();
    assert_eq!(all(&mut path(), &plain), refused);
    for control in [0xC8, 0xC9, 0xCA] {
        assert_eq!(all(&mut path(), &frame(control, b"")), refused);
    }
    for other in [0xA1, 0x91, 0xE1] {
        assert_eq!(all(&mut path(), &frame(other, b"x")), refused);
    }
    let mut without = ReceivePath::new(Role::Server, Arc::new(Config::server()));
    assert_eq!(all(&mut without, &frame(TEXT, &part)), refused);
}

#[test]
fn text_is_checked_while_it_is_inflated() {
    // Wrong from its first byte on, and 100 KB long: refused before the rest has arrived.
    let mut bytes = vec![0xFF];
    bytes.extend(noise(100_000, 9));
    let mut send = Terms::FULL.client_send(0, 6);
    send.binary(&bytes).unwrap();
    let (_, payload) = sent(&mut send).remove(0);
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let mut path = server(Terms::FULL, |config| config.delivery = delivery);
        let whole = frame(TEXT, &payload);
        assert_eq!(
            all(&mut path, &whole[..40_000]),
            [Seen::Error(ProtocolError::TextUtf8)]
        );
    }
    // Cut inside a character at the end.
    let mut path = server(Terms::FULL, |_| {});
    let cut = [stored(b"caf\xC3"), vec![0x00]].concat();
    assert_eq!(
        all(&mut path, &frame(TEXT, &cut)),
        [Seen::Error(ProtocolError::TextUtf8)]
    );
}

/// Found by fuzzing: one read brought both faults, and the graver one was told.
#[test]
fn text_that_is_wrong_before_it_is_too_big_is_1007_however_it_is_cut() {
    let mut bytes = vec![b'a'; 500];
    bytes.push(0xFF);
    bytes.extend([b'a'; 700]);
    let mut send = Terms::FULL.client_send(0, 6);
    send.binary(&bytes).unwrap();
    let (_, payload) = sent(&mut send).remove(0);
    let wire = frame(TEXT, &payload);
    for delivery in [Delivery::Message, Delivery::Fragment] {
        for step in [wire.len(), 7, 1] {
            let mut path = server(Terms::FULL, |config| {
                config.delivery = delivery;
                config.limits.max_message_size = 1000;
            });
            assert_eq!(
                seen(&mut path, &wire, step),
                [Seen::Error(ProtocolError::TextUtf8)],
                "{step} bytes at a time"
            );
        }
    }
}

#[test]
fn fragments_keep_message_opcode_and_number_of_frames() {
    let mut send = Terms::of(12, true).client_send(0, 1);
    let parts = ["first, ", "", "second, ", "third"];
    for (number, part) in parts.iter().enumerate() {
        send.send_fragment(MessageKind::Text, part.as_bytes(), number == 3)
            .unwrap();
        send.ping(b"x").unwrap();
    }
    let frames = sent(&mut send);
    let mut bytes = Vec::new();
    for (header, payload) in &frames {
        bytes.extend(frame(
            u8::from(header.fin) << 7 | header.rsv | header.opcode.bits(),
            payload,
        ));
    }
    let mut path = server(Terms::of(12, true), |config| config.delivery = Delivery::Fragment);
    let mut message = Vec::new();
    let (mut firsts, mut lasts, mut count) = (0, 0, 0);
    for seen in all(&mut path, &bytes) {
        if let Seen::Fragment {
            kind,
            first,
            fin,
            payload,
        } = seen
        {
            assert_eq!(kind, MessageKind::Text);
            firsts += usize::from(first);
            lasts += usize::from(fin);
            count += 1;
            message.extend(payload);
        }
    }
    assert_eq!((firsts, lasts, count), (1, 1, 4));
    assert_eq!(message, b"first, second, third");
}

#[test]
fn an_incompressible_message_of_exactly_the_limits_passes() {
    for size in [10, 125, 1000, 65_535, 200_000] {
        for level in [1, 6] {
            let bytes = noise(size, 21);
            let mut send = Terms::FULL.client_send(0, level);
            send.binary(&bytes).unwrap();
            let (_, payload) = sent(&mut send).remove(0);
            assert!(payload.len() > size, "it grew");
            let mut path = server(Terms::FULL, |config| {
                config.limits.max_message_size = size;
                config.limits.max_frame_size = size;
            });
            assert!(all(&mut path, &frame(BINARY, &payload)) == [Seen::Binary(bytes)]);
        }
    }
    // Yet what is declared has a bound, before a byte of it has come.
    let mut path = server(Terms::FULL, |config| config.limits.max_frame_size = 1000);
    let declared = masked(&[BINARY, 126, 0x08, 0x00]);
    assert_eq!(
        all(&mut path, &declared),
        [Seen::Error(ProtocolError::FrameTooBig)]
    );
}
