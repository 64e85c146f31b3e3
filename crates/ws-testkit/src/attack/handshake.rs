//! Group H: requests that must be refused, and some that must not. RFC 6455 §4.2, RFC 9112.

use bytes::Bytes;

use super::case::{Act, Case, Expected, wire};
use super::target::Target;
use crate::peer::RawFrame;

/// One row: id, what, changes to a good request, what must come of it.
type Row = (&'static str, &'static str, &'static [&'static str], Expected);

pub(super) fn cases(target: &Target) -> Vec<Case> {
    let mut cases: Vec<Case> = rows()
        .into_iter()
        .map(|(id, what, changes, expected)| {
            Case::instead(
                id,
                what,
                vec![Act::Send(target.request(changes).into())],
                expected,
            )
        })
        .collect();
    cases.extend(origins(target));
    cases.extend(sizes(target));
    cases.extend(lists(target));
    cases.extend(other_bytes(target));
    cases
}

fn rows() -> Vec<Row> {
    use Expected::{NotUpgraded, Refused, RefusedOrDropped, Upgraded};
    // RFC 6455 §4.2.2 item 4: "and a |Sec-WebSocket-Version| header field indicating the version(s) the server is
    // capable of understanding".
    const VERSION: Expected = Expected::RefusedNaming(&[426], "sec-websocket-version: 13");
    vec![
        (
            "H01",
            "POST",
            &["POST / HTTP/1.1"],
            Expected::RefusedNaming(&[405], "allow: get"),
        ),
        ("H02", "HTTP/1.0", &["GET / HTTP/1.0"], Refused(&[400, 505])),
        ("H03", "no Host", &["-Host"], Refused(&[400])),
        ("H04", "two Host lines", &["+Host: other"], Refused(&[400])),
        ("H05", "Host with a space", &["Host: a b"], Refused(&[400])),
        ("H05", "Host with a slash", &["Host: a/b"], Refused(&[400])),
        (
            "H05",
            "Host with user information",
            &["Host: u@h"],
            Refused(&[400]),
        ),
        ("H06", "no Connection", &["-Connection"], Refused(&[400])),
        (
            "H06",
            "Connection: keep-alive",
            &["Connection: keep-alive"],
            Refused(&[400]),
        ),
        (
            "H06",
            "a plain GET",
            &["-Connection", "-Upgrade", "Connection: close"],
            NotUpgraded,
        ),
        (
            "H07",
            "Upgrade: notwebsocket",
            &["Upgrade: notwebsocket", "Connection: Upgrade, close"],
            NotUpgraded,
        ),
        (
            "H07",
            "Connection: notupgrade",
            &["Connection: notupgrade"],
            Refused(&[400]),
        ),
        (
            "H08",
            "Connection: keep-alive, UPGRADE",
            &["Connection: keep-alive, UPGRADE"],
            Upgraded,
        ),
        (
            "H08",
            "two Connection lines",
            &["Connection: keep-alive", "+Connection: Upgrade"],
            Upgraded,
        ),
        ("H09", "no version", &["-Sec-WebSocket-Version"], VERSION),
        ("H09", "version 8", &["Sec-WebSocket-Version: 8"], VERSION),
        ("H09", "version 0", &["Sec-WebSocket-Version: 0"], VERSION),
        ("H09", "version 255", &["Sec-WebSocket-Version: 255"], VERSION),
        ("H09", "version 13, 8", &["Sec-WebSocket-Version: 13, 8"], VERSION),
        (
            "H09",
            "two versions",
            &["+Sec-WebSocket-Version: 13"],
            Refused(&[400]),
        ),
        ("H10", "no key", &["-Sec-WebSocket-Key"], Refused(&[400])),
        ("H10", "empty key", &["Sec-WebSocket-Key:"], Refused(&[400])),
        (
            "H10",
            "key that is not base64",
            &["Sec-WebSocket-Key: ??????????????????????=="],
            Refused(&[400]),
        ),
        (
            "H10",
            "key of 15 bytes",
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"],
            Refused(&[400]),
        ),
        (
            "H10",
            "key of 17 bytes",
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="],
            Refused(&[400]),
        ),
        (
            "H10",
            "two keys",
            &["+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
            Refused(&[400]),
        ),
        (
            "H17",
            "Content-Length: 5 and a body",
            &["Content-Length: 5\r\n\r\nGET /"],
            Refused(&[400]),
        ),
        (
            "H18",
            "a chunked body",
            &["Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0"],
            Refused(&[400]),
        ),
        (
            "H19",
            "Content-Length and chunked",
            &[
                "Content-Length: 5",
                "Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0",
            ],
            Refused(&[400]),
        ),
        (
            "H20",
            "a request behind a refused upgrade",
            &[
                "Sec-WebSocket-Version: 8",
                "+X: y\r\n\r\nGET /admin HTTP/1.1\r\nHost: h",
            ],
            Refused(&[426, 400, 403]),
        ),
        ("H22", "folded header", &["+A: b\r\n c"], Refused(&[400])),
        ("H22", "bare CR", &["+A: b\rX: y"], Refused(&[400])),
        ("H22", "bare LF", &["+A: b\nX: y"], Refused(&[400])),
        ("H22", "NUL", &["+A: b\0c"], Refused(&[400])),
        ("H22", "space before the colon", &["+A : b"], Refused(&[400])),
        (
            "H22",
            "header name outside ASCII",
            &["+\u{e4}: b"],
            Refused(&[400]),
        ),
        (
            "H30",
            "a subprotocol that nobody knows",
            &[
                "-Sec-WebSocket-Protocol",
                "Sec-WebSocket-Protocol: nobody-knows-it",
            ],
            Expected::UpgradedWithoutOrRefused("sec-websocket-protocol", &[400]),
        ),
        (
            "H28",
            "lines of an HTTP/2 preface",
            &["PRI * HTTP/2.0"],
            RefusedOrDropped(&[400, 505]),
        ),
    ]
}

fn origins(target: &Target) -> Vec<Case> {
    let same = format!("Origin: http://{}", target.url.host_header());
    let origin = |what: &str, line: &str, expected| {
        Case::instead(
            "H29",
            what,
            vec![Act::Send(target.request(&[line]).into())],
            expected,
        )
    };
    let refused = || Expected::Refused(&[403]);
    vec![
        origin("the same origin", &same, Expected::Upgraded),
        origin("another origin", "Origin: http://evil.example", refused()),
        origin("Origin: null", "Origin: null", refused()),
        origin("Origin that is none", "Origin: not an origin", refused()),
    ]
}

/// Heads above anybody's limits, so that the verdict does not depend on a number of our own.
fn sizes(target: &Target) -> Vec<Case> {
    let line = format!("GET /{} HTTP/1.1", "x".repeat(128 << 10));
    let long = Bytes::from(target.request(&[&format!("+A: {}", "x".repeat(1 << 20))]));
    let far = Bytes::from(target.request(&[&line]));
    let many = Bytes::from(target.request(&[&format!("+X: y{}", "\r\nX: y".repeat(10_000))]));
    let whole = |bytes: &Bytes| vec![Act::Send(bytes.clone())];
    let bytewise = |bytes: &Bytes| vec![Act::Chopped(bytes.clone(), 1)];
    let endless = vec![
        Act::Send(Bytes::from_static(b"GET / HTTP/1.1\r\nA: ")),
        Act::Repeat(Bytes::from_static(b"x"), 10 << 20),
    ];
    let dribble = std::iter::once(Act::Send(Bytes::from_static(b"GET / HTTP/1.1\r\nA: ")))
        .chain((0..60).flat_map(|_| {
            [
                Act::Pause(std::time::Duration::from_secs(1)),
                Act::Send(Bytes::from_static(b"x")),
            ]
        }))
        .collect();
    let refused = || Expected::Refused(&[431]);
    let too_far = || Expected::Refused(&[414]);
    vec![
        Case::instead("H11", "a head of a mebibyte", whole(&long), refused()),
        Case::instead("H12", "a request line of 128 KiB", whole(&far), too_far()),
        Case::instead("H13", "10,000 headers", whole(&many), refused()),
        Case::instead(
            "H14",
            "a head of a mebibyte, byte by byte",
            bytewise(&long),
            refused(),
        ),
        Case::instead(
            "H14",
            "a request line of 128 KiB, byte by byte",
            bytewise(&far),
            too_far(),
        ),
        Case::instead("H14", "10,000 headers, byte by byte", bytewise(&many), refused()),
        Case::instead("H15", "a head of 10 MB in single bytes", endless, refused()),
        Case::instead(
            "H16",
            "a byte of the head per second",
            dribble,
            Expected::RefusedOrDropped(&[408]),
        )
        .slow(60),
    ]
}

fn lists(target: &Target) -> Vec<Case> {
    let names = (0..8000).map(|number| format!(",a{number}")).collect::<String>();
    let megabyte = format!("Sec-WebSocket-Protocol: a{}", ",a".repeat(1 << 19));
    let unclosed = format!("+Sec-WebSocket-Extensions: a; b=\"{}", "\\c".repeat(3 << 10));
    let offers = "permessage-deflate,".repeat(1000);
    let offers = format!(
        "+Sec-WebSocket-Extensions: {}permessage-deflate",
        &offers[..10 << 10]
    );
    let case = |id, what: &str, lines: &[&str], expected| {
        Case::instead(id, what, vec![Act::Send(target.request(lines).into())], expected)
    };
    let early = [
        target.request(&[]),
        wire([RawFrame::text("early"), RawFrame::text("bird")]).to_vec(),
    ];
    vec![
        case(
            "H23",
            "a mebibyte of subprotocols",
            &[&megabyte],
            Expected::Refused(&[431, 400]),
        ),
        case(
            "H23",
            "8,000 subprotocols",
            &[&format!("Sec-WebSocket-Protocol: a{names}")],
            Expected::UpgradedOrRefused(&[431, 400]),
        ),
        case(
            "H24",
            "an unclosed string",
            &[&unclosed],
            Expected::UpgradedOrRefused(&[400]),
        ),
        case(
            "H25",
            "extensions named like built-in properties",
            &["+Sec-WebSocket-Extensions: constructor, __proto__; toString=1, hasOwnProperty"],
            Expected::Upgraded,
        ),
        case(
            "H25",
            "500 offers of compression",
            &[&offers],
            Expected::UpgradedOrRefused(&[400]),
        ),
        Case {
            opening: Some(vec![Act::Send(early.concat().into())]),
            ..Case::after(
                "H21",
                "frames in the segment of the request",
                Vec::new(),
                Expected::Echoes(vec![(1, "early".into()), (1, "bird".into())]),
            )
        },
    ]
}

fn other_bytes(target: &Target) -> Vec<Case> {
    let tls = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n\r\n\r\n";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut twice = target.request(&["-Upgrade", "-Connection", "Connection: close"]);
    twice.extend(target.request(&[]));
    vec![
        Case::instead(
            "H27",
            "TLS on the plain port",
            vec![Act::Send(Bytes::from_static(tls))],
            Expected::RefusedOrDropped(&[400]),
        ),
        Case::instead(
            "H28",
            "the HTTP/2 preface",
            vec![Act::Send(Bytes::from_static(preface))],
            Expected::RefusedOrDropped(&[400, 505]),
        ),
        Case::instead(
            "H20",
            "an upgrade behind a plain request that closes",
            vec![Act::Send(twice.into())],
            Expected::NotUpgraded,
        ),
    ]
}
