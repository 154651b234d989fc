//! What the threads do: a pure function of the seed.

use fastrand::Rng;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// One thing that a thread does, outside of any call unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// So many entries in a row.
    Burst(u16),
    /// One entry, with so many calls in it.
    Nest(u8),
    /// One entry that stays inside for so many yields.
    Stay(u8),
    /// An entry that does not wait.
    Try,
    /// An entry that waits for so many µs at most.
    TimeOut(u16),
    /// A signal, whose handler enters; inside a call or not.
    Signal {
        /// While inside a call.
        inside: bool,
    },
    /// So many threads, one after another, that enter and exit.
    Fresh(u8),
    /// A thread that exits inside so many nested calls.
    ExitInside(u8),
    /// Gives the idle M back.
    Unbind,
    /// Drops contexts until so many are spare.
    Trim(u8),
    /// Makes Ms until so many are spare.
    Prewarm(u8),
    /// A callback that panics.
    Panic,
    /// Leaves two calls in the wrong order.
    OutOfOrder,
    /// Looks at all Ms and at the figures.
    Walk,
    /// The next so many creations fail.
    Fail(u8),
    /// Closes the pool, as soon as nobody is inside, and opens it again. The first thread alone.
    Reopen,
    /// Closes the pool if nobody is inside, and starts it again; takes the close back if it said Busy.
    /// Several threads may be at it.
    Edge,
    /// A forked child calls in.
    Fork,
    /// A thread leaks a guard and exits.
    Leak,
}

/// One act: a pool, and what each thread does with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Act {
    /// Which one it is.
    pub number: u64,
    /// An M stays with its thread.
    pub binds: bool,
    /// So many Ms at most.
    pub limit: Option<u32>,
    /// What making an M costs, in µs.
    pub cost: u32,
    /// Signals come down on the threads all the while.
    pub pest: bool,
    /// Functions of the runtime call in now and then.
    pub reenters: bool,
    /// Threads run at two fixed priorities on one processor, where they may.
    pub fixed: bool,
    /// For each thread, what it does.
    pub threads: Vec<Vec<Step>>,
}

impl Act {
    /// The act of that number in the plan of that seed. With `edges` also what happens at the edges of a
    /// pool's life: starts and closes by several threads, forks, leaked guards, runtimes that call in,
    /// fixed priorities.
    pub fn new(seed: u64, number: u64, edges: bool) -> Self {
        // A generator per act, so that acts do not depend on how long the others are. The odd
        // constant spreads neighbouring numbers.
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let binds = rng.bool();
        let limit = rng.bool().then(|| rng.u32(1..=8));
        let cost = if rng.u32(..4) == 0 { rng.u32(1..100) } else { 0 };
        let pest = rng.bool();
        let (threads, steps) = (rng.usize(1..=16), rng.usize(20..=200));
        let mut threads: Vec<Vec<Step>> =
            (0..threads).map(|index| (0..steps).map(|_| step(&mut rng, index)).collect()).collect();
        let (mut reenters, mut fixed) = (false, false);
        if edges {
            (reenters, fixed) = (rng.bool(), rng.u32(..4) == 0);
            // What is leaked is never free again: under a limit others would wait for it for ever.
            let leaks = limit.is_none() && rng.u32(..4) == 0;
            threads.iter_mut().flatten().for_each(|step| at_the_edge(&mut rng, step, leaks));
        }
        Act { number, binds, limit, cost, pest, reenters, fixed, threads }
    }
}

fn step(rng: &mut Rng, thread: usize) -> Step {
    match rng.u32(..100) {
        0..30 => Step::Burst(rng.u16(1..2000)),
        30..38 => Step::Nest(rng.u8(1..8)),
        38..44 => Step::Stay(rng.u8(1..20)),
        44..50 => Step::Try,
        50..58 => Step::TimeOut(rng.u16(0..200)),
        58..66 => Step::Signal { inside: rng.bool() },
        66..72 => Step::Fresh(rng.u8(1..6)),
        72..75 => Step::ExitInside(rng.u8(1..4)),
        75..81 => Step::Unbind,
        81..85 => Step::Trim(rng.u8(0..6)),
        85..88 => Step::Prewarm(rng.u8(1..6)),
        88..90 => Step::Panic,
        90..93 => Step::OutOfOrder,
        93..97 => Step::Walk,
        97..99 => Step::Fail(rng.u8(1..4)),
        _ if thread == 0 => Step::Reopen,
        _ => Step::Burst(1),
    }
}

/// Makes some steps into those of the edges.
fn at_the_edge(rng: &mut Rng, step: &mut Step, leaks: bool) {
    *step = match rng.u32(..100) {
        0..4 => Step::Edge,
        4 => Step::Fork,
        5 if leaks => Step::Leak,
        // Waits until nobody is inside, which may be never.
        _ if *step == Step::Reopen => Step::Edge,
        _ => *step,
    }
}

/// A number that tells one plan from another: of the first `acts` acts.
pub fn digest(seed: u64, acts: u64, edges: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    (0..acts).for_each(|number| Act::new(seed, number, edges).hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::mem::discriminant;

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_one_another() {
        assert_eq!(Act::new(7, 3, true), Act::new(7, 3, true));
        assert_eq!(digest(7, 20, true), digest(7, 20, true));
        assert_ne!(digest(7, 20, true), digest(8, 20, true));
        assert_ne!(digest(7, 20, true), digest(7, 21, true));
        assert_ne!(digest(7, 20, true), digest(7, 20, false));
    }

    #[test]
    fn a_plan_has_everything_in_it() {
        for (edges, kinds) in [(false, 16), (true, 18)] {
            let acts = (0..50).flat_map(|number| Act::new(1, number, edges).threads);
            assert_eq!(acts.flatten().map(|step| discriminant(&step)).collect::<HashSet<_>>().len(), kinds);
        }
        let acts: Vec<_> = (0..50).map(|number| Act::new(1, number, true)).collect();
        assert!(acts.iter().any(|act| act.fixed && act.reenters));
        for (binds, limited) in [(false, false), (false, true), (true, false), (true, true)] {
            assert!(acts.iter().any(|act| act.binds == binds && act.limit.is_some() == limited));
        }
    }
}
