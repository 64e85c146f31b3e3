//! The test server as HTTP sees it: page, docroot, refused upgrades, upgrades on a connection in use.

use std::path::PathBuf;

use crate::wire::{TEXT, Wire, frame, request};
use ws_handler::OriginPolicy;
use ws_testkit::TestServer;

async fn server() -> TestServer {
    TestServer::bind("127.0.0.1:0").start().await.expect("a server")
}

/// Sends a request without upgrade and reads status line, head and body.
async fn get(wire: &mut Wire, target: &str) -> (String, String) {
    wire.write(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())
        .await;
    let head = wire.read_head().await;
    (head, wire.read_body().await)
}

#[tokio::test]
async fn the_page_is_at_the_root_and_nothing_else_is_there() {
    let server = server().await;
    let mut wire = Wire::tcp(server.local_addr()).await;
    let (head, page) = get(&mut wire, "/").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(wire.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page, include_str!("../../src/page/index.html"));
    let (head, _) = get(&mut wire, "/favicon.ico").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[tokio::test]
async fn a_docroot_is_served_instead_of_the_page() {
    let docroot = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let server = TestServer::bind("127.0.0.1:0")
        .docroot(docroot)
        .start()
        .await
        .expect("a server");
    let mut wire = Wire::tcp(server.local_addr()).await;
    for target in ["/", "/index.html"] {
        let (head, page) = get(&mut wire, target).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(page, include_str!("../../src/page/index.html"));
    }
    for target in ["/missing.html", "/../protocol.rs", "/%2e%2e/protocol.rs"] {
        let (head, _) = get(&mut wire, target).await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{target}: {head}");
    }
}

#[tokio::test]
async fn upgrades_are_taken_on_every_path() {
    let server = server().await;
    for target in [
        "/",
        "/index.html",
        "/a/b/c?d=e",
        "/room/%20x",
        "//",
        "/a;b/../c",
        "/a%2fb",
    ] {
        let mut wire = Wire::tcp(server.local_addr()).await;
        wire.write(request(target, "Sec-WebSocket-Protocol: echo\r\n").as_bytes())
            .await;
        wire.expect_upgraded().await;
        wire.send(true, TEXT, target).await;
        assert_eq!(wire.receive().await, frame(true, TEXT, target));
    }
}

#[tokio::test]
async fn an_upgrade_as_a_later_request_on_a_kept_alive_connection_works() {
    let server = server().await;
    let mut wire = Wire::tcp(server.local_addr()).await;
    get(&mut wire, "/").await;
    get(&mut wire, "/missing").await;
    // The first frame travels in the same segment as the request.
    let mut bytes = request("/", "Sec-WebSocket-Protocol: echo\r\n").into_bytes();
    bytes.extend(frame(true, TEXT, "at once").masked());
    wire.write(&bytes).await;
    wire.expect_upgraded().await;
    assert_eq!(wire.header("sec-websocket-protocol"), Some("echo"));
    assert_eq!(wire.receive().await, frame(true, TEXT, "at once"));
    wire.close().await;
}

#[tokio::test]
async fn frames_in_the_same_segment_as_the_handshake_are_not_lost() {
    let server = server().await;
    let mut wire = Wire::tcp(server.local_addr()).await;
    let mut bytes = request("/", "Sec-WebSocket-Protocol: echo\r\n").into_bytes();
    bytes.extend(frame(false, TEXT, "one").masked());
    bytes.extend(frame(true, 0, "two").masked());
    wire.write(&bytes).await;
    wire.expect_upgraded().await;
    assert_eq!(wire.receive().await, frame(false, TEXT, "one"));
    assert_eq!(wire.receive().await, frame(true, 0, "two"));
    wire.close().await;
}

#[tokio::test]
async fn a_refused_upgrade_is_answered_with_a_line_and_the_connection_ends() {
    let server = server().await;
    let good = request("/", "");
    for (status, bad) in [
        ("426", good.replace("Version: 13", "Version: 8")),
        ("400", good.replace("Connection: Upgrade\r\n", "")),
        ("400", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "short")),
        ("405", good.replace("GET ", "POST ")),
    ] {
        let mut wire = Wire::tcp(server.local_addr()).await;
        // What follows a refused upgrade is never taken for a request.
        wire.write(format!("{bad}GET / HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())
            .await;
        let head = wire.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(
            wire.header("connection")
                .is_some_and(|value| value.contains("close")),
            "{head}"
        );
        let body = wire.read_body().await;
        assert_eq!(
            (body.lines().count(), body.trim().is_empty()),
            (1, false),
            "{body:?}"
        );
        assert_eq!(wire.read_to_end().await, b"");
    }
}

#[tokio::test]
async fn a_refused_upgrade_on_a_kept_alive_connection_ends_it_too() {
    let server = server().await;
    let mut wire = Wire::tcp(server.local_addr()).await;
    get(&mut wire, "/").await;
    let bad = request("/", "").replace("Version: 13", "Version: 7");
    wire.write(format!("{bad}GET / HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())
        .await;
    let head = wire.read_head().await;
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    assert_eq!(wire.header("sec-websocket-version"), Some("13"));
    wire.read_body().await;
    assert_eq!(wire.read_to_end().await, b"");
}

#[tokio::test]
async fn any_origin_is_welcome_unless_some_are_named() {
    let origin = |name: &str| request("/", &format!("Origin: {name}\r\n"));
    let open = server().await;
    let mut wire = Wire::tcp(open.local_addr()).await;
    wire.write(origin("https://elsewhere.example").as_bytes()).await;
    wire.expect_upgraded().await;

    let listed = ["https://one.example", "https://two.example:8443"];
    let server = TestServer::bind("127.0.0.1:0")
        .origins(OriginPolicy::list(listed).expect("origins"))
        .start()
        .await
        .expect("a server");
    for good in listed {
        let mut wire = Wire::tcp(server.local_addr()).await;
        wire.write(origin(good).as_bytes()).await;
        wire.expect_upgraded().await;
    }
    for bad in [
        "https://three.example",
        "https://one.example.org",
        "http://one.example",
        "null",
    ] {
        let mut wire = Wire::tcp(server.local_addr()).await;
        wire.write(origin(bad).as_bytes()).await;
        let head = wire.read_head().await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{bad}: {head}");
    }
}
