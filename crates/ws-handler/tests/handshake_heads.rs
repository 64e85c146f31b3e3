//! HTTP/1.1 heads on streams: cut anywhere, too long, malformed, cancelled.

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use ws_handler::{HeadError, HeadLimits, HeadReader, ReadHeadError, RequestHead, ServerHandshake};

const REQUEST: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Two: 1\r\nX-Two: 2 \r\n\r\n";

fn parse(text: &[u8]) -> Result<Option<RequestHead>, HeadError> {
    let mut reader = HeadReader::new(HeadLimits::default());
    reader.handle_data(text);
    reader.next_request()
}

fn check(head: &RequestHead) {
    let request = head.request();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "/a?b=c");
    assert_eq!(request.version(), http::Version::HTTP_11);
    assert_eq!(request.headers()["host"], "h");
    assert_eq!(request.headers()["x-empty"], "");
    assert_eq!(
        request.headers().get_all("x-two").into_iter().collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(head.raw(), REQUEST);
    assert_eq!(&*head.bytes(), REQUEST);
}

#[test]
fn a_head_may_be_cut_anywhere_and_what_follows_is_kept() {
    for behind in [&b""[..], b"\x81\x00", b"GET /next HTTP/1.1\r\n"] {
        let stream = [REQUEST, behind].concat();
        for cut in 0..=stream.len() {
            let mut reader = HeadReader::new(HeadLimits::default());
            reader.handle_data(&stream[..cut]);
            let early = reader.next_request().unwrap();
            assert_eq!(early.is_some(), cut >= REQUEST.len(), "{cut}");
            reader.handle_data(&stream[cut..]);
            check(&early.or_else(|| reader.next_request().unwrap()).unwrap());
            assert_eq!(reader.into_leftover(), behind, "{cut}");
        }
    }
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let (mut near, mut far) = tokio::io::duplex(1);
    let writer = tokio::spawn(async move {
        far.write_all(REQUEST).await.unwrap();
        far.write_all(REQUEST).await.unwrap();
    });
    let mut reader = HeadReader::new(HeadLimits::default());
    for _ in 0..2 {
        check(&reader.read_request(&mut near).await.unwrap().unwrap());
    }
    assert!(
        reader.read_request(&mut near).await.unwrap().is_none(),
        "the stream ended between two heads"
    );
    writer.await.unwrap();
}

#[tokio::test]
async fn heads_in_one_segment_come_one_after_the_other() {
    let both = [REQUEST, REQUEST, b"rest"].concat();
    let mut reader = HeadReader::with_leftover(HeadLimits::default(), BytesMut::from(&both[..]));
    let mut nothing = tokio::io::empty();
    check(&reader.read_request(&mut nothing).await.unwrap().unwrap());
    check(&reader.read_request(&mut nothing).await.unwrap().unwrap());
    assert_eq!(reader.into_leftover(), &b"rest"[..]);
}

/// Dropped at every await point, the future loses nothing.
#[tokio::test]
async fn reading_a_head_is_cancel_safe() {
    let (mut near, mut far) = tokio::io::duplex(1024);
    let mut reader = HeadReader::new(HeadLimits::default());
    for byte in &REQUEST[..REQUEST.len() - 1] {
        far.write_all(&[*byte]).await.unwrap();
        tokio::select! {
            biased;
            _ = reader.read_request(&mut near) => panic!("the head is not complete"),
            () = std::future::ready(()) => {}
        }
    }
    far.write_all(b"\nrest").await.unwrap();
    check(&reader.read_request(&mut near).await.unwrap().unwrap());
    assert_eq!(reader.into_leftover(), &b"rest"[..]);

    let response = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n";
    let mut reader = HeadReader::new(HeadLimits::default());
    for byte in &response[..response.len() - 1] {
        far.write_all(&[*byte]).await.unwrap();
        tokio::select! {
            biased;
            _ = reader.read_response(&mut near) => panic!("the head is not complete"),
            () = std::future::ready(()) => {}
        }
    }
    far.write_all(b"\nrest").await.unwrap();
    let head = reader.read_response(&mut near).await.unwrap();
    assert_eq!(head.status(), 404);
    assert_eq!(reader.into_leftover(), &b"rest"[..]);
}

#[tokio::test]
async fn the_end_of_the_stream_in_a_head_is_an_error() {
    for cut in 1..REQUEST.len() {
        let mut reader = HeadReader::new(HeadLimits::default());
        let read = reader.read_request(&mut &REQUEST[..cut]).await;
        assert!(matches!(read, Err(ReadHeadError::Truncated)), "{cut}");
    }
}

#[test]
fn raw_bytes_are_kept_alone_and_parsed_again() {
    let head = parse(REQUEST).unwrap().unwrap();
    let raw = head.raw();
    check(&RequestHead::parse(&raw).unwrap());
    assert!(RequestHead::parse(&raw.slice(1..)).is_ok(), "ET is a method, too");
    assert!(RequestHead::parse(&raw.slice(..raw.len() - 1)).is_err());
    assert!(RequestHead::parse(&bytes::Bytes::from([REQUEST, b"x"].concat())).is_err());
    let request = http::Request::get("/x?y").header("Host", "h").body(()).unwrap();
    let written = RequestHead::from_request(request).raw();
    assert_eq!(written, "GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(RequestHead::parse(&written).unwrap().request().uri(), "/x?y");
}

#[test]
fn empty_lines_before_a_head_are_skipped_and_not_part_of_it() {
    check(&parse(&[b"\r\n\r\n", REQUEST].concat()).unwrap().unwrap());
}

#[test]
fn malformed_heads_are_refused() {
    let table: &[(&[u8], HeadError, u16)] = &[
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\n A: b\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\nA\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\n\xc3\xa4: b\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", HeadError::Header, 400),
        (b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", HeadError::LineEnd, 400),
        (b"GET / HTTP/1.1\r\nA: b\rX: y\r\n\r\n", HeadError::LineEnd, 400),
        (b"GET / HTTP/1.1\r\nA: b\nX: y\r\n\r\n", HeadError::LineEnd, 400),
        (b"GET / HTTP/1.1\n\n", HeadError::LineEnd, 400),
        (b"GET  / HTTP/1.1\r\n\r\n", HeadError::FirstLine, 400),
        (b"GET /\r\n\r\n", HeadError::FirstLine, 400),
        (b"GET /#top HTTP/1.1\r\n\r\n", HeadError::FirstLine, 400),
        (b"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", HeadError::FirstLine, 400),
        (b"GET\r\n\r\n", HeadError::FirstLine, 400),
        (b"GET / HTTP/0.9\r\n\r\n", HeadError::Version, 505),
        (b"GET / HTTP/3.0\r\n\r\n", HeadError::Version, 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadError::Version, 505),
        (b"\x16\x03\x01\x02\x00\x01", HeadError::NotHttp, 400),
        (b"\0", HeadError::LineEnd, 400),
    ];
    for (text, expected, status) in table {
        let error = parse(text).expect_err(&format!("{}", text.escape_ascii()));
        assert_eq!(error, *expected, "{}", text.escape_ascii());
        assert_eq!(error.status().as_u16(), *status);
        assert_eq!(error.response().headers()["connection"], "close");
    }
}

#[test]
fn limits_answer_with_their_own_status() {
    let status = |text: &[u8]| {
        let whole = parse(text)
            .map(|head| head.is_some())
            .map_err(|error| error.status().as_u16());
        let mut reader = HeadReader::new(HeadLimits::default());
        let mut bytewise = Ok(false);
        for byte in text {
            reader.handle_data(&[*byte]);
            bytewise = reader
                .next_request()
                .map(|head| head.is_some())
                .map_err(|error| error.status().as_u16());
            if bytewise != Ok(false) {
                break;
            }
        }
        assert_eq!(whole, bytewise, "the verdict depends on how the head was cut");
        whole
    };
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(length - 14)).into_bytes();
    assert_eq!(status(&target(8 * 1024)), Ok(true));
    assert_eq!(status(&target(8 * 1024 + 1)), Err(414));
    let total =
        |length: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(length - 23)).into_bytes();
    assert_eq!(status(&total(16 * 1024)), Ok(true));
    assert_eq!(status(&total(16 * 1024 + 1)), Err(431));
    let headers = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count)).into_bytes();
    assert_eq!(status(&headers(100)), Ok(true));
    assert_eq!(status(&headers(101)), Err(431));
    assert_eq!(status(&vec![b'x'; 10_000]), Err(414));
    assert_eq!(status(&b"\r\n".repeat(10_000)), Err(431));
}

/// With the limits set as high as they go, the header map's own limit still answers, and does not panic.
#[test]
fn more_headers_than_a_map_can_hold_are_refused() {
    let limits = HeadLimits {
        total: usize::MAX,
        headers: usize::MAX,
        ..HeadLimits::default()
    };
    for same_name in [false, true] {
        let mut reader = HeadReader::new(limits);
        reader.handle_data(b"GET / HTTP/1.1\r\n");
        for number in 0..40_000 {
            let number = if same_name { 0 } else { number };
            reader.handle_data(format!("X{number}: y\r\n").as_bytes());
        }
        reader.handle_data(b"\r\n");
        assert_eq!(reader.next_request().unwrap_err(), HeadError::TooManyHeaders);
    }
}

/// Parsing from the start for each byte would look at 10^12 bytes here, and take many minutes.
#[test]
fn megabytes_in_single_bytes_take_linear_time() {
    let mut reader = HeadReader::new(HeadLimits {
        total: 4 << 20,
        ..HeadLimits::default()
    });
    reader.handle_data(b"GET / HTTP/1.1\r\nA: ");
    for _ in 0..3 << 20 {
        reader.handle_data(b"x");
        assert!(reader.next_request().unwrap().is_none());
    }
    reader.handle_data(b"\r\n\r\n");
    assert_eq!(
        reader.next_request().unwrap().unwrap().request().headers()["a"].len(),
        3 << 20
    );
}

/// An endless head is given up at the limit: no more than it and one read are ever taken from the peer.
#[tokio::test]
async fn an_endless_head_is_refused_at_the_limit() {
    let mut endless = tokio::io::AsyncReadExt::chain(&b"GET / HTTP/1.1\r\nA: "[..], tokio::io::repeat(b'x'));
    let mut reader = HeadReader::new(HeadLimits::default());
    let error = reader.read_request(&mut endless).await.unwrap_err();
    assert!(
        matches!(error, ReadHeadError::Head(HeadError::TooLarge)),
        "{error:?}"
    );
    assert!(reader.into_leftover().len() <= 16 * 1024 + 8 * 1024);
}

/// Heads with random bytes changed: whatever comes of them, it does not depend on how they were cut, the server's
/// judgement on them never panics, and nothing of what follows them is lost.
#[test]
fn random_changes_give_the_same_outcome_however_cut() {
    let good = b"GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://h\r\n\
                 Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: a; b=\"c\"\r\n\r\nrest";
    let interesting = b"\r\n\0\t ,;=\":/#%@[]\\\x7f\x80\xffA0";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut accepted = 0;
    for _ in 0..5_000 {
        let mut text = good.to_vec();
        for _ in 0..=random(3) {
            let at = random(text.len());
            match random(3) {
                0 => text[at] = interesting[random(interesting.len())],
                1 => text.insert(at, interesting[random(interesting.len())]),
                _ => drop(text.remove(at)),
            }
        }
        let run = |cut: usize| {
            let mut reader = HeadReader::new(HeadLimits::default());
            reader.handle_data(&text[..cut]);
            let early = reader.next_request();
            reader.handle_data(&text[cut..]);
            let head =
                early.and_then(|early| early.map_or_else(|| reader.next_request(), |head| Ok(Some(head))));
            let head = head.map(|head| head.map(|head| (head.raw(), format!("{:?}", head.request()))));
            (head, reader.into_leftover())
        };
        let whole = run(text.len());
        assert_eq!(whole, run(random(text.len())), "{}", text.escape_ascii());
        if let Ok(Some(head)) = parse(&text) {
            assert!(
                text.ends_with(&[&head.raw()[..], &whole.1].concat()),
                "{}",
                text.escape_ascii()
            );
            accepted += usize::from(ServerHandshake::new().accept(head.request()).is_ok());
        }
    }
    assert!(
        accepted > 100,
        "most changes are in places where they break nothing: {accepted}"
    );
}
