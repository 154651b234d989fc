//! The runtime's collector, which stops the world.
//!
//! A thread *runs* from its admission until it retires, except while it is at a safepoint. A
//! collection begins when nobody runs, and until it ends nobody is let in: so no Lua code runs
//! meanwhile, and no M is made, because an M is made only by a thread that runs.

use crate::isolate::Isolate;
use crate::timeline::{self, Phase};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// What every thread of the runtime agrees on.
#[derive(Default)]
pub(crate) struct World {
    state: Mutex<State>,
    /// The collection is over.
    resumed: Condvar,
    /// The last one to run has stopped.
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    /// Threads that run.
    running: u32,
    /// A collection is under way, or waits for the running ones to stop.
    collecting: bool,
    /// Nobody runs, and the collector is at work.
    still: bool,
    /// Contexts that are being made.
    making: u32,
    /// Everything that a collection looks at: Go's `allm`.
    isolates: Vec<Weak<Isolate>>,
    collections: u64,
    /// Ms that were made during a collection.
    violations: u64,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the calling thread run; it waits while a collection is under way.
    pub(crate) fn admit(&self) {
        let mut state = self.lock();
        if state.collecting {
            timeline::enter(Phase::Stopped);
            while state.collecting {
                state = self.resumed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.running += 1;
        timeline::enter(Phase::Running);
    }

    /// The calling thread runs no more.
    pub(crate) fn retire(&self) {
        let mut state = self.lock();
        self.stop_running(&mut state);
    }

    fn stop_running(&self, state: &mut State) {
        state.running -= 1;
        if state.collecting && state.running == 0 {
            self.stopped.notify_one();
        }
    }

    /// Collects everything, on a thread that runs. Whoever else wants to collect waits for this
    /// one to be over and then has a collection of its own, as with Go's `runtime.GC`.
    pub(crate) fn collect(&self) -> mlua::Result<()> {
        let mut state = self.lock();
        self.stop_running(&mut state);
        if state.collecting || state.running > 0 {
            timeline::enter(Phase::Stopped);
        }
        while state.collecting {
            state = self.resumed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.collecting = true;
        while state.running > 0 {
            state = self.stopped.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        timeline::enter(Phase::Running);
        state.still = true;
        state.collections += 1;
        state.violations += u64::from(state.making);
        let isolates: Vec<Arc<Isolate>> = state.isolates.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        let collected = isolates.iter().try_for_each(|isolate| isolate.collect());
        drop(isolates);
        let mut state = self.lock();
        state.still = false;
        state.collecting = false;
        state.running += 1;
        drop(state);
        self.resumed.notify_all();
        collected
    }

    /// Runs foreign code that may block: a safepoint from beginning to end.
    pub(crate) fn blocking(&self, foreign: impl FnOnce()) {
        self.retire();
        timeline::enter(Phase::Holding);
        foreign();
        self.admit();
    }

    /// Watches over the making of a context: it must not happen during a collection.
    pub(crate) fn make(
        &self,
        make: impl FnOnce() -> mlua::Result<Isolate>,
    ) -> mlua::Result<Arc<Isolate>> {
        {
            let mut state = self.lock();
            state.making += 1;
            state.violations += u64::from(state.still);
        }
        let made = make().map(Arc::new);
        let mut state = self.lock();
        state.making -= 1;
        state.violations += u64::from(state.still);
        if let Ok(isolate) = &made {
            state.isolates.push(Arc::downgrade(isolate));
        }
        made
    }

    /// How many collections there were, and how many Ms were made during one.
    pub(crate) fn census(&self) -> Census {
        let state = self.lock();
        Census {
            collections: state.collections,
            violations: state.violations,
            alive: state.isolates.iter().filter(|isolate| isolate.strong_count() > 0).count(),
        }
    }
}

/// What a round leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) collections: u64,
    pub(crate) violations: u64,
    /// Contexts that have not been dropped.
    pub(crate) alive: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn nobody_runs_during_a_collection() {
        let world = World::default();
        let (running, seen) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for number in 0..4 {
                let (world, running, seen) = (&world, &running, &seen);
                scope.spawn(move || {
                    for turn in 0..50 {
                        world.admit();
                        running.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        if turn % 4 == number {
                            world.collect().unwrap();
                        }
                        if world.lock().still {
                            // Only while we are not running ourselves.
                            seen.store(true, Ordering::SeqCst);
                        }
                        world.retire();
                    }
                });
            }
        });
        assert!(!seen.load(Ordering::SeqCst));
        let census = world.census();
        assert!(census.collections >= 4 * 12, "{census:?}");
        assert_eq!(world.lock().running, 0);
    }

    #[test]
    fn a_newcomer_waits_for_the_end_of_a_collection() {
        let world = World::default();
        world.lock().collecting = true;
        let inside = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                world.admit();
                inside.store(true, Ordering::SeqCst);
            });
            thread::sleep(Duration::from_millis(20));
            assert!(!inside.load(Ordering::SeqCst));
            world.lock().collecting = false;
            world.resumed.notify_all();
        });
        assert!(inside.load(Ordering::SeqCst));
    }

    #[test]
    fn making_an_m_during_a_collection_is_noticed() {
        let world = World::default();
        drop(world.make(Isolate::new).unwrap());
        assert_eq!(world.census().violations, 0);
        world.lock().still = true;
        drop(world.make(Isolate::new).unwrap());
        assert!(world.census().violations > 0);
        assert_eq!(world.census().alive, 0);
    }

    #[test]
    fn a_collection_collects_what_other_threads_left() {
        let world = World::default();
        let isolate = world.make(Isolate::new).unwrap();
        isolate.allocate().unwrap();
        assert!(isolate.garbage().unwrap() > 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                world.admit();
                world.collect().unwrap();
                world.retire();
            });
        });
        assert_eq!(isolate.garbage().unwrap(), 0);
        assert_eq!(world.census().alive, 1);
    }
}
