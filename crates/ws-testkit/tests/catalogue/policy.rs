//! Group P through the whole stack: paths that pretend, and one way in for plain HTTP and for WebSocket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{REQUEST, Scene};

/// The answer to a good request with another path and these lines more.
async fn answer(scene: &Scene, path: &str, lines: &str) -> String {
    let request = String::from_utf8(REQUEST.to_vec()).unwrap();
    let request = request
        .replace("GET / ", &format!("GET {path} "))
        .replace("Host: test\r\n", &format!("Host: test\r\n{lines}"));
    let mut io = scene.dial();
    io.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    io.read_exact(&mut start).await.unwrap();
    String::from_utf8(start[9..].to_vec()).unwrap()
}

/// Neither the panicking endpoint that is meant nor the default one gets to see them.
#[tokio::test(start_paused = true)]
async fn p01_paths_that_pretend_are_refused() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.sessions.opened();
            for path in [
                "/public/%2e%2e/panics/open",
                "/public/../panics/open",
                "/public/.%2E/panics/open",
                "//panics/open",
                "/panics//open",
                "/panics;x/open",
                "/public/..;/panics/open",
                "/panics/open%00",
                "/panics%2fopen",
                "/panics%5copen",
                "/panics/open%2",
                "/%ff",
            ] {
                assert_eq!(answer(scene, path, "").await, "400", "{path}");
            }
            assert_eq!(scene.sessions.opened(), before, "no endpoint was reached");
        })
        .await;
}

/// A path that is written in another way is the same path, and the same filter stands before it.
#[tokio::test(start_paused = true)]
async fn p02_an_upgrade_passes_the_filter_however_its_path_is_written() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            for path in ["/guarded", "/%67uarded", "/guarded?x=y", "http://test/guarded"] {
                assert_eq!(answer(scene, path, "").await, "401", "{path}");
                let wrong = "Authorization: Bearer al\r\n";
                assert_eq!(answer(scene, path, wrong).await, "401", "{path}");
                let right = "Authorization: Bearer jo\r\n";
                assert_eq!(answer(scene, path, right).await, "101", "{path}");
            }
        })
        .await;
}

/// Whose address a session counts for is not the peer's to say.
#[tokio::test(start_paused = true)]
async fn p05_forwarded_addresses_are_not_believed() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut open = Vec::new();
            for _ in 0..crate::endpoints::PER_ADDRESS {
                open.push(scene.open("/capped").await);
            }
            for lines in [
                "X-Forwarded-For: 203.0.113.9\r\n",
                "Forwarded: for=203.0.113.9\r\n",
                "X-Real-IP: 203.0.113.9\r\n",
            ] {
                assert_eq!(answer(scene, "/capped", lines).await, "503", "{lines}");
            }
        })
        .await;
}
