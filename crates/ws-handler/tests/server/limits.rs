//! How much a server takes on, and how it goes on when the system gives it no more.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};
use ws_handler::{NoService, Server, WebSocketFactory};

use crate::harness::{EMFILE, Recorder, UPGRADE, all_gone, read_all, read_head, start};

fn echo() -> Recorder {
    Recorder::echo_bytes(WebSocketFactory::default())
}

#[tokio::test(start_paused = true)]
async fn connections_below_and_at_the_limit_are_served_and_one_above_gets_503() {
    let server = start(Server::new().connection_limit(2), echo());
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut peer = server.network.send(UPGRADE).await;
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        open.push(peer);
    }
    let text = read_all(&mut server.network.send(UPGRADE).await).await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    assert!(
        text.contains("Retry-After: ") && text.contains("Connection: close\r\n"),
        "{text}"
    );
    assert_eq!(server.handle.open_connections(), 2);
    for peer in &mut open {
        peer.write_all(b"still here").await.unwrap();
    }
    open.pop();
    while server.handle.open_connections() > 1 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut peer = server.network.send(UPGRADE).await;
    assert!(
        read_head(&mut peer).await.starts_with("HTTP/1.1 101 "),
        "a place is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_are_told_that_the_server_is_full_and_the_rest_is_dropped() {
    let server = start(Server::new().connection_limit(0), echo());
    // Nobody closes, so every answer lingers.
    let mut peers: Vec<_> = (0..70).map(|_| server.network.connect()).collect();
    let mut told = 0;
    for peer in &mut peers {
        let mut first = [0; 4];
        let read = timeout(
            Duration::from_millis(100),
            tokio::io::AsyncReadExt::read(peer, &mut first),
        );
        told += usize::from(read.await.unwrap().unwrap() > 0);
    }
    assert_eq!(told, 64);
    sleep(Duration::from_secs(3)).await;
    let text = read_all(&mut server.network.connect()).await;
    assert!(
        text.starts_with("HTTP/1.1 503 "),
        "answered again once the others are gone: {text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_lobby_leaves_newcomers_in_the_queue() {
    let server = start(Server::new().waiting_limit(2), NoService);
    let _first = server.network.connect();
    let _second = server.network.connect();
    let began = Instant::now();
    let mut third = server.network.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    sleep(Duration::from_secs(9)).await;
    assert_eq!(
        server.handle.open_connections(),
        2,
        "the third is not accepted yet"
    );
    assert!(read_all(&mut third).await.starts_with("HTTP/1.1 426 "));
    assert_eq!(
        began.elapsed().as_secs(),
        10,
        "once the first two have run out of time"
    );
    all_gone(&server.handle).await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_were_answered_do_not_fill_the_lobby() {
    let server = start(Server::new().waiting_limit(1), echo());
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut peer = server.network.send(UPGRADE).await;
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        open.push(peer);
    }
    assert_eq!(server.handle.open_connections(), 10);
}

#[tokio::test(start_paused = true)]
async fn without_descriptors_the_server_waits_longer_and_longer_and_then_goes_on() {
    let server = start(Server::new(), NoService);
    for _ in 0..10 {
        server.network.fail_accept(Error::from_raw_os_error(EMFILE));
    }
    let began = Instant::now();
    let text = read_all(&mut server.network.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
    // 5 + 10 + 20 + … + 640 + 1000 + 1000 ms: ten pauses and no busy loop.
    let waited = began.elapsed().as_millis();
    assert!((3275..3300).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn an_aborted_connection_does_not_delay_the_next() {
    let server = start(Server::new(), NoService);
    for kind in [
        ErrorKind::ConnectionAborted,
        ErrorKind::Interrupted,
        ErrorKind::ConnectionReset,
    ] {
        server.network.fail_accept(Error::from(kind));
    }
    let began = Instant::now();
    let text = read_all(&mut server.network.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
    assert_eq!(began.elapsed(), Duration::ZERO);
}
