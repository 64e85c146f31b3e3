//! Every test subprotocol through a real loopback socket, frame by frame.

use crate::wire::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, frame};
use ws_testkit::{Protocol, TestServer};

async fn server() -> TestServer {
    TestServer::bind("127.0.0.1:0").start().await.expect("a server")
}

#[tokio::test]
async fn names_and_aliases_are_confirmed_as_they_were_offered() {
    let server = server().await;
    for name in Protocol::subprotocols() {
        let wire = Wire::open(server.local_addr(), Some(name)).await;
        assert_eq!(wire.header("sec-websocket-protocol"), Some(name));
        wire.close().await;
    }
}

#[tokio::test]
async fn the_first_known_name_of_several_is_taken() {
    let server = server().await;
    let offer = "soap, echo-fragment, org.ietf.websocket.test-echo";
    let mut wire = Wire::open(server.local_addr(), Some(offer)).await;
    assert_eq!(wire.header("sec-websocket-protocol"), Some("echo-fragment"));
    wire.send(true, TEXT, "abc").await;
    assert_eq!(wire.receive().await, frame(false, TEXT, "a"));
    assert_eq!(wire.receive().await, frame(true, CONTINUATION, "bc"));
}

#[tokio::test]
async fn echo_returns_each_frame_as_it_came_while_the_message_is_open() {
    let server = server().await;
    let mut wire = Wire::open(server.local_addr(), Some("org.ietf.websocket.test-echo")).await;
    // Each answer is read before the next frame is sent: an echo of whole messages would never answer the first.
    // The text is cut inside a character.
    for sent in [
        frame(false, TEXT, b"Gr\xc3"),
        frame(false, CONTINUATION, b""),
        frame(false, CONTINUATION, b"\xbc\xc3"),
        frame(true, CONTINUATION, b"\x9fe"),
        frame(true, BINARY, b"\x00\xff"),
        frame(false, BINARY, vec![7; 70_000]),
        frame(true, CONTINUATION, b""),
        frame(true, TEXT, ""),
    ] {
        wire.write(&sent.masked()).await;
        assert_eq!(wire.receive().await, sent);
    }
    wire.close().await;
}

#[tokio::test]
async fn echo_answers_a_ping_between_fragments_and_echoes_no_control_frame() {
    let server = server().await;
    let mut wire = Wire::open(server.local_addr(), Some("echo")).await;
    wire.send(false, TEXT, "one").await;
    wire.send(true, PING, "p").await;
    wire.send(true, PONG, "unasked").await;
    wire.send(true, CONTINUATION, "two").await;
    assert_eq!(wire.receive().await, frame(false, TEXT, "one"));
    assert_eq!(wire.receive().await, frame(true, PONG, "p"));
    assert_eq!(wire.receive().await, frame(true, CONTINUATION, "two"));
    wire.close().await;
}

#[tokio::test]
async fn echo_has_no_limit_for_messages_or_fragments() {
    let mut config = TestServer::default_config();
    config.limits.max_message_size = 100;
    config.limits.max_fragments = 3;
    let server = TestServer::bind("127.0.0.1:0")
        .config(config)
        .start()
        .await
        .expect("a server");
    let mut wire = Wire::open(server.local_addr(), Some("echo")).await;
    for count in 0..50 {
        let opcode = if count == 0 { BINARY } else { CONTINUATION };
        wire.send(false, opcode, [5; 90]).await;
        assert_eq!(wire.receive().await, frame(false, opcode, [5; 90]));
    }

    let mut wire = Wire::open(server.local_addr(), Some("echo-assemble")).await;
    wire.send(false, BINARY, [5; 90]).await;
    wire.send(true, CONTINUATION, [5; 90]).await;
    let close = wire.receive().await;
    assert_eq!(
        (close.opcode, &close.payload[..2]),
        (CLOSE, &1009_u16.to_be_bytes()[..])
    );
}

#[tokio::test]
async fn assemble_returns_one_frame() {
    let server = server().await;
    let mut wire = Wire::open(server.local_addr(), Some("org.ietf.websocket.test-echo-assemble")).await;
    wire.send(false, TEXT, b"Gr\xc3").await;
    wire.send(false, CONTINUATION, "").await;
    wire.send(true, CONTINUATION, b"\xbc\xc3\x9fe").await;
    assert_eq!(wire.receive().await, frame(true, TEXT, "Grüße"));

    let half = vec![3; 2 << 20];
    wire.send(false, BINARY, &half).await;
    wire.send(true, CONTINUATION, &half).await;
    assert_eq!(
        wire.receive().await,
        frame(true, BINARY, [half.clone(), half].concat())
    );

    wire.send(true, TEXT, "").await;
    assert_eq!(wire.receive().await, frame(true, TEXT, ""));
    wire.close().await;
}

#[tokio::test]
async fn fragment_returns_two_halves_cut_at_bytes() {
    let server = server().await;
    let mut wire = Wire::open(server.local_addr(), Some("org.ietf.websocket.test-echo-fragment")).await;
    // Seven bytes: three, in the middle of the second character, then four.
    for (opcode, message) in [
        (TEXT, "üüüx".as_bytes().to_vec()),
        (TEXT, b"".to_vec()),
        (BINARY, b"x".to_vec()),
        (BINARY, vec![9; 200_001]),
    ] {
        // How it was cut on the way in makes no difference.
        let at = message.len() / 3;
        wire.send(false, opcode, &message[..at]).await;
        wire.send(true, CONTINUATION, &message[at..]).await;
        let half = message.len() / 2;
        assert_eq!(wire.receive().await, frame(false, opcode, &message[..half]));
        assert_eq!(wire.receive().await, frame(true, CONTINUATION, &message[half..]));
    }
    wire.close().await;
}

#[tokio::test]
async fn broadcast_reaches_everybody_of_both_protocols_and_nobody_else() {
    let server = server().await;
    let address = server.local_addr();
    let mut everybody = vec![
        Wire::open(address, Some("org.ietf.websocket.test-echo-broadcast")).await,
        Wire::open(address, Some("echo-broadcast")).await,
        Wire::open(address, Some("echo-broadcast-ping")).await,
    ];
    let mut outside = Wire::open(address, Some("echo")).await;
    // A connection is a member once its endpoint ran; a pong proves that it did.
    for wire in &mut everybody {
        wire.send(true, PING, "there?").await;
        assert_eq!(wire.receive().await, frame(true, PONG, "there?"));
    }
    everybody[2].send(false, TEXT, "to ").await;
    everybody[2].send(true, CONTINUATION, "all").await;
    for wire in &mut everybody {
        assert_eq!(wire.receive().await, frame(true, TEXT, "to all"));
    }
    everybody[0].send(true, BINARY, [1, 2, 3]).await;
    for wire in &mut everybody {
        assert_eq!(wire.receive().await, frame(true, BINARY, [1, 2, 3]));
    }
    outside.send(true, TEXT, "mine").await;
    assert_eq!(outside.receive().await, frame(true, TEXT, "mine"));
    // One who left is no member any more, and is in nobody's way.
    everybody.pop().expect("a member").close().await;
    everybody[1].send(true, TEXT, "still here").await;
    for wire in &mut everybody {
        assert_eq!(wire.receive().await, frame(true, TEXT, "still here"));
    }
}

#[tokio::test(start_paused = true)]
async fn broadcast_ping_pings_with_010203_every_ten_seconds() {
    let mut config = TestServer::default_config();
    config.timeouts.ping_interval = None;
    let server = TestServer::bind("127.0.0.1:0")
        .config(config)
        .start()
        .await
        .expect("a server");
    let mut wire = Wire::open(server.local_addr(), Some("echo-broadcast-ping")).await;
    let opened = tokio::time::Instant::now();
    for round in 1..=3 {
        assert_eq!(wire.receive().await, frame(true, PING, [1, 2, 3]));
        let late = opened.elapsed().as_secs_f64() - 10.0 * f64::from(round);
        assert!(
            (-1.0..2.0).contains(&late),
            "round {round} came {late} s after its time"
        );
        wire.send(true, PONG, [1, 2, 3]).await;
    }
}

#[tokio::test]
async fn without_a_known_subprotocol_the_endpoint_is_silent() {
    let server = server().await;
    for offer in [None, Some("nonsense"), Some("Echo")] {
        let mut wire = Wire::open(server.local_addr(), offer).await;
        assert_eq!(wire.header("sec-websocket-protocol"), None, "{offer:?}");
        wire.send(true, TEXT, "hello?").await;
        wire.send(false, BINARY, [1]).await;
        wire.send(true, CONTINUATION, [2]).await;
        wire.send(true, PING, "there?").await;
        assert_eq!(wire.receive().await, frame(true, PONG, "there?"));
        wire.close().await;
    }
}

#[tokio::test]
async fn the_default_protocol_is_for_those_who_offer_none_and_is_not_named() {
    let server = TestServer::bind("127.0.0.1:0")
        .default_protocol(Protocol::Assemble)
        .start()
        .await
        .expect("a server");
    let mut wire = Wire::open(server.local_addr(), None).await;
    assert_eq!(wire.header("sec-websocket-protocol"), None);
    wire.send(false, TEXT, "a").await;
    wire.send(true, CONTINUATION, "b").await;
    assert_eq!(wire.receive().await, frame(true, TEXT, "ab"));

    let mut unknown = Wire::open(server.local_addr(), Some("nonsense")).await;
    unknown.send(true, TEXT, "hello?").await;
    unknown.send(true, PING, "").await;
    assert_eq!(unknown.receive().await, frame(true, PONG, ""));
}
