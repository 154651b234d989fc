//! The edge matrix, as far as a loop can go through it: each function of the runtime × what it does there
//! that is not its business × each kind of pool. A pool's whole life passes by meanwhile: start, first
//! entries, nested and timed ones, waiting, making, a handler's, unbinding, warming up and trimming,
//! discarding, a thread's end, a close that is refused and taken back, and the close.
//!
//! Whatever the runtime does, nobody hangs, no M is in two hands or lost, figures add up, each context
//! is dropped once, and the pool closes; unless a guard is leaked, which the figures show.
#![cfg(unix)]

use extram::{Binding, EnterError, Event, M, Native, Pool, Port as _, Runtime};
use extram_core::raw;
use extram_hosted::stage::Point::{self, *};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

/// What it does once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Returns,
    Fails,
    Panics,
    Enters,
    Tries,
    EntersAsAHandler,
    EntersRaw,
    KeepsAGuard,
    LeaksAGuard,
    Forks,
    Closes,
    Starts,
    Reopens,
    Trims,
    Prewarms,
    Unbinds,
    Walks,
}

/// A runtime that does something once in one of its functions.
struct Callee {
    pool: AtomicUsize,
    armed: Mutex<Option<(Point, Deed)>>,
    done: AtomicBool,
    made: AtomicU32,
    dropped: AtomicU32,
    failing: AtomicU32,
}

struct Context {
    owner: AtomicUsize,
    pool: usize,
}

type ThisPool = &'static Pool<Callee>;

fn pool_at(address: usize) -> ThisPool {
    // SAFETY: pools of these tests are never freed.
    unsafe { &*core::ptr::with_exposed_provenance::<Pool<Callee>>(address) }
}

impl core::ops::Drop for Context {
    fn drop(&mut self) {
        let pool = pool_at(self.pool);
        pool.runtime().dropped.fetch_add(1, SeqCst);
        pool.runtime().at(Drop);
    }
}

thread_local! {
    static KEPT: RefCell<Vec<extram::Entered<Callee, Native>>> = const { RefCell::new(Vec::new()) };
}

static LEAKED: AtomicU32 = AtomicU32::new(0);
static CHILD: AtomicBool = AtomicBool::new(false);
static FORKED: Mutex<Vec<i32>> = Mutex::new(Vec::new());

impl Callee {
    fn at(&self, function: Point) -> bool {
        let armed = *self.armed.lock().unwrap();
        let Some((_, deed)) = armed.filter(|(armed, _)| *armed == function) else { return true };
        if self.done.swap(true, SeqCst) {
            return true;
        }
        let pool = pool_at(self.pool.load(SeqCst));
        match deed {
            Deed::Returns => {}
            Deed::Fails => return false,
            Deed::Panics => std::panic::panic_any("on purpose"),
            Deed::Enters => _ = pool.enter_timeout(Duration::from_secs(1)).map(|m| alone(&m)),
            Deed::Tries => _ = pool.try_enter().map(|m| alone(&m)),
            Deed::EntersAsAHandler => _ = pool.enter_from_signal().map(|m| alone(&m)),
            Deed::EntersRaw => raw_call(pool),
            Deed::KeepsAGuard => {
                if let Ok(guard) = pool.try_enter() {
                    // In the exit hook it is gone, and the guard with it.
                    let _ = KEPT.try_with(|kept| kept.borrow_mut().push(guard));
                }
            }
            Deed::LeaksAGuard => {
                if let Ok(guard) = pool.try_enter() {
                    LEAKED.fetch_add(1, SeqCst);
                    core::mem::forget(guard);
                }
            }
            Deed::Forks => {
                // SAFETY: the child goes on on this thread alone, and ends by `_exit`.
                match unsafe { libc::fork() } {
                    0 => {
                        CHILD.store(true, SeqCst);
                        // SAFETY: a clock for what may hang.
                        unsafe { libc::alarm(20) };
                    }
                    child => FORKED.lock().unwrap().push(child),
                }
            }
            Deed::Closes => _ = pool.close(),
            Deed::Starts => _ = pool.start(),
            Deed::Reopens => _ = pool.reopen(),
            Deed::Trims => _ = pool.trim(0),
            Deed::Prewarms => _ = pool.prewarm(1),
            Deed::Unbinds => _ = pool.unbind(),
            Deed::Walks => assert!(pool.ms().all(|m| m.id > 0)),
        }
        true
    }
}

impl Runtime for Callee {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        let fails = self.failing.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if !self.at(NewContext) || fails {
            return Err(());
        }
        self.made.fetch_add(1, SeqCst);
        Ok(Context { owner: AtomicUsize::new(0), pool: self.pool.load(SeqCst) })
    }

    fn failed(&self, (): ()) {
        self.at(Failed);
    }

    fn admit(&self, _: &M<Self>) {
        self.at(Admit);
    }

    fn try_admit(&self, _: &M<Self>) -> bool {
        self.at(TryAdmit)
    }

    fn retire(&self, _: &M<Self>) {
        self.at(Retire);
    }

    fn observe(&self, event: Event) {
        self.at(Point::of(event));
    }
}

/// The M is in this thread's hands alone. A nested call, or what it interrupted, may be there already.
fn alone(m: &M<Callee>) {
    let me = Native::thread_token();
    let before = m.context().owner.swap(me, SeqCst);
    assert!(before == 0 || before == me, "M {} is in two hands", m.id());
    m.context().owner.store(before, SeqCst);
}

/// One step of a life. A panic that was planned ends it; a child that was forked in it ends here.
fn step<T>(pool: ThisPool, f: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(f));
    if CHILD.load(SeqCst) {
        child(pool);
    }
    match result {
        Ok(result) => Some(result),
        Err(panic) => {
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"), "another panic");
            None
        }
    }
}

/// In a forked child: the pool works for the thread that forked, and for a new one, and closes.
fn child(pool: ThisPool) -> ! {
    CHILD.store(false, SeqCst);
    let lives = catch_unwind(AssertUnwindSafe(|| {
        KEPT.take();
        pool.runtime().failing.store(0, SeqCst);
        let late = Duration::from_secs(5);
        let call = move || match pool.enter_timeout(late) {
            Ok(m) => alone(&m),
            // Forked before the first start was over, or in the last close.
            Err(EnterError::NotStarted | EnterError::Closed) => {}
            Err(error) => panic!("in the child: {error}"),
        };
        call();
        std::thread::spawn(call).join().unwrap();
        pool.unbind();
        assert!(pool.close().is_ok(), "the child's pool does not close: {:?}", pool.stats());
        pool.start().expect("and starts");
        call();
        pool.unbind();
        pool.close().expect("and closes");
    }));
    // SAFETY: ends the process without the parent's exit handlers.
    unsafe { libc::_exit(if lives.is_ok() { 0 } else { 1 }) }
}

/// As C calls.
fn raw_call(pool: ThisPool) {
    let Ok(m) = pool.enter_timeout(Duration::from_secs(1)) else { return };
    // SAFETY: used by this thread, and left below.
    let m = unsafe { raw::keep(pool, m) };
    alone(m);
    // SAFETY: as above.
    unsafe { raw::leave(pool, m) }.expect("it is inside");
}

fn call(pool: ThisPool) {
    step(pool, || match pool.enter_timeout(Duration::from_secs(5)) {
        Ok(m) => {
            alone(&m);
            if let Ok(nested) = pool.enter() {
                alone(&nested);
            }
        }
        Err(EnterError::CreationFailed | EnterError::Closed | EnterError::WouldBlock) => {}
        // Somebody keeps the last one that the limit allows.
        Err(EnterError::TimedOut) if LEAKED.load(SeqCst) > 0 => {}
        Err(error) => panic!("{error}"),
    });
    KEPT.take();
}

/// A pool's life, with whatever its runtime does in it.
fn life(pool: ThisPool) {
    for _ in 0..3 {
        if step(pool, || pool.start()) == Some(Ok(())) {
            break;
        }
    }
    let _ = pool.start();
    // An M goes back here for the first time: a panic in the exit hook would end the process.
    call(pool);
    step(pool, || raw_call(pool));
    step(pool, || pool.unbind());
    std::thread::scope(|scope| {
        // First entries, at once, and the making of Ms; one of them fails.
        let first: Vec<_> = (0..3).map(|_| scope.spawn(|| (0..3).for_each(|_| call(pool)))).collect();
        first.into_iter().for_each(|thread| thread.join().unwrap());
    });
    pool.runtime().failing.store(1, SeqCst);
    call(pool);
    step(pool, || drop(pool.try_enter()));
    step(pool, || drop(pool.enter_from_signal()));
    step(pool, || pool.unbind());
    step(pool, || pool.prewarm(2));
    step(pool, || pool.trim(1));
    KEPT.take();
    // Another one is spare; none is, and one has to be made.
    step(pool, || pool.enter_timeout(Duration::from_secs(5)).map(extram::Entered::discard));
    KEPT.take();
    step(pool, || pool.trim(1));
    step(pool, || pool.enter_from_signal().map(extram::Entered::discard));
    KEPT.take();
    // All that the limit allows are inside, or as many as there are threads: somebody waits for each.
    std::thread::scope(|scope| {
        let mut guards: Vec<_> =
            (0..4).filter_map(|_| step(pool, || pool.enter_from_signal().ok()).flatten()).collect();
        for wait in [Duration::ZERO, Duration::from_millis(2), Duration::from_secs(5)] {
            scope.spawn(move || {
                step(pool, || drop(pool.enter_timeout(wait)));
                KEPT.take();
            });
        }
        std::thread::sleep(Duration::from_millis(4));
        while let Some(guard) = guards.pop() {
            step(pool, || drop(guard));
        }
    });
    KEPT.take();
    // A close that is refused, and taken back.
    let inside = step(pool, || pool.enter_from_signal().ok()).flatten();
    step(pool, || pool.close());
    step(pool, || pool.reopen());
    step(pool, || drop(inside));
    call(pool);
    step(pool, || pool.unbind());
    KEPT.take();
}

fn kind(kind: usize) -> Pool<Callee> {
    let callee = Callee {
        pool: AtomicUsize::new(0),
        armed: Mutex::new(None),
        done: AtomicBool::new(false),
        made: AtomicU32::new(0),
        dropped: AtomicU32::new(0),
        failing: AtomicU32::new(0),
    };
    match kind {
        0 => Pool::new(callee),
        1 => Pool::new(callee).binding(Binding::Call),
        2 => Pool::new(callee).limit(2),
        _ => Pool::new(callee).limit(2).binding(Binding::Call),
    }
}

/// One cell: an error, in words, if a promise is broken.
fn cell(function: Point, deed: Deed, which: usize) -> Result<bool, String> {
    LEAKED.store(0, SeqCst);
    let pool: ThisPool = extram_kept::keep(kind(which));
    let runtime = pool.runtime();
    runtime.pool.store((&raw const *pool).expose_provenance(), SeqCst);
    *runtime.armed.lock().unwrap() = Some((function, deed));
    let (ended, end) = mpsc::channel();
    let body = std::thread::spawn(move || {
        life(pool);
        // Threads that were inside have gone; what `Closes` has closed is opened, to be closed again.
        for _ in 0..200 {
            if step(pool, || pool.close()) == Some(Ok(())) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = ended.send(());
    });
    if end.recv_timeout(Duration::from_secs(30)).is_err() && !body.is_finished() {
        return Err(format!("hangs: {:?}", pool.stats()));
    }
    body.join().map_err(|_| "panics".to_owned())?;
    for child in FORKED.lock().unwrap().drain(..) {
        let mut status = 0;
        // SAFETY: a place for the status.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } != child || status != 0 {
            return Err(format!("the child ended with status {status:#x}"));
        }
    }
    let stats = pool.stats();
    let leaked = LEAKED.load(SeqCst);
    let (made, dropped) = (runtime.made.load(SeqCst), runtime.dropped.load(SeqCst));
    let closed = pool.close().is_ok();
    if leaked == 0 && !(closed && stats.created == 0 && made == dropped) {
        return Err(format!("closed {closed}, {made} made, {dropped} dropped, {stats:?}"));
    }
    if leaked > 0 && (closed || stats.in_use != 1 || made != dropped + stats.created) {
        return Err(format!("leaked; closed {closed}, {made} made, {dropped} dropped, {stats:?}"));
    }
    Ok(runtime.done.load(SeqCst))
}

/// All functions and kinds of pools for some deeds. Returns how many cells have been visited.
fn all(deeds: &[Deed]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            eprintln!("{info}");
        }
    }));
    let (mut visited, mut broken) = (0, Vec::new());
    for function in Point::FUNCTIONS {
        let mut met = false;
        for deed in deeds {
            for which in 0..4 {
                match cell(function, *deed, which) {
                    Ok(done) => (met, visited) = (met | done, visited + u32::from(done)),
                    Err(what) => broken.push(format!("{function:?} {deed:?} in pool {which}: {what}")),
                }
            }
        }
        assert!(met || !broken.is_empty(), "no life comes by {function:?}");
    }
    println!("{visited} cells visited");
    assert!(broken.is_empty(), "{} cells broken:\n{}", broken.len(), broken.join("\n"));
}

/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x failures.
#[test]
fn functions_of_the_runtime_that_return_or_fail() {
    all(&[Deed::Returns, Deed::Fails]);
}

/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x panics.
#[test]
fn functions_of_the_runtime_that_panic() {
    all(&[Deed::Panics]);
}

/// Scenario 37. The drop of a context is one of the functions: a finalizer gets an M, or an error.
///
/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x from within,
/// inside x from within, going idle x in observe/in drop.
#[test]
fn functions_of_the_runtime_that_call_in() {
    all(&[Deed::Enters, Deed::Tries, Deed::EntersAsAHandler, Deed::EntersRaw]);
}

/// Those that are kept are dropped when the calls around them have been left: in another order.
///
/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x guards.
#[test]
#[cfg_attr(extram_tsan, ignore = "ThreadSanitizer has forgotten a thread that keeps one to its last moments")]
fn functions_of_the_runtime_that_keep_a_guard() {
    all(&[Deed::KeepsAGuard, Deed::LeaksAGuard]);
}

/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x fork.
#[test]
fn functions_of_the_runtime_that_fork() {
    all(&[Deed::Forks]);
}

/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x from within.
#[test]
fn functions_of_the_runtime_that_switch_the_pool() {
    all(&[Deed::Closes, Deed::Starts, Deed::Reopens]);
}

/// Edge: start/entering/waiting/making/admitting/leaving/unbind/trim/prewarm/close/reopen/drop x from within,
/// walk x from within.
#[test]
fn functions_of_the_runtime_that_use_the_pool() {
    all(&[Deed::Trims, Deed::Prewarms, Deed::Unbinds, Deed::Walks]);
}
