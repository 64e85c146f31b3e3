//! Extensions from the handshake to the last message: permessage-deflate, `identity`, `fragment`, in both roles.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

use std::sync::Arc;

use bytes::BytesMut;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, DuplexStream};
use ws_handler::{
    ClientRequest, ConnectError, ExtensionNegotiator, ExtensionRegistry, NegotiatedExtension, ResponseError,
    ServerHandshake, WebSocket, client_handshake,
};
use ws_proto::{
    Config, ExtensionFrame, ExtensionOffer, FragmentExtension, FrameDecoder, FrameEncoder, FrameExtension,
    IdentityExtension, ProtocolError, ReservedBits, Role,
};

#[cfg(feature = "deflate")]
mod deflate;

/// A good request with more header lines.
fn request(lines: &[&str]) -> Request<()> {
    let mut request = Request::get("/")
        .header("Host", "h")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13");
    for line in lines {
        request = request.header("Sec-WebSocket-Extensions", *line);
    }
    request.body(()).unwrap()
}

fn answered<B>(response: &Response<B>) -> Vec<&str> {
    let lines = response.headers().get_all("sec-websocket-extensions");
    let lines: Vec<_> = lines.into_iter().map(|line| line.to_str().unwrap()).collect();
    assert!(lines.len() <= 1, "RFC 6455 §11.3.2: {lines:?}");
    lines.into_iter().flat_map(|line| line.split(", ")).collect()
}

/// Opens a connection with these extensions at the two ends: client, server.
async fn open(
    client: ExtensionRegistry,
    server: ExtensionRegistry,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    open_through(1 << 20, client, server).await
}

/// The same through a pipe that holds no more than `room` bytes in each direction.
async fn open_through(
    room: usize,
    client: ExtensionRegistry,
    server: ExtensionRegistry,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, mut far) = tokio::io::duplex(room);
    let shake = tokio::spawn(async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        let text = String::from_utf8(head).unwrap();
        let mut request = Request::get("/");
        for line in text.lines().skip(1).take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let handshake = ServerHandshake::new().extensions(server);
        let accepted = handshake.accept(&request.body(()).unwrap()).unwrap();
        let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in accepted.response().headers() {
            answer += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        answer += "\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut far, answer.as_bytes())
            .await
            .unwrap();
        let config = Arc::new(Config::server());
        WebSocket::from_upgraded(far, Role::Server, &BytesMut::new(), config, accepted.negotiated).unwrap()
    });
    let request = ClientRequest::new("ws://h/".parse().unwrap()).extensions(client);
    let upgrade = client_handshake(near, &request, std::time::Duration::from_secs(5))
        .await
        .unwrap();
    let (client, _) = upgrade.into_websocket(Arc::new(Config::client())).unwrap();
    (client, shake.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn identity_is_agreed_as_often_as_it_is_asked_for() {
    let server = ServerHandshake::new().extensions(ExtensionRegistry::new().with(IdentityExtension));
    let lines = [
        "identity; param=0, identity; param=1",
        " identity ; param = \"2\" ; other = '3' ",
    ];
    let accepted = server.accept(&request(&lines)).unwrap();
    assert_eq!(
        answered(&accepted.response()),
        [
            "identity; param=0",
            "identity; param=1",
            "identity; param=2; other='3'"
        ]
    );
    let registry = || ExtensionRegistry::new().with(IdentityExtension);
    let (mut client, mut server) = open(registry(), registry()).await;
    client.send("unchanged").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("unchanged".into()));
    assert_eq!(client.negotiated().unwrap().extensions[0].to_string(), "identity");
}

#[tokio::test(start_paused = true)]
async fn fragment_cuts_at_both_ends_and_messages_arrive_whole() {
    let registry = || ExtensionRegistry::new().with(FragmentExtension::new(Some(4), 7));
    let (mut client, mut server) = open(registry(), registry()).await;
    for end in [&client, &server] {
        assert_eq!(
            end.negotiated().unwrap().extensions[0].to_string(),
            "fragment; maxLength=4; minFragments=7"
        );
    }
    let text = "exactly fifteen";
    client.send(text).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(text.into()));
    server.send(text).await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(text.into()));
    let server = ServerHandshake::new().extensions(registry());
    let accepted = server
        .accept(&request(&[
            "fragment; maxLength=0, fragment; minFragments=1000000",
        ]))
        .unwrap();
    assert!(
        answered(&accepted.response()).is_empty(),
        "nothing that costs without bound"
    );
}

/// An extension of a user's own: adds a number to every byte, at most the smaller one of both ends, and marks its frames.
#[derive(Debug, Clone, Copy)]
struct Shift(u8);

impl Shift {
    fn agreed(by: u8) -> Option<NegotiatedExtension> {
        let agreed = ExtensionOffer::new("x-shift").ok()?;
        let agreed = agreed.with_parameter("by", Some(by.to_string())).ok()?;
        Some(NegotiatedExtension::new(agreed, ReservedBits::RSV2, Self(by)))
    }

    fn asked(offer: &ExtensionOffer<'_>) -> Option<u8> {
        offer.parameter("by")?.value()?.parse().ok()
    }
}

impl ExtensionNegotiator for Shift {
    fn name(&self) -> &str {
        "x-shift"
    }

    fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        Self::agreed(Self::asked(offer)?.min(self.0))
    }

    fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        let offer = ExtensionOffer::new("x-shift").unwrap();
        vec![offer.with_parameter("by", Some(self.0.to_string())).unwrap()]
    }

    fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        Self::asked(answer)
            .filter(|by| *by <= self.0)
            .and_then(Self::agreed)
    }
}

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
        let shift = |byte: &mut u8| *byte = byte.wrapping_add(self.0);
        frame.payload.iter_mut().for_each(shift);
        frame.reserved = frame.reserved | ReservedBits::RSV2;
        next(frame);
    }
}

impl FrameDecoder for Shift {
    fn decode(&mut self, frame: &mut ExtensionFrame, _limit: usize) -> Result<(), ProtocolError> {
        if !frame.reserved.contains(ReservedBits::RSV2) {
            return Err(ProtocolError::ReservedBits);
        }
        frame.reserved = frame.reserved.without(ReservedBits::RSV2);
        let shift = |byte: &mut u8| *byte = byte.wrapping_sub(self.0);
        frame.payload.iter_mut().for_each(shift);
        Ok(())
    }
}

/// What is agreed on, in which order and with which parameters, is what both ends do: a frame without the mark, or
/// shifted by another number, would not pass.
#[tokio::test(start_paused = true)]
async fn an_extension_of_a_users_own_works_at_both_ends_beside_the_built_in_ones() {
    let fragment = FragmentExtension::new(Some(1000), 2);
    let client = ExtensionRegistry::new().with(fragment).with(Shift(200));
    let server = ExtensionRegistry::new().with(Shift(7)).with(fragment);
    #[cfg(feature = "deflate")]
    let [client, server] =
        [client, server].map(|registry| registry.with(ws_proto::DeflateConfig::new().with_threshold(100)));
    let (mut client, mut server) = open(client, server).await;
    for end in [&client, &server] {
        let agreed = end.negotiated().unwrap();
        let agreed: Vec<_> = agreed.extensions.iter().map(ToString::to_string).collect();
        assert_eq!(
            agreed[..2],
            ["fragment; maxLength=1000; minFragments=2", "x-shift; by=7"],
            "in the client's order"
        );
        assert_eq!(agreed.len(), if cfg!(feature = "deflate") { 3 } else { 2 });
    }
    for length in [0, 1, 99, 100, 5000] {
        let text = "some text, ".repeat(length / 11 + 1)[..length].to_owned();
        client.send(text.as_str()).await.unwrap();
        assert_eq!(server.recv().await.unwrap(), Some(text.as_str().into()));
        server.send(text.as_str()).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(text.as_str().into()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_extension_understands_fails_the_connection() {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        let text = String::from_utf8(head).unwrap();
        let key = text
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-key: "));
        let key = key
            .or_else(|| {
                text.lines()
                    .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
            })
            .unwrap();
        let accepted = ServerHandshake::new().accept(
            &Request::get("/")
                .header("Host", "h")
                .header("Upgrade", "websocket")
                .header("Connection", "Upgrade")
                .header("Sec-WebSocket-Key", key)
                .header("Sec-WebSocket-Version", "13")
                .body(())
                .unwrap(),
        );
        let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in accepted.unwrap().response().headers() {
            answer += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        answer += "Sec-WebSocket-Extensions: fragment; maxLength=0\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut far, answer.as_bytes())
            .await
            .unwrap();
    });
    let registry = ExtensionRegistry::new().with(FragmentExtension::new(None, 2));
    let request = ClientRequest::new("ws://h/".parse().unwrap()).extensions(registry);
    let refused = client_handshake(near, &request, std::time::Duration::from_secs(5)).await;
    assert!(matches!(
        refused,
        Err(ConnectError::Response(ResponseError::ExtensionRefused))
    ));
}
