//! Scenarios of the pool on the port of the host.

use extram::{Binding, EnterError, Event, M, MState, Pool, Runtime, Slots, StartError};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Counts what it makes, and how many creations each callback paid for.
#[derive(Default)]
struct Counting {
    made: AtomicU32,
    dropped: &'static DropCount,
    cost: Duration,
    /// Creations that fail, by number.
    failing: Option<(u32, u32)>,
    attempts: AtomicU32,
}

#[derive(Default)]
struct DropCount(AtomicU32);

impl Default for &'static DropCount {
    fn default() -> Self {
        Box::leak(Box::default())
    }
}

struct Context {
    owner: AtomicUsize,
    dropped: &'static DropCount,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.dropped.0.fetch_add(1, SeqCst);
    }
}

impl Runtime for Counting {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        let end = Instant::now() + self.cost;
        while Instant::now() < end {}
        let attempt = self.attempts.fetch_add(1, SeqCst);
        if self.failing.is_some_and(|(from, to)| (from..to).contains(&attempt)) {
            return Err(());
        }
        self.made.fetch_add(1, SeqCst);
        Ok(Context { owner: AtomicUsize::new(0), dropped: self.dropped })
    }
}

fn leak(pool: Pool<Counting>) -> &'static Pool<Counting> {
    /// LeakSanitizer takes what can be reached from here for not lost.
    static LEAKED: Mutex<Vec<&Pool<Counting>>> = Mutex::new(Vec::new());
    let pool = Box::leak(Box::new(pool));
    LEAKED.lock().expect("no panic").push(pool);
    pool
}

fn started(pool: Pool<Counting>) -> &'static Pool<Counting> {
    let pool = leak(pool);
    pool.start().expect("starts");
    pool
}

/// The M is in no other hands for as long as `f` runs.
fn alone<T>(m: &M<Counting>, f: impl FnOnce() -> T) -> T {
    let me = &raw const m as usize;
    assert_eq!(m.context().owner.swap(me, SeqCst), 0, "M {} in two hands", m.id());
    let result = f();
    assert_eq!(m.context().owner.swap(0, SeqCst), me, "M {} changed hands", m.id());
    result
}

fn at_rest(pool: &'static Pool<Counting>) {
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.creating), (0, 0), "{stats:?}");
    assert_eq!(stats.created, stats.spare + stats.in_use + stats.bound_idle, "{stats:?}");
}

#[test]
fn not_started_is_an_error_and_a_started_pool_has_one_spare() {
    let pool = leak(Pool::default());
    assert_eq!(pool.enter().unwrap_err(), EnterError::NotStarted);
    assert_eq!(pool.try_enter().unwrap_err(), EnterError::NotStarted);
    assert_eq!(pool.enter_timeout(Duration::ZERO).unwrap_err(), EnterError::NotStarted);
    assert_eq!(pool.enter_from_signal().unwrap_err(), EnterError::NotStarted);
    assert!(!pool.unbind());
    pool.start().unwrap();
    assert_eq!(pool.start().unwrap_err(), StartError::AlreadyStarted);
    assert_eq!((pool.stats().created, pool.stats().spare), (1, 1));
}

/// That many; a few under Miri, which shows on a few what it would show on all.
const fn many(count: usize) -> usize {
    if cfg!(miri) && count > 4 { 4 } else { count }
}

#[test]
fn a_thousand_threads_one_after_another_make_two() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Counting::default()).binding(binding));
        for _ in 0..many(1000) {
            std::thread::spawn(|| pool.callback(|m| alone(m, || ())).unwrap()).join().unwrap();
        }
        at_rest(pool);
        assert!(pool.runtime().made.load(SeqCst) <= 2);
        assert_eq!(pool.stats().spare, pool.stats().created);
    }
}

fn herd(pool: &'static Pool<Counting>, threads: usize, all_inside: bool) {
    let inside = Arc::new(Barrier::new(threads));
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let inside = inside.clone();
            std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
                let entered = pool.enter().unwrap();
                alone(&entered, || {
                    if all_inside {
                        inside.wait();
                    }
                });
            })
        })
        .map(Result::unwrap)
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_herd_that_is_all_inside_needs_one_each_and_one_spare() {
    for threads in [4, 100, 1024].map(many) {
        let pool = started(Pool::new(Counting::default()));
        herd(pool, threads, true);
        at_rest(pool);
        let made = pool.runtime().made.load(SeqCst) as usize;
        assert!((threads..=threads + 1).contains(&made), "{made} for {threads}");
        assert_eq!(pool.stats().spare as usize, made);
    }
}

#[test]
fn short_callbacks_make_few() {
    let cost = Duration::from_micros(500);
    let pool = started(Pool::new(Counting { cost, ..Default::default() }));
    herd(pool, many(200), false);
    at_rest(pool);
    let made = pool.runtime().made.load(SeqCst);
    assert!(made < 100, "{made} Ms for 200 short callbacks");
}

/// Making waits for a permit; callbacks are told apart by thread.
#[derive(Default)]
struct Permits {
    given: Mutex<u32>,
    more: Condvar,
    makers: Mutex<Vec<ThreadId>>,
}

impl Permits {
    fn give(&self) {
        *self.given.lock().unwrap() += 1;
        self.more.notify_one();
    }
}

impl Runtime for &'static Permits {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        self.makers.lock().unwrap().push(thread::current().id());
        let mut given = self.given.lock().unwrap();
        while *given == 0 {
            given = self.more.wait(given).unwrap();
        }
        *given -= 1;
        Ok(())
    }
}

#[test]
fn a_callback_makes_one_m_if_others_come_back_while_it_does() {
    static PERMITS: LazyLock<Permits> = LazyLock::new(Permits::default);
    static POOL: LazyLock<Pool<&'static Permits>> = LazyLock::new(|| Pool::new(&*PERMITS));
    PERMITS.give();
    POOL.start().unwrap();
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let makers = || PERMITS.makers.lock().unwrap().len();
    let (leave, inside) = (Barrier::new(2), AtomicU32::new(0));
    thread::scope(|scope| {
        // Takes the last M; the M it makes goes to the first waiter, who owes two.
        scope.spawn(|| {
            let held = POOL.enter().unwrap();
            leave.wait();
            drop(held);
        });
        until(&|| makers() == 2);
        for _ in 0..8 {
            scope.spawn(|| {
                let _held = POOL.enter().unwrap();
                inside.fetch_add(1, SeqCst);
                until(&|| inside.load(SeqCst) == 8);
            });
        }
        until(&|| POOL.stats().waiting == 8);
        PERMITS.give();
        until(&|| makers() == 3);
        let second = PERMITS.makers.lock().unwrap()[2];
        // While it makes its first, an M comes back and serves another one.
        leave.wait();
        until(&|| POOL.stats().waiting == 6);
        for _ in 0..20 {
            PERMITS.give();
        }
        until(&|| inside.load(SeqCst) == 8);
        assert_eq!(PERMITS.makers.lock().unwrap().iter().filter(|&&maker| maker == second).count(), 1);
    });
}

#[test]
fn a_limit_holds_and_idle_ms_are_taken_back_for_those_who_wait() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Counting::default()).limit(8).binding(binding));
        let done = Arc::new(Barrier::new(many(64)));
        let threads: Vec<_> = (0..many(64))
            .map(|_| {
                let done = done.clone();
                std::thread::spawn(move || {
                    for _ in 0..many(200) {
                        pool.callback(|m| alone(m, std::thread::yield_now)).unwrap();
                    }
                    // All stay alive until the last one has been served.
                    done.wait();
                    pool.callback(|m| alone(m, || ())).unwrap();
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        at_rest(pool);
        assert!(pool.runtime().made.load(SeqCst) <= 8);
    }
}

#[test]
fn memory_found_at_run_time_holds_as_many_ms_as_it_has_elements() {
    for room in [0, 1, 3] {
        let memory = Box::leak(Box::new_uninit_slice(room));
        let pool = leak(Pool::with_memory(Counting::default(), memory).binding(Binding::Call));
        if room == 0 {
            assert_eq!(pool.start().unwrap_err(), StartError::Exhausted);
            continue;
        }
        pool.start().unwrap();
        let threads: Vec<_> = (0..many(16))
            .map(|_| std::thread::spawn(|| pool.callback(|m| alone(m, std::thread::yield_now)).unwrap()))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(pool.prewarm(room as u32 + 1).is_err());
        assert_eq!(pool.stats().created, room as u32);
        pool.close().unwrap();
        assert_eq!(pool.runtime().dropped.0.load(SeqCst), pool.runtime().made.load(SeqCst));
        // The slots are still its own.
        pool.start().unwrap();
    }
}

#[test]
fn pools_that_take_turns_on_the_same_slots_have_all_of_them_each_time() {
    let slots: &'static Slots<Counting, 4> = Box::leak(Box::new(Slots::new()));
    let new = || leak(Pool::with_slots(Counting::default(), slots).binding(Binding::Call));
    let pools = [new(), new()];
    for (turn, ms) in [4, 2, 4, 3, 4, 2, 4, 4].into_iter().enumerate() {
        let (pool, other) = (pools[turn % 2], pools[1 - turn % 2]);
        pool.start().unwrap();
        assert_eq!(other.start().unwrap_err(), StartError::SlotsInUse);
        pool.prewarm(ms).unwrap();
        let numbers: HashSet<u32> = pool.ms().map(|m| m.id).collect();
        assert_eq!((numbers.len(), pool.stats().spare), (ms as usize, ms), "turn {turn}");
        pool.close().unwrap();
        assert_eq!(pool.stats().created, 0);
    }
}

/// What close took from a thread that lives on is used again once that has come.
///
/// Edge: start x enter.
#[test]
fn threads_that_outlive_closes_use_their_slots_again() {
    let pool = leak(Pool::new(Counting::default()));
    let threads = many(200);
    let (next, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    let turn = Mutex::new(());
    let mut highest = Vec::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..4 {
                    next.wait();
                    // One at a time: who finds another at the same shelf would come again later.
                    let one = turn.lock();
                    alone(&pool.enter().unwrap(), || ());
                    drop(one);
                    done.wait();
                }
                // While a thread ends, close is busy.
                next.wait();
            });
        }
        for _ in 0..4 {
            pool.start().unwrap();
            next.wait();
            done.wait();
            highest.push(pool.ms().map(|m| m.id).max().unwrap());
            pool.close().unwrap();
        }
        next.wait();
    });
    // The list is not left empty, and a pool makes its first M before a slot is used again.
    assert!(highest.iter().all(|id| *id <= threads as u32 + 2), "{highest:?} for {threads} threads");
}

#[test]
fn under_a_limit_trying_is_exhausted() {
    let pool = started(Pool::new(Counting::default()).limit(1));
    let inside = pool.enter().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(pool.try_enter().unwrap_err(), EnterError::Exhausted));
        scope.spawn(|| {
            let begin = Instant::now();
            let limit = Duration::from_millis(30);
            assert_eq!(pool.enter_timeout(limit).unwrap_err(), EnterError::TimedOut);
            assert!(begin.elapsed() >= limit);
        });
    });
    drop(inside);
    at_rest(pool);
    // Bound to this thread and idle: another thread may have it.
    std::thread::spawn(|| pool.try_enter().map(drop).unwrap()).join().unwrap();
}

#[test]
fn time_outs_race_grants_and_lose_nothing() {
    let pool = started(Pool::new(Counting::default()).limit(1).binding(Binding::Call));
    let timed_out = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..many(10_000) as u64 {
                    match pool.enter_timeout(Duration::from_nanos(round * 7 % 30_000)) {
                        Ok(m) => alone(&m, || ()),
                        Err(EnterError::TimedOut) => _ = timed_out.fetch_add(1, SeqCst),
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    at_rest(pool);
    assert_eq!(pool.stats().spare, 1);
}

#[test]
fn each_failure_is_one_callers_and_the_rest_are_served() {
    for failures in [1, 3, 10].into_iter().take(if cfg!(miri) { 1 } else { 3 }) {
        for from in 1..many(8) as u32 {
            let failing = Some((from, from + failures));
            let pool = started(Pool::new(Counting { failing, ..Default::default() }));
            let failed = AtomicU32::new(0);
            // Joined one by one: a scope does not wait for exit hooks.
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..many(32))
                    .map(|_| {
                        scope.spawn(|| match pool.enter() {
                            Ok(m) => alone(&m, || std::thread::sleep(Duration::from_micros(100))),
                            Err(EnterError::CreationFailed) => _ = failed.fetch_add(1, SeqCst),
                            Err(other) => panic!("{other}"),
                        })
                    })
                    .collect();
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            });
            at_rest(pool);
            for _ in 0..20 {
                drop(pool.enter());
            }
            assert!(pool.enter().is_ok());
            pool.close().unwrap();
            assert_eq!(pool.runtime().made.load(SeqCst), pool.runtime().dropped.0.load(SeqCst));
        }
    }
}

#[test]
fn closing_wakes_waiters_drops_contexts_once_and_can_be_started_again() {
    let pool = started(Pool::new(Counting::default()).limit(1));
    for round in 1..=3 {
        let inside = pool.enter().unwrap();
        let waiter = std::thread::spawn(|| pool.enter().map(drop));
        while pool.stats().waiting == 0 {
            std::thread::yield_now();
        }
        pool.close().unwrap_err();
        assert_eq!(waiter.join().unwrap().unwrap_err(), EnterError::Closed);
        drop(inside);
        while pool.close().is_err() {}
        assert_eq!(pool.enter().unwrap_err(), EnterError::Closed);
        assert_eq!(pool.runtime().dropped.0.load(SeqCst), round);
        pool.start().unwrap();
    }
}

#[test]
fn closing_takes_bound_ms_from_threads_that_live_on() {
    for limit in [u32::MAX, 16] {
        let pool = started(Pool::new(Counting::default()).limit(limit));
        let meet = Arc::new(Barrier::new(5));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let meet = meet.clone();
                std::thread::spawn(move || {
                    pool.callback(|_| ()).unwrap();
                    meet.wait();
                    meet.wait();
                    assert_eq!(pool.enter().unwrap_err(), EnterError::Closed);
                    meet.wait();
                    meet.wait();
                    pool.callback(|m| alone(m, || ())).unwrap();
                })
            })
            .collect();
        meet.wait();
        pool.close().unwrap();
        meet.wait();
        meet.wait();
        assert_eq!(pool.runtime().made.load(SeqCst), pool.runtime().dropped.0.load(SeqCst));
        pool.start().unwrap();
        meet.wait();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        at_rest(pool);
    }
}

#[test]
fn a_thread_that_was_inside_at_the_close_does_not_come_in_again() {
    for pool in [Pool::new(Counting::default()), Pool::new(Counting::default()).limit(1)] {
        let pool = started(pool);
        let inside = pool.enter().expect("one is spare");
        assert!(pool.close().is_err());
        drop(inside);
        assert_eq!(pool.enter().err(), Some(EnterError::Closed));
        pool.close().expect("everybody has left");
    }
}

#[test]
fn trim_and_prewarm() {
    let pool = started(Pool::new(Counting::default()));
    pool.prewarm(10).unwrap();
    assert_eq!(pool.stats().spare, 10);
    let made = pool.runtime().made.load(SeqCst);
    herd(pool, many(9), true);
    assert_eq!(pool.runtime().made.load(SeqCst), made, "a warm herd makes nothing");
    assert_eq!(pool.trim(4), 6);
    assert_eq!(pool.stats().spare, 4);
    assert_eq!(pool.runtime().dropped.0.load(SeqCst), 6);
    herd(pool, many(20), true);
    at_rest(pool);
    let limited = started(Pool::new(Counting::default()).limit(3));
    assert_eq!(limited.prewarm(4).unwrap_err(), StartError::Exhausted);
    assert_eq!(limited.stats().spare, 3);
}

#[test]
fn a_bound_thread_keeps_its_m_and_gives_it_back_at_exit() {
    let pool = started(Pool::new(Counting::default()));
    let ids =
        std::thread::spawn(|| (0..many(100)).map(|_| pool.callback(|m| m.id()).unwrap()).collect::<Vec<_>>())
            .join()
            .unwrap();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(pool.stats().bound_idle, 0);
    let again = std::thread::spawn(|| pool.callback(|m| m.id()).unwrap()).join().unwrap();
    assert_eq!(again, ids[0], "the M that came back last is taken first");
}

#[test]
fn unbind_gives_an_idle_m_back_and_does_nothing_inside() {
    for limit in [u32::MAX, 4] {
        let pool = started(Pool::new(Counting::default()).limit(limit));
        pool.callback(|_| assert!(!pool.unbind())).unwrap();
        assert_eq!(pool.stats().bound_idle, 1);
        assert!(pool.unbind());
        assert!(!pool.unbind());
        assert_eq!(pool.stats().bound_idle, 0);
        pool.callback(|m| alone(m, || ())).unwrap();
    }
}

#[test]
fn nested_calls_share_the_m_and_unwind() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Counting::default()).binding(binding));
        for _ in 0..many(1000) {
            let outer = pool.enter().unwrap();
            let inner = pool.try_enter().unwrap();
            assert_eq!((outer.id(), outer.depth()), (inner.id(), 2));
            drop(inner);
            assert_eq!(outer.depth(), 1);
        }
        at_rest(pool);
        assert_eq!(pool.stats().in_use, 0);
        assert_eq!(pool.stats().created, 2);
    }
}

/// Under a limit the only M there is, is this thread's own, which is idle: whoever takes it back, be it
/// the thread itself, has it alone.
#[test]
fn a_thread_that_takes_its_own_idle_m_back_does_not_believe_it_its_own() {
    let pool = started(Pool::new(Counting::default()).limit(1));
    pool.callback(|_| ()).unwrap();
    assert_eq!(pool.stats().bound_idle, 1);
    let handler = pool.enter_from_signal().unwrap();
    assert_eq!(pool.try_enter().unwrap_err(), EnterError::Exhausted);
    drop(handler);
    pool.callback(|_| ()).unwrap();
    // A close takes it back, too; another M is in use, so it is busy.
    let pool = started(Pool::new(Counting::default()).limit(2));
    pool.callback(|_| ()).unwrap();
    let handler = pool.enter_from_signal().unwrap();
    assert!(pool.close().is_err());
    assert_eq!(pool.enter().unwrap_err(), EnterError::Closed);
    assert_eq!(pool.stats().in_use, 1);
    drop(handler);
    pool.close().unwrap();
}

/// A context need not be `Sync`, so a handler never meets the one that it interrupted.
#[test]
fn a_call_from_a_handler_has_an_m_of_its_own() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Counting::default()).binding(binding));
        pool.prewarm(3).unwrap();
        let outer = pool.enter().unwrap();
        let handler = pool.enter_from_signal().unwrap();
        let above = pool.enter_from_signal().unwrap();
        let nested = pool.enter().unwrap();
        assert_eq!(nested.id(), outer.id(), "nothing of the thread's has changed");
        let ids = HashSet::from([outer.id(), handler.id(), above.id()]);
        assert_eq!(ids.len(), 3);
        assert_eq!((outer.depth(), handler.depth(), above.depth()), (2, 1, 1));
        // A task of an interrupt executor may end when the thread has left long since.
        drop((nested, outer, handler));
        assert!(pool.close().is_err());
        pool.reopen().unwrap();
        drop(above);
        at_rest(pool);
        assert_eq!(pool.stats().in_use, 0);
    }
}

#[test]
fn nested_calls_may_be_left_in_any_order() {
    for binding in [Binding::Thread, Binding::Call] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let pool = started(Pool::new(Counting::default()).binding(binding));
            let mut guards = [(); 3].map(|()| Some(pool.enter().unwrap()));
            let id = guards[0].as_ref().unwrap().id();
            for (left, which) in order.into_iter().enumerate() {
                let inside = pool.ms().find(|m| m.id == id).unwrap();
                assert_eq!((inside.state, inside.depth), (MState::InUse, 3 - left as u32));
                drop(guards[which].take());
            }
            at_rest(pool);
            assert_eq!(pool.stats().in_use, 0);
        }
    }
}

#[test]
fn a_panic_gives_the_m_back() {
    let pool = started(Pool::new(Counting::default()).binding(Binding::Call));
    let panicked = std::panic::catch_unwind(|| pool.callback(|_| panic!("on purpose")));
    assert!(panicked.is_err());
    at_rest(pool);
    assert_eq!(pool.stats().in_use, 0);
}

/// A runtime whose first context panics.
#[derive(Default)]
struct PanicsOnce(AtomicU32);

impl Runtime for PanicsOnce {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        assert_ne!(self.0.fetch_add(1, SeqCst), 0, "on purpose");
        Ok(())
    }
}

#[test]
fn a_panic_while_the_pool_starts_leaves_it_as_it_was() {
    static SLOTS: Slots<PanicsOnce, 2> = Slots::new();
    static POOL: LazyLock<Pool<PanicsOnce>> =
        LazyLock::new(|| Pool::with_slots(PanicsOnce::default(), &SLOTS));
    let pool: &'static Pool<PanicsOnce> = &POOL;
    assert!(std::panic::catch_unwind(|| pool.start()).is_err());
    assert_eq!(pool.callback(|_| ()), Err(EnterError::NotStarted));
    pool.start().unwrap();
    pool.callback(|_| ()).unwrap();
    pool.unbind();
    pool.close().unwrap();
}

/// The first M is on nobody's list afterwards: two threads have an M each.
#[test]
fn a_panic_when_the_first_m_has_been_made_leaves_none_behind() {
    struct PanicsWhenMade(AtomicU32, AtomicU32);
    impl Runtime for PanicsWhenMade {
        type Context = u32;
        type Error = ();
        fn new_context(&self) -> Result<u32, ()> {
            Ok(self.0.fetch_add(1, SeqCst))
        }
        fn observe(&self, event: Event) {
            if matches!(event, Event::Made { .. }) && self.1.fetch_add(1, SeqCst) == 0 {
                panic!("on purpose");
            }
        }
    }
    static SLOTS: Slots<PanicsWhenMade, 3> = Slots::new();
    static ON_SLOTS: Pool<PanicsWhenMade> =
        Pool::with_slots(PanicsWhenMade(AtomicU32::new(0), AtomicU32::new(0)), &SLOTS);
    static ON_HEAP: Pool<PanicsWhenMade> =
        Pool::new(PanicsWhenMade(AtomicU32::new(0), AtomicU32::new(0))).limit(2);
    for pool in [&ON_SLOTS, &ON_HEAP] {
        assert!(std::panic::catch_unwind(|| pool.start()).is_err());
        assert_eq!(pool.enter().err(), Some(EnterError::NotStarted));
        pool.start().unwrap();
        let ours = pool.enter().unwrap();
        let theirs =
            std::thread::spawn(|| pool.callback(|m| (m.id(), *m.context())).unwrap()).join().unwrap();
        assert_ne!((ours.id(), *ours.context()), theirs);
        assert!(ours.id() != theirs.0 && *ours.context() != theirs.1);
        drop(ours);
        pool.unbind();
        assert_eq!(pool.stats().created, pool.stats().spare);
        pool.close().unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "it knows no stacks")]
fn the_stack_is_known() {
    struct Scanned;
    impl Runtime for Scanned {
        type Context = ();
        type Error = ();
        const STACKS: bool = true;
        fn new_context(&self) -> Result<(), ()> {
            Ok(())
        }
    }
    let pool: &'static Pool<Scanned> = Box::leak(Box::new(Pool::new(Scanned)));
    pool.start().unwrap();
    std::thread::spawn(|| {
        let entered = pool.enter().unwrap();
        let here = 0u8;
        let stack = entered.stack().unwrap();
        assert!(stack.contains(&(&raw const here).addr()));
        assert_ne!(entered.thread_id(), u64::from(std::process::id()));
        assert!(pool.ms().any(|m| m.id == entered.id() && m.stack == Some(stack.clone())));
    })
    .join()
    .unwrap();
}

/// Turns callers that may not wait away while `closed`.
#[derive(Default)]
struct Gated {
    closed: std::sync::atomic::AtomicBool,
}

impl Runtime for Gated {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        Ok(())
    }

    fn try_admit(&self, _: &M<Self>) -> bool {
        !self.closed.load(SeqCst)
    }
}

#[test]
fn a_thread_that_is_not_admitted_passes_its_duty_on() {
    let pool: &'static Pool<Gated> = Box::leak(Box::new(Pool::new(Gated::default())));
    pool.start().unwrap();
    pool.runtime().closed.store(true, SeqCst);
    // Takes the last M, which owes a refill, and is turned away.
    assert_eq!(pool.try_enter().unwrap_err(), EnterError::WouldBlock);
    assert_eq!(pool.stats().spare, 1, "the M is not kept idle while it owes");
    std::thread::spawn(|| pool.callback(|_| ()).unwrap()).join().unwrap();
}

#[test]
fn a_failed_creation_is_tried_again_by_the_next_callback() {
    let failing = Some((1, 2));
    let pool = started(Pool::new(Counting { failing, ..Default::default() }));
    drop(pool.enter().unwrap());
    assert_eq!((pool.stats().spare, pool.stats().failed), (1, 1));
    std::thread::spawn(|| pool.callback(|_| ()).unwrap()).join().unwrap();
    assert_eq!(pool.stats().created, 2);
}

fn kept<R: Runtime>(pool: Pool<R>) -> &'static Pool<R> {
    /// As in `leak`.
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let pool = Box::leak(Box::new(pool));
    KEPT.lock().unwrap().push((&raw const *pool).addr());
    pool
}

/// Keeps what it is told.
#[derive(Default)]
struct Telling {
    told: Mutex<Vec<Event>>,
    fails: AtomicU32,
    /// What the next thread that is about to wait does first.
    before_waiting: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Runtime for Telling {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        if self.fails.load(SeqCst) == 0 { Ok(()) } else { Err(()) }
    }

    fn observe(&self, event: Event) {
        self.told.lock().unwrap().push(event);
        if event == Event::Waiting {
            let deed = self.before_waiting.lock().unwrap().take();
            deed.into_iter().for_each(|deed| deed());
        }
    }
}

impl Telling {
    /// What happened since the last call.
    fn told(&self) -> Vec<Event> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

fn telling(
    configure: impl FnOnce(Pool<Telling>) -> Pool<Telling>,
) -> (&'static Pool<Telling>, &'static Telling) {
    let pool: &'static Pool<Telling> = kept(configure(Pool::new(Telling::default())));
    pool.start().unwrap();
    assert_eq!(pool.runtime().told(), [Event::Making, Event::Made { m: 1 }]);
    (pool, pool.runtime())
}

#[test]
fn an_m_for_one_call_is_told_of_from_entering_to_its_return() {
    let (pool, runtime) = telling(|pool| pool.binding(Binding::Call));
    let inside = pool.enter().unwrap();
    assert_eq!(runtime.told(), [Event::Entered { m: 1 }, Event::Making, Event::Made { m: 2 }]);
    pool.callback(|_| ()).unwrap();
    assert_eq!(runtime.told(), [], "a nested call is nobody's business");
    drop(inside);
    let left = [Event::Left { m: 1 }, Event::Returned { m: 1 }];
    assert_eq!(runtime.told(), left);
    // Owes nothing now.
    drop(pool.enter().unwrap());
    assert_eq!(runtime.told(), [[Event::Entered { m: 1 }].as_slice(), &left].concat());
    let inside = pool.enter().unwrap();
    runtime.told();
    runtime.fails.store(1, SeqCst);
    thread::spawn(|| pool.callback(|_| ()).unwrap()).join().unwrap();
    let failed = [Event::Entered { m: 2 }, Event::Making, Event::Failed];
    assert_eq!(
        runtime.told(),
        [failed.as_slice(), &[Event::Left { m: 2 }, Event::Returned { m: 2 }]].concat()
    );
    drop(inside);
}

#[test]
fn an_m_that_stays_with_its_thread_is_told_of_when_it_goes() {
    let (pool, runtime) = telling(|pool| pool);
    pool.callback(|_| ()).unwrap();
    let first = [Event::Entered { m: 1 }, Event::Making, Event::Made { m: 2 }, Event::Left { m: 1 }];
    assert_eq!(runtime.told(), first);
    pool.callback(|_| ()).unwrap();
    assert_eq!(runtime.told(), [Event::Entered { m: 1 }, Event::Left { m: 1 }]);
    assert!(pool.unbind());
    assert_eq!(runtime.told(), [Event::Returned { m: 1 }]);
    // At the end of its thread.
    thread::spawn(|| pool.callback(|_| ()).unwrap()).join().unwrap();
    assert_eq!(runtime.told(), [Event::Entered { m: 1 }, Event::Left { m: 1 }, Event::Returned { m: 1 }]);
}

/// The only M there may be goes from the test's thread to another, which ends then: because it waits for
/// it, takes it back where it is idle, or finds it idle when it is counted already.
#[test]
fn an_m_that_changes_hands_is_told_of_by_both() {
    let (pool, runtime) = telling(|pool| pool.limit(1));
    let others = || thread::spawn(|| pool.callback(|_| ()).unwrap());
    let (entered, left) = (Event::Entered { m: 1 }, Event::Left { m: 1 });
    let (returned, granted) = (Event::Returned { m: 1 }, Event::Granted { m: 1 });
    pool.callback(|_| ()).unwrap();
    assert_eq!(runtime.told(), [entered, left]);
    others().join().unwrap();
    assert_eq!(runtime.told(), [returned, entered, left, returned], "it was idle");

    let inside = pool.enter().unwrap();
    thread::spawn(|| assert_eq!(pool.enter_timeout(Duration::ZERO).unwrap_err(), EnterError::TimedOut))
        .join()
        .unwrap();
    assert_eq!(runtime.told(), [entered, Event::Waiting, Event::Refused]);
    let other = others();
    while pool.stats().waiting == 0 {
        thread::yield_now();
    }
    assert_eq!(runtime.told(), [Event::Waiting]);
    drop(inside);
    other.join().unwrap();
    assert_eq!(runtime.told(), [left, returned, granted, entered, left, returned], "it waited");

    let inside = pool.enter().unwrap();
    let (about_to_wait, waits) = std::sync::mpsc::channel();
    let (is_idle, idle) = std::sync::mpsc::channel();
    *runtime.before_waiting.lock().unwrap() = Some(Box::new(move || {
        about_to_wait.send(()).unwrap();
        idle.recv().unwrap();
    }));
    let other = others();
    waits.recv().unwrap();
    drop(inside);
    assert_eq!(pool.stats().bound_idle, 1);
    is_idle.send(()).unwrap();
    other.join().unwrap();
    let by_other = [returned, granted, entered, left, returned];
    assert_eq!(runtime.told(), [[entered, Event::Waiting, left].as_slice(), &by_other].concat());
}

/// Others rely on an M that is made for prewarming. If that fails one of them is told, and whoever
/// prewarms makes an M for the rest, since nobody else does.
#[test]
fn who_relied_on_prewarming_that_failed_is_served() {
    #[derive(Default)]
    struct FailsThird {
        attempts: AtomicU32,
        may_fail: AtomicU32,
    }
    impl Runtime for FailsThird {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            if self.attempts.fetch_add(1, SeqCst) != 2 {
                return Ok(());
            }
            while self.may_fail.load(SeqCst) == 0 {
                thread::yield_now();
            }
            Err(())
        }
    }
    let pool: &'static Pool<FailsThird> = kept(Pool::new(FailsThird::default()).binding(Binding::Call));
    pool.start().unwrap();
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            thread::yield_now();
        }
    };
    let all_settled = AtomicU32::new(0);
    thread::scope(|scope| {
        let warms = scope.spawn(|| {
            let _inside = pool.enter().unwrap();
            let outcome = pool.prewarm(2);
            until(&|| all_settled.load(SeqCst) == 1);
            outcome
        });
        until(&|| pool.runtime().attempts.load(SeqCst) == 3);
        // The last spare one, and another is being made.
        let inside = pool.enter().unwrap();
        let waiters = [(); 2].map(|()| scope.spawn(|| pool.enter_timeout(Duration::from_secs(60)).map(drop)));
        until(&|| pool.stats().waiting == 2);
        pool.runtime().may_fail.store(1, SeqCst);
        let outcomes = waiters.map(|waiter| waiter.join().unwrap());
        all_settled.store(1, SeqCst);
        let told = outcomes.iter().filter(|outcome| **outcome == Err(EnterError::CreationFailed)).count();
        let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!((told, served), (1, 1), "{outcomes:?}");
        assert_eq!(warms.join().unwrap(), Err(StartError::CreationFailed));
        drop(inside);
    });
}

/// Whether bounds of stacks are wanted is asked of the runtime: before the thread looks for its M, since what it
/// has seen there may be another's when that function returns.
#[test]
fn whoever_closes_and_starts_the_pool_on_the_way_in_shares_an_m_with_nobody() {
    use std::cell::Cell;
    use std::sync::Barrier;
    thread_local!(static ASKED: Cell<bool> = const { Cell::new(true) });
    static BOTH: Barrier = Barrier::new(OTHERS + 1);
    static POOL: Pool<Asks> = Pool::new(Asks);
    const OTHERS: usize = 4;

    struct Asks;
    impl Runtime for Asks {
        type Context = Cell<u32>;
        type Error = std::convert::Infallible;
        const STACKS: bool = true;
        fn new_context(&self) -> Result<Cell<u32>, Self::Error> {
            Ok(Cell::new(0))
        }
        fn wants_stacks(&self) -> bool {
            if !ASKED.replace(true) {
                POOL.close().unwrap();
                POOL.start().unwrap();
                POOL.callback(|_| ()).unwrap();
                POOL.unbind();
                for _ in 0..OTHERS {
                    std::thread::spawn(|| {
                        POOL.callback(|m| {
                            m.context().set(m.context().get() + 1);
                            BOTH.wait();
                            BOTH.wait();
                        })
                        .unwrap();
                        BOTH.wait();
                    });
                }
                BOTH.wait();
            }
            false
        }
    }

    POOL.start().unwrap();
    POOL.callback(|_| ()).unwrap();
    ASKED.set(false);
    let m = POOL.enter().unwrap();
    assert_eq!((m.depth(), m.context().get()), (1, 0), "M {} is another's", m.id());
    BOTH.wait();
    drop(m);
    BOTH.wait();
}

/// Whoever is told that no M could be made may come again at once. The thread with the M that owes the next one
/// does not go on trying for their sake: its callback would never begin, nor anybody's.
#[test]
#[cfg_attr(miri, ignore = "callers who spin take minutes there")]
fn callers_who_try_again_do_not_keep_the_one_m_from_its_callback() {
    struct Fails(AtomicU32);
    impl Runtime for Fails {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            if self.0.fetch_add(1, SeqCst) == 0 {
                return Ok(());
            }
            thread::sleep(Duration::from_micros(300));
            Err(())
        }
    }
    static POOL: Pool<Fails> = Pool::new(Fails(AtomicU32::new(0))).binding(Binding::Call);
    POOL.start().unwrap();
    let (served, serves) = std::sync::mpsc::channel();
    for _ in 0..4 {
        let served = served.clone();
        thread::spawn(move || {
            for _ in 0..20 {
                while let Err(error) = POOL.callback(|_| ()) {
                    assert_eq!(error, EnterError::CreationFailed);
                }
            }
            served.send(()).unwrap();
        });
    }
    for _ in 0..4 {
        serves.recv_timeout(Duration::from_secs(60)).expect("all are served");
    }
}

/// Failures that pass are told to one of those who wait each, also to those who came after the first.
#[test]
fn a_herd_that_comes_after_a_failure_is_not_told_all_at_once() {
    struct FailsTwice(AtomicU32);
    static POOL: Pool<FailsTwice> = Pool::new(FailsTwice(AtomicU32::new(0))).binding(Binding::Call);
    static TOLD: AtomicU32 = AtomicU32::new(0);
    static SERVED: AtomicU32 = AtomicU32::new(0);
    impl Runtime for FailsTwice {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            let comes = match self.0.fetch_add(1, SeqCst) {
                1 => 1,
                2 => 12,
                _ => return Ok(()),
            };
            for _ in 0..comes {
                thread::spawn(|| match POOL.callback(|_| ()) {
                    Ok(()) => SERVED.fetch_add(1, SeqCst),
                    Err(error) => {
                        assert_eq!(error, EnterError::CreationFailed);
                        TOLD.fetch_add(1, SeqCst)
                    }
                });
            }
            while POOL.stats().waiting < comes {
                thread::yield_now();
            }
            Err(())
        }
    }
    POOL.start().unwrap();
    POOL.callback(|_| ()).unwrap();
    let begin = Instant::now();
    while TOLD.load(SeqCst) + SERVED.load(SeqCst) < 13 {
        assert!(begin.elapsed() < Duration::from_secs(60), "somebody waits for ever");
        thread::yield_now();
    }
    assert_eq!((TOLD.load(SeqCst), POOL.stats().failed), (2, 2));
}

/// Whether stacks are asked for is a question to the runtime, which may enter the pool, and keep what it gets.
#[test]
fn a_guard_that_is_kept_while_it_is_asked_for_stacks_keeps_its_m() {
    use extram::{Entered, Native};
    use std::cell::{Cell, RefCell};
    thread_local! {
        static KEEPS: Cell<bool> = const { Cell::new(false) };
        static KEPT: RefCell<Option<Entered<Asked, Native>>> = const { RefCell::new(None) };
    }
    struct Asked;
    impl Runtime for Asked {
        type Context = ();
        type Error = ();
        const STACKS: bool = true;
        fn new_context(&self) -> Result<(), ()> {
            Ok(())
        }
        fn wants_stacks(&self) -> bool {
            if KEEPS.replace(false) {
                KEPT.set(Some(PER_CALL.enter().expect("nested")));
            }
            false
        }
    }
    static PER_CALL: Pool<Asked> = Pool::new(Asked).binding(Binding::Call);

    PER_CALL.start().expect("starts");
    let inside = PER_CALL.enter().expect("in");
    let mine = inside.id();
    KEEPS.set(true);
    drop(inside);
    assert!(
        KEPT.with_borrow(|kept| kept.as_ref().is_some_and(|kept| (kept.id(), kept.depth()) == (mine, 1)))
    );
    let other = std::thread::spawn(|| PER_CALL.callback(|m| (m.id(), m.depth())));
    assert_eq!(other.join().expect("no panic").map(|(id, depth)| (id == mine, depth)), Ok((false, 1)));
    drop(KEPT.take());
    PER_CALL.close().expect("nobody is inside");
}
