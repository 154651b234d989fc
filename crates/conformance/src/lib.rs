//! The scenarios that every port of extram runs: on the host, in a virtual machine, on bare metal.
//!
//! ```ignore
//! let outcome = extram_conformance::run::<MyPort>(&Config::SMALL, &mut console);
//! if !outcome.passed() { /* tell somebody */ }
//! ```
//!
//! First each function of the port is asked by itself ([`CHECKS`]), then pools run on it
//! ([`CATALOGUE`]). One line each goes to the report: `ok`, `FAILED: …; suspect: …`, which names the
//! functions of the port to look at, or `skipped: …`, which names what the port or the pool lacks. The
//! last line is `N passed, N failed, N skipped`. Where a function fails on which everything rests, the
//! rest is skipped.
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
mod port;
mod probe;
mod subject;
mod threads;
pub mod wrap;

pub use catalogue::{CATALOGUE, Runs, Scenario};
pub use port::{CHECKS, Check, Interrupts};
pub use probe::{OnPurpose, Probe, Stage, Ticket};
#[cfg(feature = "alloc")]
pub use subject::OnHeap;
pub use subject::{Figures, InSlots, Loan, Seen, Shape, Subject};

use core::fmt::{self, Write};
use core::time::Duration;
use extram_core::Threads;

/// What these pages refer to in `extram-core`. Only the documentation has this module, so that the links stay in it.
#[cfg(doc)]
pub mod types {
    pub use extram_core::*;
}

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
    /// How to interrupt a thread. Without it nothing is called in a handler.
    pub interrupts: Option<Interrupts>,
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
        interrupts: None,
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
        interrupts: None,
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
        interrupts: None,
    };
}

/// How many checks and scenarios ended how.
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
    /// Bit n is set if number n of [`CHECKS`] failed.
    pub broken: u64,
    /// Bit n is set if number n of [`CHECKS`] was skipped.
    pub unchecked: u64,
}

impl Outcome {
    /// Some scenario ran, and nothing failed.
    pub fn passed(&self) -> bool {
        self.failed == 0 && self.skips.count_ones() < SCENARIOS
    }

    /// The functions of the port whose checks failed.
    pub fn suspects(&self) -> impl Iterator<Item = &'static str> {
        let broken = self.broken;
        (0..).zip(CHECKS).filter(move |(bit, _)| broken & (1 << bit) != 0).map(|(_, check)| check.function)
    }

    fn count(&mut self, told: Told, bit: u64, set: fn(&mut Self) -> (&mut u64, &mut u64)) {
        match told {
            Told::Passed => self.passed += 1,
            Told::Skipped => {
                self.skipped += 1;
                *set(self).1 |= bit;
            }
            Told::Failed | Told::Stuck => {
                self.failed += 1;
                *set(self).0 |= bit;
            }
        }
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

const SCENARIOS: u32 = 23;

/// The scenarios of the suite: the number in the catalogue, what runs, and the functions of the port
/// to look at first where it fails.
fn scenarios<S: Subject>() -> [(u32, Run, &'static str); SCENARIOS as usize] {
    [
        (1, pool::starts::<S>, "tls_open"),
        (2, pool::one_after_another::<S>, "join, exit_hook"),
        (3, pool::all_inside::<S>, "wait, wake"),
        (4, pool::short_callbacks::<S>, "wait, wake, usleep"),
        (5, pool::exact_count::<S>, "wait, wake"),
        (6, pool::two_hands::<S>, "tls_get, thread_token"),
        (7, pool::failed_creation::<S>, "wait, wake"),
        (8, pool::limit::<S>, "wait, wake, thread_token"),
        (9, pool::time_out::<S>, "wait (its time-out), now"),
        (10, pool::closing::<S>, "wake, heavy_barrier"),
        (11, pool::at_rest::<S>, "exit_hook, join"),
        (12, pool::trim_and_prewarm::<S>, "wait, wake"),
        (13, pool::walk::<S>, "thread_id"),
        (14, pool::collector::<S>, "osyield, usleep"),
        (15, pool::dropped_once::<S>, "osyield, wait, wake"),
        (16, threads::keeps_its_m::<S>, "tls_get, exit_hook"),
        (17, threads::comes_back::<S>, "exit_hook, join"),
        (18, threads::short_lived::<S>, "exit_hook, join"),
        (19, threads::exits_inside::<S>, "exit_hook, join"),
        (21, calls::nested::<S>, "tls_get"),
        (22, calls::any_order::<S>, "tls_get"),
        (25, threads::unbinds::<S>, "tls_get, exit_hook"),
        (26, threads::crowd::<S>, "exit_hook, newosproc"),
    ]
}

/// As many as the pool has Ms for, less the spare one, and as there is room for handles.
fn most_threads<S: Subject>() -> u32 {
    #[cfg(feature = "alloc")]
    return S::MOST - 1;
    #[cfg(not(feature = "alloc"))]
    (S::MOST - 1).min(crew::MOST_THREADS)
}

/// What was told of a check or a scenario.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Passed,
    Skipped,
    Failed,
    /// And its threads hang: nothing can run after it.
    Stuck,
}

/// Ends the line of a check or a scenario. A report that cannot be written is no reason to stop: the
/// outcome tells.
fn tell(report: &mut dyn Write, verdict: Verdict, suspects: &str) -> Told {
    let (failed, also, told) = match verdict {
        Verdict::Ok => {
            let _ = writeln!(report, "ok");
            return Told::Passed;
        }
        Verdict::Skipped(why) => {
            let _ = writeln!(report, "skipped: {why}");
            return Told::Skipped;
        }
        Verdict::Failed { text, got, wanted } => (Some((text, got, wanted)), "", Told::Failed),
        Verdict::StuckAfter { text, got, wanted } => {
            (Some((text, got, wanted)), ", and threads are stuck", Told::Stuck)
        }
        Verdict::Stuck => (None, "threads are stuck", Told::Stuck),
    };
    let _ = write!(report, "FAILED: ");
    if let Some((text, got, wanted)) = failed {
        let _ = write!(report, "{text} (got {got}, wanted {wanted})");
    }
    let _ = writeln!(report, "{also}; suspect: {suspects}");
    told
}

/// Runs it on any pool. Only one run with [`InSlots`] at a time.
pub fn run_on<S: Subject>(config: &Config, report: &mut dyn Write) -> Outcome {
    let mut outcome = Outcome::default();
    let config = Config { threads: config.threads.min(most_threads::<S>()), ..*config };
    let ended = run_checks::<S>(&config, report, &mut outcome);
    run_scenarios::<S>(&config, report, ended, &mut outcome);
    let _ = writeln!(report, "{outcome}");
    outcome
}

/// The same without the checks of the port's single functions, which tell the same each time where the
/// port is a known one: for whoever runs it thousands of times.
pub fn run_scenarios_on<S: Subject>(config: &Config, report: &mut dyn Write) -> Outcome {
    let mut outcome = Outcome::default();
    let config = Config { threads: config.threads.min(most_threads::<S>()), ..*config };
    run_scenarios::<S>(&config, report, None, &mut outcome);
    let _ = writeln!(report, "{outcome}");
    outcome
}

/// The port's functions, one by one; why nothing can run after them, if so.
fn run_checks<S: Subject>(config: &Config, report: &mut dyn Write, outcome: &mut Outcome) -> Option<Verdict> {
    let mut ended = None;
    for (at, (check, run)) in CHECKS.iter().zip(port::runs::<S>()).enumerate() {
        // Before it runs: what crashes is the last line then.
        let _ = write!(report, "{}: {}: ", check.function, check.title);
        let told = tell(report, ended.unwrap_or_else(|| run(config)), check.function);
        outcome.count(told, 1 << at, |outcome| (&mut outcome.broken, &mut outcome.unchecked));
        match told {
            Told::Stuck => ended = Some(Verdict::Skipped("threads of an earlier check are stuck")),
            Told::Failed if check.vital => {
                ended = Some(Verdict::Skipped("a function of the port that it rests on has failed"));
            }
            _ => {}
        }
    }
    ended
}

fn run_scenarios<S: Subject>(
    config: &Config,
    report: &mut dyn Write,
    mut ended: Option<Verdict>,
    outcome: &mut Outcome,
) {
    for (number, run, suspects) in scenarios::<S>() {
        let scenario = &CATALOGUE[number as usize - 1];
        let _ = write!(report, "{:>2} {}: ", scenario.number, scenario.title);
        let told = tell(report, ended.unwrap_or_else(|| run(config)), suspects);
        outcome.count(told, 1 << number, |outcome| (&mut outcome.failures, &mut outcome.skips));
        if told == Told::Stuck {
            ended = Some(Verdict::Skipped("threads of an earlier scenario are stuck"));
        }
    }
}

/// The README's example, compiled and run.
#[cfg(all(doctest, feature = "alloc", any(target_os = "freebsd", target_os = "linux")))]
#[doc = include_str!("../README.md")]
struct Readme;
