//! One client without a subprotocol: sends a PING, waits for its PONG, pauses, sends the next.

use std::ops::ControlFlow;

use tokio::time::Instant;
use ws_handler::WebSocket;
use ws_proto::{CloseCode, Message};

use super::dial::{LONGEST_GOODBYE, Opened};
use super::ending::{closed, lost};
use super::shared::{Moments, Shared};
use crate::stats::{Answer, Counts, Ending, FrameSeen, Mark};
use crate::workload::{PingLedger, PongVerdict};

const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Sends all PINGs; the counts go to `shared`.
pub(super) async fn pings(shared: &Shared, opened: Opened, client: usize) -> Ending {
    let mut pinger = Pinger {
        shared,
        client,
        socket: opened.socket,
        ledger: PingLedger::new(shared.recipe.run, shared.options.size),
        counts: Counts::default(),
        sent_at: Instant::now(),
        first_send: None,
        last_answer: None,
    };
    let ending = pinger.run().await;
    pinger.counts.lost += u64::from(pinger.ledger.waiting().is_some());
    let (first_send, last_answer, end) = (pinger.first_send, pinger.last_answer, Instant::now());
    shared.add(
        pinger.counts,
        Moments {
            first_send,
            last_answer,
            end,
        },
    );
    if !matches!(ending, Ending::Closed { .. }) {
        let goodbye = pinger.socket.close(CloseCode::NORMAL, "");
        // A server that does not close properly has still answered everything.
        let _ = tokio::time::timeout(LONGEST_GOODBYE.min(shared.options.timeout), goodbye).await;
    }
    ending
}

struct Pinger<'a> {
    shared: &'a Shared,
    client: usize,
    socket: WebSocket,
    ledger: PingLedger,
    counts: Counts,
    /// When the PING that is waited for was sent.
    sent_at: Instant,
    first_send: Option<Instant>,
    last_answer: Option<Instant>,
}

impl Pinger<'_> {
    async fn run(&mut self) -> Ending {
        let shared = self.shared;
        let pinging = async {
            for number in 0..shared.options.count {
                if number > 0 {
                    self.pause().await?;
                }
                self.ping().await?;
                self.wait().await?;
            }
            ControlFlow::Continue(())
        };
        tokio::select! {
            ended = pinging => match ended {
                ControlFlow::Continue(()) => Ending::Complete,
                ControlFlow::Break(ending) => ending,
            },
            () = shared.stopped() => Ending::Interrupted,
        }
    }

    /// Sends the next PING.
    async fn ping(&mut self) -> ControlFlow<Ending> {
        let (_, payload) = self.ledger.next_ping();
        let bytes = payload.len();
        self.sent_at = Instant::now();
        self.first_send.get_or_insert(self.sent_at);
        let deadline = self.sent_at + self.shared.options.timeout;
        let sending = async {
            self.socket.ping(payload).await?;
            self.socket.flush().await
        };
        match tokio::time::timeout_at(deadline, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return ControlFlow::Break(lost(&error, self.socket.close_reason().cloned())),
            // Counted as lost by whoever waits for its PONG.
            Err(_) => return ControlFlow::Continue(()),
        }
        self.counts.frames_sent += 1;
        self.counts.messages_sent += 1;
        self.counts.bytes_sent += bytes as u64;
        let frame = FrameSeen {
            client: self.client,
            sent: true,
            opcode: PING,
            fin: true,
            bytes,
        };
        self.shared.observer.frame(&frame);
        ControlFlow::Continue(())
    }

    /// Receives until the PONG is there or its time is over.
    async fn wait(&mut self) -> ControlFlow<Ending> {
        let deadline = self.sent_at + self.shared.options.timeout;
        while let Some(number) = self.ledger.waiting() {
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(received) => received?,
                Err(_) => {
                    self.ledger.give_up();
                    self.counts.lost += 1;
                    self.shared.observer.gave_up(self.client, number);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The pause between PONG and PING; whatever arrives is looked at at once.
    async fn pause(&mut self) -> ControlFlow<Ending> {
        let end = Instant::now() + self.shared.options.delay;
        while let Ok(received) = tokio::time::timeout_at(end, self.receive()).await {
            received?;
        }
        ControlFlow::Continue(())
    }

    /// One frame. Cancel safe, as is `WebSocket::recv`.
    async fn receive(&mut self) -> ControlFlow<Ending> {
        let message = match self.socket.recv().await {
            Ok(Some(message)) => message,
            Ok(None) => return ControlFlow::Break(closed(self.socket.close_reason().cloned())),
            Err(error) => return ControlFlow::Break(lost(&error, self.socket.close_reason().cloned())),
        };
        if let Message::Pong(payload) = message {
            self.take(&payload);
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, pong: &[u8]) {
        let now = Instant::now();
        self.counts.frames_received += 1;
        self.counts.messages_received += 1;
        self.counts.bytes_received += pong.len() as u64;
        let frame = FrameSeen {
            client: self.client,
            sent: false,
            opcode: PONG,
            fin: true,
            bytes: pong.len(),
        };
        self.shared.observer.frame(&frame);
        let (number, mark) = match self.ledger.judge(pong) {
            PongVerdict::Right(number) => {
                self.counts.right += 1;
                self.last_answer = Some(now);
                (Some(number), Mark::Right)
            }
            PongVerdict::Late(number) => {
                self.counts.late += 1;
                (Some(number), Mark::Late)
            }
            PongVerdict::Wrong(number) => {
                self.counts.wrong += 1;
                self.last_answer = Some(now);
                (
                    number,
                    Mark::Wrong("not the payload of a PING that waits for its PONG".into()),
                )
            }
            PongVerdict::Foreign => {
                self.counts.foreign += 1;
                (None, Mark::Foreign)
            }
        };
        let round_trip = (mark == Mark::Right).then(|| now.saturating_duration_since(self.sent_at));
        if let Some(round_trip) = round_trip {
            self.shared.record(round_trip);
        }
        let sender = number.map(|_| self.client);
        let (client, bytes) = (self.client, pong.len());
        let answer = Answer {
            client,
            sender,
            number,
            bytes,
            frames: 1,
            opcode: PONG,
            round_trip,
            mark,
        };
        self.shared.observer.answer(&answer);
    }
}
