//! Each limit of a server is counted when it is hit.

use std::future::pending;
use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use ws_handler::{
    HeadLimits, NoService, Outcome, PeerInfo, RequestHead, Server, ServerLimitHits, Service, WebSocketFactory,
};

use crate::harness::{EMFILE, OLD_UPGRADE, Recorder, Running, UPGRADE, all_gone, read_all, read_head, start};

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// One more hit of the limit that `pick` names than before, and nothing else has changed.
fn assert_one_more(
    server: &Running,
    before: ServerLimitHits,
    pick: impl Fn(&mut ServerLimitHits) -> &mut u64,
) {
    let mut expected = before;
    *pick(&mut expected) += 1;
    assert_eq!(server.handle.limit_hits(), expected);
}

#[tokio::test(start_paused = true)]
async fn heads_above_their_limits_are_counted_each_for_itself() {
    let limits = HeadLimits {
        total: 300,
        first_line: 60,
        headers: 5,
    };
    let server = start(Server::new().head_limits(limits), NoService);
    assert!(
        read_all(&mut server.network.send(PLAIN).await)
            .await
            .starts_with("HTTP/1.1 426 ")
    );
    let hits = server.handle.limit_hits();
    assert_eq!(hits, ServerLimitHits::default(), "a good request is no hit");
    let line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(60));
    assert!(
        read_all(&mut server.network.send(line).await)
            .await
            .starts_with("HTTP/1.1 414 ")
    );
    assert_one_more(&server, hits, |hits| &mut hits.request_line);
    let hits = server.handle.limit_hits();
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(5));
    assert!(
        read_all(&mut server.network.send(many).await)
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    assert_one_more(&server, hits, |hits| &mut hits.headers);
    let hits = server.handle.limit_hits();
    let large = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "b".repeat(300));
    assert!(
        read_all(&mut server.network.send(large).await)
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    assert_one_more(&server, hits, |hits| &mut hits.head_size);
}

/// Never answers.
struct Silent;

impl Service for Silent {
    async fn call(&self, _: &RequestHead, _: &PeerInfo) -> Outcome {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_ran_out_are_counted() {
    let server = start(Server::new(), Silent);
    let mut slow = server.network.send("GET / HT").await;
    assert!(read_all(&mut slow).await.starts_with("HTTP/1.1 408 "));
    drop(slow);
    assert_one_more(&server, ServerLimitHits::default(), |hits| &mut hits.head_time);
    let hits = server.handle.limit_hits();
    assert!(
        read_all(&mut server.network.send(UPGRADE).await)
            .await
            .starts_with("HTTP/1.1 503 ")
    );
    assert_one_more(&server, hits, |hits| &mut hits.answer_time);
}

#[tokio::test(start_paused = true)]
async fn a_full_server_is_counted() {
    let server = start(
        Server::new().connection_limit(1),
        Recorder::echo_bytes(WebSocketFactory::default()),
    );
    let mut open = server.network.send(UPGRADE).await;
    assert!(read_head(&mut open).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(server.handle.limit_hits(), ServerLimitHits::default());
    assert!(
        read_all(&mut server.network.send(UPGRADE).await)
            .await
            .starts_with("HTTP/1.1 503 ")
    );
    sleep(Duration::from_millis(1)).await;
    assert_one_more(&server, ServerLimitHits::default(), |hits| &mut hits.connections);
    // 64 are being answered, because nobody of them closes; six get no answer.
    let _peers: Vec<_> = (0..70).map(|_| server.network.connect()).collect();
    sleep(Duration::from_millis(1)).await;
    let hits = server.handle.limit_hits();
    assert_eq!((hits.connections, hits.unanswered, hits.linger), (71, 6, 0));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(server.handle.limit_hits().linger, 64, "they stayed too long");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_sending_behind_a_refusal_is_counted() {
    let server = start(Server::new(), Recorder::echo_bytes(WebSocketFactory::default()));
    let mut peer = server.network.send(OLD_UPGRADE).await;
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 426 "));
    // The stream may be dropped in the middle of it.
    let _ = peer.write_all(&[0; 70_000]).await;
    all_gone(&server.handle).await;
    assert_one_more(&server, ServerLimitHits::default(), |hits| &mut hits.linger);
}

/// What is read and dropped behind a refusal: 64 KiB or 2 s, whichever is over first.
#[tokio::test(start_paused = true)]
async fn lingering_below_at_and_above_its_limits() {
    for (bytes, milliseconds, cut_short) in [
        (0, 0, 0),
        (65_535, 0, 0),
        (65_536, 0, 1),
        (65_537, 0, 1),
        (0, 1_900, 0),
        (0, 2_100, 1),
    ] {
        let server = start(Server::new(), Recorder::echo_bytes(WebSocketFactory::default()));
        let mut peer = server.network.send(OLD_UPGRADE).await;
        let text = read_all(&mut peer).await;
        assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
        peer.write_all(&vec![0; bytes]).await.unwrap();
        sleep(Duration::from_millis(milliseconds)).await;
        // It may be dropped already.
        let _ = peer.shutdown().await;
        all_gone(&server.handle).await;
        assert_eq!(
            server.handle.limit_hits().linger,
            cut_short,
            "{bytes} bytes, {milliseconds} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_lobby_and_failing_accepts_are_counted() {
    let server = start(Server::new().waiting_limit(1), NoService);
    let waiting = server.network.connect();
    sleep(Duration::from_millis(1)).await;
    assert_one_more(&server, ServerLimitHits::default(), |hits| &mut hits.waiting);
    drop(waiting);
    all_gone(&server.handle).await;
    let hits = server.handle.limit_hits();
    server
        .network
        .fail_accept(Error::from(ErrorKind::ConnectionAborted));
    server.network.fail_accept(Error::from_raw_os_error(EMFILE));
    sleep(Duration::from_secs(1)).await;
    // What concerns one connection only is no hit.
    assert_one_more(&server, hits, |hits| &mut hits.accept);
}
