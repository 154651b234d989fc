//! A handler forks between any two steps of the thread that it interrupts, and the child goes on from
//! there: its pool works, nothing is lost, counted twice, or lent twice.
//!
//! One thread, so there is nothing to interleave: each case runs once for each access to an atomic.

use crate::m::Stage;
use crate::models::explore;
use crate::models::pool::{Foreign, ModelRuntime, Moment, work};
use crate::models::port::{self, ModelPort, spawn};
use crate::port::Port as _;
use crate::sync::watched::interrupt;
use crate::{Binding, Busy, EnterError, Event, Pool};
use core::time::Duration;
use std::boxed::Box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::vec::Vec;

type Forking<const BARRIER: bool> = Pool<ModelRuntime, ModelPort<BARRIER, true>>;

/// What the thread does, and what is there before.
#[derive(Clone, Copy)]
struct Case<const BARRIER: bool> {
    binding: Binding,
    limit: u32,
    /// As many threads are inside, and vanish.
    inside: u32,
    /// As many are counted as waiting, and vanish.
    waiting: u32,
    spare_max: u32,
    /// Told how to begin counting steps.
    does: fn(&'static Forking<BARRIER>, &dyn Fn()),
}

impl<const BARRIER: bool> Case<BARRIER> {
    const fn new(binding: Binding, does: fn(&'static Forking<BARRIER>, &dyn Fn())) -> Self {
        Case { binding, limit: 8, inside: 0, waiting: 0, spare_max: u32::MAX, does }
    }

    /// Each M but the thread's own is in use, by threads that vanish, and one thread waits.
    const fn scarce(self) -> Self {
        Case { limit: 2, inside: 1, waiting: 1, ..self }
    }

    /// Forks before that step, counted from when the thread says so; `false` if it has done all before.
    fn forks_before(&self, step: u32) -> bool {
        let at = Arc::new(AtomicPtr::new(core::ptr::null_mut()));
        let runtime = ModelRuntime::with_foreign(stays_a_guest(Arc::clone(&at)));
        let pool = Pool::new(runtime).binding(self.binding).limit(self.limit);
        let pool: *mut Forking<BARRIER> = Box::into_raw(Box::new(pool.spare_max(self.spare_max)));
        at.store(pool, Ordering::Relaxed);
        // SAFETY: freed below, where nobody uses it any more.
        let shared = unsafe { &*pool };
        shared.start().unwrap();
        let mut vanished = Vec::new();
        for _ in 0..self.inside {
            let stay = move || {
                let inside = shared.enter().unwrap();
                work(&inside);
                let m = inside.id();
                core::mem::forget(inside);
                m
            };
            vanished.push(loom::thread::spawn(stay).join().unwrap());
        }
        // What is spare has been another's.
        let spare = 2.min(self.limit - self.inside);
        // (loom has five threads.)
        if spare > 0 && self.inside < 2 {
            spawn(move || shared.prewarm(spare)).join().unwrap().unwrap();
        }
        let (mut began, waiting) = (core::cell::Cell::new(false), self.waiting);
        (self.does)(shared, &|| {
            for _ in 0..waiting {
                let counted = shared.list.take_or::<ModelPort<BARRIER, true>, _>(&shared.table, true);
                assert!(matches!(counted, crate::list::Taken::Waiting { .. }), "none is spare");
            }
            began.set(true);
            interrupt(step, port::fork);
        });
        let forked = interrupt(0, || ()) == 0;
        assert!(*began.get_mut());
        if forked {
            assert_works(shared, step, self.limit, vanished.len());
            for m in vanished {
                assert_eq!(shared.table.get(m).stage(), Stage::Lost, "step {step}: {m} has been used again");
            }
            // SAFETY: closed, and its threads have ended.
            drop(unsafe { Box::from_raw(pool) });
        }
        forked
    }

    fn check(self) {
        let mut steps = 0;
        let forked = Arc::new(AtomicBool::new(true));
        while forked.load(Ordering::Relaxed) {
            steps += 1;
            std::println!("step {steps}");
            let (case, forked) = (self, Arc::clone(&forked));
            explore(0, false, move || forked.store(case.forks_before(steps), Ordering::Relaxed));
        }
        assert!(steps > 5, "{steps} steps: the case does nothing");
    }
}

/// A thread that is told of its wait in the child is on its way to an M there: the pool is not to be closed.
fn stays_a_guest<const BARRIER: bool>(at: Arc<AtomicPtr<Forking<BARRIER>>>) -> Foreign {
    Arc::new(move |moment| {
        let told = matches!(moment, Moment::Observing(Event::Waiting | Event::Refused));
        if told && ModelPort::<BARRIER, true>::forks() > 0 {
            // SAFETY: a pool tells its runtime while it is there.
            let pool = unsafe { &*at.load(Ordering::Relaxed) };
            assert!(!pool.list.quiet(), "nobody knows of the thread");
        }
    })
}

/// A child's pool, with one thread; so many have vanished inside.
fn assert_works<const BARRIER: bool>(
    pool: &'static Forking<BARRIER>,
    step: u32,
    limit: u32,
    vanished: usize,
) {
    let lent = move || -> Result<(), EnterError> {
        let inside = pool.enter()?;
        work(&inside);
        assert_eq!(inside.stage(), Stage::Made, "step {step}: what is written off is not lent");
        Ok(())
    };
    let other = || spawn(lent).join().unwrap();
    match pool.life.phase() {
        crate::life::Phase::Draining => pool.reopen().unwrap(),
        crate::life::Phase::Idle => pool.start().unwrap(),
        // A close that a handler's fork cut off: it is to be called again.
        crate::life::Phase::Ending => {
            assert_eq!(pool.close(), Ok(()), "step {step}");
            pool.start().unwrap();
        }
        _ => {}
    }
    assert_eq!(other(), Ok(()), "step {step}: another thread");
    let inside = pool.enter().unwrap();
    work(&inside);
    assert_eq!(pool.callback(work), Ok(()), "step {step}: nested");
    if limit > 1 {
        assert_eq!(other(), Ok(()), "step {step}: beside this one");
    }
    drop(inside);
    pool.unbind();
    assert_eq!(pool.prewarm(2.min(limit)), Ok(()), "step {step}");
    assert_eq!(pool.try_enter().map(drop), Ok(()), "step {step}");
    pool.unbind();
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.creating, stats.in_use), (0, 0, 0), "step {step}: {stats:?}");
    assert_eq!(stats.created, stats.spare + stats.bound_idle, "step {step}: {stats:?}");
    // What this thread had in its hands, it has still.
    let lost = pool.table.iter().filter(|m| m.stage() == Stage::Lost).count();
    assert_eq!(lost, vanished, "step {step}: lost");
    assert_eq!(pool.close(), Ok(()), "step {step}: {stats:?}");
}

fn call<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    go();
    pool.callback(work).unwrap();
}

fn leave<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    let inside = pool.enter().unwrap();
    go();
    drop(inside);
}

fn call_again<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    pool.callback(work).unwrap();
    go();
    pool.callback(work).unwrap();
    pool.unbind();
}

fn wait_in_vain<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    go();
    let waited = pool.enter_timeout(Duration::ZERO).map(drop);
    assert!(matches!(waited, Ok(()) | Err(EnterError::TimedOut)), "{waited:?}");
}

fn make_and_drop<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    go();
    pool.prewarm(2).unwrap();
    pool.trim(1);
}

/// Some are unused, and what has just been used lies on top of them.
fn drop_unused<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    port::set_clock(1);
    pool.prewarm(4).unwrap();
    port::set_clock(1_000);
    pool.callback(work).unwrap();
    pool.unbind();
    go();
    pool.trim_unused(Duration::from_millis(500));
}

fn discard<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    let inside = pool.enter().unwrap();
    go();
    inside.discard();
}

fn close<const BARRIER: bool>(pool: &'static Forking<BARRIER>, go: &dyn Fn()) {
    pool.callback(work).unwrap();
    go();
    let closed = pool.close();
    assert!(matches!(closed, Ok(()) | Err(Busy)), "{closed:?}");
}

#[test]
fn in_a_call_of_its_own() {
    Case::<false>::new(Binding::Call, call).check();
}

#[test]
fn in_a_first_call_bound_the_plain_way() {
    Case::<true>::new(Binding::Thread, call).check();
}

#[test]
fn in_a_first_call_bound_the_shared_way() {
    Case::<false>::new(Binding::Thread, call).check();
}

#[test]
fn coming_back() {
    Case::<true>::new(Binding::Thread, call_again).check();
    Case::<false>::new(Binding::Thread, call_again).check();
}

#[test]
fn giving_to_a_thread_that_waits() {
    Case::<false>::new(Binding::Call, leave).scarce().check();
    Case::<false>::new(Binding::Thread, leave).scarce().check();
}

#[test]
fn giving_while_others_are_inside() {
    Case::<false> { inside: 2, ..Case::new(Binding::Call, call) }.check();
}

#[test]
fn waiting_for_no_time() {
    Case::<false> { limit: 1, inside: 1, ..Case::new(Binding::Call, wait_in_vain) }.check();
    Case::<false> { limit: 1, inside: 1, ..Case::new(Binding::Thread, wait_in_vain) }.check();
}

#[test]
fn making_and_dropping() {
    Case::<false>::new(Binding::Call, make_and_drop).check();
    Case::<true>::new(Binding::Thread, make_and_drop).check();
}

/// Edge: trim x fork.
#[test]
fn dropping_what_is_unused() {
    Case::<false>::new(Binding::Call, drop_unused).check();
    Case::<true>::new(Binding::Thread, drop_unused).check();
    Case::<false> { spare_max: 4, ..Case::new(Binding::Call, drop_unused) }.check();
}

/// Edge: discard x fork.
#[test]
fn discarding() {
    Case::<false>::new(Binding::Call, discard).check();
    Case::<true>::new(Binding::Thread, discard).check();
}

/// Edge: discard x fork.
#[test]
fn dropping_what_is_too_much() {
    Case::<false> { spare_max: 1, inside: 1, ..Case::new(Binding::Call, call) }.check();
}

#[test]
fn closing() {
    Case::<false>::new(Binding::Call, close).check();
    Case::<true>::new(Binding::Thread, close).check();
    Case::<false>::new(Binding::Thread, close).check();
}
