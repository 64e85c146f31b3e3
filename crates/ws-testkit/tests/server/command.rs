//! `ws-testkit server` as a program: first line, options, exit codes, signals.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use crate::wire::{CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, frame};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-testkit"));
    command
        .arg("server")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub(crate) async fn output(arguments: &[&str]) -> Output {
    command(arguments).output().await.expect("the program runs")
}

/// A running server and what it said first.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    first_line: String,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn start(arguments: &[&str]) -> Running {
    let mut child = command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
    let mut first_line = String::new();
    stdout.read_line(&mut first_line).await.expect("a first line");
    let address = first_line
        .strip_prefix("listening on ws://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_else(|| panic!("{first_line:?}"))
        .0;
    Running {
        child,
        stdout,
        address: address.parse().expect("an address"),
        first_line,
    }
}

#[cfg(unix)]
impl Running {
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("running").to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .await
            .expect("kill");
        assert!(status.success());
    }

    /// Exit code, the rest of stdout, all of stderr.
    pub(crate) async fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).await.expect("stdout");
        let stderr = self.child.stderr.as_mut().expect("stderr");
        stderr.read_to_string(&mut err).await.expect("stderr");
        (self.child.wait().await.expect("an end").code(), out, err)
    }
}

#[tokio::test]
async fn the_first_line_says_where_the_server_listens() {
    let server = start(&["--port", "0"]).await;
    let address = server.address;
    assert_eq!(
        server.first_line,
        format!("listening on ws://{address}/ (page: http://{address}/)\n")
    );
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    Wire::open(address, Some("echo")).await.close().await;
}

#[tokio::test]
async fn ipv6_addresses_stand_in_brackets() {
    if tokio::net::TcpListener::bind("[::1]:0").await.is_err() {
        return; // No IPv6 on this machine.
    }
    for host in ["::1", "[::1]"] {
        let server = start(&["--host", host, "-p", "0"]).await;
        assert!(
            server.first_line.starts_with("listening on ws://[::1]:"),
            "{}",
            server.first_line
        );
        assert!(
            server.first_line.contains("(page: http://[::1]:"),
            "{}",
            server.first_line
        );
        Wire::open(server.address, None).await.close().await;
    }
}

#[tokio::test]
async fn an_address_in_use_or_unknown_is_exit_code_3() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a listener");
    let port = taken.local_addr().expect("an address").port().to_string();
    for arguments in [["-p", &port, "--workers", "1"], ["-p", &port, "--workers", "2"]] {
        let output = output(&arguments).await;
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains(&port));
    }
    let nowhere = output(&["--host", "no-such-host.invalid", "-p", "0"]).await;
    assert_eq!(nowhere.status.code(), Some(3));
}

#[tokio::test]
async fn usage_errors_are_exit_code_2() {
    for arguments in [
        &["--no-such-option"][..],
        &["--port", "65536"],
        &["--workers", "0"],
        &["--workers", "many"],
        &["--default-protocol", "soap"],
        &["--shutdown-timeout", "-1"],
        &["--max-message-size", "-1"],
        &["--docroot", "/no/such/directory"],
        &["word"],
    ] {
        let output = output(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let nothing = Command::new(env!("CARGO_BIN_EXE_ws-testkit"))
        .output()
        .await
        .expect("the program runs");
    assert_eq!(nothing.status.code(), Some(2));
}

#[tokio::test]
async fn help_tells_options_defaults_and_units() {
    for flag in ["-h", "--help"] {
        let output = output(&[flag]).await;
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        for part in [
            "--host <HOST>",
            "[default: 127.0.0.1]",
            "-p, --port",
            "[default: 8080]",
            "-v, --verbose",
            "-d, --docroot",
            "--default-protocol",
            "[default: silent]",
            "--workers",
            "[default: any origin]",
            "--shutdown-timeout <SECS>",
            "[default: 30]",
            "--max-frame-size <BYTES>",
            "[default: 16777216]",
            "[default: 131072]",
            "[default: off]",
        ] {
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(part), "{flag}: {part} is missing in\n{help}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn either_signal_closes_with_1001_and_exits_0() {
    for signal in ["TERM", "INT"] {
        let server = start(&["-p", "0"]).await;
        let mut wire = Wire::open(server.address, Some("echo")).await;
        server.signal(signal).await;
        let close = wire.receive().await;
        assert_eq!(
            (close.opcode, &close.payload[..2]),
            (CLOSE, &1001_u16.to_be_bytes()[..])
        );
        wire.send(true, CLOSE, 1001_u16.to_be_bytes()).await;
        assert_eq!(wire.read_to_end().await, b"");
        let (code, out, err) = server.end().await;
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""), "{signal}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_shutdown_timeout_ends_the_wait_for_a_deaf_peer() {
    let server = start(&["-p", "0", "--shutdown-timeout", "0.2"]).await;
    let mut wire = Wire::open(server.address, None).await;
    server.signal("TERM").await;
    assert_eq!(wire.receive().await.opcode, CLOSE);
    // No answer to the close frame is ever sent.
    let (code, ..) = server.end().await;
    assert_eq!(code, Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_exits_130_at_once() {
    for workers in ["1", "2"] {
        let server = start(&["-p", "0", "--shutdown-timeout", "3600", "--workers", workers]).await;
        let mut wire = Wire::open(server.address, None).await;
        server.signal("TERM").await;
        // The close frame shows that the first signal was taken; it is never answered.
        assert_eq!(wire.receive().await.opcode, CLOSE);
        server.signal("INT").await;
        let (code, ..) = server.end().await;
        assert_eq!(code, Some(130), "{workers} workers");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn verbose_is_one_line_for_each_open_frame_message_and_close() {
    let server = start(&["-v", "-p", "0"]).await;
    let mut wire = Wire::open(server.address, Some("echo-assemble")).await;
    wire.send(false, TEXT, "a\x1b").await;
    wire.send(true, PING, "p").await;
    wire.send(true, CONTINUATION, "b").await;
    assert_eq!(wire.receive().await, frame(true, PONG, "p"));
    assert_eq!(wire.receive().await, frame(true, TEXT, "a\x1bb"));
    wire.close().await;
    server.signal("TERM").await;
    let (code, out, err) = server.end().await;
    assert_eq!((code, out.as_str()), (Some(0), ""));
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 6, "{err}");
    assert!(lines[0].starts_with("#1 open 127.0.0.1:"), "{err}");
    assert!(
        lines[0].ends_with(" / as org.ietf.websocket.test-echo-assemble, subprotocol echo-assemble"),
        "{err}"
    );
    assert_eq!(
        lines[1..],
        [
            r#"#1 frame Text more 2 bytes "a\x1b""#,
            r#"#1 frame Ping fin 1 bytes "p""#,
            r#"#1 frame Continuation fin 1 bytes "b""#,
            "#1 message Text 3 bytes in 2 frames",
            r#"#1 close 1000 """#,
        ]
    );
}

#[tokio::test]
async fn several_workers_share_the_broadcast_group() {
    let server = start(&["-p", "0", "--workers", "2"]).await;
    let mut everybody = Vec::new();
    for _ in 0..16 {
        let mut wire = Wire::open(server.address, Some("echo-broadcast")).await;
        wire.send(true, PING, "").await;
        assert_eq!(wire.receive().await, frame(true, PONG, ""));
        everybody.push(wire);
    }
    everybody[3].send(true, TEXT, "across").await;
    for wire in &mut everybody {
        assert_eq!(wire.receive().await, frame(true, TEXT, "across"));
    }
}
