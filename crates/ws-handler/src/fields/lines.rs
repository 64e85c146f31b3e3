//! The header lines of a head, found and classified when it was parsed: where names and values stand in its bytes.
//!
//! Not here: who finds them (`http1`).

use std::ops::Range;
use std::slice;

use super::name::Name;

/// Header lines in order. Positions count from the start of the head they were found in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// A bit for each name that is among them.
    names: u16,
}

/// One header line.
#[derive(Clone, Debug)]
struct Line {
    name: Name,
    name_start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
}

impl Lines {
    /// No lines, and room for so many.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self {
            lines: Vec::with_capacity(count),
            names: 0,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Adds a line, with the places of its name and of its value without the whitespace around it.
    pub(crate) fn push(&mut self, name: Name, name_at: Range<u32>, value_at: Range<u32>) {
        self.lines.push(Line {
            name,
            name_start: name_at.start,
            name_end: name_at.end,
            value_start: value_at.start,
            value_end: value_at.end,
        });
        self.names |= bit(name);
    }

    /// True when there is a line called `name`.
    pub(super) fn contain(&self, name: Name) -> bool {
        self.names & bit(name) != 0
    }

    /// Names as they came and values, in order.
    pub(crate) fn iter<'a>(&'a self, head: &'a [u8]) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        self.lines.iter().map(|line| (line.name(head), line.value(head)))
    }

    /// The same without those that are [spent](Name::is_spent).
    pub(crate) fn lasting<'a>(&'a self, head: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let lasting = self.lines.iter().filter(|line| !line.name.is_spent());
        lasting.map(|line| (line.name(head), line.value(head)))
    }

    /// The values of the lines called `name`.
    pub(super) fn all<'a>(&'a self, head: &'a [u8], name: Name) -> Values<'a> {
        // Without a look at them where there is none.
        let lines = if self.contain(name) {
            self.lines.as_slice()
        } else {
            &[]
        };
        Values {
            lines: lines.iter(),
            head,
            name,
        }
    }
}

impl Line {
    fn name<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        part(head, self.name_start, self.name_end)
    }

    fn value<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        part(head, self.value_start, self.value_end)
    }
}

fn bit(name: Name) -> u16 {
    1 << name as u16
}

fn part(head: &[u8], start: u32, end: u32) -> &[u8] {
    head.get(start as usize..end as usize).unwrap_or_default()
}

/// The values of the lines of one name.
#[derive(Clone)]
pub(super) struct Values<'a> {
    lines: slice::Iter<'a, Line>,
    head: &'a [u8],
    name: Name,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.find(|line| line.name == self.name)?;
        Some(line.value(self.head))
    }
}
