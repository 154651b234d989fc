//! What the simulated threads run against: no pool, a plain one, the references, extram, and a model of
//! extram with a slot of spare Ms at each core.

mod mutex;
mod slots;

pub use slots::Slots;

use crate::{Ps, Simulated, thread};
use extram_baselines::{OneAtATime, Reference, WaiterCounting};
use extram_core::sync::{AtomicBool, Ordering};
use extram_core::{Binding, Event, Pool, Runtime};
use mutex::MutexPool;
use std::convert::Infallible;

/// A way into the runtime, for simulated threads.
pub trait Entrance {
    /// Runs `inside` with an M in hand.
    fn callback(&self, inside: &mut dyn FnMut());

    /// How many Ms exist; `None` where there are none.
    fn made(&self) -> Option<u64>;

    /// Nobody is inside: closes and frees it.
    fn close(&self);
}

/// The algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Algorithm {
    /// The same threads, no pool
    Floor,
    /// Go before commit 50048a4e
    OneAtATime,
    /// Go commit 50048a4e
    WaiterCounting,
    /// A plain Mutex and Condvar
    Mutex,
    /// This project, an M stays with its thread
    Extram,
    /// This project, an M goes back after each call
    ExtramCall,
    /// A model of the latter with a spare M at each core
    Slots,
    /// The same with one for every eight cores
    Shards,
}

/// How a pool is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What making an M costs: processor time.
    pub cost: Ps,
    /// So many Ms at most; 0 for as many as needed.
    pub limit: u32,
    /// Makes so many before the threads come; the references have no way to.
    pub spare: u32,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 8] = [
        Algorithm::Floor,
        Algorithm::OneAtATime,
        Algorithm::WaiterCounting,
        Algorithm::Mutex,
        Algorithm::Extram,
        Algorithm::ExtramCall,
        Algorithm::Slots,
        Algorithm::Shards,
    ];

    /// Those of the program `herd`.
    pub const USUAL: [Algorithm; 5] = [
        Algorithm::Floor,
        Algorithm::OneAtATime,
        Algorithm::WaiterCounting,
        Algorithm::Mutex,
        Algorithm::Extram,
    ];

    /// Its name in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Floor => "floor",
            Algorithm::OneAtATime => "one-at-a-time",
            Algorithm::WaiterCounting => "waiter-counting",
            Algorithm::Mutex => "mutex",
            Algorithm::Extram => "extram",
            Algorithm::ExtramCall => "extram-call",
            Algorithm::Slots => "slots (model)",
            Algorithm::Shards => "shards (model)",
        }
    }

    /// Whether it can keep to a limit.
    pub fn has_limit(self) -> bool {
        !matches!(self, Algorithm::Floor | Algorithm::OneAtATime | Algorithm::WaiterCounting)
    }

    /// A started one. On a simulated thread.
    pub fn start(self, shape: Shape) -> Box<dyn Entrance> {
        let making = Making { cost: shape.cost };
        let extram = |binding| {
            let pool = Pool::<_, Simulated>::new(Making { cost: shape.cost }).binding(binding);
            let pool = if shape.limit == 0 { pool } else { pool.limit(shape.limit) };
            let leaked: &'static Pool<Making, Simulated> = Box::leak(Box::new(pool));
            leaked.start().expect("the first M can be made");
            if shape.spare > 0 {
                leaked.prewarm(shape.spare).expect("Ms can be made");
            }
            Box::new(Leaked(leaked)) as Box<dyn Entrance>
        };
        match self {
            Algorithm::Floor => Box::new(Floor),
            Algorithm::OneAtATime => leak(OneAtATime::<_, Simulated>::new(making)),
            Algorithm::WaiterCounting => leak(WaiterCounting::<_, Simulated>::new(making)),
            Algorithm::Mutex => Box::new(MutexPool::new(making, shape)),
            Algorithm::Extram => extram(Binding::Thread),
            Algorithm::ExtramCall => extram(Binding::Call),
            Algorithm::Slots => Box::new(Slots::new(making, shape, 1)),
            Algorithm::Shards => Box::new(Slots::new(making, shape, 8)),
        }
    }
}

type Counting<const COUNTING: bool> = Reference<Making, Simulated, COUNTING>;

fn leak<const COUNTING: bool>(pool: Counting<COUNTING>) -> Box<dyn Entrance> {
    let leaked: &'static Counting<COUNTING> = Box::leak(Box::new(pool));
    leaked.start().expect("the first M can be made");
    Box::new(Leaked(leaked))
}

/// A runtime in which making a context costs time and nothing else does.
pub struct Making {
    /// Processor time.
    pub(crate) cost: Ps,
}

/// The calling thread made an M.
pub(crate) fn note_made() {
    crate::machine::with(|m| m.note_made());
}

/// What an M carries: whether somebody holds it.
pub struct Owned(AtomicBool);

impl Owned {
    pub(crate) fn hold(&self, inside: &mut dyn FnMut()) {
        // Relaxed: if the pool keeps its promise, it orders one holder after the other.
        assert!(!self.0.swap(true, Ordering::Relaxed), "an M in two hands");
        inside();
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Runtime for Making {
    type Context = Owned;
    type Error = Infallible;

    fn new_context(&self) -> Result<Owned, Infallible> {
        thread::compute(self.cost);
        Ok(Owned(AtomicBool::new(false)))
    }

    fn observe(&self, event: Event) {
        if let Event::Made { .. } = event {
            note_made();
        }
    }
}

/// A pool that lives until it is closed.
struct Leaked<A: 'static>(&'static A);

impl Entrance for Leaked<Pool<Making, Simulated>> {
    fn callback(&self, inside: &mut dyn FnMut()) {
        self.0.callback(|m| m.context().hold(inside)).expect("everybody is let in");
    }

    fn made(&self) -> Option<u64> {
        Some(self.0.stats().created.into())
    }

    fn close(&self) {
        self.0.close().expect("nobody is inside");
        // SAFETY: leaked, and closed, by whoever made it; its threads have been joined, and nothing uses it
        // after this call.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(self.0).cast_mut()) });
    }
}

impl<const COUNTING: bool> Entrance for Leaked<Counting<COUNTING>> {
    fn callback(&self, inside: &mut dyn FnMut()) {
        self.0.callback(|m| m.context().hold(inside)).expect("everybody is let in");
    }

    fn made(&self) -> Option<u64> {
        Some(self.0.made().into())
    }

    fn close(&self) {
        self.0.close().expect("nobody is inside");
        // SAFETY: leaked, and closed, by whoever made it; its threads have been joined, and nothing uses it
        // after this call.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(self.0).cast_mut()) });
    }
}

/// The same threads, no pool.
struct Floor;

impl Entrance for Floor {
    fn callback(&self, inside: &mut dyn FnMut()) {
        inside();
    }

    fn made(&self) -> Option<u64> {
        None
    }

    fn close(&self) {}
}
