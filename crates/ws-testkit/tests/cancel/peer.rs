//! `RawPeer` and `FrameScript`, over pipes of one byte, so that they wait at each.

use std::pin::pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use ws_testkit::{FrameScript, PeerError, RawFrame, RawPeer};

use crate::poll_times;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";

/// Calls again and again, dropping each call after so many polls, until one of them completes.
macro_rules! insist {
    ($polls:expr, $call:expr) => {
        loop {
            if let Some(done) = poll_times(pin!($call), $polls).await {
                break done;
            }
        }
    };
}

#[tokio::test(start_paused = true)]
async fn expectations_that_are_dropped_keep_what_has_arrived() -> Result<(), PeerError> {
    let script = [
        HEAD,
        &RawFrame::text("any").encode(),
        &RawFrame::binary("this").masked([1, 2, 3, 4]).encode(),
        &RawFrame::close(1000, "bye").encode(),
    ]
    .concat();
    for polls in 1..8 {
        let (near, mut far) = tokio::io::duplex(1);
        let bytes = script.clone();
        let writer = tokio::spawn(async move { far.write_all(&bytes).await });
        let mut peer = RawPeer::new(near);
        assert_eq!(insist!(polls, peer.expect_head())?.as_bytes(), HEAD);
        assert_eq!(&insist!(polls, peer.next_frame())?.payload[..], b"any");
        insist!(polls, peer.expect(&RawFrame::binary("this")))?;
        insist!(polls, peer.expect_close(Some(1000)))?;
        insist!(polls, peer.expect_end())?;
        writer.await.unwrap().unwrap();
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_half_close_that_is_dropped_is_gone_on_with_by_the_next_call() {
    for polls in 0..3 {
        let (near, mut far) = tokio::io::duplex(1);
        let mut peer = RawPeer::new(near);
        let done = poll_times(pin!(peer.half_close()), polls).await.is_some();
        assert_eq!(done, polls > 0, "a pipe does not wait for that");
        peer.half_close().await.unwrap();
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
    }
}

/// Drops `act` ever later until it completes, and checks that what the other end got is a part of `whole` from its
/// beginning on, and more of it the later.
async fn sends_a_part(whole: &[u8], act: impl AsyncFn(&mut RawPeer<DuplexStream>) -> Result<(), PeerError>) {
    let mut most = 0;
    for polls in 0.. {
        let (near, mut far) = tokio::io::duplex(1);
        let mut peer = RawPeer::new(near);
        let mut sent = Vec::new();
        let done = {
            let mut acting = pin!(act(&mut peer));
            loop_reading(acting.as_mut(), polls, &mut far, &mut sent).await
        };
        drop(peer);
        far.read_to_end(&mut sent).await.unwrap();
        let shown = sent.len().min(whole.len());
        assert_eq!(sent[..shown], whole[..shown], "after {polls} polls");
        assert!(
            sent.len() >= most,
            "{} after {polls} polls, {most} before",
            sent.len()
        );
        most = sent.len();
        if done {
            assert!(
                most >= whole.len() && polls >= whole.len(),
                "{most} bytes, {polls} polls"
            );
            return;
        }
        if most == 0 {
            assert!(polls < 2, "nothing was sent");
        }
    }
}

/// Polls so many times, reading a byte from the other end after each.
async fn loop_reading<F: Future<Output = Result<(), PeerError>>>(
    mut acting: std::pin::Pin<&mut F>,
    polls: usize,
    far: &mut DuplexStream,
    sent: &mut Vec<u8>,
) -> bool {
    for _ in 0..polls {
        if let Some(done) = poll_times(acting.as_mut(), 1).await {
            // Of a handshake the answer never comes.
            return done.is_ok();
        }
        let mut byte = [0];
        if poll_times(pin!(far.read_exact(&mut byte)), 1).await.is_some() {
            sent.extend(byte);
        }
    }
    false
}

#[tokio::test(start_paused = true)]
async fn sends_that_are_dropped_have_sent_a_part() {
    let frame = RawFrame::text("a frame of some length").masked([1, 2, 3, 4]);
    let bytes = frame.encode();
    sends_a_part(&bytes, async |peer| peer.send_bytes(&bytes).await).await;
    sends_a_part(&bytes, async |peer| peer.send(&frame).await).await;
    sends_a_part(&bytes, async |peer| peer.send_chopped(&bytes, 3).await).await;
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_are_dropped_have_sent_a_part() {
    for polls in 0.. {
        let (client, server) = tokio::io::duplex(1);
        let (mut client, mut server) = (RawPeer::new(client), RawPeer::new(server));
        let done = {
            let mut asking = pin!(client.request_upgrade("ws://localhost/chat", &["a"]));
            let mut answering = pin!(server.accept_upgrade(Some("a")));
            let (mut asked, mut answered) = (false, false);
            for _ in 0..polls {
                if !asked {
                    let chosen = poll_times(asking.as_mut(), 1).await;
                    asked = chosen.is_some_and(|chosen| chosen.unwrap().as_deref() == Some("a"));
                }
                if !answered {
                    let request = poll_times(answering.as_mut(), 1).await;
                    answered = request.is_some_and(|it| it.unwrap().request().uri().path() == "/chat");
                }
            }
            asked && answered
        };
        // Whatever was dropped, the streams are whole: what comes next is the rest of nothing, then the end.
        let (client, _) = client.into_inner();
        drop(client);
        let (mut server, received) = server.into_inner();
        let mut rest = received.to_vec();
        server.read_to_end(&mut rest).await.unwrap();
        if done {
            assert!(rest.is_empty() && polls > 100, "{polls} polls");
            return;
        }
        let shown = rest.len().min(4);
        assert_eq!(rest[..shown], b"GET "[..shown], "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_that_is_dropped_ends_the_stream_where_it_was() {
    let script = FrameScript::new()
        .send(RawFrame::text("first"))
        .send(RawFrame::text("second"))
        .expect(RawFrame::text("never"));
    let whole = [
        RawFrame::text("first").encode(),
        RawFrame::text("second").encode(),
    ]
    .concat();
    for polls in 0..whole.len() * 3 {
        let (near, mut far) = tokio::io::duplex(1);
        let running = script.clone().run(near);
        let reading = async {
            let mut sent = Vec::new();
            far.read_to_end(&mut sent).await.map(|_| sent)
        };
        let (run, sent) = tokio::join!(
            async { poll_times(pin!(running), polls).await.is_some() },
            reading
        );
        let sent = sent.unwrap();
        assert!(!run && whole.starts_with(&sent), "{sent:?} after {polls} polls");
        assert_eq!(sent.is_empty(), polls == 0);
    }
}
