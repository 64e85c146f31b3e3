//! What a client's handshake leaves behind when its future is dropped: a closed stream, wherever that happens, and
//! nothing but a part of the request on it.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;
use ws_handler::{
    ClientRequest, HeadLimits, HeadReader, ServerHandshake, client_handshake, connect, encode_response,
};

const LIMIT: Duration = Duration::from_secs(10);

/// A server that reads a request, answers it, and keeps the stream until the peer is gone.
async fn answer(mut io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> Vec<u8> {
    let mut reader = HeadReader::new(HeadLimits::default());
    let mut after = Vec::new();
    if let Ok(Some(head)) = reader.read_request(&mut io).await {
        let accepted = ServerHandshake::new().accept(head.request()).unwrap();
        let _ = io.write_all(&encode_response(&accepted.response())).await;
        let _ = io.read_to_end(&mut after).await;
    }
    after
}

#[tokio::test(start_paused = true)]
async fn a_handshake_may_be_dropped_at_every_await_point() {
    let request = ClientRequest::new("ws://example.test/".parse().unwrap());
    // A pipe of one byte: the handshake waits at every byte of request and response.
    for polls in 0.. {
        let (near, far) = duplex(1);
        let mut server = pin!(answer(far));
        let mut context = Context::from_waker(Waker::noop());
        let mut finished = false;
        {
            let mut client = pin!(client_handshake(near, &request, LIMIT));
            for _ in 0..polls {
                if let Poll::Ready(upgrade) = client.as_mut().poll(&mut context) {
                    upgrade.unwrap();
                    finished = true;
                    break;
                }
                assert!(
                    server.as_mut().poll(&mut context).is_pending(),
                    "the stream ended after {polls} polls"
                );
                // Pipes count against the budget of a task, which this renews.
                tokio::task::yield_now().await;
            }
        }
        // Whatever was dropped, the stream ends, and no byte of a frame was on it.
        assert_eq!(server.await, b"", "after {polls} polls");
        if finished {
            assert!(polls > 100, "the pipe was to make it wait often: {polls}");
            return;
        }
    }
}

#[tokio::test]
async fn a_connect_may_be_dropped_at_every_await_point() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (seen, mut all_seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = seen.send(answer(stream).await);
        }
    });
    for polls in 0.. {
        let mut client = pin!(connect(&url).upgrade());
        let mut context = Context::from_waker(Waker::noop());
        let mut finished = false;
        for _ in 0..polls {
            if let Poll::Ready(upgrade) = client.as_mut().poll(&mut context) {
                upgrade.unwrap();
                finished = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        if finished {
            break;
        }
    }
    // Who does not give up is served as if nothing had been, and marks the end.
    let mut last = connect(&url).upgrade().await.unwrap();
    last.io.write_all(b"end").await.unwrap();
    drop(last);
    loop {
        match all_seen.recv().await.unwrap().as_slice() {
            b"" => {}
            b"end" => return,
            other => panic!("{other:?} was sent"),
        }
    }
}
