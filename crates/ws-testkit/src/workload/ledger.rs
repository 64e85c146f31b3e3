//! One face for the ledgers of all protocols.

use super::broadcast::BroadcastLedger;
use super::echo::EchoLedger;
use super::message::{Arrived, Shape, Verdict};
use super::payload::Recipe;

/// What a protocol promises to send back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Every frame comes back as it was sent.
    Frames,
    /// Every message comes back as one single frame.
    OneFrame,
    /// Every message comes back as two frames, cut in the middle.
    TwoFrames,
    /// Every message comes back to everybody, in any frames.
    Broadcast,
    /// Every message comes back, in any frames (for protocols that are not ours).
    Messages,
}

impl Rule {
    /// What is still promised when messages are compressed: the frames of a message keep their number, but not which
    /// byte stands in which of them.
    pub(crate) fn when_compressed(self) -> Self {
        match self {
            Self::Frames | Self::TwoFrames => Self::Messages,
            other => other,
        }
    }

    /// The word used for it in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Frames => "echo",
            Self::OneFrame => "assemble",
            Self::TwoFrames => "fragment",
            Self::Broadcast => "broadcast",
            Self::Messages => "messages",
        }
    }

    /// The frames an answer of `size` bytes must come in, if it was sent in frames of `fragment` bytes.
    fn shape(self, size: usize, fragment: usize) -> Option<Shape> {
        match self {
            Self::Frames => Some(Shape::cut(size, fragment)),
            Self::OneFrame => Some(Shape::starting(size)),
            Self::TwoFrames => Some(Shape::halves(size)),
            Self::Broadcast | Self::Messages => None,
        }
    }
}

/// Everything one client still has to receive, and the judge of what does arrive.
#[derive(Debug)]
pub(crate) struct Ledger(Kind);

#[derive(Debug)]
enum Kind {
    Echo(EchoLedger),
    Broadcast(BroadcastLedger),
}

impl Ledger {
    /// For client `client` of `clients`, each of which sends `count` messages in frames of `fragment` bytes (0: uncut).
    pub(crate) fn new(
        rule: Rule,
        recipe: Recipe,
        client: usize,
        clients: usize,
        count: u64,
        fragment: usize,
    ) -> Self {
        Self(match rule {
            Rule::Broadcast => Kind::Broadcast(BroadcastLedger::new(recipe, clients, count)),
            _ => Kind::Echo(EchoLedger::new(recipe, client, rule.shape(recipe.size, fragment))),
        })
    }

    /// This client is about to send message `number`.
    pub(crate) fn sent(&mut self, number: u64) {
        if let Kind::Echo(ledger) = &mut self.0 {
            ledger.sent(number);
        }
    }

    /// Judges a message, and strikes out what it answers.
    pub(crate) fn judge(&mut self, arrived: &Arrived) -> Verdict {
        match &mut self.0 {
            Kind::Echo(ledger) => ledger.judge(arrived),
            Kind::Broadcast(ledger) => ledger.judge(arrived),
        }
    }

    /// How many messages are still to come: of those sent so far, or on a broadcast protocol of all.
    pub(crate) fn outstanding(&self) -> u64 {
        match &self.0 {
            Kind::Echo(ledger) => ledger.outstanding(),
            Kind::Broadcast(ledger) => ledger.outstanding(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ws_proto::MessageKind;

    use super::super::message::Fault;
    use super::*;

    const FRAGMENT: usize = 10;

    fn recipe(size: usize) -> Recipe {
        Recipe {
            run: 7,
            kind: MessageKind::Binary,
            size,
        }
    }

    fn ledger(rule: Rule, size: usize, sent: u64) -> Ledger {
        let mut ledger = Ledger::new(rule, recipe(size), 0, 1, sent, FRAGMENT);
        (0..sent).for_each(|number| ledger.sent(number));
        ledger
    }

    fn arrived(payload: Bytes, shape: Shape) -> Arrived {
        Arrived {
            kind: MessageKind::Binary,
            payload,
            shape,
        }
    }

    fn echo(size: usize, number: u64) -> Arrived {
        arrived(recipe(size).payload(0, number), Shape::cut(size, FRAGMENT))
    }

    fn right(number: u64) -> Verdict {
        Verdict::Right {
            client: Some(0),
            number: Some(number),
        }
    }

    fn wrong(number: u64, fault: Fault) -> Verdict {
        Verdict::Wrong {
            number: Some(number),
            fault,
        }
    }

    #[test]
    fn echoes_in_order_are_right_at_every_size() {
        for size in [0, 1, 23, 24, 125, 126, 65_535, 65_536] {
            let mut ledger = ledger(Rule::Frames, size, 3);
            for number in 0..3 {
                assert_eq!(ledger.judge(&echo(size, number)), right(number), "size {size}");
            }
            assert_eq!(ledger.outstanding(), 0);
        }
    }

    #[test]
    fn one_wrong_byte_anywhere_is_found() {
        for at in [0, 7, 13, 23, 24, 99] {
            let mut ledger = ledger(Rule::Frames, 100, 1);
            let mut payload = recipe(100).payload(0, 0).to_vec();
            payload[at] ^= 0x80;
            let verdict = ledger.judge(&arrived(payload.into(), Shape::cut(100, FRAGMENT)));
            assert!(
                matches!(verdict, Verdict::Wrong { number: Some(0), .. }),
                "byte {at}: {verdict:?}"
            );
            assert_eq!(ledger.outstanding(), 0, "the wrong answer is an answer");
        }
        let mut ledger = ledger(Rule::Frames, 5, 1);
        let payload = Bytes::from_static(b"other");
        let verdict = ledger.judge(&arrived(payload, Shape::cut(5, FRAGMENT)));
        assert_eq!(verdict, wrong(0, Fault::Unknown));
    }

    #[test]
    fn a_missing_or_extra_byte_is_found() {
        let payload = recipe(100).payload(0, 0);
        let found = ledger(Rule::Messages, 100, 1).judge(&arrived(payload.slice(..99), Shape::starting(99)));
        assert_eq!(
            found,
            wrong(
                0,
                Fault::Length {
                    expected: 100,
                    found: 99
                }
            )
        );
        let longer = [&payload[..], b"x"].concat();
        let found = ledger(Rule::Messages, 100, 1).judge(&arrived(longer.into(), Shape::starting(101)));
        assert_eq!(
            found,
            wrong(
                0,
                Fault::Length {
                    expected: 100,
                    found: 101
                }
            )
        );
    }

    #[test]
    fn text_for_binary_is_wrong() {
        let mut text = echo(100, 0);
        text.kind = MessageKind::Text;
        assert_eq!(ledger(Rule::Frames, 100, 1).judge(&text), wrong(0, Fault::Kind));
    }

    #[test]
    fn each_rule_accepts_its_own_frames_and_no_others() {
        let size = 25;
        let cut = Shape::cut(size, FRAGMENT);
        let (one, halves) = (Shape::starting(size), Shape::halves(size));
        let odd = Shape::starting(13).followed_by(12);
        let payload = recipe(size).payload(0, 0);
        for (rule, accepted) in [
            (Rule::Frames, cut),
            (Rule::OneFrame, one),
            (Rule::TwoFrames, halves),
        ] {
            for shape in [cut, one, halves, odd] {
                let verdict = ledger(rule, size, 1).judge(&arrived(payload.clone(), shape));
                let frames = wrong(
                    0,
                    Fault::Frames {
                        expected: accepted,
                        found: shape,
                    },
                );
                assert_eq!(
                    verdict,
                    if shape == accepted { right(0) } else { frames },
                    "{rule:?} {shape}"
                );
            }
        }
        for rule in [Rule::Messages, Rule::Broadcast] {
            for shape in [cut, one, halves, odd] {
                assert_eq!(
                    ledger(rule, size, 1).judge(&arrived(payload.clone(), shape)),
                    right(0)
                );
            }
        }
    }

    #[test]
    fn a_missing_message_stays_outstanding_and_spoils_no_other() {
        let mut ledger = ledger(Rule::Frames, 24, 3);
        assert_eq!(ledger.judge(&echo(24, 0)), right(0));
        assert_eq!(ledger.judge(&echo(24, 2)), right(2));
        assert_eq!(ledger.outstanding(), 1);
    }

    #[test]
    fn duplicates_and_swapped_answers_are_found() {
        let mut ledger = ledger(Rule::Frames, 24, 3);
        assert_eq!(ledger.judge(&echo(24, 1)), right(1));
        assert_eq!(ledger.judge(&echo(24, 1)), wrong(1, Fault::Duplicate));
        assert_eq!(ledger.judge(&echo(24, 0)), wrong(0, Fault::OutOfOrder));
        assert_eq!(ledger.judge(&echo(24, 2)), right(2));
        assert_eq!(
            ledger.judge(&echo(24, 3)),
            Verdict::Wrong {
                number: None,
                fault: Fault::Unknown
            },
            "not sent yet"
        );
    }

    #[test]
    fn a_surplus_short_answer_is_found() {
        let mut ledger = ledger(Rule::Frames, 0, 1);
        assert_eq!(ledger.judge(&echo(0, 0)), right(0));
        assert_eq!(
            ledger.judge(&echo(0, 0)),
            Verdict::Wrong {
                number: None,
                fault: Fault::Unknown
            }
        );
    }

    #[test]
    fn broadcast_expects_every_message_of_every_client_once() {
        let recipe = recipe(30);
        let mut ledger = Ledger::new(Rule::Broadcast, recipe, 1, 3, 2, 0);
        assert_eq!(ledger.outstanding(), 6);
        let from = |client, number| arrived(recipe.payload(client, number), Shape::starting(30));
        for (client, number) in [(2, 1), (0, 0), (1, 0), (0, 1), (2, 0)] {
            let expected = Verdict::Right {
                client: Some(client),
                number: Some(number),
            };
            assert_eq!(ledger.judge(&from(client, number)), expected);
        }
        for (client, number) in [(2, 1), (2, 0)] {
            let duplicate = Verdict::Wrong {
                number: None,
                fault: Fault::Duplicate,
            };
            assert_eq!(ledger.judge(&from(client, number)), duplicate);
        }
        let unknown = Verdict::Wrong {
            number: None,
            fault: Fault::Unknown,
        };
        assert_eq!(ledger.judge(&from(3, 0)), unknown);
        assert_eq!(ledger.judge(&from(0, 2)), unknown);
        assert_eq!(ledger.outstanding(), 1, "one is still missing");
        let mut spoiled = recipe.payload(1, 1).to_vec();
        spoiled[29] ^= 1;
        let content = Verdict::Wrong {
            number: None,
            fault: Fault::Content { at: 29 },
        };
        assert_eq!(
            ledger.judge(&arrived(spoiled.into(), Shape::starting(30))),
            content
        );
    }

    #[test]
    fn other_runs_on_the_broadcast_group_are_foreign() {
        let mut ledger = Ledger::new(Rule::Broadcast, recipe(30), 0, 1, 1, 0);
        let other = Recipe { run: 8, ..recipe(30) }.payload(0, 0);
        for foreign in [
            other,
            Bytes::from_static(b"Alice:hello, is anybody there?"),
            Bytes::new(),
        ] {
            let shape = Shape::starting(foreign.len());
            assert_eq!(ledger.judge(&arrived(foreign, shape)), Verdict::Foreign);
        }
        assert_eq!(ledger.outstanding(), 1);
    }

    #[test]
    fn short_broadcast_messages_are_judged_as_a_multiset() {
        for size in [0, 1, 2, 23] {
            let (clients, count) = (3, 130);
            let recipe = recipe(size);
            let mut ledger = Ledger::new(Rule::Broadcast, recipe, 0, clients, count, 0);
            for number in (0..count).rev() {
                for client in 0..clients {
                    let verdict =
                        ledger.judge(&arrived(recipe.payload(client, number), Shape::starting(size)));
                    assert_eq!(
                        verdict,
                        Verdict::Right {
                            client: None,
                            number: None
                        },
                        "size {size}"
                    );
                }
            }
            assert_eq!(ledger.outstanding(), 0);
            let surplus = ledger.judge(&arrived(recipe.payload(0, 0), Shape::starting(size)));
            assert_eq!(
                surplus,
                Verdict::Wrong {
                    number: None,
                    fault: Fault::Duplicate
                }
            );
            let foreign = ledger.judge(&arrived(
                Bytes::from_static(b"something else entirely"),
                Shape::starting(23),
            ));
            assert_eq!(foreign, Verdict::Foreign);
        }
    }
}
