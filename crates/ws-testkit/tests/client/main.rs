//! The client as a user meets it: the real program, and the library types, against servers on loopback, good and bad.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod autobahn;
mod deflate;
mod endings;
mod faulty;
mod json;
mod library;
mod usage;

use std::process::Stdio;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use ws_testkit::{RawFrame, RawPeer};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

async fn client(arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-testkit"));
    let output = command
        .arg("client")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server whose every connection is handled by `behave`, and its URL.
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

/// Accepts with this subprotocol and answers every frame but Close with what `answer` makes of it.
async fn answering(subprotocol: Option<&'static str>, answer: fn(RawFrame) -> Vec<RawFrame>) -> String {
    server(move |mut peer| async move {
        if peer.accept_upgrade(subprotocol).await.is_err() {
            return;
        }
        while let Ok(frame) = peer.next_frame().await {
            let frame = RawFrame { mask: None, ..frame };
            let is_close = frame.opcode == 0x8;
            let answers = if is_close { vec![frame] } else { answer(frame) };
            for answer in answers {
                if peer.send(&answer).await.is_err() {
                    return;
                }
            }
            if is_close {
                return;
            }
        }
    })
    .await
}

fn echo(frame: RawFrame) -> Vec<RawFrame> {
    vec![frame]
}

fn pong(frame: RawFrame) -> Vec<RawFrame> {
    vec![RawFrame { opcode: 0xa, ..frame }]
}

const QUICK: [&str; 6] = ["-d", "0", "-c", "3", "--timeout", "5"];

async fn quick(url: &str, arguments: &[&str]) -> Ran {
    client(&[&QUICK[..], arguments, &[url]].concat()).await
}
