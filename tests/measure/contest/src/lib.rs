//! A pool to compare, and those that are compared.
//!
//! [`Contestant`] is what a measurement knows of a pool: `herd`, `callback-gc`, `bench` and the web
//! server among the examples run whatever implements it through the same lines. [`Algorithm`] has
//! extram, the two algorithms of 2016 and a plain lock, cold; with the feature `peers`, [`Limited`]
//! has what people write or take where the number of contexts is limited.
//!
//! The suite of scenarios has an interface of its own, `extram_conformance::Subject`: it asks a pool
//! for guards, time-outs and figures, on machines without a heap.

mod algorithm;
mod floor;
#[cfg(feature = "peers")]
mod limited;
mod mutex;
#[cfg(feature = "peers")]
mod peers;

pub use algorithm::Algorithm;
pub use floor::Floor;
#[cfg(feature = "peers")]
pub use limited::Limited;
pub use mutex::MutexPool;
#[cfg(feature = "peers")]
pub use peers::{ArrayQueuePool, ChannelPool, ParkingLotPool, R2d2Pool};

use extram_baselines::Reference;
use extram_core::{Busy, EnterError, Pool, Port, Runtime, Threads};

/// A pool of contexts, whatever its algorithm.
pub trait Contestant<C>: Sync {
    /// Runs `inside` with a context that nobody else has meanwhile, and its number; waits for one as
    /// long as it takes.
    ///
    /// # Errors
    ///
    /// The pool is not open, or a context could not be made. `inside` has not run.
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &C)) -> Result<(), EnterError>;

    /// How many contexts there are; `None` where that is no question.
    fn made(&'static self) -> Option<u32>;

    /// Drops the contexts.
    ///
    /// # Errors
    ///
    /// Somebody is inside.
    fn close(&'static self) -> Result<(), Busy>;
}

impl<R: Runtime, P: Port> Contestant<R::Context> for Pool<R, P> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &R::Context)) -> Result<(), EnterError> {
        Pool::callback(self, |m| inside(m.id(), m.context()))
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.stats().created)
    }

    fn close(&'static self) -> Result<(), Busy> {
        Pool::close(self)
    }
}

impl<R: Runtime, P: Threads, const COUNTING: bool> Contestant<R::Context> for Reference<R, P, COUNTING> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &R::Context)) -> Result<(), EnterError> {
        Reference::callback(self, |m| inside(m.id(), m.context()))
    }

    fn made(&'static self) -> Option<u32> {
        Some(Reference::made(self))
    }

    fn close(&'static self) -> Result<(), Busy> {
        Reference::close(self)
    }
}

/// For ever: threads that nobody knows of may still refer to a pool. What it holds goes when it is
/// closed.
fn leak<T: std::any::Any + Sync>(pool: T) -> &'static T {
    extram_kept::keep(pool)
}
