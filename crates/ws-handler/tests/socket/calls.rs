//! How many calls on its stream an echo by owned messages makes, as server and as client.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_proto::Role;

use crate::support::{BINARY, Calls, Counted, TEXT, frame, socket};

const PAYLOAD: &[u8] = b"twenty bytes of text";

const ROUNDS: usize = 10;

fn take(calls: &Calls) -> (usize, usize) {
    (
        calls.reads.swap(0, Ordering::Relaxed),
        calls.writes.swap(0, Ordering::Relaxed),
    )
}

#[tokio::test(start_paused = true)]
async fn an_echo_of_owned_messages_makes_one_read_and_one_write_for_each_batch() {
    for role in [Role::Server, Role::Client] {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let (near, calls) = Counted::new(near);
        let mut echo = socket(near, role);
        tokio::spawn(async move {
            while let Ok(Some(message)) = echo.recv().await {
                echo.send(message).await.unwrap();
            }
        });
        let mask = if role == Role::Client { 4 } else { 0 };
        for opcode in [TEXT, BINARY] {
            for batch in [1, 16] {
                let sent = frame(role.peer(), opcode, true, PAYLOAD).repeat(batch);
                let mut answers = vec![0; batch * (2 + mask + PAYLOAD.len())];
                for round in 0..=ROUNDS {
                    far.write_all(&sent).await.unwrap();
                    far.read_exact(&mut answers).await.unwrap();
                    // It parks before it is looked at.
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    let counts = take(&calls);
                    assert!(
                        round == 0 || counts == (1, 1),
                        "{counts:?} for a batch of {batch} as {role:?}"
                    );
                }
            }
        }
    }
}
