//! Group P through the whole stack: paths that pretend, one way in for plain HTTP and for WebSocket, and no way on after a
//! refusal (H20).

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

/// Whatever an upgrade was refused for, a proxy between may take the connection for a tunnel already: the refusal says
/// that it is the last answer, and it is.
#[tokio::test(start_paused = true)]
async fn h20_every_refusal_says_close_and_nothing_behind_it_is_answered() {
    let good = String::from_utf8(REQUEST.to_vec()).unwrap();
    let changed = |from: &str, to: &str| good.replacen(from, to, 1);
    let refusals = [
        ("405", changed("GET ", "POST ")),
        ("400", changed("HTTP/1.1", "HTTP/1.0")),
        ("400", changed("Host: test\r\n", "")),
        ("400", changed("Connection: Upgrade\r\n", "")),
        (
            "400",
            changed("Connection: ", "Content-Length: 5\r\nConnection: "),
        ),
        ("426", changed("Version: 13", "Version: 8")),
        ("400", changed("Key: ", "Key: x")),
        (
            "403",
            changed("Host: test\r\n", "Host: test\r\nOrigin: http://evil.example\r\n"),
        ),
        ("400", changed("GET / ", "GET /../x ")),
        ("401", changed("GET / ", "GET /guarded ")),
        ("414", changed("GET / ", &format!("GET /{} ", "x".repeat(9000)))),
        (
            "431",
            changed(
                "Host: test\r\n",
                &format!("Host: test\r\nX: {}\r\n", "x".repeat(17_000)),
            ),
        ),
    ];
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = scene.sessions.opened();
            for (status, request) in &refusals {
                let mut io = scene.dial();
                let both = format!("{request}{good}");
                io.write_all(both.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                io.read_to_end(&mut answer).await.unwrap();
                let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
                assert_eq!(answer.matches("http/1.1 ").count(), 1, "{answer}");
                assert_eq!(&answer[9..12], *status, "{request}{answer}");
                let connection = answer.lines().find_map(|line| line.strip_prefix("connection: "));
                let says_close =
                    connection.is_some_and(|list| list.split(", ").any(|option| option == "close"));
                assert!(says_close, "{answer}");
            }
            assert_eq!(scene.sessions.opened(), before, "no endpoint was reached");
        })
        .await;
}
