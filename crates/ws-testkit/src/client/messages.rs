//! One client with a subprotocol: sends its messages, receives at the same time, and judges what comes back.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use ws_handler::{Receiver, Sender, SocketError};
use ws_proto::{CloseCode, Fragment, Message, MessageKind};

use super::assembly::{Assembly, cut};
use super::dial::{LONGEST_GOODBYE, Opened};
use super::ending::{closed, lost};
use super::progress::Progress;
use super::shared::{Moments, Shared};
use crate::stats::{Answer, Counts, Ending, FrameSeen, Mark};
use crate::workload::{Arrived, Ledger, Rule, Verdict};

/// Sends and receives until all answers are in or nothing more can come; the counts go to `shared`.
pub(super) async fn exchange(shared: &Shared, opened: Opened, client: usize, rule: Rule) -> Ending {
    let Opened { socket, progress, .. } = opened;
    let (sender, mut receiver) = socket.split();
    let exchange = Exchange::new(shared, client, rule, progress);
    let ending = exchange.run(sender.clone(), &mut receiver).await;
    // What the closing handshake still brings changes neither the number lost nor the time it took.
    let lost = exchange.due();
    let end = Instant::now();
    if rule == Rule::Broadcast {
        let sent = exchange.state().counts.messages_sent;
        shared.group.abandon(shared.options.count - sent);
    }
    exchange.say_goodbye(sender.clone(), &mut receiver, &ending).await;
    let mut state = exchange.state();
    state.counts.deflated = sender.deflated_bytes().into();
    state.counts.inflated = receiver.inflated_bytes().into();
    state.counts.lost = lost;
    shared.add(
        state.counts,
        Moments {
            first_send: state.first_send,
            last_answer: state.last_answer,
            end,
        },
    );
    ending
}

/// Bytes that may wait to be written before the next frame waits, too. The socket's own limit is switched off: above
/// that it stops reading, and a server that echoes and cannot write would then wait for us for ever.
const MOST_QUEUED: usize = 256 * 1024;

struct Exchange<'a> {
    shared: &'a Shared,
    client: usize,
    rule: Rule,
    progress: Progress,
    /// Touched by the sending and by the receiving future of one task, never across an await.
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    assembly: Assembly,
    counts: Counts,
    /// When the own messages that are not answered yet were sent.
    sent_at: BTreeMap<u64, Instant>,
    /// A message is half way out.
    sending: bool,
    /// Sending failed in the middle of a message: it is not lost, it was never sent.
    sending_failed: bool,
    all_sent: bool,
    first_send: Option<Instant>,
    last_answer: Option<Instant>,
}

impl<'a> Exchange<'a> {
    fn new(shared: &'a Shared, client: usize, rule: Rule, progress: Progress) -> Self {
        let options = &shared.options;
        let (clients, count, fragment) = (options.clients, options.count, options.fragment);
        let state = State {
            ledger: Ledger::new(rule, shared.recipe, client, clients, count, fragment),
            assembly: Assembly::default(),
            counts: Counts::default(),
            sent_at: BTreeMap::new(),
            sending: false,
            sending_failed: false,
            all_sent: false,
            first_send: None,
            last_answer: None,
        };
        Self {
            shared,
            client,
            rule,
            progress,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, sender: Sender, receiver: &mut Receiver) -> Ending {
        let mut sending = pin!(self.send_all(sender));
        let mut stalled = pin!(self.stalled());
        let mut stopped = pin!(self.shared.stopped());
        let mut abandoned = self.shared.group.abandoned();
        loop {
            if self.is_complete(*abandoned.borrow_and_update()) {
                return Ending::Complete;
            }
            let may_send = self.may_send();
            tokio::select! {
                result = &mut sending, if may_send => {
                    // Why sending failed is best told by the receiving half: a close frame may lie there.
                    self.state().sending_failed = result.is_err();
                }
                received = receiver.recv() => match received {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => return closed(receiver.close_reason()),
                    Err(error) => return lost(&error, receiver.close_reason()),
                },
                () = &mut stalled => return Ending::TimedOut,
                () = &mut stopped => return Ending::Interrupted,
                Ok(()) = abandoned.changed() => {}
            }
        }
    }

    fn may_send(&self) -> bool {
        let state = self.state();
        !state.all_sent && !state.sending_failed
    }

    /// All messages of this client, one after the other.
    async fn send_all(&self, sender: Sender) -> Result<(), SocketError> {
        let options = &self.shared.options;
        for number in 0..options.count {
            if number > 0 && !options.delay.is_zero() {
                tokio::time::sleep(options.delay).await;
            }
            self.begin_message(number);
            let payload = self.shared.recipe.payload(self.client, number);
            let kind = self.shared.recipe.kind;
            for (place, (payload, fin)) in cut(&payload, options.fragment).enumerate() {
                let (first, bytes) = (place == 0, payload.len());
                sender
                    .send(Message::Fragment(Fragment {
                        kind,
                        first,
                        fin,
                        payload,
                    }))
                    .await?;
                self.sent_frame(kind, first, fin, bytes);
                if sender.queued_bytes() > MOST_QUEUED {
                    sender.flush().await?;
                }
                // Sockets that are always ready would keep the receiving half from ever being polled.
                tokio::task::consume_budget().await;
            }
            self.end_message();
        }
        self.state().all_sent = true;
        Ok(())
    }

    fn begin_message(&self, number: u64) {
        let now = Instant::now();
        self.progress.made(now);
        self.shared.group.sending(now);
        let mut state = self.state();
        state.ledger.sent(number);
        state.sent_at.insert(number, now);
        state.sending = true;
        state.first_send.get_or_insert(now);
    }

    fn sent_frame(&self, kind: MessageKind, first: bool, fin: bool, bytes: usize) {
        let mut state = self.state();
        state.counts.frames_sent += 1;
        state.counts.bytes_sent += bytes as u64;
        drop(state);
        self.progress.made(Instant::now());
        let opcode = if first { opcode(kind) } else { 0 };
        self.shared.observer.frame(&FrameSeen {
            client: self.client,
            sent: true,
            opcode,
            fin,
            bytes,
        });
    }

    fn end_message(&self) {
        let mut state = self.state();
        state.counts.messages_sent += 1;
        state.sending = false;
    }

    /// Takes a frame, and judges the message that it completes.
    fn take(&self, message: Message) {
        let now = Instant::now();
        self.progress.made(now);
        let Message::Fragment(fragment) = message else {
            // Pings are answered by the library, and nobody promised not to send pongs.
            return;
        };
        let opcode = if fragment.first { opcode(fragment.kind) } else { 0 };
        let (fin, bytes) = (fragment.fin, fragment.payload.len());
        self.shared.observer.frame(&FrameSeen {
            client: self.client,
            sent: false,
            opcode,
            fin,
            bytes,
        });
        let mut state = self.state();
        state.counts.frames_received += 1;
        state.counts.bytes_received += bytes as u64;
        if let Some(arrived) = state.assembly.push(fragment) {
            let answer = self.judge(&mut state, &arrived, now);
            drop(state);
            self.shared.observer.answer(&answer);
        }
    }

    fn judge(&self, state: &mut State, arrived: &Arrived, now: Instant) -> Answer {
        state.counts.messages_received += 1;
        let mut answer = Answer {
            client: self.client,
            sender: None,
            number: None,
            bytes: arrived.payload.len(),
            frames: arrived.shape.frames(),
            opcode: opcode(arrived.kind),
            round_trip: None,
            mark: Mark::Right,
        };
        match state.ledger.judge(arrived) {
            Verdict::Right { client, number } => {
                state.counts.right += 1;
                state.last_answer = Some(now);
                (answer.sender, answer.number) = (client, number);
                if client == Some(self.client) {
                    self.time(state, &mut answer, now);
                }
            }
            Verdict::Wrong { number, fault } => {
                state.counts.wrong += 1;
                state.last_answer = Some(now);
                answer.number = number;
                number.and_then(|number| state.sent_at.remove(&number));
                answer.mark = Mark::Wrong(fault.to_string());
            }
            Verdict::Foreign => {
                state.counts.foreign += 1;
                answer.mark = Mark::Foreign;
            }
        }
        answer
    }

    /// The round trip of an own message; short ones without a number answer the oldest.
    fn time(&self, state: &mut State, answer: &mut Answer, now: Instant) {
        let sent_at = match answer.number {
            Some(number) => state.sent_at.remove(&number),
            None => state.sent_at.pop_first().map(|(number, sent_at)| {
                answer.number = Some(number);
                sent_at
            }),
        };
        answer.round_trip = sent_at.map(|sent_at| now.saturating_duration_since(sent_at));
        if let Some(round_trip) = answer.round_trip {
            self.shared.record(round_trip);
        }
    }

    /// Everything is sent, and everything that was ever to come is there.
    fn is_complete(&self, abandoned: u64) -> bool {
        let state = self.state();
        let abandoned = if self.rule == Rule::Broadcast {
            abandoned
        } else {
            0
        };
        state.all_sent && state.ledger.outstanding() <= abandoned
    }

    /// Messages that have been sent, by whomever, and not arrived here.
    fn due(&self) -> u64 {
        let state = self.state();
        let outstanding = state
            .ledger
            .outstanding()
            .saturating_sub(u64::from(state.sending_failed));
        drop(state);
        if self.rule != Rule::Broadcast {
            return outstanding;
        }
        let options = &self.shared.options;
        let not_sent = (options.clients as u64 * options.count).saturating_sub(self.shared.group.sent());
        outstanding.saturating_sub(not_sent)
    }

    /// Completes when nothing has moved for the whole timeout although something should have.
    async fn stalled(&self) {
        let timeout = self.shared.options.timeout;
        loop {
            let last = self.last_progress();
            tokio::time::sleep_until(last + timeout).await;
            let waiting = self.state().sending || self.due() > 0;
            if !waiting {
                // Between two messages there is nothing to wait for: the time begins anew.
                self.progress.made(Instant::now());
            } else if self.last_progress() == last {
                return;
            }
        }
    }

    /// When this connection last moved, or on a broadcast protocol anybody last sent something.
    fn last_progress(&self) -> Instant {
        match self.rule {
            Rule::Broadcast => self.progress.last().max(self.shared.group.last_sending()),
            _ => self.progress.last(),
        }
    }

    /// The closing handshake. What still arrives is judged too: all answers are in, so it is too much.
    async fn say_goodbye(&self, sender: Sender, receiver: &mut Receiver, ending: &Ending) {
        let code = match ending {
            Ending::Complete => CloseCode::NORMAL,
            Ending::Interrupted | Ending::TimedOut => CloseCode::GOING_AWAY,
            _ => return,
        };
        let goodbye = async {
            sender.close(code, "").await?;
            while let Some(message) = receiver.recv().await? {
                self.take(message);
            }
            Ok::<(), SocketError>(())
        };
        // A server that does not close properly has still answered everything.
        let _ = tokio::time::timeout(LONGEST_GOODBYE.min(self.shared.options.timeout), goodbye).await;
    }
}

/// RFC 6455 §11.8.
fn opcode(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Text => 0x1,
        MessageKind::Binary => 0x2,
    }
}
