//! One act of a plan, done.

use crate::figures::Figures;
use crate::ground::{Call, Ground, alone, in_handler};
use crate::plan::{Act, Step};
use extram::{Binding, EnterError, M, MState, Pool, StartError};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

type Yard = &'static Pool<Ground>;

/// What everybody has done so far: whether somebody is stuck is seen by its standing still.
pub static PROGRESS: AtomicU64 = AtomicU64::new(0);

/// The pool that signal handlers enter; null between acts.
static CURRENT: AtomicPtr<Pool<Ground>> = AtomicPtr::new(core::ptr::null_mut());

static SIGNALS: AtomicU64 = AtomicU64::new(0);
static SIGNAL_ENTRIES: AtomicU64 = AtomicU64::new(0);
static SIGNAL_NESTED: AtomicU64 = AtomicU64::new(0);

/// A panic on purpose.
struct OnPurpose;

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: an act lasts until its threads are joined, and this is one of them.
    let Some(pool) = (unsafe { CURRENT.load(SeqCst).as_ref() }) else { return };
    SIGNALS.fetch_add(1, SeqCst);
    in_handler(|| {
        if let Ok(m) = pool.enter_from_signal() {
            let count = match alone(pool.runtime(), &m, || ()).0 {
                Call::Outermost => &SIGNAL_ENTRIES,
                Call::Nested => &SIGNAL_NESTED,
            };
            count.fetch_add(1, SeqCst);
        }
    });
}

/// Prepares the process: its signal handler, and no message for panics on purpose.
pub fn prepare() {
    // SAFETY: the handler does what a handler may; the structure is plain C, all zero is a value.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR1, &action, core::ptr::null_mut());
    }
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<OnPurpose>().is_none() {
            tell(info);
        }
    }));
}

/// A pool that is freed at the end: nobody touches one that was closed.
struct Owned(*mut Pool<Ground>);

impl Owned {
    fn new(act: &Act) -> Self {
        let ground = Ground { cost: Duration::from_micros(act.cost.into()), ..Ground::default() };
        let mut pool = Pool::new(ground).binding(if act.binds { Binding::Thread } else { Binding::Call });
        if let Some(limit) = act.limit {
            pool = pool.limit(limit);
        }
        let pool = Box::into_raw(Box::new(pool));
        if act.reenters {
            // SAFETY: made a moment ago.
            unsafe { &*pool }.runtime().pool.store(pool, SeqCst);
        }
        Owned(pool)
    }

    fn pool(&self) -> Yard {
        // SAFETY: alive until `free`, which comes last.
        unsafe { &*self.0 }
    }

    fn free(self) {
        // SAFETY: from `new`; the pool is closed and its threads are joined.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Does an act and returns its figures.
///
/// # Errors
///
/// What did not add up.
pub fn perform(act: &Act) -> Result<Figures, String> {
    let owned = Owned::new(act);
    let pool = owned.pool();
    pool.start().map_err(|error| error.to_string())?;
    [&SIGNALS, &SIGNAL_ENTRIES, &SIGNAL_NESTED].iter().for_each(|count| count.store(0, SeqCst));
    CURRENT.store(owned.0, SeqCst);
    let sum = Mutex::new(Figures::default());
    let limit = act.limit.unwrap_or(u32::MAX);
    // The threads gather, work, and wait until no signal is sent to them any more.
    let (begin, end) = (Barrier::new(act.threads.len() + 1), Barrier::new(act.threads.len() + 1));
    let working = AtomicUsize::new(act.threads.len());
    let targets = Mutex::new(Vec::new());
    let hand = |index: usize, steps: &[Step]| {
        let fixed = act.fixed && fix_priority(index);
        // SAFETY: no arguments.
        targets.lock().unwrap().push(unsafe { libc::pthread_self() });
        begin.wait();
        let mut hand = Hand {
            pool,
            limit,
            figures: Figures { threads: 1, fixed: u64::from(fixed && index == 0), ..Figures::default() },
        };
        let done = catch_unwind(AssertUnwindSafe(|| steps.iter().for_each(|step| hand.take(*step))));
        *sum.lock().unwrap() += hand.figures;
        working.fetch_sub(1, SeqCst);
        end.wait();
        done
    };
    let hand = &hand;
    std::thread::scope(|scope| {
        let threads = act.threads.iter().enumerate();
        let threads: Vec<_> = threads.map(|(index, steps)| scope.spawn(move || hand(index, steps))).collect();
        begin.wait();
        if act.pest {
            let targets = core::mem::take(&mut *targets.lock().unwrap());
            while working.load(SeqCst) > 0 {
                for target in &targets {
                    // SAFETY: the threads wait for `end`.
                    unsafe { libc::pthread_kill(*target, libc::SIGUSR1) };
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        end.wait();
        // Joined one by one: a scope does not wait for exit hooks.
        let done = threads.into_iter().map(|thread| thread.join().and_then(|done| done));
        // All of them, whatever the first one said.
        let panicked = done.fold(false, |panicked, done| panicked | done.is_err());
        if panicked { Err("a thread panicked".to_owned()) } else { Ok(()) }
    })?;
    CURRENT.store(core::ptr::null_mut(), SeqCst);
    let mut figures = sum.into_inner().unwrap();
    figures.signals = SIGNALS.load(SeqCst);
    figures.signal_entries = SIGNAL_ENTRIES.load(SeqCst) + SIGNAL_NESTED.load(SeqCst);
    figures.entries += SIGNAL_ENTRIES.load(SeqCst);
    figures.nested += SIGNAL_NESTED.load(SeqCst);
    let leaks = figures.leaked > 0;
    let figures = settle(pool, act, figures)?;
    if !leaks {
        owned.free();
    }
    Ok(figures)
}

/// One processor, and one of two priorities, both above every ordinary thread's; `false` where that is
/// not allowed.
fn fix_priority(index: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: plain C structures, all zero is a value; they are read.
    unsafe {
        let mut one: libc::cpu_set_t = core::mem::zeroed();
        libc::CPU_SET(0, &mut one);
        let mut priority: libc::sched_param = core::mem::zeroed();
        priority.sched_priority = 1 + (index % 2) as i32;
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one) == 0
            && libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = index;
        false
    }
}

/// All threads are gone: everything adds up, and the pool closes.
///
/// # Errors
///
/// What does not add up.
pub fn settle(pool: Yard, act: &Act, mut figures: Figures) -> Result<Figures, String> {
    let (stats, ground) = (pool.stats(), pool.runtime());
    ground.pool.store(core::ptr::null_mut(), SeqCst);
    let [outermost, nested] = [0, 1].map(|nested: usize| ground.own[nested].load(SeqCst));
    figures.entries += outermost;
    figures.nested += nested;
    figures.reentries = outermost + nested;
    let wrong = |what: &str| Err(format!("{what}: {stats:?}, {figures:?}, {ground:?}"));
    // Each keeps an M, of a pool that was open then; nobody could close it to the end since.
    let kept = u32::try_from(figures.leaked).expect("a few");
    if (stats.waiting, stats.creating, stats.in_use, stats.bound_idle) != (0, 0, kept, 0) {
        return wrong("somebody is left in a pool at rest");
    }
    if stats.created != stats.spare + kept || stats.created != ground.alive.load(SeqCst) {
        return wrong("Ms do not add up at rest");
    }
    let most = ground.most.load(SeqCst);
    // What `trim` drops is no M any more, and may exist a moment longer; `walk` looks at the Ms.
    if act.limit.is_some_and(|limit| most > limit) && figures.trimmed == 0 {
        return wrong("more Ms than the limit");
    }
    if pool.close().is_ok() != (kept == 0) || ground.alive.load(SeqCst) < kept {
        return wrong("the pool does not close at rest, or closes over a leaked guard");
    }
    if kept == 0 && ground.alive.load(SeqCst) != 0 {
        return wrong("a closed pool keeps contexts");
    }
    if kept == 0 && ground.entries.load(SeqCst) != figures.entries {
        return wrong("the contexts have counted another number of entries");
    }
    if figures.creation_failed > 0 && ground.failed.load(SeqCst) == 0 {
        return wrong("threads were told of failures that never were");
    }
    figures.acts = 1;
    figures.made = ground.made.load(SeqCst);
    figures.most = u64::from(most);
    figures.failed = ground.failed.load(SeqCst);
    figures.double_issues = ground.double_issues.load(SeqCst);
    Ok(figures)
}

/// One thread with its figures.
struct Hand {
    pool: Yard,
    limit: u32,
    figures: Figures,
}

impl Hand {
    /// Counts how an attempt to enter ended.
    fn refused(&mut self, error: EnterError) {
        match error {
            EnterError::TimedOut => self.figures.timed_out += 1,
            EnterError::CreationFailed => self.figures.creation_failed += 1,
            EnterError::Closed => {
                self.figures.closed += 1;
                // Whoever closes the pool waits for others to leave it.
                std::thread::yield_now();
            }
            EnterError::WouldBlock | EnterError::Exhausted => self.figures.not_now += 1,
            // The pool was started before anybody could come.
            other => panic!("{other}"),
        }
    }

    fn inside(&mut self, m: &M<Ground>, f: impl FnOnce(&mut Self)) {
        let ground = self.pool.runtime();
        match alone(ground, m, || f(self)).0 {
            Call::Outermost => self.figures.entries += 1,
            Call::Nested => self.figures.nested += 1,
        }
    }

    fn call(&mut self, f: impl FnOnce(&mut Self)) {
        match self.pool.enter() {
            Ok(m) => self.inside(&m, f),
            Err(error) => self.refused(error),
        }
    }

    fn nest(&mut self, depth: u8) {
        self.call(|hand| {
            if depth > 1 {
                hand.nest(depth - 1);
            }
        });
    }

    fn take(&mut self, step: Step) {
        let pool = self.pool;
        PROGRESS.fetch_add(1, SeqCst);
        match step {
            Step::Burst(entries) => (0..entries).for_each(|_| self.call(|_| ())),
            Step::Nest(depth) => self.nest(depth),
            Step::Stay(yields) => self.call(|_| (0..yields).for_each(|_| std::thread::yield_now())),
            Step::Try => match pool.try_enter() {
                Ok(m) => self.inside(&m, |_| ()),
                Err(error) => self.refused(error),
            },
            Step::TimeOut(micros) => match pool.enter_timeout(Duration::from_micros(micros.into())) {
                Ok(m) => self.inside(&m, |_| ()),
                Err(error) => self.refused(error),
            },
            Step::Signal { inside: true } => self.call(|_| raise()),
            Step::Signal { inside: false } => raise(),
            Step::Fresh(threads) => {
                for _ in 0..threads {
                    self.fresh(|hand| hand.call(|_| ()));
                }
            }
            Step::ExitInside(depth) => {
                self.figures.exits_inside += 1;
                self.fresh(|hand| {
                    for _ in 0..depth {
                        match pool.enter() {
                            Ok(m) => {
                                hand.inside(&m, |_| ());
                                // SAFETY: nobody uses the M of this call any more.
                                unsafe { extram_core::raw::keep(pool, m) };
                            }
                            Err(error) => hand.refused(error),
                        }
                    }
                });
            }
            Step::Unbind => _ = pool.unbind(),
            Step::Trim(keep) => self.figures.trimmed += u64::from(pool.trim(keep.into())),
            // Refused under a limit, or by a failure that another step has ordered.
            Step::Prewarm(spare) => _ = pool.prewarm(spare.into()),
            Step::Panic => {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    if let Ok(_m) = pool.enter() {
                        panic_any(OnPurpose);
                    }
                }));
                if let Err(panic) = panicked {
                    assert!(panic.is::<OnPurpose>());
                    self.figures.panics += 1;
                }
            }
            Step::OutOfOrder => {
                if let Ok(outer) = pool.enter() {
                    self.inside(&outer, |hand| match pool.enter() {
                        Ok(inner) => hand.inside(&inner, |_| ()),
                        Err(error) => hand.refused(error),
                    });
                    if let Ok(inner) = pool.enter() {
                        // Its call goes on until the inner one is left.
                        drop(outer);
                        self.inside(&inner, |_| ());
                    }
                }
            }
            Step::Walk => self.walk(),
            Step::Fail(creations) => pool.runtime().failing.store(creations.into(), SeqCst),
            Step::Reopen => self.reopen(),
            Step::Edge => self.edge(),
            Step::Fork => self.fork(),
            Step::Leak => {
                self.fresh(|hand| match pool.enter() {
                    Ok(m) => {
                        hand.inside(&m, |_| ());
                        hand.figures.leaked += 1;
                        core::mem::forget(m);
                    }
                    Err(error) => hand.refused(error),
                });
            }
        }
    }

    /// A thread that does `f` and exits.
    fn fresh(&mut self, f: impl FnOnce(&mut Hand) + Send) {
        let (pool, limit) = (self.pool, self.limit);
        let figures = std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let mut hand = Hand { pool, limit, figures: Figures::default() };
                f(&mut hand);
                hand.figures
            });
            thread.join().unwrap()
        });
        self.figures += figures;
        self.figures.threads += 1;
    }

    fn walk(&mut self) {
        let stats = self.pool.stats();
        let mut seen = [0; 3];
        for m in self.pool.ms() {
            assert!(m.id > 0);
            seen[match m.state {
                MState::Spare => 0,
                MState::InUse => 1,
                _ => 2,
            }] += 1;
        }
        // Each is right at some moment; none of them counts an M twice.
        assert_eq!(stats.created, stats.spare + stats.in_use + stats.bound_idle);
        assert!(stats.created <= self.limit, "{stats:?} with a limit of {}", self.limit);
        let slots = 64 * 1024;
        assert!(seen.iter().sum::<u32>() < slots);
    }

    fn reopen(&mut self) {
        while self.pool.close().is_err() {
            std::thread::yield_now();
        }
        assert_eq!(self.pool.runtime().alive.load(SeqCst), 0, "a closed pool keeps contexts");
        // A failure that another step has ordered meets the first M.
        while self.pool.start().is_err() {}
        self.figures.reopened += 1;
    }

    fn edge(&mut self) {
        if self.pool.close().is_err() {
            // Refused where another thread has done so, or is closing.
            let _ = self.pool.reopen();
            return;
        }
        // Another one may start it first; a failure that another step has ordered meets the first M.
        while let Err(StartError::CreationFailed) = self.pool.start() {}
        self.figures.reopened += 1;
    }

    /// The child has one thread, this one. It calls in.
    fn fork(&mut self) {
        // SAFETY: the child calls the pool and `_exit` only; the clock ends it if it hangs.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: as above.
                unsafe { libc::alarm(100) };
                let called = match self.pool.enter() {
                    Ok(m) => m.id() > 0,
                    Err(error) => matches!(error, EnterError::Closed | EnterError::CreationFailed),
                };
                // SAFETY: as above.
                unsafe { libc::_exit(if called { 42 } else { 1 }) };
            }
            child => {
                assert!(child > 0, "no process");
                let mut status = 0;
                // SAFETY: a child of ours, and a place to write to.
                while unsafe { libc::waitpid(child, &mut status, 0) } != child {}
                let ended = (libc::WIFEXITED(status), libc::WEXITSTATUS(status));
                assert_eq!(ended, (true, 42), "the child of {status:#x}");
                self.figures.forks += 1;
            }
        }
    }
}

fn raise() {
    // SAFETY: takes a number; comes back when the handler has run.
    unsafe { libc::raise(libc::SIGUSR1) };
}
