//! The scenarios that every port of extram runs: on the host, in a virtual machine, on bare metal.
//!
//! ```ignore
//! let outcome = extram_conformance::run::<MyPort>(&Config::SMALL, &mut console);
//! if !outcome.passed() { /* tell somebody */ }
//! ```
//!
//! One line per scenario goes to the report: number, sentence, and `ok`, `FAILED: …` or
//! `skipped: …`, which names what the port or the pool lacks. The last line is
//! `N passed, N failed, N skipped`.
//!
//! The suite needs what [`extram_core::Threads`] has, besides the port itself: threads and sleeping. It
//! allocates nothing without the feature `alloc`. A pool that is not extram's runs through it as a
//! [`Subject`]: so do the two algorithms of 2016, which have to fail what they fail.
//!
//! A scenario that sees threads stuck gives up after [`Config::patience`] and ends the run: what
//! they hang on cannot be taken away from under them.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

mod calls;
mod catalogue;
mod crew;
mod pool;
mod probe;
mod subject;
mod threads;
pub mod wrap;

pub use catalogue::{CATALOGUE, Runs, Scenario};
pub use probe::{OnPurpose, Probe, Stage, Ticket};
#[cfg(feature = "alloc")]
pub use subject::OnHeap;
pub use subject::{Figures, InSlots, Loan, Seen, Shape, Subject};

use core::fmt::{self, Write};
use core::time::Duration;
use extram_core::Threads;

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The most threads at once, besides the calling one. Scenario 3 runs with 4, 100, 1024 and
    /// 4096, as far as this allows, and with this.
    pub threads: u32,
    /// The size of their stacks in bytes; 0 for the system's default.
    pub stack: usize,
    /// Threads one after another, in scenarios 2, 17 and 18.
    pub sequence: u32,
    /// Entries per thread where every entry is checked.
    pub entries: u32,
    /// Races of a time-out against a grant.
    pub races: u32,
    /// What making an M costs in µs where that matters (scenario 4): well above a few switches
    /// between threads.
    pub cost: u32,
    /// When a scenario that waits for something gives up.
    pub patience: Duration,
}

impl Config {
    /// For an operating system on a machine of its own.
    pub const HOST: Config = Config {
        threads: 1024,
        stack: 64 << 10,
        sequence: 1000,
        entries: 20_000,
        races: 10_000,
        cost: 2000,
        patience: Duration::from_secs(60),
    };

    /// For an operating system in an emulator.
    pub const EMULATED: Config = Config {
        threads: 100,
        stack: 64 << 10,
        sequence: 200,
        entries: 1000,
        races: 1000,
        cost: 20_000,
        patience: Duration::from_secs(120),
    };

    /// For a microcontroller and a few threads.
    pub const SMALL: Config = Config {
        threads: 4,
        stack: 0,
        sequence: 50,
        entries: 500,
        races: 400,
        cost: 2000,
        patience: Duration::from_secs(20),
    };
}

/// How many scenarios ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// As they have to.
    pub passed: u32,
    /// Otherwise.
    pub failed: u32,
    /// Not run, and the report says why.
    pub skipped: u32,
    /// Bit n is set if scenario n failed.
    pub failures: u64,
    /// Bit n is set if scenario n was skipped.
    pub skips: u64,
}

impl Outcome {
    /// Something ran, and nothing failed.
    pub fn passed(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// How one scenario ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Ok,
    Failed {
        text: &'static str,
        got: usize,
        wanted: usize,
    },
    /// What is lacking.
    Skipped(&'static str),
    /// Threads hang in the pool.
    Stuck,
    /// They do so after something else went wrong.
    StuckAfter {
        text: &'static str,
        got: usize,
        wanted: usize,
    },
}

/// Runs the suite on a port, with the pool on the heap or, without the feature `alloc`, in static
/// slots.
pub fn run<P: Threads>(config: &Config, report: &mut dyn Write) -> Outcome {
    #[cfg(feature = "alloc")]
    return run_on::<OnHeap<P>>(config, report);
    #[cfg(not(feature = "alloc"))]
    run_on::<InSlots<P>>(config, report)
}

/// One scenario, run.
type Run = fn(&Config) -> Verdict;

/// The scenarios of the suite, by their numbers in the catalogue.
fn scenarios<S: Subject>() -> [(u32, Run); 23] {
    [
        (1, pool::starts::<S>),
        (2, pool::one_after_another::<S>),
        (3, pool::all_inside::<S>),
        (4, pool::short_callbacks::<S>),
        (5, pool::exact_count::<S>),
        (6, pool::two_hands::<S>),
        (7, pool::failed_creation::<S>),
        (8, pool::limit::<S>),
        (9, pool::time_out::<S>),
        (10, pool::closing::<S>),
        (11, pool::at_rest::<S>),
        (12, pool::trim_and_prewarm::<S>),
        (13, pool::walk::<S>),
        (14, pool::collector::<S>),
        (15, pool::dropped_once::<S>),
        (16, threads::keeps_its_m::<S>),
        (17, threads::comes_back::<S>),
        (18, threads::short_lived::<S>),
        (19, threads::exits_inside::<S>),
        (21, calls::nested::<S>),
        (22, calls::any_order::<S>),
        (25, threads::unbinds::<S>),
        (26, threads::crowd::<S>),
    ]
}

/// As many as the pool has Ms for, less the spare one, and as there is room for handles.
fn most_threads<S: Subject>() -> u32 {
    #[cfg(feature = "alloc")]
    return S::MOST - 1;
    #[cfg(not(feature = "alloc"))]
    (S::MOST - 1).min(crew::MOST_THREADS)
}

/// Runs it on any pool. Only one run with [`InSlots`] at a time.
pub fn run_on<S: Subject>(config: &Config, report: &mut dyn Write) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stuck = false;
    let config = Config { threads: config.threads.min(most_threads::<S>()), ..*config };
    for (number, run) in scenarios::<S>() {
        let scenario = &CATALOGUE[number as usize - 1];
        let verdict =
            if stuck { Verdict::Skipped("threads of an earlier scenario are stuck") } else { run(&config) };
        let bit = 1 << scenario.number;
        // A report that cannot be written is no reason to stop: the outcome tells.
        let _ = write!(report, "{:>2} {}: ", scenario.number, scenario.title);
        let _ = match verdict {
            Verdict::Ok => {
                outcome.passed += 1;
                writeln!(report, "ok")
            }
            Verdict::Skipped(why) => {
                outcome.skipped += 1;
                outcome.skips |= bit;
                writeln!(report, "skipped: {why}")
            }
            failed => {
                outcome.failed += 1;
                outcome.failures |= bit;
                match failed {
                    Verdict::Failed { text, got, wanted } => {
                        writeln!(report, "FAILED: {text} (got {got}, wanted {wanted})")
                    }
                    Verdict::StuckAfter { text, got, wanted } => {
                        stuck = true;
                        writeln!(report, "FAILED: {text} (got {got}, wanted {wanted}), and threads are stuck")
                    }
                    _ => {
                        stuck = true;
                        writeln!(report, "FAILED: threads are stuck")
                    }
                }
            }
        };
    }
    let _ = writeln!(report, "{outcome}");
    outcome
}
