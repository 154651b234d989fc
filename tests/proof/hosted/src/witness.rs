//! A runtime that counts, and whose contexts know who has them.

use crate::Taps;
use extram::{EnterError, Entered, M, Native, Pool, Port, Runtime};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

/// The runtime under the hosted scenarios. All accesses are sequentially consistent, so that the
/// scenarios' own orderings hide nothing. `STACKS`: it asks for the bounds of stacks.
#[derive(Debug)]
pub struct Witness<const STACKS: bool = false> {
    /// How long making an M takes.
    pub cost: Duration,
    /// Contexts made.
    pub made: AtomicU32,
    /// Contexts dropped; contexts outlive no process, so the count does not either.
    pub dropped: &'static AtomicU32,
    /// Outermost calls that began.
    pub admitted: AtomicU64,
    /// Outermost calls that ended.
    pub retired: AtomicU64,
}

impl<const STACKS: bool> Default for Witness<STACKS> {
    fn default() -> Self {
        Witness {
            cost: Duration::ZERO,
            made: AtomicU32::new(0),
            dropped: extram_kept::keep(AtomicU32::new(0)),
            admitted: AtomicU64::new(0),
            retired: AtomicU64::new(0),
        }
    }
}

/// What an M carries: the token of the thread that is in a call with it.
#[derive(Debug)]
pub struct Ticket {
    owner: AtomicUsize,
    dropped: &'static AtomicU32,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, SeqCst);
    }
}

impl<const STACKS: bool> Runtime for Witness<STACKS> {
    const STACKS: bool = STACKS;
    type Context = Ticket;
    type Error = core::convert::Infallible;

    fn new_context(&self) -> Result<Ticket, Self::Error> {
        let end = Instant::now() + self.cost;
        while !self.cost.is_zero() && Instant::now() < end {
            std::hint::spin_loop();
        }
        Taps::tap();
        self.made.fetch_add(1, SeqCst);
        Ok(Ticket { owner: AtomicUsize::new(0), dropped: self.dropped })
    }

    fn admit(&self, _: &M<Self>) {
        Taps::tap();
        self.admitted.fetch_add(1, SeqCst);
    }

    fn retire(&self, _: &M<Self>) {
        self.retired.fetch_add(1, SeqCst);
        Taps::tap();
    }
}

/// A pool, started. It is never freed, because threads refer to it for ever.
pub fn started(pool: Pool<Witness>) -> &'static Pool<Witness> {
    started_on(pool)
}

/// The same on any port.
pub fn started_on<P: Port, const STACKS: bool>(
    pool: Pool<Witness<STACKS>, P>,
) -> &'static Pool<Witness<STACKS>, P> {
    let pool = extram_kept::keep(pool);
    pool.start().expect("the pool starts");
    pool
}

/// Runs `f` and makes sure that the M is in nobody else's hands meanwhile. A nested call may find
/// its own thread's mark, and so may a signal handler.
pub fn alone<T>(m: &M<Witness>, f: impl FnOnce() -> T) -> T {
    let me = Native::thread_token();
    let owner = &m.context().owner;
    let before = owner.swap(me, SeqCst);
    assert!(before == 0 || (before == me && m.depth() > 1), "M {} is in two hands", m.id());
    let result = f();
    assert_eq!(owner.swap(before, SeqCst), me, "M {} changed hands", m.id());
    result
}

/// Enters, checks the owner and leaves; which M it was.
pub fn call<P: Port>(pool: &'static Pool<Witness, P>) -> u32 {
    let entered: Result<Entered<Witness, P>, EnterError> = pool.enter();
    let m = entered.expect("a thread is let in");
    alone(&m, || m.id())
}

/// Waits until `holds`, for a minute.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Nobody is inside or waits, and no thread but living ones that are outside keeps an M: everything
/// adds up. Returns how many Ms there are.
pub fn rest<P: Port, const STACKS: bool>(pool: &'static Pool<Witness<STACKS>, P>, bound_idle: u32) -> u32 {
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.creating, stats.in_use), (0, 0, 0), "{stats:?}");
    assert_eq!(stats.bound_idle, bound_idle, "{stats:?}");
    assert_eq!(stats.created, stats.spare + stats.bound_idle, "{stats:?}");
    let runtime = pool.runtime();
    assert_eq!(runtime.admitted.load(SeqCst), runtime.retired.load(SeqCst), "{stats:?}");
    stats.created
}

/// Closes a pool at rest; every context is dropped.
pub fn close<P: Port, const STACKS: bool>(pool: &'static Pool<Witness<STACKS>, P>) {
    pool.close().expect("a pool at rest closes");
    let runtime = pool.runtime();
    assert_eq!(runtime.made.load(SeqCst), runtime.dropped.load(SeqCst), "each context is dropped once");
}
