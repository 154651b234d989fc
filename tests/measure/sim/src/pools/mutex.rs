//! What one writes in an hour: a list behind a lock, a condition variable for those who find it empty, and
//! the rule that whoever took the last M makes one. Lock and condition variable are those of Rust's `std` on
//! Linux (`library/std/src/sys/sync/{mutex,condvar}/futex.rs`), over the simulator's waiting.

use super::{Entrance, Making, Owned, Shape, note_made};
use crate::Simulated;
use extram_core::sync::{AtomicU32, Ordering};
use extram_core::{Port, Runtime};
use std::cell::RefCell;

const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// How often a thread looks before it sleeps.
const SPINS: u32 = 100;

/// A lock.
#[derive(Debug)]
pub(crate) struct Mutex(AtomicU32);

impl Mutex {
    pub(crate) const fn new() -> Self {
        Mutex(AtomicU32::new(UNLOCKED))
    }

    pub(crate) fn lock(&self) {
        // Acquire: partner of the release in `unlock`.
        if self.0.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow();
        }
    }

    fn spin(&self) -> u32 {
        for _ in 0..SPINS {
            // Relaxed: a hint for the exchange that follows.
            let state = self.0.load(Ordering::Relaxed);
            if state != LOCKED {
                return state;
            }
        }
        LOCKED
    }

    fn lock_slow(&self) {
        let mut state = self.spin();
        if state == UNLOCKED {
            match self.0.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        loop {
            if state != CONTENDED && self.0.swap(CONTENDED, Ordering::Acquire) == UNLOCKED {
                return;
            }
            Simulated::wait(&self.0, CONTENDED, None);
            state = self.spin();
        }
    }

    pub(crate) fn unlock(&self) {
        // Release: partner of the acquire in `lock`.
        if self.0.swap(UNLOCKED, Ordering::Release) == CONTENDED {
            Simulated::wake(&raw const self.0, 1);
        }
    }
}

/// A condition variable.
#[derive(Debug)]
pub(crate) struct Condvar(AtomicU32);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Condvar(AtomicU32::new(0))
    }

    pub(crate) fn wait(&self, mutex: &Mutex) {
        // Relaxed, here and below: the lock orders all that matters.
        let turn = self.0.load(Ordering::Relaxed);
        mutex.unlock();
        Simulated::wait(&self.0, turn, None);
        mutex.lock();
    }

    pub(crate) fn notify_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        Simulated::wake(&raw const self.0, 1);
    }
}

pub(super) struct MutexPool {
    making: Making,
    limit: u64,
    lock: Mutex,
    returned: Condvar,
    /// By the holder of the lock.
    spare: RefCell<Spare>,
}

struct Spare {
    // Each M stays where it is: its line is not the list's.
    #[allow(clippy::vec_box)]
    list: Vec<Box<Owned>>,
    made: u64,
}

impl MutexPool {
    pub(super) fn new(making: Making, shape: Shape) -> Self {
        let count = shape.spare.max(1);
        let list: Vec<_> = (0..count).map(|_| make(&making)).collect();
        MutexPool {
            making,
            limit: if shape.limit == 0 { u64::MAX } else { shape.limit.into() },
            lock: Mutex::new(),
            returned: Condvar::new(),
            spare: RefCell::new(Spare { list, made: count.into() }),
        }
    }

    fn give(&self, m: Box<Owned>) {
        self.lock.lock();
        self.spare.borrow_mut().list.push(m);
        self.lock.unlock();
        self.returned.notify_one();
    }
}

fn make(making: &Making) -> Box<Owned> {
    let Ok(owned) = making.new_context();
    Box::new(owned)
}

impl Entrance for MutexPool {
    fn callback(&self, inside: &mut dyn FnMut()) {
        self.lock.lock();
        let m = loop {
            let m = self.spare.borrow_mut().list.pop();
            match m {
                Some(m) => break m,
                None => self.returned.wait(&self.lock),
            }
        };
        let makes = {
            let mut spare = self.spare.borrow_mut();
            let makes = spare.list.is_empty() && spare.made < self.limit;
            spare.made += u64::from(makes);
            makes
        };
        self.lock.unlock();
        if makes {
            let another = make(&self.making);
            note_made();
            self.give(another);
        }
        m.hold(inside);
        self.give(m);
    }

    fn made(&self) -> Option<u64> {
        Some(self.spare.borrow().made)
    }

    fn close(&self) {
        self.spare.borrow_mut().list.clear();
    }
}
