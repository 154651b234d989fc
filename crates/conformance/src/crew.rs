//! A pool under test with its stage, and the threads of a scenario.

mod handles;
mod place;

#[cfg(not(feature = "alloc"))]
pub(crate) use handles::MOST_THREADS;

use crate::probe::{Ground, Probe, Stage};
use crate::subject::{Shape, Subject};
use crate::{Config, Verdict};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use extram_core::sync::{AtomicBool, AtomicU32};
use extram_core::{Hooks, Port, Refused, StartError, Threads};
use handles::Handles;

/// What a thread of a scenario runs, with its index.
pub(crate) type Body<S> = fn(&'static Case<S>, u32);

/// A pool, its stage and its crew. Lies still until its pool is closed; after a failure to do so
/// it lies for ever, because threads may still be in it.
pub(crate) struct Case<S: Subject> {
    pub(crate) stage: Stage,
    pub(crate) config: Config,
    /// How many threads the crew has.
    pub(crate) crew: AtomicU32,
    pub(crate) local: <S::Port as Port>::Local,
    /// Whether `local` is open.
    has_local: AtomicBool,
    pool: core::cell::UnsafeCell<MaybeUninit<S>>,
    body: core::cell::UnsafeCell<Option<Body<S>>>,
    go: AtomicU32,
    next: AtomicU32,
    finished: AtomicU32,
}

// SAFETY: `pool` is written before the case is shared, `body` while no thread of a crew runs; both
// are handed to the crew by the creation of its threads. The rest is atomic or never changes.
unsafe impl<S: Subject> Sync for Case<S> {}

pub(crate) const NO_HOOK: Verdict = Verdict::Skipped("exit_hook: the port has none");
pub(crate) const STORES_NOTHING: Verdict =
    Verdict::Skipped("tls_set: the port's thread-local storage refuses a value");
pub(crate) const NO_LOCAL: Verdict = Verdict::Skipped("tls_open: the port has no thread-local storage left");

impl<S: Subject> Case<S> {
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
            has_local: AtomicBool::new(false),
            pool: core::cell::UnsafeCell::new(MaybeUninit::uninit()),
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
                unsafe { case.pool.get().cast::<S>().write(pool) };
            }
            None => {
                // SAFETY: nobody has seen it; all fields but the pool, which was not made, are
                // plain.
                unsafe { Self::unplace(place) };
                return Err(Verdict::Skipped("the pool under test has no limit"));
            }
        }
        // Refused: creations are not counted by thread then, and there is no hook.
        case.open_local(None);
        Ok(case)
    }

    /// Opens the suite's own thread-local value, anew if it is open; `false` if that is refused. The
    /// hooks, if there are any, get the case.
    pub(crate) fn open_local(&'static self, hooks: Option<&'static Hooks>) -> bool {
        let this = core::ptr::from_ref(self).cast_mut().cast();
        if self.has_local() {
            // No hook runs: there is no crew now.
            let _ = S::Port::tls_close(&self.local);
        }
        let opened = S::Port::tls_open(&self.local, this, hooks.unwrap_or(&NO_HOOKS)).is_ok();
        self.has_local.store(opened, SeqCst);
        opened
    }

    /// Whether the suite has a thread-local value of its own.
    pub(crate) fn has_local(&self) -> bool {
        self.has_local.load(SeqCst)
    }

    /// The same, started.
    pub(crate) fn started(config: &Config, shape: Shape) -> Result<&'static Self, Verdict> {
        let case = Self::new(config, shape)?;
        match case.pool().start() {
            Ok(()) => Ok(case),
            Err(StartError::NoThreadLocal) => Err(match case.end() {
                Verdict::Ok => NO_LOCAL,
                failed => failed,
            }),
            Err(_) => {
                case.stage.complain(&"the pool does not start", 0, 1);
                Err(case.end())
            }
        }
    }

    pub(crate) fn pool(&'static self) -> &'static S {
        // SAFETY: written by `new` before anybody got the case.
        unsafe { (*self.pool.get()).assume_init_ref() }
    }

    /// Why nested calls cannot share an M here, if they cannot: where no value can be stored, each call
    /// is the first.
    pub(crate) fn lacks_storage(&'static self) -> Option<Verdict> {
        let value = S::Port::tls_get(&self.local);
        let stored = if value.is_null() { core::ptr::without_provenance_mut(16) } else { value };
        let takes = S::Port::tls_set(&self.local, stored).and_then(|()| S::Port::tls_set(&self.local, value));
        takes.is_err().then_some(STORES_NOTHING)
    }

    /// Why an M cannot stay with the calling thread, if it cannot.
    pub(crate) fn lacks_hook(&'static self) -> Option<Verdict> {
        self.lacks_storage()
            .or_else(|| (!S::Port::HAS_EXIT_HOOK || !S::Port::exit_hook(&self.local)).then_some(NO_HOOK))
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

    /// The same with any patience.
    pub(crate) fn until_within(&self, patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
        let start = S::Port::now();
        let pause = 50 + self.crew.load(SeqCst);
        let mut slept = Duration::ZERO;
        loop {
            if holds() {
                return true;
            }
            // A clock that stands still ends no wait; then the sleeps do.
            let waited = match (start, S::Port::now()) {
                (Some(start), Some(now)) if now != start => now.saturating_sub(start),
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
        self.crew_on(self.config.stack, count, body, meanwhile)
    }

    /// The same with stacks of another size.
    pub(crate) fn crew_on(
        &'static self,
        stack: usize,
        count: u32,
        body: Body<S>,
        meanwhile: impl FnOnce(),
    ) -> Result<(), Verdict> {
        self.prepare(count, body);
        let mut threads = Handles::<S::Port>::new(count);
        let mut started = 0;
        while started < count {
            match self.start_thread(stack) {
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
        if !self.until(|| self.finished() == started) {
            self.stage.complain(&"threads are stuck", self.finished() as usize, started as usize);
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

    /// A crew of one, which the caller has to join. Its last step here is to count as
    /// [`finished`](Case::finished).
    pub(crate) fn one(&'static self, body: Body<S>, stack: usize) -> Option<<S::Port as Threads>::Thread> {
        self.prepare(1, body);
        self.go.store(GO, SeqCst);
        self.start_thread(stack).ok()
    }

    /// How many threads of the crew have run to their end.
    pub(crate) fn finished(&self) -> u32 {
        self.finished.load(SeqCst)
    }

    fn prepare(&'static self, count: u32, body: Body<S>) {
        // SAFETY: no thread of an earlier crew is left, and none of this one is there.
        unsafe { *self.body.get() = Some(body) };
        for counter in [&self.go, &self.next, &self.finished] {
            counter.store(0, SeqCst);
        }
        self.crew.store(count, SeqCst);
    }

    fn start_thread(&'static self, stack: usize) -> Result<<S::Port as Threads>::Thread, Refused> {
        S::Port::newosproc(thread::<S>, core::ptr::from_ref(self).cast_mut().cast(), stack)
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
        if self.has_local() {
            // Nobody is in a hook: the crew is gone.
            let _ = S::Port::tls_close(&self.local);
        }
        let verdict = match stage.complaint() {
            None => Verdict::Ok,
            Some((text, got, wanted)) => Verdict::Failed { text, got, wanted },
        };
        // What is dropped would be one of this function's arguments: harmless, and against the rules that Miri
        // knows. There it stays.
        if cfg!(miri) {
            return verdict;
        }
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
