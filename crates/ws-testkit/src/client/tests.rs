//! The clients' loops against raw peers, in memory and in virtual time.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::Instant;
use ws_handler::{Io, Negotiated, WebSocket};
use ws_proto::{Delivery, MessageKind, Role};

use super::dial::{Opened, config};
use super::messages::exchange;
use super::options::ClientOptions;
use super::ping::pings;
use super::progress::{Progress, Watched};
use super::shared::Shared;
use crate::peer::{RawFrame, RawPeer};
use crate::stats::{Counts, Ending};
use crate::workload::{Recipe, Rule};

const TIMEOUT: Duration = Duration::from_secs(10);
const FOREVER: Duration = Duration::from_secs(100_000);

/// A client's open connection and the server at its other end.
fn connection(buffer: usize) -> (Opened, RawPeer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(buffer);
    let progress = Progress::begin();
    let io = Io::boxed(Watched::new(near, progress.clone()));
    let config = config(&ClientOptions::new(""), Delivery::Fragment);
    let leftover = BytesMut::new();
    let socket = WebSocket::from_upgraded(io, Role::Client, &leftover, Arc::new(config), Negotiated::new());
    let response = http::Response::new(());
    let opened = Opened {
        socket: socket.unwrap(),
        response,
        address: None,
        progress,
    };
    (opened, RawPeer::new(far).within(FOREVER))
}

fn shared(change: impl FnOnce(&mut ClientOptions)) -> (Shared, watch::Sender<bool>) {
    let mut options = ClientOptions::new("ws://localhost/");
    options.timeout = TIMEOUT;
    options.count = 3;
    change(&mut options);
    let recipe = Recipe {
        run: 7,
        kind: MessageKind::Text,
        size: options.size,
    };
    let (stopper, stopped) = watch::channel(false);
    (Shared::new(options, recipe, Arc::new(()), stopped), stopper)
}

fn counts(shared: &Shared) -> Counts {
    shared.totals().counts
}

/// Answers each frame with itself, Close included, and ends the stream after that.
async fn echo(mut peer: RawPeer<DuplexStream>) {
    while let Ok(frame) = peer.next_frame().await {
        let is_close = frame.opcode == 0x8;
        let sent = peer.send(&unmasked(frame)).await;
        if is_close || sent.is_err() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_ping_waits_for_the_pong_or_the_timeout_and_then_the_delay() {
    let (shared, _stopper) = shared(|_| {});
    let (opened, mut peer) = connection(4096);
    let began = Instant::now();
    let server = async {
        let first = peer.next_frame().await.unwrap();
        let mut times = vec![began.elapsed()];
        tokio::time::sleep(Duration::from_secs(3)).await;
        peer.send(&RawFrame::pong(first.payload)).await.unwrap();
        for _ in 0..2 {
            // The second is never answered, the third neither.
            peer.next_frame().await.unwrap();
            times.push(began.elapsed());
        }
        peer.expect_close(Some(1000)).await.unwrap();
        times.push(began.elapsed());
        times.iter().map(Duration::as_secs).collect::<Vec<_>>()
    };
    let (ending, times) = tokio::join!(pings(&shared, opened, 0), server);
    assert_eq!(times, [0, 3 + 1, 4 + 10 + 1, 15 + 10]);
    assert_eq!(ending, Ending::Complete, "what is lost is in the counts");
    let Counts {
        messages_sent,
        messages_received,
        right,
        lost,
        ..
    } = counts(&shared);
    assert_eq!((messages_sent, messages_received, right, lost), (3, 1, 1, 2));
    assert_eq!(
        shared.totals().round_trips.max().map(|time| time.as_secs()),
        Some(3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pong_after_its_timeout_is_late_and_does_not_answer_the_next_ping() {
    let (shared, _stopper) = shared(|options| options.count = 2);
    let (opened, mut peer) = connection(4096);
    let server = async {
        let first = peer.next_frame().await.unwrap();
        let second = peer.next_frame().await.unwrap();
        for ping in [first, second] {
            peer.send(&RawFrame::pong(ping.payload)).await.unwrap();
        }
        peer.expect_close(Some(1000)).await.unwrap();
    };
    tokio::join!(pings(&shared, opened, 0), server);
    let Counts {
        right,
        lost,
        late,
        wrong,
        ..
    } = counts(&shared);
    assert_eq!((right, lost, late, wrong), (1, 1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_delay_longer_than_the_timeout_is_no_stall() {
    for rule in [Rule::Frames, Rule::Broadcast] {
        let (shared, _stopper) = shared(|options| options.delay = 5 * TIMEOUT);
        let (opened, peer) = connection(4096);
        let began = Instant::now();
        let (ending, ()) = tokio::join!(exchange(&shared, opened, 0, rule), echo(peer));
        assert_eq!(ending, Ending::Complete);
        assert_eq!(
            began.elapsed().as_secs(),
            100,
            "ends with the last answer, not with a delay"
        );
        assert_eq!(counts(&shared).right, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn missing_answers_end_the_run_after_the_timeout_without_progress() {
    let (shared, _stopper) = shared(|options| options.delay = Duration::ZERO);
    let (opened, mut peer) = connection(4096);
    let began = Instant::now();
    let server = async {
        let first = peer.next_frame().await.unwrap();
        tokio::time::sleep(Duration::from_secs(6)).await;
        peer.send(&unmasked(first)).await.unwrap();
        for _ in 0..2 {
            peer.next_frame().await.unwrap();
        }
        peer.expect_close(Some(1001)).await.unwrap();
        began.elapsed()
    };
    let (ending, ended) = tokio::join!(exchange(&shared, opened, 0, Rule::Frames), server);
    assert_eq!(ending, Ending::TimedOut);
    assert_eq!(ended.as_secs(), 16);
    let Counts {
        right,
        lost,
        messages_sent,
        ..
    } = counts(&shared);
    assert_eq!((right, lost, messages_sent), (1, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_large_frame_may_take_longer_than_the_timeout_while_its_bytes_move() {
    let (shared, _stopper) = shared(|options| options.count = 1);
    let (opened, mut peer) = connection(4096);
    let server = async {
        let frame = unmasked(peer.next_frame().await.unwrap());
        for byte in frame.encode() {
            tokio::time::sleep(Duration::from_secs(9)).await;
            peer.send_bytes(&[byte]).await.unwrap();
        }
        echo(peer).await;
    };
    let (ending, ()) = tokio::join!(exchange(&shared, opened, 0, Rule::Frames), server);
    assert_eq!(ending, Ending::Complete);
    assert_eq!(counts(&shared).right, 1);
}

#[tokio::test(start_paused = true)]
async fn sending_and_receiving_at_the_same_time_never_block_each_other() {
    let (shared, _stopper) = shared(|options| {
        options.size = 1 << 20;
        options.fragment = 60_000;
        options.delay = Duration::ZERO;
    });
    // The pipe holds far less than a frame, and the server reads nothing while its answer does not fit.
    let (opened, peer) = connection(1024);
    let (ending, ()) = tokio::join!(exchange(&shared, opened, 0, Rule::Frames), echo(peer));
    assert_eq!(ending, Ending::Complete);
    let Counts {
        right,
        frames_sent,
        frames_received,
        ..
    } = counts(&shared);
    assert_eq!((right, frames_sent, frames_received), (3, 54, 54));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_a_stall_too() {
    let (shared, _stopper) = shared(|options| options.size = 1 << 20);
    let (opened, _peer) = connection(1024);
    let ending = exchange(&shared, opened, 0, Rule::Frames).await;
    assert_eq!(ending, Ending::TimedOut);
    let Counts {
        lost, messages_sent, ..
    } = counts(&shared);
    assert_eq!((lost, messages_sent), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_many_is_noticed_while_saying_goodbye() {
    let (shared, _stopper) = shared(|options| options.count = 1);
    let (opened, mut peer) = connection(4096);
    let server = async {
        let frame = unmasked(peer.next_frame().await.unwrap());
        peer.send(&frame).await.unwrap();
        let close = peer.expect_close(Some(1000)).await.unwrap();
        peer.send(&frame).await.unwrap();
        peer.send(&unmasked(close)).await.unwrap();
    };
    let (ending, ()) = tokio::join!(exchange(&shared, opened, 0, Rule::Frames), server);
    assert_eq!(ending, Ending::Complete);
    let Counts { right, wrong, .. } = counts(&shared);
    assert_eq!((right, wrong), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_early_close_tells_code_and_reason() {
    let (shared, _stopper) = shared(|_| {});
    let (opened, mut peer) = connection(4096);
    let server = async {
        peer.next_frame().await.unwrap();
        peer.send(&RawFrame::close(1013, "too slow")).await.unwrap();
        peer.expect_close(Some(1013)).await.unwrap();
    };
    let (ending, ()) = tokio::join!(exchange(&shared, opened, 0, Rule::Frames), server);
    assert_eq!(
        ending,
        Ending::Closed {
            code: 1013,
            reason: "too slow".into()
        }
    );
    assert_eq!(counts(&shared).lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_may_stop_a_run_in_the_middle() {
    let (shared, stopper) = shared(|_| {});
    let (opened, peer) = connection(4096);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stopper.send_replace(true);
    };
    let (ending, (), ()) = tokio::join!(exchange(&shared, opened, 0, Rule::Frames), echo(peer), stop);
    assert_eq!(ending, Ending::Interrupted);
    let Counts { right, lost, .. } = counts(&shared);
    assert_eq!((right, lost), (2, 0), "what was not sent is not lost");
}

/// Two clients of one broadcast group.
async fn broadcast(shared: &Shared, one: Opened, other: Opened) -> (Ending, Ending) {
    tokio::join!(
        exchange(shared, one, 0, Rule::Broadcast),
        exchange(shared, other, 1, Rule::Broadcast)
    )
}

/// What an echo sends back.
fn unmasked(frame: RawFrame) -> RawFrame {
    RawFrame { mask: None, ..frame }
}

/// Sends what comes from `from` to both.
async fn relay(from: &mut RawPeer<DuplexStream>, to: &mut RawPeer<DuplexStream>) {
    let frame = unmasked(from.next_frame().await.unwrap());
    from.send(&frame).await.unwrap();
    to.send(&frame).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn broadcast_clients_get_each_others_messages() {
    let (shared, _stopper) = shared(|options| options.clients = 2);
    let (one, mut one_peer) = connection(4096);
    let (other, mut other_peer) = connection(4096);
    let server = async {
        for _ in 0..3 {
            relay(&mut one_peer, &mut other_peer).await;
            relay(&mut other_peer, &mut one_peer).await;
        }
        tokio::join!(echo(one_peer), echo(other_peer));
    };
    let clients = broadcast(&shared, one, other);
    let (endings, ()) = tokio::join!(clients, server);
    assert_eq!(endings, (Ending::Complete, Ending::Complete));
    let Counts {
        messages_sent,
        right,
        lost,
        ..
    } = counts(&shared);
    assert_eq!((messages_sent, right, lost), (6, 12, 0));
    assert_eq!(shared.totals().round_trips.count(), 6, "own messages are timed");
}

#[tokio::test(start_paused = true)]
async fn what_a_vanished_broadcast_client_never_sent_is_not_waited_for() {
    let (shared, _stopper) = shared(|options| options.clients = 2);
    let (one, mut one_peer) = connection(4096);
    let (other, mut other_peer) = connection(4096);
    let server = async {
        relay(&mut one_peer, &mut other_peer).await;
        relay(&mut other_peer, &mut one_peer).await;
        other_peer.send(&RawFrame::close(1001, "")).await.unwrap();
        tokio::join!(echo(one_peer), echo(other_peer));
    };
    let clients = broadcast(&shared, one, other);
    let ((one, other), ()) = tokio::join!(clients, server);
    assert_eq!(one, Ending::Complete);
    assert_eq!(
        other,
        Ending::Closed {
            code: 1001,
            reason: String::new()
        }
    );
}
