//! Extensions of a user's own, and the two that are built in beside permessage-deflate.

use std::sync::Arc;

use ws_proto::{
    ExtensionFrame, Extensions, FragmentExtension, FrameDecoder, FrameEncoder, FrameExtension, FrameHeader,
    IdentityExtension, ProtocolError, ReservedBits, parse_extensions,
};

use crate::pair::{Pair, Seen};

/// Adds a number to every byte, and sets a reserved bit of its own on every frame.
#[derive(Debug, Clone, Copy)]
struct Shift(u8, ReservedBits);

impl FrameExtension for Shift {
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
        Some(Box::new(*self))
    }

    fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(*self))
    }
}

impl FrameEncoder for Shift {
    fn encode(&mut self, mut frame: ExtensionFrame, next: &mut dyn FnMut(ExtensionFrame)) {
        // Not commutative with another shift, so that the order shows.
        frame
            .payload
            .iter_mut()
            .for_each(|byte| *byte = byte.rotate_left(1).wrapping_add(self.0));
        frame.reserved = frame.reserved | self.1;
        next(frame);
    }
}

impl FrameDecoder for Shift {
    fn decode(&mut self, frame: &mut ExtensionFrame, _limit: usize) -> Result<(), ProtocolError> {
        if !frame.reserved.contains(self.1) {
            return Err(ProtocolError::ReservedBits);
        }
        frame.reserved = frame.reserved.without(self.1);
        frame
            .payload
            .iter_mut()
            .for_each(|byte| *byte = byte.wrapping_sub(self.0).rotate_right(1));
        Ok(())
    }
}

/// Doubles every byte on the way in: a bomb.
#[derive(Debug)]
struct Doubling;

impl FrameExtension for Doubling {
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
        None
    }

    fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self))
    }
}

impl FrameDecoder for Doubling {
    fn decode(&mut self, frame: &mut ExtensionFrame, _limit: usize) -> Result<(), ProtocolError> {
        frame.payload = frame.payload.iter().flat_map(|byte| [*byte; 2]).collect();
        Ok(())
    }
}

fn fragment(parameters: &str) -> Arc<FragmentExtension> {
    let line = format!("fragment{parameters}");
    let offer = parse_extensions(&line).next().unwrap().unwrap();
    Arc::new(FragmentExtension::from_offer(&offer).unwrap())
}

fn payload_lengths(mut wire: &[u8]) -> Vec<(u64, bool, u8)> {
    let mut lengths = Vec::new();
    while let Some((header, len)) = FrameHeader::parse(wire).unwrap() {
        lengths.push((header.payload_len, header.fin, header.rsv));
        wire = &wire[len + usize::try_from(header.payload_len).unwrap()..];
    }
    lengths
}

#[test]
fn extensions_are_applied_in_order_and_undone_in_reverse() {
    let mut extensions = Extensions::new();
    extensions
        .add_frames("one", ReservedBits::RSV2, Arc::new(Shift(3, ReservedBits::RSV2)))
        .unwrap();
    extensions
        .add_frames("identity", ReservedBits::NONE, Arc::new(IdentityExtension))
        .unwrap();
    extensions
        .add_frames("two", ReservedBits::RSV3, Arc::new(Shift(5, ReservedBits::RSV3)))
        .unwrap();
    let taken = extensions.add_frames(
        "three",
        ReservedBits::RSV3,
        Arc::new(Shift(7, ReservedBits::RSV3)),
    );
    assert_eq!(&*taken.unwrap_err().owner, "two", "one owner for each bit");
    assert_eq!(extensions.reserved(), ReservedBits::RSV2 | ReservedBits::RSV3);

    let mut pair = Pair::new().extended(&extensions, &extensions);
    for message in ["", "short", &"long ".repeat(5000)] {
        pair.client.text(message);
        pair.server.text(message);
        pair.client
            .connection
            .sender()
            .ping(b"not shown to extensions")
            .unwrap();
        pair.run();
        assert_eq!(pair.client.take_seen()[0], Seen::Text(message.to_owned()));
        let seen = pair.server.take_seen();
        assert_eq!(seen[0], Seen::Text(message.to_owned()));
        assert_eq!(seen[1], Seen::Ping(b"not shown to extensions".to_vec()));
    }
    let text = payload_lengths(&pair.server.wire)[0];
    assert_eq!(text, (0, true, 0x30));
}

#[test]
fn a_bit_that_nobody_understood_is_refused() {
    let mut extensions = Extensions::new();
    extensions
        .add_frames(
            "shift",
            ReservedBits::RSV2,
            Arc::new(Shift(3, ReservedBits::NONE)),
        )
        .unwrap();
    let mut pair = Pair::new().extended(&Extensions::new(), &extensions);
    pair.inject_to_server(&crate::pair::masked(b"\xA1\x01x"));
    pair.run();
    assert_eq!(
        pair.server.take_seen()[0],
        Seen::Error(ProtocolError::ReservedBits)
    );
}

#[test]
fn what_an_extension_makes_is_held_to_the_message_limit() {
    let mut extensions = Extensions::new();
    extensions
        .add_frames("doubling", ReservedBits::NONE, Arc::new(Doubling))
        .unwrap();
    for (length, fits) in [(50, true), (51, false)] {
        let mut server = ws_proto::Config::server();
        server.limits.max_message_size = 100;
        let mut pair =
            Pair::with(ws_proto::Config::client(), server).extended(&Extensions::new(), &extensions);
        pair.client.text(&"x".repeat(length));
        pair.run();
        let expected = if fits {
            Seen::Text("x".repeat(100))
        } else {
            Seen::Error(ProtocolError::MessageTooBig)
        };
        assert_eq!(pair.server.take_seen()[0], expected);
    }
}

#[test]
fn fragment_cuts_what_is_sent() {
    let mut extensions = Extensions::new();
    extensions
        .add_frames(
            "fragment",
            ReservedBits::NONE,
            fragment("; maxLength=4; minFragments=7"),
        )
        .unwrap();
    let mut pair = Pair::new().extended(&Extensions::new(), &extensions);
    pair.server.text("exactly fifteen");
    pair.run();
    assert_eq!(
        pair.client.take_seen(),
        [Seen::Text("exactly fifteen".to_owned())]
    );
    let lengths: Vec<_> = payload_lengths(&pair.server.wire)
        .iter()
        .map(|(length, ..)| *length)
        .collect();
    assert_eq!(lengths, [4, 4, 4, 1, 1, 0, 1]);
    // What is received is not cut.
    pair.client.text("exactly fifteen");
    pair.run();
    assert_eq!(
        pair.server.take_seen(),
        [Seen::Text("exactly fifteen".to_owned())]
    );
}

#[cfg(feature = "deflate")]
#[test]
fn deflate_has_its_place_in_the_order() {
    let text = "the same words, the same words, the same words, the same words";
    for deflate_first in [true, false] {
        let build = |agreement: &ws_proto::DeflateAgreement| {
            let mut extensions = Extensions::new();
            if deflate_first {
                extensions.add_deflate(agreement.clone()).unwrap();
            }
            extensions
                .add_frames("fragment", ReservedBits::NONE, fragment("; maxLength=10"))
                .unwrap();
            extensions
                .add_frames(
                    "shift",
                    ReservedBits::RSV2,
                    Arc::new(Shift(9, ReservedBits::RSV2)),
                )
                .unwrap();
            if !deflate_first {
                extensions.add_deflate(agreement.clone()).unwrap();
            }
            extensions
        };
        let (client, server) = crate::deflate::Terms::of(12, true).agree(0, 6);
        let [client, server] = [client, server].map(|one| build(one.deflate().unwrap()));
        let mut pair = Pair::new().extended(&client, &server);
        for _ in 0..3 {
            pair.server.wire.clear();
            pair.server.text(text);
            pair.client.text(text);
            pair.run();
            assert_eq!(pair.client.take_seen(), [Seen::Text(text.to_owned())]);
            assert_eq!(pair.server.take_seen(), [Seen::Text(text.to_owned())]);
            let frames = payload_lengths(&pair.server.wire);
            // Both bits on the first frame; RFC 7692 §6.1: RSV1 on no other.
            assert_eq!(frames[0].2, 0x60);
            assert!(frames[1..].iter().all(|(_, _, rsv)| *rsv == 0x20));
            // Compressed and then cut, or cut and then compressed, frame by frame.
            if deflate_first {
                assert!(frames.iter().all(|(length, ..)| *length <= 10));
            } else {
                assert_eq!(frames.len(), text.len().div_ceil(10));
            }
        }
    }
}

/// Frames that another extension wants to see are gathered before they are inflated: the limit is as exact there.
#[cfg(feature = "deflate")]
#[test]
fn the_limit_is_exact_for_what_is_inflated_beside_other_extensions() {
    let limit = 50_000;
    let build = |agreement: &ws_proto::DeflateAgreement| {
        let mut extensions = Extensions::new();
        extensions.add_deflate(agreement.clone()).unwrap();
        extensions
            .add_frames(
                "shift",
                ReservedBits::RSV2,
                Arc::new(Shift(9, ReservedBits::RSV2)),
            )
            .unwrap();
        extensions
    };
    let (client, server) = crate::deflate::Terms::of(12, true).agree(0, 6);
    let [client, server] = [client, server].map(|one| build(one.deflate().unwrap()));
    let mut config = ws_proto::Config::server();
    config.limits.max_message_size = limit;
    for pieces in [1, 2, 7] {
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            let message = "x".repeat(length);
            let mut pair = Pair::with(ws_proto::Config::client(), config.clone()).extended(&client, &server);
            let size = length.div_ceil(pieces);
            for (number, piece) in message.as_bytes().chunks(size).enumerate() {
                let send = pair.client.connection.sender();
                send.send_fragment(ws_proto::MessageKind::Text, piece, number + 1 == pieces)
                    .unwrap();
            }
            pair.run();
            let expected = if fits {
                Seen::Text(message)
            } else {
                Seen::Error(ProtocolError::MessageTooBig)
            };
            assert!(
                pair.server.take_seen()[0] == expected,
                "{length} in {pieces} frames"
            );
        }
    }
}
