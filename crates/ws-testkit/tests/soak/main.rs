//! `ws-testkit soak` as a program: usage, exit codes, and that a server which does not do its part fails a shape.
//! The shapes themselves take real time: `cargo xtask ci --only soak` runs them on the release binary.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn soak(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_ws-testkit");
    let output = Command::new(program).arg("soak").args(arguments).output();
    output.expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_shape_that_does_not_exist_and_a_scale_that_makes_no_sense_are_exit_code_2() {
    for arguments in [
        &["L99"][..],
        &["--scale", "0"],
        &["--scale", "1.5"],
        &["--seconds", "0"],
    ] {
        let output = soak(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    assert!(
        text(&soak(&["L99"]).stderr).contains("L10"),
        "known shapes are named"
    );
}

#[test]
fn too_few_descriptors_are_said_before_anything_is_started() {
    let program = env!("CARGO_BIN_EXE_ws-testkit");
    let script = format!("ulimit -n 500; exec {program} soak L1 --quick");
    let output = Command::new("sh").args(["-c", &script]).output();
    let output = output.expect("a shell");
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("descriptors") && errors.contains("500"),
        "{errors}"
    );
}

#[test]
fn a_server_that_does_not_start_fails_its_shape_with_exit_code_1() {
    let output = soak(&["S1", "--quick", "--server=--no-such-option", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(
        (report["passed"].as_u64(), report["failed"].as_u64()),
        (Some(0), Some(1))
    );
    let trouble = report["shapes"][0]["trouble"].as_str().unwrap_or_default();
    assert!(trouble.contains("does not listen"), "{trouble}");
    let output = soak(&["S1", "--quick", "--server=--no-such-option"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    assert!(
        lines.contains("S1 FAIL") && lines.contains("1 FAIL (S1)"),
        "{lines}"
    );
}
