//! Groups H and F where the library is the client and the server is bad: no attempt leaves anything, and after the request
//! not a byte more is sent to a server whose answer is wrong.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_handler::{
    ClientRequest, ConnectError, ConnectStage, ExtensionRegistry, HeadError, ResponseError, SocketError,
    client_handshake,
};
use ws_proto::{Config, DeflateConfig, ProtocolError};
use ws_testkit::{RawFrame, RawPeer};

use crate::scene::Scene;

const MASK: [u8; 4] = [9, 8, 7, 6];
const LIMIT: Duration = Duration::from_secs(10);

fn request() -> ClientRequest {
    ClientRequest::new("ws://test/".parse().unwrap())
        .subprotocols(["a", "b"])
        .unwrap()
}

/// The same, with an offer of compression that asks for nothing.
fn compressing() -> ClientRequest {
    let mut config = DeflateConfig::new();
    config.server_max_window_bits = None;
    config.client_max_window_bits = None;
    request().extensions(ExtensionRegistry::new().with(config))
}

/// What comes of a request whose right answer is changed on its way.
async fn attempt(
    request: &ClientRequest,
    change: impl FnOnce(String) -> String + Send + 'static,
) -> Result<(), ConnectError> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        // The right answer is made by a server that keeps to the rules.
        let (mut wire, behind) = tokio::io::duplex(1 << 16);
        let mut good = RawPeer::new(behind);
        let mut far = far;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        wire.write_all(&head).await.unwrap();
        good.accept_upgrade(None).await.unwrap();
        drop(good);
        let mut answer = String::new();
        wire.read_to_string(&mut answer).await.unwrap();
        // A client that has seen enough may be gone.
        let _ = far.write_all(change(answer).as_bytes()).await;
        let _ = far.shutdown().await;
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "sent behind the request");
    });
    let outcome = client_handshake(near, request, LIMIT).await.map(drop);
    server.await.unwrap();
    outcome
}

/// An answer with one line more.
async fn with_line(request: &ClientRequest, line: &str) -> Result<(), ConnectError> {
    let line = format!("\r\n{line}\r\n\r\n");
    attempt(request, move |answer| {
        format!("{}{line}", answer.trim_end_matches("\r\n"))
    })
    .await
}

async fn wrong(request: &ClientRequest, line: &str) -> ResponseError {
    match with_line(request, line).await {
        Err(ConnectError::Response(error)) => error,
        other => panic!("{line}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn h40_an_accept_that_is_missing_wrong_or_repeated() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            attempt(&request(), |answer| answer).await.unwrap();
            let without = |answer: String| {
                let lines = answer.split("\r\n");
                let kept =
                    lines.filter(|line| !line.to_ascii_lowercase().starts_with("sec-websocket-accept"));
                kept.collect::<Vec<_>>().join("\r\n")
            };
            let error = attempt(&request(), without).await.unwrap_err();
            assert!(
                matches!(error, ConnectError::Response(ResponseError::AcceptMissing)),
                "{error:?}"
            );
            let another = |answer: String| {
                answer
                    .replace("Accept: ", "Accept: x")
                    .replace("accept: ", "accept: x")
            };
            let error = attempt(&request(), another).await.unwrap_err();
            assert!(
                matches!(error, ConnectError::Response(ResponseError::AcceptMismatch)),
                "{error:?}"
            );
            let error = wrong(&request(), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").await;
            assert_eq!(error, ResponseError::AcceptRepeated);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h41_what_was_not_offered() {
    use ResponseError as E;
    Scene::new()
        .leaves_nothing(0, async |_| {
            let (plain, compressing) = (request(), compressing());
            for (request, line, expected) in [
                (&plain, "Sec-WebSocket-Protocol: c", E::SubprotocolNotOffered),
                (
                    &plain,
                    "Sec-WebSocket-Extensions: permessage-deflate",
                    E::ExtensionNotOffered,
                ),
                (
                    &compressing,
                    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12",
                    E::ExtensionRefused,
                ),
            ] {
                assert_eq!(wrong(request, line).await, expected, "{line}");
            }
            // RFC 7692 §7.1: the other three may come unasked.
            for parameter in [
                "server_no_context_takeover",
                "client_no_context_takeover",
                "server_max_window_bits=12",
            ] {
                let line = format!("Sec-WebSocket-Extensions: permessage-deflate; {parameter}");
                with_line(&compressing, &line).await.unwrap();
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h42_window_bits_below_at_and_above_what_there_is() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            let request = compressing();
            for (bits, fits) in [
                ("7", false),
                ("8", true),
                ("15", true),
                ("16", false),
                ("8x", false),
                ("", false),
            ] {
                let line =
                    format!("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}");
                let outcome = with_line(&request, &line).await;
                assert_eq!(outcome.is_ok(), fits, "{line}: {outcome:?}");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h44_refusals_keep_status_headers_and_64_kib_of_their_body() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            for status in [200, 301, 401, 403, 404, 503] {
                for (sent, kept) in [(65_535, 65_535), (65_536, 65_536), (65_537, 65_536)] {
                    let refusal = format!(
                        "HTTP/1.1 {status} x\r\nX-Why: because\r\nLocation: ws://evil/\r\n\r\n{}",
                        "b".repeat(sent)
                    );
                    let error = attempt(&request(), move |_| refusal).await.unwrap_err();
                    let ConnectError::Refused(refused) = error else {
                        panic!("{status}: {error:?}")
                    };
                    assert_eq!((refused.status.as_u16(), refused.body.len()), (status, kept));
                    assert_eq!(refused.headers["x-why"], "because");
                }
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h45_an_endless_head_ends_at_the_limit() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            let endless = |_| format!("HTTP/1.1 101 x\r\nA: {}", "x".repeat(1 << 20));
            let error = attempt(&request(), endless).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    ConnectError::Response(ResponseError::Head(HeadError::TooLarge))
                ),
                "{error:?}"
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h46_a_silent_server_is_given_up_at_the_limit() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            let began = tokio::time::Instant::now();
            let (near, _far) = tokio::io::duplex(1 << 16);
            let error = client_handshake(near, &request(), LIMIT)
                .await
                .map(drop)
                .unwrap_err();
            assert!(
                matches!(error, ConnectError::Timeout(ConnectStage::Handshake)),
                "{error:?}"
            );
            assert_eq!(began.elapsed(), LIMIT);
            // An answer below the limit counts.
            let (near, far) = tokio::io::duplex(1 << 16);
            let slow = tokio::spawn(async move {
                let mut server = RawPeer::new(far);
                tokio::time::sleep(LIMIT - Duration::from_millis(100)).await;
                server.accept_upgrade(None).await.unwrap();
            });
            client_handshake(near, &request(), LIMIT).await.map(drop).unwrap();
            slow.await.unwrap();
        })
        .await;
}

/// The client this time: a server that masks is failed, and nothing of its frame is handed out.
#[tokio::test(start_paused = true)]
async fn f02_a_masked_frame_of_a_server() {
    Scene::new()
        .leaves_nothing(0, async |_| masked_frame_of_a_server().await)
        .await;
}

async fn masked_frame_of_a_server() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        let mut peer = RawPeer::new(far);
        peer.accept_upgrade(None).await.unwrap();
        peer.send(&RawFrame::text("hidden").masked(MASK)).await.unwrap();
        peer.expect_close(Some(1002)).await.unwrap();
        peer.expect_end().await.unwrap();
    });
    let request = ClientRequest::new("ws://test/".parse().unwrap());
    let upgrade = client_handshake(near, &request, Duration::from_secs(10))
        .await
        .unwrap();
    let (mut socket, _) = upgrade.into_websocket(Arc::new(Config::client())).unwrap();
    let received = socket.recv().await;
    assert!(
        matches!(received, Err(SocketError::Protocol(ProtocolError::Masked))),
        "{received:?}"
    );
    drop(socket);
    server.await.unwrap();
}
