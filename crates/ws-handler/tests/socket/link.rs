//! The link below the socket, as an endpoint loop uses it: borrowed payloads, lazy sends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use ws_handler::{Link, Lost, ReadBuffer, Signal, SocketError, Wake};
use ws_proto::{CloseCode, Config, Event, MessageKind, ReceivePath, Role, SendPath};

use crate::support::{BINARY, CLOSE, Counted, PING, PONG, Peer, TEXT, close_payload, frame};

fn link<IO>(io: IO) -> (Link<IO>, ReceivePath, ReadBuffer) {
    let config = Arc::new(Config::server());
    let receive = ReceivePath::new(Role::Server, Arc::clone(&config));
    (
        Link::new(io, SendPath::server(config), Arc::new(Signal::new())),
        receive,
        ReadBuffer::new(),
    )
}

/// Echoes borrowed payloads until the connection is over; says how it ended and how much mail came.
async fn echo<IO: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<IO>,
    receive: &mut ReceivePath,
    buffer: &mut ReadBuffer,
) -> (Wake, usize) {
    let mut mail = 0;
    loop {
        match link.wake(receive, buffer).await {
            Wake::Data => loop {
                match buffer.next_event(receive) {
                    Ok(Some(Event::Text(text))) => link.text(text).await.unwrap(),
                    Ok(Some(Event::Binary(bytes))) => link.binary(bytes).await.unwrap(),
                    Ok(Some(Event::Ping(payload))) => link.handle_ping(payload).unwrap(),
                    Ok(Some(Event::Pong(payload))) => link.handle_pong(payload),
                    Ok(Some(Event::Close(close))) => link.handle_close(close),
                    Ok(Some(Event::Fragment(_))) => unreachable!(),
                    Ok(None) => break,
                    Err(error) => link.fail(error),
                }
            },
            Wake::Mail => mail += 1,
            end @ (Wake::Finished | Wake::Lost(_)) => return (end, mail),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn borrowed_payloads_are_echoed_in_one_write_per_batch() {
    let (near, far) = tokio::io::duplex(1 << 18);
    let (near, calls) = Counted::new(near);
    let mut peer = Peer::new(far, Role::Client);
    let mut batch = Vec::new();
    for _ in 0..16 {
        batch.extend(frame(Role::Client, TEXT, true, "κόσμε".as_bytes()));
    }
    peer.io.write_all(&batch).await.unwrap();
    let (mut link, mut receive, mut buffer) = link(near);
    let signal = Arc::clone(link.signal());
    let server = tokio::spawn(async move {
        let (end, mail) = echo(&mut link, &mut receive, &mut buffer).await;
        assert!(matches!(end, Wake::Finished), "{end:?}");
        (mail, link.close_reason().unwrap().clone())
    });
    for _ in 0..16 {
        assert_eq!(peer.frame().await.unwrap().payload, "κόσμε".as_bytes());
    }
    assert_eq!(calls.writes.load(Ordering::Relaxed), 1);
    signal.raise(Signal::MAIL);
    peer.send(BINARY, vec![9; 50_000]).await;
    peer.send(PING, "p").await;
    assert_eq!(peer.frame().await.unwrap().payload, vec![9; 50_000]);
    assert_eq!(peer.frame().await.unwrap().opcode, PONG);
    peer.send(CLOSE, close_payload(1000, "")).await;
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    assert_eq!(peer.frame().await, None);
    drop(peer);
    let (mail, reason) = server.await.unwrap();
    assert_eq!(mail, 1);
    assert!(reason.clean);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_first_poll() {
    let (near, far) = tokio::io::duplex(1024);
    let (mut link, _, _) = link(near);
    drop(link.text("never"));
    link.fragment(MessageKind::Text, b"one", false).await.unwrap();
    link.fragment(MessageKind::Text, b"two", true).await.unwrap();
    assert_eq!(link.queued_bytes(), 10, "queued until the batch is over");
    link.flush().await.unwrap();
    drop(link);
    let frames = Peer::new(far, Role::Client).frames().await;
    let frames: Vec<_> = frames
        .iter()
        .map(|frame| (frame.opcode, frame.fin, &*frame.payload))
        .collect();
    assert_eq!(frames, [(TEXT, false, &b"one"[..]), (0, true, b"two")]);
}

#[tokio::test(start_paused = true)]
async fn a_large_send_that_is_forgotten_ends_the_connection_instead_of_garbling_it() {
    let (near, far) = tokio::io::duplex(1024);
    let (mut link, mut receive, mut buffer) = link(near);
    let payload = vec![7; 20_000];
    let mut send = Box::pin(link.binary(&payload));
    assert!(crate::support::poll_times(send.as_mut(), 1).await.is_none());
    std::mem::forget(send);
    let wake = link.wake(&mut receive, &mut buffer).await;
    assert!(
        matches!(wake, Wake::Lost(SocketError::Lost(Lost::SendForgotten))),
        "{wake:?}"
    );
    assert!(matches!(
        link.wake(&mut receive, &mut buffer).await,
        Wake::Finished
    ));
    drop((link, far));
}

#[tokio::test(start_paused = true)]
async fn finish_ends_a_connection_without_its_endpoint() {
    let (near, far) = tokio::io::duplex(1024);
    let (mut link, mut receive, mut buffer) = link(near);
    let mut peer = Peer::new(far, Role::Client);
    link.close(CloseCode::new(4001), "over").unwrap();
    let server = tokio::spawn(async move {
        link.finish(&mut receive, &mut buffer).await;
        link
    });
    assert_eq!(peer.frame().await.unwrap().close_code(), 4001);
    peer.send(TEXT, "ignored").await;
    peer.send(CLOSE, close_payload(4001, "")).await;
    assert_eq!(peer.frame().await, None);
    drop(peer);
    assert!(server.await.unwrap().close_reason().unwrap().clean);
}

#[tokio::test(start_paused = true)]
async fn fail_with_does_not_wait_for_an_answer_and_abandon_says_nothing() {
    let (near, far) = tokio::io::duplex(1024);
    let (mut failed, mut receive, mut buffer) = link(near);
    failed.fail_with(CloseCode::INTERNAL_ERROR, "panic").unwrap();
    let mut peer = Peer::new(far, Role::Client);
    let server = tokio::spawn(async move { failed.finish(&mut receive, &mut buffer).await });
    assert_eq!(peer.frame().await.unwrap().close_code(), 1011);
    assert_eq!(peer.frame().await, None);
    drop(peer);
    tokio::time::timeout(Duration::from_secs(1), server)
        .await
        .unwrap()
        .unwrap();

    let (near, far) = tokio::io::duplex(1024);
    let (mut abandoned, _, _) = link(near);
    abandoned.text("unsent").await.unwrap();
    abandoned.abandon();
    assert_eq!(abandoned.close_reason().unwrap().code, CloseCode::ABNORMAL);
    assert!(abandoned.flush().await.is_err());
    drop(abandoned);
    assert_eq!(Peer::new(far, Role::Client).frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn above_the_soft_limit_nothing_is_read() {
    let (near, far) = tokio::io::duplex(1 << 17);
    let (near, calls) = Counted::new(near);
    let (mut link, mut receive, mut buffer) = link(near);
    let mut peer = Peer::new(far, Role::Client);
    // More than the pipe holds: 64 KiB above are left.
    link.queue(vec![0; 200_000].into()).unwrap();
    peer.send(TEXT, "unread").await;
    let wake = tokio::time::timeout(Duration::from_secs(1), link.wake(&mut receive, &mut buffer)).await;
    assert!(wake.is_err());
    assert!(link.above_soft_limit());
    assert_eq!(calls.reads.load(Ordering::Relaxed), 0);
    let server = tokio::spawn(async move {
        let wake = link.wake(&mut receive, &mut buffer).await;
        assert!(matches!(wake, Wake::Data), "{wake:?}");
    });
    assert_eq!(peer.frame().await.unwrap().payload.len(), 200_000);
    server.await.unwrap();
}
