//! Group W: callbacks that fail or are slow, pings, and one address with many connections. Floods are in
//! `attacks_frames` and `memory`, topics in `topics`, hanging callbacks in `stopping`.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use ws_testkit::RawFrame;

use crate::endpoints::{PER_ADDRESS, SLOWNESS};
use crate::heap;
use crate::scene::{REQUEST, Scene};

const MASK: [u8; 4] = [9, 8, 7, 6];
const KIB: usize = 1024;

#[tokio::test(start_paused = true)]
async fn w02_pings_below_at_and_above_the_default_budget() {
    let ping = RawFrame::ping("p").masked(MASK).encode();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for (count, passes) in [(199, true), (200, true), (201, false)] {
                let mut peer = scene.open("/").await;
                peer.send_bytes(&ping.repeat(count)).await.unwrap();
                for _ in 0..count.min(200) {
                    peer.expect(&RawFrame::pong("p")).await.unwrap();
                }
                if passes {
                    // A second later there is room for fifty more.
                    sleep(Duration::from_secs(1)).await;
                    peer.send_bytes(&ping.repeat(50)).await.unwrap();
                    for _ in 0..50 {
                        peer.expect(&RawFrame::pong("p")).await.unwrap();
                    }
                } else {
                    peer.expect_close(Some(1008)).await.unwrap();
                    peer.expect_end().await.unwrap();
                }
            }
        })
        .await;
}

/// A message takes its callback a second. Whoever sends faster is read from no further than one turn ahead.
#[tokio::test(start_paused = true)]
async fn w05_a_callback_slower_than_its_input_stops_the_reading() {
    let message = RawFrame::text("x".repeat(1000)).masked(MASK).encode();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let (mut io, _) = scene.open("/slow").await.into_inner();
            let before = heap::held();
            let mut taken = 0;
            while let Ok(Ok(())) = timeout(3 * SLOWNESS, io.write_all(&message)).await {
                taken += message.len();
                assert!(taken <= 4 * 64 * KIB, "{taken} bytes were taken");
            }
            let held = heap::held() - before;
            // The pipe, both ways, and one read buffer.
            assert!(held <= (3 * 64 + 16) * 1024, "{held} bytes");
            scene.serves().await;
            drop(io);
            // What was taken is worked on to its end, whoever has left.
            let left = taken / message.len() + 10;
            sleep(SLOWNESS * u32::try_from(left).unwrap()).await;
        })
        .await;
}

/// It is answered with 1011, and the peer learns nothing else.
#[tokio::test(start_paused = true)]
async fn h26_a_callback_that_fails_is_1011() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/fails").await;
            peer.send(&RawFrame::text("now").masked(MASK)).await.unwrap();
            peer.expect(&RawFrame::close(1011, "")).await.unwrap();
            peer.expect_end().await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn w10_sessions_of_one_address_below_at_and_above_their_limit() {
    const GREEDY: &str = "198.51.100.1:4000";
    let request = String::from_utf8(REQUEST.to_vec()).unwrap();
    let request = request.replace("GET / ", "GET /capped ");
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut open = Vec::new();
            for _ in 0..PER_ADDRESS {
                open.push(scene.open_from(GREEDY, "/capped").await);
            }
            let mut above = scene.dial_from(GREEDY);
            above.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            above.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("\r\nRetry-After: "), "{answer}");
            // Others are served, and so is who was there before; a place that is left is free again.
            let mut other = scene.open_from("203.0.113.9:5000", "/capped").await;
            open.push(scene.open_from("203.0.113.9:5001", "/capped").await);
            for peer in open.iter_mut().chain([&mut other]) {
                peer.send(&RawFrame::text("served").masked(MASK)).await.unwrap();
                peer.expect(&RawFrame::text("served")).await.unwrap();
            }
            drop(open);
            sleep(Duration::from_millis(1)).await;
            let _again = scene.open_from(GREEDY, "/capped").await;
        })
        .await;
}
