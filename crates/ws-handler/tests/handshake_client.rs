//! The client's side over pipes: the request it sends, and its judgement on answers. RFC 6455 §4.1.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

use std::collections::HashSet;
use std::time::Duration;

use bytes::BytesMut;
use http::Response;
use http::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;
use ws_handler::{
    ClientRequest, ConnectError, ConnectStage, ExtensionNegotiator, ExtensionRegistry, HeadError, HeadLimits,
    HeadReader, Negotiated, NegotiatedExtension, OriginPolicy, RequestError, RequestHead, ResponseError,
    ServerHandshake, client_handshake, encode_response,
};
use ws_proto::{ExtensionOffer, IdentityExtension, ReservedBits};

const LIMIT: Duration = Duration::from_secs(10);

type Outcome = Result<(BytesMut, Negotiated, Response<()>), ConnectError>;

fn ask(url: &str) -> ClientRequest {
    ClientRequest::new(url.parse().unwrap())
}

/// Runs a handshake against a server that reads the request, writes what `answer` makes of it in pieces of `piece`
/// bytes, and ends the stream. Whatever the outcome, the client must not send a byte after its request.
async fn exchange(
    request: &ClientRequest,
    piece: usize,
    answer: impl FnOnce(&RequestHead) -> Vec<u8>,
) -> Outcome {
    let (near, mut far) = duplex(piece);
    let server = async move {
        let mut reader = HeadReader::new(HeadLimits::default());
        let head = reader.read_request(&mut far).await.unwrap().unwrap();
        let mut rest = reader.into_leftover().to_vec();
        // A client that has seen enough is gone before the end.
        let _ = far.write_all(&answer(&head)).await;
        let _ = far.shutdown().await;
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "the client sent something after its request");
    };
    let client = async {
        let upgrade = client_handshake(near, request, LIMIT).await?;
        Ok((upgrade.leftover, upgrade.negotiated, upgrade.response))
    };
    tokio::join!(client, server).0
}

/// What a good server answers, with `changes`: each takes the place of the line with the same name (the status
/// line being the one without), or comes at the end; `-Name` takes the line away, `+line` adds one more.
fn answer(head: &RequestHead, changes: &[&str]) -> Vec<u8> {
    let server = ServerHandshake::new()
        .subprotocols(["a", "b"])
        .origin(OriginPolicy::any());
    let accepted = server.accept(head.request()).unwrap();
    let text = String::from_utf8(encode_response(&accepted.response())).unwrap();
    let mut lines: Vec<_> = text.trim_end().lines().map(str::to_owned).collect();
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
    for change in changes {
        if let Some(removed) = change.strip_prefix('-') {
            lines.retain(|line| name(line).as_deref() != Some(&*removed.to_ascii_lowercase()));
        } else if let Some(added) = change.strip_prefix('+') {
            lines.push(added.to_owned());
        } else if let Some(line) = lines.iter_mut().find(|line| name(line) == name(change)) {
            *line = (*change).to_owned();
        } else {
            lines.push((*change).to_owned());
        }
    }
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

async fn outcome(request: &ClientRequest, changes: &[&str]) -> Outcome {
    exchange(request, 64 * 1024, |head| answer(head, changes)).await
}

/// The request as text, its key replaced by `KEY`.
fn text(request: &ClientRequest) -> String {
    let attempt = request.start().unwrap();
    let text = String::from_utf8(ws_handler::encode_request(attempt.request())).unwrap();
    let key = attempt.request().headers()["sec-websocket-key"].to_str().unwrap();
    text.replace(key, "KEY")
}

#[test]
fn the_request_has_what_the_rfc_demands_and_no_more() {
    let expected = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: KEY\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(text(&ask("ws://example.com:80")), expected);
    let request = ask("ws://user:pass@[::1]:8080/a%20b?c=d")
        .subprotocols(["x", "y"])
        .unwrap();
    let request = request.origin("http://o.example").unwrap();
    let cookie = || (HeaderName::from_static("cookie"), HeaderValue::from_static("k=v"));
    let request = request
        .header(cookie().0, cookie().1)
        .unwrap()
        .header(cookie().0, cookie().1)
        .unwrap();
    let expected = "GET /a%20b?c=d HTTP/1.1\r\nHost: [::1]:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: KEY\r\nSec-WebSocket-Version: 13\r\nOrigin: http://o.example\r\n\
                    Sec-WebSocket-Protocol: x, y\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\
                    Cookie: k=v\r\nCookie: k=v\r\n\r\n";
    assert_eq!(text(&request), expected);
    let own = HeaderValue::from_static("Bearer t");
    let request = ask("ws://user:pass@h/")
        .header(HeaderName::from_static("authorization"), own)
        .unwrap();
    assert!(text(&request).ends_with("\r\nAuthorization: Bearer t\r\n\r\n"));
    assert!(!text(&request).contains("Basic"));
}

#[test]
fn each_attempt_has_a_key_of_its_own() {
    let request = ask("ws://h/");
    let keys: HashSet<_> = (0..50)
        .map(|_| request.start().unwrap().request().headers()["sec-websocket-key"].clone())
        .collect();
    assert_eq!(keys.len(), 50);
}

#[test]
fn the_handshakes_own_headers_cannot_be_set() {
    for name in [
        "host",
        "upgrade",
        "connection",
        "origin",
        "content-length",
        "transfer-encoding",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-accept",
    ] {
        let name = HeaderName::from_static(name);
        let refused = ask("ws://h/")
            .header(name.clone(), HeaderValue::from_static("x"))
            .unwrap_err();
        assert_eq!(refused, RequestError::ReservedHeader(name));
    }
    for names in [&["a", "a"][..], &[""], &["a b"], &["a,b"], &["a\r\nX: y"]] {
        let refused = ask("ws://h/").subprotocols(names.iter().copied()).unwrap_err();
        assert_eq!(refused, RequestError::Subprotocol, "{names:?}");
    }
    assert_eq!(
        ask("ws://h/").origin("http://o\r\nX: y").unwrap_err(),
        RequestError::Origin
    );
}

#[tokio::test]
async fn good_answers_are_taken() {
    let plain = ask("ws://h/");
    let offering = ask("ws://h/").subprotocols(["x", "b", "a"]).unwrap();
    for changes in [
        &[][..],
        &["Upgrade: WebSocket"],
        &["Connection: keep-alive, upgrade"],
        &["Server: x", "Date: y"],
    ] {
        let (leftover, negotiated, response) = outcome(&plain, changes).await.unwrap();
        assert_eq!((leftover.len(), negotiated.subprotocol), (0, None), "{changes:?}");
        assert_eq!(response.status(), 101);
        let (_, negotiated, _) = outcome(&offering, changes).await.unwrap();
        assert_eq!(negotiated.subprotocol.as_deref(), Some("b"), "{changes:?}");
    }
    let (_, negotiated, _) = outcome(&offering, &["-Sec-WebSocket-Protocol"]).await.unwrap();
    assert_eq!(
        negotiated.subprotocol, None,
        "a server may speak none of the subprotocols"
    );
}

#[tokio::test]
async fn wrong_answers_fail_with_the_check_they_failed() {
    use ResponseError as E;
    let table: &[(&[&str], E)] = &[
        (&["-Sec-WebSocket-Accept"], E::AcceptMissing),
        (
            &["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
            E::AcceptMismatch,
        ),
        (&["Sec-WebSocket-Accept:"], E::AcceptMismatch),
        (
            &["+Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
            E::AcceptRepeated,
        ),
        (&["-Upgrade"], E::Upgrade),
        (&["Upgrade: h2c"], E::Upgrade),
        (&["Upgrade: websocket, h2c"], E::Upgrade),
        (&["+Upgrade: websocket"], E::Upgrade),
        (&["Upgrade: notwebsocket"], E::Upgrade),
        (&["-Connection"], E::Connection),
        (&["Connection: close"], E::Connection),
        (&["Connection: notupgrade"], E::Connection),
        (&["HTTP/1.0 101 Switching Protocols"], E::HttpVersion),
        (&["Sec-WebSocket-Protocol: c"], E::SubprotocolNotOffered),
        (&["Sec-WebSocket-Protocol: A"], E::SubprotocolNotOffered),
        (&["Sec-WebSocket-Protocol: a, b"], E::SubprotocolNotOffered),
        (&["Sec-WebSocket-Protocol:"], E::SubprotocolNotOffered),
        (&["+Sec-WebSocket-Protocol: b"], E::SubprotocolRepeated),
        (
            &["Sec-WebSocket-Extensions: permessage-deflate"],
            E::ExtensionNotOffered,
        ),
        (&["HTTP/2.0 101 Switching Protocols"], E::Head(HeadError::Version)),
        (
            &["HTTP/1.1 1o1 Switching Protocols"],
            E::Head(HeadError::FirstLine),
        ),
        (&["A : b"], E::Head(HeadError::Header)),
        (&["A: b\r\n folded"], E::Head(HeadError::Header)),
        (&["A: b\nB: c"], E::Head(HeadError::LineEnd)),
    ];
    let request = ask("ws://h/").subprotocols(["a", "b"]).unwrap();
    for (changes, expected) in table {
        match outcome(&request, changes).await {
            Err(ConnectError::Response(error)) => assert_eq!(error, *expected, "{changes:?}"),
            other => panic!("{changes:?}: {other:?}"),
        }
    }
    let malformed = outcome(&request, &["Sec-WebSocket-Extensions: ="])
        .await
        .unwrap_err();
    assert!(
        matches!(malformed, ConnectError::Response(E::ExtensionSyntax(_))),
        "{malformed:?}"
    );
    let unoffered = outcome(&ask("ws://h/"), &["Sec-WebSocket-Protocol: a"])
        .await
        .unwrap_err();
    assert!(
        matches!(unoffered, ConnectError::Response(E::SubprotocolNotOffered)),
        "{unoffered:?}"
    );
}

/// Frames in the same segment as the 101 come out in front, wherever the bytes were cut.
#[tokio::test]
async fn bytes_behind_the_101_are_kept_however_they_come() {
    let request = ask("ws://h/").subprotocols(["a"]).unwrap();
    for piece in [1, 2, 3, 7, 64, 64 * 1024] {
        let mut sent = Vec::new();
        let (leftover, negotiated, _) = exchange(&request, piece, |head| {
            sent = answer(head, &[]);
            sent.extend_from_slice(b"\x81\x02hi");
            sent.clone()
        })
        .await
        .unwrap();
        assert!(b"\x81\x02hi".starts_with(&leftover), "{piece}");
        assert!(piece < 64 * 1024 || leftover.len() == 4);
        assert_eq!(negotiated.subprotocol.as_deref(), Some("a"));
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_an_error_at_every_byte() {
    let request = ask("ws://h/");
    let length = 129;
    for cut in 0..length {
        let error = exchange(&request, 64 * 1024, |head| {
            let answer = answer(head, &[]);
            assert_eq!(answer.len(), length);
            answer[..cut].to_vec()
        })
        .await
        .unwrap_err();
        assert!(
            matches!(error, ConnectError::Response(ResponseError::Truncated)),
            "{cut}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_carries_status_headers_and_body() {
    for status in [200, 204, 301, 400, 401, 403, 404, 426, 500, 503] {
        let error = exchange(&ask("ws://h/"), 64, |_| {
            let body = if status == 204 {
                ""
            } else {
                "Content-Length: 5\r\n"
            };
            format!("HTTP/1.1 {status} x\r\nX-Why: because\r\n{body}\r\nsorry").into_bytes()
        })
        .await
        .unwrap_err();
        let ConnectError::Refused(refused) = error else {
            panic!("{status}: {error:?}")
        };
        assert_eq!(refused.status.as_u16(), status);
        assert_eq!(refused.headers["x-why"], "because");
        assert_eq!(refused.body, "sorry", "{status}");
    }
    let endless = |_: &RequestHead| [b"HTTP/1.1 500 x\r\n\r\n", &vec![b'x'; 1 << 20][..]].concat();
    let error = exchange(&ask("ws://h/"), 64 * 1024, endless).await.unwrap_err();
    let ConnectError::Refused(refused) = error else {
        panic!("{error:?}")
    };
    assert_eq!(refused.body.len(), 64 * 1024);
    let chunked = |_: &RequestHead| {
        b"HTTP/1.0 404 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()
    };
    let error = exchange(&ask("ws://h/"), 7, chunked).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered 404 Not Found");
    let ConnectError::Refused(refused) = error else {
        panic!("{error:?}")
    };
    assert_eq!(refused.body, "abc");
}

/// A server that is full answers without reading the request, and closes.
#[tokio::test]
async fn a_refusal_that_comes_before_the_request_is_out_is_told() {
    let (near, mut far) = duplex(1024);
    far.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull")
        .await
        .unwrap();
    drop(far);
    let error = client_handshake(near, &ask("ws://h/"), LIMIT).await.unwrap_err();
    let ConnectError::Refused(refused) = error else {
        panic!("{error:?}")
    };
    assert_eq!((refused.status.as_u16(), &refused.body[..]), (503, &b"full"[..]));
    let (near, far) = duplex(1024);
    drop(far);
    let error = client_handshake(near, &ask("ws://h/"), LIMIT).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error:?}");
}

#[tokio::test]
async fn interim_answers_are_skipped_but_not_forever() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let some = exchange(&ask("ws://h/"), 5, |head| {
        [interim.repeat(8).as_bytes(), &answer(head, &[])].concat()
    })
    .await;
    assert_eq!(some.unwrap().2.status(), 101);
    let many = exchange(&ask("ws://h/"), 64, |head| {
        [interim.repeat(9).as_bytes(), &answer(head, &[])].concat()
    })
    .await;
    assert!(
        matches!(many, Err(ConnectError::Response(ResponseError::TooManyInterim))),
        "{many:?}"
    );
}

#[tokio::test]
async fn an_endless_answer_is_refused_at_the_limit() {
    let long = |_: &RequestHead| [b"HTTP/1.1 101 x\r\nA: ", &vec![b'x'; 1 << 20][..]].concat();
    let error = exchange(&ask("ws://h/"), 64 * 1024, long).await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Response(ResponseError::Head(HeadError::TooLarge))
        ),
        "{error:?}"
    );
    let other = exchange(&ask("ws://h/"), 64, |_| b"SSH-2.0-x\r\n".to_vec())
        .await
        .unwrap_err();
    assert!(
        matches!(
            other,
            ConnectError::Response(ResponseError::Head(HeadError::NotHttp))
        ),
        "{other:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_runs_into_the_limit() {
    let begin = Instant::now();
    let (near, mut far) = duplex(1024);
    let error = client_handshake(near, &ask("ws://h/"), LIMIT).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Timeout(ConnectStage::Handshake)),
        "{error:?}"
    );
    assert_eq!(begin.elapsed(), LIMIT);
    // RFC 6455 §4.1: once the request is out, the client "MUST wait for a response from the server before sending any
    // further data".
    let mut sent = String::new();
    far.read_to_string(&mut sent).await.unwrap();
    assert!(sent.starts_with("GET / HTTP/1.1\r\n"), "{sent}");
    assert_eq!(sent.find("\r\n\r\n"), Some(sent.len() - 4), "{sent}");
}

/// The status of a refusal is told even when its body never ends.
#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_stalls_is_told_at_the_limit() {
    let begin = Instant::now();
    let (near, mut far) = duplex(1024);
    far.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf")
        .await
        .unwrap();
    let error = client_handshake(near, &ask("ws://h/"), LIMIT).await.unwrap_err();
    let ConnectError::Refused(refused) = error else {
        panic!("{error:?}")
    };
    assert_eq!((refused.status.as_u16(), &refused.body[..]), (403, &b"half"[..]));
    assert_eq!(begin.elapsed(), LIMIT);
}

/// An extension that offers itself and confirms `level=1` only.
#[derive(Debug)]
struct Toy(&'static str);

impl ExtensionNegotiator for Toy {
    fn name(&self) -> &str {
        self.0
    }

    fn answer(&self, _: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        None
    }

    fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        vec![
            ExtensionOffer::new(self.0)
                .unwrap()
                .with_parameter("level", None::<&str>)
                .unwrap(),
        ]
    }

    fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        answer.parameter("level")?.value().filter(|level| *level == "1")?;
        Some(NegotiatedExtension::new(
            answer.clone().into_owned(),
            ReservedBits::RSV3,
            IdentityExtension,
        ))
    }
}

#[tokio::test]
async fn extensions_are_offered_and_the_answer_is_judged() {
    let request = ask("ws://h/").extensions(ExtensionRegistry::new().with(Toy("toy")).with(Toy("rival")));
    assert!(
        text(&request).contains(
            "\r\nSec-WebSocket-Extensions: toy; level\r\nSec-WebSocket-Extensions: rival; level\r\n"
        )
    );
    let (_, negotiated, _) = outcome(&request, &["Sec-WebSocket-Extensions: toy; level=1"])
        .await
        .unwrap();
    assert_eq!(negotiated.extensions[0].to_string(), "toy; level=1");
    assert_eq!(negotiated.reserved, ReservedBits::RSV3);
    let table = [
        ("toy; level=2", ResponseError::ExtensionRefused),
        ("toy; level=1, toy; level=1", ResponseError::ExtensionNotOffered),
        ("toy; level=1, rival; level=1", ResponseError::ExtensionRefused),
        ("other", ResponseError::ExtensionNotOffered),
    ];
    for (answer, expected) in table {
        match outcome(&request, &[&format!("Sec-WebSocket-Extensions: {answer}")]).await {
            Err(ConnectError::Response(error)) => assert_eq!(error, expected, "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
    }
}
