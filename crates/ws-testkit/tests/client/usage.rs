//! What is refused before anything is done, and what help says.

use super::client;

#[tokio::test]
async fn usage_errors_exit_2_with_the_reason_and_an_empty_stdout() {
    for (arguments, reason) in [
        (&["ws://localhost:1/", "--port", "2"][..], "--port"),
        (&["ws://localhost:1/", "--host", "other"], "--host"),
        (&["wss://localhost/"], "TLS"),
        (&["http://localhost/"], "ws"),
        (&["-s", "126"], "125"),
        (&["-b"], "--protocol"),
        (&["-f", "10"], "--protocol"),
        (&["-C", "0", "-P", "echo"], "clients"),
        (&["--timeout", "0"], "0 seconds"),
        (&["--header", "no colon"], "Name: value"),
        (&["--header", "Sec-WebSocket-Key: x"], "sec-websocket-key"),
        (&["-P", "not a token"], "token"),
        (&["-c", "many"], "many"),
        (&["--no-such-option"], "--no-such-option"),
    ] {
        let ran = client(&[arguments, &["--json"]].concat()).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn help_names_every_option_with_its_default() {
    for flag in ["--help", "-h"] {
        let ran = client(&[flag]).await;
        assert_eq!(ran.code, Some(0));
        for option in [
            "--host <HOST>",
            "-p, --port <PORT>",
            "-P, --protocol <NAME>",
            "-b, --binary",
            "-v, --verbose",
            "-q, --quiet",
            "-c, --count <N>",
            "-s, --size <BYTES>",
            "-f, --fragment <BYTES>",
            "-C, --clients <N>",
            "-d, --delay <MS>",
            "--timeout <SECS>",
            "--header <NAME: VALUE>",
            "--json",
        ] {
            assert!(ran.stdout.contains(option), "{option} is not in {}", ran.stdout);
        }
        let defaults = ["localhost", "8080", "10", "64", "4000", "1", "1000", "10"];
        for default in defaults.map(|value| format!("[default: {value}]")) {
            assert!(
                ran.stdout.contains(&default),
                "{default} is not in {}",
                ran.stdout
            );
        }
    }
}
