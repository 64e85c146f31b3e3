//! Stopping a server: what is refused, what is waited for, and that nothing is left. Each case stops a server of its own.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use ws_handler::{Server, ServerHandle};
use ws_proto::Config;
use ws_testkit::RawFrame;

use crate::scene::{REQUEST, Scene};

const MASK: [u8; 4] = [9, 8, 7, 6];

#[tokio::test(start_paused = true)]
async fn h31_an_upgrade_during_shutdown_is_told_to_come_back() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            let scene = Scene::new();
            let mut stuck = scene.open("/hangs").await;
            stuck.send(&RawFrame::text("stay").masked(MASK)).await.unwrap();
            let mut late = scene.dial();
            tokio::task::yield_now().await;
            let shutdown = tokio::spawn(scene.server.shutdown(Duration::from_secs(3)));
            tokio::task::yield_now().await;
            late.write_all(REQUEST).await.unwrap();
            let mut answer = String::new();
            late.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            let head = answer.to_ascii_lowercase();
            assert!(head.contains("\r\nretry-after: "), "{answer}");
            assert!(head.contains("\r\nconnection: close\r\n"), "{answer}");
            shutdown.await.unwrap();
            scene.assert_empty();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn w07_a_callback_that_hangs_holds_up_nobody_and_no_shutdown() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            let scene = Scene::new();
            let mut stuck = scene.open("/hangs").await;
            stuck.send(&RawFrame::text("stay").masked(MASK)).await.unwrap();
            scene.serves().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let began = Instant::now();
            let summary = scene.server.shutdown(Duration::from_secs(3)).await;
            let took = began.elapsed();
            assert_eq!((summary.closed, summary.dropped), (0, 1));
            assert!(
                took >= Duration::from_secs(3) && took < Duration::from_secs(4),
                "{took:?}"
            );
            scene.assert_empty();
            stuck.expect_end().await.unwrap();
        })
        .await;
}

/// A peer that answers the Close frame below the deadline was closed; one that has not at the deadline was dropped. The
/// time is the one that the library proposes; peers have as long for their answers.
#[tokio::test(start_paused = true)]
async fn t13_a_stop_waits_for_answers_until_its_deadline() {
    Scene::new()
        .leaves_nothing(0, async |_| {
            let limit = ServerHandle::SHUTDOWN_TIMEOUT;
            assert_eq!(limit, Duration::from_secs(30));
            let mut config = Config::server();
            config.timeouts.close = None;
            let scene = Scene::with(config, Server::new());
            let mut prompt = scene.open("/").await;
            let mut deaf = scene.open("/").await;
            let began = Instant::now();
            let shutdown = tokio::spawn(scene.server.shutdown(limit));
            prompt.expect_close(Some(1001)).await.unwrap();
            deaf.expect_close(Some(1001)).await.unwrap();
            tokio::time::sleep(limit - Duration::from_millis(100)).await;
            prompt
                .send(&RawFrame::close(1001, "").masked(MASK))
                .await
                .unwrap();
            prompt.expect_end().await.unwrap();
            drop(prompt);
            let summary = shutdown.await.unwrap();
            assert_eq!((summary.closed, summary.dropped), (1, 1));
            assert_eq!(began.elapsed().as_secs(), limit.as_secs());
            deaf.expect_end().await.unwrap();
            scene.assert_empty();
        })
        .await;
}
