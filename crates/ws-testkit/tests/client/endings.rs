//! Connections that do not come about or do not last, and Ctrl-C.

use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;
use ws_testkit::RawFrame;

use super::{answering, client, echo, pong, quick, server};

#[tokio::test]
async fn no_tcp_connection_exits_3() {
    // Bound and dropped: nobody listens there any more.
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = quick(&format!("ws://{unused}/"), &[]).await;
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("no TCP connection"), "{}", ran.stderr);
    let ran = client(&["--host", "name.invalid"]).await;
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
}

#[tokio::test]
async fn no_valid_101_exits_4_and_tells_the_status() {
    let url = server(|mut peer| async move {
        peer.expect_head().await.unwrap();
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot here\n";
        peer.send_bytes(answer.as_bytes()).await.unwrap();
    })
    .await;
    let ran = quick(&url, &[]).await;
    assert_eq!(ran.code, Some(4));
    assert!(
        ran.stderr.contains("404: Not Found") && ran.stderr.contains("not here"),
        "{}",
        ran.stderr
    );

    let url = answering(None, echo).await;
    let ran = quick(&url, &["-P", "echo"]).await;
    assert_eq!(ran.code, Some(4));
    assert!(
        ran.stderr.contains("none of the offered subprotocols"),
        "{}",
        ran.stderr
    );

    let hangs_up = server(|_| async {}).await;
    assert_eq!(quick(&hangs_up, &[]).await.code, Some(4));
}

#[tokio::test]
async fn a_connection_without_a_subprotocol_in_common_is_closed_properly() {
    let (told, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let url = server(move |mut peer| {
        let told = told.clone();
        async move {
            peer.accept_upgrade(None).await.unwrap();
            let close = peer.expect_close(Some(1000)).await.unwrap();
            peer.send(&RawFrame { mask: None, ..close }).await.unwrap();
            peer.half_close().await.unwrap();
            told.send(peer.expect_end().await.is_ok()).unwrap();
        }
    })
    .await;
    assert_eq!(quick(&url, &["-P", "echo"]).await.code, Some(4));
    assert_eq!(closed.recv().await, Some(true));
}

#[tokio::test]
async fn closing_before_all_answers_exits_5_with_code_and_reason() {
    let closes = |_| vec![RawFrame::close(1013, "come back later")];
    for (subprotocol, arguments) in [(None, &[][..]), (Some("echo"), &["-P", "echo"])] {
        let url = answering(subprotocol, closes).await;
        let ran = quick(&url, arguments).await;
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("1013") && ran.stderr.contains("come back later"),
            "{}",
            ran.stderr
        );
    }
    let drops = server(|mut peer| async move {
        peer.accept_upgrade(Some("echo")).await.unwrap();
        peer.next_frame().await.unwrap();
    })
    .await;
    let ran = quick(&drops, &["-P", "echo"]).await;
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stderr.contains("1006"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_handshake_that_never_ends_exits_6() {
    let url = server(|peer| async move {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        drop(peer);
    })
    .await;
    let ran = client(&["--timeout", "0.3", &url]).await;
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
}

#[tokio::test]
async fn of_several_clients_the_first_of_130_3_4_6_5_1_counts() {
    let counter = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let url = server(move |mut peer| {
        let counter = counter.clone();
        async move {
            peer.accept_upgrade(Some("echo")).await.unwrap();
            let mine = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            while let Ok(frame) = peer.next_frame().await {
                if mine == 0 {
                    return;
                }
                peer.send(&RawFrame::text("wrong")).await.unwrap();
                drop(frame);
            }
        }
    })
    .await;
    let ran = quick(&url, &["-P", "echo", "-C", "2"]).await;
    assert_eq!(ran.code, Some(5), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("client "), "{}", ran.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_prints_the_summary_and_exits_130() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let url = answering(None, pong).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-testkit"));
    let command = command
        .args(["client", "-d", "60000", &url])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut running = command.spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("seq=1") {
            let process = running.id().unwrap().to_string();
            assert!(
                Command::new("kill")
                    .args(["-INT", &process])
                    .status()
                    .await
                    .unwrap()
                    .success()
            );
        }
        seen.push(line);
    }
    assert_eq!(running.wait().await.unwrap().code(), Some(130));
    let all = seen.join("\n");
    assert!(all.contains("messages sent/received/lost/wrong 1/1/0/0"), "{all}");
}
