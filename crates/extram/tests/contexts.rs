//! Contexts that are not lent again, pools that somebody owns, and what is written about them.

use extram::{Binding, EnterError, Entered, Event, M, Native, Owned, Pool, Port, Runtime, StartError};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Who waits for longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the contexts of a pool have been through.
#[derive(Default, Debug)]
struct Book {
    made: AtomicU32,
    dropped: Mutex<Vec<u32>>,
    admitted: AtomicU32,
    retired: AtomicU32,
    discarded: AtomicU32,
    failed: AtomicU32,
    fails: AtomicBool,
    panics: AtomicBool,
    /// `observe` panics at the next M that is made.
    unsettled: AtomicBool,
    /// At which call of `retire` from now on it panics; at none if it is 0.
    unretired: AtomicU32,
    errors: Mutex<Vec<String>>,
}

#[derive(Clone, Default, Debug)]
struct Interpreter(Arc<Book>);

struct Context {
    number: u32,
    book: Arc<Book>,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.book.dropped.lock().unwrap().push(self.number);
    }
}

impl Runtime for Interpreter {
    type Context = Context;
    type Error = String;
    const SINCE: bool = true;

    fn new_context(&self) -> Result<Context, String> {
        assert!(!self.0.panics.swap(false, SeqCst), "on purpose (expected in this test)");
        let number = self.0.made.fetch_add(1, SeqCst);
        if self.0.fails.load(SeqCst) {
            return Err(format!("number {number}"));
        }
        Ok(Context { number, book: Arc::clone(&self.0) })
    }

    fn failed(&self, error: String) {
        self.0.errors.lock().unwrap().push(error);
    }

    fn admit(&self, _: &M<Self>) {
        self.0.admitted.fetch_add(1, SeqCst);
    }

    fn retire(&self, _: &M<Self>) {
        self.0.retired.fetch_add(1, SeqCst);
        let left = self.0.unretired.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        assert_ne!(left, Ok(1), "on purpose (expected in this test)");
    }

    fn observe(&self, event: Event) {
        match event {
            Event::Discarded { .. } => _ = self.0.discarded.fetch_add(1, SeqCst),
            Event::Failed => _ = self.0.failed.fetch_add(1, SeqCst),
            Event::Made { .. } if self.0.unsettled.swap(false, SeqCst) => {
                panic!("on purpose (expected in this test)")
            }
            _ => {}
        }
    }
}

impl Interpreter {
    fn dropped(&self) -> Vec<u32> {
        self.0.dropped.lock().unwrap().clone()
    }

    /// Whoever was admitted was retired.
    fn balanced(&self) {
        assert_eq!(self.0.admitted.load(SeqCst), self.0.retired.load(SeqCst));
    }
}

fn started(
    configure: impl FnOnce(Pool<Interpreter>) -> Pool<Interpreter>,
) -> (Owned<Interpreter>, Interpreter) {
    let runtime = Interpreter::default();
    (Owned::start(runtime.clone(), configure).expect("starts"), runtime)
}

fn number(pool: &Pool<Interpreter>) -> u32 {
    pool.enter_timeout(PATIENCE).expect("in").context().number
}

fn end(pool: Owned<Interpreter>, runtime: &Interpreter) {
    runtime.balanced();
    drop(pool.close().expect("nobody is inside"));
    each_was_dropped_once(runtime);
}

fn somebody_waits(pool: &Pool<Interpreter>) {
    until(|| pool.stats().waiting > 0);
}

fn each_was_dropped_once(runtime: &Interpreter) {
    let made = runtime.0.made.load(SeqCst) - runtime.0.errors.lock().unwrap().len() as u32;
    let mut dropped = runtime.dropped();
    dropped.sort_unstable();
    dropped.dedup();
    assert_eq!(dropped.len() as u32, made, "each context is dropped once");
    assert_eq!(runtime.dropped().len() as u32, made);
}

#[test]
fn a_discarded_context_is_dropped_and_not_lent_again() {
    for binding in [Binding::Thread, Binding::Call] {
        for limit in [1, 2, u32::MAX] {
            let (pool, runtime) = started(|pool| pool.binding(binding).limit(limit));
            for _ in 0..5 {
                let inside = pool.enter().expect("in");
                let broken = inside.context().number;
                let before = runtime.dropped().len();
                inside.discard();
                assert_eq!(runtime.dropped()[before..], [broken]);
                assert_ne!(number(&pool), broken);
                assert_eq!(pool.stats().in_use, 0);
            }
            assert_eq!(runtime.0.discarded.load(SeqCst), 5);
            end(pool, &runtime);
        }
    }
}

/// One is made in its place only if none is spare.
#[test]
fn another_is_made_when_it_is_needed() {
    let (pool, runtime) = started(|pool| pool);
    pool.prewarm(3).expect("warm");
    let (made, spare) = (runtime.0.made.load(SeqCst), pool.stats().spare);
    pool.enter().expect("in").discard();
    assert_eq!(runtime.0.made.load(SeqCst), made);
    assert_eq!(pool.stats().created, spare - 1);
    end(pool, &runtime);
}

/// Edge: discard x guard late.
#[test]
fn outer_calls_go_on_with_a_context_that_a_nested_one_discards() {
    let (pool, runtime) = started(|pool| pool);
    let outer = pool.enter().expect("in");
    let broken = outer.context().number;
    pool.enter().expect("nested").discard();
    assert_eq!((outer.context().number, runtime.dropped().len()), (broken, 0));
    assert_eq!(pool.enter().expect("nested").context().number, broken);
    drop(outer);
    assert_eq!(runtime.dropped(), [broken]);
    end(pool, &runtime);
}

/// The only M there may be is discarded while another thread waits for it.
///
/// Edge: discard x enter.
#[test]
fn who_waits_gets_the_slot_of_a_discarded_m() {
    let (pool, runtime) = started(|pool| pool.limit(1));
    let inside = pool.enter().expect("in");
    let broken = inside.context().number;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| number(&pool));
        somebody_waits(&pool);
        inside.discard();
        assert_ne!(waiter.join().expect("no panic"), broken);
    });
    end(pool, &runtime);
}

/// Where none can be made in its place the waiter is told, and the pool is not dead: whoever comes next
/// tries again.
///
/// Edge: discard x new_context fails.
#[test]
fn a_context_that_cannot_be_replaced_is_told_of_and_tried_again() {
    let (pool, runtime) = started(|pool| pool.limit(1));
    let inside = pool.enter().expect("in");
    runtime.0.fails.store(true, SeqCst);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.enter_timeout(PATIENCE).map(|_| ()).unwrap_err());
        somebody_waits(&pool);
        inside.discard();
        assert_eq!(waiter.join().expect("no panic"), EnterError::CreationFailed);
    });
    assert_eq!(*runtime.0.errors.lock().unwrap(), ["number 1"]);
    let stats = pool.stats();
    assert_eq!((stats.created, stats.failed, runtime.0.failed.load(SeqCst)), (0, 1, 1));
    assert_eq!(pool.enter().map(|_| ()).unwrap_err(), EnterError::CreationFailed);
    assert_eq!(*runtime.0.errors.lock().unwrap(), ["number 1", "number 2"]);
    runtime.0.fails.store(false, SeqCst);
    assert_eq!(number(&pool), 3);
    end(pool, &runtime);
}

/// Edge: discard x new_context panics.
#[test]
fn a_replacement_that_panics_leaves_the_pool_whole() {
    let (pool, runtime) = started(|pool| pool.limit(1));
    let inside = pool.enter().expect("in");
    runtime.0.panics.store(true, SeqCst);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| inside.discard()));
    assert!(unwound.is_err());
    runtime.balanced();
    assert_eq!(runtime.dropped(), [0]);
    assert_eq!(number(&pool), 1);
    end(pool, &runtime);
}

/// The context that was made is not lost, when the thread is retired that was admitted to make it.
///
/// Edge: discard x retire panics.
#[test]
fn a_replacement_whose_maker_cannot_be_retired_is_dropped() {
    let (pool, runtime) = started(|pool| pool.limit(1));
    let inside = pool.enter().expect("in");
    runtime.0.unretired.store(2, SeqCst);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| inside.discard()));
    assert!(unwound.is_err());
    assert_eq!((runtime.0.made.load(SeqCst), pool.stats().created), (2, 0));
    each_was_dropped_once(&runtime);
    assert_eq!(number(&pool), 2);
    end(pool, &runtime);
}

/// Nobody is retired once more while the first panic unwinds: the second would end the process.
///
/// Edge: discard x retire panics.
#[test]
fn a_retire_that_always_panics_unwinds_from_a_discard() {
    struct Panics;
    impl Runtime for Panics {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            Ok(())
        }
        fn retire(&self, _: &M<Self>) {
            panic!("on purpose (expected in this test)")
        }
    }
    static POOLS: [Pool<Panics>; 2] =
        [Pool::new(Panics).limit(1), Pool::new(Panics).limit(1).binding(Binding::Call)];
    for pool in &POOLS {
        pool.start().expect("starts");
        for _ in 0..3 {
            let inside = pool.enter().expect("in: where none is left, who comes makes one");
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| inside.discard()));
            assert!(unwound.is_err());
            assert_eq!(pool.stats().created, 0);
        }
        pool.close().expect("nobody is inside");
    }
}

/// Edge: discard x close.
#[test]
fn discarding_in_a_closed_pool_makes_none() {
    let (pool, runtime) = started(|pool| pool.limit(1));
    let inside = pool.enter().expect("in");
    let pool = pool.close().expect_err("somebody is inside");
    inside.discard();
    assert_eq!((runtime.0.made.load(SeqCst), runtime.dropped()), (1, vec![0]));
    pool.reopen().expect("makes one");
    assert_eq!(number(&pool), 1);
    end(pool, &runtime);
}

/// Not more contexts stay spare than may, whoever leaves, and one always stays.
#[test]
fn whoever_leaves_drops_what_may_not_stay_spare() {
    for max in [0, 1, 3] {
        let (pool, runtime) = started(|pool| pool.binding(Binding::Call).spare_max(max));
        pool.prewarm(10).expect("warm");
        assert_eq!(pool.stats().spare, max.max(1), "whoever prewarms leaves, too");
        for _ in 0..20 {
            number(&pool);
        }
        assert_eq!(pool.stats().spare, max.max(1));
        assert_eq!(runtime.dropped().len() as u32, runtime.0.made.load(SeqCst) - max.max(1));
        // With two a lone thread finds one beside its own, and nothing is made and dropped.
        assert!(max < 2 || runtime.0.made.load(SeqCst) == 10);
        end(pool, &runtime);
    }
}

/// Its caller gives nothing back where an M stays with it, or while it is inside.
#[test]
fn what_prewarming_makes_beyond_what_may_stay_spare_goes_when_that_is_done() {
    let (pool, runtime) = started(|pool| pool.spare_max(2));
    number(&pool);
    pool.prewarm(10).expect("warm");
    assert_eq!((pool.stats().spare, pool.stats().bound_idle), (2, 1));
    let inside = pool.enter().expect("bound");
    pool.prewarm(10).expect("warm");
    assert_eq!((pool.stats().spare, pool.stats().in_use), (2, 1));
    drop(inside);
    pool.unbind();
    end(pool, &runtime);
}

/// A bound M is not spare; it is dropped when its thread goes.
#[test]
fn what_a_thread_leaves_behind_at_its_end_counts() {
    let (pool, runtime) = started(|pool| pool.spare_max(2));
    for _ in 0..10 {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| number(&pool));
            }
        });
    }
    // A scope does not wait for its threads' hooks, in which Ms come home and surplus goes.
    let given_up = Instant::now() + Duration::from_secs(60);
    loop {
        let stats = pool.stats();
        if stats.bound_idle + stats.in_use == 0 && stats.spare <= 2 {
            break;
        }
        assert!(Instant::now() < given_up, "{stats:?}");
        thread::yield_now();
    }
    let mut pool = pool;
    while let Err(busy) = pool.close() {
        assert!(Instant::now() < given_up, "a hook does not end");
        pool = busy;
    }
    runtime.balanced();
    each_was_dropped_once(&runtime);
}

#[test]
fn an_owner_gets_its_runtime_back_or_itself() {
    let (pool, runtime) = started(|pool| pool);
    let inside = pool.enter().expect("in");
    let pool = pool.close().expect_err("somebody is inside");
    assert_eq!(pool.enter().map(|m| m.depth()), Ok(2), "nested calls go on");
    assert_eq!(
        thread::scope(|s| s.spawn(|| pool.try_enter().map(|_| ())).join().unwrap()),
        Err(EnterError::Closed)
    );
    pool.reopen().expect("open again");
    drop(inside);
    let back = pool.close().expect("nobody is inside");
    assert!(Arc::ptr_eq(&back.0, &runtime.0));
}

#[test]
fn an_owner_that_cannot_start_gives_the_runtime_back() {
    let runtime = Interpreter::default();
    let unstarted = Owned::start(runtime.clone(), |pool: Pool<_>| pool.limit(0)).expect_err("a limit of 0");
    assert_eq!(unstarted.error, StartError::Exhausted);
    assert!(Arc::ptr_eq(&unstarted.runtime.0, &runtime.0));
    assert_eq!(unstarted.to_string(), StartError::Exhausted.to_string());
    runtime.0.panics.store(true, SeqCst);
    let start = || Owned::start(runtime.clone(), |pool: Pool<_>| pool).map(|_| ());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)).is_err());
    assert_eq!(Arc::strong_count(&runtime.0), 2, "nothing of the pool is left");
}

/// Edge: start/reopen x observe panics.
#[test]
fn starting_and_reopening_unwind_and_work_when_they_are_called_again() {
    let runtime = Interpreter::default();
    runtime.0.unsettled.store(true, SeqCst);
    let start = || Owned::start(runtime.clone(), |pool: Pool<_>| pool.limit(1)).map(|_| ());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)).is_err());
    assert_eq!(runtime.dropped(), [0], "the context that was made");
    let pool = Owned::start(runtime.clone(), |pool: Pool<_>| pool.limit(1)).expect("starts");
    let inside = pool.enter().expect("in");
    let pool = pool.close().expect_err("somebody is inside");
    // Without an M the pool needs another to be opened again.
    inside.discard();
    runtime.0.unsettled.store(true, SeqCst);
    let reopened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.reopen()));
    assert!(reopened.is_err());
    assert_eq!(pool.enter().map(|_| ()), Err(EnterError::Closed));
    pool.reopen().expect("opens");
    number(&pool);
    end(pool, &runtime);
}

/// A guard that outlives its owner has a pool still; what it was in is leaked, and says nothing worse.
#[test]
fn an_owner_that_is_dropped_while_somebody_is_inside_leaves_the_pool_to_them() {
    let (pool, runtime) = started(|pool| pool);
    /// Leak checkers take what can be reached from here for not lost.
    static LEAKED: AtomicPtr<Pool<Interpreter>> = AtomicPtr::new(std::ptr::null_mut());
    LEAKED.store(std::ptr::from_ref(&*pool).cast_mut(), SeqCst);
    let inside = pool.enter().expect("in");
    drop(pool);
    assert_eq!(inside.context().number, 0);
    drop(inside);
    assert_eq!(runtime.dropped(), []);
}

#[test]
fn threads_share_an_owned_pool() {
    let (pool, runtime) = started(|pool| pool.limit(2));
    let pool = Arc::new(pool);
    let threads = [(); 8].map(|()| {
        let pool = Arc::clone(&pool);
        thread::spawn(move || (0..if cfg!(miri) { 3 } else { 100 }).map(|_| number(&pool)).max())
    });
    for thread in threads {
        assert!(thread.join().expect("no panic") < Some(2));
    }
    end(Arc::into_inner(pool).expect("the threads have ended"), &runtime);
}

#[track_caller]
fn until(mut it: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !it() {
        assert!(begun.elapsed() < PATIENCE, "never");
        thread::sleep(Duration::from_micros(100));
    }
}

/// The lines of a dump that name who waits: thread, and for how many milliseconds.
fn named(text: &str) -> Vec<(u64, u32)> {
    let waits = |line: &str| {
        let (thread, time) = line.strip_prefix("thread ")?.split_once(" waits for ")?;
        Some((thread.parse().ok()?, time.strip_suffix(" ms")?.parse().ok()?))
    };
    text.lines().filter_map(waits).collect()
}

#[test]
fn a_dump_names_who_came_first_of_those_that_wait() {
    /// As many as a pool names.
    const NAMED: usize = if cfg!(target_pointer_width = "64") { 8 } else { 0 };
    let (pool, _) = started(|pool| pool.limit(1));
    let (tell, told) = mpsc::channel();
    let inside = pool.enter().expect("in");
    thread::scope(|scope| {
        let waits = |tell: mpsc::Sender<u64>| {
            scope.spawn(|| {
                let tell = tell;
                tell.send(Native::thread_id()).expect("somebody listens");
                drop(pool.enter().expect("in"));
                pool.unbind();
            })
        };
        let begun = Instant::now();
        let mut waiting = 0;
        // One by one, so that it is known who waits longest.
        let threads: Vec<u64> = (0..NAMED + 2)
            .map(|_| {
                waits(tell.clone());
                let thread = told.recv().expect("it begins");
                waiting += 1;
                until(|| {
                    named(&text(&pool)).len() == waiting.min(NAMED) && pool.stats().waiting == waiting as u32
                });
                thread
            })
            .collect();
        thread::sleep(Duration::from_millis(20));
        let mut shown = named(&text(&pool));
        shown.sort_unstable();
        let mut longest = threads[..NAMED].to_vec();
        longest.sort_unstable();
        assert_eq!(shown.iter().map(|named| named.0).collect::<Vec<_>>(), longest);
        let most = begun.elapsed().as_millis() as u32 + 1;
        assert!(shown.iter().all(|named| (20..=most).contains(&named.1)), "{shown:?} of {most}");
        drop(inside);
        pool.unbind();
    });
    assert_eq!(named(&text(&pool)), []);
    pool.close().expect("nobody is inside");
}

#[test]
fn a_dump_names_who_is_inside() {
    let (pool, runtime) = started(|pool| pool.limit(3));
    let (in_, inside) = mpsc::channel();
    let (out, go) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // Goes if an assertion fails, so that the thread does.
        let (pool, out) = (&pool, out);
        let holder = scope.spawn(move || {
            let m = pool.enter().expect("in");
            let again = pool.enter().expect("nested");
            in_.send((m.id(), m.thread_id())).expect("somebody listens");
            go.recv().expect("is told");
            again.discard();
        });
        let (m, thread) = inside.recv().expect("in");
        thread::sleep(Duration::from_millis(20));
        let mut text = String::new();
        pool.dump(&mut text).expect("a String takes all");
        assert!(text.contains("open") && text.contains("of at most 3"), "{text}");
        assert!(text.contains("0 threads wait"), "{text}");
        let line = text.lines().find(|line| line.starts_with(&format!("M {m}: "))).expect("its line");
        assert!(line.starts_with(&format!("M {m}: in use by thread {thread} for ")), "{line}");
        assert!(line.ends_with(", 2 deep"), "{line}");
        let time = line.split_once(" for ").and_then(|(_, time)| time.split_once(" ms")).expect("a time").0;
        assert!((20..60_000).contains(&time.parse::<u32>().expect("a number")), "{line}");
        let held = pool.ms().find(|observed| observed.id == m).and_then(|observed| observed.held_for);
        assert!(held >= Some(Duration::from_millis(20)) && held < Some(Duration::from_secs(60)), "{held:?}");
        out.send(()).expect("somebody listens");
        holder.join().expect("no panic");
    });
    let mut text = String::new();
    pool.dump(&mut text).expect("a String takes all");
    assert!(!text.contains("in use by"), "{text}");
    /// Has room for so many bytes.
    struct Room(usize);
    impl std::fmt::Write for Room {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    assert!(pool.dump(&mut Room(10)).is_err(), "what the writer says is handed on");
    end(pool, &runtime);
}

/// A new context in the old one's place owes what the old one owed: of two that wait one gets it, and makes
/// the other one's M.
#[test]
fn all_who_wait_are_served_when_the_last_m_gets_another_context() {
    let (pool, runtime) = started(|pool| pool.binding(Binding::Call));
    // As a handler does, which makes none.
    let inside = pool.enter_from_signal().expect("in");
    let (served, serves) = mpsc::channel();
    thread::scope(|scope| {
        let pool = &pool;
        let stays = [(); 2].map(|()| {
            let (go, may_go) = mpsc::channel::<()>();
            let served = served.clone();
            scope.spawn(move || {
                let m = pool.enter_timeout(PATIENCE).map(|m| (m.context().number, m));
                served.send(m.as_ref().map(|(number, _)| *number).map_err(|error| *error)).expect("listens");
                let _ = may_go.recv();
            });
            go
        });
        while pool.stats().waiting < 2 {
            thread::yield_now();
        }
        inside.discard();
        let mut numbers = [(); 2].map(|()| serves.recv().expect("a thread's").expect("served"));
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2]);
        drop(stays);
    });
    assert_eq!(runtime.dropped(), [0]);
    end(pool, &runtime);
}

/// Whatever it was before: an M that its thread kept is spare when it has got another context.
#[test]
fn a_bound_m_is_nobodys_when_it_has_another_context() {
    let (pool, runtime) = started(|pool| pool);
    runtime.0.fails.store(true, SeqCst);
    let inside = pool.enter().expect("in");
    runtime.0.fails.store(false, SeqCst);
    assert_eq!(pool.stats().created, 1, "none is spare");
    inside.discard();
    let stats = pool.stats();
    assert_eq!((stats.created, stats.spare, stats.bound_idle), (1, 1, 0));
    end(pool, &runtime);
}

/// What `observe` enters when it is told that a context is about to go, and keeps, goes on with it, whether
/// another M is spare or not; no other context is made for that.
///
/// Edge: discard x in observe.
#[test]
fn a_call_that_comes_before_a_context_goes_keeps_it() {
    struct Keeps {
        which: usize,
        armed: AtomicBool,
        made: AtomicU32,
    }
    struct Number(u32);
    static POOLS: [Pool<Keeps>; 2] = [Pool::new(Keeps::new(0)).limit(1), Pool::new(Keeps::new(1))];
    static DROPPED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    thread_local! {
        static KEPT: RefCell<Option<Entered<Keeps, Native>>> = const { RefCell::new(None) };
    }
    impl Drop for Number {
        fn drop(&mut self) {
            DROPPED.lock().unwrap().push(self.0);
        }
    }
    impl Keeps {
        const fn new(which: usize) -> Self {
            Keeps { which, armed: AtomicBool::new(false), made: AtomicU32::new(0) }
        }
    }
    impl Runtime for Keeps {
        type Context = Number;
        type Error = ();
        fn new_context(&self) -> Result<Number, ()> {
            Ok(Number(self.made.fetch_add(1, SeqCst)))
        }
        fn observe(&self, event: Event) {
            if matches!(event, Event::Discarded { .. }) && self.armed.swap(false, SeqCst) {
                KEPT.set(Some(POOLS[self.which].enter().expect("nested")));
            }
        }
    }
    for (spare, pool) in POOLS.iter().enumerate() {
        pool.start().expect("starts");
        let inside = pool.enter().expect("in");
        assert_eq!(pool.stats().spare as usize, spare);
        let (broken, made) = (inside.context().0, pool.runtime().made.load(SeqCst));
        pool.runtime().armed.store(true, SeqCst);
        inside.discard();
        let kept = KEPT.take().expect("it was told");
        assert_eq!((kept.depth(), kept.context().0), (1, broken));
        assert_eq!((pool.runtime().made.load(SeqCst), pool.stats().in_use), (made, 1));
        assert_eq!(*DROPPED.lock().unwrap(), []);
        drop(kept);
        assert_eq!(std::mem::take(&mut *DROPPED.lock().unwrap()), [broken]);
        pool.close().expect("nobody is inside");
        DROPPED.lock().unwrap().clear();
    }
}

/// A call that is nested in making another M may discard as well as any.
///
/// Edge: discard x in new_context.
#[test]
fn a_context_that_is_discarded_while_its_m_pays_what_it_owes_goes() {
    struct Discards(AtomicU32, AtomicBool, fn() -> &'static Pool<Discards>);
    struct Number(u32);
    static BOUND: Pool<Discards> = Pool::new(Discards(AtomicU32::new(0), AtomicBool::new(false), || &BOUND));
    static BY_CALL: Pool<Discards> =
        Pool::new(Discards(AtomicU32::new(0), AtomicBool::new(false), || &BY_CALL)).binding(Binding::Call);
    static DROPPED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    impl Drop for Number {
        fn drop(&mut self) {
            DROPPED.lock().unwrap().push(self.0);
        }
    }
    impl Runtime for Discards {
        type Context = Number;
        type Error = ();
        fn new_context(&self) -> Result<Number, ()> {
            if self.1.swap(false, SeqCst) {
                (self.2)().enter().expect("nested").discard();
            }
            Ok(Number(self.0.fetch_add(1, SeqCst)))
        }
    }
    for pool in [&BOUND, &BY_CALL] {
        pool.start().expect("starts");
        pool.runtime().1.store(true, SeqCst);
        let inside = pool.enter().expect("in");
        assert!(!pool.runtime().1.load(SeqCst), "it made one");
        assert_eq!((inside.context().0, inside.depth()), (0, 1));
        drop(inside);
        assert_eq!(*DROPPED.lock().unwrap(), [0]);
        assert_eq!((pool.stats().created, pool.stats().spare), (1, 1));
        pool.close().expect("nobody is inside");
        DROPPED.lock().unwrap().clear();
    }
}

/// Dropping a context is nothing for handlers, nor for what looks like one.
#[test]
fn a_handlers_call_drops_no_surplus() {
    let (pool, runtime) = started(|pool| pool.binding(Binding::Call).spare_max(1));
    let inside = pool.enter().expect("in");
    let handlers = [(); 3].map(|()| {
        let handler = pool.enter_from_signal().expect("one is spare");
        pool.prewarm(1).expect("warm");
        handler
    });
    assert_eq!((pool.stats().spare, runtime.dropped().len()), (1, 0));
    drop(handlers);
    assert_eq!((pool.stats().spare, runtime.dropped().len()), (4, 0));
    drop(inside);
    assert_eq!((pool.stats().spare, runtime.dropped().len()), (1, 4), "a thread's does");
    end(pool, &runtime);
}

#[test]
fn an_owner_that_is_dropped_when_nobody_is_inside_leaves_nothing() {
    let (pool, runtime) = started(|pool| pool);
    number(&pool);
    drop(pool);
    assert_eq!(runtime.dropped().len() as u32, runtime.0.made.load(SeqCst));
    assert_eq!(Arc::strong_count(&runtime.0), 1);
}

/// Since when a thread has an M is noted anew when another thread gets it.
#[test]
fn an_m_is_held_for_as_long_as_its_last_thread_has_it() {
    let (pool, runtime) = started(|pool| pool.binding(Binding::Call).limit(1));
    number(&pool);
    thread::sleep(Duration::from_millis(30));
    let begun = Instant::now();
    let inside = pool.enter().expect("in");
    let held = pool.ms().next().and_then(|m| m.held_for).expect("it is noted");
    // Both ends are cut to a millisecond.
    assert!(held <= begun.elapsed() + Duration::from_millis(1), "{held:?}");
    drop(inside);
    end(pool, &runtime);
}

/// By age: as many go as have been made and not used for so long, or used that long ago, but for one.
///
/// Edge: trim x enter/leave.
#[test]
#[cfg_attr(miri, ignore = "it goes by a clock that does not know how slow it is")]
fn what_nobody_has_entered_with_for_so_long_goes() {
    const AGE: Duration = Duration::from_secs(1);
    let (pool, runtime) = started(|pool| pool.binding(Binding::Call));
    pool.prewarm(5).expect("warm");
    assert_eq!(pool.trim_unused(AGE * 100), 0, "all are new");
    assert!(pool.ms().all(|m| (m.thread_id == 0) == m.held_for.is_none()), "nobody has had a new one");
    thread::sleep(AGE + AGE / 2);
    // Two are used, and two more are made.
    let inside = [pool.enter_from_signal().expect("in"), pool.enter_from_signal().expect("in")];
    let old = pool.stats().spare;
    assert_eq!(old, 3);
    pool.prewarm(5).expect("warm");
    let used = pool.stats().created - old;
    drop(inside);
    let spare = pool.stats().spare;
    // The thread that warmed the pool up had one of the old ones, perhaps.
    let dropped = pool.trim_unused(AGE);
    assert!((1..=2).contains(&dropped), "{dropped}");
    assert_eq!((pool.trim_unused(AGE), pool.stats().spare), (0, spare - dropped));
    assert!(used <= pool.stats().created, "of {used} that were used or new");
    // The new ones that nobody used grow old as well, and one stays.
    thread::sleep(AGE + AGE / 2);
    number(&pool);
    assert_eq!(pool.trim_unused(AGE), spare - dropped - 2);
    assert_eq!((pool.trim_unused(AGE), pool.stats().spare), (0, 2));
    assert_eq!((pool.trim_unused(Duration::ZERO), pool.trim_unused(Duration::ZERO)), (1, 0));
    assert_eq!(pool.stats().spare, 1);
    end(pool, &runtime);
}

/// A thread that keeps its M has used it until it gives it back.
///
/// Edge: trim x leave.
#[test]
#[cfg_attr(miri, ignore = "it goes by a clock that does not know how slow it is")]
fn an_m_that_was_bound_is_as_old_as_it_is_spare() {
    const AGE: Duration = Duration::from_secs(1);
    let (pool, runtime) = started(|pool| pool);
    pool.prewarm(2).expect("warm");
    let (m, exits) = thread::scope(|scope| {
        let exits = scope.spawn(|| {
            let m = pool.enter().expect("in").id();
            thread::sleep(AGE * 2);
            drop(pool.enter().expect("in again"));
            m
        });
        let m = pool.enter().expect("in").id();
        thread::sleep(AGE * 2);
        (m, exits.join().expect("no panic"))
    });
    assert!(pool.unbind());
    let used = pool.ms().filter(|seen| [m, exits].contains(&seen.id) && seen.held_for < Some(AGE));
    assert_eq!(used.count(), 2);
    end(pool, &runtime);
}

/// Without times nothing is known to be unused.
#[test]
fn without_times_nothing_is_unused() {
    struct Timeless;
    impl Runtime for Timeless {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            Ok(())
        }
    }
    let pool = Owned::start(Timeless, |pool: Pool<Timeless>| pool).expect("starts");
    pool.prewarm(3).expect("warm");
    assert_eq!(pool.trim_unused(Duration::ZERO), 0);
    let spare = pool.stats().spare;
    assert_eq!(pool.trim(1), spare - 1);
}

/// While an unused context is dropped nothing is in hand, so three get in; and as a fourth one waits for them no
/// more are dropped.
///
/// Edge: trim x enter, waiting x trim.
#[test]
fn no_more_that_is_unused_is_dropped_while_a_thread_waits() {
    struct Slow;
    struct Drops;
    static POOL: Pool<Slow> = Pool::new(Slow).binding(Binding::Call).limit(3);
    static ARMED: AtomicBool = AtomicBool::new(false);
    static GO: AtomicBool = AtomicBool::new(false);
    static CALLS: Mutex<Vec<thread::JoinHandle<()>>> = Mutex::new(Vec::new());
    impl Drop for Drops {
        fn drop(&mut self) {
            if ARMED.swap(false, SeqCst) {
                let call = || POOL.callback(|_| until(|| GO.load(SeqCst))).expect("in");
                CALLS.lock().unwrap().extend((0..4).map(|_| thread::spawn(call)));
                until(|| POOL.stats().in_use == 3 && POOL.stats().waiting == 1);
            }
        }
    }
    impl Runtime for Slow {
        type Context = Drops;
        type Error = ();
        const SINCE: bool = true;
        fn new_context(&self) -> Result<Drops, ()> {
            Ok(Drops)
        }
    }
    POOL.start().expect("starts");
    POOL.prewarm(3).expect("warm");
    ARMED.store(true, SeqCst);
    assert_eq!(POOL.trim_unused(Duration::ZERO), 1);
    GO.store(true, SeqCst);
    CALLS.lock().unwrap().drain(..).for_each(|call| call.join().expect("no panic"));
    assert_eq!(POOL.trim_unused(Duration::ZERO), 2);
    POOL.close().expect("nobody is inside");
}

/// While whoever leaves drops a context that goes out of use, the pool is not closed to the end. (Whoever
/// trims has nothing of the pool's in its hands then.)
///
/// Edge: discard x close.
#[test]
fn what_a_context_refers_to_is_there_while_it_is_dropped() {
    struct Refers;
    struct Tries;
    static POOL: Pool<Refers> = Pool::new(Refers).binding(Binding::Call).spare_max(2);
    static ARMED: AtomicBool = AtomicBool::new(false);
    static FAILS: AtomicBool = AtomicBool::new(false);
    static BUSY: AtomicU32 = AtomicU32::new(0);
    impl Drop for Tries {
        fn drop(&mut self) {
            if ARMED.swap(false, SeqCst) {
                let closed = thread::spawn(|| POOL.close()).join().expect("no panic");
                assert!(closed.is_err());
                BUSY.fetch_add(1, SeqCst);
            }
        }
    }
    impl Runtime for Refers {
        type Context = Tries;
        type Error = ();
        fn new_context(&self) -> Result<Tries, ()> {
            if FAILS.load(SeqCst) { Err(()) } else { Ok(Tries) }
        }
    }
    let discards = || {
        let inside = POOL.enter_from_signal().expect("in");
        ARMED.store(true, SeqCst);
        inside.discard();
    };
    let ways: [(u32, &dyn Fn()); 4] = [
        (1, &|| discards()),
        (1, &|| {
            FAILS.store(true, SeqCst);
            discards();
            FAILS.store(false, SeqCst);
        }),
        (3, &|| discards()),
        (1, &|| {
            let inside = POOL.enter().expect("in");
            POOL.prewarm(3).expect("warm");
            ARMED.store(true, SeqCst);
            drop(inside);
        }),
    ];
    for (nth, (spare, way)) in ways.into_iter().enumerate() {
        POOL.start().expect("starts");
        if spare > 1 {
            POOL.prewarm(spare).expect("warm");
        }
        way();
        assert_eq!(BUSY.load(SeqCst), nth as u32 + 1, "way {nth}");
        POOL.close().expect("now it is");
    }
}

/// Shows its pool while it makes and drops a context.
struct Shown;

static SHOWN: Pool<Shown> = Pool::new(Shown);
/// What the pool looked like then.
static VIEWS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SHOWN_FAILS: AtomicBool = AtomicBool::new(false);

struct View;

impl Drop for View {
    fn drop(&mut self) {
        VIEWS.lock().unwrap().push(text(&SHOWN));
    }
}

impl Runtime for Shown {
    type Context = View;
    type Error = ();
    const STACKS: bool = true;

    fn new_context(&self) -> Result<View, ()> {
        VIEWS.lock().unwrap().push(text(&SHOWN));
        if SHOWN_FAILS.load(SeqCst) { Err(()) } else { Ok(View) }
    }
}

fn text<R: Runtime>(pool: &Pool<R>) -> String {
    let mut text = String::new();
    pool.dump(&mut text).expect("a String takes all");
    text
}

/// What was seen since the last call.
fn views() -> Vec<String> {
    std::mem::take(&mut *VIEWS.lock().unwrap())
}

#[track_caller]
fn shows(text: &str, what: &[&str]) {
    assert!(what.iter().all(|what| text.contains(what)), "not all of {what:?}:\n{text}");
}

#[test]
fn a_dump_says_where_a_pool_is_in_its_life_and_where_each_m_is() {
    shows(&text(&SHOWN), &["not started, or closed;", "\n0 Ms: 0 spare, 0 in use, 0 bound idle\n"]);
    SHOWN.start().expect("starts");
    shows(&views()[0], &["being started;", "M 1: being made by thread "]);
    let shown = text(&SHOWN);
    shows(&shown, &["open; Ms are bound to threads\n", "\n1 Ms: 1 spare, 0 in use, 0 bound idle\n"]);
    assert!(
        shown.ends_with("\n0 threads wait, 0 Ms are being made, 0 could not be made\nM 1: spare\n"),
        "{shown}"
    );

    let inside = SHOWN.enter().expect("in");
    let (me, stack) = (inside.thread_id(), inside.stack());
    let stack = stack.map_or(String::new(), |stack| format!(", stack {:#x}..{:#x}", stack.start, stack.end));
    assert!(!stack.is_empty() || cfg!(miri));
    let while_made = views().remove(0);
    shows(&while_made, &["\n0 threads wait, 1 Ms are being made, 0 could not be made\n"]);
    shows(&while_made, &[&format!("M 2: being made by thread {me}")]);
    shows(&text(&SHOWN), &[&format!("\nM 1: in use by thread {me}, 1 deep{stack}\nM 2: spare\n")]);
    shows(&text(&SHOWN), &["\n2 Ms: 1 spare, 1 in use, 0 bound idle\n"]);
    drop(inside);
    // AddressSanitizer has frames elsewhere, so the call seems to leave on another stack.
    let stack = if cfg!(extram_asan) { "" } else { &*stack };
    shows(&text(&SHOWN), &[&format!("\nM 1: idle, bound to thread {me}{stack}")]);
    shows(&text(&SHOWN), &["\nM 2: spare\n"]);
    shows(&text(&SHOWN), &["\n2 Ms: 1 spare, 0 in use, 1 bound idle\n"]);

    // The last one is with somebody, and no other can be made.
    SHOWN_FAILS.store(true, SeqCst);
    let inside = SHOWN.enter().expect("in");
    thread::spawn(|| {
        let inside = SHOWN.enter().expect("in");
        SHOWN.enter().expect("nested").discard();
        let them = inside.thread_id();
        shows(&text(&SHOWN), &["1 could not be made, and nobody tries again until an M is entered with\n"]);
        shows(&text(&SHOWN), &[&format!("\nM 2: in use by thread {them}, 1 deep, discarded")]);
    })
    .join()
    .expect("no assertion failed");
    let shown = text(&SHOWN);
    assert!(!shown.contains("discarded") && !shown.contains("M 2"), "{shown}");
    SHOWN_FAILS.store(false, SeqCst);
    assert!(SHOWN.close().is_err());
    shows(&text(&SHOWN), &["closed, but not to the end;"]);
    drop(inside);
    views();
    SHOWN.close().expect("nobody is inside");
    shows(&views()[0], &["closed, contexts being dropped;"]);

    let (pool, runtime) = started(|pool| pool.binding(Binding::Call));
    shows(&text(&pool), &["open; Ms are lent for one call\n"]);
    assert!(!text(&pool).contains("of at most"));
    end(pool, &runtime);
}
