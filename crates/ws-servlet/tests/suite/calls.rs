//! How many calls on its stream a connection makes for a batch of messages.

use ws_proto::PreparedMessage;
use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};

use crate::counted::Counts;
use crate::rig::{BINARY, FIN, Rig, TEXT, frame};

struct Echo;

impl Endpoint for Echo {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        Ok(session.subscribe("news")?)
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        Ok(session.text(text).await?)
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Ok(session.binary(payload).await?)
    }
}

fn servlet() -> WebSocketServlet {
    WebSocketServlet::builder()
        .endpoint("/", |_| Echo)
        .build()
        .unwrap()
}

fn rig() -> Rig {
    Rig::new(servlet())
}

const ROUNDS: usize = 10;

#[tokio::test(start_paused = true)]
async fn an_echo_makes_one_read_and_one_write_for_each_batch() {
    let rig = rig();
    let mut peer = rig.open("/").await;
    for first in [FIN | TEXT, FIN | BINARY] {
        for batch in [1, 16] {
            let sent = frame(first, b"twenty bytes of text").repeat(batch);
            // Whatever was left to do before is done when the first answer is there.
            for round in 0..=ROUNDS {
                peer.write(&sent).await;
                for _ in 0..batch {
                    assert_eq!(peer.frame().await.unwrap().1, b"twenty bytes of text");
                }
                // The server parks before it is looked at.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                let counts = rig.calls.take();
                let expected = Counts {
                    reads: 1,
                    empty: 1,
                    writes: 1,
                    blocked: 0,
                };
                assert!(
                    round == 0 || counts == expected,
                    "{counts:?} for a batch of {batch}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_publication_makes_one_write_for_each_subscriber_whatever_else_is_published() {
    let servlet = servlet();
    let hub = servlet.hub().clone();
    let rig = Rig::new(servlet);
    let mut peers = [rig.open("/").await, rig.open("/").await, rig.open("/").await];
    for batch in [1, 1, 3] {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        rig.calls.take();
        for _ in 0..batch {
            assert_eq!(hub.publish("news", &PreparedMessage::text("tea")).queued, 3);
        }
        for peer in &mut peers {
            for _ in 0..batch {
                assert_eq!(peer.read_text().await, "tea");
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let expected = Counts {
            reads: 0,
            empty: 3,
            writes: 3,
            blocked: 0,
        };
        assert_eq!(rig.calls.take(), expected);
    }
}

/// Whatever its length: a connection that is woken to write reads little at first.
#[tokio::test(start_paused = true)]
async fn what_comes_in_together_with_a_publication_is_answered_behind_it() {
    let servlet = servlet();
    let hub = servlet.hub().clone();
    let rig = Rig::new(servlet);
    let mut peer = rig.open("/").await;
    for length in [0, 1, 1017, 1018, 1019, 3000, 200_000] {
        let payload = vec![b'x'; length];
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        // Nothing waits here, so the server's side runs when both are there.
        peer.write(&frame(FIN | BINARY, &payload)).await;
        hub.publish("news", &PreparedMessage::text("tea"));
        assert_eq!(peer.read_text().await, "tea");
        assert_eq!(peer.frame().await.unwrap().1, payload, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_takes_one_write_and_few_reads() {
    let rig = rig();
    let mut peer = rig.open("/").await;
    let payload = vec![b'x'; 200_000];
    for round in 0..=ROUNDS {
        peer.write(&frame(FIN | BINARY, &payload)).await;
        assert_eq!(peer.frame().await.unwrap().1, payload);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let counts = rig.calls.take();
        assert!(
            round == 0 || (counts.writes == 1 && counts.reads <= 5 && counts.empty <= 2),
            "header and payload go together; they come in pieces that grow: {counts:?}"
        );
    }
}
