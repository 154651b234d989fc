//! What the threads run against: no pool, a plain one, and the three algorithms.

use crate::{tally, work};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use extram_contest::{Algorithm, Contestant, Floor};
use extram_core::{Event, Runtime};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The same threads, no pool.
    Floor,
    /// A pool.
    Pool(Algorithm),
}

impl Subject {
    /// All, in the order of tables.
    pub const ALL: [Subject; 5] = [
        Subject::Floor,
        Subject::Pool(Algorithm::OneAtATime),
        Subject::Pool(Algorithm::WaiterCounting),
        Subject::Pool(Algorithm::Mutex),
        Subject::Pool(Algorithm::Extram),
    ];

    /// Its name on the command line, in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Floor => "floor",
            Subject::Pool(algorithm) => algorithm.name(),
        }
    }

    /// A cold one, with a single M. Its contexts go when it is closed.
    pub(crate) fn cold(self, cost: Duration) -> Result<&'static dyn Contestant<Owned>, String> {
        match self {
            Subject::Floor => Ok(&Floor(Owned::new as fn() -> Owned)),
            Subject::Pool(algorithm) => algorithm.cold(Making { cost }).map_err(|error| error.to_string()),
        }
    }
}

impl ValueEnum for Subject {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Subject::Floor => Some(PossibleValue::new("floor").help("The same threads, no pool")),
            Subject::Pool(algorithm) => algorithm.to_possible_value(),
        }
    }
}

/// A runtime in which making a context costs time and nothing else does.
struct Making {
    cost: Duration,
}

/// What an M carries: whether somebody holds it.
pub(crate) struct Owned(AtomicBool);

impl Runtime for Making {
    type Context = Owned;
    type Error = Infallible;

    fn new_context(&self) -> Result<Owned, Infallible> {
        work(self.cost);
        Ok(Owned::new())
    }

    fn observe(&self, event: Event) {
        if let Event::Made { .. } = event {
            tally::made_one();
        }
    }
}

impl Owned {
    fn new() -> Self {
        Owned(AtomicBool::new(false))
    }

    /// Runs `inside`, and tells whether the M was in this thread's hands alone.
    pub(crate) fn hold(&self, inside: &mut dyn FnMut()) -> Result<(), String> {
        // Relaxed, here and below: if the pool keeps its promise, it orders one holder after the
        // other; if it does not, that is what this is about to find.
        if self.0.swap(true, Ordering::Relaxed) {
            return Err("an M was in two hands at once".into());
        }
        inside();
        self.0.store(false, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        assert_eq!(
            Subject::ALL.map(Subject::name),
            ["floor", "one-at-a-time", "waiter-counting", "mutex", "extram"]
        );
    }

    #[test]
    fn what_a_thread_makes_is_counted() {
        for subject in Subject::ALL {
            let pool = subject.cold(Duration::ZERO).unwrap();
            // The first M was made by this thread, too.
            tally::take();
            let mut calls = 0;
            for _ in 0..10 {
                pool.callback(&mut |_, _| calls += 1).unwrap();
            }
            assert_eq!(calls, 10);
            let made = (subject != Subject::Floor).then_some(2);
            assert_eq!(pool.made(), made, "{}", subject.name());
            assert_eq!(tally::take(), made.map_or(0, |_| 1));
        }
    }

    #[test]
    fn an_m_in_two_hands_is_noticed() {
        let owned = Owned::new();
        let mut second = Ok(());
        owned.hold(&mut || second = owned.hold(&mut || ())).unwrap();
        assert!(second.is_err());
    }
}
