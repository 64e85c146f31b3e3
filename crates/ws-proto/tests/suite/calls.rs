//! Random calls instead of random bytes: whatever two ends do with each other, nobody breaks the protocol, everything
//! that was sent arrives in order, and the end is clean.

use bytes::Bytes;
use ws_proto::{
    CloseCode, CloseState, Config, Delivery, Fragment, Message, MessageKind, PreparedMessage, SendOptions,
    UseError,
};

use crate::pair::{End, Pair, Seen};

/// xorshift64*, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    /// Mostly small, sometimes around an edge, seldom large.
    fn length(&mut self) -> usize {
        let length = match self.below(10) {
            0..=5 => self.below(20),
            6..=7 => 120 + self.below(12),
            8 => 65_530 + self.below(12),
            _ => 16_380 + self.below(8),
        };
        usize::try_from(length).unwrap()
    }

    fn text(&mut self) -> String {
        let length = self.length() / 2;
        ["a", "é", "€", "😀"]
            .iter()
            .cycle()
            .skip(length % 4)
            .take(length)
            .copied()
            .collect()
    }

    fn kind(&mut self) -> MessageKind {
        if self.below(2) == 0 {
            MessageKind::Text
        } else {
            MessageKind::Binary
        }
    }
}

/// What one end has sent, as the other must see it.
#[derive(Default)]
struct Sent {
    /// Events that have to come, in order; pongs are counted apart, for they may be fewer.
    events: Vec<Seen>,
    message: Vec<u8>,
    closed: bool,
}

fn data(kind: MessageKind, first: bool, fin: bool, payload: Vec<u8>) -> Seen {
    Seen::Fragment {
        kind,
        first,
        fin,
        payload,
    }
}

/// One random call on `end`; `sent` learns what must arrive.
fn act(random: &mut Random, end: &mut End, sent: &mut Sent) {
    let send = end.connection.sender();
    let open = send.open_message();
    let expect = |result: Result<(), UseError>, sent: &mut Sent, whole: bool, event: Seen| {
        let allowed = if sent.closed {
            Err(UseError::Closed)
        } else if whole && open.is_some() {
            Err(UseError::MessageOpen)
        } else {
            Ok(())
        };
        assert_eq!(result, allowed);
        if allowed.is_ok() {
            sent.events.push(event);
        }
    };
    match random.below(12) {
        0 | 1 => {
            let text = random.text();
            let event = data(MessageKind::Text, true, true, text.clone().into_bytes());
            expect(send.text(&text), sent, true, event);
        }
        2 => {
            let bytes = vec![random.below(256).to_le_bytes()[0]; random.length()];
            let event = data(MessageKind::Binary, true, true, bytes.clone());
            expect(send.message(Message::binary(bytes)), sent, true, event);
        }
        3 => {
            let text = random.text();
            let prepared = PreparedMessage::text(&text);
            let event = data(MessageKind::Text, true, true, text.into_bytes());
            expect(send.prepared(&prepared), sent, true, event);
        }
        4 => {
            let bytes = vec![1; random.length()];
            let result = send.begin_large(MessageKind::Binary, &bytes, SendOptions::new());
            if let Ok(left) = result {
                assert!(left == 0 || left == bytes.len());
                send.finish_large(&bytes[bytes.len() - left..]);
            }
            expect(
                result.map(|_| ()),
                sent,
                true,
                data(MessageKind::Binary, true, true, bytes),
            );
        }
        5..=7 => {
            let kind = open.unwrap_or_else(|| random.kind());
            let fin = random.below(3) == 0;
            let payload = vec![b'f'; random.length()];
            let event = data(kind, open.is_none(), fin, payload.clone());
            let result = if random.below(2) == 0 {
                send.send_fragment(kind, &payload, fin)
            } else {
                send.message(Message::Fragment(Fragment {
                    kind,
                    first: false,
                    fin,
                    payload: payload.into(),
                }))
            };
            expect(result, sent, false, event);
        }
        8 => expect(send.ping(b"ping"), sent, false, Seen::Ping(b"ping".to_vec())),
        9 => {
            // A pong of our own is not counted by the checks: it looks like an answer.
            let result = send.message(Message::Pong(Bytes::from_static(b"pong")));
            assert_eq!(result.is_err(), sent.closed);
        }
        10 => end.stuck = !end.stuck,
        _ => end.deaf = !end.deaf,
    }
}

fn close(end: &mut End, sent: &mut Sent) {
    end.connection.close(Some((CloseCode::NORMAL, "done"))).unwrap();
    sent.closed = true;
}

/// What arrived but for pongs and the Close frame, each message as it is expected.
fn check(seen: &[Seen], sent: &mut Sent, delivery: Delivery, seed: u64) {
    let mut expected = Vec::new();
    for event in std::mem::take(&mut sent.events) {
        match (event, delivery) {
            (
                Seen::Fragment {
                    kind, fin, payload, ..
                },
                Delivery::Message,
            ) => {
                sent.message.extend(payload);
                if fin {
                    let message = std::mem::take(&mut sent.message);
                    expected.push(match kind {
                        MessageKind::Text => Seen::Text(String::from_utf8(message).unwrap()),
                        MessageKind::Binary => Seen::Binary(message),
                    });
                }
            }
            (event, _) => expected.push(event),
        }
    }
    let arrived: Vec<&Seen> = seen
        .iter()
        .filter(|seen| !matches!(seen, Seen::Pong(_) | Seen::Close(_)))
        .collect();
    assert!(
        arrived.iter().copied().eq(&expected),
        "seed {seed}: {arrived:.200?} is not {expected:.200?}"
    );
    assert!(
        matches!(seen.last(), Some(Seen::Close(Some((1000, _))))),
        "seed {seed}: {:.100?}",
        seen.last()
    );
}

#[test]
fn whatever_two_ends_call_the_other_sees_it_in_order_and_the_end_is_clean() {
    for seed in 1..=120 {
        let mut random = Random(seed);
        let delivery = if seed % 2 == 0 {
            Delivery::Message
        } else {
            Delivery::Fragment
        };
        let config = |mut config: Config| {
            config.limits.max_message_size = usize::MAX;
            config.limits.ping_budget = None;
            config.with_delivery(delivery)
        };
        let mut pair = Pair::with(config(Config::client()), config(Config::server()));
        let (mut from_client, mut from_server) = (Sent::default(), Sent::default());
        for _ in 0..60 {
            if random.below(2) == 0 {
                act(&mut random, &mut pair.client, &mut from_client);
            } else {
                act(&mut random, &mut pair.server, &mut from_server);
            }
            if random.below(3) == 0 {
                pair.run();
            }
        }
        for end in [&mut pair.client, &mut pair.server] {
            (end.stuck, end.deaf) = (false, false);
        }
        pair.run();
        if seed % 3 == 0 {
            close(&mut pair.client, &mut from_client);
            act(&mut random, &mut pair.client, &mut from_client);
        }
        if seed % 3 != 1 {
            close(&mut pair.server, &mut from_server);
            act(&mut random, &mut pair.server, &mut from_server);
        }
        if seed % 3 == 1 {
            close(&mut pair.client, &mut from_client);
        }
        for end in [&mut pair.client, &mut pair.server] {
            (end.stuck, end.deaf) = (false, false);
        }
        pair.run();
        check(&pair.server.take_seen(), &mut from_client, delivery, seed);
        check(&pair.client.take_seen(), &mut from_server, delivery, seed);
        for end in [&pair.client, &pair.server] {
            assert_eq!(end.connection.state(), CloseState::Closed, "seed {seed}");
            assert!(
                end.ending().is_some_and(|(code, _, clean)| code == 1000 && clean),
                "seed {seed}"
            );
            assert!(end.dropped, "seed {seed}");
        }
    }
}
