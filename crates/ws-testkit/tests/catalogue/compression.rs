//! Group D where our own compressor is at work, against a real client. What a peer sends to be inflated is in
//! `attacks_deflate`.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::DuplexStream;
use tokio::time::sleep;
use ws_handler::{ClientRequest, ExtensionRegistry, WebSocket, client_handshake};
use ws_proto::{
    CloseCode, Config, DeflateConfig, Event, ExtensionFrame, Extensions, FrameDecoder, FrameEncoder,
    FrameExtension, Message, ProtocolError, ReceivePath, ReservedBits, Role, SendPath, WindowBits,
};
use ws_testkit::{RawFrame, RawPeer};

use crate::endpoints::{CANCELLED, cancelled};
use crate::heap;
use crate::scene::{REQUEST, Scene};

const KIB: isize = 1024;
const IDLE: usize = 200;

/// An open connection that has agreed on compression.
async fn open(scene: &Scene, path: &str, config: DeflateConfig) -> WebSocket<DuplexStream> {
    let request = ClientRequest::new(format!("ws://test{path}").parse().unwrap())
        .extensions(ExtensionRegistry::new().with(config));
    let upgrade = client_handshake(scene.dial(), &request, Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(
        upgrade.negotiated.extensions.len(),
        1,
        "compression was agreed on"
    );
    upgrade.into_websocket(Arc::new(Config::client())).unwrap().0
}

async fn close(mut socket: WebSocket<DuplexStream>) {
    socket.close(CloseCode::NORMAL, "").await.unwrap();
}

/// Text in which there is much to refer to, near and far.
fn talkative(seed: usize, length: usize) -> String {
    let words = (seed..).map(|number| format!("{{\"number\":{},\"far\":{}}}", number % 97, number % 1009));
    let mut text = words.take(length / 10).collect::<String>();
    text.truncate(length);
    text
}

/// Eight times the limit, in a kilobyte per mebibyte: inflation stops at the limit, and so does memory.
#[tokio::test(start_paused = true)]
async fn d01_a_bomb_takes_no_more_memory_than_twice_the_limit() {
    let bomb = compressed(&vec![0; 8 << 20]).masked([9, 8, 7, 6]).encode();
    assert!(bomb.len() < 9 * 1024, "{} bytes on the wire", bomb.len());
    let request = String::from_utf8(REQUEST.to_vec()).unwrap();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n";
    let request = format!("{}{offer}", request.strip_suffix("\r\n").unwrap());
    Scene::compressing()
        .leaves_nothing(0, async |scene| {
            let mut peer = RawPeer::new(scene.dial());
            peer.send_bytes(request.as_bytes()).await.unwrap();
            let head = peer.expect_head().await.unwrap();
            assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("permessage-deflate"));
            let before = heap::held();
            heap::take_peak();
            peer.send_bytes(&bomb).await.unwrap();
            peer.expect_close(Some(1009)).await.unwrap();
            peer.expect_end().await.unwrap();
            let peak = heap::take_peak() - before;
            // Twice the limit, a window, a read buffer; and the inflater's own, the network, the connection.
            let limit = 2 * 1024 * KIB + 32 * KIB + 64 * KIB;
            assert!(
                peak <= limit + (64 + 2 * 64 + 16) * KIB,
                "{peak} bytes at the most"
            );
        })
        .await;
}

/// The inflating half alone, whatever else a connection holds: twice the limit, a window, 64 KiB. With an extension
/// of a user's own in the chain frames are inflated whole, which must not take more.
#[test]
fn d01_inflating_takes_no_more_than_twice_the_limit_and_a_window_and_64_kib() {
    for limit in [100_000, 1 << 20] {
        for extended in [false, true] {
            for length in [limit, 8 << 20] {
                let mut wire = compressed(&vec![0; length]).masked([9, 8, 7, 6]).encode();
                let mut config = DeflateConfig::no_context_takeover();
                config.client_max_window_bits = None;
                let (_, terms) = config.answer(&config.offers()[0]).unwrap();
                let mut extensions = Extensions::new();
                extensions.add_deflate(terms).unwrap();
                if extended {
                    let nothing = Arc::new(Nothing);
                    extensions
                        .add_frames("x-nothing", ReservedBits::NONE, nothing)
                        .unwrap();
                }
                let mut config = Config::server();
                config.limits.max_message_size = limit;
                let mut path = ReceivePath::new(Role::Server, Arc::new(config)).with_extensions(&extensions);
                let before = heap::held();
                heap::take_peak();
                let mut input = wire.as_mut_slice();
                match path.next(&mut input) {
                    Ok(Some(Event::Binary(payload))) => assert!(payload.len() == limit && length == limit),
                    Err(error) => assert!(error == ProtocolError::MessageTooBig && length > limit),
                    other => panic!("{other:?}"),
                }
                let peak = heap::take_peak() - before;
                let bound = 2 * isize::try_from(limit).unwrap() + 32 * KIB + 64 * KIB;
                assert!(
                    peak < bound,
                    "{peak} bytes for {length} of {limit}, extended: {extended}"
                );
            }
        }
    }
}

/// An extension that wants to see every frame that arrives, and leaves it as it is.
#[derive(Debug)]
struct Nothing;

impl FrameExtension for Nothing {
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
        None
    }

    fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self))
    }
}

impl FrameDecoder for Nothing {
    fn decode(&mut self, _: &mut ExtensionFrame, _: usize) -> Result<(), ProtocolError> {
        Ok(())
    }
}

/// One frame, compressed by itself.
fn compressed(payload: &[u8]) -> RawFrame {
    let mut config = DeflateConfig::no_context_takeover();
    config.server_max_window_bits = None;
    config.level = 9;
    let (_, terms) = config.answer(&config.offers()[0]).unwrap();
    let mut extensions = Extensions::new();
    extensions.add_deflate(terms).unwrap();
    let mut send = SendPath::server(Arc::new(Config::server())).with_extensions(&extensions);
    send.binary(payload).unwrap();
    let mut bytes = BytesMut::new();
    while send.has_output() {
        bytes.extend_from_slice(send.chunk());
        send.advance(send.chunk().len());
    }
    RawFrame::decode(&mut bytes).unwrap()
}

/// A client that keeps no more than the agreed window from message to message understands everything. (That not even
/// a reference within a message is longer is seen by `our_output_never_exceeds_the_agreed_window`.)
#[tokio::test(start_paused = true)]
async fn d10_our_output_keeps_to_each_window() {
    Scene::compressing_with(None)
        .leaves_nothing(0, async |scene| {
            for bits in 8..=15 {
                let mut config = DeflateConfig::new();
                config.server_max_window_bits = WindowBits::new(bits);
                let mut socket = open(scene, "/", config).await;
                for round in 0..4 {
                    let message = Message::text(talkative(round * 31, 60_000));
                    socket.send(message.clone()).await.unwrap();
                    assert_eq!(socket.recv().await.unwrap(), Some(message), "{bits} bits");
                }
                close(socket).await;
            }
        })
        .await;
}

/// Idle for longer than a second, a connection with context in both directions holds two windows and little else. What
/// counts is what each of the second two hundred adds: the first two hundred have filled the pools.
#[tokio::test(start_paused = true)]
async fn d13_idle_connections_hold_their_histories_only() {
    Scene::compressing()
        .leaves_nothing(0, async |scene| {
            let mut sockets = Vec::new();
            let mut before = 0;
            for _ in 0..2 {
                before = heap::held();
                let mut fresh = Vec::new();
                for number in 0..IDLE {
                    let mut socket = open(scene, "/", DeflateConfig::new()).await;
                    // Who speaks twice in a row keeps a compressor.
                    for part in 0..2 {
                        let message = Message::text(talkative(number + part, 8_000));
                        socket.send(message.clone()).await.unwrap();
                        assert_eq!(socket.recv().await.unwrap(), Some(message));
                    }
                    fresh.push(socket);
                }
                let busy = (heap::held() - before) / isize::try_from(IDLE).unwrap();
                assert!(busy > 170 * KIB, "each has a compressor: {busy} bytes");
                // Nothing comes; a client's compressor rests only while somebody receives.
                let resting = fresh.into_iter().map(|mut socket| {
                    tokio::spawn(async move {
                        let nothing = tokio::time::timeout(Duration::from_secs(2), socket.recv()).await;
                        assert!(nothing.is_err());
                        socket
                    })
                });
                for socket in resting.collect::<Vec<_>>() {
                    sockets.push(socket.await.unwrap());
                }
            }
            // Client and server share the thread: two ends with two histories each.
            let each = (heap::held() - before) / isize::try_from(IDLE).unwrap();
            assert!(each <= (4 * 4 + 16) * KIB, "{each} bytes for an idle connection");
            for socket in sockets {
                close(socket).await;
            }
        })
        .await;
}

/// A send that is dropped while it waits is sent whole or not at all; what comes behind it is understood.
#[tokio::test(start_paused = true)]
async fn d15_sends_that_are_dropped_half_way_leave_the_dictionary_in_step() {
    Scene::compressing()
        .leaves_nothing(0, async |scene| {
            let mut socket = open(scene, "/cancels", DeflateConfig::new()).await;
            socket.send(Message::text("now")).await.unwrap();
            // Not read yet: the sends wait for room, and are dropped.
            sleep(Duration::from_secs(1)).await;
            let mut next = 0;
            loop {
                let received = socket.recv().await.unwrap().unwrap();
                if received == Message::text("after") {
                    break;
                }
                let place = (next..CANCELLED).find(|number| received == Message::binary(cancelled(*number)));
                next = place.expect("one of those that were sent, in order") + 1;
            }
            assert!(next > 0, "some were begun");
            close(socket).await;
        })
        .await;
}
