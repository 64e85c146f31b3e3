//! `TestClient`: what a dropped call leaves of the connection.

use std::pin::pin;

use ws_proto::MessageKind;
use ws_testkit::{ClientOptions, ReceivedMessage, TestClient, TestServer};

use crate::{all_gone, poll_times, started};

/// More than a socket takes at once, so that sending it waits.
const LARGE: usize = 3 << 20;

async fn server() -> (TestServer, String) {
    started(TestServer::bind("127.0.0.1:0")).await
}

async fn connected(url: &str) -> TestClient {
    TestClient::connect(url, &["echo"]).await.unwrap()
}

/// Sends a marker and gives what was received before it.
async fn until_marker(client: &mut TestClient) -> Vec<ReceivedMessage> {
    client.send("marker").await.unwrap();
    let mut before = Vec::new();
    loop {
        let message = client.next_message().await.unwrap();
        if &message.payload[..] == b"marker" {
            return before;
        }
        before.push(message);
    }
}

#[tokio::test]
async fn a_client_may_be_dropped_while_it_connects() {
    let (server, url) = server().await;
    let mut options = ClientOptions::new(&url);
    options.protocols = vec!["echo".into()];
    for shortly in [true, false] {
        for polls in 0.. {
            let client = if shortly {
                poll_times(pin!(TestClient::connect(&url, &["echo"])), polls).await
            } else {
                poll_times(pin!(TestClient::connect_with(&options)), polls).await
            };
            if let Some(client) = client {
                assert_eq!(client.unwrap().subprotocol(), Some("echo"));
                assert!(polls > 2, "there was nothing to wait for");
                break;
            }
        }
    }
    all_gone(&server).await;
}

#[tokio::test]
async fn a_send_that_is_dropped_has_sent_all_or_nothing() {
    let (server, url) = server().await;
    let mut sent = Vec::new();
    for polls in 0.. {
        let mut client = connected(&url).await;
        let done = poll_times(pin!(client.send(vec![7; LARGE])), polls).await;
        let before = until_marker(&mut client).await;
        let sizes: Vec<_> = before.iter().map(|message| message.payload.len()).collect();
        assert!(
            sizes.is_empty() || sizes == [LARGE],
            "{sizes:?} after {polls} polls"
        );
        sent.push(!sizes.is_empty());
        if let Some(done) = done {
            done.unwrap();
            break;
        }
    }
    assert!(!sent[0] && sent[sent.len() - 1] && sent.is_sorted(), "{sent:?}");
    all_gone(&server).await;
}

#[tokio::test]
async fn frames_that_are_dropped_half_way_leave_a_connection_to_close() {
    let (server, url) = server().await;
    let half = vec![7; LARGE];
    for polls in 0.. {
        let mut client = connected(&url).await;
        let frames: [&[u8]; 2] = [&half, &half];
        let done = poll_times(pin!(client.send_frames(MessageKind::Binary, &frames)), polls).await;
        client.close().await.unwrap();
        if let Some(done) = done {
            done.unwrap();
            assert!(polls > 1, "there was nothing to wait for");
            break;
        }
    }
    all_gone(&server).await;
}

/// Which of the calls that receive is dropped.
#[derive(Debug, Clone, Copy)]
enum Call {
    Next,
    Expect,
    ExpectClose,
}

#[tokio::test]
async fn receiving_that_is_dropped_loses_frames_of_one_message_at_most() {
    let (server, url) = server().await;
    for call in [Call::Next, Call::Expect, Call::ExpectClose] {
        for polls in 0.. {
            let mut client = connected(&url).await;
            client
                .send_frames(MessageKind::Text, &[b"wor", b"ld"])
                .await
                .unwrap();
            let done = match call {
                Call::Next => poll_times(pin!(client.next_message()), polls)
                    .await
                    .map(|it| it.is_ok()),
                Call::Expect => poll_times(pin!(client.expect("world")), polls)
                    .await
                    .map(|it| it.is_ok()),
                // A message comes instead.
                Call::ExpectClose => poll_times(pin!(client.expect_close()), polls)
                    .await
                    .map(|it| it.is_err()),
            };
            let before = until_marker(&mut client).await;
            if let Some(as_expected) = done {
                assert!(as_expected && before.is_empty(), "{call:?}: {before:?}");
                assert!(polls > 1, "there was nothing to wait for");
                break;
            }
            for message in before {
                assert!(b"world".ends_with(&message.payload), "{call:?}: {message:?}");
            }
        }
    }
    all_gone(&server).await;
}

#[tokio::test]
async fn a_ping_that_is_dropped_does_not_disturb_the_next() {
    let (server, url) = server().await;
    for polls in 0.. {
        let mut client = connected(&url).await;
        let done = poll_times(pin!(client.ping("dropped")), polls).await;
        client.ping("again").await.unwrap();
        if let Some(done) = done {
            done.unwrap();
            assert!(polls > 1, "there was nothing to wait for");
            break;
        }
    }
    all_gone(&server).await;
}

#[tokio::test]
async fn closing_that_is_dropped_is_gone_on_with_by_the_next_call() {
    let (server, url) = server().await;
    for polls in 0.. {
        let mut client = connected(&url).await;
        let done = poll_times(pin!(client.close()), polls).await;
        client.close().await.unwrap();
        assert!(client.send("late").await.is_err(), "after {polls} polls");
        if let Some(done) = done {
            done.unwrap();
            assert!(polls > 1, "there was nothing to wait for");
            break;
        }
    }
    all_gone(&server).await;
}
