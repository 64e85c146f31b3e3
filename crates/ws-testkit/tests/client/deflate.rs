//! `--deflate` at both ends: what is negotiated, what is told about it, and that every protocol still holds.

use ws_proto::{Config, DeflateConfig};
use ws_testkit::{ClientOptions, ClientRun, ExitStatus, Protocol, TestServer};

use super::{answering, client, echo};

async fn serve(deflate: Option<DeflateConfig>) -> TestServer {
    let mut server = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Assemble);
    if let Some(deflate) = deflate {
        server = server.deflate(deflate);
    }
    server.start().await.unwrap()
}

fn url(server: &TestServer) -> String {
    format!("ws://{}/", server.local_addr())
}

#[tokio::test]
async fn every_protocol_holds_with_compression() {
    let config = DeflateConfig::default().with_threshold(0);
    for deflate in [config, DeflateConfig::no_context_takeover().with_threshold(0)] {
        let server = serve(Some(deflate.clone())).await;
        for protocol in ["echo", "echo-assemble", "echo-fragment", "echo-broadcast"] {
            for (size, fragment) in [(0, 0), (100, 7), (10_000, 1000), (100_000, 0)] {
                let mut options = ClientOptions::new(url(&server));
                options.protocols = vec![protocol.into()];
                options.deflate = Some(deflate.clone());
                (options.size, options.fragment, options.count, options.clients) = (size, fragment, 5, 2);
                options.delay = std::time::Duration::ZERO;
                let summary = ClientRun::new(options).run().await.unwrap();
                assert_eq!(
                    summary.status(),
                    ExitStatus::Success,
                    "{protocol} {size} {:?}",
                    summary.failures
                );
                let negotiated = summary.deflate.unwrap().negotiated.unwrap();
                assert!(negotiated.starts_with("permessage-deflate; "), "{negotiated}");
                let counts = summary.counts;
                assert_eq!(
                    counts.deflated.from, counts.bytes_sent,
                    "all of it went through the compressor"
                );
                assert_eq!(counts.inflated.to, counts.bytes_received);
                if size >= 10_000 {
                    assert!(
                        counts.wire_bytes_received() < counts.bytes_received,
                        "{protocol} {size}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn the_summary_tells_parameters_ratio_and_bytes_on_the_wire() {
    let server = serve(Some(DeflateConfig::default())).await;
    let url = url(&server);
    let run = [
        "--delay",
        "0",
        "-c",
        "3",
        "-s",
        "5000",
        "-P",
        "echo-assemble",
        &url,
    ];
    let with = |deflate: &'static str| {
        let arguments: Vec<_> = [deflate].into_iter().chain(run).map(str::to_owned).collect();
        async move { client(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let ran =
        with("--deflate=server_max_window_bits=10; client_no_context_takeover;threshold=0;level=6").await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let expected = "deflate: permessage-deflate; client_no_context_takeover; server_max_window_bits=10; \
                    client_max_window_bits=12\npayload bytes on the wire sent/received ";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(", ratio of compressed messages "),
        "{}",
        ran.stdout
    );

    let plain = client(&run).await;
    assert!(!plain.stdout.contains("deflate"), "{}", plain.stdout);

    // Below the threshold everything is plain, though compression was agreed on.
    let ran = with("--deflate=threshold=1000000").await;
    assert!(
        ran.stdout.contains("ratio of compressed messages -/"),
        "{}",
        ran.stdout
    );

    let arguments: Vec<_> = ["--deflate", "--json"].into_iter().chain(run).collect();
    let json = client(&arguments).await.json();
    let negotiated = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";
    assert_eq!(json["deflate"]["negotiated"], negotiated);
    assert_eq!(json["deflate"]["compressed_from"], 15_000);
    assert_eq!(json["deflate"]["inflated_to"], 15_000);
    assert!(json["deflate"]["wire_bytes"]["sent"].as_u64() < Some(15_000));
}

#[tokio::test]
async fn a_declined_offer_is_told_and_changes_no_exit_code() {
    let server = serve(None).await;
    let arguments = [
        "--deflate",
        "--delay",
        "0",
        "-c",
        "2",
        "-P",
        "echo",
        &url(&server),
    ];
    let ran = client(&arguments).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\ndeflate: not negotiated\n"),
        "{}",
        ran.stdout
    );
    let url = answering(Some("echo"), echo).await;
    let ran = client(&["--deflate", "--delay", "0", "-c", "2", "-P", "echo", &url]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\ndeflate: not negotiated\n"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_a_usage_error() {
    for deflate in [
        "--deflate=level=0",
        "--deflate=server_max_window_bits=16",
        "--deflate=what",
    ] {
        let ran = client(&[deflate, "-P", "echo", "ws://127.0.0.1:1/"]).await;
        assert_eq!(ran.code, Some(2), "{deflate}");
        assert!(ran.stderr.contains("--deflate"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_limit_is_for_what_comes_out() {
    let mut config: Config = TestServer::default_config();
    config.limits.max_message_size = 50_000;
    let server = TestServer::bind("127.0.0.1:0")
        .config(config)
        .deflate(DeflateConfig::default())
        .default_protocol(Protocol::Assemble)
        .start()
        .await
        .unwrap();
    let url = url(&server);
    for (size, code) in [("50000", 0), ("50001", 5)] {
        let arguments = [
            "--deflate",
            "--delay",
            "0",
            "-c",
            "1",
            "-f",
            "0",
            "-s",
            size,
            "-P",
            "echo-assemble",
            &url,
        ];
        let ran = client(&arguments).await;
        assert_eq!(ran.code, Some(code), "{size}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("1009"), code == 5, "{}", ran.stderr);
    }
}
