//! `ws-testkit bench` as a user meets it: the real program against the real server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use ws_testkit::{Protocol, TestServer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ws-testkit");

async fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().await.unwrap()
}

async fn bench(arguments: &[&str]) -> Output {
    output(Command::new(PROGRAM).arg("bench").args(arguments)).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

async fn echo_server() -> (TestServer, String) {
    let server = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Assemble);
    let server = server.start().await.unwrap();
    let url = format!("ws://{}/", server.local_addr());
    (server, url)
}

/// Every path in a JSON value.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    if !at.is_empty() {
        found.insert(at.to_owned());
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let at = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        paths(value, &at, found);
    }
}

#[tokio::test]
async fn json_has_exactly_the_documented_fields() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/BENCH-JSON.md");
    let document = std::fs::read_to_string(document).unwrap();
    let documented: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field.to_owned())
        .collect();

    let (_server, url) = echo_server().await;
    let own = std::process::id().to_string();
    let watch = if cfg!(target_os = "linux") {
        &["--pid", &own][..]
    } else {
        &[]
    };
    let open = [
        "--rate",
        "1000",
        "--seconds",
        "0.05",
        "--warm-up",
        "0.01",
        "--json",
        &url,
    ];
    let ran = bench(&[&open[..], watch].concat()).await;
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let (good, mut emitted) = (json(&ran), BTreeSet::new());
    paths(&good, "", &mut emitted);
    assert_eq!(good["load"], "open");
    assert_eq!(good["rate"]["intended"], 50);
    assert_eq!(good["failure"], Value::Null);
    assert!(document.contains(good["schema"].as_str().unwrap()));

    let ran = bench(&["-P", "chat", "--json", &url]).await;
    assert_eq!(ran.status.code(), Some(4));
    assert!(text(&ran.stderr).contains("subprotocol"), "{}", text(&ran.stderr));
    let bad = json(&ran);
    paths(&bad, "", &mut emitted);
    assert_eq!(
        (&bad["failure"]["ending"], &bad["exit_code"]),
        (&"refused".into(), &4.into())
    );

    // A field that holds others is documented where it may be null.
    emitted.remove("options");
    emitted.remove("latency_ms");
    if cfg!(target_os = "linux") {
        assert_eq!(emitted, documented);
    }
}

#[tokio::test]
async fn text_tells_what_was_done() {
    let (_server, url) = echo_server().await;
    let ran = bench(&[
        "-C",
        "3",
        "--pipeline",
        "2",
        "--count",
        "10",
        "-s",
        "200",
        "-b",
        "-f",
        "2",
        &url,
    ])
    .await;
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), String::new()));
    let stdout = text(&ran.stdout);
    let lines: Vec<_> = stdout.lines().collect();
    let what = format!(
        "WebSocket BENCH {url} closed: 3 connections, 2 in flight, binary of 200 bytes in 2 fragments"
    );
    assert_eq!(lines[0], what);
    assert!(lines[1].starts_with("30 messages answered in "), "{stdout}");
    assert!(
        lines[2].starts_with("latency min/p50/p90/p99/p99.9/max = "),
        "{stdout}"
    );

    assert!(
        lines[3].starts_with("on the wire per message: 212.0 bytes sent, 204.0 received"),
        "{stdout}"
    );
    let ran = bench(&["--deflate=threshold=0", "--count", "5", &url]).await;
    assert!(
        text(&ran.stdout).contains("\ndeflate: not negotiated\n"),
        "{}",
        text(&ran.stdout)
    );

    let ran = bench(&["--connect-rate", "--count", "5", &url]).await;
    assert!(
        text(&ran.stdout).contains("\n5 connects in "),
        "{}",
        text(&ran.stdout)
    );

    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = bench(&[&format!("ws://{unused}/")]).await;
    assert_eq!(ran.status.code(), Some(3));
    assert!(
        text(&ran.stdout).contains("FAILED: no TCP connection"),
        "{}",
        text(&ran.stdout)
    );
}

#[cfg(unix)]
#[tokio::test]
async fn too_few_descriptors_are_told_before_anything_is_done() {
    // Nobody listens there, which is not noticed: nothing is connected.
    let script = format!("ulimit -n 200; exec {PROGRAM} bench -C 150 ws://127.0.0.1:1/");
    let ran = output(Command::new("sh").args(["-c", &script])).await;
    assert_eq!(ran.status.code(), Some(2));
    assert_eq!(text(&ran.stdout), "");
    let stderr = text(&ran.stderr);
    assert!(
        stderr.contains("150 connections need 214 descriptors") && stderr.contains("may open 200"),
        "{stderr}"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn idle_connections_are_held_after_so_many_messages_or_none() {
    let (_server, url) = echo_server().await;
    let own = std::process::id().to_string();
    for (idle, messages) in [("--idle=0", 0), ("--idle", 1), ("--idle=3", 3)] {
        let arguments = ["-C", "20", "--seconds", "0.01", "--pid", &own, "--json"];
        let ran = bench(&[&[url.as_str(), idle], &arguments[..]].concat()).await;
        let report = json(&ran);
        assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
        assert_eq!(report["options"]["idle_after"], messages);
        assert_eq!(
            (&report["opened"], &report["answered"]),
            (&20.into(), &(20 * messages).into())
        );
        assert!(report["idle_bytes_per_connection"].is_number(), "{report}");
    }
}

#[tokio::test]
async fn usage_errors_exit_2_with_the_reason_and_an_empty_stdout() {
    for (arguments, reason) in [
        (&["ws://localhost:1/", "--rate", "0"][..], "above 0"),
        (&["ws://localhost:1/", "--rate", "5", "--idle"], "--idle"),
        (
            &["ws://localhost:1/", "--connect-rate=5", "--rate", "5"],
            "--rate",
        ),
        (&["ws://localhost:1/", "--text", "--binary"], "--binary"),
        (&["ws://localhost:1/", "--deflate=level=10"], "level=10"),
        (&["ws://localhost:1/", "--idle=-1"], "--idle"),
        (&["ws://localhost:1/", "--count", "0"], "--count"),
        (&["ws://localhost:1/", "--fan-out", "--rate", "5"], "--fan-out"),
        (
            &["ws://localhost:1/", "--count", "5", "--seconds", "5"],
            "--seconds",
        ),
        (&["ws://localhost:1/", "--idle"], "--pid"),
        (&["ws://localhost:1/", "-s", "3", "-f", "4"], "fragments"),
        (&["ws://localhost:1/", "-C", "0"], "connections"),
        (&["wss://localhost/"], "TLS"),
        (&[], "URL"),
    ] {
        let ran = bench(&[arguments, &["--json"]].concat()).await;
        let stderr = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
        assert_eq!(text(&ran.stdout), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn help_names_every_option_and_exit_code() {
    let help = text(&bench(&["--help"]).await.stdout);
    for option in [
        "-P, --protocol <NAME>",
        "-C, --connections <N>",
        "--pipeline <N>",
        "-s, --size <BYTES>",
        "--text",
        "-b, --binary",
        "--utf8",
        "-f, --fragments <N>",
        "--verify",
        "--tcp",
        "--rate <PER_SECOND>",
        "--connect-rate[=<PER_SECOND>]",
        "--idle[=<MESSAGES>]",
        "--fan-out",
        "--deflate[=<PARAMS>]",
        "--seconds <SECS>",
        "--warm-up <SECS>",
        "--count <N>",
        "--threads <N>",
        "--pid <PID>",
        "--timeout <SECS>",
        "--json",
    ] {
        assert!(help.contains(option), "{option} is not in {help}");
    }
    for code in ["0", "1", "2", "3", "4", "5", "6", "130"] {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(&format!("{code}  "))),
            "{code}: {help}"
        );
    }
}
