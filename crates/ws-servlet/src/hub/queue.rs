//! What waits in a mailbox, in order: first come, first sent.
//!
//! A mailbox is mostly empty or holds one item, which needs no memory of its own. Limits and locks are in `outbox`.

use std::collections::VecDeque;

use super::mail::Mail;

/// A queue that allocates for its second item only, and holds nothing when it is empty.
#[derive(Debug, Default)]
pub(super) enum Queue {
    #[default]
    Empty,
    One(Mail),
    /// Never empty.
    Many(VecDeque<Mail>),
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn push(&mut self, mail: Mail) {
        match self {
            Self::Empty => *self = Self::One(mail),
            Self::Many(queue) => queue.push_back(mail),
            Self::One(_) => {
                let mut queue = VecDeque::new();
                queue.extend(self.pop());
                queue.push_back(mail);
                *self = Self::Many(queue);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Mail> {
        let Self::Many(queue) = self else {
            return match std::mem::take(self) {
                Self::One(mail) => Some(mail),
                _ => None,
            };
        };
        let mail = queue.pop_front();
        if queue.is_empty() {
            *self = Self::Empty;
        }
        mail
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mail> {
        let (one, many) = match self {
            Self::Empty => (None, None),
            Self::One(mail) => (Some(mail), None),
            Self::Many(queue) => (None, Some(queue)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Mail) -> bool) {
        let none_left = match self {
            Self::Empty => return,
            Self::One(mail) => !keep(mail),
            Self::Many(queue) => {
                queue.retain(keep);
                queue.is_empty()
            }
        };
        if none_left {
            *self = Self::Empty;
        }
    }
}

#[cfg(test)]
mod tests {
    use ws_proto::Message;

    use super::*;

    fn numbered(number: u8) -> Mail {
        Mail::Message(Message::binary(vec![number]))
    }

    fn number(mail: &Mail) -> u8 {
        match mail {
            Mail::Message(message) => message.payload()[0],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn order_is_kept_and_nothing_is_held_when_it_is_empty() {
        let mut queue = Queue::default();
        let (mut next, mut expected) = (0, 0);
        for (push, pop) in [(1, 1), (2, 1), (3, 2), (0, 2), (5, 4), (0, 1)] {
            for _ in 0..push {
                queue.push(numbered(next));
                next += 1;
            }
            assert!(queue.iter().map(number).eq(expected..next));
            for _ in 0..pop {
                assert_eq!(number(&queue.pop().unwrap()), expected);
                expected += 1;
            }
            assert_eq!(queue.is_empty(), expected == next);
        }
        assert!(matches!(queue, Queue::Empty) && queue.pop().is_none());
    }

    #[test]
    fn what_is_not_kept_goes_whatever_the_length() {
        for length in 0..4 {
            for kept in 0..=length {
                let mut queue = Queue::default();
                (0..length).for_each(|item| queue.push(numbered(item)));
                queue.retain(|mail| number(mail) < kept);
                assert!(queue.iter().map(number).eq(0..kept));
                assert_eq!(queue.is_empty(), kept == 0);
            }
        }
    }

    /// Each subscriber has a mailbox.
    #[test]
    fn it_is_no_larger_than_one_item() {
        assert_eq!(size_of::<Queue>(), size_of::<Mail>());
        assert!(size_of::<Mail>() <= 40);
    }
}
