//! Law: every async method says what happens when it is dropped. Here: those of a server and of a factory, each
//! dropped at every point where it can wait.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use ws_handler::{Outcome, PeerInfo, PlainConnection, RequestHead, Server, Service, WebSocketFactory};

use crate::harness::{
    Network, Recorder, UPGRADE, all_gone, poll_times, read_all, read_bytes, read_head, start,
};

/// Where a server listens that is bound to this name and port just now.
async fn where_it_binds(port: u16) -> Option<SocketAddr> {
    let bound = Server::new().bind(("localhost", port)).await.ok()?;
    bound.local_addr().ok()
}

#[tokio::test]
async fn a_bind_may_be_dropped_at_every_await_point() {
    // A port that nobody else takes: outside of what the kernel gives to those that do not care.
    let mut port = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = loop {
        match where_it_binds(port).await {
            Some(free) => break free,
            None => port += 1,
        }
    };
    for workers in [1, if cfg!(unix) { 2 } else { 1 }] {
        for polls in 0.. {
            // The name is looked up in another thread; how long that takes is not ours to say.
            let binding = Server::new().workers(workers).bind(("localhost", port));
            let bound = poll_times(pin!(binding), polls).await;
            let address = bound.map(|bound| bound.unwrap().local_addr().unwrap());
            // Nothing listens any more, or else this address would be in use.
            assert_eq!(where_it_binds(port).await, Some(free), "after {polls} polls");
            if address.is_some() {
                assert_eq!(address, Some(free));
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn serving_may_be_dropped_at_every_await_point() {
    for polls in 0..6 {
        for plainly in [false, true] {
            let factory = WebSocketFactory::default();
            let service = Recorder::echo_bytes(factory.clone());
            let (network, listener) = Network::new();
            let mut peer = network.send(UPGRADE).await;
            if plainly {
                poll_times(pin!(ws_handler::serve(listener, service)), polls).await;
            } else {
                poll_times(pin!(Server::new().listen(listener).serve(service)), polls).await;
            }
            assert!(!network.is_open(), "nobody accepts any more");
            if polls == 0 {
                assert_eq!(read_all(&mut peer).await, "", "it was not accepted");
                continue;
            }
            assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
            peer.write_all(b"still there").await.unwrap();
            assert_eq!(&read_bytes(&mut peer).await, b"still there");
            assert_eq!(factory.open_connections(), 1);
            drop(peer);
            factory.stop(Duration::from_secs(60)).await;
            assert_eq!(factory.open_connections(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_goes_on_wherever_serving_and_waiting_are_dropped() {
    for polls in 0.. {
        let (network, listener) = Network::new();
        let bound = Server::new().listen(listener);
        let handle = bound.handle();
        let mut serving = Box::pin(bound.serve(Recorder::echo_bytes(WebSocketFactory::default())));
        let mut peer = network.send(UPGRADE).await;
        assert!(poll_times(serving.as_mut(), 1).await.is_none());
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        // The stop begins with the call, whether it is polled or not.
        let shutdown = handle.shutdown(Duration::from_secs(60));
        poll_times(pin!(handle.stopped()), polls).await;
        poll_times(pin!(shutdown), polls).await;
        drop(peer);
        let served = poll_times(serving.as_mut(), polls).await;
        drop(serving);
        let summary = handle.stopped().await;
        assert_eq!((summary.closed, summary.dropped), (1, 0), "after {polls} polls");
        assert_eq!(handle.open_connections(), 0);
        if let Some(served) = served {
            assert_eq!(served, summary);
            assert!(polls > 1, "there was nothing to wait for");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_stop_of_a_factory_may_be_dropped_at_every_await_point() {
    for polls in 0..6 {
        let factory = WebSocketFactory::default();
        let server = start(Server::new(), Recorder::echo_bytes(factory.clone()));
        let mut peer = server.network.send(UPGRADE).await;
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        let stop = factory.stop(Duration::from_secs(60));
        assert!(poll_times(pin!(stop), polls).await.is_none(), "the peer stays");
        assert!(factory.is_stopped());
        // It did not close by itself, so it is still there, and goes when its peer does.
        assert_eq!(factory.open_connections(), 1);
        drop(peer);
        let again = factory.stop(Duration::from_secs(60)).await;
        assert_eq!((again.closed, again.dropped), (1, 0), "after {polls} polls");
        all_gone(&server.handle).await;
    }
}

/// Asks again and again whether the server stops.
#[derive(Clone)]
struct Asks;

impl Service for Asks {
    async fn call(&self, _: &RequestHead, _: &PeerInfo) -> Outcome {
        Outcome::Handover
    }

    async fn handover(&self, mut connection: PlainConnection) {
        for polls in 0..6 {
            assert!(poll_times(pin!(connection.stopping()), polls).await.is_none());
        }
        connection.write_all(b"asked").await.unwrap();
        connection.stopping().await;
        connection.write_all(b"stopping").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_stop_may_be_dropped_at_every_await_point() {
    let server = start(Server::new(), Asks);
    let mut peer = server.network.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(&read_bytes(&mut peer).await, b"asked");
    drop(server.handle.shutdown(Duration::from_secs(60)));
    assert_eq!(read_all(&mut peer).await, "stopping");
    let summary = server.task.await.unwrap();
    assert_eq!((summary.closed, summary.dropped), (1, 0));
}

#[cfg(unix)]
#[tokio::test]
async fn workers_go_on_though_nobody_waits_for_them() {
    for polls in 1..4 {
        let bound = Server::new().workers(2).bind("127.0.0.1:0").await.unwrap();
        let (address, handle) = (bound.local_addr().unwrap(), bound.handle());
        let serving = bound.serve(Recorder::echo_bytes(WebSocketFactory::default()));
        assert!(poll_times(pin!(serving), polls).await.is_none());
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(UPGRADE.as_bytes()).await.unwrap();
        assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
        drop(peer);
        handle.shutdown(Duration::from_secs(60)).await;
        // The workers close their listeners when they learn of the stop, each in its own thread.
        let freed = async { while TcpStream::connect(address).await.is_ok() {} };
        let patience = tokio::time::timeout(Duration::from_secs(60), freed);
        assert!(patience.await.is_ok(), "the port is free");
    }
}
