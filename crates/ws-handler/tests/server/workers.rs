//! Several workers on one port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use ws_handler::{Outcome, Server, Upgraded, WebSocketFactory, WebSocketHandler};

use crate::harness::{Recorder, UPGRADE, all_gone, read_bytes, read_head};

async fn connect(address: std::net::SocketAddr) -> TcpStream {
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(UPGRADE.as_bytes()).await.unwrap();
    peer
}

#[tokio::test]
async fn connections_spread_over_the_workers_which_share_limit_and_shutdown() {
    let factory = WebSocketFactory::default();
    let threads: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let counts = Arc::clone(&threads);
    let count = factory.clone();
    let service = Recorder::new(move |request| {
        let counts = Arc::clone(&counts);
        Outcome::upgrade(&factory, request, move |upgraded: Upgraded| {
            Box::pin(async move {
                let name = thread::current().name().unwrap_or_default().to_owned();
                *counts.lock().unwrap().entry(name).or_default() += 1;
                let (mut socket, _, _registration) = upgraded.into_socket();
                let _end = socket.recv().await;
            })
        })
    });
    let bound = Server::new()
        .workers(2)
        .connection_limit(64)
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let address = bound.local_addr().unwrap();
    assert_ne!(address.port(), 0);
    let handle = bound.handle();
    let serving = tokio::spawn(bound.serve(service));

    let mut peers = Vec::new();
    for _ in 0..64 {
        let mut peer = connect(address).await;
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        peers.push(peer);
    }
    assert_eq!(handle.open_connections(), 64);
    assert_eq!(count.open_connections(), 64, "the factory spans the workers");
    // The kernel chooses by address and port; all 64 on one side has a chance of 2^-63.
    let spread: Vec<_> = threads.lock().unwrap().keys().cloned().collect();
    assert_eq!(spread.len(), 2, "{spread:?}");
    assert!(
        spread.iter().all(|name| name.starts_with("ws-worker-")),
        "{spread:?}"
    );
    for _ in 0..8 {
        let mut peer = TcpStream::connect(address).await.unwrap();
        assert!(
            read_head(&mut peer).await.starts_with("HTTP/1.1 503 "),
            "the limit spans the workers"
        );
    }

    let stop = handle.shutdown(Duration::from_secs(30));
    for mut peer in peers {
        let frame = read_bytes::<4>(&mut peer).await;
        assert_eq!(frame, [0x88, 2, 0x03, 0xe9], "1001");
        peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9])
            .await
            .unwrap();
    }
    let summary = stop.await;
    assert_eq!((summary.closed, summary.dropped), (64, 0));
    assert_eq!(serving.await.unwrap(), summary);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_worker_is_the_runtime_that_serves() {
    let handler = WebSocketHandler::new(WebSocketFactory::default(), |mut socket, _| async move {
        assert!(
            !thread::current()
                .name()
                .unwrap_or_default()
                .starts_with("ws-worker-")
        );
        let _end = socket.recv().await;
    });
    let bound = Server::new().workers(1).bind("127.0.0.1:0").await.unwrap();
    let address = bound.local_addr().unwrap();
    let handle = bound.handle();
    let serving = tokio::spawn(bound.serve(handler));
    let mut peer = connect(address).await;
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(handle.open_connections(), 1);
    drop(peer);
    all_gone(&handle).await;
    handle.shutdown(Duration::from_secs(30)).await;
    serving.await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for workers in [1, 2] {
        let refused = Server::new().workers(workers).bind(address).await;
        assert_eq!(
            refused.err().map(|error| error.kind()),
            Some(std::io::ErrorKind::AddrInUse)
        );
    }
}

#[tokio::test]
async fn two_servers_never_share_a_port_by_accident() {
    let first = Server::new().workers(2).bind("127.0.0.1:0").await.unwrap();
    let second = Server::new().workers(2).bind(first.local_addr().unwrap()).await;
    assert_eq!(
        second.err().map(|error| error.kind()),
        Some(std::io::ErrorKind::AddrInUse)
    );
}
