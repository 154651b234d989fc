//! What is to happen, and when.

use crate::Ps;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things to come, earliest first. Of those at the same time the seed decides, and then who was first.
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
}

struct Entry<T> {
    at: Ps,
    lot: u32,
    sequence: u64,
    what: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (Ps, u32, u64) {
        (self.at, self.lot, self.sequence)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda { heap: BinaryHeap::new(), sequence: 0 }
    }
}

impl<T> Agenda<T> {
    /// `lot` is drawn by whoever has the seed.
    pub(crate) fn put(&mut self, at: Ps, lot: u32, what: T) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { at, lot, sequence: self.sequence, what }));
    }

    pub(crate) fn take(&mut self) -> Option<(Ps, T)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Option<Ps> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_first_then_by_lot_then_by_turn() {
        let mut agenda = Agenda::default();
        for (at, lot, what) in [(5, 0, 'e'), (3, 9, 'd'), (3, 2, 'b'), (3, 2, 'c'), (1, 7, 'a')] {
            agenda.put(at, lot, what);
        }
        assert_eq!(agenda.next(), Some(1));
        let order: String = std::iter::from_fn(|| agenda.take()).map(|(_, what)| what).collect();
        assert_eq!(order, "abcde");
        assert_eq!(agenda.next(), None);
    }
}
