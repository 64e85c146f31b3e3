//! `--deflate` at both ends: what is negotiated, what is told about it, and that every protocol still holds.

use std::sync::Arc;

use bytes::Buf;
use tokio::net::TcpStream;
use ws_proto::{Config, DeflateConfig, Event, Extensions, MaskKey, MessageKind, ReceivePath, Role, SendPath};
use ws_testkit::{ClientOptions, ClientRun, ExitStatus, Protocol, RawPeer, TestServer};

use super::{answering, client, echo};

async fn serve(deflate: Option<DeflateConfig>) -> TestServer {
    let mut server = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Assemble);
    if let Some(deflate) = deflate {
        server = server.deflate(deflate);
    }
    server.start().await.unwrap()
}

fn url(server: &TestServer) -> String {
    format!("ws://{}/", server.local_addr())
}

#[tokio::test]
async fn every_protocol_holds_with_compression() {
    let config = DeflateConfig::default().with_threshold(0);
    for deflate in [config, DeflateConfig::no_context_takeover().with_threshold(0)] {
        let server = serve(Some(deflate.clone())).await;
        for protocol in ["echo", "echo-assemble", "echo-fragment", "echo-broadcast"] {
            for (size, fragment) in [(0, 0), (100, 7), (10_000, 1000), (100_000, 0)] {
                let mut options = ClientOptions::new(url(&server));
                options.protocols = vec![protocol.into()];
                options.deflate = Some(deflate.clone());
                (options.size, options.fragment, options.count, options.clients) = (size, fragment, 5, 2);
                options.delay = std::time::Duration::ZERO;
                let summary = ClientRun::new(options).run().await.unwrap();
                assert_eq!(
                    summary.status(),
                    ExitStatus::Success,
                    "{protocol} {size} {:?}",
                    summary.failures
                );
                let negotiated = summary.deflate.unwrap().negotiated.unwrap();
                assert!(negotiated.starts_with("permessage-deflate; "), "{negotiated}");
                let counts = summary.counts;
                assert_eq!(
                    counts.deflated.from, counts.bytes_sent,
                    "all of it went through the compressor"
                );
                assert_eq!(counts.inflated.to, counts.bytes_received);
                if size >= 10_000 {
                    assert!(
                        counts.wire_bytes_received() < counts.bytes_received,
                        "{protocol} {size}"
                    );
                }
            }
        }
    }
}

/// test-echo answers frame by frame, also where frames are compressed: as many frames, the opcode on the first one, FIN on
/// the last. Which byte stands in which frame is the compressor's choice; the message is the same.
#[tokio::test]
async fn echo_keeps_the_number_of_frames_and_answers_a_ping_between_them() {
    let config = DeflateConfig::default().with_threshold(0);
    let server = serve(Some(config.clone())).await;
    let offer = &config.offers()[0];
    let (answer, _) = config.answer(offer).unwrap();
    let mut extensions = Extensions::new();
    extensions.add_deflate(config.confirm(&answer).unwrap()).unwrap();

    let mut peer = RawPeer::new(TcpStream::connect(server.local_addr()).await.unwrap());
    let request = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: echo\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"
    );
    peer.send_bytes(request.as_bytes()).await.unwrap();
    let head = peer.expect_head().await.unwrap();
    assert!(head.contains(&answer.to_string()), "{head}");

    let config = Arc::new(Config::client());
    let key = || MaskKey([1, 2, 3, 4]);
    let mut send = SendPath::client(config.clone(), Box::new(key)).with_extensions(&extensions);
    let mut receive = ReceivePath::new(Role::Client, config).with_extensions(&extensions);
    let long = "much the same, ".repeat(5000);
    // The second message refers to the first.
    for _ in 0..2 {
        // One cut inside a character, one empty, one long.
        let parts: [&[u8]; 5] = [b"Gr\xC3", b"", b"\xBC\xC3\x9Fe ", long.as_bytes(), b""];
        let mut wire = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            let opcode = if place == 0 { 1 } else { 0 };
            let (fin, first) = (place == 4, place == 0);
            send.send_fragment(MessageKind::Text, part, fin).unwrap();
            send.ping(b"between").unwrap();
            peer.send_bytes(&send.copy_to_bytes(send.remaining()))
                .await
                .unwrap();
            let frame = peer.next_frame().await.unwrap();
            let rsv = if first { 4 } else { 0 };
            assert_eq!(
                (frame.opcode, frame.fin, frame.rsv),
                (opcode, fin, rsv),
                "{place}"
            );
            wire.extend(frame.encode());
            let pong = peer.next_frame().await.unwrap();
            assert_eq!((pong.opcode, pong.rsv, &*pong.payload), (10, 0, &b"between"[..]));
        }
        let mut input = wire.as_mut_slice();
        match receive.next(&mut input) {
            Ok(Some(Event::Text(text))) => assert!(text == format!("Grüße {long}")),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_summary_tells_parameters_ratio_and_bytes_on_the_wire() {
    let server = serve(Some(DeflateConfig::default())).await;
    let url = url(&server);
    let run = [
        "--delay",
        "0",
        "-c",
        "3",
        "-s",
        "5000",
        "-P",
        "echo-assemble",
        &url,
    ];
    let with = |deflate: &'static str| {
        let arguments: Vec<_> = [deflate].into_iter().chain(run).map(str::to_owned).collect();
        async move { client(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let ran =
        with("--deflate=server_max_window_bits=10; client_no_context_takeover;threshold=0;level=6").await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let expected = "deflate: permessage-deflate; client_no_context_takeover; server_max_window_bits=10; \
                    client_max_window_bits=12\npayload bytes on the wire sent/received ";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(", ratio of compressed messages "),
        "{}",
        ran.stdout
    );

    let plain = client(&run).await;
    assert!(!plain.stdout.contains("deflate"), "{}", plain.stdout);

    // Below the threshold everything is plain, though compression was agreed on.
    let ran = with("--deflate=threshold=1000000").await;
    assert!(
        ran.stdout.contains("ratio of compressed messages -/"),
        "{}",
        ran.stdout
    );

    let arguments: Vec<_> = ["--deflate", "--json"].into_iter().chain(run).collect();
    let json = client(&arguments).await.json();
    let negotiated = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";
    assert_eq!(json["deflate"]["negotiated"], negotiated);
    assert_eq!(json["deflate"]["compressed_from"], 15_000);
    assert_eq!(json["deflate"]["inflated_to"], 15_000);
    assert!(json["deflate"]["wire_bytes"]["sent"].as_u64() < Some(15_000));
}

#[tokio::test]
async fn a_declined_offer_is_told_and_changes_no_exit_code() {
    let server = serve(None).await;
    let arguments = [
        "--deflate",
        "--delay",
        "0",
        "-c",
        "2",
        "-P",
        "echo",
        &url(&server),
    ];
    let ran = client(&arguments).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\ndeflate: not negotiated\n"),
        "{}",
        ran.stdout
    );
    let url = answering(Some("echo"), echo).await;
    let ran = client(&["--deflate", "--delay", "0", "-c", "2", "-P", "echo", &url]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\ndeflate: not negotiated\n"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_a_usage_error() {
    for deflate in [
        "--deflate=level=0",
        "--deflate=server_max_window_bits=16",
        "--deflate=what",
    ] {
        let ran = client(&[deflate, "-P", "echo", "ws://127.0.0.1:1/"]).await;
        assert_eq!(ran.code, Some(2), "{deflate}");
        assert!(ran.stderr.contains("--deflate"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_limit_is_for_what_comes_out() {
    let mut config: Config = TestServer::default_config();
    config.limits.max_message_size = 50_000;
    let server = TestServer::bind("127.0.0.1:0")
        .config(config)
        .deflate(DeflateConfig::default())
        .default_protocol(Protocol::Assemble)
        .start()
        .await
        .unwrap();
    let url = url(&server);
    for (size, code) in [("50000", 0), ("50001", 5)] {
        let arguments = [
            "--deflate",
            "--delay",
            "0",
            "-c",
            "1",
            "-f",
            "0",
            "-s",
            size,
            "-P",
            "echo-assemble",
            &url,
        ];
        let ran = client(&arguments).await;
        assert_eq!(ran.code, Some(code), "{size}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("1009"), code == 5, "{}", ran.stderr);
    }
}
