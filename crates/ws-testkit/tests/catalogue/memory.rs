//! What bad peers can make a server hold, in bytes: server and attacker share a thread, so its heap has both, the
//! in-memory network included.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use ws_testkit::RawFrame;

use crate::heap;
use crate::scene::Scene;

const KIB: isize = 1024;
const MIB: isize = 1024 * KIB;
/// Both directions of a connection may be full.
const NETWORK: isize = 2 * 64 * KIB;
/// The connection itself, tasks, tables.
const SMALL: isize = 16 * KIB;
const MASK: [u8; 4] = [9, 8, 7, 6];

#[tokio::test(start_paused = true)]
async fn f12_a_declared_mebibyte_costs_one_read_buffer() {
    let frame = RawFrame::binary(vec![0; 1 << 20]).masked(MASK).encode();
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/").await;
            let before = heap::held();
            heap::take_peak();
            peer.send_bytes(&frame[..24]).await.unwrap();
            let sent = heap::take_peak() - before;
            tokio::time::sleep(Duration::from_secs(5)).await;
            let peak = heap::take_peak() - before;
            assert!(
                peak <= 64 * KIB + SMALL,
                "{peak} bytes at the most ({sent} while sending)"
            );
            assert!(
                heap::held() - before <= 64 * KIB + SMALL,
                "{} bytes",
                heap::held() - before
            );
            peer.expect_close(Some(1008)).await.unwrap();
            peer.expect_end().await.unwrap();
        })
        .await;
}

/// 40 connections, each with a message just below both limits that never ends.
#[tokio::test(start_paused = true)]
async fn f18_unfinished_messages_hold_what_is_documented_and_others_are_served() {
    let part = RawFrame::continuation(vec![b'x'; 64])
        .unfinished()
        .masked(MASK)
        .encode();
    let rest = part.repeat(16_382);
    let first = RawFrame::binary(vec![b'x'; 64]).unfinished().masked(MASK);
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let before = heap::held();
            let mut peers = Vec::new();
            for _ in 0..40 {
                let mut peer = scene.open("/").await;
                peer.send(&first).await.unwrap();
                peer.send_bytes(&rest).await.unwrap();
                peers.push(peer);
            }
            scene.serves().await;
            let held = heap::held() - before;
            // Up to 16 of them may lie in buffers that were kept from the time before.
            assert!(held >= 24 * 16_383 * 64, "the messages are there: {held}");
            assert!(
                held <= 40 * (2 * MIB + NETWORK + SMALL),
                "{held} bytes for 40 connections"
            );
            for peer in &mut peers {
                peer.expect_close(Some(1008)).await.unwrap();
                peer.expect_end().await.unwrap();
            }
        })
        .await;
}

/// A peer that asks and asks and never reads: reading stops, and after 30 s without progress it is dropped.
#[tokio::test(start_paused = true)]
async fn t05_a_peer_that_never_reads_is_given_up_and_holds_little_until_then() {
    let question = RawFrame::text("x".repeat(1000)).masked(MASK).encode();
    let scene = Scene::new();
    scene
        .leaves_nothing(0, async |scene| {
            let peer = scene.open("/").await;
            let (mut io, _) = peer.into_inner();
            let before = heap::held();
            let endless = async {
                loop {
                    if io.write_all(&question).await.is_err() {
                        break;
                    }
                }
            };
            let given_up = tokio::time::timeout(Duration::from_secs(31), endless);
            let held = async {
                tokio::time::sleep(Duration::from_secs(29)).await;
                assert_eq!(scene.server.open_connections(), 1, "not yet");
                heap::held() - before
            };
            let (ended, held) = tokio::join!(given_up, held);
            assert!(ended.is_ok(), "still open after 31 s");
            // The soft limit, what one read brought beyond it, and the read buffer with what is not parsed.
            assert!(held <= NETWORK + 64 * KIB + 2 * 64 * KIB + SMALL, "{held} bytes");
        })
        .await;
}

/// Pings are answered while output moves; when it is stuck, one pong waits, and it is the answer to the last ping.
#[tokio::test(start_paused = true)]
async fn w01_pings_of_a_peer_that_never_reads_hold_little() {
    const PINGS: u32 = 100_000;
    let mut config = ws_proto::Config::server();
    config.limits.ping_budget = None;
    let payload = |number: u32| [&number.to_be_bytes()[..], &[b'p'; 96]].concat();
    let flood = (0..PINGS).flat_map(|number| RawFrame::ping(payload(number)).masked(MASK).encode());
    let flood: Vec<u8> = flood.collect();
    Scene::with(config, ws_handler::Server::new())
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/").await;
            let before = heap::held();
            peer.send_bytes(&flood).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let held = heap::held() - before;
            assert!(held <= NETWORK + 64 * KIB + SMALL, "{held} bytes");
            let (mut pongs, mut last) = (0, 0);
            while last < PINGS - 1 {
                let pong = peer.next_frame().await.unwrap();
                assert_eq!(pong.opcode, 10);
                last = u32::from_be_bytes(pong.payload[..4].try_into().unwrap());
                assert_eq!(pong.payload, payload(last));
                pongs += 1;
            }
            // The pipe full of them, what was answered of the read in which it filled up, and one.
            let most = (64 * KIB + 8 * KIB) / 102 + 1;
            assert!(pongs <= most, "{pongs} pongs");
        })
        .await;
}
