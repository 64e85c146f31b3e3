//! Whole runs: a client's, an attack, and the cases of a fuzzing server.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use ws_testkit::{
    AttackOptions, AttackRun, AutobahnOptions, AutobahnRun, AutobahnSummary, ClientOptions, ClientRun,
    ExitStatus, PeerError, Protocol, RawFrame, RawPeer, TestServer,
};

use crate::{all_gone, counts, poll_times, started};

#[tokio::test]
async fn a_run_that_is_dropped_leaves_no_connection() {
    let (server, url) = started(TestServer::bind("127.0.0.1:0")).await;
    for protocols in [vec!["echo".to_owned()], Vec::new()] {
        for until in [false, true] {
            for polls in counts() {
                let mut options = ClientOptions::new(&url);
                options.protocols = protocols.clone();
                (options.clients, options.count, options.delay) = (3, 2, Duration::ZERO);
                let run = ClientRun::new(options);
                let summary = if until {
                    poll_times(pin!(run.run_until(pending())), polls).await
                } else {
                    poll_times(pin!(run.run()), polls).await
                };
                if let Some(summary) = summary {
                    let summary = summary.unwrap();
                    assert_eq!(summary.status(), ExitStatus::Success, "{summary:?}");
                    assert!(polls > 3, "there was nothing to wait for");
                    break;
                }
            }
            all_gone(&server).await;
        }
    }
}

#[tokio::test]
async fn an_attack_that_is_dropped_leaves_no_connection() {
    let builder = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Assemble);
    let (server, url) = started(builder).await;
    let mut options = AttackOptions::new(&url);
    options.only = vec!["C02".to_owned()];
    let attack = AttackRun::new(options).unwrap();
    for over in [false, true] {
        for polls in counts() {
            let report = if over {
                let dial = async || TcpStream::connect(server.local_addr()).await;
                poll_times(pin!(attack.run_over(dial, |_| {})), polls).await
            } else {
                poll_times(pin!(attack.run(|_| {})), polls).await
            };
            if let Some(report) = report {
                let report = report.unwrap();
                assert_eq!((report.passed(), report.failed()), (attack.cases(), 0));
                assert!(polls > 3, "there was nothing to wait for");
                break;
            }
        }
        all_gone(&server).await;
    }
}

/// A fuzzing server with one case. Whoever holds a clone of `open` has a connection.
async fn fuzzing_server(open: Arc<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let open = Arc::clone(&open);
            tokio::spawn(async move {
                // An error is a client that has left.
                let _left = play(RawPeer::new(stream)).await;
                drop(open);
            });
        }
    });
    url
}

async fn play(mut peer: RawPeer<TcpStream>) -> Result<(), PeerError> {
    let request = peer.accept_upgrade(None).await?;
    match request.request().uri().path() {
        "/getCaseCount" => peer.send(&RawFrame::text("1")).await?,
        "/runCase" => {
            peer.send(&RawFrame::text("echo this")).await?;
            peer.expect(&RawFrame::text("echo this")).await?;
        }
        _ => {}
    }
    peer.send(&RawFrame::close(1000, "")).await?;
    peer.expect_close(Some(1000)).await.map(drop)
}

#[tokio::test]
async fn a_fuzzing_run_that_is_dropped_leaves_no_connection_and_can_be_run_again() {
    let open = Arc::new(());
    let url = fuzzing_server(Arc::clone(&open)).await;
    let run = AutobahnRun::new(AutobahnOptions::new(url, "me"));
    for polls in counts() {
        let summary = poll_times(pin!(run.run_until(pending(), |_, _| {})), polls).await;
        if let Some(summary) = summary {
            let all = AutobahnSummary {
                cases: 1,
                completed: 1,
                ..AutobahnSummary::default()
            };
            assert_eq!(summary.unwrap(), all);
            assert!(polls > 3, "there was nothing to wait for");
            break;
        }
    }
    // One is the listener's, one is ours.
    while Arc::strong_count(&open) > 2 {
        tokio::task::yield_now().await;
    }
}

/// The children of this thread, which started all that its runtime did.
#[cfg(target_os = "linux")]
fn children() -> String {
    std::fs::read_to_string("/proc/thread-self/children").unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_soak_that_is_dropped_kills_its_server() {
    use ws_testkit::{SoakOptions, SoakRun, SoakShape};

    for polls in [0, 1, 2, 10, 100, 1_000] {
        let mut options = SoakOptions::new(env!("CARGO_BIN_EXE_ws-testkit"));
        (options.shapes, options.quick, options.scale) = (vec![SoakShape::Idle], true, 0.01);
        let mut begun = 0;
        {
            let run = SoakRun::new(options).unwrap();
            let mut running = pin!(run.run(|_| begun += 1, |_| {}));
            assert!(poll_times(running.as_mut(), polls).await.is_none());
            assert_eq!(children().is_empty(), polls == 0, "after {polls} polls");
        }
        assert_eq!(begun, usize::from(polls > 0));
        let killed = async {
            while !children().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), killed).await;
        assert!(in_time.is_ok(), "{} lives on after {polls} polls", children());
    }
}
