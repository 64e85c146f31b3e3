//! Group W and the good conversations that must survive any cut (F28, F29). RFC 6455 §5.5.2, §10.4.

use bytes::Bytes;

use super::case::{Act, Case, Expected, frames, wire};
use crate::peer::RawFrame;

/// Frames of a flood.
const FLOOD: usize = 1_000_000;
/// Frames of a pipelined burst.
const BURST: usize = 10_000;

pub(super) fn cases() -> Vec<Case> {
    let talk = wire([
        RawFrame::text("gr\u{fc}n").unfinished(),
        RawFrame::ping("between"),
        RawFrame::continuation(""),
        RawFrame::binary(vec![7; 300]),
    ]);
    // The message is left open until after the ping, whose answer must come all the same.
    let fragmented = wire([
        RawFrame::text("gr\u{fc}").unfinished(),
        RawFrame::continuation("n").unfinished(),
        RawFrame::continuation(""),
        RawFrame::binary(vec![7; 300]),
    ]);
    let both = || Expected::Echoes(vec![(1, "gr\u{fc}n".into()), (2, vec![7; 300].into())]);
    let burst = vec![(1, Bytes::from_static(b"tick")); BURST];
    let pings = [
        RawFrame::ping(""),
        RawFrame::ping("one"),
        RawFrame::ping(vec![b'x'; 125]),
    ];
    let pongs = [
        RawFrame::pong(""),
        RawFrame::pong("one"),
        RawFrame::pong(vec![b'x'; 125]),
    ];
    let closes: Vec<_> = (0..1000_u16)
        .map(|number| RawFrame::close(3000 + number, ""))
        .collect();
    vec![
        Case::after(
            "F28",
            "a conversation in one piece",
            vec![Act::Send(fragmented.clone())],
            both(),
        ),
        Case::after(
            "F28",
            "the same byte by byte",
            vec![Act::Chopped(fragmented, 1)],
            both(),
        ),
        Case::after(
            "F28",
            "a ping inside a message, byte by byte",
            vec![Act::Chopped(talk, 1)],
            both(),
        ),
        Case::after(
            "F28",
            "pings of 0, 3 and 125 bytes",
            vec![frames(pings)],
            Expected::Answers(pongs.into()),
        ),
        Case::after(
            "F29",
            "10,000 messages in one write",
            vec![Act::Send(wire([RawFrame::text("tick")]).repeat(BURST).into())],
            Expected::Echoes(burst),
        ),
        Case::after(
            "W01",
            "a million pings from a peer that never reads",
            vec![Act::Repeat(wire([RawFrame::ping(vec![b'p'; 100])]), FLOOD)],
            Expected::Lives,
        ),
        Case::after(
            "W01",
            "a million pongs that nobody asked for, then a message",
            vec![
                Act::Repeat(wire([RawFrame::pong(vec![b'p'; 100])]), FLOOD),
                frames([RawFrame::text("still there?")]),
            ],
            Expected::Echoes(vec![(1, "still there?".into())]),
        ),
        Case::after(
            "W03",
            "a million empty messages from a peer that never reads",
            vec![Act::Repeat(wire([RawFrame::text("")]), FLOOD)],
            Expected::Lives,
        ),
        Case::after(
            "W04",
            "1,000 close frames",
            vec![frames(closes)],
            Expected::Closes(Some(3000)),
        ),
    ]
}
