//! Groups C and T: closing handshakes and connections that break. RFC 6455 §5.5.1, §7.

use bytes::Bytes;

use super::case::{Act, Case, Expected, frames};
use crate::peer::RawFrame;

/// Codes that no endpoint may send (RFC 6455 §7.4.1, §7.4.2).
const NEVER: [u16; 14] = [
    0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 32_768, 65_535,
];

/// Codes that any endpoint may send.
const FINE: [u16; 12] = [
    1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4000, 4999,
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = closes();
    let echoed: Bytes = vec![b'x'; 256 << 10].into();
    let hello = || RawFrame::text("hello");
    cases.extend([
        Case::after(
            "T01",
            "gone with an answer unread, which resets the connection",
            vec![frames([hello()])],
            Expected::Lives,
        ),
        Case::after(
            "T01",
            "gone in the middle of a message",
            vec![frames([hello().unfinished()])],
            Expected::Lives,
        ),
        Case::after(
            "T02",
            "end of the stream without a close frame",
            vec![Act::HalfClose],
            Expected::Ends,
        ),
        Case::after(
            "T02",
            "end of the stream in the middle of a message",
            vec![frames([hello().unfinished()]), Act::HalfClose],
            Expected::Ends,
        ),
        Case::after(
            "T03",
            "end of the stream right behind the close frame",
            vec![frames([RawFrame::close(1000, "")]), Act::HalfClose],
            Expected::Closes(Some(1000)),
        ),
        Case::after(
            "T04",
            "end of the stream while the answer is on its way",
            vec![frames([RawFrame::binary(echoed)]), Act::HalfClose],
            Expected::Ends,
        ),
    ]);
    cases
}

fn closes() -> Vec<Case> {
    let refused = || Expected::Fails(&[1002]);
    let mut cases = vec![Case::after(
        "C01",
        "a close payload of one byte",
        vec![frames([RawFrame::new(8, "x")])],
        refused(),
    )];
    for code in NEVER {
        let frame = RawFrame::close(code, "");
        cases.push(Case::after(
            "C02",
            format!("close code {code}"),
            vec![frames([frame])],
            refused(),
        ));
    }
    for code in FINE {
        let frame = RawFrame::close(code, "fine");
        let expected = Expected::Closes(Some(code));
        cases.push(Case::after(
            "C03",
            format!("close code {code}"),
            vec![frames([frame])],
            expected,
        ));
    }
    let not_text = RawFrame::new(8, &b"\x03\xe8\xff\xfe"[..]);
    let long = RawFrame::close(1000, &"x".repeat(124));
    let longest = RawFrame::close(1000, &"x".repeat(123));
    let then = [
        RawFrame::close(1000, ""),
        RawFrame::text("late"),
        RawFrame::ping("late"),
    ];
    let twice = [RawFrame::close(1000, ""), RawFrame::close(1001, "")];
    cases.extend([
        Case::after(
            "C03",
            "no code",
            vec![frames([RawFrame::new(8, "")])],
            Expected::Closes(None),
        ),
        Case::after(
            "C04",
            "a reason that is not UTF-8",
            vec![frames([not_text])],
            Expected::Fails(&[1007]),
        ),
        Case::after("C05", "a reason of 124 bytes", vec![frames([long])], refused()),
        Case::after(
            "C05",
            "a reason of 123 bytes",
            vec![frames([longest])],
            Expected::Closes(Some(1000)),
        ),
        Case::after(
            "C06",
            "data and a ping behind close",
            vec![frames(then)],
            Expected::Closes(Some(1000)),
        ),
        Case::after(
            "C07",
            "two close frames",
            vec![frames(twice)],
            Expected::Closes(Some(1000)),
        ),
    ]);
    cases
}
