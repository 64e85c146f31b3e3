//! Law: every async method says what happens when it is dropped. Here: those of the test server, the test client, its
//! runs, and the raw peers, each polled 0, 1, 2, … times and then dropped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod peer;
mod runs;
mod server;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ws_testkit::{TestServer, TestServerBuilder};

/// Polls a future `count` times, letting others run in between, and says what came out.
async fn poll_times<F: Future>(mut future: Pin<&mut F>, count: usize) -> Option<F::Output> {
    for _ in 0..count {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// How often to poll: every count at first, then ever fewer of them, since a run takes some hundreds.
fn counts() -> impl Iterator<Item = usize> {
    (0..40).chain((40..).step_by(23))
}

async fn started(builder: TestServerBuilder) -> (TestServer, String) {
    let server = builder.start().await.unwrap();
    let url = format!("ws://{}/", server.local_addr());
    (server, url)
}

/// Waits until the server knows that everybody is gone.
async fn all_gone(server: &TestServer) {
    let gone = async {
        while server.open_connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), gone).await;
    assert!(
        in_time.is_ok(),
        "{} connections are left",
        server.open_connections()
    );
}
