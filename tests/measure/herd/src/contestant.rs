//! What the threads run against: no pool, a plain one, and the three algorithms.

use crate::tally;
use extram::{Native, Pool};
use extram_baselines::{Admission, Gate, OneAtATime, WaiterCounting};
use extram_core::{Event, Runtime};
use extram_herd::work;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A way into the runtime.
pub(crate) trait Contestant: Sync {
    /// Runs `inside` with an M in hand.
    fn callback(&self, inside: &mut dyn FnMut()) -> Result<(), String>;

    /// How many Ms exist; `None` where there are none.
    fn made(&self) -> Option<u64>;

    /// Drops what can be dropped. Nobody is inside.
    fn close(&self) -> Result<(), String>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Algorithm {
    /// The same threads, no pool
    Floor,
    /// Go before commit 50048a4e
    OneAtATime,
    /// Go commit 50048a4e
    WaiterCounting,
    /// A plain Mutex and Condvar
    Mutex,
    /// This project
    Extram,
}

impl Algorithm {
    pub(crate) const ALL: [Algorithm; 5] = [
        Algorithm::Floor,
        Algorithm::OneAtATime,
        Algorithm::WaiterCounting,
        Algorithm::Mutex,
        Algorithm::Extram,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Floor => "floor",
            Algorithm::OneAtATime => <OneAtATime<Making, Native> as Admission<Making>>::NAME,
            Algorithm::WaiterCounting => <WaiterCounting<Making, Native> as Admission<Making>>::NAME,
            Algorithm::Mutex => "mutex",
            Algorithm::Extram => <Pool<Making, Native> as Admission<Making>>::NAME,
        }
    }

    /// A cold one, with a single M. It is leaked: a pool lives for ever, as threads that nobody
    /// knows of may still refer to it. Its contexts go when it is closed.
    pub(crate) fn cold(self, cost: Duration) -> Result<&'static dyn Contestant, String> {
        let making = Making { cost };
        match self {
            Algorithm::Floor => Ok(&Floor),
            Algorithm::Mutex => Ok(Box::leak(Box::new(MutexPool::new(making)))),
            Algorithm::OneAtATime => started(OneAtATime::<_, Native>::new(making)),
            Algorithm::WaiterCounting => started(WaiterCounting::<_, Native>::new(making)),
            Algorithm::Extram => started(Pool::<_, Native>::new(making)),
        }
    }
}

fn started<A: Admission<Making>>(pool: A) -> Result<&'static dyn Contestant, String> {
    let pool = &*Box::leak(Box::new(pool));
    pool.start().map_err(|error| error.to_string())?;
    Ok(Box::leak(Box::new(Entrance { pool })))
}

/// A runtime in which making a context costs time and nothing else does.
struct Making {
    cost: Duration,
}

/// What an M carries: whether somebody holds it.
struct Owned(AtomicBool);

impl Runtime for Making {
    type Context = Owned;
    type Error = Infallible;

    fn new_context(&self) -> Result<Owned, Infallible> {
        work(self.cost);
        Ok(Owned(AtomicBool::new(false)))
    }

    fn observe(&self, event: Event) {
        if let Event::Made { .. } = event {
            tally::made_one();
        }
    }
}

impl Gate for Making {}

impl Owned {
    /// Runs `inside`, and tells whether the M was in this thread's hands alone.
    fn hold(&self, inside: &mut dyn FnMut()) -> Result<(), String> {
        // Relaxed, here and below: if the pool keeps its promise, it orders one holder after the
        // other; if it does not, that is what this is about to find.
        if self.0.swap(true, Ordering::Relaxed) {
            return Err("an M was in two hands at once".into());
        }
        inside();
        self.0.store(false, Ordering::Relaxed);
        Ok(())
    }
}

struct Entrance<A: 'static> {
    pool: &'static A,
}

impl<A: Admission<Making>> Contestant for Entrance<A> {
    fn callback(&self, inside: &mut dyn FnMut()) -> Result<(), String> {
        self.pool.callback(|_, owned| owned.hold(inside)).map_err(|error| error.to_string())?
    }

    fn made(&self) -> Option<u64> {
        Some(self.pool.made().into())
    }

    fn close(&self) -> Result<(), String> {
        self.pool.close().map_err(|error| error.to_string())
    }
}

/// The same threads, no pool.
struct Floor;

impl Contestant for Floor {
    fn callback(&self, inside: &mut dyn FnMut()) -> Result<(), String> {
        inside();
        Ok(())
    }

    fn made(&self) -> Option<u64> {
        None
    }

    fn close(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What one writes in an hour: a list behind a lock, a condition variable for those who find it
/// empty, and the rule that whoever took the last M makes one.
struct MutexPool {
    making: Making,
    spare: Mutex<Vec<Owned>>,
    returned: Condvar,
    made: AtomicU64,
}

impl MutexPool {
    fn new(making: Making) -> Self {
        let Ok(first) = making.new_context();
        MutexPool {
            making,
            spare: Mutex::new(vec![first]),
            returned: Condvar::new(),
            made: AtomicU64::new(1),
        }
    }

    fn give(&self, m: Owned) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(m);
        self.returned.notify_one();
    }
}

impl Contestant for MutexPool {
    fn callback(&self, inside: &mut dyn FnMut()) -> Result<(), String> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let m = loop {
            match spare.pop() {
                Some(m) => break m,
                None => {
                    spare = self.returned.wait(spare).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        let last = spare.is_empty();
        drop(spare);
        if last {
            let Ok(another) = self.making.new_context();
            tally::made_one();
            // Relaxed: a count, read when all threads are gone.
            self.made.fetch_add(1, Ordering::Relaxed);
            self.give(another);
        }
        let held = m.hold(inside);
        self.give(m);
        held
    }

    fn made(&self) -> Option<u64> {
        Some(self.made.load(Ordering::Relaxed))
    }

    fn close(&self) -> Result<(), String> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        assert_eq!(
            Algorithm::ALL.map(Algorithm::name),
            ["floor", "one-at-a-time", "waiter-counting", "mutex", "extram"]
        );
    }

    #[test]
    fn whoever_takes_the_last_m_makes_the_next_in_every_algorithm() {
        for algorithm in Algorithm::ALL {
            let pool = algorithm.cold(Duration::ZERO).unwrap();
            // The first M was made by this thread, too.
            tally::take();
            let mut calls = 0;
            for _ in 0..10 {
                pool.callback(&mut || calls += 1).unwrap();
            }
            assert_eq!(calls, 10);
            let made = (algorithm != Algorithm::Floor).then_some(2);
            assert_eq!(pool.made(), made, "{}", algorithm.name());
            assert_eq!(tally::take(), made.map_or(0, |made| made - 1));
        }
    }

    #[test]
    fn an_m_in_two_hands_is_noticed() {
        let owned = Owned(AtomicBool::new(false));
        let mut second = Ok(());
        owned.hold(&mut || second = owned.hold(&mut || ())).unwrap();
        assert!(second.is_err());
    }
}
