//! The pools that make their contexts as they are needed.

use crate::{Contestant, MutexPool, leak};
use extram::{Native, Pool};
use extram_baselines::{OneAtATime, WaiterCounting};
use extram_core::{Runtime, StartError};

/// How a cold pool comes to the contexts it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Algorithm {
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
    /// All, in the order of tables.
    pub const ALL: [Algorithm; 4] =
        [Algorithm::OneAtATime, Algorithm::WaiterCounting, Algorithm::Mutex, Algorithm::Extram];

    /// Its name on the command line, in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::OneAtATime => "one-at-a-time",
            Algorithm::WaiterCounting => "waiter-counting",
            Algorithm::Mutex => "mutex",
            Algorithm::Extram => "extram",
        }
    }

    /// A pool of `runtime`'s contexts with a single one in it. It lives for ever.
    ///
    /// # Errors
    ///
    /// The runtime could not make the first one.
    pub fn cold<R: Runtime>(self, runtime: R) -> Result<&'static dyn Contestant<R::Context>, StartError> {
        match self {
            Algorithm::OneAtATime => {
                let pool = leak(OneAtATime::<_, Native>::new(runtime));
                pool.start().map(|()| pool as _)
            }
            Algorithm::WaiterCounting => {
                let pool = leak(WaiterCounting::<_, Native>::new(runtime));
                pool.start().map(|()| pool as _)
            }
            Algorithm::Mutex => Ok(leak(MutexPool::start(runtime, None)?)),
            Algorithm::Extram => {
                let pool = leak(Pool::<_, Native>::new(runtime));
                pool.start().map(|()| pool as _)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Counting;

    static MADE: AtomicU32 = AtomicU32::new(0);

    impl Runtime for Counting {
        type Context = u32;
        type Error = ();

        fn new_context(&self) -> Result<u32, ()> {
            Ok(MADE.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[test]
    fn a_name_is_that_of_the_command_line() {
        for algorithm in Algorithm::ALL {
            let value = algorithm.to_possible_value().unwrap();
            assert_eq!(value.get_name(), algorithm.name());
        }
    }

    #[test]
    fn whoever_takes_the_last_context_makes_the_next_in_every_algorithm() {
        for algorithm in Algorithm::ALL {
            let before = MADE.load(Ordering::Relaxed);
            let pool = algorithm.cold(Counting).unwrap();
            let mut numbers = Vec::new();
            for _ in 0..10 {
                pool.callback(&mut |number, _| numbers.push(number)).unwrap();
            }
            let name = algorithm.name();
            assert_eq!(numbers.len(), 10, "{name}");
            assert!(numbers.iter().all(|number| (1..=2).contains(number)), "{name}: {numbers:?}");
            assert_eq!(pool.made(), Some(2), "{name}");
            assert_eq!(MADE.load(Ordering::Relaxed) - before, 2, "{name}");
            pool.close().unwrap();
            assert!(pool.callback(&mut |_, _| ()).is_err(), "{name}");
        }
    }
}
