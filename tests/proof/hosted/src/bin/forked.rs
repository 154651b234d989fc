//! Forks in a process that is full of threads. The first argument says what the forking thread and
//! the others are doing; the child and the parent each check their pool.
#![allow(missing_docs)]

use extram::{Binding, Busy, EnterError, M, Native, Pool, Port as _, Runtime, Slots, StartError};
use extram_hosted::{Witness, alone, call, close, rest, stage, started, until};
use extram_kept::keep;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32};
use std::thread::{sleep, spawn};
use std::time::Duration;

type Yard = &'static Pool<Witness>;

/// Forks; `f` runs in the child, which ends the well way if `f` does.
fn fork(f: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child uses the pool, its own threads and the C library's allocator, all of which
    // work in a child.
    match unsafe { libc::fork() } {
        0 => {
            // A child that hangs ends by this.
            // SAFETY: takes a number.
            unsafe { libc::alarm(30) };
            let well = catch_unwind(AssertUnwindSafe(f)).is_ok();
            // SAFETY: ends the process without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!well)) }
        }
        child => {
            assert!(child > 0);
            child
        }
    }
}

fn reap(child: libc::pid_t) {
    stage::reap("it", child);
}

/// The forking thread and new ones enter; a herd, too.
fn works(pool: Yard) {
    let stats = pool.stats();
    assert_eq!(stats.waiting, 0, "who waited is forgotten: {stats:?}");
    call(pool);
    spawn(move || call(pool)).join().unwrap();
    let herd: Vec<_> = (0..4).map(|_| spawn(move || (0..100).for_each(|_| _ = call(pool)))).collect();
    herd.into_iter().for_each(|thread| thread.join().unwrap());
    call(pool);
}

/// The same, and everything adds up; contexts of vanished threads are forgotten, not dropped.
fn works_to_the_end(pool: Yard) {
    works(pool);
    pool.unbind();
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.bound_idle), (0, 0), "{stats:?}");
    assert_eq!(stats.created, stats.spare, "{stats:?}");
    pool.close().unwrap();
    pool.start().unwrap();
    works(pool);
}

/// Threads that are bound and idle, and threads inside, until they are told to go.
struct Others {
    go: &'static AtomicBool,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Others {
    fn new(pool: Yard, idle: u32, inside: u32) -> Self {
        // The calling thread may be bound itself.
        let bound_before = pool.stats().bound_idle;
        let go = keep(AtomicBool::new(false));
        let wait = move || {
            while !go.load(SeqCst) {
                sleep(Duration::from_micros(100));
            }
        };
        let mut threads = Vec::new();
        for _ in 0..inside {
            threads.push(spawn(move || pool.callback(|m| alone(m, wait)).unwrap()));
        }
        until("threads are inside", || pool.stats().in_use == inside);
        for _ in 0..idle {
            threads.push(spawn(move || {
                call(pool);
                wait();
            }));
        }
        until("threads have been inside", || pool.stats().bound_idle == bound_before + idle);
        Others { go, threads }
    }

    fn finish(self) {
        self.go.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// The forking thread never entered, is bound, or is inside; others are bound and inside.
fn among_others(mine: &str, limit: u32) {
    let pool = started(Pool::new(Witness::default()).limit(limit));
    let others = Others::new(pool, 2, 2);
    match mine {
        "stranger" => reap(fork(|| works_to_the_end(pool))),
        "bound" => {
            let id = call(pool);
            reap(fork(|| {
                assert_eq!(call(pool), id, "the M comes along");
                pool.callback(|m| assert_eq!(m.thread_id(), Native::thread_id())).unwrap();
                works_to_the_end(pool);
            }));
            assert_eq!(call(pool), id);
        }
        "inside" => pool
            .callback(|m| {
                let (id, thread) = (m.id(), m.thread_id());
                let child = fork(|| {
                    assert_eq!((m.id(), m.depth()), (id, 1));
                    assert_ne!(m.thread_id(), thread, "in the child the thread has another number");
                    assert_eq!(m.thread_id(), Native::thread_id());
                    assert_eq!(pool.callback(|inner| (inner.id(), inner.depth())), Ok((id, 2)));
                    // Another thread enters while this one is inside.
                    spawn(move || assert_ne!(call(pool), id)).join().unwrap();
                });
                reap(child);
                assert_eq!(m.depth(), 1);
            })
            .unwrap(),
        other => panic!("{other}"),
    }
    others.finish();
    pool.unbind();
    rest(pool, 0);
    close(pool);
}

/// All Ms are with other threads, and threads wait: in the child nobody has an M and nobody waits.
fn none_spare() {
    let pool = started(Pool::new(Witness::default()).limit(2).binding(Binding::Call));
    let others = Others::new(pool, 0, 2);
    let waiters: Vec<_> = (0..3).map(|_| spawn(move || call(pool))).collect();
    // As many as sleep are named where the machine has room for that.
    let named = || {
        let mut text = String::new();
        pool.dump(&mut text).expect("a String takes all");
        text.matches(" waits").count()
    };
    let all = if cfg!(target_pointer_width = "64") { 3 } else { 0 };
    until("threads wait", || pool.stats().waiting == 3 && named() == all);
    reap(fork(|| {
        assert_eq!(named(), 0, "none of them came along");
        works_to_the_end(pool)
    }));
    assert_eq!((pool.stats().waiting, named()), (3, all));
    others.finish();
    waiters.into_iter().for_each(|waiter| _ = waiter.join().unwrap());
    rest(pool, 0);
    close(pool);
}

/// Forks while threads enter, leave, wait, time out and make, wherever they happen to be.
fn in_a_storm() {
    for (limit, binding) in
        [(u32::MAX, Binding::Thread), (u32::MAX, Binding::Call), (3, Binding::Thread), (3, Binding::Call)]
    {
        let pool = started(Pool::new(Witness::default()).limit(limit).binding(binding));
        let (begun, over) = (keep(AtomicU32::new(0)), keep(AtomicBool::new(false)));
        let storm: Vec<_> = (0..6)
            .map(|index| {
                spawn(move || {
                    begun.fetch_add(1, SeqCst);
                    while !over.load(SeqCst) {
                        match pool.enter_timeout(Duration::from_micros(50)) {
                            Ok(m) => alone(&m, std::thread::yield_now),
                            Err(EnterError::TimedOut) => {}
                            Err(other) => panic!("{other}"),
                        }
                        if index == 0 {
                            pool.trim(0);
                        }
                        pool.unbind();
                    }
                })
            })
            .collect();
        // A Rust thread that starts holds a lock of the standard library, which a child would inherit.
        until("all threads have started", || begun.load(SeqCst) == 6);
        for round in 0..40 {
            if round % 2 == 0 {
                pool.unbind();
            } else {
                call(pool);
            }
            reap(fork(|| works(pool)));
        }
        over.store(true, SeqCst);
        storm.into_iter().for_each(|thread| thread.join().unwrap());
        pool.unbind();
        rest(pool, 0);
        close(pool);
    }
}

/// A child of a child.
fn twice() {
    let pool = started(Pool::new(Witness::default()));
    let others = Others::new(pool, 1, 1);
    call(pool);
    reap(fork(|| {
        works(pool);
        let others = Others::new(pool, 1, 1);
        reap(fork(|| works_to_the_end(pool)));
        others.finish();
        works_to_the_end(pool);
    }));
    others.finish();
    pool.unbind();
    rest(pool, 0);
    close(pool);
}

/// A runtime whose contexts are made and dropped as a test says.
#[derive(Clone, Copy)]
struct Scripted {
    make: fn() -> Result<(), ()>,
    unmake: fn(),
}

struct Made(fn());

impl Drop for Made {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Runtime for Scripted {
    type Context = Made;
    type Error = ();

    fn new_context(&self) -> Result<Made, ()> {
        (self.make)().map(|()| Made(self.unmake))
    }
}

/// Threads enter, one after the other and all at once, and the pool is closed and started again.
fn serves_to_the_end(pool: &'static Pool<Scripted>) {
    for _ in 0..2 {
        let inside = keep(Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                spawn(|| {
                    let meet = |m: &M<Scripted>| (inside.wait(), m.id()).1;
                    pool.callback(meet).unwrap()
                })
            })
            .collect();
        let ids: BTreeSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 4, "each had an M of its own: {ids:?}");
        pool.callback(|_| ()).unwrap();
        pool.unbind();
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.waiting, stats.created), (0, 0, stats.spare), "{stats:?}");
        pool.close().unwrap();
        pool.start().unwrap();
    }
    pool.close().unwrap();
}

/// Heap and slots alike.
fn scripted(make: fn() -> Result<(), ()>, unmake: fn()) -> [&'static Pool<Scripted>; 2] {
    let slots = keep(Slots::<Scripted, 8>::new());
    let script = Scripted { make, unmake };
    [keep(Pool::new(script)), keep(Pool::with_slots(script, slots))]
}

/// Where a thread stops until it is let through.
struct Gate {
    reached: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    const fn new() -> Self {
        Gate { reached: AtomicBool::new(false), open: AtomicBool::new(true) }
    }

    fn shut(&self) {
        self.reached.store(false, SeqCst);
        self.open.store(false, SeqCst);
    }

    fn open(&self) {
        self.open.store(true, SeqCst);
    }

    fn pass(&self) {
        self.reached.store(true, SeqCst);
        while !self.open.load(SeqCst) {
            sleep(Duration::from_micros(100));
        }
    }

    fn is_reached(&self) -> bool {
        self.reached.load(SeqCst)
    }
}

/// Another thread is in `start` and makes the first context: in the child nobody is.
fn while_another_starts() {
    static GATE: Gate = Gate::new();
    let make = || {
        GATE.pass();
        Ok(())
    };
    for pool in scripted(make, || ()) {
        GATE.shut();
        let starter = spawn(|| pool.start());
        until("the first context is being made", || GATE.is_reached());
        assert_eq!(pool.start(), Err(StartError::AlreadyStarted));
        reap(fork(|| {
            GATE.open();
            assert_eq!(pool.callback(|_| ()), Err(EnterError::NotStarted));
            pool.start().unwrap();
            serves_to_the_end(pool);
        }));
        GATE.open();
        starter.join().unwrap().unwrap();
        serves_to_the_end(pool);
    }
}

/// Another thread is in `close` and drops a context: in the child nobody is, and the pool is closed
/// when `close` is called again.
fn while_another_closes() {
    static GATE: Gate = Gate::new();
    for pool in scripted(|| Ok(()), || GATE.pass()) {
        pool.start().unwrap();
        pool.callback(|_| ()).unwrap();
        pool.unbind();
        GATE.shut();
        let closer = spawn(|| pool.close());
        until("a context is being dropped", || GATE.is_reached());
        assert_eq!(pool.close(), Err(Busy));
        reap(fork(|| {
            GATE.open();
            assert_eq!(pool.callback(|_| ()), Err(EnterError::Closed));
            pool.close().unwrap();
            pool.start().unwrap();
            serves_to_the_end(pool);
        }));
        GATE.open();
        closer.join().unwrap().unwrap();
        pool.start().unwrap();
        serves_to_the_end(pool);
    }
}

/// The context that `start` makes first forks: both processes go on in `start`.
fn in_start() {
    static CHILD: AtomicI32 = AtomicI32::new(-1);
    let make = || {
        if CHILD.load(SeqCst) == -1 {
            // SAFETY: as in `fork`; the child goes on below.
            CHILD.store(unsafe { libc::fork() }, SeqCst);
        }
        Ok(())
    };
    for pool in scripted(make, || ()) {
        CHILD.store(-1, SeqCst);
        pool.start().unwrap();
        serves_to_the_end(pool);
        match CHILD.load(SeqCst) {
            // SAFETY: ends the process without the parent's exit handlers.
            0 => unsafe { libc::_exit(0) },
            child => reap(child),
        }
    }
}

/// The forking thread failed to make an M earlier: nothing of that is left in the child.
fn after_a_failure() {
    static FAIL: AtomicBool = AtomicBool::new(false);
    for pool in scripted(|| if FAIL.load(SeqCst) { Err(()) } else { Ok(()) }, || ()) {
        FAIL.store(false, SeqCst);
        pool.start().unwrap();
        FAIL.store(true, SeqCst);
        pool.callback(|_| ()).unwrap();
        assert!(pool.stats().failed > 0);
        FAIL.store(false, SeqCst);
        pool.unbind();
        reap(fork(|| serves_to_the_end(pool)));
        serves_to_the_end(pool);
    }
}

/// Makes texts.
struct Texts(AtomicU32);

impl Runtime for Texts {
    type Context = String;
    type Error = ();

    fn new_context(&self) -> Result<String, ()> {
        Ok(format!("context {}", self.0.fetch_add(1, SeqCst)))
    }
}

/// The forking thread has borrowed the context of another thread's M: that is as it was, whatever the child's
/// pool makes.
fn borrowed() {
    static POOL: Pool<Texts> = Pool::new(Texts(AtomicU32::new(0)));
    POOL.start().unwrap();
    let inside = POOL.enter().unwrap();
    let text: &String = inside.context();
    let forks = || {
        let before = text.clone();
        reap(fork(|| {
            for _ in 0..3 {
                spawn(|| POOL.prewarm(3).unwrap()).join().unwrap();
                assert_eq!(*text, before);
            }
        }));
    };
    std::thread::scope(|scope| scope.spawn(forks).join().unwrap());
}

/// The forking thread keeps an M that is idle: the only one, or one of two.
fn bound_under_a_limit() {
    for limit in [1, 2] {
        let pool = started(Pool::new(Witness::default()).limit(limit));
        call(pool);
        reap(fork(|| {
            let other = spawn(move || pool.enter_timeout(Duration::from_secs(10)).map(|m| m.id()));
            other.join().unwrap().unwrap();
            works_to_the_end(pool);
        }));
        reap(fork(|| pool.close().unwrap()));
        call(pool);
        close(pool);
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("none-spare") => none_spare(),
        Some("bound-under-a-limit") => bound_under_a_limit(),
        Some("storm") => in_a_storm(),
        Some("twice") => twice(),
        Some("while-another-starts") => while_another_starts(),
        Some("while-another-closes") => while_another_closes(),
        Some("in-start") => in_start(),
        Some("after-a-failure") => after_a_failure(),
        Some("borrowed") => borrowed(),
        Some(mine @ ("stranger" | "bound" | "inside")) => {
            among_others(mine, u32::MAX);
            among_others(mine, 6);
        }
        other => panic!("{other:?}"),
    }
}
