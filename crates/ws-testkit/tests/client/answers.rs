//! Answers right, wrong and missing.

use ws_testkit::RawFrame;

use super::{answering, client, echo, pong, quick, server};

#[tokio::test]
async fn right_answers_exit_0() {
    let url = answering(Some("echo"), echo).await;
    let ran = quick(&url, &["-P", "echo", "-s", "10", "-f", "4"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with(&format!("WebSocket ECHO {url} (")),
        "{}",
        ran.stdout
    );
    for (line, sequence) in lines[1..4].iter().zip(1..) {
        let expected = format!("10 bytes from 127.0.0.1: frames=3 seq={sequence} time=");
        assert!(
            line.starts_with(&expected) && line.ends_with("opcode=0x01"),
            "{line}"
        );
    }
    assert_eq!(
        lines[5],
        "--- 127.0.0.1 websocket echo statistics using 1 connection ---"
    );
    assert_eq!(
        lines[6],
        "frames sent/received 9/9, messages sent/received/lost/wrong 3/3/0/0"
    );
    assert!(lines[7].starts_with("elapsed "), "{}", lines[7]);
    assert!(lines[8].starts_with("rtt min/avg/p50/p99/max = "), "{}", lines[8]);
    assert_eq!(lines.len(), 9);

    let quiet = quick(&url, &["-P", "echo", "-q", "-b"]).await;
    assert_eq!(quiet.code, Some(0));
    assert_eq!(
        quiet.stdout.lines().count(),
        6,
        "start, empty line, statistics: {}",
        quiet.stdout
    );
    assert_eq!(quiet.stderr, "");
}

#[tokio::test]
async fn without_a_protocol_it_pings() {
    let url = answering(None, pong).await;
    for size in ["0", "7", "8", "125"] {
        let ran = quick(&url, &["-s", size]).await;
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.starts_with("WebSocket PING "), "{}", ran.stdout);
        assert_eq!(ran.stdout.matches("opcode=0x0a").count(), 3, "{}", ran.stdout);
    }
}

#[tokio::test]
async fn the_ping_request_offers_no_subprotocol_and_carries_the_headers_given() {
    let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let url = server(move |mut peer| {
        let sender = sender.clone();
        async move { sender.send(peer.expect_head().await.unwrap()).unwrap() }
    })
    .await;
    let headers = ["--header", "X-One: 1", "--header", "X-Two:a: b"];
    assert_eq!(quick(&url, &headers).await.code, Some(4));
    let head = heads.recv().await.unwrap().to_ascii_lowercase();
    assert!(!head.contains("sec-websocket-protocol"), "{head}");
    assert!(
        head.contains("\r\nx-one: 1\r\n") && head.contains("\r\nx-two: a: b\r\n"),
        "{head}"
    );

    assert_eq!(quick(&url, &["-P", "echo", "-P", "other"]).await.code, Some(4));
    let head = heads.recv().await.unwrap().to_ascii_lowercase();
    assert!(
        head.contains("\r\nsec-websocket-protocol: echo, other\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn wrong_answers_exit_1() {
    let spoil = |mut frame: RawFrame| {
        let mut payload = frame.payload.to_vec();
        if let Some(last) = payload.last_mut() {
            *last = if *last == b'x' { b'y' } else { b'x' };
        }
        frame.payload = payload.into();
        vec![frame]
    };
    let url = answering(Some("echo"), spoil).await;
    for arguments in [&["-P", "echo", "-b"][..], &["-P", "echo", "-b", "-s", "4"]] {
        let ran = quick(&url, arguments).await;
        assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout.matches("WRONG").count(), 3, "{}", ran.stdout);
        assert!(
            ran.stdout.contains("sent/received/lost/wrong 3/3/0/3"),
            "{}",
            ran.stdout
        );
    }
    let twice = answering(Some("echo"), |frame| vec![frame.clone(), frame]).await;
    assert_eq!(quick(&twice, &["-P", "echo"]).await.code, Some(1));
    let one_frame = answering(Some("echo-fragment"), echo).await;
    let ran = quick(&one_frame, &["-P", "echo-fragment"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout
            .contains("expected 2 frames of 32 and 32 bytes, got 1 frame"),
        "{}",
        ran.stdout
    );
    let spoiled_pong = answering(None, |frame| {
        vec![RawFrame {
            opcode: 0xa,
            payload: "x".into(),
            ..frame
        }]
    })
    .await;
    assert_eq!(quick(&spoiled_pong, &["-s", "1"]).await.code, Some(1));
}

#[tokio::test]
async fn missing_answers_exit_1_at_the_timeout() {
    let silent = |_| vec![];
    let url = answering(Some("echo"), silent).await;
    let ran = client(&["-c", "2", "-d", "0", "--timeout", "0.3", "-P", "echo", &url]).await;
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("sent/received/lost/wrong 2/0/2/0"),
        "{}",
        ran.stdout
    );
    let url = answering(None, silent).await;
    let ran = client(&["-c", "2", "-d", "0", "--timeout", "0.3", &url]).await;
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("no answer for seq=1 within 0.3 s"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("sent/received/lost/wrong 2/0/2/0"),
        "{}",
        ran.stdout
    );
}
