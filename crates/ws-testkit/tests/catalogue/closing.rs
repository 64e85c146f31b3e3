//! Group C where the server closes first, or both do. What a peer's Close frame alone brings about is in
//! `attacks_closing`. That `on_close` comes once for each session (C14) is part of the leak line of every case.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};
use ws_proto::Config;
use ws_testkit::{RawFrame, RawPeer};

use crate::endpoints::BULK;
use crate::scene::Scene;

const MASK: [u8; 4] = [9, 8, 7, 6];

/// An open connection whose server has been asked to close and has sent its Close frame.
async fn closed_by_the_server(scene: &Scene) -> RawPeer<DuplexStream> {
    let mut peer = scene.open("/closes").await;
    peer.send(&RawFrame::text("enough").masked(MASK)).await.unwrap();
    peer.expect(&RawFrame::close(3000, "enough")).await.unwrap();
    peer
}

/// One session more has ended since `before`, cleanly or not.
fn assert_one_more(scene: &Scene, before: (usize, usize), is_clean: bool) {
    let expected = (
        before.0 + usize::from(is_clean),
        before.1 + usize::from(!is_clean),
    );
    assert_eq!(scene.ends.seen(), expected, "clean and unclean endings");
}

/// The server ends TCP, and once the peer has gone, too, one session more has ended cleanly since `before`.
async fn ends_cleanly(scene: &Scene, mut peer: RawPeer<DuplexStream>, before: (usize, usize)) {
    peer.expect_end().await.unwrap();
    drop(peer);
    sleep(Duration::from_millis(1)).await;
    assert_one_more(scene, before, true);
}

#[tokio::test(start_paused = true)]
async fn c08_both_close_at_once() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.ends.seen();
            let mut peer = scene.open("/closes").await;
            let both = [
                RawFrame::text("enough").masked(MASK).encode(),
                RawFrame::close(4001, "me too").masked(MASK).encode(),
            ];
            peer.send_bytes(&both.concat()).await.unwrap();
            peer.expect(&RawFrame::close(3000, "enough")).await.unwrap();
            ends_cleanly(scene, peer, before).await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn c09_a_peer_that_never_answers_the_close_frame_is_dropped_after_ten_seconds() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.ends.seen();
            let mut peer = closed_by_the_server(scene).await;
            sleep(Duration::from_millis(9_900)).await;
            assert_eq!(scene.server.open_connections(), 1, "below the limit");
            peer.expect_end().await.unwrap();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(scene.server.open_connections(), 0);
            assert_one_more(scene, before, false);
        })
        .await;
}

/// An answer in the last moment counts.
#[tokio::test(start_paused = true)]
async fn c09_an_answer_below_ten_seconds_is_clean() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.ends.seen();
            let mut peer = closed_by_the_server(scene).await;
            sleep(Duration::from_millis(9_900)).await;
            peer.send(&RawFrame::close(3000, "").masked(MASK)).await.unwrap();
            ends_cleanly(scene, peer, before).await;
        })
        .await;
}

/// The server ends its direction first and reads on, so that no reset destroys what the peer has not read yet.
#[tokio::test(start_paused = true)]
async fn c10_the_server_ends_tcp_first_and_reads_on_for_two_seconds_or_64_kib() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for (sent, drops) in [
                (0, false),
                (Config::DRAIN_BYTES - 1, false),
                (Config::DRAIN_BYTES + 1, true),
            ] {
                let mut peer = scene.open("/").await;
                peer.send(&RawFrame::close(1000, "").masked(MASK)).await.unwrap();
                peer.expect_close(Some(1000)).await.unwrap();
                peer.expect_end().await.unwrap();
                let (mut io, _) = peer.into_inner();
                // The pipe holds less than the last of these: whoever has dropped its end cannot be written to.
                let _ = io.write_all(&vec![0; sent]).await;
                sleep(Duration::from_millis(1_900)).await;
                let open = scene.server.open_connections();
                assert_eq!(open == 0, drops, "after {sent} bytes");
                sleep(Duration::from_millis(1_100)).await;
                assert_eq!(scene.server.open_connections(), 0, "after {sent} bytes");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn c11_a_mebibyte_that_waits_goes_out_before_the_close_frame() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.ends.seen();
            let mut peer = scene.open("/bulk").await;
            peer.send(&RawFrame::text("all of it").masked(MASK))
                .await
                .unwrap();
            // Nothing is read until the pipe is full and the rest waits.
            sleep(Duration::from_secs(5)).await;
            let data = peer.next_frame().await.unwrap();
            assert_eq!((data.opcode, data.payload.len()), (2, BULK));
            peer.expect(&RawFrame::close(3000, "")).await.unwrap();
            peer.send(&RawFrame::close(3000, "").masked(MASK)).await.unwrap();
            ends_cleanly(scene, peer, before).await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn c12_a_hundred_tasks_that_close_make_one_close_frame() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/crowd").await;
            peer.send(&RawFrame::text("now").masked(MASK)).await.unwrap();
            let close = peer.next_frame().await.unwrap();
            assert!((4000..4100).contains(&close.close_code().unwrap()), "{close}");
            peer.send(&RawFrame::close(4000, "").masked(MASK)).await.unwrap();
            // Not a byte more.
            peer.expect_end().await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn c13_a_reason_below_at_and_above_123_bytes() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for (asked, told) in [
                ("r".repeat(122), "r".repeat(122)),
                ("r".repeat(123), "r".repeat(123)),
                ("r".repeat(124), "r".repeat(123)),
                ("é".repeat(62), "é".repeat(61)),
            ] {
                let mut peer = scene.open("/closes").await;
                peer.send(&RawFrame::text(asked).masked(MASK)).await.unwrap();
                peer.expect(&RawFrame::close(3000, &told)).await.unwrap();
                peer.send(&RawFrame::close(3000, "").masked(MASK)).await.unwrap();
                peer.expect_end().await.unwrap();
            }
        })
        .await;
}

/// However a session ends, its endpoint hears of it once.
#[tokio::test(start_paused = true)]
async fn c14_each_end_is_told_once() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.ends.seen();
            let mut answered = scene.open("/").await;
            let mut failed = scene.open("/").await;
            let mut broken = scene.open("/fails").await;
            let vanished = scene.open("/").await;
            let mut silent = scene.open("/").await;
            let twice = RawFrame::close(1000, "").masked(MASK).encode().repeat(2);
            answered.send_bytes(&twice).await.unwrap();
            answered.expect_close(Some(1000)).await.unwrap();
            failed.send(&RawFrame::text("bare")).await.unwrap();
            failed.expect_close(Some(1002)).await.unwrap();
            broken.send(&RawFrame::text("now").masked(MASK)).await.unwrap();
            broken.expect_close(Some(1011)).await.unwrap();
            drop(vanished);
            assert_eq!(silent.next_frame().await.unwrap().opcode, 9, "a ping");
            silent.expect_close(Some(1011)).await.unwrap();
            let (mut io, _) = silent.into_inner();
            assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
            sleep(Duration::from_secs(3)).await;
            assert_eq!(scene.ends.seen(), (before.0 + 1, before.1 + 4));
        })
        .await;
}

/// What is idle for longer than it may be is closed; data below the limit keeps it.
#[tokio::test(start_paused = true)]
async fn an_idle_session_below_and_at_the_limit_of_jettys_profile() {
    Scene::with(Config::jetty_profile(), ws_handler::Server::new())
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/").await;
            sleep(Duration::from_millis(29_900)).await;
            peer.send(&RawFrame::text("still here").masked(MASK))
                .await
                .unwrap();
            peer.expect(&RawFrame::text("still here")).await.unwrap();
            let quiet_since = Instant::now();
            loop {
                let frame = peer.next_frame().await.unwrap();
                if frame.opcode == 8 {
                    assert_eq!(frame.close_code(), Some(1001));
                    break;
                }
                peer.send(&RawFrame::pong(frame.payload).masked(MASK))
                    .await
                    .unwrap();
            }
            assert!((30..=31).contains(&quiet_since.elapsed().as_secs()));
            peer.send(&RawFrame::close(1001, "").masked(MASK)).await.unwrap();
            peer.expect_end().await.unwrap();
        })
        .await;
}
