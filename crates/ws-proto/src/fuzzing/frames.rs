//! Frames and whole connections, heads of `Sec-WebSocket-Extensions`. Each function panics when what it says does not
//! hold.

use std::sync::Arc;
use std::time::Instant;

use crate::code::CloseCode;
use crate::config::{Config, Delivery};
use crate::connection::Connection;
use crate::ext::{Extensions, parse_extensions};
use crate::mask::MaskKey;
use crate::recv::ReceivePath;
use crate::role::Role;

/// Small limits, so that short inputs reach them.
fn config(role: Role, delivery: Delivery) -> Arc<Config> {
    let mut config = Config::new(role).with_delivery(delivery);
    config.limits.max_frame_size = 2048;
    config.limits.max_message_size = 4096;
    config.limits.max_fragments = 16;
    Arc::new(config)
}

/// What comes out of `bytes`, which arrive in pieces of these lengths, over and over, and `between` them.
fn events(
    mut path: ReceivePath,
    bytes: &[u8],
    pieces: &[usize],
    between: impl Fn(&mut ReceivePath),
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut rest = bytes.as_mut_slice();
    let mut lengths = pieces.iter().cycle();
    while !rest.is_empty() {
        let length = lengths
            .next()
            .map_or(rest.len(), |length| (*length).clamp(1, rest.len()));
        let (mut piece, others) = std::mem::take(&mut rest).split_at_mut(length);
        rest = others;
        loop {
            match path.next(&mut piece) {
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
        assert!(piece.is_empty(), "everything is consumed");
        between(&mut path);
    }
    seen
}

/// The path gives its memory back and gets it again, unless it discards, and goes on gathering in another buffer.
fn lend_anew(path: &mut ReceivePath) {
    if let Some(memory) = path.detach() {
        assert_eq!(path.attach(memory).is_some(), path.is_stopped());
    }
    let old = path.exchange(b"before".to_vec());
    assert!(old.is_empty(), "what was gathered is in the other one");
}

/// Whole or cut, the events are the same. The first two bytes of the input say how it is cut.
fn frames(role: Role, data: &[u8], extensions: &Extensions) {
    let Some((cuts, bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    for delivery in [Delivery::Message, Delivery::Fragment] {
        let path = || ReceivePath::new(role, config(role, delivery)).with_extensions(extensions);
        let whole = events(path(), bytes, &[], |_| ());
        let cut = events(path(), bytes, &cuts.map(usize::from), lend_anew);
        assert_eq!(whole, cut, "the events depend on how the input was cut");
        assert_eq!(
            whole,
            events(path(), bytes, &[1], |_| ()),
            "the events depend on how the input was cut"
        );
    }
}

/// Frames as a server receives them.
pub fn frames_of_a_client(data: &[u8]) {
    frames(Role::Server, data, &Extensions::new());
}

/// Frames as a client receives them.
pub fn frames_of_a_server(data: &[u8]) {
    frames(Role::Client, data, &Extensions::new());
}

/// Frames of a client that has agreed on compression.
#[cfg(feature = "deflate")]
pub fn compressed_frames(data: &[u8]) {
    use crate::ext::DeflateConfig;

    let config = DeflateConfig::new();
    let mut extensions = Extensions::new();
    if let Some((_, agreement)) = config.offers().first().and_then(|offer| config.answer(offer)) {
        let added = extensions.add_deflate(agreement);
        assert!(added.is_ok(), "nothing else has taken its bit");
    }
    frames(Role::Server, data, &extensions);
}

/// What the parser takes is what it writes, and parses to the same again.
pub fn extension_header(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else {
        return;
    };
    let offers: Result<Vec<_>, _> = parse_extensions(line).collect();
    if let Ok(offers) = offers {
        let written: Vec<_> = offers.iter().map(ToString::to_string).collect();
        let written = written.join(", ");
        let again: Result<Vec<_>, _> = parse_extensions(&written).collect();
        assert_eq!(again.as_deref(), Ok(offers.as_slice()), "{written:?}");
    }
}

/// A whole connection: bytes and calls, as the input has them. It must come to its end, once, with a code.
fn connection(role: Role, data: &[u8], now: Instant) {
    let config = config(role, Delivery::Message);
    let hard = config.limits.hard_queue + config.limits.max_frame_size;
    let mut connection = match role {
        Role::Server => Connection::server(config, now),
        Role::Client => Connection::client(config, Box::new(|| MaskKey([1, 2, 3, 4])), now),
    };
    for piece in data.chunks(24) {
        let (call, bytes) = piece
            .split_first()
            .map_or((0, piece), |(call, rest)| (*call, rest));
        match call % 8 {
            0..=4 => {
                let mut input = bytes.to_vec();
                let mut input = input.as_mut_slice();
                connection.handle_received(now);
                while let Ok(Some(_)) = connection.next(&mut input) {}
            }
            5 => drop(connection.send(String::from_utf8_lossy(bytes).into_owned())),
            6 => drop(connection.close(Some((CloseCode::new(u16::from(call) * 20), "fuzz")))),
            _ => connection.handle_eof(),
        }
        assert!(connection.sender().queued_bytes() <= hard, "the queue is bounded");
    }
    connection.handle_lost();
    assert!(connection.close_reason().is_some(), "every connection has an end");
}

/// A server and what happens to it.
pub fn connection_of_a_server(data: &[u8], now: Instant) {
    connection(Role::Server, data, now);
}

/// A client and what happens to it.
pub fn connection_of_a_client(data: &[u8], now: Instant) {
    connection(Role::Client, data, now);
}
