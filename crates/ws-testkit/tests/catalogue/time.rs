//! Group T where time decides, and accepting that fails. What a peer does to end a connection is in `attacks_closing`.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use ws_testkit::RawFrame;

use crate::scene::{REQUEST, Scene};

const MASK: [u8; 4] = [9, 8, 7, 6];
/// Too many open files, on Linux and the BSDs.
const EMFILE: i32 = 24;

#[tokio::test(start_paused = true)]
async fn t06_a_peer_that_falls_silent_is_gone_after_50_seconds() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let began = Instant::now();
            let mut peer = scene.open("/").await;
            assert_eq!(peer.next_frame().await.unwrap().opcode, 9, "a ping");
            peer.expect_close(Some(1011)).await.unwrap();
            let took = began.elapsed();
            assert!(
                took >= Duration::from_secs(50) && took <= Duration::from_secs(51),
                "{took:?}"
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn t07_a_peer_that_only_answers_pings_stays() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/").await;
            for _ in 0..20 {
                let ping = peer.next_frame().await.unwrap();
                assert_eq!(ping.opcode, 9);
                peer.send(&RawFrame::pong(ping.payload).masked(MASK))
                    .await
                    .unwrap();
            }
            peer.send(&RawFrame::text("after ten minutes").masked(MASK))
                .await
                .unwrap();
            peer.expect(&RawFrame::text("after ten minutes")).await.unwrap();
        })
        .await;
}

/// Pongs that answer no ping, and a wrong answer to the one that was sent: the peer counts as silent.
#[tokio::test(start_paused = true)]
async fn t08_pongs_with_another_payload_do_not_count() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let began = Instant::now();
            let mut peer = scene.open("/").await;
            let ping = peer.next_frame().await.unwrap();
            assert_eq!(ping.opcode, 9);
            let asked = began.elapsed();
            assert!((30..=31).contains(&asked.as_secs()), "{asked:?}");
            let longer = [&ping.payload[..], b"x"].concat();
            for payload in [&b""[..], b"wrong", &longer] {
                peer.send(&RawFrame::pong(payload.to_vec()).masked(MASK))
                    .await
                    .unwrap();
            }
            peer.expect_close(Some(1011)).await.unwrap();
            let took = began.elapsed();
            assert!((50..=51).contains(&took.as_secs()), "{took:?}");
        })
        .await;
}

/// The right pong just below the limit keeps the connection.
#[tokio::test(start_paused = true)]
async fn t06_a_pong_in_the_last_moment_counts() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/").await;
            let ping = peer.next_frame().await.unwrap();
            sleep(Duration::from_millis(19_900)).await;
            peer.send(&RawFrame::pong(ping.payload).masked(MASK))
                .await
                .unwrap();
            sleep(Duration::from_secs(5)).await;
            peer.send(&RawFrame::text("still here").masked(MASK))
                .await
                .unwrap();
            peer.expect(&RawFrame::text("still here")).await.unwrap();
        })
        .await;
}

/// Accepting waits longer and longer; who is connected notices nothing, and who calls is served in the end.
#[tokio::test(start_paused = true)]
async fn t09_without_descriptors_those_who_are_there_are_served_and_others_wait() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut there = scene.open("/").await;
            let before = scene.server.limit_hits().accept;
            for _ in 0..6 {
                scene.fail_accept(Error::from_raw_os_error(EMFILE));
            }
            let began = Instant::now();
            let mut caller = scene.dial();
            caller.write_all(REQUEST).await.unwrap();
            there
                .send(&RawFrame::text("unharmed").masked(MASK))
                .await
                .unwrap();
            there.expect(&RawFrame::text("unharmed")).await.unwrap();
            assert!(began.elapsed() < Duration::from_millis(5), "at once");
            let mut start = [0; 12];
            caller.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 101");
            // 5 + 10 + 20 + 40 + 80 + 160 ms: six pauses, no busy loop.
            let waited = began.elapsed().as_millis();
            assert!((315..330).contains(&waited), "{waited} ms");
            assert_eq!(scene.server.limit_hits().accept - before, 6);
        })
        .await;
}

/// What concerns one caller, or nobody, delays nobody.
#[tokio::test(start_paused = true)]
async fn t10_accepts_that_fail_for_a_moment_have_no_effect() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for _ in 0..20 {
                for kind in [
                    ErrorKind::ConnectionAborted,
                    ErrorKind::Interrupted,
                    ErrorKind::ConnectionReset,
                ] {
                    scene.fail_accept(Error::from(kind));
                }
                let began = Instant::now();
                scene.serves().await;
                assert!(began.elapsed() < Duration::from_millis(5));
            }
        })
        .await;
}

/// The head may be complete just below ten seconds; at ten it is too late, however it came.
#[tokio::test(start_paused = true)]
async fn h16_a_head_below_and_at_its_time() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for (seconds, status) in [(9.9, "101"), (10.1, "408")] {
                let mut peer = scene.dial();
                peer.write_all(&REQUEST[..40]).await.unwrap();
                sleep(Duration::from_secs_f64(seconds)).await;
                // It may be gone.
                let _ = peer.write_all(&REQUEST[40..]).await;
                let mut start = [0; 12];
                peer.read_exact(&mut start).await.unwrap();
                assert_eq!(start[9..], *status.as_bytes(), "after {seconds} s");
            }
        })
        .await;
}
