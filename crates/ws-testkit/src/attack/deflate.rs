//! Group D: compressed messages, on a connection without context takeover either way. RFC 7692 §7.2, RFC 1951.
//!
//! Cases for servers that agree to permessage-deflate; for others they do not apply.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use ws_proto::{
    Config, DeflateConfig, Event, Extensions, MessageKind, ReceivePath, Role, SendPath, UNLIMITED,
};

use super::case::{Act, Case, Expected, frames, wire};
use super::target::Target;
use crate::peer::RawFrame;

/// What every case offers. Without context takeover each message stands for itself.
pub(super) const OFFER: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What a server that agrees has to repeat (RFC 7692 §7.1.1). That it may leave out the client's parameter only
/// makes a difference to D08.
pub(super) const AGREED: [&str; 3] = [
    "permessage-deflate",
    "server_no_context_takeover",
    "client_no_context_takeover",
];

/// RSV1: the message is compressed.
const COMPRESSED: u8 = 4;

/// A reference of three bytes to the byte before; at the beginning of a message there is none.
const REFERENCE: &[u8] = &[0x02, 0x02, 0x00, 0x00];

const CORRUPT: &[u16] = &[1007, 1002];

pub(super) fn cases(target: &Target) -> Vec<Case> {
    let mut cases = limits(target);
    cases.extend(corrupt());
    cases.extend(unusual());
    cases
}

/// Both ends of an agreement on what every case offers: server, client.
fn agreed() -> Option<(Extensions, Extensions)> {
    let mut config = DeflateConfig::new();
    config.server_no_context_takeover = true;
    config.client_no_context_takeover = true;
    config.server_max_window_bits = None;
    config.client_max_window_bits = None;
    config.threshold = 0;
    config.level = 9;
    let offers = config.offers();
    let (answer, server_side) = config.answer(offers.first()?)?;
    let client_side = config.confirm(&answer)?;
    let (mut server, mut client) = (Extensions::new(), Extensions::new());
    server.add_deflate(server_side).ok()?;
    client.add_deflate(client_side).ok()?;
    Some((server, client))
}

/// A whole message, compressed unless that would make it longer.
fn compressed(opcode: u8, payload: &[u8]) -> RawFrame {
    let mut frame = None;
    if let Some((server, _)) = agreed() {
        let mut send = SendPath::server(Arc::new(Config::server())).with_extensions(&server);
        if send.binary(payload).is_ok() {
            let mut bytes = BytesMut::new();
            while send.has_output() {
                bytes.extend_from_slice(send.chunk());
                send.advance(send.chunk().len());
            }
            frame = RawFrame::decode(&mut bytes);
        }
    }
    RawFrame {
        opcode,
        ..frame.unwrap_or_else(|| RawFrame::binary(payload.to_vec()))
    }
}

/// A whole message whose payload on the wire is this.
fn raw(opcode: u8, payload: impl Into<Bytes>) -> RawFrame {
    RawFrame::new(opcode, payload).reserved(COMPRESSED)
}

/// The same in `count` frames. RFC 7692 §6.1: RSV1 is set on the first only.
fn in_parts(whole: &RawFrame, count: usize) -> Vec<RawFrame> {
    let size = whole.payload.len().div_ceil(count).max(1);
    let pieces = whole.payload.chunks(size).count();
    whole
        .payload
        .chunks(size)
        .enumerate()
        .map(|(place, piece)| RawFrame {
            fin: place + 1 == pieces,
            opcode: if place == 0 { whole.opcode } else { 0 },
            rsv: if place == 0 { whole.rsv } else { 0 },
            payload: Bytes::copy_from_slice(piece),
            ..whole.clone()
        })
        .collect()
}

/// What a server's message says: inflated if its first frame says that it is compressed. `None`: it cannot be.
pub(super) fn understood(message: Vec<RawFrame>) -> Option<Bytes> {
    if message.first().is_none_or(|first| first.rsv != COMPRESSED) {
        return Some(message.into_iter().flat_map(|frame| frame.payload).collect());
    }
    let mut config = Config::client();
    config.limits.max_frame_size = UNLIMITED;
    config.limits.max_message_size = 1 << 30;
    let (_, client) = agreed()?;
    let mut receive = ReceivePath::new(Role::Client, Arc::new(config)).with_extensions(&client);
    let mut bytes: Vec<u8> = message
        .iter()
        // Its opcode does not matter to inflation; text would be judged.
        .flat_map(|frame| {
            let opcode = if frame.opcode == 1 { 2 } else { frame.opcode };
            RawFrame {
                opcode,
                ..frame.clone()
            }
            .encode()
        })
        .collect();
    let mut input = bytes.as_mut_slice();
    match receive.next(&mut input) {
        Ok(Some(Event::Binary(payload))) => Some(Bytes::copy_from_slice(payload)),
        _ => None,
    }
}

/// Bombs: RFC 7692 §8 leaves them to the receiver; what counts is the size after inflation.
fn limits(target: &Target) -> Vec<Case> {
    let largest = target.options.largest;
    let binary = |size: usize| compressed(MessageKind::Binary.opcode().bits(), &vec![0; size]);
    let (fits, bomb) = (binary(largest), binary(largest + 1));
    let zeroes = Bytes::from(vec![0; largest]);
    let below = zeroes.slice(1..);
    let echo = |payload: Bytes| Expected::Echoes(vec![(2, payload)]);
    let too_big = || Expected::Fails(&[1009]);
    let case = |id, what, acts, expected| Case::compressed(id, what, acts, expected);
    let slow: Bytes = wire([bomb.clone()]);
    vec![
        case(
            "D01",
            "a bomb of the limit and one byte",
            vec![frames([bomb.clone()])],
            too_big(),
        ),
        case(
            "D01",
            "a bomb of eight times the limit",
            vec![frames([binary(largest * 8)])],
            too_big(),
        ),
        case(
            "D02",
            "one byte below the limit, once inflated",
            vec![frames([binary(largest - 1)])],
            echo(below),
        ),
        case(
            "D02",
            "exactly the limit, once inflated",
            vec![frames([fits])],
            echo(zeroes),
        ),
        case(
            "D03",
            "a bomb in seven frames",
            vec![frames(in_parts(&bomb, 7))],
            too_big(),
        ),
        case(
            "D04",
            "a bomb byte by byte",
            vec![Act::Chopped(slow, 1)],
            too_big(),
        ),
    ]
}

fn corrupt() -> Vec<Case> {
    let fails = |id, what: &str, payload: &'static [u8]| {
        let acts = vec![frames([raw(2, payload)])];
        Case::compressed(id, what, acts, Expected::Fails(CORRUPT))
    };
    let first = compressed(2, &[7; 100]);
    let wrong_text = compressed(1, &[0xFF; 100]);
    vec![
        fails("D05", "a block type that does not exist", &[0x06, 0, 0, 0]),
        fails(
            "D05",
            "a stored block whose length is not confirmed",
            &[0, 5, 0, 5, 0, 1, 2, 3, 4, 5],
        ),
        fails(
            "D05",
            "more codes than there are",
            &[0xFC, 0xFF, 0xFF, 0xFF, 0xFF],
        ),
        fails("D09", "a reference to before the beginning", REFERENCE),
        Case::compressed(
            "D08",
            "a reference to the message before, without context takeover",
            vec![frames([first, raw(2, REFERENCE)])],
            Expected::FailsBehind(vec![(2, vec![7; 100].into())], CORRUPT),
        ),
        Case::compressed(
            "D14",
            "text that is no UTF-8 once inflated",
            vec![frames([wrong_text])],
            Expected::Fails(&[1007]),
        ),
    ]
}

/// Legal, and seldom seen.
fn unusual() -> Vec<Case> {
    let echo = |opcode, payload: &'static str| Expected::Echoes(vec![(opcode, payload.into())]);
    let case = |id, what: &str, list: Vec<RawFrame>, expected| {
        Case::compressed(id, what, vec![frames(list)], expected)
    };
    // RFC 7692 §7.2.3.4 and §7.2.3.1.
    let final_block: &[u8] = &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    let hello: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut with_ping = in_parts(&raw(1, hello), 3);
    with_ping.insert(1, RawFrame::ping("between"));
    let mixed = vec![raw(1, hello), RawFrame::text("plain"), raw(1, hello)];
    let answers = ["Hello", "plain", "Hello"].map(|text| (1, text.into()));
    vec![
        case(
            "D06",
            "a block that says it is the last",
            vec![raw(1, final_block)],
            echo(1, "Hello"),
        ),
        case(
            "D07",
            "an empty message of one byte",
            vec![raw(1, &[0_u8][..])],
            echo(1, ""),
        ),
        case(
            "D07",
            "an empty message of two bytes",
            vec![raw(1, &[2_u8, 0][..])],
            echo(1, ""),
        ),
        case(
            "D07",
            "an empty message that is not compressed",
            vec![RawFrame::text("")],
            echo(1, ""),
        ),
        case(
            "D11",
            "a plain message between compressed ones",
            mixed,
            Expected::Echoes(answers.into()),
        ),
        case(
            "D12",
            "a ping between compressed fragments",
            with_ping,
            echo(1, "Hello"),
        ),
    ]
}
