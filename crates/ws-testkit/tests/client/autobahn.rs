//! `ws-testkit autobahn` against a small fuzzing server on loopback.

use std::process::{Output, Stdio};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::mpsc;
use ws_testkit::{LengthForm, PeerError, RawFrame, RawPeer};

async fn autobahn(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-testkit"));
    command
        .arg("autobahn")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

/// Serves connections one after the other, and tells the target of each and whether its script was fulfilled.
async fn fuzzing_server() -> (String, mpsc::UnboundedReceiver<(String, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut peer = RawPeer::new(stream);
            let request = peer.accept_upgrade(None).await.unwrap();
            let target = request.request().uri().to_string();
            let fulfilled = serve(&mut peer, &target).await;
            sender.send((target, fulfilled.is_ok())).unwrap();
        }
    });
    (url, requests)
}

async fn serve(peer: &mut RawPeer<TcpStream>, target: &str) -> Result<(), PeerError> {
    let case = target.split(['=', '&']).nth(1);
    match (target.split('?').next(), case) {
        (Some("/getCaseCount"), _) => {
            peer.send(&RawFrame::text("3")).await?;
            close(peer).await
        }
        (Some("/runCase"), Some("1")) => {
            let long = vec![7; 70_000];
            peer.send(&RawFrame::binary(long[..10].to_vec()).unfinished())
                .await?;
            peer.send(&RawFrame::ping("between")).await?;
            peer.send(&RawFrame::continuation(long[10..].to_vec())).await?;
            peer.expect(&RawFrame::pong("between")).await?;
            peer.expect(&RawFrame::binary(long)).await?;
            peer.send(&RawFrame::text("")).await?;
            peer.expect(&RawFrame::text("")).await?;
            close(peer).await
        }
        (Some("/runCase"), Some("2")) => {
            peer.send(&RawFrame::text("x").length_as(LengthForm::Bits16))
                .await?;
            peer.expect_close(Some(1002)).await?;
            peer.half_close().await
        }
        // Falls silent with the connection open.
        (Some("/runCase"), Some("3")) => {
            let _ = peer.next_frame().await;
            Ok(())
        }
        _ => close(peer).await,
    }
}

async fn close(peer: &mut RawPeer<TcpStream>) -> Result<(), PeerError> {
    peer.send(&RawFrame::close(1000, "")).await?;
    peer.expect_close(Some(1000)).await?;
    Ok(())
}

#[tokio::test]
async fn every_case_is_run_and_the_report_asked_for() {
    let (url, mut requests) = fuzzing_server().await;
    let output = autobahn(&[&url, "--agent", "ours & best", "--timeout", "0.5"]).await;
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout, "2 of 3 cases run\nfell silent: [3]\n");
    assert_eq!(output.status.code(), Some(1), "one case fell silent");
    let mut targets = Vec::new();
    while let Ok((target, fulfilled)) = requests.try_recv() {
        assert!(fulfilled, "{target}");
        targets.push(target);
    }
    let agent = "agent=ours%20%26%20best";
    let case = |number| format!("/runCase?case={number}&{agent}");
    let report = format!("/updateReports?{agent}");
    assert_eq!(
        targets,
        ["/getCaseCount".to_owned(), case(1), case(2), case(3), report]
    );
}

#[tokio::test]
async fn without_a_server_or_with_a_wrong_url_nothing_is_run() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("ws://{unused}");
    for (arguments, code) in [
        (&[&url[..], "--agent", "me"][..], 3),
        (&["wss://localhost", "--agent", "me"], 2),
        (&["localhost", "--agent", "me"], 2),
        (&[&url], 2),
    ] {
        let output = autobahn(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
