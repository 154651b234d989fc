//! Threads made by C that call into a runtime, what became of their calls, and the table of it.

mod census;
mod table;

pub use census::{Census, Seat};
pub use table::print;

use extram::{Owned, Runtime};
use std::ffi::{c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Who calls how often.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What is special about it, in a few words.
    pub name: &'static str,
    /// Threads altogether.
    pub threads: u32,
    /// Threads alive at a time.
    pub at_once: u32,
    /// Calls of each.
    pub calls: u32,
    /// How long a call takes: the rounds of [`work`].
    pub rounds: u32,
}

/// What every guest computes, in its own language.
pub fn work(number: u32, rounds: u32) -> u32 {
    (0..rounds).fold(number, |x, _| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
}

/// As many different calls as are checked.
const KINDS: u32 = 16;

impl Load {
    /// Calls altogether.
    pub fn total(&self) -> u64 {
        u64::from(self.threads) * u64::from(self.calls)
    }

    /// Runs it: `call(number, rounds)` has to return what [`work`] does.
    pub fn run(&self, call: impl Fn(u32, u32) -> Option<u32> + Sync) -> Outcome {
        let expected = std::array::from_fn(|number| work(number as u32, self.rounds));
        let shared = Shared { load: self, call: &call, expected, right: AtomicU64::new(0) };
        let begin = Instant::now();
        // SAFETY: `body` takes what is handed to it, which outlives the threads: they have been joined
        // when this returns.
        let cpu_ms = unsafe {
            let before = cpu_ms();
            run_threads(self.threads, self.at_once, body, (&raw const shared).cast());
            cpu_ms() - before
        };
        Outcome { wall: begin.elapsed(), cpu_ms, right: shared.right.into_inner() }
    }
}

/// Runs a load through a pool, each call by `call`, as a function that C calls does it; and closes the pool.
///
/// # Errors
///
/// The pool is not as it has to be once the threads have ended.
pub fn through<R: Runtime>(
    pool: Owned<R>,
    load: &Load,
    call: impl Fn(&Owned<R>, u32, u32) -> Option<u32> + Sync,
) -> Result<Outcome, String> {
    let outcome = load.run(|number, rounds| call(&pool, number, rounds));
    // Each M has come back.
    let stats = pool.stats();
    if (stats.in_use, stats.bound_idle, stats.waiting) != (0, 0, 0) {
        return Err(format!("at rest, and {stats:?}"));
    }
    pool.close().map_err(|_| "the pool does not close")?;
    Ok(outcome)
}

/// For tests: each way under each load, in which not a single call is wrong, lost or made twice, and no context
/// is left or too many ([`Way::figures`]). `check` is told the way, how many contexts it made, and the load.
///
/// # Panics
///
/// Something is wrong.
pub fn assert_each(ways: &[Way], loads: [Load; 3], check: impl Fn(&str, u32, &Load)) {
    for load in loads {
        for way in ways {
            let figures = way.figures(&load).unwrap_or_else(|wrong| panic!("{load:?}: {wrong}"));
            check(figures.way, figures.census.made(), &load);
        }
    }
}

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// From before the first thread was made until the last one had ended.
    pub wall: Duration,
    /// Processor time of the process meanwhile, which other work on the machine changes less.
    pub cpu_ms: f64,
    /// Calls with the right result.
    pub right: u64,
}

/// A way to share a runtime among threads.
pub struct Way {
    /// In a few words.
    pub name: &'static str,
    /// Runs a load in this way, and takes everything down again; whether that worked.
    pub run: fn(&Load, &Arc<Census>) -> Result<Outcome, String>,
    /// The most contexts that it may have at once under a load.
    pub most: fn(&Load) -> u32,
}

/// One way under one load.
pub struct Figures {
    /// The load.
    pub load: Load,
    /// The way.
    pub way: &'static str,
    /// What it came to.
    pub outcome: Outcome,
    /// The contexts that it took.
    pub census: Arc<Census>,
}

impl Way {
    /// Runs a load and checks it: each call was right and was made in one context, once; no more contexts
    /// than there may be; all of them are gone.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn figures(&self, load: &Load) -> Result<Figures, String> {
        let census = Arc::new(Census::default());
        let outcome = (self.run)(load, &census).map_err(|error| format!("{}: {error}", self.name))?;
        let most = (self.most)(load);
        let checks = [
            ("right calls", outcome.right, load.total()),
            ("calls that the contexts count", census.served(), load.total()),
            ("contexts left", census.alive().into(), 0),
            ("contexts above the limit", census.most().saturating_sub(most).into(), 0),
            ("ways without any context", u64::from(census.made() == 0), 0),
        ];
        match checks.into_iter().find(|(_, found, right)| found != right) {
            Some((what, found, right)) => Err(format!("{}: {what}: {found}, not {right}", self.name)),
            None => Ok(Figures { load: *load, way: self.name, outcome, census }),
        }
    }
}

/// As many processors as there are.
pub fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

struct Shared<'a> {
    load: &'a Load,
    call: &'a (dyn Fn(u32, u32) -> Option<u32> + Sync),
    expected: [u32; KINDS as usize],
    right: AtomicU64,
}

unsafe extern "C" {
    fn run_threads(
        threads: c_uint,
        at_once: c_uint,
        body: unsafe extern "C" fn(*const c_void, c_uint),
        shared: *const c_void,
    ) -> c_uint;
    fn cpu_ms() -> f64;
}

/// What each thread does.
///
/// # Safety
///
/// `shared` points to a [`Shared`].
unsafe extern "C" fn body(shared: *const c_void, number: c_uint) {
    // SAFETY: by the caller's promise.
    let shared = unsafe { &*shared.cast::<Shared<'_>>() };
    let right = (0..shared.load.calls).filter(|turn| {
        let kind = number.wrapping_add(*turn) % KINDS;
        (shared.call)(kind, shared.load.rounds) == Some(shared.expected[kind as usize])
    });
    let right = right.count() as u64;
    // Relaxed: read after the thread has been joined.
    shared.right.fetch_add(right, Relaxed);
}
