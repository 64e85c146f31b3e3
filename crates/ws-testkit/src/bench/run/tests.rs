//! Runs against the test server, and against servers that lie, close or say nothing.

mod deflate;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use ws_handler::{ExtensionRegistry, RequestHead, ServerHandshake, encode_response};
use ws_proto::DeflateConfig;

use super::*;
use crate::bench::measured::Trouble;
use crate::bench::options::Payload;
use crate::peer::{RawFrame, RawPeer};
use crate::stats::ExitStatus;
use crate::{Happening, Protocol, TestServer};

/// A small closed loop with counted messages.
pub(in crate::bench) fn options(url: &str) -> BenchOptions {
    BenchOptions {
        url: url.into(),
        protocol: None,
        deflate: None,
        tcp: false,
        load: Load::Closed,
        until: Until::Count(100),
        connections: 3,
        pipeline: 1,
        size: 20,
        payload: Payload::Text,
        fragments: 1,
        verify: false,
        threads: 1,
        timeout: Duration::from_secs(20),
        pid: None,
        sleeps: false,
    }
}

fn time(milliseconds: u64) -> Until {
    Until::Time {
        warm_up: Duration::from_millis(20),
        measured: Duration::from_millis(milliseconds),
    }
}

async fn finish(options: BenchOptions) -> Report {
    run(options, std::future::pending(), |_| ()).await.unwrap()
}

/// An echo server and the number of messages that it has seen.
async fn echo_server() -> (TestServer, String, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let server = TestServer::bind("127.0.0.1:0")
        .default_protocol(Protocol::Assemble)
        .observe(move |what| {
            if matches!(what.what, Happening::Message { .. }) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
        .start()
        .await
        .unwrap();
    let url = format!("ws://{}/", server.local_addr());
    (server, url, seen)
}

/// From a frame and its number on the connection to the answers.
type Lie = fn(RawFrame, usize) -> Vec<RawFrame>;

/// A server that answers each frame but Close with what `answer` makes of it. The first connection only probes.
async fn liar(answer: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(lie(RawPeer::new(stream), answer));
        }
    });
    url
}

async fn lie(mut peer: RawPeer<TcpStream>, answer: Lie) {
    if peer.accept_upgrade(None).await.is_err() {
        return;
    }
    let mut number = 0;
    while let Ok(frame) = peer.next_frame().await {
        let frame = RawFrame { mask: None, ..frame };
        let is_close = frame.opcode == 0x8;
        let answers = if is_close {
            vec![frame]
        } else {
            answer(frame, number)
        };
        number += 1;
        for answer in answers {
            if peer.send(&answer).await.is_err() {
                return;
            }
        }
        if is_close {
            return;
        }
    }
}

#[tokio::test]
async fn counts_are_exact_on_both_sides() {
    let (_server, url, seen) = echo_server().await;
    for (pipeline, threads, connections) in [(1, 1, 3), (4, 1, 3), (16, 2, 5), (1, 7, 2)] {
        let mut options = options(&url);
        (options.pipeline, options.threads, options.connections) = (pipeline, threads, connections);
        let before = seen.load(Ordering::Relaxed);
        let report = finish(options).await;
        let wanted = 100 * connections as u64;
        assert_eq!(report.trouble, None);
        assert_eq!(
            (report.answered, report.achieved, report.times.count()),
            (wanted, wanted, wanted)
        );
        assert_eq!((report.opened, report.lost), (connections as u64, 0));
        assert_eq!(seen.load(Ordering::Relaxed) - before, wanted as usize);
        assert_eq!(report.status(), ExitStatus::Success);
    }
}

#[tokio::test]
async fn a_bare_echo_is_counted_message_by_message() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                // After so many bytes it lies.
                let mut truth = (&mut reader).take(20_000);
                // Who sees the lie closes at once.
                drop(tokio::io::copy(&mut truth, &mut writer).await);
                if reader.read_u8().await.is_ok() {
                    drop(writer.write_all(&[0, 1, 2]).await);
                    drop(tokio::io::copy(&mut reader, &mut tokio::io::sink()).await);
                }
            });
        }
    });
    for pipeline in [1, 3] {
        let mut options = options(&url);
        (options.tcp, options.pipeline, options.verify) = (true, pipeline, true);
        let report = finish(options.clone()).await;
        assert_eq!((report.trouble, report.answered), (None, 300));
        options.until = Until::Count(1000);
        let report = finish(options).await;
        assert_eq!(report.status(), ExitStatus::WrongAnswer);
    }
}

#[tokio::test]
async fn every_payload_comes_back_whole_or_in_fragments() {
    let (_server, url, _) = echo_server().await;
    for payload in [Payload::Text, Payload::Utf8, Payload::Binary] {
        for (size, fragments) in [(0, 1), (1, 1), (1024, 4), (300_000, 3)] {
            let mut options = options(&url);
            (options.payload, options.size, options.fragments) = (payload, size, fragments);
            (options.until, options.pipeline, options.verify) = (Until::Count(5), 2, true);
            let report = finish(options).await;
            assert_eq!(
                (report.trouble, report.answered),
                (None, 15),
                "{payload:?} {size}"
            );
        }
    }
    // Frames are echoed as they were cut.
    let mut options = options(&url);
    (options.protocol, options.size, options.fragments) = (Some("echo".into()), 50, 4);
    let report = finish(options).await;
    assert_eq!((report.trouble, report.answered), (None, 300));
    assert_eq!(report.protocol.as_deref(), Some("echo"));
}

#[tokio::test]
async fn fan_out_counts_deliveries() {
    let server = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Broadcast);
    let server = server.start().await.unwrap();
    let url = format!("ws://{}/", server.local_addr());
    for pipeline in [1, 3] {
        let mut options = options(&url);
        (options.load, options.connections, options.pipeline) = (Load::FanOut, 20, pipeline);
        (options.until, options.verify) = (Until::Count(10), true);
        let report = finish(options).await;
        assert_eq!((&report.trouble, report.answered, report.lost), (&None, 200, 0));
    }
}

#[tokio::test]
async fn wrong_answers_end_the_run() {
    let lies: [(Lie, &str); 5] = [
        (
            |frame, n| vec![if n == 50 { RawFrame::text("short") } else { frame }],
            "5 bytes instead",
        ),
        (
            |frame, n| {
                vec![if n == 50 {
                    RawFrame::binary(frame.payload)
                } else {
                    frame
                }]
            },
            "Binary",
        ),
        (
            |frame, n| {
                if n == 50 {
                    vec![frame.clone(), frame]
                } else {
                    vec![frame]
                }
            },
            "nobody|differs",
        ),
        (|frame, n| if n == 0 { vec![] } else { vec![frame] }, "differs"),
        (|frame, _| vec![frame.masked([1, 2, 3, 4])], "masked"),
    ];
    for (answer, reason) in lies {
        let mut options = options(&liar(answer).await);
        options.connections = 1;
        // Where an answer is left out, the next one comes in its place.
        options.pipeline = if reason == "differs" { 2 } else { 1 };
        let report = finish(options).await;
        let Some(Trouble::Wrong(what)) = &report.trouble else {
            panic!("{reason}: {:?}", report.trouble);
        };
        let is_told = reason.split('|').any(|reason| what.contains(reason));
        assert!(is_told, "{reason}: {what}");
        assert_eq!(report.status(), ExitStatus::WrongAnswer);
        assert!(report.answered <= 51);
    }
}

#[tokio::test]
async fn a_byte_in_the_middle_counts_with_verify() {
    let url = liar(|frame, _| {
        let mut payload = frame.payload.to_vec();
        payload[50] ^= 1;
        vec![RawFrame::text(payload)]
    })
    .await;
    let mut options = options(&url);
    (options.size, options.until) = (100, Until::Count(3));
    assert_eq!(finish(options.clone()).await.status(), ExitStatus::Success);
    options.verify = true;
    assert_eq!(finish(options).await.status(), ExitStatus::WrongAnswer);
}

#[tokio::test]
async fn pings_are_answered_between_messages() {
    // After every message it asks, and the answer must come before the next one.
    let url = liar(|frame, _| match frame.opcode {
        0xa if frame.payload == "still there?" => vec![],
        0xa => vec![RawFrame::close(1002, "wrong pong")],
        _ => vec![RawFrame::ping("still there?"), frame],
    })
    .await;
    let report = finish(options(&url)).await;
    assert_eq!((report.trouble, report.answered), (None, 300));
}

#[tokio::test]
async fn a_close_before_the_end_is_told_with_its_code() {
    let url = liar(|frame, n| {
        vec![if n == 7 {
            RawFrame::close(1001, "bye")
        } else {
            frame
        }]
    })
    .await;
    let report = finish(options(&url)).await;
    let bye = Ending::Closed {
        code: 1001,
        reason: "bye".into(),
    };
    assert_eq!(report.trouble, Some(Trouble::Ended(bye)));
    assert_eq!(report.status(), ExitStatus::ClosedEarly);
}

#[tokio::test]
async fn what_is_never_answered_is_lost() {
    let mut options = options(&liar(|_, _| vec![]).await);
    (options.connections, options.pipeline, options.timeout) = (2, 3, Duration::from_millis(300));
    let report = finish(options).await;
    assert_eq!(report.trouble, Some(Trouble::Ended(Ending::TimedOut)));
    assert_eq!((report.answered, report.lost), (0, 6));
    assert_eq!(report.status(), ExitStatus::WrongAnswer);
}

#[tokio::test]
async fn an_open_loop_means_to_send_as_many_as_asked_for() {
    let (_server, url, _) = echo_server().await;
    for (threads, sleeps) in [(1, false), (2, false), (2, true)] {
        let mut options = options(&url);
        (options.load, options.until, options.threads) = (Load::Open(2000.0), time(100), threads);
        options.sleeps = sleeps;
        (options.connections, options.pipeline) = (4, 8);
        let report = finish(options).await;
        assert_eq!(report.trouble, None);
        // Each thread has a schedule of its own, whose first and last moment may fall on either side.
        assert!(
            report.intended.abs_diff(200) <= threads as u64,
            "{}",
            report.intended
        );
        assert_eq!(report.achieved + report.missed, report.intended);
        assert_eq!((report.times.count(), report.lost), (report.achieved, 0));
    }
}

#[tokio::test]
async fn an_open_loop_tells_what_it_could_not_send() {
    let mut options = options(&liar(|_, _| vec![]).await);
    (options.load, options.connections, options.pipeline) = (Load::Open(1000.0), 2, 3);
    options.until = Until::Time {
        warm_up: Duration::ZERO,
        measured: Duration::from_millis(100),
    };
    options.timeout = Duration::from_millis(300);
    let report = finish(options).await;
    assert_eq!((report.intended, report.achieved), (100, 0));
    assert_eq!((report.lost, report.missed), (6, 94));
    assert_eq!(report.trouble, Some(Trouble::Ended(Ending::TimedOut)));
}

#[tokio::test]
async fn connecting_is_counted_cycle_by_cycle() {
    let (_server, url, seen) = echo_server().await;
    for (threads, load) in [(1, Load::Connect(None)), (3, Load::Connect(Some(1000.0)))] {
        let mut options = options(&url);
        (options.load, options.until, options.threads) = (load, Until::Count(40), threads);
        let report = finish(options).await;
        assert_eq!((report.trouble, report.answered, report.opened), (None, 40, 40));
        assert_eq!(report.times.count(), 40);
    }
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_ends_tcp_without_a_close_frame_completes_no_cycle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut peer = RawPeer::new(stream);
            peer.accept_upgrade(None).await.unwrap();
            peer.next_frame().await.unwrap();
        }
    });
    let mut options = options(&url);
    options.load = Load::Connect(None);
    let report = finish(options).await;
    assert_eq!(
        report.trouble,
        Some(Trouble::Wrong(
            "the server ended TCP without a close frame".into()
        ))
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn idle_connections_are_held_after_their_messages() {
    let (_server, url, seen) = echo_server().await;
    let mut options = options(&url);
    options.pid = Some(std::process::id());
    (options.until, options.connections) = (time(10), 20);
    options.load = Load::Idle(5);
    assert_eq!(finish(options.clone()).await.answered, 100);
    options.load = Load::Idle(1);
    let report = finish(options).await;
    assert_eq!(
        (report.trouble.clone(), report.opened, report.answered),
        (None, 20, 20)
    );
    assert_eq!(seen.load(Ordering::Relaxed), 120);
    assert!(report.idle_bytes().is_some());
    assert!(
        report.server.unwrap().descriptors >= 40,
        "both ends of all connections are here"
    );
}

#[tokio::test]
async fn a_run_that_is_stopped_says_so_and_counts_what_was_done() {
    let (_server, url, _) = echo_server().await;
    let mut options = options(&url);
    options.until = time(3_600_000);
    let report = run(options, tokio::time::sleep(Duration::from_millis(50)), |_| ())
        .await
        .unwrap();
    assert!(report.interrupted);
    assert_eq!((report.status(), report.lost), (ExitStatus::Interrupted, 0));
}

#[tokio::test]
async fn nobody_there_and_nobody_who_speaks_the_protocol() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let report = finish(options(&format!("ws://{unused}/"))).await;
    assert_eq!(report.status(), ExitStatus::NoConnection);
    let (_server, url, _) = echo_server().await;
    let mut options = options(&url);
    options.protocol = Some("chat".into());
    let report = finish(options).await;
    assert_eq!(report.status(), ExitStatus::Refused);
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused_before_anything_is_done() {
    let refused = async |change: fn(&mut BenchOptions)| {
        let mut options = options("ws://127.0.0.1:1/");
        change(&mut options);
        run(options, std::future::pending(), |_| ()).await.unwrap_err()
    };
    assert!(refused(|o| o.connections = 0).await.contains("connections"));
    assert!(refused(|o| o.fragments = 21).await.contains("fragments"));
    assert!(refused(|o| o.pipeline = 1 << 30).await.contains("pipeline"));
    assert!(
        refused(|o| o.url = "wss://localhost/".into())
            .await
            .contains("TLS")
    );
    assert!(refused(|o| o.load = Load::Idle(1)).await.contains("--pid"));
    assert!(refused(|o| o.load = Load::Open(1.0)).await.contains("--count"));
    let both = refused(|o| (o.tcp, o.protocol) = (true, Some("chat".into()))).await;
    assert!(both.contains("--tcp"));
    let both = refused(|o| (o.tcp, o.deflate) = (true, Some(DeflateConfig::default()))).await;
    assert!(both.contains("--deflate"));
    assert!(
        refused(|o| (o.load, o.threads) = (Load::FanOut, 2))
            .await
            .contains("--fan-out")
    );
    assert!(
        refused(|o| o.pid = Some(u32::MAX))
            .await
            .contains("cannot be watched")
    );
}
