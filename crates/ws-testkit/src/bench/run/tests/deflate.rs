//! Runs whose messages are compressed (RFC 7692).

use super::*;

/// An echo server that compresses whatever it is offered.
async fn deflating_server(config: &DeflateConfig) -> (TestServer, String) {
    let server = TestServer::bind("127.0.0.1:0")
        .default_protocol(Protocol::Assemble)
        .deflate(config.clone().with_threshold(0));
    let server = server.start().await.unwrap();
    let url = format!("ws://{}/", server.local_addr());
    (server, url)
}

#[tokio::test]
async fn compressed_messages_come_back_with_and_without_context() {
    for config in [DeflateConfig::default(), DeflateConfig::no_context_takeover()] {
        let (_server, url) = deflating_server(&config).await;
        for (pipeline, size, fragments, verify) in
            [(1, 1024, 1, true), (4, 700, 3, true), (2, 1024, 1, false)]
        {
            let mut options = options(&url);
            options.deflate = Some(config.clone().with_threshold(0));
            (options.pipeline, options.size, options.fragments) = (pipeline, size, fragments);
            (options.connections, options.verify) = (9, verify);
            // More than one time round.
            options.until = Until::Count(150);
            let report = finish(options).await;
            assert_eq!((&report.trouble, report.answered), (&None, 9 * 150));
            let agreed = report.deflate.as_deref().unwrap_or_default();
            assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
            let (sent, received) = report.wire().unwrap();
            for bytes in [sent, received] {
                assert!(bytes > 50.0 && bytes < 0.7 * size as f64, "{bytes} of {size}");
            }
        }
    }
}

#[tokio::test]
async fn where_compression_is_declined_messages_go_plain() {
    let (_server, url, _) = echo_server().await;
    let mut options = options(&url);
    (options.deflate, options.size, options.verify) = (Some(DeflateConfig::default()), 2000, true);
    let report = finish(options).await;
    assert_eq!((&report.trouble, report.answered), (&None, 300));
    assert_eq!(report.deflate, None);
    // Headers of 4 bytes, and a mask.
    assert_eq!(report.wire(), Some((2008.0, 2004.0)));
}

async fn agree_to_deflate(peer: &mut RawPeer<TcpStream>) {
    let head = peer.expect_head().await.unwrap();
    let request = RequestHead::parse(&head.into()).unwrap();
    let any_window = DeflateConfig {
        client_max_window_bits: None,
        server_max_window_bits: None,
        ..DeflateConfig::default()
    };
    let accepted = ServerHandshake::new()
        .extensions(ExtensionRegistry::new().with(any_window))
        .check(request.request())
        .and_then(|upgrade| upgrade.accept(None))
        .unwrap();
    peer.send_bytes(&encode_response(&accepted.response()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_wrong_byte_inside_a_compressed_answer_is_found() {
    // It agrees to whatever is offered, and answers in stored blocks of a text of its own.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut peer = RawPeer::new(stream);
                agree_to_deflate(&mut peer).await;
                while let Ok(frame) = peer.next_frame().await {
                    // RFC 7692 §7.2.3.3: a block without compression.
                    let stored = [&[0, 5, 0, 0xfa, 0xff][..], b"wrong", &[0]].concat();
                    let answer = match frame.opcode {
                        8 => RawFrame::close(1000, ""),
                        _ => RawFrame::text(stored).reserved(4),
                    };
                    if peer.send(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let mut options = options(&url);
    (options.connections, options.size, options.until) = (1, 5, Until::Count(1));
    options.deflate = Some(DeflateConfig {
        client_max_window_bits: None,
        server_max_window_bits: None,
        ..DeflateConfig::default()
    });
    let report = finish(options).await;
    let Some(Trouble::Wrong(what)) = &report.trouble else {
        panic!("{:?}", report.trouble);
    };
    assert!(what.contains("differs"), "{what}");
}
