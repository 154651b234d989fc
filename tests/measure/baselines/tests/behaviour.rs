//! What the references are known for, good and bad.

use extram::{Event, Native, Runtime};
use extram_baselines::{OneAtATime, Reference, Slots, WaiterCounting};
use extram_contest::Algorithm;
use extram_core::{EnterError, StartError};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A runtime whose creations can be held up and made to fail.
#[derive(Default)]
struct Tested {
    held_up: Mutex<bool>,
    let_go: Condvar,
    fails: AtomicBool,
    making: AtomicU32,
    asked_to_wait: AtomicU32,
    alive: AtomicU32,
    most_by_one: AtomicU32,
}

thread_local! {
    static MADE_HERE: Cell<u32> = const { Cell::new(0) };
}

#[derive(Clone)]
struct Handle(Arc<Tested>);

struct Context {
    owner: AtomicBool,
    of: Arc<Tested>,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.of.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Runtime for Handle {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        self.0.making.fetch_add(1, Ordering::SeqCst);
        let mut held_up = self.0.held_up.lock().unwrap();
        while *held_up {
            held_up = self.0.let_go.wait(held_up).unwrap();
        }
        drop(held_up);
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(());
        }
        self.0.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Context { owner: AtomicBool::new(false), of: self.0.clone() })
    }

    fn observe(&self, event: Event) {
        match event {
            Event::Waiting => _ = self.0.asked_to_wait.fetch_add(1, Ordering::SeqCst),
            Event::Entered { .. } => MADE_HERE.set(0),
            Event::Made { .. } => MADE_HERE.set(MADE_HERE.get() + 1),
            Event::Left { .. } => {
                _ = self.0.most_by_one.fetch_max(MADE_HERE.get(), Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

impl Handle {
    fn new() -> Self {
        Handle(Arc::default())
    }

    fn hold_up(&self) {
        *self.0.held_up.lock().unwrap() = true;
    }

    fn let_go(&self) {
        *self.0.held_up.lock().unwrap() = false;
        self.0.let_go.notify_all();
    }
}

type Old = OneAtATime<Handle, Native>;
type Commit = WaiterCounting<Handle, Native>;

fn leak<T>(value: T) -> &'static T {
    /// LeakSanitizer takes what can be reached from here for not lost.
    static LEAKED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let value = Box::leak(Box::new(value));
    LEAKED.lock().unwrap().push((&raw const *value).expose_provenance());
    value
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets `waiters` threads wait while the only creation is held up, runs `meanwhile`, and lets
/// everyone through, one short callback each.
fn herd<const COUNTING: bool>(
    pool: &'static Reference<Handle, Native, COUNTING>,
    runtime: &Handle,
    waiters: u32,
    meanwhile: impl FnOnce(),
) {
    runtime.hold_up();
    thread::scope(|scope| {
        scope.spawn(|| pool.callback(|_| ()).unwrap());
        // The first M counts as made before the hold-up.
        until("a creation begins", || runtime.0.making.load(Ordering::SeqCst) == 2);
        for _ in 0..waiters {
            scope.spawn(|| pool.callback(|_| ()).unwrap());
        }
        until("all wait", || runtime.0.asked_to_wait.load(Ordering::SeqCst) == waiters);
        meanwhile();
        runtime.let_go();
    });
}

#[test]
fn a_waiter_counts_itself_once_however_often_it_looks() {
    let runtime = Handle::new();
    let pool = leak(Commit::new(runtime.clone()));
    pool.start().unwrap();
    herd(pool, &runtime, 3, || {
        // Hundreds of looks.
        thread::sleep(Duration::from_millis(50));
        assert_eq!(pool.waiting(), 3);
    });
}

#[test]
fn before_the_commit_nobody_counts_and_each_entry_makes_one_at_most() {
    let runtime = Handle::new();
    let pool = leak(Old::new(runtime.clone()));
    pool.start().unwrap();
    herd(pool, &runtime, 20, || assert_eq!(pool.waiting(), 0));
    assert_eq!(runtime.0.most_by_one.load(Ordering::SeqCst), 1);
    assert!(pool.made() <= 22);
}

#[test]
fn the_commit_has_one_callback_make_an_m_for_every_waiter_needed_or_not() {
    let runtime = Handle::new();
    let pool = leak(Commit::new(runtime.clone()));
    pool.start().unwrap();
    herd(pool, &runtime, 20, || ());
    // The callbacks are short: three Ms would have done. Whoever got the second one made the count.
    assert!(runtime.0.most_by_one.load(Ordering::SeqCst) >= 19);
    assert!(pool.made() >= 21, "{}", pool.made());
}

#[test]
fn an_empty_list_is_an_answer_where_nil_is_okay() {
    let runtime = Handle::new();
    let pool = leak(Old::new(runtime.clone()));
    pool.start().unwrap();
    assert_eq!(pool.spare(), 1);
    herd(pool, &runtime, 0, || {
        let asked = Instant::now();
        assert_eq!(pool.spare(), 0);
        assert!(asked.elapsed() < Duration::from_secs(1));
    });
    assert_eq!(pool.spare(), 2);
}

#[test]
fn an_m_is_never_in_two_hands_in_any_algorithm() {
    for algorithm in Algorithm::ALL {
        let pool = algorithm.cold(Handle::new()).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        pool.callback(&mut |_, context| {
                            assert!(!context.owner.swap(true, Ordering::Relaxed));
                            assert!(context.owner.swap(false, Ordering::Relaxed));
                        })
                        .unwrap();
                    }
                });
            }
        });
    }
}

#[test]
fn nested_calls_share_the_m() {
    let pool = leak(Commit::new(Handle::new()));
    pool.start().unwrap();
    let outer = pool.enter().unwrap();
    let inner = pool.enter().unwrap();
    assert_eq!(outer.id(), inner.id());
    drop(inner);
    assert_eq!(pool.spare(), 1);
    drop(outer);
    assert_eq!(pool.spare(), 2);
}

#[test]
fn a_failed_creation_ends_the_pool_as_it_ends_gos_process() {
    let runtime = Handle::new();
    let pool = leak(Old::new(runtime.clone()));
    pool.start().unwrap();
    runtime.hold_up();
    runtime.0.fails.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        let maker = scope.spawn(|| pool.callback(|_| ()));
        until("a creation begins", || runtime.0.making.load(Ordering::SeqCst) == 2);
        let waiter = scope.spawn(|| pool.callback(|_| ()));
        until("the other one waits", || runtime.0.asked_to_wait.load(Ordering::SeqCst) == 1);
        runtime.let_go();
        assert_eq!(maker.join().unwrap(), Err(EnterError::CreationFailed));
        // Served by the M that came back, or told.
        let _ = waiter.join().unwrap();
    });
    assert_eq!(pool.made(), 1);
}

#[test]
fn a_pool_has_a_beginning_and_an_end() {
    let runtime = Handle::new();
    let pool = leak(Commit::new(runtime.clone()));
    assert_eq!(pool.enter().err(), Some(EnterError::NotStarted));
    runtime.0.fails.store(true, Ordering::SeqCst);
    assert_eq!(pool.start(), Err(StartError::CreationFailed));
    runtime.0.fails.store(false, Ordering::SeqCst);
    pool.start().unwrap();
    assert_eq!(pool.start(), Err(StartError::AlreadyStarted));
    let inside = pool.enter().unwrap();
    assert!(pool.close().is_err());
    drop(inside);
    assert_eq!(runtime.0.alive.load(Ordering::SeqCst), 2);
    pool.close().unwrap();
    assert_eq!(runtime.0.alive.load(Ordering::SeqCst), 0);
    assert_eq!(pool.enter().err(), Some(EnterError::Closed));
}

#[test]
fn slots_hold_what_they_hold() {
    static SLOTS: Slots<Handle, 2> = Slots::new();
    let pool = leak(Old::with_slots(Handle::new(), &SLOTS));
    pool.start().unwrap();
    let first = pool.enter().unwrap();
    assert_eq!(pool.made(), 2);
    // Taking the second one asks for a third.
    thread::spawn(|| assert_eq!(pool.enter().err(), Some(EnterError::CreationFailed))).join().unwrap();
    drop(first);
    assert_eq!(pool.made(), 2);
}
