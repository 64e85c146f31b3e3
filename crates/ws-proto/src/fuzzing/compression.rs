//! Compressed messages, corrupt and right ones. Each function panics when what it says does not hold.

use std::sync::Arc;

use bytes::Buf;

use crate::config::{Config, Delivery};
use crate::error::ProtocolError;
use crate::ext::{DeflateConfig, Extensions, WindowBits};
use crate::frame::{FrameHeader, MAX_HEADER_LEN, Opcode};
use crate::recv::{Event, ReceivePath};
use crate::role::Role;
use crate::send::SendPath;

/// The message limit of these connections: small, so that bombs are easily found.
const LIMIT: usize = 10_000;

/// Compressed payloads made of `data`, to a client: they end in messages or in a known error, below the limit, and
/// however they are cut. The first four bytes choose the terms and the cuts.
pub fn inflate_anything(data: &[u8]) {
    let Some(([terms, delivery, frame, step], payload)) =
        data.split_first_chunk::<4>().map(|(head, rest)| (*head, rest))
    else {
        return;
    };
    let (_, extensions) = agree(terms);
    let mut wire = Vec::new();
    let size = usize::from(frame).max(1) * 4;
    let count = payload.len().div_ceil(size).max(1);
    let mut pieces = payload.chunks(size);
    for place in 0..count {
        let piece = pieces.next().unwrap_or_default();
        let header = FrameHeader {
            fin: place + 1 == count || frame & 1 == 1,
            rsv: if place == 0 || frame & 1 == 1 { 0x40 } else { 0 },
            opcode: match (place, frame & 1) {
                (1.., 0) => Opcode::Continuation,
                _ if frame & 2 == 0 => Opcode::Text,
                _ => Opcode::Binary,
            },
            mask: None,
            payload_len: piece.len() as u64,
        };
        let mut bytes = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut bytes);
        wire.extend_from_slice(bytes.get(..len).unwrap_or_default());
        wire.extend_from_slice(piece);
    }
    let delivery = if delivery & 1 == 0 {
        Delivery::Message
    } else {
        Delivery::Fragment
    };
    let mut config = Config::client().with_delivery(delivery);
    config.limits.max_message_size = LIMIT;
    let config = Arc::new(config);
    let path = || ReceivePath::new(Role::Client, config.clone()).with_extensions(&extensions);
    let whole = events(path(), &wire, wire.len());
    let cut = events(path(), &wire, usize::from(step).max(1));
    assert_eq!(whole, cut, "input cut anywhere gives the same events");
}

/// Messages made of `data`, compressed on some terms and inflated again: they come out as they went in. The first two
/// bytes choose the terms; then each message has two bytes of length and options in front.
pub fn deflate_there_and_back(data: &[u8]) {
    let Some(([terms, level], mut rest)) = data.split_first_chunk::<2>().map(|(head, rest)| (*head, rest))
    else {
        return;
    };
    let (server, client) = agree_at(terms, level % 10);
    let mut send = SendPath::server(Arc::new(Config::server())).with_extensions(&server);
    let mut receive = ReceivePath::new(Role::Client, Arc::new(Config::client())).with_extensions(&client);
    while let Some((head, after)) = rest.split_first_chunk::<2>() {
        let [options, length] = *head;
        let (seed, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        // Long enough to leave every window, seldom: such messages take their time.
        let message = seed.repeat(match options & 0x0F {
            1 => 300,
            3 | 5 | 7 => 10,
            _ => 1,
        });
        let queued = if options & 2 == 0 {
            send.binary(&message)
        } else {
            let (first, last) = message.split_at(message.len() / 3);
            send.send_fragment(crate::message::MessageKind::Binary, first, false)
                .and_then(|()| send.send_fragment(crate::message::MessageKind::Binary, last, true))
        };
        assert_eq!(queued, Ok(()));
        if options & 4 == 4 {
            send.hibernate();
        }
        let mut wire = send.copy_to_bytes(send.remaining()).to_vec();
        let mut input = wire.as_mut_slice();
        let event = receive.next(&mut input);
        assert_eq!(event, Ok(Some(Event::Binary(&message))));
    }
}

/// Everything that comes out, up to an error.
fn events(mut path: ReceivePath, wire: &[u8], step: usize) -> Vec<Result<Vec<u8>, ProtocolError>> {
    let mut out = Vec::new();
    for part in wire.chunks(step.max(1)) {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            let bytes = match path.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Text(text))) => text.as_bytes().to_vec(),
                Ok(Some(Event::Binary(bytes))) => bytes.to_vec(),
                Ok(Some(Event::Fragment(fragment))) => fragment.payload.to_vec(),
                Ok(Some(_)) => Vec::new(),
                Err(error) => {
                    out.push(Err(error));
                    return out;
                }
            };
            assert!(bytes.len() <= LIMIT, "the limit is for what comes out");
            out.push(Ok(bytes));
        }
    }
    out
}

/// Server and client on some terms, at the fastest level.
pub(super) fn agree(terms: u8) -> (Extensions, Extensions) {
    agree_at(terms, 1)
}

/// Server and client on some terms: three bits of window, one of takeover.
fn agree_at(terms: u8, level: u8) -> (Extensions, Extensions) {
    let bits = WindowBits::new(8 + (terms & 7));
    let config = DeflateConfig {
        server_max_window_bits: bits,
        client_max_window_bits: bits,
        server_no_context_takeover: terms & 8 == 8,
        client_no_context_takeover: terms & 8 == 8,
        threshold: 0,
        level,
    };
    let (mut server, mut client) = (Extensions::new(), Extensions::new());
    let offers = config.offers();
    let agreed = offers.first().and_then(|offer| config.answer(offer));
    if let Some((answer, agreement)) = agreed {
        // RSV1 has no other owner here.
        let _ = server.add_deflate(agreement);
        if let Some(agreement) = config.confirm(&answer) {
            let _ = client.add_deflate(agreement);
        }
    }
    (server, client)
}
