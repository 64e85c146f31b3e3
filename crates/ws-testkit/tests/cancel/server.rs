//! `TestServer`: its start and its stop.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use ws_testkit::{RawFrame, RawPeer, TestServer};

use crate::{all_gone, poll_times, started};

/// Where this name and port can be bound just now, if they can.
async fn where_it_binds(port: u16) -> Option<SocketAddr> {
    let listener = TcpListener::bind(("localhost", port)).await.ok()?;
    listener.local_addr().ok()
}

#[tokio::test]
async fn a_start_that_is_dropped_leaves_the_port_free() {
    // A port that nobody else takes: outside of what the kernel gives to those that do not care.
    let mut port = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = loop {
        match where_it_binds(port).await {
            Some(free) => break free,
            None => port += 1,
        }
    };
    for polls in 0.. {
        // The name is looked up in another thread; how long that takes is not ours to say.
        let starting = TestServer::bind(format!("localhost:{port}")).start();
        let server = poll_times(pin!(starting), polls).await;
        if let Some(server) = server {
            assert_eq!(server.unwrap().local_addr(), free);
            break;
        }
        assert_eq!(where_it_binds(port).await, Some(free), "after {polls} polls");
    }
}

#[tokio::test]
async fn a_stop_that_is_dropped_goes_on() {
    for polls in 0..12 {
        let (server, url) = started(TestServer::bind("127.0.0.1:0")).await;
        let mut peer = RawPeer::new(TcpStream::connect(server.local_addr()).await.unwrap());
        peer.request_upgrade(&url, &[]).await.unwrap();
        let stop = server.stop(Duration::from_secs(60));
        assert!(poll_times(pin!(stop), polls).await.is_none(), "the peer stays");
        if polls == 0 {
            // It has not begun.
            peer.send(&RawFrame::ping("x").masked([1, 2, 3, 4]))
                .await
                .unwrap();
            peer.expect(&RawFrame::pong("x")).await.unwrap();
            continue;
        }
        peer.expect_close(Some(1001)).await.unwrap();
        let answer = RawFrame::close(1001, "").masked([1, 2, 3, 4]);
        peer.send(&answer).await.unwrap();
        peer.expect_end().await.unwrap();
        drop(peer);
        all_gone(&server).await;
        let summary = server.stop(Duration::from_secs(60)).await;
        assert_eq!((summary.closed, summary.dropped), (1, 0), "after {polls} polls");
        assert!(TcpStream::connect(server.local_addr()).await.is_err());
    }
}
