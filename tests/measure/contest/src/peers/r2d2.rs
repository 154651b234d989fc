//! A connection pool whose connections are contexts.

use crate::Contestant;
use extram_core::{Busy, EnterError, Runtime, StartError};
use r2d2::{ManageConnection, Pool};
use scheduled_thread_pool::ScheduledThreadPool;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// r2d2 with as many connections as it may have, which it does not test when it lends them.
pub struct R2d2Pool<R: Runtime + Send>(Pool<Manager<R>>);

impl<R: Runtime + Send> R2d2Pool<R> {
    /// A pool with `limit` contexts.
    ///
    /// # Errors
    ///
    /// The runtime could not make them.
    pub fn start(runtime: R, limit: u32) -> Result<Self, StartError> {
        let manager = Manager { runtime, made: AtomicU32::new(0) };
        let pool = Pool::builder()
            .max_size(limit)
            .thread_pool(threads())
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // As long as it takes, as the others.
            .connection_timeout(Duration::from_secs(3600))
            .build(manager);
        pool.map(R2d2Pool).map_err(|_| StartError::CreationFailed)
    }
}

/// What it would do in the background, for all pools: pools live for ever here, and threads of their own
/// would, too.
fn threads() -> Arc<ScheduledThreadPool> {
    static THREADS: OnceLock<Arc<ScheduledThreadPool>> = OnceLock::new();
    THREADS.get_or_init(|| Arc::new(ScheduledThreadPool::new(1))).clone()
}

/// Makes contexts where r2d2 wants connections.
struct Manager<R> {
    runtime: R,
    made: AtomicU32,
}

#[derive(Debug)]
struct CreationFailed;

impl fmt::Display for CreationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the context could not be made")
    }
}

impl std::error::Error for CreationFailed {}

impl<R: Runtime + Send> ManageConnection for Manager<R> {
    type Connection = (u32, R::Context);
    type Error = CreationFailed;

    fn connect(&self) -> Result<Self::Connection, CreationFailed> {
        let context = self.runtime.new_context().map_err(|_| CreationFailed)?;
        // Relaxed: each number is given out once.
        Ok((self.made.fetch_add(1, Ordering::Relaxed) + 1, context))
    }

    fn is_valid(&self, _: &mut Self::Connection) -> Result<(), CreationFailed> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Self::Connection) -> bool {
        false
    }
}

impl<R: Runtime + Send> Contestant<R::Context> for R2d2Pool<R> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &R::Context)) -> Result<(), EnterError> {
        let taken = self.0.get().map_err(|_| EnterError::TimedOut)?;
        inside(taken.0, &taken.1);
        Ok(())
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.0.state().connections)
    }

    fn close(&'static self) -> Result<(), Busy> {
        let state = self.0.state();
        if state.idle_connections == state.connections { Ok(()) } else { Err(Busy) }
    }
}
