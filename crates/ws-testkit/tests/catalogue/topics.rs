//! Publishing to many, of whom some do not read, and topics with names that somebody made up to hurt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use ws_proto::{Config, PreparedMessage};
use ws_testkit::{RawFrame, RawPeer};

use crate::scene::{CROWD, Scene};

type Peer = RawPeer<DuplexStream>;

const MASK: [u8; 4] = [9, 8, 7, 6];
const SUBSCRIBERS: usize = 10_000;
const STALLED: usize = SUBSCRIBERS / 100;
/// One is left half-written in a full pipe, one waits behind it, one in the mailbox; the next is above the hard limit.
const MESSAGES: usize = 4;
/// Room in each direction of a subscriber's connection, and the soft limit: less than a message.
const PIPE: usize = 128;
/// More than one message, less than two.
const HARD_QUEUE: usize = 512;

fn message(number: usize) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[7; 200]].concat()
}

/// The 99 % have each message before the next one is published; the stalled ones meet their own limit.
#[tokio::test(start_paused = true)]
async fn w08_of_10000_subscribers_100_stall_and_only_those_are_closed() {
    let mut config = Config::server();
    (config.limits.soft_queue, config.limits.hard_queue) = (PIPE, HARD_QUEUE);
    Scene::with(config, ws_handler::Server::new())
        .leaves_nothing_since(CROWD, 0, async |scene| {
            let hits = scene.factory.limit_hits().hard_queue;
            let got = Arc::new(AtomicUsize::new(0));
            let (mut stalled, healthy) = subscribers(scene, &got).await;
            let hub = scene.sessions.hub();
            assert_eq!(hub.subscribers("news"), SUBSCRIBERS);
            let mut closed = 0;
            for number in 0..MESSAGES {
                let published = hub.publish("news", &PreparedMessage::binary(&message(number)));
                closed += published.closed;
                // Time goes on once nobody has anything to do.
                tokio::time::sleep(Duration::from_millis(1)).await;
                let due = (number + 1) * (SUBSCRIBERS - STALLED);
                assert_eq!(got.load(Ordering::Relaxed), due, "after message {number}");
            }
            assert_eq!(closed, STALLED);
            assert_eq!(scene.factory.limit_hits().hard_queue - hits, STALLED as u64);
            for task in healthy {
                drop(task.await.unwrap());
            }
            for peer in &mut stalled {
                assert!(got_until_1013(peer).await < MESSAGES);
            }
        })
        .await;
}

/// Those that never read, and those that expect every message and count it.
async fn subscribers(scene: &Scene, got: &Arc<AtomicUsize>) -> (Vec<Peer>, Vec<JoinHandle<Peer>>) {
    let (mut stalled, mut healthy) = (Vec::new(), Vec::new());
    for number in 0..SUBSCRIBERS {
        let mut peer = subscriber(scene).await;
        if number % (SUBSCRIBERS / STALLED) == 0 {
            stalled.push(peer);
            continue;
        }
        let got = Arc::clone(got);
        healthy.push(tokio::spawn(async move {
            for number in 0..MESSAGES {
                let frame = peer.next_frame().await.unwrap();
                assert_eq!(frame.payload, message(number), "each, once, in order");
                got.fetch_add(1, Ordering::Relaxed);
            }
            peer
        }));
    }
    (stalled, healthy)
}

async fn subscriber(scene: &Scene) -> Peer {
    let (near, far) = tokio::io::duplex(PIPE);
    scene.accept(far);
    let mut peer = RawPeer::new(near);
    peer.request_upgrade("ws://test/topics", &[]).await.unwrap();
    peer
}

/// How many messages came, without a gap, before the connection was closed.
async fn got_until_1013(peer: &mut Peer) -> usize {
    let mut got = 0;
    loop {
        let frame = peer.next_frame().await.unwrap();
        if frame.opcode == 8 {
            assert_eq!(frame.close_code(), Some(1013));
            return got;
        }
        assert_eq!(frame.payload, message(got), "no gap before the end");
        got += 1;
    }
}

/// Sessions subscribe, leave and vanish while others publish: who has left gets nothing more, and no entry stays.
#[tokio::test(start_paused = true)]
async fn w09_subscribing_leaving_and_vanishing_while_others_publish() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let publisher = {
                let hub = scene.sessions.hub().clone();
                tokio::spawn(async move {
                    for _ in 0..2000 {
                        hub.publish("race", &PreparedMessage::text("x"));
                        tokio::task::yield_now().await;
                    }
                })
            };
            for round in 0..50 {
                let mut stays = scene.open("/topics").await;
                let mut leaves = scene.open("/topics").await;
                for peer in [&mut stays, &mut leaves] {
                    peer.send(&RawFrame::text("race").masked(MASK)).await.unwrap();
                }
                leaves.send(&RawFrame::text("-race").masked(MASK)).await.unwrap();
                // It may have got some; behind the second answer there is nothing.
                let mut answers = 0;
                while answers < 2 {
                    answers += usize::from(leaves.next_frame().await.unwrap().payload == "subscribed");
                }
                if round % 2 == 0 {
                    drop(stays);
                    tokio::task::yield_now().await;
                }
                leaves
                    .send(&RawFrame::close(1000, "").masked(MASK))
                    .await
                    .unwrap();
                leaves.expect_close(Some(1000)).await.unwrap();
            }
            publisher.await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(scene.sessions.hub().subscribers("race"), 0);
        })
        .await;
}

/// A topic is a name and nothing else: no tree of them is walked, whatever the name looks like.
#[tokio::test(start_paused = true)]
async fn topics_with_a_million_levels_and_thousands_of_topics_hurt_nobody() {
    Scene::new()
        .leaves_nothing(0, async |scene| {
            let mut peer = scene.open("/topics").await;
            let hub = scene.sessions.hub();
            let deep = "/".repeat(1 << 20);
            let wild = "a/+/#/*/".repeat(10_000);
            let many = (0..3000).map(|number| format!("{}/{number}", "x/".repeat(number % 100)));
            let mut names: Vec<String> = [deep, wild, String::new(), "\0".to_owned()].into();
            names.extend(many);
            for name in &names {
                peer.send(&RawFrame::text(name.clone()).masked(MASK))
                    .await
                    .unwrap();
                peer.expect(&RawFrame::text("subscribed")).await.unwrap();
            }
            assert_eq!(hub.topics(), names.len() + 1);
            for name in &names {
                assert_eq!(hub.publish(name, &PreparedMessage::text("x")).queued, 1);
                peer.expect(&RawFrame::text("x")).await.unwrap();
            }
            drop(peer);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(hub.topics(), 0);
        })
        .await;
}
