//! Judges what arrives on a broadcast protocol, where every client gets everybody's messages.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::message::{Arrived, Fault, Verdict, difference};
use super::payload::{Recipe, SHORT_VARIETY};

/// What one client of a broadcast group still has to receive: `count` messages of each of `clients`.
#[derive(Debug)]
pub(super) struct BroadcastLedger {
    recipe: Recipe,
    clients: usize,
    count: u64,
    outstanding: u64,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    /// By sender.
    Numbered(Vec<Seen>),
    /// Too short to say whose they are: how often each content is still to come.
    Multiset(HashMap<Bytes, u64>),
}

/// The numbers seen of one sender, kept small as long as they come in order.
#[derive(Debug, Default)]
struct Seen {
    all_below: u64,
    beyond: BTreeSet<u64>,
}

impl Seen {
    /// False if it was there already.
    fn insert(&mut self, number: u64) -> bool {
        if number < self.all_below || !self.beyond.insert(number) {
            return false;
        }
        while self.beyond.remove(&self.all_below) {
            self.all_below += 1;
        }
        true
    }
}

impl BroadcastLedger {
    pub(super) fn new(recipe: Recipe, clients: usize, count: u64) -> Self {
        let expected = if recipe.has_head() {
            Expected::Numbered((0..clients).map(|_| Seen::default()).collect())
        } else {
            Expected::Multiset(multiset(&recipe, clients as u64, count))
        };
        Self {
            recipe,
            clients,
            count,
            outstanding: clients as u64 * count,
            expected,
        }
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    pub(super) fn judge(&mut self, arrived: &Arrived) -> Verdict {
        match &mut self.expected {
            Expected::Numbered(seen) => {
                // Without our run id at its head it is somebody else's message, whatever else it holds.
                let Some((client, number)) = self.recipe.read_head(&arrived.payload) else {
                    return Verdict::Foreign;
                };
                let Some(sender) = seen.get_mut(client).filter(|_| number < self.count) else {
                    return Verdict::Wrong {
                        number: None,
                        fault: Fault::Unknown,
                    };
                };
                if !sender.insert(number) {
                    return Verdict::Wrong {
                        number: None,
                        fault: Fault::Duplicate,
                    };
                }
                self.outstanding -= 1;
                let kind = (arrived.kind != self.recipe.kind).then_some(Fault::Kind);
                match kind.or_else(|| difference(&self.recipe.payload(client, number), &arrived.payload)) {
                    Some(fault) => Verdict::Wrong { number: None, fault },
                    None => Verdict::Right {
                        client: Some(client),
                        number: Some(number),
                    },
                }
            }
            Expected::Multiset(left) => {
                let Some(left) = left.get_mut(&arrived.payload) else {
                    return Verdict::Foreign;
                };
                if *left == 0 {
                    return Verdict::Wrong {
                        number: None,
                        fault: Fault::Duplicate,
                    };
                }
                *left -= 1;
                self.outstanding -= 1;
                if arrived.kind != self.recipe.kind {
                    return Verdict::Wrong {
                        number: None,
                        fault: Fault::Kind,
                    };
                }
                Verdict::Right {
                    client: (self.clients == 1).then_some(0),
                    number: None,
                }
            }
        }
    }
}

/// Every short content with the number of times all clients together send it.
fn multiset(recipe: &Recipe, clients: u64, count: u64) -> HashMap<Bytes, u64> {
    let mut left = HashMap::new();
    for variant in 0..SHORT_VARIETY.min(count) {
        let messages_like_it = (count - variant).div_ceil(SHORT_VARIETY);
        *left.entry(recipe.payload(0, variant)).or_insert(0) += clients * messages_like_it;
    }
    left
}
