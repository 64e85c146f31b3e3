//! The server's judgement on whole requests, as text: RFC 6455 §4.2.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what goes wrong in a test fails it"
)]

use http::{Response, StatusCode};
use ws_handler::{
    Accepted, HandshakeError, HeadLimits, HeadReader, OriginPolicy, RequestHead, ServerHandshake,
    encode_response, is_upgrade_attempt,
};

const GOOD: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// The good request with `changes`: each takes the place of the line with the same name (the request line being
/// the one without), or comes at the end; `-Name` takes the line away, `+line` adds one more.
fn request(changes: &[&str]) -> RequestHead {
    let mut lines: Vec<String> = GOOD.iter().map(|line| (*line).to_owned()).collect();
    for change in changes {
        let name = |line: &str| {
            let (name, _) = line.split_once(':').filter(|(name, _)| !name.contains(' '))?;
            Some(name.to_ascii_lowercase())
        };
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
    head(&format!("{}\r\n\r\n", lines.join("\r\n")))
}

fn head(text: &str) -> RequestHead {
    let mut reader = HeadReader::new(HeadLimits {
        total: usize::MAX,
        ..HeadLimits::default()
    });
    reader.handle_data(text.as_bytes());
    reader
        .next_request()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .expect("the head is complete")
}

fn accept(server: &ServerHandshake, changes: &[&str]) -> Result<Accepted, HandshakeError> {
    server.accept(request(changes).request())
}

fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn the_example_of_rfc_6455() {
    let server = ServerHandshake::new()
        .subprotocols(["chat"])
        .origin(OriginPolicy::any());
    let text = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
                Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let accepted = server.accept(head(text).request()).unwrap();
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    assert_eq!(
        String::from_utf8(encode_response(&accepted.response())).unwrap(),
        expected
    );
    assert_eq!(accepted.negotiated.subprotocol.as_deref(), Some("chat"));
}

#[test]
fn requests_that_are_accepted() {
    let table: &[&[&str]] = &[
        &[],
        &["Upgrade: WebSocket"],
        &["Upgrade: h2c, websocket"],
        &["Upgrade: h2c", "+Upgrade: ,websocket"],
        &["Connection: keep-alive, UPGRADE"],
        &["Connection: keep-alive", "+Connection: upgrade"],
        &["Content-Length: 0"],
        &["Host: example.com:8080"],
        &["Host: [::1]:8080"],
        &["GET http://example.com/chat?a=b HTTP/1.1"],
        &["GET /?a=/b?c HTTP/1.1"],
        &["Sec-WebSocket-Version:  13\t"],
        &["sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ== "],
        &["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
        &["Sec-WebSocket-Protocol: nobody-knows-it"],
        &["Origin: http://example.com"],
        &[
            "Host: other:1",
            "GET http://example.com:8080/ HTTP/1.1",
            "Origin: http://example.com:8080",
        ],
    ];
    for changes in table {
        let accepted =
            accept(&ServerHandshake::new(), changes).unwrap_or_else(|error| panic!("{changes:?}: {error}"));
        assert_eq!(
            accepted.response().status(),
            StatusCode::SWITCHING_PROTOCOLS,
            "{changes:?}"
        );
        assert_eq!(
            header(&accepted.response(), "sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert_eq!(
            header(&accepted.response(), "sec-websocket-protocol"),
            None,
            "{changes:?}"
        );
        assert_eq!(
            header(&accepted.response(), "sec-websocket-extensions"),
            None,
            "{changes:?}"
        );
    }
}

#[test]
fn requests_that_are_refused() {
    use HandshakeError as E;
    const VERSION: &[(&str, &str)] = &[("sec-websocket-version", "13"), ("connection", "close")];
    const UPGRADE: &[(&str, &str)] = &[
        ("sec-websocket-version", "13"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade, close"),
    ];
    const CLOSE: &[(&str, &str)] = &[
        ("connection", "close"),
        ("upgrade", ""),
        ("sec-websocket-version", ""),
    ];
    type Row = (
        &'static [&'static str],
        E,
        u16,
        &'static [(&'static str, &'static str)],
    );
    let table: &[Row] = &[
        (
            &["POST /chat HTTP/1.1"],
            E::Method,
            405,
            &[("allow", "GET"), ("connection", "close")],
        ),
        (&["HEAD /chat HTTP/1.1"], E::Method, 405, &[("allow", "GET")]),
        (&["get /chat HTTP/1.1"], E::Method, 405, &[("allow", "GET")]),
        (&["POST / HTTP/1.0"], E::Method, 405, CLOSE),
        (&["GET /chat HTTP/1.0"], E::HttpVersion, 400, CLOSE),
        (&["GET * HTTP/1.1"], E::RequestTarget, 400, CLOSE),
        (&["GET ftp://example.com/ HTTP/1.1"], E::RequestTarget, 400, CLOSE),
        (
            &["GET http://user@example.com/ HTTP/1.1"],
            E::RequestTarget,
            400,
            CLOSE,
        ),
        (&["GET example.com:80 HTTP/1.1"], E::RequestTarget, 400, CLOSE),
        (&["-Host"], E::HostMissing, 400, CLOSE),
        (&["+Host: example.com"], E::HostRepeated, 400, CLOSE),
        (&["Host:"], E::HostInvalid, 400, CLOSE),
        (&["Host: exa mple.com"], E::HostInvalid, 400, CLOSE),
        (&["Host: example.com/"], E::HostInvalid, 400, CLOSE),
        (&["Host: user@example.com"], E::HostInvalid, 400, CLOSE),
        (&["Host: a, b"], E::HostInvalid, 400, CLOSE),
        (&["Host: example.com:99999"], E::HostInvalid, 400, CLOSE),
        (&["-Upgrade"], E::UpgradeRequired, 426, UPGRADE),
        (&["Upgrade: notwebsocket"], E::UpgradeRequired, 426, UPGRADE),
        (&["Upgrade: websocket/13"], E::UpgradeRequired, 426, UPGRADE),
        (&["-Connection"], E::ConnectionLacksUpgrade, 400, CLOSE),
        (&["Connection: notupgrade"], E::ConnectionLacksUpgrade, 400, CLOSE),
        (
            &["Connection: upgrade-insecure"],
            E::ConnectionLacksUpgrade,
            400,
            CLOSE,
        ),
        (
            &["Connection: keep-alive, close"],
            E::ConnectionLacksUpgrade,
            400,
            CLOSE,
        ),
        (&["-Sec-WebSocket-Version"], E::VersionMissing, 426, UPGRADE),
        (&["+Sec-WebSocket-Version: 13"], E::VersionRepeated, 400, VERSION),
        (&["+Sec-WebSocket-Version: 8"], E::VersionRepeated, 400, VERSION),
        (&["Sec-WebSocket-Version: 8"], E::VersionUnsupported, 426, UPGRADE),
        (&["Sec-WebSocket-Version: 7"], E::VersionUnsupported, 426, UPGRADE),
        (&["Sec-WebSocket-Version: 0"], E::VersionUnsupported, 426, UPGRADE),
        (
            &["Sec-WebSocket-Version: 255"],
            E::VersionUnsupported,
            426,
            UPGRADE,
        ),
        (
            &["Sec-WebSocket-Version: 13, 8"],
            E::VersionUnsupported,
            426,
            UPGRADE,
        ),
        (
            &["Sec-WebSocket-Version: 013"],
            E::VersionUnsupported,
            426,
            UPGRADE,
        ),
        (
            &["Sec-WebSocket-Version: +13"],
            E::VersionUnsupported,
            426,
            UPGRADE,
        ),
        (&["Sec-WebSocket-Version:"], E::VersionUnsupported, 426, UPGRADE),
        (
            &["Sec-WebSocket-Version: 99999999999999999999"],
            E::VersionUnsupported,
            426,
            UPGRADE,
        ),
        (
            &[
                "-Sec-WebSocket-Version",
                "-Sec-WebSocket-Key",
                "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5",
            ],
            E::VersionUnsupported,
            426,
            UPGRADE,
        ),
        (&["-Sec-WebSocket-Key"], E::KeyMissing, 400, CLOSE),
        (
            &["+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
            E::KeyRepeated,
            400,
            CLOSE,
        ),
        (&["Sec-WebSocket-Key:"], E::KeyInvalid, 400, CLOSE),
        (
            &["Sec-WebSocket-Key: not base64 at all, no!!"],
            E::KeyInvalid,
            400,
            CLOSE,
        ),
        (
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"],
            E::KeyInvalid,
            400,
            CLOSE,
        ),
        (
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="],
            E::KeyInvalid,
            400,
            CLOSE,
        ),
        (&["Content-Length: 5"], E::Body, 400, CLOSE),
        (&["Content-Length: 0", "+Content-Length: 5"], E::Body, 400, CLOSE),
        (&["Content-Length: -0"], E::Body, 400, CLOSE),
        (&["Content-Length: -200"], E::Body, 400, CLOSE),
        (&["Transfer-Encoding: chunked"], E::Body, 400, CLOSE),
        (
            &["Content-Length: 0", "Transfer-Encoding: chunked"],
            E::Body,
            400,
            CLOSE,
        ),
        (&["Transfer-Encoding: identity"], E::Body, 400, CLOSE),
        (&["Origin: http://evil.example"], E::Origin, 403, CLOSE),
        (&["Origin: null"], E::Origin, 403, CLOSE),
        (&["Origin: not an origin"], E::Origin, 403, CLOSE),
        (
            &["Origin: http://example.com", "+Origin: http://example.com"],
            E::Origin,
            403,
            CLOSE,
        ),
        (&["Sec-WebSocket-Protocol:"], E::SubprotocolSyntax, 400, CLOSE),
        (
            &["Sec-WebSocket-Protocol: a, a"],
            E::SubprotocolSyntax,
            400,
            CLOSE,
        ),
        (
            &["Sec-WebSocket-Protocol: a", "+Sec-WebSocket-Protocol: b, a"],
            E::SubprotocolSyntax,
            400,
            CLOSE,
        ),
        (&["Sec-WebSocket-Protocol: a b"], E::SubprotocolSyntax, 400, CLOSE),
        (
            &["Sec-WebSocket-Protocol: \"a\""],
            E::SubprotocolSyntax,
            400,
            CLOSE,
        ),
    ];
    for (changes, expected, status, headers) in table {
        let error = accept(&ServerHandshake::new(), changes).expect_err(&format!("{changes:?}"));
        assert_eq!(error, *expected, "{changes:?}");
        let response = error.response();
        assert_eq!(response.status().as_u16(), *status, "{changes:?}");
        for (name, value) in *headers {
            let expected = Some(*value).filter(|value| !value.is_empty());
            assert_eq!(header(&response, name), expected, "{changes:?} {name}");
        }
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(
            body.len() > 1 && body.ends_with('\n') && body.lines().count() == 1,
            "{changes:?}"
        );
        assert!(
            header(&response, "connection").unwrap().ends_with("close"),
            "{changes:?}"
        );
    }
}

#[test]
fn every_refusal_closes_and_explains_itself() {
    let others = [
        (HandshakeError::NoEndpoint, 503),
        (HandshakeError::Stopping, 503),
        (HandshakeError::TooManyConnections, 503),
        (HandshakeError::SubprotocolRequired, 400),
        (HandshakeError::SubprotocolNotOffered, 500),
    ];
    for (error, status) in others {
        let text = String::from_utf8(encode_response(&error.response())).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert!(
            text.contains("\r\nConnection: close\r\n") && text.ends_with(&format!("{error}\n")),
            "{text}"
        );
    }
    assert!(
        HandshakeError::Stopping
            .response()
            .headers()
            .contains_key("retry-after")
    );
}

#[test]
fn an_attempt_is_told_from_plain_http() {
    let attempt = |changes: &[&str]| is_upgrade_attempt(request(changes).request().headers());
    assert!(attempt(&["POST / HTTP/1.0", "-Connection", "-Host"]));
    assert!(attempt(&["Upgrade: a, WEBSOCKET"]));
    assert!(!attempt(&["Upgrade: h2c"]));
    assert!(!attempt(&["-Upgrade"]));
}

#[test]
fn origins_are_let_in_by_list_or_all() {
    let listed = ServerHandshake::new().origin(OriginPolicy::list(["https://app.example"]).unwrap());
    assert!(accept(&listed, &["Origin: https://app.example"]).is_ok());
    assert_eq!(
        accept(&listed, &["Origin: http://example.com"]).unwrap_err(),
        HandshakeError::Origin
    );
    let any = ServerHandshake::new().origin(OriginPolicy::any());
    assert!(accept(&any, &["Origin: null"]).is_ok());
}
