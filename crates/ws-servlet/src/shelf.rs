//! A table by ever growing numbers, kept in the order of their arrival.
//!
//! Here: [`Shelf`], one part of the table of sessions (`registry`). A hash table of the same would take 1.1 to 2.3 times
//! the bytes of its entries, and most of that is touched.

/// Up to this many rows nothing is saved.
const SMALL: usize = 16;

/// Entries by number, in one piece of memory that grows by an eighth and in which an eighth may be empty.
pub(crate) struct Shelf<T> {
    /// In ascending order; `None` was taken out.
    rows: Vec<(u64, Option<T>)>,
    empty: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            empty: 0,
        }
    }
}

impl<T> Shelf<T> {
    /// Puts in an entry. Cheap for numbers above all that are there, right for every number that is not.
    pub(crate) fn insert(&mut self, number: u64, entry: T) {
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact(SMALL.max(self.rows.len() / 8));
        }
        let place = match self.rows.last() {
            Some((last, _)) if *last > number => self.rows.partition_point(|(known, _)| *known < number),
            _ => self.rows.len(),
        };
        self.rows.insert(place, (number, Some(entry)));
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = self.index(number)?;
        self.rows.get_mut(index)?.1.as_mut()
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let index = self.index(number)?;
        let entry = self.rows.get_mut(index)?.1.take()?;
        self.empty += 1;
        self.tidy();
        Some(entry)
    }

    /// Numbers and entries, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.rows
            .iter()
            .filter_map(|(number, entry)| Some((*number, entry.as_ref()?)))
    }

    fn index(&self, number: u64) -> Option<usize> {
        self.rows.binary_search_by_key(&number, |(known, _)| *known).ok()
    }

    /// Closes the gaps once they are an eighth, and gives back memory once three quarters are not used.
    fn tidy(&mut self) {
        if self.empty <= SMALL.max(self.rows.len() / 8) {
            return;
        }
        self.rows.retain(|(_, entry)| entry.is_some());
        self.empty = 0;
        if self.rows.len() < self.rows.capacity() / 4 {
            // Not so little that it grows again at once: with few sessions that come and go, these are all gone.
            self.rows.shrink_to((self.rows.len() * 2).max(4 * SMALL));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn does_what_a_map_does() {
        let (mut shelf, mut map) = (Shelf::default(), BTreeMap::new());
        let mut random = 1_u64;
        for number in 1..5_000 {
            // Neighbours change places now and then, as threads that were given their numbers do.
            let number = if number % 7 == 0 { number + 7_000 } else { number };
            shelf.insert(number, number * 2);
            map.insert(number, number * 2);
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = (random >> 33) % 5_000;
            assert_eq!(shelf.get_mut(other), map.get_mut(&other));
            if number > 1_000 {
                assert_eq!(shelf.remove(other), map.remove(&other));
            }
        }
        let rows: Vec<_> = shelf.iter().map(|(number, entry)| (number, *entry)).collect();
        assert_eq!(rows, map.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn memory_is_bounded_by_what_is_open_and_is_given_back() {
        let mut shelf = Shelf::default();
        for number in 0..10_000 {
            shelf.insert(number, ());
        }
        assert!(shelf.rows.capacity() < 11_500, "{}", shelf.rows.capacity());
        // As many come as go.
        for number in 0..100_000 {
            shelf.remove(number);
            shelf.insert(number + 10_000, ());
        }
        assert!(shelf.rows.capacity() < 13_500, "{}", shelf.rows.capacity());
        for number in 100_000..110_000 {
            assert_eq!(shelf.remove(number), Some(()));
        }
        assert!(shelf.rows.capacity() < 100, "{}", shelf.rows.capacity());
        assert_eq!((shelf.remove(1), shelf.iter().count()), (None, 0));
    }
}
