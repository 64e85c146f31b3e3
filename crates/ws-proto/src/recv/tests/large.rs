//! Large payloads: read straight to where they are gathered, in buffers that come from elsewhere.

use bytes::BufMut;

use super::{Delivery, Event, Opcode, ReceivePath, events, frame, server};

/// Reads `wire` from byte `at` on through the assembly buffer wherever that is offered.
/// As soon as a message is large, `exchange` is gone on with.
fn through_direct_reads(
    path: &mut ReceivePath,
    wire: &[u8],
    mut at: usize,
    mut exchange: Option<Vec<u8>>,
) -> (Vec<String>, usize) {
    let (mut out, mut direct) = (events(path, [&wire[..at]]), 0);
    while at < wire.len() {
        if path.is_large() {
            if let Some(buffer) = exchange.take() {
                assert!(path.exchange(buffer).is_empty(), "the old one holds nothing");
            }
        }
        if let Some(mut room) = path.direct_room() {
            let count = room.remaining_mut().min(wire.len() - at).min(50_000);
            room.put_slice(&wire[at..at + count]);
            at += count;
            direct += count;
            out.extend(
                path.received_direct(count)
                    .unwrap()
                    .map(|event| format!("{event:?}")),
            );
        } else {
            let end = wire.len().min(at + 10_000);
            out.extend(events(path, [&wire[at..end]]));
            at = end;
        }
    }
    (out, direct)
}

#[test]
fn direct_reads_give_the_same_events() {
    let payload: Vec<u8> = (0..300_000_u32)
        .map(|n| b'a' + (n % 23).to_le_bytes()[0])
        .collect();
    let (first, second) = payload.split_at(123_456);
    for (opcode, delivery) in [
        (Opcode::Binary, Delivery::Message),
        (Opcode::Binary, Delivery::Fragment),
        (Opcode::Text, Delivery::Message),
        (Opcode::Text, Delivery::Fragment),
    ] {
        let wire = [
            frame(false, opcode, first),
            frame(true, Opcode::Ping, b"p"),
            frame(true, Opcode::Continuation, second),
            frame(true, Opcode::Binary, b"next"),
        ]
        .concat();
        let expected = events(
            &mut server(|config| config.delivery = delivery),
            [wire.as_slice()],
        );
        let others = [
            None,
            Some(Vec::new()),
            Some(vec![b'#'; 2032]),
            Some(vec![0xFF; 7]),
        ];
        for (start, other) in [0, 3, 8, 14, 1000]
            .into_iter()
            .flat_map(|start| others.iter().map(move |other| (start, other)))
        {
            let mut path = server(|config| config.delivery = delivery);
            let (found, direct) = through_direct_reads(&mut path, &wire, start, other.clone());
            assert!(found == expected, "{opcode:?} {delivery:?} from {start}");
            assert_eq!(
                direct > 0,
                (opcode, delivery) != (Opcode::Text, Delivery::Message)
            );
        }
    }
}

#[test]
fn what_lay_in_a_buffer_stays_before_the_payload_and_goes_with_the_buffer() {
    let text = "ä€😀x".repeat(20_000);
    let wires = [
        frame(true, Opcode::Text, text.as_bytes()),
        frame(true, Opcode::Binary, text.as_bytes()),
        frame(true, Opcode::Text, text.as_bytes()),
    ];
    let mut path = server(|_| ());
    let mut lent = Some({
        let mut buffer = Vec::with_capacity(300_000);
        buffer.resize(100, b'-');
        buffer
    });
    for wire in &wires {
        let (head, tail) = wire.split_at(100_001);
        assert_eq!(events(&mut path, [head]), Vec::<String>::new());
        assert!(path.is_large());
        if let Some(buffer) = lent.take() {
            assert!(path.exchange(buffer).is_empty());
        }
        let arrived = 100_001 - 14;
        let whole_characters = arrived - 3..=arrived;
        assert!(
            whole_characters.contains(&path.buffered()),
            "what lies before is not counted"
        );
        let mut tail = tail.to_vec();
        match path.next(&mut tail.as_mut_slice()).unwrap().unwrap() {
            Event::Text(found) => assert!(found == text),
            Event::Binary(found) => assert!(found == text.as_bytes()),
            other => panic!("{other:?}"),
        }
        assert!(path.next(&mut &mut [][..]).unwrap().is_none());
    }
    let buffer = path.detach().unwrap().take_buffer();
    assert!(
        buffer.is_empty() && buffer.capacity() == 300_000,
        "used all the time"
    );
}

#[test]
fn the_buffer_of_a_text_grows_to_the_end_of_its_last_frame_at_most() {
    let mut path = server(|config| config.limits.max_message_size = usize::MAX);
    let first = frame(false, Opcode::Text, &[b'x'; 100_000]);
    let second = frame(true, Opcode::Continuation, &[b'x'; 200_000]);
    events(&mut path, first.chunks(10_000).chain(second.chunks(10_000)));
    let capacity = path.detach().unwrap().take_buffer().capacity();
    assert!((300_000..300_004).contains(&capacity), "{capacity}");
}
