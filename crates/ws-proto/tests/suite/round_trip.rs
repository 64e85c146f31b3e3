//! What one end encodes the other end reads, at every edge of the length forms and in both directions.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use ws_proto::{
    Config, Delivery, Fragment, FrameHeader, Message, MessageKind, Opcode, PreparedMessage, ReceivePath,
    Role, SendOptions, SendPath,
};

use crate::pair::{Seen, masks};

const LENGTHS: [usize; 16] = [
    0, 1, 2, 124, 125, 126, 127, 128, 4096, 16_383, 16_384, 16_385, 65_534, 65_535, 65_536, 65_537,
];

fn sender(role: Role) -> SendPath {
    let config = Arc::new(Config::new(role));
    match role {
        Role::Client => SendPath::client(config, Box::new(masks())),
        Role::Server => SendPath::server(config),
    }
}

fn written(send: &mut SendPath) -> Vec<u8> {
    let bytes = send.copy_to_bytes(send.remaining()).to_vec();
    assert!(!send.has_output());
    bytes
}

/// What the peer of `role` sees of these bytes.
fn seen_by_peer(role: Role, delivery: Delivery, mut bytes: Vec<u8>) -> Vec<Seen> {
    let config = Config::new(role.peer()).with_delivery(delivery);
    let mut receive = ReceivePath::new(role.peer(), Arc::new(config));
    let mut input = bytes.as_mut_slice();
    let mut seen = Vec::new();
    while let Some(event) = receive.next(&mut input).unwrap() {
        seen.push(event.into());
    }
    seen
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|n| n.to_le_bytes()[0] & 0x7F).collect()
}

#[test]
fn every_way_to_send_a_message_arrives_as_that_message() {
    for role in [Role::Client, Role::Server] {
        for length in LENGTHS {
            let bytes = payload(length);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let mut send = sender(role);
            send.binary(&bytes).unwrap();
            send.text(&text).unwrap();
            send.message(Message::binary(bytes.clone())).unwrap();
            send.message(Message::text(text.clone())).unwrap();
            send.prepared(&PreparedMessage::binary(&bytes)).unwrap();
            send.prepared(&PreparedMessage::text(&text)).unwrap();
            let left = send
                .begin_large(MessageKind::Binary, &bytes, SendOptions::new())
                .unwrap();
            send.finish_large(&bytes[length - left..]);
            let wire = written(&mut send);
            let form = match length {
                0..=125 => 0,
                126..=65_535 => 2,
                _ => 8,
            };
            let header = 2 + form + if role == Role::Client { 4 } else { 0 };
            assert_eq!(wire.len(), 7 * (header + length));
            let (binary, text) = (Seen::Binary(bytes), Seen::Text(text));
            let expected = [&binary, &text, &binary, &text, &binary, &text, &binary];
            let seen = seen_by_peer(role, Delivery::Message, wire);
            assert!(seen.iter().eq(expected), "{role:?} {length}");
        }
    }
}

#[test]
fn control_payloads_of_every_length_arrive() {
    for role in [Role::Client, Role::Server] {
        let mut send = sender(role);
        let mut expected = Vec::new();
        for length in 0..=125 {
            send.ping(&payload(length)).unwrap();
            send.pong(&payload(length)).unwrap();
            expected.extend([Seen::Ping(payload(length)), Seen::Pong(payload(length))]);
        }
        assert_eq!(
            seen_by_peer(role, Delivery::Message, written(&mut send)),
            expected
        );
    }
}

#[test]
fn fragments_keep_their_cuts_or_become_one_message() {
    let text = "κόσμε, in parts \u{1F600}".as_bytes();
    for role in [Role::Client, Role::Server] {
        for cut in 0..=text.len() {
            let mut send = sender(role);
            send.send_fragment(MessageKind::Text, &text[..cut], false)
                .unwrap();
            send.ping(b"between").unwrap();
            let last = Fragment {
                kind: MessageKind::Text,
                first: true,
                fin: true,
                payload: Bytes::copy_from_slice(&text[cut..]),
            };
            send.message(Message::Fragment(last)).unwrap();
            let wire = written(&mut send);
            let whole = Seen::Text(String::from_utf8(text.to_vec()).unwrap());
            let ping = Seen::Ping(b"between".to_vec());
            assert_eq!(
                seen_by_peer(role, Delivery::Message, wire.clone()),
                [ping.clone(), whole]
            );
            let fragment = |first, payload: &[u8]| Seen::Fragment {
                kind: MessageKind::Text,
                first,
                fin: !first,
                payload: payload.to_vec(),
            };
            assert_eq!(
                seen_by_peer(role, Delivery::Fragment, wire),
                [fragment(true, &text[..cut]), ping, fragment(false, &text[cut..])]
            );
        }
    }
}

#[test]
fn sixteen_mebibytes_arrive() {
    let bytes = vec![0x5A; 16 << 20];
    for role in [Role::Client, Role::Server] {
        let mut send = sender(role);
        send.message(Message::binary(bytes.clone())).unwrap();
        let mut wire = written(&mut send);
        let mut config = Config::new(role.peer());
        config.limits.max_frame_size = bytes.len();
        config.limits.max_message_size = bytes.len();
        let mut receive = ReceivePath::new(role.peer(), Arc::new(config));
        let mut seen: Vec<Seen> = Vec::new();
        for part in wire.chunks_mut(60_000) {
            let mut input = part;
            while let Some(event) = receive.next(&mut input).unwrap() {
                seen.push(event.into());
            }
        }
        assert!(seen == [Seen::Binary(bytes.clone())]);
    }
}

#[test]
fn every_frame_header_of_the_sender_is_what_the_parser_says() {
    let mut send = sender(Role::Client);
    send.send_fragment(MessageKind::Binary, &payload(300), false)
        .unwrap();
    let wire = written(&mut send);
    let (header, len) = FrameHeader::parse(&wire).unwrap().unwrap();
    assert_eq!(
        (header.fin, header.rsv, header.opcode),
        (false, 0, Opcode::Binary)
    );
    assert_eq!((header.payload_len, len, wire.len()), (300, 8, 308));
    assert!(header.mask.is_some());
}
