//! The conformance suite on the two algorithms of 2016. They fail what that design fails, and
//! nothing else: the suite can fail, and knows what for.
#![cfg(unix)]

use extram::{Busy, EnterError, Native, StartError};
use extram_baselines::{Entered, Reference};
use extram_conformance::{Config, Probe, Shape, Subject, run_on};
use std::time::Duration;

struct Old<const COUNTING: bool>(Reference<Probe, Native, COUNTING>);

impl<const COUNTING: bool> Subject for Old<COUNTING> {
    type Port = Native;
    type Loan = Entered<Probe, Native, COUNTING>;
    const MOST: u32 = u32::MAX;

    fn new(probe: Probe, shape: Shape) -> Option<Self> {
        // Neither has a limit. Both bind by call, whatever the scenario wants.
        shape.limit.is_none().then(|| Old(Reference::new(probe)))
    }

    fn start(&'static self) -> Result<(), StartError> {
        self.0.start()
    }

    fn enter(&'static self) -> Result<Self::Loan, EnterError> {
        self.0.enter()
    }

    fn close(&'static self) -> Result<(), Busy> {
        self.0.close()
    }

    /// The code before the commit does not count, so it cannot be wrong about it.
    fn waiting(&'static self) -> Option<u32> {
        COUNTING.then(|| self.0.waiting())
    }
}

/// Runs the suite; the numbers of those that failed, and of those that were skipped.
fn run<const COUNTING: bool>() -> [Vec<u32>; 2] {
    let config = Config { threads: 100, patience: Duration::from_secs(5), ..Config::HOST };
    let mut report = String::new();
    let outcome = run_on::<Old<COUNTING>>(&config, &mut report);
    println!("{report}");
    [outcome.failures, outcome.skips].map(|set| (0..64).filter(|number| set & (1 << number) != 0).collect())
}

/// What neither has: a count of who waits, a limit, time-outs, figures, trimming and warming up, a
/// list of all Ms, guards, and an M of a thread's own.
const NEITHER_HAS: [u32; 8] = [8, 9, 11, 12, 13, 22, 25, 26];

/// Waiters are not woken by a close (10), a thread gets another M at each call (16), and keeps it for
/// good if it exits inside (19).
const BOTH_FAIL: [u32; 3] = [10, 16, 19];

/// A failed creation is everyone's (7) who waits at that moment: on a busy machine it may be nobody.
const BY_CHANCE: u32 = 7;

#[test]
fn one_at_a_time_fails_what_the_design_of_then_fails() {
    let [mut failed, skipped] = run::<false>();
    failed.retain(|&number| number != BY_CHANCE);
    assert_eq!(failed, BOTH_FAIL);
    let mut lacks = [5].to_vec();
    lacks.extend(NEITHER_HAS);
    assert_eq!(skipped, lacks, "it does not count who waits, either");
}

/// And a callback pays for a whole herd (3), Ms are made for threads that are gone before they need
/// one (4), and who was served by a returned M stays in the count (5).
#[test]
fn waiter_counting_fails_that_and_three_more() {
    let [mut failed, skipped] = run::<true>();
    failed.retain(|&number| number != BY_CHANCE);
    let mut fails = [3, 4, 5].to_vec();
    fails.extend(BOTH_FAIL);
    assert_eq!(failed, fails);
    assert_eq!(skipped, NEITHER_HAS);
}
