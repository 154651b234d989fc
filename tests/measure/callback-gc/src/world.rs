//! The collector's world: whoever runs Lua code or makes an M is in it, and a collection has it to
//! itself.
//!
//! A thread comes in by admission, which blocks while a collection runs, and goes out before it
//! returns to C. Ms are made by admitted threads only, so a collection stops that as well: "no
//! creation during a collection" is what [`World::overlaps`] checks.

use parking_lot::RawRwLock;
use parking_lot::lock_api::{RawRwLock as _, RawRwLockDowngrade as _};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Shared by the threads inside, exclusive for a collection.
pub(crate) struct World {
    lock: RawRwLock,
    collecting: AtomicBool,
    creating: AtomicU32,
    collections: AtomicU32,
    overlaps: AtomicU32,
}

impl World {
    pub(crate) const fn new() -> Self {
        World {
            lock: RawRwLock::INIT,
            collecting: AtomicBool::new(false),
            creating: AtomicU32::new(0),
            collections: AtomicU32::new(0),
            overlaps: AtomicU32::new(0),
        }
    }

    /// Comes in; waits while a collection runs or is about to.
    pub(crate) fn enter(&self) {
        self.lock.lock_shared();
    }

    /// Goes out.
    ///
    /// # Safety
    ///
    /// The calling thread is in the world.
    pub(crate) unsafe fn leave(&self) {
        // SAFETY: a thread in the world holds the lock shared; the caller promises that it is.
        unsafe { self.lock.unlock_shared() };
    }

    /// Stops the world, runs `collect` and lets the world go on; the calling thread is in it again
    /// then. `stopped` runs as soon as everybody else is out.
    ///
    /// # Safety
    ///
    /// The calling thread is in the world.
    pub(crate) unsafe fn stop<T>(&self, stopped: impl FnOnce(), collect: impl FnOnce() -> T) -> T {
        // SAFETY: the caller is in the world. It goes out, as two threads that both stay and wait
        // for everybody else would wait for ever.
        unsafe { self.leave() };
        self.lock.lock_exclusive();
        stopped();
        // SeqCst, as in `creation`: each side writes its own word and then reads the other's. In
        // one order of all four at least one of them sees the other.
        self.collecting.store(true, Ordering::SeqCst);
        if self.creating.load(Ordering::SeqCst) > 0 {
            self.overlap();
        }
        let result = collect();
        self.collecting.store(false, Ordering::SeqCst);
        // Relaxed: a count, read when all threads are gone.
        self.collections.fetch_add(1, Ordering::Relaxed);
        // SAFETY: locked exclusively above, by this thread.
        unsafe { self.lock.downgrade() };
        result
    }

    /// Makes an M's context by `make`, and notes a collection at the same time.
    pub(crate) fn creation<T>(&self, make: impl FnOnce() -> T) -> T {
        self.creating.fetch_add(1, Ordering::SeqCst);
        if self.collecting.load(Ordering::SeqCst) {
            self.overlap();
        }
        let result = make();
        self.creating.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn overlap(&self) {
        // Relaxed, as for the other count.
        self.overlaps.fetch_add(1, Ordering::Relaxed);
    }

    /// How many collections there were.
    pub(crate) fn collections(&self) -> u32 {
        self.collections.load(Ordering::Relaxed)
    }

    /// How often an M was made during a collection. Never, if admission is kept.
    pub(crate) fn overlaps(&self) -> u32 {
        self.overlaps.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_collection_is_alone_and_the_collector_is_inside_again_afterwards() {
        let world = World::new();
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        world.enter();
                        inside.fetch_add(1, Ordering::SeqCst);
                        world.creation(thread::yield_now);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        // SAFETY: in the world since `enter`.
                        unsafe { world.stop(|| (), || assert_eq!(inside.load(Ordering::SeqCst), 0)) };
                        inside.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        // SAFETY: `stop` left this thread in the world.
                        unsafe { world.leave() };
                    }
                });
            }
        });
        assert_eq!(world.collections(), 800);
        assert_eq!(world.overlaps(), 0);
    }

    #[test]
    fn making_an_m_without_admission_is_noticed() {
        let world = World::new();
        world.enter();
        // SAFETY: in the world since `enter`.
        unsafe { world.stop(|| (), || world.creation(|| ())) };
        assert_eq!(world.overlaps(), 1);
        // The other way round: the collection begins while an M is being made.
        // SAFETY: in the world again.
        world.creation(|| unsafe { world.stop(|| (), || ()) });
        assert_eq!(world.overlaps(), 2);
    }
}
