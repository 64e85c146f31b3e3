//! Group D where our own compressor is at work, against a real client. What a peer sends to be inflated is in
//! `attacks_deflate`.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::sleep;
use ws_handler::{ClientRequest, ExtensionRegistry, WebSocket, client_handshake};
use ws_proto::{CloseCode, Config, DeflateConfig, Message, WindowBits};

use crate::endpoints::{CANCELLED, cancelled};
use crate::heap;
use crate::scene::Scene;

const KIB: isize = 1024;
const IDLE: usize = 50;

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

/// Idle for longer than a second, a connection with context in both directions holds two windows and little else.
#[tokio::test(start_paused = true)]
async fn d13_idle_connections_hold_their_histories_only() {
    Scene::compressing()
        .leaves_nothing(0, async |scene| {
            let before = heap::held();
            let mut sockets = Vec::new();
            for number in 0..IDLE {
                let mut socket = open(scene, "/", DeflateConfig::new()).await;
                let message = Message::text(talkative(number, 8_000));
                socket.send(message.clone()).await.unwrap();
                assert_eq!(socket.recv().await.unwrap(), Some(message));
                sockets.push(socket);
            }
            // Client and server share the thread: two ends with two histories each.
            let held = |sockets: usize| (heap::held() - before) / isize::try_from(sockets).unwrap();
            let busy = held(IDLE);
            assert!(busy > 170 * KIB, "each has a compressor: {busy} bytes");
            // Nothing comes; a client's compressor rests only while somebody receives.
            let resting = sockets.into_iter().map(|mut socket| {
                tokio::spawn(async move {
                    let nothing = tokio::time::timeout(Duration::from_secs(2), socket.recv()).await;
                    assert!(nothing.is_err());
                    socket
                })
            });
            let resting = resting.collect::<Vec<_>>();
            let mut sockets = Vec::new();
            for socket in resting {
                sockets.push(socket.await.unwrap());
            }
            let idle = held(IDLE);
            let pools = (16 * (170 + 64)) * KIB / isize::try_from(IDLE).unwrap();
            assert!(
                idle <= 4 * 4 * KIB + 16 * KIB + pools,
                "{idle} bytes for an idle connection"
            );
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
