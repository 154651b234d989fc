//! The cells of the edge matrix: what is promised where two things meet, and what shows it.

use std::collections::BTreeSet;

/// What is promised where two things meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// It goes well, and this is how.
    Works(&'static str),
    /// Somebody is told, and this is what.
    Error(&'static str),
    /// They cannot meet, and this is why.
    Impossible(&'static str),
    /// Nobody may do that, and this is why.
    Forbidden(&'static str),
}

impl Promise {
    /// Whether a test can show it.
    pub(super) fn wants_a_test(self) -> bool {
        matches!(self, Promise::Works(_) | Promise::Error(_))
    }

    pub(super) fn words(self) -> &'static str {
        let (Promise::Works(words)
        | Promise::Error(words)
        | Promise::Impossible(words)
        | Promise::Forbidden(words)) = self;
        words
    }
}

/// One thing under way and one that meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) promise: Promise,
    /// The tests that show it, by their paths.
    pub(super) tests: BTreeSet<String>,
}

/// The cells, by row and column.
pub(super) type Matrix = Vec<Vec<Cell>>;
