//! How many calls on its stream a connection makes for a batch of messages.

use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};

use crate::counted::Counts;
use crate::rig::{BINARY, FIN, Rig, TEXT, frame};

struct Echo;

impl Endpoint for Echo {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        Ok(session.text(text).await?)
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Ok(session.binary(payload).await?)
    }
}

fn rig() -> Rig {
    let servlet = WebSocketServlet::builder().endpoint("/", |_| Echo).build();
    Rig::new(servlet.unwrap())
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
