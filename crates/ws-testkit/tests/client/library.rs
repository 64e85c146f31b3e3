//! `TestClient` and `ClientRun` as other people's tests use them, against `TestServer`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use ws_proto::MessageKind;
use ws_testkit::{ClientOptions, ClientRun, Ending, ExitStatus, OptionsError, Summary};
use ws_testkit::{Observer, Protocol, Started, TestClient, TestClientError, TestServer};

const PREFIX: &str = "org.ietf.websocket.test-echo";

async fn server() -> (TestServer, String) {
    let server = TestServer::bind("127.0.0.1:0").start().await.unwrap();
    let url = format!("ws://{}/", server.local_addr());
    (server, url)
}

async fn run(url: &str, change: impl FnOnce(&mut ClientOptions)) -> Summary {
    let mut options = ClientOptions::new(url);
    options.delay = Duration::ZERO;
    change(&mut options);
    ClientRun::new(options).run().await.unwrap()
}

#[tokio::test]
async fn a_test_client_sends_and_expects() {
    let (_server, url) = server().await;
    let mut client = TestClient::connect(&url, &["unknown", "echo"]).await.unwrap();
    assert_eq!(client.subprotocol(), Some("echo"));
    assert_eq!(client.response().status(), 101);
    client.send("hello").await.unwrap();
    client.expect("hello").await.unwrap();
    client.send(vec![1, 2, 3]).await.unwrap();
    assert!(matches!(
        client.expect("text").await,
        Err(TestClientError::OtherMessage(_))
    ));
    client
        .send_frames(MessageKind::Text, &[b"wor", b"", b"ld"])
        .await
        .unwrap();
    assert_eq!(client.expect("world").await.unwrap().frames, [3, 0, 2]);
    assert!(client.ping("are you there?").await.unwrap() < Duration::from_secs(10));
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_test_client_sends_more_than_both_pipes_hold_before_it_receives() {
    let (_server, url) = server().await;
    let mut client = TestClient::connect(&url, &["echo"]).await.unwrap();
    let frames = vec![&[7; 100_000][..]; 160];
    client.send_frames(MessageKind::Binary, &frames).await.unwrap();
    let received = client.expect(frames.concat()).await.unwrap();
    assert_eq!(received.frames.len(), frames.len());
}

#[tokio::test]
async fn a_test_client_says_what_went_wrong() {
    let (server, url) = server().await;
    let refused = TestClient::connect(&url, &["unknown"]).await;
    assert!(matches!(
        refused,
        Err(TestClientError::NotConnected(Ending::Refused {
            status: Some(101),
            ..
        }))
    ));
    let tls = TestClient::connect("wss://localhost/", &[]).await;
    assert!(matches!(tls, Err(TestClientError::Options(OptionsError::Tls))));

    let mut options = ClientOptions::new(&url);
    options.timeout = Duration::from_millis(200);
    let mut silent = TestClient::connect_with(&options).await.unwrap();
    silent.send("is anybody there?").await.unwrap();
    assert!(matches!(
        silent.next_message().await,
        Err(TestClientError::TimedOut)
    ));

    let mut client = TestClient::connect(&url, &["echo"]).await.unwrap();
    let (close, _) = tokio::join!(client.expect_close(), server.stop(Duration::from_secs(5)));
    assert_eq!(close.unwrap().map(|close| close.code.value()), Some(1001));
}

#[tokio::test]
async fn every_protocol_verifies_at_every_size() {
    let (_server, url) = server().await;
    for (suffix, mode) in [
        ("", "echo"),
        ("-assemble", "assemble"),
        ("-fragment", "fragment"),
        ("-broadcast", "broadcast"),
    ] {
        for size in [0, 1, 125, 126, 65_535, 65_536] {
            for (binary, fragment) in [(false, 4000), (true, 0), (true, 1 + size / 3)] {
                let summary = run(&url, |options| {
                    options.protocols = vec![format!("{PREFIX}{suffix}")];
                    (options.count, options.size) = (3, size);
                    (options.binary, options.fragment) = (binary, fragment);
                })
                .await;
                let what = format!("{mode} {size} {binary} {fragment}: {summary:?}");
                assert_eq!(summary.status(), ExitStatus::Success, "{what}");
                assert_eq!((summary.mode, summary.counts.right), (mode, 3), "{what}");
                assert_eq!(summary.counts.bytes_received, 3 * size as u64, "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_mebibytes_come_back_right() {
    let (_server, url) = server().await;
    for (protocol, fragment) in [
        (Protocol::Echo, 0),
        (Protocol::Echo, 4000),
        (Protocol::Assemble, 4000),
        (Protocol::Fragment, 0),
    ] {
        let summary = run(&url, |options| {
            options.protocols = vec![protocol.to_string()];
            (options.count, options.size) = (2, 16 << 20);
            (options.binary, options.fragment) = (true, fragment);
        })
        .await;
        assert_eq!(
            summary.status(),
            ExitStatus::Success,
            "{protocol} {fragment}: {summary:?}"
        );
        assert_eq!(summary.counts.right, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_broadcast_to_each_other_while_others_talk() {
    let (_server, url) = server().await;
    let mut stranger = TestClient::connect(&url, &["echo-broadcast-ping"]).await.unwrap();
    let (clients, count) = (8, 50);
    let broadcast = |size| {
        run(&url, move |options| {
            options.protocols = vec!["echo-broadcast".into()];
            (options.clients, options.count, options.size) = (clients, count, size);
        })
    };
    // One run knows its messages by their heads, the other, which is too short for them, by their contents.
    let (long, short) = tokio::join!(broadcast(100), broadcast(10));
    let expected = (clients * clients) as u64 * count;
    for summary in [&long, &short] {
        assert_eq!(summary.status(), ExitStatus::Success, "{summary:?}");
        assert_eq!((summary.counts.right, summary.counts.lost), (expected, 0));
    }
    assert_eq!(stranger.next_message().await.unwrap().kind, MessageKind::Text);
    assert_eq!(long.round_trips.count(), clients as u64 * count);
}

/// Tells a stranger that a run has begun.
struct Begun(Notify);

impl Observer for Begun {
    fn started(&self, _started: &Started) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_stranger_on_the_broadcast_group_is_counted_apart() {
    let (_server, url) = server().await;
    let mut stranger = TestClient::connect(&url, &["echo-broadcast"]).await.unwrap();
    let begun = Arc::new(Begun(Notify::new()));
    let mut options = ClientOptions::new(&url);
    options.protocols = vec!["echo-broadcast".into()];
    (options.count, options.delay) = (2, Duration::from_millis(500));
    let speaking = async {
        begun.0.notified().await;
        stranger.send("hello, is anybody there?").await.unwrap();
    };
    let (summary, ()) = tokio::join!(ClientRun::new(options).observe(begun.clone()).run(), speaking);
    let summary = summary.unwrap();
    assert_eq!(summary.status(), ExitStatus::Success, "{summary:?}");
    assert_eq!(
        (summary.counts.foreign, summary.counts.right, summary.counts.wrong),
        (1, 2, 0)
    );
}

#[tokio::test]
async fn pings_are_answered_by_the_silent_endpoint() {
    let (_server, url) = server().await;
    for size in [0, 1, 7, 8, 64, 125] {
        let summary = run(&url, |options| options.size = size).await;
        assert_eq!(summary.status(), ExitStatus::Success, "{summary:?}");
        assert_eq!((summary.mode, summary.protocol.as_deref()), ("ping", None));
        assert_eq!((summary.counts.right, summary.round_trips.count()), (10, 10));
    }
    let too_long = ClientOptions {
        size: 126,
        ..ClientOptions::new(&url)
    };
    let refused = ClientRun::new(too_long).run().await;
    assert!(matches!(refused, Err(OptionsError::PingTooLong(126))));
}
