//! `ws-testkit attack` as a program: verdicts, exit codes, the JSON report against its documentation.

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use ws_testkit::{Protocol, RawFrame, RawPeer, TestServer};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-testkit"));
    command
        .arg("attack")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn attack(arguments: &[&str]) -> Ran {
    let output = command(arguments).output().await.unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server of raw frames, and its URL.
async fn server<F>(behave: impl Fn(RawPeer<TcpStream>) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(RawPeer::new(stream)));
        }
    });
    url
}

/// Sends every frame back, whatever it is, and ends after a Close frame.
async fn credulous(mut peer: RawPeer<TcpStream>, subprotocol: Option<&str>) {
    if peer.accept_upgrade(subprotocol).await.is_err() {
        return;
    }
    while let Ok(frame) = peer.next_frame().await {
        let closes = frame.opcode == 8;
        let frame = RawFrame { mask: None, ..frame };
        if peer.send(&frame).await.is_err() || closes {
            return;
        }
    }
}

async fn ours() -> (TestServer, String) {
    let server = TestServer::bind("127.0.0.1:0")
        .default_protocol(Protocol::Assemble)
        .start()
        .await
        .unwrap();
    let url = format!("ws://{}/", server.local_addr());
    (server, url)
}

#[tokio::test]
async fn a_server_that_does_as_it_must_passes_with_exit_code_0() {
    let (_server, url) = ours().await;
    let ran = attack(&["--case", "C01", "--case", "F05", &url]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("C01 pass a close payload of one byte\n"));
    assert_eq!(ran.last_line(), "11 cases: 11 pass, 0 lax, 0 FAIL");
    let quiet = attack(&["--case", "C01", "-q", &url]).await;
    assert_eq!(quiet.stdout, "1 cases: 1 pass, 0 lax, 0 FAIL\n");
}

#[tokio::test]
async fn a_server_that_takes_what_it_must_refuse_fails_with_exit_code_1() {
    let url = server(|peer| credulous(peer, None)).await;
    let ran = attack(&["--case", "F01", "--case", "F03", "--case", "F26", &url]).await;
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout
            .contains("F01 FAIL an unmasked frame: taken: a message came back\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("F03 FAIL RSV1 on text: taken"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.last_line(), "18 cases: 14 pass, 0 lax, 4 FAIL");
    let quiet = attack(&["--case", "F01", "--case", "F26", "--quiet", &url]).await;
    assert_eq!(quiet.stdout.lines().count(), 2, "{}", quiet.stdout);
}

#[tokio::test]
async fn a_server_that_drops_without_a_word_is_lax_and_that_is_exit_code_1() {
    let url = server(|mut peer| async move {
        if peer.accept_upgrade(None).await.is_err() {
            return;
        }
        while let Ok(frame) = peer.next_frame().await {
            let legal = frame.mask.is_some() && frame.rsv == 0;
            let closes = frame.opcode == 8;
            let frame = RawFrame { mask: None, ..frame };
            if !legal || peer.send(&frame).await.is_err() || closes {
                return;
            }
        }
    })
    .await;
    let ran = attack(&["--case", "F01", &url]).await;
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.last_line(),
        "1 cases: 0 pass, 1 lax, 0 FAIL",
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.starts_with("F01 lax "), "{}", ran.stdout);
}

#[tokio::test]
async fn the_subprotocol_of_p_is_offered_in_every_good_handshake() {
    let url = server(|peer| credulous(peer, Some("chat.example"))).await;
    let ran = attack(&["-P", "chat.example", "--case", "F26", "--timeout", "60", &url]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let without = attack(&["--case", "F26", &url]).await;
    assert_eq!(without.code, Some(4), "{}", without.stderr);
    assert!(without.stdout.is_empty());
}

#[tokio::test]
async fn without_a_report_the_exit_code_says_why_and_stdout_is_empty() {
    let unused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("ws://{}/", listener.local_addr().unwrap())
    };
    let silent = server(|mut peer| async move {
        let _ = peer.accept_upgrade(None).await;
        while peer.next_frame().await.is_ok() {}
    })
    .await;
    for (arguments, code, words) in [
        (&["--timeout", "1", &silent][..], 4, "cannot converse"),
        (&[&unused], 3, "no TCP connection"),
        (&["wss://127.0.0.1:1/"], 2, "only ws://"),
        (&["http://127.0.0.1:1/"], 2, "URL"),
        (&["--case", "X", &unused], 2, "no case"),
        (&["--largest", "1", &unused], 2, "--largest"),
        (&[], 2, "URL"),
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = attack(&[json, arguments].concat()).await;
            assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
            assert!(ran.stdout.is_empty(), "{arguments:?}: {}", ran.stdout);
            assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_attack_has_no_report_and_exit_code_130() {
    // Accepts and says nothing: the attack waits.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let child = command(&["--timeout", "600", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().unwrap().to_string();
    // It has its signal handlers before it connects.
    let (_stream, _) = listener.accept().await.unwrap();
    let killed = Command::new("kill").args(["-s", "INT", &pid]).status().await;
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn json_is_all_of_stdout_and_has_exactly_the_documented_fields() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ATTACK-JSON.md");
    let document = std::fs::read_to_string(document).unwrap();
    let documented: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0))
        .collect();

    let url = server(|peer| credulous(peer, None)).await;
    let ran = attack(&["--json", "--case", "F01", "--case", "F26", &url]).await;
    assert_eq!(ran.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let cases = json["cases"].as_array().unwrap();
    let mut emitted: BTreeSet<String> = json.as_object().unwrap().keys().cloned().collect();
    for case in cases {
        let fields = case.as_object().unwrap();
        emitted.extend(fields.keys().map(|field| format!("cases[].{field}")));
    }
    let emitted: BTreeSet<&str> = emitted.iter().map(String::as_str).collect();
    assert_eq!(emitted, documented);

    assert_eq!(json["url"], url.as_str());
    assert!(document.contains(json["schema"].as_str().unwrap()));
    assert_eq!(
        (&json["passed"], &json["lax"], &json["failed"]),
        (&14.into(), &0.into(), &1.into())
    );
    assert_eq!(cases.len(), 15);
    assert_eq!(
        (&cases[0]["id"], &cases[0]["verdict"]),
        (&"F01".into(), &"fail".into())
    );
    assert_eq!(cases[0]["found"], "taken: a message came back");
    assert_eq!(
        (&cases[1]["verdict"], &cases[1]["found"]),
        (&"pass".into(), &serde_json::Value::Null)
    );
}
