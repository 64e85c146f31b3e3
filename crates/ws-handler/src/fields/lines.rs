//! The header lines of a head, found and classified when it was parsed: where names and values stand in its bytes.
//!
//! Not here: who finds them (`http1`).

use std::ops::Range;
use std::slice;

use super::name::Name;

/// Header lines in order. Positions count from the start of the head they were found in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

/// One header line.
#[derive(Clone, Debug)]
struct Line {
    name: Name,
    name_start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
}

/// The head is too long for its positions to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    /// No lines, and room for so many.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a line of `head`, with the places of its name and of its value without the whitespace around it.
    ///
    /// # Errors
    /// [`TooLong`]
    pub(crate) fn push(
        &mut self,
        head: &[u8],
        name: Range<usize>,
        value: Range<usize>,
    ) -> Result<(), TooLong> {
        let position = |at: usize| u32::try_from(at).map_err(|_| TooLong);
        self.0.push(Line {
            name: Name::of(head.get(name.clone()).unwrap_or_default()),
            name_start: position(name.start)?,
            name_end: position(name.end)?,
            value_start: position(value.start)?,
            value_end: position(value.end)?,
        });
        Ok(())
    }

    /// Names as they came and values, in order.
    pub(crate) fn iter<'a>(&'a self, head: &'a [u8]) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().map(|line| (line.name(head), line.value(head)))
    }

    /// The values of the lines called `name`.
    pub(super) fn all<'a>(&'a self, head: &'a [u8], name: Name) -> Values<'a> {
        Values {
            lines: self.0.iter(),
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
