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
fn run<const COUNTING: bool>(patience: Duration) -> [Vec<u32>; 2] {
    let config = Config { threads: 100, patience, ..Config::HOST };
    let mut report = String::new();
    let outcome = run_on::<Old<COUNTING>>(&config, &mut report);
    println!("{report}");
    [outcome.failures, outcome.skips].map(|set| (0..64).filter(|number| set & (1 << number) != 0).collect())
}

/// What neither has: a count of those who wait, a limit, time-outs, figures, trimming and warming up, a
/// list of all Ms, guards, and an M of a thread's own.
const NEITHER_HAS: [u32; 8] = [8, 9, 11, 12, 13, 22, 25, 26];

/// Waiters are not woken by a close (10), a thread gets another M at each call (16), and keeps it for
/// good if it exits inside (19).
const BOTH_FAIL: [u32; 3] = [10, 16, 19];

/// A failed creation is everyone's (7) who waits at that moment: on a busy machine it may be nobody.
const BY_CHANCE: u32 = 7;

/// What is wrong with an outcome: those have to fail which the design of then fails, nothing else may,
/// and what it lacks is skipped, and nothing else.
fn wrong([failed, skipped]: &[Vec<u32>; 2], fails: &[u32], lacks: &[u32]) -> Option<String> {
    let unwanted: Vec<_> =
        failed.iter().filter(|&number| *number != BY_CHANCE && !fails.contains(number)).collect();
    let spared: Vec<_> = fails.iter().filter(|number| !failed.contains(number)).collect();
    let whole = skipped == lacks;
    let good = unwanted.is_empty() && spared.is_empty() && whole;
    (!good).then(|| {
        format!("fail and must not: {unwanted:?}; pass and must not: {spared:?}; skipped: {skipped:?}, due {lacks:?}")
    })
}

/// Each scenario that has to fail waits as long as the patience lasts, so there is little of it. Who runs
/// out of it on a busy machine has shown nothing, and is asked again with more: what fails though it must
/// not does so then, too.
fn has_to_fail<const COUNTING: bool>(fails: &[u32], lacks: &[u32]) {
    let wrong = |seconds| wrong(&run::<COUNTING>(Duration::from_secs(seconds)), fails, lacks);
    let Some(first) = wrong(5) else { return };
    println!("{first}; once more, with more patience");
    assert_eq!(wrong(60), None);
}

#[test]
fn one_at_a_time_fails_what_the_design_of_then_fails() {
    // It does not count who waits (5), either.
    has_to_fail::<false>(&BOTH_FAIL, &[&[5], &NEITHER_HAS[..]].concat());
}

/// And a callback pays for a whole herd (3), Ms are made for threads that are gone before they need
/// one (4), and who was served by a returned M stays in the count (5).
#[test]
fn waiter_counting_fails_that_and_three_more() {
    has_to_fail::<true>(&[&[3, 4, 5], &BOTH_FAIL[..]].concat(), &NEITHER_HAS);
}

#[test]
fn a_failure_too_many_or_too_few_is_told_and_one_by_chance_is_not() {
    let due = |failed: &[u32], skipped: &[u32]| wrong(&[failed.to_vec(), skipped.to_vec()], &[10, 16], &[8]);
    assert_eq!(due(&[10, 16], &[8]), None);
    assert_eq!(due(&[7, 10, 16], &[8]), None);
    assert!(due(&[6, 10, 16], &[8]).unwrap().contains("fail and must not: [6]"));
    assert!(due(&[10], &[8]).unwrap().contains("pass and must not: [16]"));
    // The run ended early.
    assert!(due(&[10, 16], &[8, 20]).is_some() && due(&[10, 16], &[]).is_some());
}
