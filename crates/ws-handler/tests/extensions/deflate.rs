//! permessage-deflate from the handshake to the last message.

use std::time::Duration;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use ws_proto::{DeflateConfig, Message, SendOptions, WindowBits};

use super::*;

fn registry(config: DeflateConfig) -> ExtensionRegistry {
    ExtensionRegistry::new().with(config)
}

fn answer(config: DeflateConfig, lines: &[&str]) -> Vec<String> {
    let server = ServerHandshake::new().extensions(registry(config));
    let accepted = server.accept(&request(lines)).unwrap();
    answered(&accepted.response())
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_first_offer_that_can_be_met_counts() {
    let full = DeflateConfig {
        server_max_window_bits: None,
        client_max_window_bits: None,
        ..DeflateConfig::default()
    };
    let table: &[(&[&str], &[&str])] = &[
        (&["permessage-deflate"], &["permessage-deflate"]),
        (
            &["permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=10"],
            &["permessage-deflate; server_max_window_bits=10"],
        ),
        (
            &[
                "permessage-deflate; unknown",
                "x-other, permessage-deflate; client_max_window_bits=\"9\"",
            ],
            &["permessage-deflate; client_max_window_bits=9"],
        ),
        (
            &[
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover, permessage-deflate",
            ],
            &["permessage-deflate"],
        ),
        // Only one of several good offers, the first.
        (
            &["permessage-deflate; server_max_window_bits=9, permessage-deflate"],
            &["permessage-deflate; server_max_window_bits=9"],
        ),
        // Old names and strangers are ignored.
        (
            &["x-webkit-deflate-frame, deflate-frame, mux; max-channels=4"],
            &[],
        ),
        (
            &["x-webkit-deflate-frame", "permessage-deflate"],
            &["permessage-deflate"],
        ),
        // Nothing to agree on is no error.
        (&["permessage-deflate; server_max_window_bits=16"], &[]),
        (&[], &[]),
    ];
    for (lines, expected) in table {
        assert_eq!(answer(full.clone(), lines), *expected, "{lines:?}");
    }
    let many = "permessage-deflate; x=1, ".repeat(1000) + "permessage-deflate";
    assert_eq!(answer(full, &[&many]), ["permessage-deflate"]);
}

fn json(length: usize) -> String {
    let text: String = (0..length)
        .map(|number| format!("{{\"id\":{number},\"name\":\"item\"}},"))
        .collect();
    text[..length].to_owned()
}

#[tokio::test(start_paused = true)]
async fn messages_of_all_sizes_in_both_directions_on_all_terms() {
    for bits in [8, 9, 12, 15] {
        for no_takeover in [false, true] {
            let config = DeflateConfig {
                server_max_window_bits: WindowBits::new(bits),
                client_max_window_bits: WindowBits::new(bits),
                server_no_context_takeover: no_takeover,
                client_no_context_takeover: no_takeover,
                threshold: 100,
                level: 1,
            };
            let (mut client, mut server) = open(registry(config.clone()), registry(config)).await;
            for length in [0, 99, 100, 5000, 60_000, 500_000, 5000] {
                let message = Message::text(json(length));
                client.send(message.clone()).await.unwrap();
                assert_eq!(server.recv().await.unwrap(), Some(message.clone()));
                server.send(message.clone()).await.unwrap();
                assert_eq!(client.recv().await.unwrap(), Some(message));
            }
            let (plain, wire) = client.deflated_bytes();
            assert_eq!(plain, 570_100);
            // Run lengths alone take a third off, a window much more.
            assert!(
                wire < if bits == 8 { 450_000 } else { 250_000 },
                "{bits} bits: {wire}"
            );
            assert_eq!(server.inflated_bytes(), (wire, plain));
            assert_eq!(client.inflated_bytes().1, server.deflated_bytes().0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_message_opts_out() {
    let (mut client, mut server) = open(
        registry(DeflateConfig::default()),
        registry(DeflateConfig::default()),
    )
    .await;
    let secret = Message::text(json(5000));
    client
        .send_with(secret.clone(), SendOptions::new().compress(false))
        .await
        .unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(secret.clone()));
    assert_eq!(client.deflated_bytes(), (0, 0));
    client.send(secret.clone()).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(secret));
    assert_eq!(client.deflated_bytes().0, 5000);
}

/// Pipe and queue are full again and again: a send that is dropped sends nothing if it had waited for room, all of it
/// if it had begun; what comes behind is understood.
#[tokio::test(start_paused = true)]
async fn a_send_dropped_half_way_leaves_the_dictionary_in_step() {
    for config in [DeflateConfig::new(), DeflateConfig::no_context_takeover()] {
        let (client, server) = open_through(4096, registry(config.clone()), registry(config.clone())).await;
        drops_sends(client, server).await;
        let (client, server) = open_through(4096, registry(config.clone()), registry(config)).await;
        drops_sends(server, client).await;
    }
}

async fn drops_sends(mut sender: WebSocket<DuplexStream>, mut receiver: WebSocket<DuplexStream>) {
    let receiving = tokio::spawn(async move {
        let mut received = Vec::new();
        while let Some(message) = receiver.recv().await.unwrap() {
            received.push(message);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        received
    });
    let messages: Vec<_> = (0..80).map(|round| Message::text(json(40_000 + round))).collect();
    let mut done = 0;
    for message in &messages {
        let mut send = Box::pin(sender.send(message.clone()));
        done += usize::from(futures_poll(send.as_mut()).await.is_some());
        drop(send);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sender.close(ws_proto::CloseCode::NORMAL, "").await.unwrap();
    let received = receiving.await.unwrap();
    let mut rest = messages.iter();
    assert!(
        received.iter().all(|message| rest.any(|sent| sent == message)),
        "whole and in order"
    );
    let (begun, never) = (received.len() - done, messages.len() - received.len());
    assert!(
        begun > 5 && never > 5,
        "{begun} dropped half way, {never} before that"
    );
}

/// Polls once.
async fn futures_poll<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// How many of so many messages are received until the connection lets others have their turn for the first time,
/// and how often it does.
async fn turns(server: &mut WebSocket<DuplexStream>, messages: usize) -> (usize, usize) {
    let (mut first, mut received, mut turns) = (None, 0, 0);
    poll_fn(|cx| {
        while received < messages {
            match pin!(server.recv()).poll(cx) {
                Poll::Ready(message) => drop(message.unwrap().unwrap()),
                Poll::Pending => {
                    first.get_or_insert(received);
                    turns += 1;
                    return Poll::Pending;
                }
            }
            received += 1;
        }
        Poll::Ready(())
    })
    .await;
    (first.unwrap_or(received), turns)
}

/// Bytes on the wire tell little: a peer that sent 128 KiB of what inflates to a thousand times as much kept all others
/// waiting for 130 ms.
#[tokio::test(start_paused = true)]
async fn what_comes_out_of_compressed_messages_counts_towards_a_turn() {
    let takeover = || registry(DeflateConfig::new());
    let (mut client, mut server) = open(takeover(), takeover()).await;
    for _ in 0..100 {
        client.send(vec![0; 10_000]).await.unwrap();
    }
    let (first, turns) = turns(&mut server, 100).await;
    assert!(
        first <= 15,
        "{first} messages, of which 13 are 128 KiB, in the first turn"
    );
    assert!(turns >= 5, "{turns} turns for a megabyte");
}

/// And so it does while a message is under way, of which two reads are a megabyte.
#[tokio::test(start_paused = true)]
async fn a_compressed_message_has_many_turns() {
    let takeover = || registry(DeflateConfig::new());
    let (mut client, mut server) = open(takeover(), takeover()).await;
    let sparse = |place: u32| {
        if place % 200 == 0 {
            (place / 200 * 89 % 251) as u8
        } else {
            0
        }
    };
    let payload: Vec<u8> = (0..1_000_000).map(sparse).collect();
    client.send(payload).await.unwrap();
    let sent = client.deflated_bytes().1;
    assert!(sent < 30_000, "{sent} bytes on the wire");
    let (_, turns) = turns(&mut server, 1).await;
    assert!(turns >= 5, "{turns} turns for a megabyte");
}
