//! Group F: frames that must be refused, at the limits and around them. RFC 6455 §5, §8.1, §10.4.

use bytes::Bytes;

use super::case::{Act, Case, Expected, beginning, frames, wire};
use super::target::Target;
use crate::peer::{LengthForm, RawFrame};

const PROTOCOL: Expected = Expected::Fails(&[1002]);
const NOT_TEXT: Expected = Expected::Fails(&[1007]);
const TOO_BIG: Expected = Expected::Fails(&[1009]);
const ABUSE: Expected = Expected::Fails(&[1008]);

const RESERVED: [(&str, u8); 3] = [("RSV1", 4), ("RSV2", 2), ("RSV3", 1)];

/// Bytes that are no UTF-8, each wrong for a reason of its own (RFC 3629 §3, §4).
const NOT_UTF8: [(&str, &[u8]); 14] = [
    ("a lone continuation byte", b"\x80"),
    ("a lone last continuation byte", b"\xbf"),
    ("a cut sequence of two", b"\xc3 "),
    ("a cut sequence of three", b"\xe2\x82 "),
    ("a cut sequence of four", b"\xf0\x9f\x98 "),
    ("0xFE", b"\xfe"),
    ("0xFF", b"\xff"),
    ("an overlong slash of two", b"\xc0\xaf"),
    ("an overlong slash of three", b"\xe0\x80\xaf"),
    ("an overlong slash of four", b"\xf0\x80\x80\xaf"),
    ("a high surrogate", b"\xed\xa0\x80"),
    ("a low surrogate", b"\xed\xbf\xbf"),
    ("above U+10FFFF", b"\xf4\x90\x80\x80"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"),
];

pub(super) fn cases(target: &Target) -> Vec<Case> {
    let mut cases = headers();
    cases.extend(lengths(target));
    cases.extend(messages(target));
    cases.extend(order());
    cases.extend(text());
    cases.extend(random(target.options.seeds));
    cases
}

/// Wrong within the first two bytes.
fn headers() -> Vec<Case> {
    let unmasked = Act::Send(RawFrame::text("bare").encode().into());
    let mut cases = vec![Case::after("F01", "an unmasked frame", vec![unmasked], PROTOCOL)];
    for (name, bit) in RESERVED {
        let frame = RawFrame::text("x").reserved(bit);
        cases.push(Case::after(
            "F03",
            format!("{name} on text"),
            vec![frames([frame])],
            PROTOCOL,
        ));
    }
    cases.extend(reserved_bits());
    for opcode in (3..8).chain(11..16) {
        let what = format!("two bytes of opcode {opcode}");
        let frame = RawFrame::new(opcode, "x".repeat(200));
        cases.push(Case::after("F05", what, vec![beginning(frame, 2)], PROTOCOL));
    }
    let huge = RawFrame::new(3, "")
        .declaring(1 << 62)
        .length_as(LengthForm::Bits64);
    cases.push(Case::after(
        "F06",
        "opcode 3 that declares 2^62 bytes",
        vec![frames([huge])],
        PROTOCOL,
    ));
    cases
}

/// Reserved bits where no extension may use them (RFC 6455 §5.2, RFC 7692 §6.1).
fn reserved_bits() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bit) in RESERVED {
        let begun = RawFrame::text("x").unfinished();
        let on = [
            ("ping", vec![RawFrame::ping("x").reserved(bit)]),
            ("close", vec![RawFrame::close(1000, "").reserved(bit)]),
            (
                "continuation",
                vec![begun, RawFrame::continuation("x").reserved(bit)],
            ),
        ];
        for (what, list) in on {
            let what = format!("{name} on {what}");
            cases.push(Case::after("F04", what, vec![frames(list)], PROTOCOL));
        }
    }
    cases
}

/// Declared lengths; no payload follows.
fn lengths(target: &Target) -> Vec<Case> {
    let declared = |id, what: &str, length: u64, expected| {
        let frame = RawFrame::text("").declaring(length);
        Case::after(id, what, vec![frames([frame])], expected)
    };
    let above = target.options.largest as u64 + 1;
    let long = RawFrame::text("x".repeat(125)).length_as(LengthForm::Bits16);
    let longer = RawFrame::text("x".repeat(65_535)).length_as(LengthForm::Bits64);
    let held = vec![beginning(RawFrame::text("x".repeat(target.options.largest)), 24)];
    vec![
        declared("F07", "a declared length of the limit and one", above, TOO_BIG),
        declared(
            "F08",
            "a declared length of 2^63",
            1 << 63,
            Expected::Fails(&[1002, 1009]),
        ),
        declared(
            "F09",
            "a declared length of 2^64-1",
            u64::MAX,
            Expected::Fails(&[1002, 1009]),
        ),
        declared("F10", "a declared length of 2^32+10", (1 << 32) + 10, TOO_BIG),
        Case::after(
            "F11",
            "125 bytes with a length of 16 bits",
            vec![frames([long])],
            PROTOCOL,
        ),
        Case::after(
            "F11",
            "65,535 bytes with a length of 64 bits",
            vec![frames([longer])],
            PROTOCOL,
        ),
        Case::after(
            "F12",
            "ten bytes of a large frame, then silence",
            held,
            Expected::Fails(&[1008]),
        )
        .slow(60),
    ]
}

/// Whole messages around the limits.
fn messages(target: &Target) -> Vec<Case> {
    let (largest, count) = (target.options.largest, target.options.fragments);
    let payload = Bytes::from(vec![b'x'; largest]);
    let in_parts = |parts: usize, size: usize, last: usize| {
        let first = RawFrame::binary(vec![b'x'; size]).unfinished();
        let middle = RawFrame::continuation(vec![b'x'; size]).unfinished();
        vec![
            frames([first]),
            Act::Repeat(wire([middle]), parts - 2),
            frames([RawFrame::continuation(vec![b'x'; last])]),
        ]
    };
    let echo = |payload: Bytes| Expected::Echoes(vec![(2, payload)]);
    let below = payload.slice(..largest - 1);
    let size = largest / 16;
    let ones = Bytes::from(vec![b'x'; count]);
    let fewer = ones.slice(..count - 1);
    vec![
        Case::after(
            "F13",
            "one byte below the limit",
            vec![frames([RawFrame::binary(below.clone())])],
            echo(below),
        ),
        Case::after(
            "F13",
            "exactly the limit",
            vec![frames([RawFrame::binary(payload.clone())])],
            echo(payload),
        ),
        Case::after(
            "F14",
            "one byte above in the last of 17 fragments",
            in_parts(17, size, 1),
            TOO_BIG,
        ),
        Case::after(
            "F15",
            "one fragment too many, one byte each",
            in_parts(count + 1, 1, 1),
            ABUSE,
        ),
        Case::after(
            "F16",
            "one fragment too many, all empty",
            in_parts(count + 1, 0, 0),
            ABUSE,
        ),
        Case::after(
            "F17",
            "one fragment below the limit",
            in_parts(count - 1, 1, 1),
            echo(fewer),
        ),
        Case::after(
            "F17",
            "as many fragments as allowed",
            in_parts(count, 1, 1),
            echo(ones),
        ),
    ]
}

/// Legal frames in an illegal order, and control frames that are too long or cut.
fn order() -> Vec<Case> {
    let mut cases = vec![Case::after(
        "F19",
        "a continuation of nothing",
        vec![frames([RawFrame::continuation("x")])],
        PROTOCOL,
    )];
    for (name, second) in [("text", RawFrame::text("y")), ("binary", RawFrame::binary("y"))] {
        let list = [RawFrame::text("x").unfinished(), second];
        cases.push(Case::after(
            "F20",
            format!("{name} inside a message"),
            vec![frames(list)],
            PROTOCOL,
        ));
    }
    for (name, opcode) in [("close", 8), ("ping", 9), ("pong", 10)] {
        let cut = RawFrame::new(opcode, "").unfinished();
        cases.push(Case::after(
            "F21",
            format!("{name} without FIN"),
            vec![frames([cut])],
            PROTOCOL,
        ));
        let long = RawFrame::new(opcode, [&1000_u16.to_be_bytes()[..], &[b'x'; 124]].concat());
        cases.push(Case::after(
            "F22",
            format!("{name} of 126 bytes"),
            vec![frames([long])],
            PROTOCOL,
        ));
    }
    cases
}

fn text() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, bytes) in NOT_UTF8 {
        let whole = RawFrame::text(bytes);
        cases.push(Case::after("F23", what, vec![frames([whole])], NOT_TEXT));
        let (head, tail) = bytes.split_at(bytes.len().min(1));
        let cut = [RawFrame::text(head).unfinished(), RawFrame::continuation(tail)];
        cases.push(Case::after(
            "F23",
            format!("{what}, cut"),
            vec![frames(cut)],
            NOT_TEXT,
        ));
        let binary = RawFrame::binary(bytes);
        let echo = Expected::Echoes(vec![(2, Bytes::from_static(bytes))]);
        cases.push(Case::after(
            "F26",
            format!("{what}, as binary"),
            vec![frames([binary])],
            echo,
        ));
    }
    let begun = RawFrame::text(&b"\xf4\x90"[..]).unfinished();
    cases.push(Case::after(
        "F24",
        "wrong text in an unfinished message",
        vec![frames([begun])],
        NOT_TEXT,
    ));
    let open_frame = RawFrame::text([&b"\xf4\x90"[..], &[b'x'; 500]].concat());
    cases.push(Case::after(
        "F24",
        "wrong text in an unfinished frame",
        vec![beginning(open_frame, 100)],
        NOT_TEXT,
    ));
    let truncated = RawFrame::text(&b"\xe2\x82"[..]);
    cases.push(Case::after(
        "F25",
        "a character cut off by FIN",
        vec![frames([truncated])],
        NOT_TEXT,
    ));
    cases
}

/// Random bytes after a good handshake, then the end of the stream: they break a rule, or are cut off by that.
fn random(seeds: u64) -> impl Iterator<Item = Case> {
    (0..seeds).map(|seed| {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let bytes: Vec<u8> = (0..512)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 24) as u8
            })
            .collect();
        let acts = vec![Act::Send(bytes.into()), Act::HalfClose];
        let expected = Expected::EndsOrFails(&[1002, 1007, 1009]);
        Case::after("F27", format!("random bytes, seed {seed}"), acts, expected)
    })
}
