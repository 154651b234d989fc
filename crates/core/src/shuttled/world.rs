//! A runtime that sees to it that no M is in two hands, and a pool of it that ends with its scenario.

use super::port::Shuttled;
use crate::{Binding, Busy, EnterError, Entered, M, Pool, Runtime};
use ::shuttle::rand::{Rng as _, thread_rng};
use std::boxed::Box;
use std::sync::Arc;
// The test's own: shuttle does not switch threads at them.
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};

#[derive(Default)]
pub(super) struct Counts {
    made: AtomicU32,
    dropped: AtomicU32,
    pub(super) failing: AtomicBool,
    pub(super) panicking: AtomicBool,
    failed: AtomicU32,
    /// Calls that are let in now, and the most there have been.
    inside: AtomicU32,
    pub(super) busiest: AtomicU32,
}

pub(super) struct Watched(Arc<Counts>);

pub(super) struct Context {
    counts: Arc<Counts>,
    /// The token of the thread that runs on it.
    owner: AtomicUsize,
    dropped: bool,
}

impl Drop for Context {
    fn drop(&mut self) {
        assert!(!core::mem::replace(&mut self.dropped, true), "dropped twice");
        assert_eq!(self.owner.load(SeqCst), 0, "dropped while a thread runs on it");
        self.counts.dropped.fetch_add(1, SeqCst);
    }
}

fn me() -> usize {
    <Shuttled<true> as crate::Port>::thread_token()
}

impl Runtime for Watched {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        // Others come in meanwhile.
        ::shuttle::thread::yield_now();
        if self.0.failing.load(SeqCst) && thread_rng().gen_bool(0.5) {
            return Err(());
        }
        if self.0.panicking.swap(false, SeqCst) {
            self.0.failed.fetch_add(1, SeqCst);
            std::panic::resume_unwind(Box::new("on purpose"));
        }
        self.0.made.fetch_add(1, SeqCst);
        Ok(Context { counts: Arc::clone(&self.0), owner: AtomicUsize::new(0), dropped: false })
    }

    fn failed(&self, (): ()) {
        self.0.failed.fetch_add(1, SeqCst);
    }

    fn admit(&self, m: &M<Self>) {
        assert_eq!(m.context().owner.swap(me(), SeqCst), 0, "an M in two hands");
        let inside = self.0.inside.fetch_add(1, SeqCst) + 1;
        self.0.busiest.fetch_max(inside, SeqCst);
    }

    fn retire(&self, m: &M<Self>) {
        self.0.inside.fetch_sub(1, SeqCst);
        assert_eq!(m.context().owner.swap(0, SeqCst), me(), "an M in two hands");
    }
}

/// What a scenario does it in.
pub(super) struct World<const BARRIER: bool = true> {
    pub(super) pool: &'static Pool<Watched, Shuttled<BARRIER>>,
    pub(super) counts: Arc<Counts>,
}

impl<const BARRIER: bool> Clone for World<BARRIER> {
    fn clone(&self) -> Self {
        World { pool: self.pool, counts: Arc::clone(&self.counts) }
    }
}

impl<const BARRIER: bool> World<BARRIER> {
    /// A pool that is not started; a limit of 0 is none.
    pub(super) fn new(binding: Binding, limit: u32) -> Self {
        let counts = Arc::new(Counts::default());
        let pool = Pool::new(Watched(Arc::clone(&counts))).binding(binding);
        let pool = if limit == 0 { pool } else { pool.limit(limit) };
        World { pool: Box::leak(Box::new(pool)), counts }
    }

    pub(super) fn started(binding: Binding, limit: u32) -> Self {
        let world = Self::new(binding, limit);
        world.pool.start().expect("the first M can be made");
        world
    }

    /// A thread, whose exit hook runs when `f` has returned.
    pub(super) fn thread(&self, f: impl FnOnce(&Self) + Send + 'static) -> ::shuttle::thread::JoinHandle<()> {
        let world = self.clone();
        super::port::spawn(move || f(&world))
    }

    /// A callback, in which others may run.
    pub(super) fn call(&self) -> Result<(), EnterError> {
        self.pool.enter().map(|m| self.work(&m))
    }

    pub(super) fn work(&self, m: &Entered<Watched, Shuttled<BARRIER>>) {
        let inside = || assert_eq!(m.context().owner.load(SeqCst), me(), "an M in two hands");
        inside();
        ::shuttle::thread::yield_now();
        inside();
    }

    /// All threads have been joined: no M is lost, nobody counted. It closes, which drops every context,
    /// and is freed.
    pub(super) fn end(self) {
        let stats = self.pool.stats();
        assert_eq!((stats.waiting, stats.creating, stats.in_use), (0, 0, 0), "{stats:?}");
        assert_eq!(stats.created, stats.spare + stats.bound_idle, "{stats:?}");
        assert_eq!(stats.failed, self.counts.failed.load(SeqCst), "{stats:?}");
        self.close().expect("nobody is inside");
    }

    fn close(self) -> Result<(), Busy> {
        self.pool.close()?;
        assert_eq!(self.counts.dropped.load(SeqCst), self.counts.made.load(SeqCst), "a context is lost");
        // SAFETY: leaked in `new`; no thread is left that knows it.
        drop(unsafe { Box::from_raw((&raw const *self.pool).cast_mut()) });
        Ok(())
    }

    pub(super) fn made(&self) -> u32 {
        self.counts.made.load(SeqCst)
    }
}

/// Joins them all.
pub(super) fn join(threads: impl IntoIterator<Item = ::shuttle::thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no assertion failed");
    }
}

/// A number below `below`, drawn with the schedule.
pub(super) fn draw(below: u32) -> u32 {
    thread_rng().gen_range(0..below)
}
