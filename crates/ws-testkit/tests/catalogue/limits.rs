//! The limits of a request head below, at and above, through the whole stack: the defaults, and others.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_handler::{HeadLimits, Server};
use ws_proto::Config;

use crate::scene::Scene;

/// A good request with `target` and `lines` added, its size in all when `size` is given (by one long header).
fn request(target: &str, lines: &str, size: Option<usize>) -> String {
    let mut head = format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}"
    );
    if let Some(size) = size {
        let room = size - head.len() - "X: \r\n\r\n".len();
        head.push_str(&format!("X: {}\r\n", "x".repeat(room)));
    }
    head + "\r\n"
}

async fn status(scene: &Scene, request: &str) -> u16 {
    let mut io = scene.dial();
    io.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    io.read_exact(&mut start).await.unwrap();
    std::str::from_utf8(&start[9..]).unwrap().parse().unwrap()
}

/// 101 below and at each limit, the stated status above it; the counts include the five headers of the request.
async fn hold(scene: &Scene, limits: HeadLimits) {
    for (size, expected) in [
        (limits.total - 1, 101),
        (limits.total, 101),
        (limits.total + 1, 431),
    ] {
        assert_eq!(
            status(scene, &request("/", "", Some(size))).await,
            expected,
            "{size} bytes"
        );
    }
    for (size, expected) in [
        (limits.first_line - 1, 101),
        (limits.first_line, 101),
        (limits.first_line + 1, 414),
    ] {
        let target = format!("/?{}", "x".repeat(size - "GET /? HTTP/1.1".len()));
        let found = status(scene, &request(&target, "", None)).await;
        assert_eq!(found, expected, "a request line of {size} bytes");
    }
    for (count, expected) in [
        (limits.headers - 1, 101),
        (limits.headers, 101),
        (limits.headers + 1, 431),
    ] {
        let lines = "Y: z\r\n".repeat(count - 5);
        assert_eq!(
            status(scene, &request("/", &lines, None)).await,
            expected,
            "{count} headers"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h11_h12_h13_a_head_below_at_and_above_the_default_limits() {
    let limits = HeadLimits::default();
    assert_eq!(
        (limits.total, limits.first_line, limits.headers),
        (16 << 10, 8 << 10, 100)
    );
    Scene::new()
        .leaves_nothing(0, async |scene| hold(scene, limits).await)
        .await;
}

#[tokio::test(start_paused = true)]
async fn h11_h12_h13_a_head_below_at_and_above_limits_of_ones_own() {
    let limits = HeadLimits {
        total: 1000,
        first_line: 200,
        headers: 20,
    };
    Scene::with(Config::server(), Server::new().head_limits(limits))
        .leaves_nothing(0, async |scene| hold(scene, limits).await)
        .await;
}
