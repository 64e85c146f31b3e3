//! What other tasks and topics send: handles, broadcast, slow subscribers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use ws_proto::{CloseCode, Config, Message, MessageKind, PreparedMessage, SendOptions, UseError};
use ws_servlet::{Endpoint, EndpointError, Hub, Overflow, Route, Session, SessionHandle, WebSocketServlet};

use crate::rig::{BINARY, FIN, PING, Peer, Rig, TEXT};

/// Subscribes to the topic in its query with the policy in its path, and publishes what it receives.
struct Member;

impl Endpoint for Member {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        let policy = match session.path() {
            "/oldest" => Overflow::DropOldest,
            "/newest" => Overflow::DropNewest,
            _ => Overflow::Close1013,
        };
        let topic = session.query().unwrap_or("all").to_owned();
        session.subscribe_with(&topic, policy)?;
        session.text("ready").await?;
        Ok(())
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        match text {
            "leave" => {
                let topic = session.query().unwrap_or("all").to_owned();
                session.unsubscribe(&topic);
            }
            "begin" => session.send_fragment(MessageKind::Text, b"be", false).await?,
            "end" => session.send_fragment(MessageKind::Text, b"gun", true).await?,
            _ => {
                session.publish("all", text);
            }
        }
        Ok(())
    }
}

fn servlet(config: Config) -> WebSocketServlet {
    WebSocketServlet::builder()
        .route("/", Route::new(|_| Member).config(config))
        .build()
        .unwrap()
}

async fn join(rig: &Rig, target: &str) -> Peer {
    let mut peer = rig.open(target).await;
    assert_eq!(peer.read_text().await, "ready");
    peer
}

async fn handle(servlet_sessions: &ws_servlet::Sessions) -> SessionHandle {
    let id = servlet_sessions.ids().into_iter().max().unwrap();
    servlet_sessions.find(id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn everybody_on_a_topic_gets_everything_in_one_order() {
    let servlet = servlet(Config::server());
    let hub = servlet.hub().clone();
    let rig = Rig::new(servlet);
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(join(&rig, "/").await);
    }
    let mut apart = join(&rig, "/?other").await;
    for (number, peer) in all.iter_mut().enumerate() {
        for round in 0..20 {
            peer.text(&format!("{number} {round}")).await;
        }
    }
    let mut seen = Vec::new();
    for peer in &mut all {
        let mut lines = Vec::new();
        for _ in 0..100 {
            lines.push(peer.read_text().await);
        }
        seen.push(lines);
    }
    assert!(seen.iter().all(|lines| *lines == seen[0]));
    hub.publish("other", &PreparedMessage::binary(b"you"));
    assert_eq!(apart.frame().await.unwrap(), (FIN | BINARY, b"you".to_vec()));

    all[0].text("leave").await;
    all[0].send(FIN | PING, b"done").await;
    all[0].frame().await.unwrap();
    all.swap_remove(1).close(1000, "").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.subscribers("all"), 3);
    assert_eq!(hub.publish("all", &PreparedMessage::text("to three")).queued, 3);
}

#[tokio::test(start_paused = true)]
async fn a_handle_sends_from_any_task_until_the_session_ends() {
    let servlet = servlet(Config::server());
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet);
    let mut peer = join(&rig, "/").await;
    let handle = handle(&sessions).await;
    let other = handle.clone();
    let task = tokio::spawn(async move {
        other.send("from a task").await?;
        other.send(Message::Ping("p".into())).await?;
        other.try_send(vec![1, 2, 3])
    });
    assert_eq!(peer.read_text().await, "from a task");
    assert_eq!(peer.frame().await.unwrap(), (FIN | PING, b"p".to_vec()));
    assert_eq!(peer.frame().await.unwrap(), (FIN | BINARY, vec![1, 2, 3]));
    task.await.unwrap().unwrap();

    handle.send("last").await.unwrap();
    handle.close(CloseCode::new(4000), "from outside").unwrap();
    assert_eq!(handle.try_send("late"), Err(UseError::Closed));
    assert_eq!(peer.read_text().await, "last");
    assert_eq!(peer.read_close().await, 4000);
    peer.close(4000, "").await;
    assert_eq!(peer.frame().await, None);
    drop(peer);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(sessions.find(handle.id()).is_none());
    assert!(!handle.is_open());
    assert_eq!(
        handle.subscribe("all", Overflow::default()),
        Err(UseError::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn mail_waits_for_the_end_of_a_message_in_parts() {
    let servlet = servlet(Config::server());
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet);
    let mut peer = join(&rig, "/").await;
    peer.text("begin").await;
    assert_eq!(peer.frame().await.unwrap(), (TEXT, b"be".to_vec()));
    handle(&sessions).await.send("mail").await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(1), peer.frame())
            .await
            .is_err(),
        "held back"
    );
    peer.text("end").await;
    assert_eq!(peer.frame().await.unwrap(), (FIN, b"gun".to_vec()));
    assert_eq!(peer.read_text().await, "mail");
}

fn narrow() -> Config {
    let mut config = Config::server();
    config.limits.soft_queue = 1000;
    config.limits.hard_queue = 4000;
    config.timeouts.ping_interval = None;
    config
}

/// One member that does not read and one that does; both get `total` publications of 100 bytes.
async fn publish_to_slow_and_quick(target: &str, total: u32) -> (Peer, Vec<u32>, Hub) {
    let servlet = WebSocketServlet::builder()
        .route("/", Route::new(|_| Member).config(narrow()))
        .build()
        .unwrap();
    let hub = servlet.hub().clone();
    let rig = Rig::new(servlet);
    let mut slow = rig.dial(256).await;
    slow.write(crate::rig::upgrade(target, "").as_bytes()).await;
    slow.head().await;
    assert_eq!(slow.read_text().await, "ready");
    let mut quick = join(&rig, "/").await;
    let mut received = Vec::new();
    for number in 0..total {
        let mut payload = vec![0; 100];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        hub.publish("all", &PreparedMessage::binary(&payload));
        let (_, payload) = quick.frame().await.unwrap();
        received.push(u32::from_be_bytes(*payload.first_chunk().unwrap()));
    }
    assert_eq!(
        received,
        (0..total).collect::<Vec<_>>(),
        "the quick one misses nothing"
    );
    let mut late = Vec::new();
    while let Ok(Some((first, payload))) = tokio::time::timeout(Duration::from_secs(1), slow.frame()).await {
        if first != FIN | BINARY {
            assert_eq!(payload.first_chunk(), Some(&1013_u16.to_be_bytes()));
            late.push(u32::MAX);
            break;
        }
        late.push(u32::from_be_bytes(*payload.first_chunk().unwrap()));
    }
    (slow, late, hub)
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_closed_with_1013() {
    let (slow, received, hub) = publish_to_slow_and_quick("/", 200).await;
    assert_eq!(received.last(), Some(&u32::MAX), "{received:?}");
    assert!(received.len() < 20, "{received:?}");
    drop(slow);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.topics(), 0, "nobody is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_may_lose_the_newest() {
    let (_slow, received, _) = publish_to_slow_and_quick("/newest", 200).await;
    assert!(received.len() > 20 && received.len() < 60, "{received:?}");
    assert_eq!(
        received,
        (0..received.len() as u32).collect::<Vec<_>>(),
        "what came first"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_may_lose_the_oldest() {
    let (_slow, received, _) = publish_to_slow_and_quick("/oldest", 200).await;
    assert!(received.len() > 20 && received.len() < 60, "{received:?}");
    assert_eq!(received.last(), Some(&199), "what came last");
    assert!(received.is_sorted());
}

/// A handle's `send` waits while the peer does not read, and goes on when it does.
#[tokio::test(start_paused = true)]
async fn who_sends_too_fast_waits() {
    let servlet = servlet(narrow());
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet);
    let mut peer = rig.open_narrow("/").await;
    assert_eq!(peer.read_text().await, "ready");
    let handle = handle(&sessions).await;
    let sender = tokio::spawn(async move {
        for number in 0..200_u32 {
            handle.send(format!("{number:0100}")).await.unwrap();
            assert!(handle.queued_bytes() <= 1000 + 164);
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!sender.is_finished());
    for number in 0..200_u32 {
        assert_eq!(peer.read_text().await, format!("{number:0100}"));
    }
    sender.await.unwrap();
}

/// Hands itself to another task.
struct Pusher(Arc<Notify>);

impl Endpoint for Pusher {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        let handle = session.handle().ok_or(UseError::Closed)?;
        let bell = Arc::clone(&self.0);
        tokio::spawn(async move {
            bell.notified().await;
            handle.send("rung").await
        });
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_woken_by_its_mail() {
    let bell = Arc::new(Notify::new());
    let theirs = Arc::clone(&bell);
    let servlet = WebSocketServlet::builder()
        .endpoint("/", move |_| Pusher(Arc::clone(&theirs)))
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    let mut peer = rig.open("/").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    bell.notify_one();
    assert_eq!(peer.read_text().await, "rung");
}

/// A handle's `send` that is dropped while it waits has queued nothing; one that is ready has.
#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_while_it_waits_sends_nothing() {
    let servlet = servlet(narrow());
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet);
    let mut peer = rig.open_narrow("/").await;
    assert_eq!(peer.read_text().await, "ready");
    let handle = handle(&sessions).await;
    let (mut accepted, mut given_up) = (Vec::new(), 0);
    for number in 0..50_u32 {
        let text = format!("{number:0200}");
        match tokio::time::timeout(Duration::from_millis(10), handle.send(text.clone())).await {
            Ok(sent) => {
                sent.unwrap();
                accepted.push(text);
            }
            Err(_) => given_up += 1,
        }
    }
    assert!(
        accepted.len() > 5 && given_up > 5,
        "{} {given_up}",
        accepted.len()
    );
    for text in accepted {
        assert_eq!(peer.read_text().await, text);
    }
    handle.try_send("end").unwrap();
    assert_eq!(peer.read_text().await, "end");
}

/// Gives each send ten milliseconds, and says how many of them were ready by then.
struct Impatient;

impl Endpoint for Impatient {
    async fn on_text(&mut self, session: &mut Session, verb: &str) -> Result<(), EndpointError> {
        let text = "m".repeat(300);
        let news = PreparedMessage::text(&text);
        let plain = SendOptions::new().compress(false);
        let mut sent = 0;
        for _ in 0..20 {
            let sending = async {
                match verb {
                    "send" => session.send(text.clone()).await,
                    "send_with" => session.send_with(text.clone(), plain).await,
                    "prepared" => session.prepared(&news).await,
                    "binary" => session.binary(text.as_bytes()).await,
                    "fragment" => {
                        session
                            .send_fragment(MessageKind::Text, text.as_bytes(), true)
                            .await
                    }
                    _ => session.text(&text).await,
                }
            };
            if let Ok(result) = tokio::time::timeout(Duration::from_millis(10), sending).await {
                result?;
                sent += 1;
            }
            if verb == "flush" {
                // What a flush that is dropped has not written stays queued.
                let _ = tokio::time::timeout(Duration::from_millis(10), session.flush()).await;
            }
        }
        // Waits until the peer reads.
        session.flush().await?;
        session.text(&format!("sent {sent}")).await?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_sessions_own_send_may_be_dropped_too() {
    let route = Route::new(|_| Impatient).config(narrow());
    let rig = Rig::new(WebSocketServlet::builder().route("/", route).build().unwrap());
    for verb in [
        "send",
        "send_with",
        "prepared",
        "text",
        "binary",
        "fragment",
        "flush",
    ] {
        let mut peer = rig.open_narrow("/").await;
        peer.text(verb).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut messages = 0;
        let said = loop {
            let (first, payload) = peer.frame().await.unwrap();
            let text = String::from_utf8(payload).unwrap();
            match text.strip_prefix("sent ") {
                Some(said) => break said.parse::<i32>().unwrap(),
                None => {
                    let opcode = if verb == "binary" { BINARY } else { TEXT };
                    assert_eq!((first, text), (FIN | opcode, "m".repeat(300)), "{verb}");
                    messages += 1;
                }
            }
        };
        assert!((3..20).contains(&said), "{verb}: {said}");
        assert_eq!(said, messages, "{verb}");
    }
}

/// Each message fills the queue, and each is written at once: nothing else will wake the connection for the next.
#[tokio::test(start_paused = true)]
async fn mail_behind_a_full_queue_follows_when_the_queue_is_empty() {
    let mut config = Config::server();
    config.limits.soft_queue = 1000;
    let servlet = servlet(config);
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet);
    let mut peer = join(&rig, "/").await;
    let handle = handle(&sessions).await;
    for _ in 0..5 {
        handle.try_send(vec![7; 5000]).unwrap();
    }
    for _ in 0..5 {
        let frame = tokio::time::timeout(Duration::from_secs(1), peer.frame()).await;
        assert_eq!(frame.expect("the next one").unwrap().1.len(), 5000);
    }
}

/// Whoever is only written to does not look after what it received, and has to have done so before.
#[tokio::test(start_paused = true)]
async fn publications_do_not_keep_half_a_message_waiting() {
    let mut config = Config::server();
    config.timeouts.unfinished_message = Some(Duration::from_secs(10));
    let servlet = servlet(config);
    let hub = servlet.hub().clone();
    let rig = Rig::new(servlet);
    let mut peer = join(&rig, "/").await;
    let begun = Instant::now();
    peer.write(b"\x81\x85\0\0\0\0Hel").await;
    let code = loop {
        hub.publish("all", &PreparedMessage::text("tea"));
        match peer.frame().await.unwrap() {
            (first, payload) if first == FIN | TEXT => assert_eq!(payload, b"tea"),
            (_, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert_eq!(code, 1008);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn publications_keep_a_session_from_being_idle_until_they_end() {
    let mut config = Config::server();
    config.timeouts.idle = Some(Duration::from_secs(10));
    let servlet = servlet(config);
    let hub = servlet.hub().clone();
    let rig = Rig::new(servlet);
    let mut peer = join(&rig, "/").await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        hub.publish("all", &PreparedMessage::text("tea"));
        assert_eq!(peer.read_text().await, "tea");
    }
    let last = Instant::now();
    assert_eq!(peer.read_close().await, 1001);
    let idle = last.elapsed();
    assert!(
        idle >= Duration::from_secs(10) && idle < Duration::from_secs(11),
        "{idle:?}"
    );
}
