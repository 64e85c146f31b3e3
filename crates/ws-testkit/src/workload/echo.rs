//! Judges the answers of the protocols that send a message back to its sender only.

use std::collections::BTreeSet;

use super::message::{Arrived, Fault, Shape, Verdict, difference};
use super::payload::Recipe;

/// What one client has sent on an echoing connection and not yet got back.
#[derive(Debug)]
pub(super) struct EchoLedger {
    recipe: Recipe,
    client: usize,
    /// The frames each answer must come in; None: any.
    shape: Option<Shape>,
    sent: u64,
    pending: BTreeSet<u64>,
    /// One more than the largest number answered.
    answered_below: u64,
}

impl EchoLedger {
    pub(super) fn new(recipe: Recipe, client: usize, shape: Option<Shape>) -> Self {
        Self {
            recipe,
            client,
            shape,
            sent: 0,
            pending: BTreeSet::new(),
            answered_below: 0,
        }
    }

    pub(super) fn sent(&mut self, number: u64) {
        self.sent = self.sent.max(number + 1);
        self.pending.insert(number);
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.pending.len() as u64
    }

    pub(super) fn judge(&mut self, arrived: &Arrived) -> Verdict {
        let Some(number) = self.answered(arrived) else {
            return self.unknown();
        };
        if !self.pending.remove(&number) {
            return Verdict::Wrong {
                number: Some(number),
                fault: Fault::Duplicate,
            };
        }
        let late = self.recipe.has_head() && number < self.answered_below;
        self.answered_below = self.answered_below.max(number + 1);
        let fault = self.fault(arrived, number).or(late.then_some(Fault::OutOfOrder));
        match fault {
            Some(fault) => Verdict::Wrong {
                number: Some(number),
                fault,
            },
            None => Verdict::Right {
                client: Some(self.client),
                number: Some(number),
            },
        }
    }

    /// The number of the message that this one answers.
    fn answered(&self, arrived: &Arrived) -> Option<u64> {
        if self.recipe.has_head() {
            let (client, number) = self.recipe.read_head(&arrived.payload)?;
            return (client == self.client && number < self.sent).then_some(number);
        }
        // Short ones carry no number: the first in order of sending with that content.
        let same = |number: &&u64| self.recipe.payload(self.client, **number) == arrived.payload;
        self.pending.iter().find(same).copied()
    }

    /// A message that names no message of ours stands for the oldest unanswered one: something came back for it,
    /// and waiting for more would only end in a timeout.
    fn unknown(&mut self) -> Verdict {
        let number = self.pending.pop_first();
        self.answered_below =
            number.map_or(self.answered_below, |number| self.answered_below.max(number + 1));
        Verdict::Wrong {
            number,
            fault: Fault::Unknown,
        }
    }

    fn fault(&self, arrived: &Arrived, number: u64) -> Option<Fault> {
        if arrived.kind != self.recipe.kind {
            return Some(Fault::Kind);
        }
        let expected = self.recipe.payload(self.client, number);
        let frames = self
            .shape
            .filter(|shape| *shape != arrived.shape)
            .map(|expected| Fault::Frames {
                expected,
                found: arrived.shape,
            });
        difference(&expected, &arrived.payload).or(frames)
    }
}
