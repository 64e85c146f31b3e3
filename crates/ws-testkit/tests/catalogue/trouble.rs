//! Callbacks that fail, networks that break, peers that go: only the connection concerned is hurt.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_proto::Config;
use ws_testkit::{Faults, FaultyIo, RawFrame, RawPeer};

use crate::scene::{REQUEST, Scene, WARM_UP};

const MASK: [u8; 4] = [9, 8, 7, 6];

#[tokio::test(start_paused = true)]
async fn w06_a_callback_that_panics_costs_its_own_connection_only() {
    Scene::new()
        .leaves_nothing(1, async |scene| {
            let mut other = scene.open("/").await;
            let mut peer = scene.open("/panics/text").await;
            peer.send(&RawFrame::text("now").masked(MASK)).await.unwrap();
            peer.expect_close(Some(1011)).await.unwrap();
            peer.expect_end().await.unwrap();
            other
                .send(&RawFrame::text("unharmed").masked(MASK))
                .await
                .unwrap();
            other.expect(&RawFrame::text("unharmed")).await.unwrap();
        })
        .await;
}

/// All connections together may hold 256 KiB of unfinished messages: who wants more is told to come back.
#[tokio::test(start_paused = true)]
async fn f18_when_the_budget_for_unfinished_input_is_used_up_newcomers_get_1013() {
    let scene = Scene::new();
    let factory = scene.factory.clone().with_unfinished_input(256 * 1024);
    scene
        .leaves_nothing(0, async |scene| {
            let part = RawFrame::binary(vec![7; 60 * 1024]).unfinished().masked(MASK);
            let refused = factory.limit_hits().unfinished_input;
            let mut peers = Vec::new();
            for _ in 0..6 {
                let mut peer = scene.open("/").await;
                peer.send(&part).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                peers.push(peer);
            }
            assert_eq!(factory.unfinished_input(), 4 * 60 * 1024);
            assert_eq!(factory.limit_hits().unfinished_input - refused, 2);
            for peer in peers.split_off(4).iter_mut() {
                peer.expect_close(Some(1013)).await.unwrap();
                peer.expect_end().await.unwrap();
            }
            // Those that came first are served, and so is who sends whole messages.
            scene.serves().await;
            for mut peer in peers {
                peer.send(&RawFrame::continuation("end").masked(MASK))
                    .await
                    .unwrap();
                let echo = peer.next_frame().await.unwrap();
                assert_eq!(echo.payload.len(), 60 * 1024 + 3);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(factory.unfinished_input(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h26_a_panic_before_the_101_is_500_and_after_it_1011() {
    Scene::new()
        .leaves_nothing(2, async |scene| {
            let mut early = scene.dial();
            let request = String::from_utf8(REQUEST.to_vec()).unwrap();
            let request = request.replace("GET / ", "GET /panics/early ");
            early.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            early.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
            let mut late = scene.open("/panics/open").await;
            late.expect_close(Some(1011)).await.unwrap();
            late.expect_end().await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn w11_gone_at_any_byte_of_the_handshake_or_right_after() {
    let frame = RawFrame::text("half a message").masked(MASK).encode();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for cut in 0..=REQUEST.len() {
                let mut io = scene.dial();
                io.write_all(&REQUEST[..cut]).await.unwrap();
                // Half of them give the server time to look.
                if cut % 2 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for cut in 0..frame.len() {
                let mut peer = scene.open("/").await;
                peer.send_bytes(&frame[..cut]).await.unwrap();
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn t01_a_reset_at_any_byte_in_either_direction_leaves_nothing() {
    let talk = [
        REQUEST,
        &RawFrame::text("Hello").masked(MASK).encode()[..],
        &RawFrame::close(1000, "").masked(MASK).encode()[..],
    ]
    .concat();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for count in 0..talk.len() as u64 {
                let reading = Faults {
                    reset_after_read: Some(count),
                    ..Faults::default()
                };
                let writing = Faults {
                    reset_after_written: Some(count),
                    ..Faults::default()
                };
                for faults in [reading, writing] {
                    let (mut near, far) = tokio::io::duplex(1 << 16);
                    scene.accept(FaultyIo::new(far, faults));
                    near.write_all(&talk).await.unwrap();
                    let mut answer = Vec::new();
                    near.read_to_end(&mut answer).await.unwrap();
                }
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn t02_the_end_of_the_stream_at_any_byte_leaves_nothing() {
    let talk = [
        REQUEST,
        &RawFrame::text("Hello").masked(MASK).encode()[..],
        &RawFrame::text("World").unfinished().masked(MASK).encode()[..],
    ]
    .concat();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for count in 0..=talk.len() as u64 {
                let faults = Faults {
                    read_end_after: Some(count),
                    ..Faults::default()
                };
                let (mut near, far) = tokio::io::duplex(1 << 16);
                scene.accept(FaultyIo::new(far, faults));
                near.write_all(&talk).await.unwrap();
                let mut answer = Vec::new();
                near.read_to_end(&mut answer).await.unwrap();
                let upgraded = answer.starts_with(b"HTTP/1.1 101 ");
                assert_eq!(upgraded, count >= REQUEST.len() as u64, "after {count} bytes");
                let close = RawFrame::close(1000, "").encode();
                assert!(!answer.ends_with(&close), "nobody closed, after {count} bytes");
            }
        })
        .await;
}

/// A transport that takes no more bytes, at any byte of the answers: given up after 30 s without progress, not before.
#[tokio::test(start_paused = true)]
async fn t05_without_write_capacity_a_connection_lives_for_30_seconds() {
    let question = RawFrame::text("x".repeat(100)).masked(MASK).encode();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for capacity in (129..260).step_by(10) {
                let faults = Faults {
                    write_capacity: Some(capacity),
                    ..Faults::default()
                };
                let (mut near, far) = tokio::io::duplex(1 << 16);
                scene.accept(FaultyIo::new(far, faults));
                near.write_all(REQUEST).await.unwrap();
                near.write_all(&question.repeat(3)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(29_900)).await;
                assert_eq!(scene.server.open_connections(), 1, "below the limit, {capacity}");
                tokio::time::sleep(Duration::from_millis(1_600)).await;
                assert_eq!(scene.server.open_connections(), 0, "above the limit, {capacity}");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn t10_reads_and_writes_of_one_byte_with_pauses_change_nothing() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let faults = Faults {
                read_chop: Some(1),
                write_chop: Some(1),
                pending_between: true,
                ..Faults::default()
            };
            let (near, far) = tokio::io::duplex(1 << 16);
            scene.accept(FaultyIo::new(far, faults));
            let mut peer = RawPeer::new(near);
            peer.request_upgrade("ws://test/", &[]).await.unwrap();
            for size in [0, 1, 125, 126, 70_000] {
                let message = RawFrame::binary(vec![5; size]);
                peer.send(&message.clone().masked(MASK)).await.unwrap();
                peer.expect(&message).await.unwrap();
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn h32_connections_below_at_and_above_the_limit() {
    let server = ws_handler::Server::new().connection_limit(WARM_UP);
    Scene::with(Config::server(), server)
        .leaves_nothing(0, async |scene| {
            let mut first = scene.open("/").await;
            let mut others = Vec::new();
            for _ in 2..WARM_UP {
                others.push(scene.open("/").await);
            }
            scene.serves().await;
            others.push(scene.open("/").await);
            let mut answer = String::new();
            scene.dial().read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            first
                .send(&RawFrame::text("still here").masked(MASK))
                .await
                .unwrap();
            first.expect(&RawFrame::text("still here")).await.unwrap();
        })
        .await;
}
