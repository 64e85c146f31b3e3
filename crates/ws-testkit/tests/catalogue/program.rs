//! The server as a program, over TCP: descriptors and threads come back, and a panic costs one connection.
//!
//! `WS_TESTKIT_PROGRAM` names the program to test; `cargo xtask ci --only attack` sets it to the release binary, where panics
//! unwind only because the profile says so.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use ws_testkit::{AttackOptions, AttackRun, RawFrame, RawPeer, Verdict};

const MASK: [u8; 4] = [1, 2, 3, 4];

struct Program {
    child: Child,
    address: String,
}

impl Program {
    async fn start(arguments: &[&str]) -> Self {
        let program = std::env::var("WS_TESTKIT_PROGRAM");
        let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_ws-testkit").to_owned());
        let mut child = Command::new(program)
            .args(["server", "--port", "0", "--panics"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).await.unwrap();
        let address = line
            .split_once("ws://")
            .and_then(|(_, rest)| rest.split_once('/'));
        let address = address.expect("an address").0.to_owned();
        Self { child, address }
    }

    fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    async fn open(&self, protocol: &str) -> RawPeer<TcpStream> {
        let mut peer = RawPeer::new(TcpStream::connect(&self.address).await.unwrap());
        let chosen = peer.request_upgrade(&self.url(), &[protocol]).await.unwrap();
        assert_eq!(chosen.as_deref(), Some(protocol));
        peer
    }

    /// Open descriptors and threads of the process.
    #[cfg(target_os = "linux")]
    fn level(&self) -> (usize, usize) {
        let count = |what: &str| {
            let directory = format!("/proc/{}/{what}", self.child.id().expect("it runs"));
            std::fs::read_dir(directory).unwrap().count()
        };
        (count("fd"), count("task"))
    }

    /// Everything on stderr, once the program has been stopped with SIGTERM and has exited with 0.
    #[cfg(unix)]
    async fn end(mut self) -> String {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .await
            .unwrap();
        assert!(self.child.wait().await.unwrap().success(), "{errors}");
        errors
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_attack_over_tcp_gives_all_descriptors_back_and_panics_nowhere() {
    let arguments = [
        "--default-protocol",
        "echo-assemble",
        "--max-message-size",
        "1048576",
    ];
    let more = [
        "--max-frame-size",
        "1048576",
        "--max-fragments",
        "16384",
        "--deflate",
    ];
    let program = Program::start(&[&arguments[..], &more].concat()).await;
    let mut options = AttackOptions::new(program.url());
    // A loaded machine is no silent server.
    options.timeout = std::time::Duration::from_secs(60);
    let attack = AttackRun::new(options).unwrap();
    // The first connection starts what stays: pools, the timer of the wheel.
    drop(program.open("echo").await);
    let before = settled(&program, None).await;
    let report = attack.run(|_| {}).await.unwrap();
    for case in &report.cases {
        // The test server takes every origin unless it is told some.
        let expected = case.id == "H29" || case.verdict == Verdict::Passed;
        assert!(expected, "{} {}: {:?}", case.id, case.what, case.verdict);
    }
    assert_eq!(settled(&program, Some(before)).await, before);
    let errors = program.end().await;
    assert!(
        !errors.contains("panicked") && !errors.contains("ERROR"),
        "{errors}"
    );
}

/// The level of the program when it is `wanted`, or what it is after many looks at it.
#[cfg(target_os = "linux")]
async fn settled(program: &Program, wanted: Option<(usize, usize)>) -> (usize, usize) {
    let mut last = program.level();
    let mut same = 0;
    for _ in 0..500 {
        // A whole conversation each time: the server has had its turn, however slow the machine is.
        let mut peer = program.open("echo").await;
        peer.send(&RawFrame::close(1000, "").masked(MASK)).await.unwrap();
        peer.expect_close(Some(1000)).await.unwrap();
        peer.expect_end().await.unwrap();
        drop(peer);
        tokio::task::yield_now().await;
        let now = program.level();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if wanted.map_or(same >= 20, |wanted| wanted == now) {
            break;
        }
    }
    last
}

#[cfg(unix)]
#[tokio::test]
async fn w06_a_panic_in_the_program_costs_its_own_connection_only() {
    let program = Program::start(&[]).await;
    #[cfg(target_os = "linux")]
    let before = {
        // The first connection starts what stays.
        drop(program.open("echo").await);
        settled(&program, None).await
    };
    let mut other = program.open("echo").await;
    let mut peer = program.open("ws-testkit-panic").await;
    peer.send(&RawFrame::text("now").masked(MASK)).await.unwrap();
    peer.expect_close(Some(1011)).await.unwrap();
    peer.expect_end().await.unwrap();
    other
        .send(&RawFrame::text("unharmed").masked(MASK))
        .await
        .unwrap();
    other.expect(&RawFrame::text("unharmed")).await.unwrap();
    other.send(&RawFrame::close(1000, "").masked(MASK)).await.unwrap();
    other.expect_close(Some(1000)).await.unwrap();
    drop((peer, other));
    #[cfg(target_os = "linux")]
    assert_eq!(
        settled(&program, Some(before)).await,
        before,
        "descriptors, threads"
    );
    let errors = program.end().await;
    assert_eq!(errors.matches("panicked at").count(), 1, "{errors}");
}
