//! A pool under test with its stage, and the threads of a scenario.

use crate::probe::{Ground, Probe, Stage};
use crate::subject::{Shape, Subject};
use crate::{Config, Verdict};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Threads};

/// What a thread of a scenario runs, with its index.
pub(crate) type Body<S> = fn(&'static Case<S>, u32);

/// A pool, its stage and its crew. Lies still until its pool is closed; after a failure to do so
/// it lies for ever, because threads may still be in it.
pub(crate) struct Case<S: Subject> {
    pub(crate) stage: Stage,
    pub(crate) config: Config,
    /// How many threads the crew has.
    pub(crate) crew: AtomicU32,
    local: <S::Port as Port>::Local,
    pool: MaybeUninit<S>,
    body: core::cell::UnsafeCell<Option<Body<S>>>,
    go: AtomicU32,
    next: AtomicU32,
    finished: AtomicU32,
}

// SAFETY: `pool` is written before the case is shared, `body` while no thread of a crew runs; both
// are handed to the crew by the creation of its threads. The rest is atomic or never changes.
unsafe impl<S: Subject> Sync for Case<S> {}

/// Most threads at once where there is no allocator.
#[cfg(not(feature = "alloc"))]
pub(crate) const MOST_THREADS: u32 = 32;

/// Room for one case where there is no allocator.
#[cfg(not(feature = "alloc"))]
mod place {
    use core::cell::UnsafeCell;
    use core::mem::MaybeUninit;
    use extram_core::sync::AtomicBool;

    /// Where words are small, so is memory.
    pub(super) const BYTES: usize = 256 * size_of::<usize>();

    #[repr(align(128))]
    pub(super) struct Place(pub(super) UnsafeCell<[MaybeUninit<u8>; BYTES]>);

    // SAFETY: whoever has raised `TAKEN` has it to itself.
    unsafe impl Sync for Place {}

    pub(super) static PLACE: Place = Place(UnsafeCell::new([MaybeUninit::uninit(); BYTES]));
    pub(super) static TAKEN: AtomicBool = AtomicBool::new(false);
}

impl<S: Subject> Case<S> {
    #[cfg(feature = "alloc")]
    fn place() -> Option<NonNull<Self>> {
        let place = alloc::boxed::Box::<Self>::new_uninit();
        NonNull::new(alloc::boxed::Box::into_raw(place).cast())
    }

    #[cfg(not(feature = "alloc"))]
    fn place() -> Option<NonNull<Self>> {
        const { assert!(size_of::<Self>() <= place::BYTES && align_of::<Self>() <= 128) };
        if place::TAKEN.swap(true, SeqCst) {
            return None;
        }
        NonNull::new(place::PLACE.0.get().cast())
    }

    /// # Safety
    ///
    /// From `place`, and nobody looks at it any more.
    unsafe fn unplace(place: NonNull<Self>) {
        #[cfg(feature = "alloc")]
        // SAFETY: from `place`, where a box was leaked; its value has been dropped.
        drop(unsafe { alloc::boxed::Box::from_raw(place.as_ptr().cast::<MaybeUninit<Self>>()) });
        #[cfg(not(feature = "alloc"))]
        {
            let _ = place;
            place::TAKEN.store(false, SeqCst);
        }
    }

    /// A pool of that shape, not started.
    pub(crate) fn new(config: &Config, shape: Shape) -> Result<&'static Self, Verdict> {
        let Some(place) = Self::place() else {
            return Err(Verdict::Skipped("the room of an earlier scenario is still in use"));
        };
        let case = Case {
            stage: Stage::new(),
            config: *config,
            crew: AtomicU32::new(0),
            local: S::Port::LOCAL,
            pool: MaybeUninit::uninit(),
            body: core::cell::UnsafeCell::new(None),
            go: AtomicU32::new(0),
            next: AtomicU32::new(0),
            finished: AtomicU32::new(0),
        };
        // SAFETY: room for a case, ours alone; it stays until `end` or for ever.
        let case: &'static Self = unsafe {
            place.write(case);
            place.as_ref()
        };
        match S::new(Probe { stage: &case.stage, ground: case }, shape) {
            Some(pool) => {
                // SAFETY: nobody else has seen the case, except the probe, which looks at other
                // fields.
                unsafe { (&raw const case.pool).cast_mut().cast::<S>().write(pool) };
            }
            None => {
                // SAFETY: nobody has seen it; all fields but the pool, which was not made, are
                // plain.
                unsafe { Self::unplace(place) };
                return Err(Verdict::Skipped("the pool under test has no limit"));
            }
        }
        // Refused: creations are not counted by thread then, and there is no hook.
        let _ = S::Port::tls_open(&case.local, core::ptr::null_mut(), &NO_HOOKS);
        Ok(case)
    }

    /// The same, started.
    pub(crate) fn started(config: &Config, shape: Shape) -> Result<&'static Self, Verdict> {
        let case = Self::new(config, shape)?;
        if case.pool().start().is_err() {
            case.stage.complain(&"the pool does not start", 0, 1);
            return Err(case.end());
        }
        Ok(case)
    }

    pub(crate) fn pool(&'static self) -> &'static S {
        // SAFETY: written by `new` before anybody got the case.
        unsafe { self.pool.assume_init_ref() }
    }

    /// Whether the port has an exit hook.
    pub(crate) fn has_exit_hook(&'static self) -> bool {
        S::Port::exit_hook(&self.local)
    }

    /// How many Ms the calling thread has made since it was born.
    pub(crate) fn made_here(&'static self) -> usize {
        S::Port::tls_get(&self.local).addr()
    }

    /// Enters, complains about any error, and runs `f` while it makes sure that the M is in no
    /// other hands.
    pub(crate) fn call<T>(&'static self, f: impl FnOnce(&S::Loan) -> T) -> Option<T> {
        use crate::subject::Loan as _;
        match self.pool().enter() {
            Ok(loan) => Some(loan.ticket().alone(self, || f(&loan))),
            Err(_) => {
                self.stage.complain(&"a thread was not let in", 0, 1);
                None
            }
        }
    }

    /// The same for a call within a call, whose M has an owner already: its own thread.
    pub(crate) fn nested_call(&'static self, f: impl FnOnce(&S::Loan)) {
        match self.pool().enter() {
            Ok(loan) => f(&loan),
            Err(_) => self.stage.complain(&"a nested call is refused", 0, 1),
        }
    }

    /// Waits until `holds`, as long as the configuration has patience.
    pub(crate) fn until(&self, holds: impl FnMut() -> bool) -> bool {
        self.until_within(self.config.patience, holds)
    }

    /// The same with a tenth of the patience, for what can be put right if it does not hold.
    pub(crate) fn until_briefly(&self, holds: impl FnMut() -> bool) -> bool {
        self.until_within(self.config.patience / 10, holds)
    }

    fn until_within(&self, patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
        let start = S::Port::now();
        let pause = 50 + self.crew.load(SeqCst);
        let mut slept = Duration::ZERO;
        loop {
            if holds() {
                return true;
            }
            let waited = match (start, S::Port::now()) {
                (Some(start), Some(now)) => now.saturating_sub(start),
                _ => slept,
            };
            if waited > patience {
                return holds();
            }
            S::Port::usleep(pause);
            slept += Duration::from_micros(u64::from(pause));
        }
    }

    /// The same, and complains in vain.
    pub(crate) fn expect(&self, text: &'static &'static str, holds: impl FnMut() -> bool) -> bool {
        let held = self.until(holds);
        if !held {
            self.stage.complain(text, 0, 1);
        }
        held
    }

    /// Complains if the two differ.
    pub(crate) fn same(&self, text: &'static &'static str, got: u32, wanted: u32) {
        if got != wanted {
            self.stage.complain(text, got as usize, wanted as usize);
        }
    }

    /// Complains if it is more.
    pub(crate) fn at_most(&self, text: &'static &'static str, got: u32, most: u32) {
        if got > most {
            self.stage.complain(text, got as usize, most as usize);
        }
    }

    /// Starts `count` threads, lets them go when all are there, runs `meanwhile` and waits for
    /// them all.
    pub(crate) fn crew(
        &'static self,
        count: u32,
        body: Body<S>,
        meanwhile: impl FnOnce(),
    ) -> Result<(), Verdict> {
        // SAFETY: no thread of an earlier crew is left, and none of this one is there.
        unsafe { *self.body.get() = Some(body) };
        for counter in [&self.go, &self.next, &self.finished] {
            counter.store(0, SeqCst);
        }
        self.crew.store(count, SeqCst);
        let mut threads = Handles::<S::Port>::new(count);
        let mut started = 0;
        while started < count {
            let arg = core::ptr::from_ref(self).cast_mut().cast();
            match S::Port::newosproc(thread::<S>, arg, self.config.stack) {
                Ok(thread) => threads.put(thread),
                Err(_) => break,
            }
            started += 1;
        }
        if started == count {
            self.go.store(GO, SeqCst);
            meanwhile();
        } else {
            self.go.store(GO_HOME, SeqCst);
        }
        if !self.until(|| self.finished.load(SeqCst) == started) {
            self.stage.complain(&"threads are stuck", self.finished.load(SeqCst) as usize, started as usize);
            threads.forget();
            return Err(Verdict::Stuck);
        }
        threads.join();
        if started < count {
            Err(Verdict::Skipped("newosproc: cannot start that many threads at once"))
        } else {
            Ok(())
        }
    }

    /// The scenario is over: everything adds up, the pool closes, every context is dropped.
    pub(crate) fn end(&'static self) -> Verdict {
        let pool = self.pool();
        if let Some(figures) = pool.figures() {
            self.same(&"threads count as waiting at rest", figures.waiting, 0);
            self.same(&"Ms count as being made at rest", figures.creating, 0);
            let sum = figures.spare + figures.in_use + figures.bound_idle;
            self.same(&"spare, in use and bound Ms do not add up", sum, figures.created);
        }
        let stage = &self.stage;
        if !self.expect(&"the pool does not close at rest", || pool.close().is_ok()) {
            // It stays where it is, for ever: somebody may still be in it.
            return match stage.complaint() {
                Some((text, got, wanted)) => Verdict::Failed { text, got, wanted },
                None => Verdict::Stuck,
            };
        }
        self.same(
            &"contexts dropped are not those made",
            stage.dropped.load(SeqCst),
            stage.made.load(SeqCst),
        );
        // Nobody is in a hook: the crew is gone.
        let _ = S::Port::tls_close(&self.local);
        let verdict = match stage.complaint() {
            None => Verdict::Ok,
            Some((text, got, wanted)) => Verdict::Failed { text, got, wanted },
        };
        let place = NonNull::from(self);
        // SAFETY: the pool is closed, so nobody touches it any more; the crew is gone; `self` is
        // not used below.
        unsafe {
            place.cast::<Self>().as_ptr().drop_in_place();
            (&raw mut (*place.as_ptr()).pool).cast::<S>().drop_in_place();
            Self::unplace(place);
        }
        verdict
    }

    /// The end after a crew that did not come together, or is stuck.
    pub(crate) fn end_after(&'static self, crew: Result<(), Verdict>) -> Verdict {
        match crew {
            Ok(()) => self.end(),
            Err(Verdict::Stuck) => match self.stage.complaint() {
                Some((text, got, wanted)) => Verdict::StuckAfter { text, got, wanted },
                None => Verdict::Stuck,
            },
            Err(other) => match self.end() {
                Verdict::Ok => other,
                failed => failed,
            },
        }
    }
}

const GO: u32 = 1;
const GO_HOME: u32 = 2;

extern "C" fn thread<S: Subject>(case: *mut ()) {
    // SAFETY: `crew` handed over its case, which stays until this thread has been joined, or for
    // ever.
    let case: &'static Case<S> = unsafe { &*case.cast::<Case<S>>() };
    let index = case.next.fetch_add(1, SeqCst);
    while case.go.load(SeqCst) == 0 {
        S::Port::usleep(50 + case.crew.load(SeqCst));
    }
    if case.go.load(SeqCst) == GO {
        // SAFETY: written before this thread was created.
        if let Some(body) = unsafe { *case.body.get() } {
            body(case, index);
        }
    }
    case.finished.fetch_add(1, SeqCst);
}

unsafe extern "C" fn nothing(_: *mut (), _: *mut ()) {}

unsafe extern "C" fn no_repair(_: *mut ()) {}

/// The suite keeps a thread-local word of its own, and wants to hear of nothing.
static NO_HOOKS: Hooks = Hooks { at_exit: nothing, in_child: no_repair };

impl<S: Subject> Ground for Case<S> {
    fn usleep(&self, micros: u32) {
        S::Port::usleep(micros);
    }

    fn osyield(&self) {
        S::Port::osyield();
    }

    fn note_made(&'static self) {
        let one_more = core::ptr::without_provenance_mut(self.made_here() + 1);
        let _ = S::Port::tls_set(&self.local, one_more);
    }

    fn token(&self) -> usize {
        S::Port::thread_token()
    }
}

/// The handles of a crew.
#[cfg(feature = "alloc")]
struct Handles<P: Threads>(alloc::vec::Vec<P::Thread>);

#[cfg(feature = "alloc")]
impl<P: Threads> Handles<P> {
    fn new(count: u32) -> Self {
        Handles(alloc::vec::Vec::with_capacity(count as usize))
    }

    fn put(&mut self, thread: P::Thread) {
        self.0.push(thread);
    }

    fn join(self) {
        self.0.into_iter().for_each(P::join);
    }

    fn forget(self) {
        self.0.into_iter().for_each(core::mem::forget);
    }
}

/// The handles of a crew.
#[cfg(not(feature = "alloc"))]
struct Handles<P: Threads>([Option<P::Thread>; MOST_THREADS as usize], usize);

#[cfg(not(feature = "alloc"))]
impl<P: Threads> Handles<P> {
    fn new(count: u32) -> Self {
        debug_assert!(count <= MOST_THREADS);
        Handles([const { None }; MOST_THREADS as usize], 0)
    }

    fn put(&mut self, thread: P::Thread) {
        self.0[self.1] = Some(thread);
        self.1 += 1;
    }

    fn join(self) {
        self.0.into_iter().flatten().for_each(P::join);
    }

    fn forget(self) {
        self.0.into_iter().for_each(core::mem::forget);
    }
}
