//! The pools that have as many contexts as they may, all made before the first call.

use crate::peers::{ArrayQueuePool, ChannelPool, ParkingLotPool, R2d2Pool};
use crate::{Contestant, MutexPool, leak};
use extram::{Binding, Native, Pool};
use extram_core::{Runtime, StartError};

/// What people write, or take, where there are fewer contexts than threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Limited {
    /// A Vec behind std's Mutex, and a Condvar
    Mutex,
    /// The same with parking_lot's
    ParkingLot,
    /// crossbeam's bounded channel: receive, use, send back
    Channel,
    /// crossbeam's ArrayQueue, and yielding while it is empty
    ArrayQueue,
    /// The connection pool r2d2
    R2d2,
    /// This project; an M goes back with each call
    ExtramPerCall,
    /// This project; an M stays with its thread unless somebody waits
    ExtramBound,
}

impl Limited {
    /// All, in the order of tables.
    pub const ALL: [Limited; 7] = [
        Limited::Mutex,
        Limited::ParkingLot,
        Limited::Channel,
        Limited::ArrayQueue,
        Limited::R2d2,
        Limited::ExtramPerCall,
        Limited::ExtramBound,
    ];

    /// Its name on the command line, in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Limited::Mutex => "mutex",
            Limited::ParkingLot => "parking-lot",
            Limited::Channel => "channel",
            Limited::ArrayQueue => "array-queue",
            Limited::R2d2 => "r2d2",
            Limited::ExtramPerCall => "extram-per-call",
            Limited::ExtramBound => "extram-bound",
        }
    }

    /// Whether it is extram.
    pub fn is_extram(self) -> bool {
        matches!(self, Limited::ExtramPerCall | Limited::ExtramBound)
    }

    /// A pool with `limit` contexts and no more. It lives for ever.
    ///
    /// # Errors
    ///
    /// The runtime could not make them all.
    pub fn full<R: Runtime + Send>(
        self,
        runtime: R,
        limit: u32,
    ) -> Result<&'static dyn Contestant<R::Context>, StartError> {
        let extram = |runtime, binding| -> Result<&'static dyn Contestant<R::Context>, StartError> {
            let pool = leak(Pool::<R, Native>::new(runtime).limit(limit).binding(binding));
            pool.start()?;
            pool.prewarm(limit)?;
            Ok(pool)
        };
        Ok(match self {
            Limited::Mutex => {
                let pool = leak(MutexPool::start(runtime, Some(limit))?);
                pool.fill()?;
                pool
            }
            Limited::ParkingLot => leak(ParkingLotPool::of(all(&runtime, limit)?)),
            Limited::Channel => leak(ChannelPool::of(all(&runtime, limit)?)),
            Limited::ArrayQueue => leak(ArrayQueuePool::of(all(&runtime, limit)?)),
            Limited::R2d2 => leak(R2d2Pool::start(runtime, limit)?),
            Limited::ExtramPerCall => extram(runtime, Binding::Call)?,
            Limited::ExtramBound => extram(runtime, Binding::Thread)?,
        })
    }
}

/// A pool's contexts with their numbers.
fn all<R: Runtime>(runtime: &R, limit: u32) -> Result<Vec<(u32, R::Context)>, StartError> {
    let context = |number| runtime.new_context().map(|context| (number, context));
    (1..=limit).map(context).collect::<Result<_, _>>().map_err(|_| StartError::CreationFailed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::thread;

    struct Owned;

    impl Runtime for Owned {
        type Context = AtomicBool;
        type Error = ();

        fn new_context(&self) -> Result<AtomicBool, ()> {
            Ok(AtomicBool::new(false))
        }
    }

    #[test]
    fn a_name_is_that_of_the_command_line() {
        for pool in Limited::ALL {
            assert_eq!(pool.to_possible_value().unwrap().get_name(), pool.name());
        }
    }

    #[test]
    fn no_context_is_in_two_hands_and_never_are_more_inside_than_the_limit() {
        for kind in Limited::ALL {
            let pool = kind.full(Owned, 2).unwrap();
            let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
            let calls = AtomicU32::new(0);
            thread::scope(|scope| {
                let threads = [(); 6].map(|()| {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            pool.callback(&mut |_, owned| {
                                assert!(!owned.swap(true, Ordering::Relaxed), "{}", kind.name());
                                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                                thread::yield_now();
                                inside.fetch_sub(1, Ordering::SeqCst);
                                owned.store(false, Ordering::Relaxed);
                                calls.fetch_add(1, Ordering::Relaxed);
                            })
                            .unwrap();
                        }
                    })
                });
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            });
            assert_eq!(calls.into_inner(), 1200, "{}", kind.name());
            assert_eq!(most.into_inner(), 2, "{}", kind.name());
            assert_eq!(pool.made(), Some(2), "{}", kind.name());
            pool.close().unwrap();
        }
    }
}
