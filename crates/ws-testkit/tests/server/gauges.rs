//! What the server tells about itself: `TestServer::gauges`, `--gauges`, `--journal`.

use std::time::Duration;

use ws_handler::connect;
use ws_proto::{CloseCode, Message};
use ws_testkit::{ServerGauges, TestServer};

#[tokio::test]
async fn gauges_follow_who_comes_and_goes() {
    let server = TestServer::bind("127.0.0.1:0").start().await.expect("a server");
    let url = format!("ws://{}/", server.local_addr());
    let empty = server.gauges();
    assert_eq!((empty.connections, empty.sessions, empty.opened), (0, 0, 0));
    assert_eq!((empty.topics, empty.subscribers, empty.queued_bytes), (0, 0, 0));

    let open = |name: &'static str| connect(&url).subprotocol(name);
    let (mut echo, _) = open("echo").await.expect("an echo");
    let (mut member, _) = open("echo-broadcast").await.expect("a member");
    // An answer each, so both sessions are open and the one is on its topic.
    for socket in [&mut echo, &mut member] {
        socket.send("x").await.expect("sent");
        assert_eq!(socket.recv().await.expect("received"), Some(Message::text("x")));
    }
    let two = server.gauges();
    assert_eq!((two.connections, two.websockets, two.sessions), (2, 2, 2));
    assert_eq!((two.topics, two.subscribers, two.opened), (1, 1, 2));
    assert!(two.tasks >= empty.tasks + 2, "{two:?}");
    if cfg!(target_os = "linux") {
        assert!(
            two.resident_bytes > Some(0) && two.descriptors > Some(2),
            "{two:?}"
        );
    }

    for mut socket in [echo, member] {
        socket.close(CloseCode::NORMAL, "").await.expect("closed");
        assert_eq!(socket.recv().await.expect("the end"), None);
    }
    server.stop(Duration::from_secs(5)).await;
    let after = server.gauges();
    assert_eq!((after.connections, after.websockets, after.sessions), (0, 0, 0));
    assert_eq!((after.topics, after.subscribers, after.opened), (0, 0, 2));
    assert_eq!(after.read_buffers, 0);
}

/// The program prints one line at the start and one at the end at least; other lines are no gauges.
#[cfg(unix)]
#[tokio::test]
async fn the_program_prints_gauges_and_keeps_a_journal() {
    use crate::command::start;

    let name = format!("ws-testkit-journal-{}", std::process::id());
    let journal = std::env::temp_dir().join(name);
    let path = journal.display().to_string();
    let server = start(&["--port", "0", "--gauges", "3600", "--journal", &path]).await;
    let url = format!("ws://{}/", server.address);
    let (mut socket, _) = connect(&url).subprotocol("echo-assemble").await.expect("an echo");
    for text in ["one", "two\nlines"] {
        socket.send(text).await.expect("sent");
        assert_eq!(socket.recv().await.expect("received"), Some(Message::text(text)));
    }
    socket.close(CloseCode::NORMAL, "").await.expect("closed");
    assert_eq!(socket.recv().await.expect("the end"), None);
    server.signal("TERM").await;
    let (code, out, err) = server.end().await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let gauges: Vec<_> = out.lines().filter_map(ServerGauges::from_json).collect();
    assert_eq!(gauges.len(), 2, "{out}");
    assert_eq!((gauges[1].opened, gauges[1].connections), (1, 0));
    let noted = std::fs::read_to_string(&journal).expect("a journal");
    drop(std::fs::remove_file(&journal));
    assert_eq!(noted, "one\ntwo\\nlines\n");
}

/// Whoever started it for its gauges is gone, so nobody would stop it.
#[cfg(unix)]
#[tokio::test]
async fn a_server_whose_gauges_nobody_reads_ends() {
    use crate::command::{Running, start};

    let server = start(&["--port", "0", "--gauges", "0.001"]).await;
    let Running {
        mut child, stdout, ..
    } = server;
    drop(stdout);
    assert!(child.wait().await.expect("an end").success());
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_that_cannot_be_written_is_exit_code_2() {
    let output = crate::command::output(&["--port", "0", "--journal", "/nowhere/journal"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("journal"));
}
