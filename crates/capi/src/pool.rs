//! Pools: made, looked at, closed, freed.

use crate::boundary::coded;
use crate::code::extram_code::{self, EXTRAM_BUSY, EXTRAM_INVALID};
use crate::config::{EXTRAM_BIND_CALL, extram_config, extram_stats};
use crate::handle::{Place, extram_pool};
use crate::registry::{self, AtWork, Pool};
use crate::runtime::Foreign;
use core::ffi::c_int;
use core::sync::atomic::Ordering;
use extram::{Binding, M};

/// The pool that the handle names.
#[inline]
pub(crate) fn find(pool: *const extram_pool) -> Result<AtWork, extram_code> {
    Place::of_pool(pool).and_then(registry::find).ok_or(EXTRAM_INVALID)
}

/// Writes a result where C wants it.
///
/// # Safety
///
/// Null, or valid for writing.
pub(crate) unsafe fn writable<T>(place: *mut T) -> Result<*mut T, extram_code> {
    if place.is_null() || !place.is_aligned() { Err(EXTRAM_INVALID) } else { Ok(place) }
}

fn configured(pool: Pool, config: &extram_config) -> Pool {
    let pool = if config.max_ms == 0 { pool } else { pool.limit(config.max_ms) };
    pool.binding(if config.binding == EXTRAM_BIND_CALL { Binding::Call } else { Binding::Thread })
}

/// Makes a pool with one M and starts it. Not from a signal handler.
///
/// EXTRAM_NO_MEMORY if new_context fails, memory runs out, or the process has 1024 pools already.
/// *pool is written on EXTRAM_OK only.
///
/// # Safety
///
/// `config` and `pool` are null or point to what their types say.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_pool_new(config: *const extram_config, pool: *mut *mut extram_pool) -> c_int {
    coded(|| {
        // SAFETY: by the caller's promise.
        let (config, handle) = unsafe { (extram_config::read(config)?, writable(pool)?) };
        let vacant = registry::vacant()?;
        let place = vacant.place;
        let made = Made::new(configured(Pool::new(Foreign::new(config, place)), &config));
        made.0.start()?;
        vacant.fill(made.keep());
        // SAFETY: by the caller's promise; checked for null.
        unsafe { handle.write(place.pool()) };
        Ok(())
    })
}

/// A pool on the heap that frees itself if starting it fails, or panics.
#[cfg(feature = "std")]
struct Made(&'static Pool);

#[cfg(feature = "std")]
impl Made {
    fn new(pool: Pool) -> Self {
        Made(Box::leak(Box::new(pool)))
    }

    fn keep(self) -> &'static Pool {
        let pool = self.0;
        core::mem::forget(self);
        pool
    }
}

#[cfg(feature = "std")]
impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`; nobody has been told of it.
        drop(unsafe { Box::from_raw((&raw const *self.0).cast_mut()) });
    }
}

/// Turns newcomers away with EXTRAM_CLOSED and wakes the threads that wait with it. Once no M is in
/// use, frees every context. After EXTRAM_OK nothing of the pool is touched by the threads that used
/// it, not even when they exit. Not from a signal handler.
///
/// EXTRAM_BUSY while an M is in use or being made: call again when those threads have left.
///
/// # Safety
///
/// None: any value may be passed.
#[unsafe(no_mangle)]
pub extern "C" fn extram_pool_close(pool: *mut extram_pool) -> c_int {
    coded(|| {
        let at_work = find(pool)?;
        at_work.pool.close().map_err(|_| EXTRAM_BUSY)?;
        at_work.closed();
        Ok(())
    })
}

/// Frees the memory of a closed pool. From then on its handles get EXTRAM_INVALID.
///
/// EXTRAM_BUSY, and nothing has changed, if the pool is not closed or another thread is in a call on
/// it right now.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub extern "C" fn extram_pool_free(pool: *mut extram_pool) -> c_int {
    coded(|| {
        let pool = registry::evict(Place::of_pool(pool).ok_or(EXTRAM_INVALID)?)?;
        // SAFETY: leaked by `extram_pool_new`; nobody is at work on it (`evict`), and the threads
        // that used it do not touch it after `close`.
        drop(unsafe { Box::from_raw(pool) });
        Ok(())
    })
}

/// Gives the calling thread's idle bound M back now.
///
/// EXTRAM_BUSY inside a call; EXTRAM_OK also if the thread has none.
#[unsafe(no_mangle)]
pub extern "C" fn extram_unbind(pool: *mut extram_pool) -> c_int {
    coded(|| {
        let at_work = find(pool)?;
        if !at_work.pool.unbind() && at_work.pool.inside().is_some() {
            return Err(EXTRAM_BUSY);
        }
        Ok(())
    })
}

/// Makes Ms until this many are spare, so that as many threads at once wait for nothing. Enters
/// meanwhile, and waits as extram_enter does.
///
/// EXTRAM_EXHAUSTED if max_ms allows no more, EXTRAM_NO_MEMORY, EXTRAM_CLOSED. The Ms made so far
/// stay.
#[unsafe(no_mangle)]
pub extern "C" fn extram_prewarm(pool: *mut extram_pool, spare: u32) -> c_int {
    coded(|| {
        let at_work = find(pool)?;
        let _floor = at_work.pool.inside().map(Floor::raise);
        Ok(at_work.pool.prewarm(spare)?)
    })
}

/// Keeps `new_context` from leaving the call that prewarming is inside of.
struct Floor {
    m: &'static M<Foreign>,
    before: u32,
}

impl Floor {
    fn raise(m: &'static M<Foreign>) -> Self {
        // Relaxed, here and below: for this thread and its handlers.
        Floor { m, before: m.context().floor.swap(m.depth() + 1, Ordering::Relaxed) }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.m.context().floor.store(self.before, Ordering::Relaxed);
    }
}

/// Frees the contexts of spare Ms until this many are spare (one always is), and writes how many it
/// freed.
///
/// # Safety
///
/// `dropped` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_trim(pool: *mut extram_pool, keep: u32, dropped: *mut u32) -> c_int {
    coded(|| {
        // SAFETY: by the caller's promise.
        let dropped = unsafe { writable(dropped) }?;
        let count = find(pool)?.pool.trim(keep);
        // SAFETY: by the caller's promise; checked for null.
        unsafe { dropped.write(count) };
        Ok(())
    })
}

/// The pool's figures. stats->size is sizeof(extram_stats) beforehand. From any context.
///
/// # Safety
///
/// `stats` is null or points to as many bytes as its `size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_stats_get(pool: *mut extram_pool, stats: *mut extram_stats) -> c_int {
    coded(|| {
        // SAFETY: by the caller's promise.
        let stats = unsafe { writable(stats) }?;
        // SAFETY: by the caller's promise; `size` comes first, and no more is touched if it is wrong.
        let size = unsafe { (&raw const (*stats).size).read() };
        if size != size_of::<extram_stats>() {
            return Err(EXTRAM_INVALID);
        }
        let now = find(pool)?.pool.stats();
        let now = extram_stats {
            size,
            created: now.created,
            spare: now.spare,
            in_use: now.in_use,
            bound_idle: now.bound_idle,
            waiting: now.waiting,
            creating: now.creating,
            failed: now.failed,
        };
        // SAFETY: by the caller's promise.
        unsafe { stats.write(now) };
        Ok(())
    })
}
