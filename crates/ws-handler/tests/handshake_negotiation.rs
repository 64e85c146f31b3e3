//! What a server agrees to: subprotocols and extensions. RFC 6455 §4.2.2 item 5, §9.1.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what goes wrong in a test fails it"
)]

use http::{Request, Response, StatusCode};
use ws_handler::{
    Accepted, ExtensionNegotiator, ExtensionRegistry, HandshakeError, NegotiatedExtension, ServerHandshake,
};
use ws_proto::{ExtensionOffer, IdentityExtension, ReservedBits};

/// A good request with more header lines.
fn request(lines: &[&str]) -> Request<()> {
    let mut request = Request::get("/")
        .header("Host", "example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13");
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header line");
        request = request.header(name, value.as_bytes());
    }
    request.body(()).expect("a request")
}

fn accept(server: &ServerHandshake, lines: &[&str]) -> Result<Accepted, HandshakeError> {
    server.accept(&request(lines))
}

fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn extensions_named_like_built_in_properties_are_ignored() {
    let server = ServerHandshake::new().extensions(ExtensionRegistry::new().with(IdentityExtension));
    for name in [
        "constructor",
        "__proto__",
        "prototype",
        "toString",
        "hasOwnProperty",
        "__class__",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {name}; {name}={name}, identity");
        let accepted = accept(&server, &[&line]).unwrap();
        assert_eq!(
            header(&accepted.response(), "sec-websocket-extensions"),
            Some("identity"),
            "{name}"
        );
    }
}

#[test]
fn a_subprotocol_is_chosen_in_the_clients_order_and_only_if_offered() {
    let server = ServerHandshake::new().subprotocols(["a", "b"]);
    let chosen = |changes: &[&str]| accept(&server, changes).unwrap().negotiated.subprotocol;
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: x, b, a"]).as_deref(), Some("b"));
    assert_eq!(
        chosen(&["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Protocol: a"]).as_deref(),
        Some("a")
    );
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: A"]), None);
    assert_eq!(chosen(&[]), None);
    let strict = server.require_subprotocol();
    assert!(accept(&strict, &["Sec-WebSocket-Protocol: b"]).is_ok());
    let refused = accept(&strict, &["Sec-WebSocket-Protocol: x"]).unwrap_err();
    assert_eq!(refused, HandshakeError::SubprotocolRequired);
}

#[test]
fn the_application_chooses_among_what_was_offered() {
    let request = request(&["Sec-WebSocket-Protocol: one, two"]);
    let server = ServerHandshake::new();
    let upgrade = server.check(&request).unwrap();
    assert_eq!(upgrade.subprotocols(), ["one", "two"]);
    let accepted = upgrade.accept(Some("two")).unwrap();
    assert_eq!(
        header(&accepted.response(), "sec-websocket-protocol"),
        Some("two")
    );
    let refused = server.check(&request).unwrap().accept(Some("three")).unwrap_err();
    assert_eq!(refused, HandshakeError::SubprotocolNotOffered);
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// An extension that takes offers with `yes`, answers with `ok=1` and wants RSV bits.
#[derive(Debug)]
struct Toy(&'static str, ReservedBits);

impl ExtensionNegotiator for Toy {
    fn name(&self) -> &str {
        self.0
    }

    fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        offer.parameter("yes")?;
        let agreed = ExtensionOffer::new(self.0)
            .ok()?
            .with_parameter("ok", Some("1"))
            .ok()?;
        Some(NegotiatedExtension::new(agreed, self.1, IdentityExtension))
    }

    fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        Vec::new()
    }

    fn confirm(&self, _: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        None
    }
}

#[test]
fn extensions_are_answered_once_and_without_conflict() {
    let toys = ExtensionRegistry::new()
        .with(Toy("one", ReservedBits::RSV1))
        .with(Toy("rival", ReservedBits::RSV1));
    let server = ServerHandshake::new().extensions(toys.with(Toy("two", ReservedBits::RSV2)));
    let lines = [
        "Sec-WebSocket-Extensions: x, one; no, ONE; yes, one; yes",
        "Sec-WebSocket-Extensions: rival; yes, two; yes=1",
    ];
    let accepted = accept(&server, &lines).unwrap();
    let response = accepted.response();
    let sent: Vec<_> = response
        .headers()
        .get_all("sec-websocket-extensions")
        .into_iter()
        .collect();
    assert_eq!(sent, ["one; ok=1, two; ok=1"], "in one header field");
    assert_eq!(accepted.negotiated.extensions.len(), 2);
    assert_eq!(
        accepted.negotiated.reserved,
        ReservedBits::RSV1 | ReservedBits::RSV2
    );
}

#[test]
fn malformed_extensions_are_refused_in_linear_time() {
    let server =
        ServerHandshake::new().extensions(ExtensionRegistry::new().with(Toy("one", ReservedBits::RSV1)));
    let unclosed = format!(
        "Sec-WebSocket-Extensions: one; yes, a; b=\"{}",
        r"\c".repeat(32 * 1024)
    );
    for line in [
        &*unclosed,
        "Sec-WebSocket-Extensions: one; yes, =",
        "Sec-WebSocket-Extensions: \u{e9}",
    ] {
        let refused = accept(&server, &[line]).unwrap_err();
        assert!(
            matches!(refused, HandshakeError::ExtensionSyntax(_)),
            "{refused:?}"
        );
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
    let many = format!(
        "Sec-WebSocket-Extensions: {}one; yes",
        "permessage-deflate; x=1, ".repeat(1000)
    );
    assert_eq!(accept(&server, &[&many]).unwrap().negotiated.extensions.len(), 1);
}

#[test]
fn a_megabyte_of_subprotocols_takes_linear_time() {
    let names: Vec<_> = (0..150_000).map(|number| format!("{number:x}")).collect();
    let server = ServerHandshake::new().subprotocols(["24000"]);
    let line = format!("Sec-WebSocket-Protocol: {}", names.join(","));
    assert_eq!(
        accept(&server, &[&line])
            .unwrap()
            .negotiated
            .subprotocol
            .as_deref(),
        Some("24000")
    );
    let refused = accept(
        &server,
        &[&format!("Sec-WebSocket-Protocol: {}", "a,".repeat(1 << 19))],
    )
    .unwrap_err();
    assert_eq!(refused, HandshakeError::SubprotocolSyntax);
}
