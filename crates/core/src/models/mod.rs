//! The models: loom runs the shipped code through every interleaving of two or three threads, and
//! through every value that a relaxed or acquire load may return.
//!
//! One property to a test, named as a sentence; one file to a group. The models of [`list`] and
//! [`waiting`], and some of [`foreign`], work on a bare [`List`](crate::list::List), the others on a
//! whole pool.
//!
//! # What is bounded
//!
//! Each test states how often at most loom may preempt a thread that could go on (its second
//! argument): two or three times, and once in those that would otherwise take too long
//! to be run each time. Switches at a wait, a yield or the end of a thread are not counted.
//! `LOOM_MAX_PREEMPTIONS` overrides all of them. [`model`] may miss an order of two accesses to a word of
//! which one is a load; [`model_loads`] does not, and takes ten times as long. loom remembers the last
//! seven stores to an atomic, and does not make a weak compare-exchange fail spuriously.
//!
//! # What is modelled, not run
//!
//! - **The heavy barrier.** `membarrier` cannot be expressed: it acts on other threads from
//!   outside. Both sides are modelled as sequentially consistent fences (see [`crate::sync`]). That
//!   is what the pair guarantees by the contract of [`Port`](crate::Port); that a kernel keeps the
//!   contract is not shown here.
//! - **Waiting.** See [`port`].
//! - **Freed memory.** Every word of a pool that goes asks whether all accesses to it came before
//!   (`sync/watched.rs`); a model that frees a pool right after `close` so shows who is late.
//! - **Time.** A time-out of zero gives up at the first look, and loom puts that look anywhere. There is no clock,
//!   unless a model sets it.

mod bounds;
mod calls;
mod close;
mod discard;
mod duty;
mod foreign;
mod forked;
mod idle;
mod life;
mod list;
mod nodes;
mod numbers;
mod pool;
mod port;
mod raw;
mod refused;
mod slots;
mod table;
mod tokens;
mod trim;
mod waiting;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs `f` in every interleaving with at most `preemptions` preemptions, and prints how many that
/// were.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    explore(preemptions, false, f);
}

/// The same, ten times as long, and where a load is all that one thread does to a word, both orders are
/// seen for sure (`sync/watched.rs`).
fn model_loads(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    explore(preemptions, true, f);
}

fn explore(preemptions: usize, see_loads: bool, f: impl Fn() + Send + Sync + 'static) {
    crate::sync::watched::see_loads(see_loads);
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.unwrap_or(preemptions);
    builder.preemption_bound = Some(bound);
    builder.max_branches = 5_000;
    let runs = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&runs);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        port::reset();
        f();
    });
    std::println!("{} interleavings, {bound} preemptions at most", runs.load(Ordering::Relaxed));
}
