//! The JSON report against its documentation.

use std::collections::BTreeSet;

use tokio::net::TcpListener;
use ws_testkit::RawFrame;

use super::{answering, echo, quick};

/// Every path in a JSON value, with `[]` for whatever is in an array of objects.
fn paths(value: &serde_json::Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let at = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                paths(value, &at, found);
            }
        }
        serde_json::Value::Array(values) => {
            found.insert(at.to_owned());
            for value in values.iter().filter(|value| value.is_object()) {
                paths(value, &format!("{at}[]"), found);
            }
        }
        _ => {
            found.insert(at.to_owned());
        }
    }
}

#[tokio::test]
async fn json_is_all_of_stdout_and_has_exactly_the_documented_fields() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CLIENT-JSON.md");
    let document = std::fs::read_to_string(document).unwrap();
    let documented: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field.to_owned())
        .collect();

    let url = answering(Some("echo"), |_| vec![RawFrame::close(1001, "bye")]).await;
    let ran = quick(&url, &["-P", "echo", "--json"]).await;
    assert_eq!(ran.code, Some(5));
    let json = ran.json();
    let mut emitted = BTreeSet::new();
    paths(&json, "", &mut emitted);
    assert_eq!(emitted, documented);
    assert!(document.contains(json["schema"].as_str().unwrap()));
    assert_eq!(json["exit_code"], 5);
    assert_eq!(json["failures"][0]["close_code"], 1001);
    assert_eq!(json["failures"][0]["reason"], "bye");
    assert_eq!(json["rtt_ms"]["min"], serde_json::Value::Null);

    let url = answering(Some("echo"), echo).await;
    let json = quick(&url, &["-P", "echo", "--json"]).await.json();
    assert_eq!(json["exit_code"], 0);
    assert_eq!(json["messages"]["right"], 3);
    assert_eq!(json["rtt_ms"]["count"], 3);
    assert_eq!(json["bytes"]["received"], 3 * 64);
    assert!(json["rtt_ms"]["min"].as_f64() <= json["rtt_ms"]["max"].as_f64());

    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = quick(&format!("ws://{unused}/"), &["--json"]).await;
    assert_eq!((ran.code, &ran.json()["exit_code"]), (Some(3), &3.into()));
}
