//! Pools: made, looked at, closed, freed.

use crate::boundary::{coded, coded_slowly, made};
use crate::code::extram_code::{self, EXTRAM_BUSY, EXTRAM_INVALID, EXTRAM_NO_MEMORY};
use crate::config::{EXTRAM_BIND_CALL, extram_config, extram_stats};
use crate::handle::{Place, extram_pool};
use crate::registry::{self, AtWork, Pool};
use crate::runtime::{Foreign, Home};
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::time::Duration;
use extram_core::{Binding, M, raw};

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
    let pool = if config.spare_max == 0 { pool } else { pool.spare_max(config.spare_max) };
    pool.binding(if config.binding == EXTRAM_BIND_CALL { Binding::Call } else { Binding::Thread })
}

/// Makes a pool with one M and starts it. Not from a signal handler.
///
/// EXTRAM_INVALID if config or pool is NULL, or config->size, binding or new_context is not as
/// extram_config says; EXTRAM_CREATION_FAILED if new_context fails; EXTRAM_NO_MEMORY if memory or thread-local storage
/// runs out, or new_context fails and leaves ENOMEM in errno; EXTRAM_TOO_MANY if the process has as
/// many pools as it can have (1024; 16 on 32-bit processors).
/// *pool is written on EXTRAM_OK only.
///
/// # Safety
///
/// `config` and `pool` are null or point to what their types say.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_pool_new(config: *const extram_config, pool: *mut *mut extram_pool) -> c_int {
    coded_slowly(|| {
        // SAFETY: by the caller's promise.
        let (config, handle) = unsafe { (extram_config::read(config)?, writable(pool)?) };
        let vacant = registry::vacant()?;
        let place = vacant.place;
        let pool = configured(Pool::new(Foreign::new(config, place, Home::Heap)), &config);
        let made = Made(allocated()?.write(pool));
        made.start()?;
        vacant.fill(made.keep());
        // SAFETY: by the caller's promise; checked for null.
        unsafe { handle.write(place.pool()) };
        Ok(())
    })
}

/// Memory for a pool, as `Box` would have it, which ends the process when there is none.
#[cfg(feature = "std")]
fn allocated() -> Result<&'static mut MaybeUninit<Pool>, extram_code> {
    // SAFETY: the size is not 0.
    let memory = unsafe { std::alloc::alloc(core::alloc::Layout::new::<Pool>()) };
    // SAFETY: null, or memory for a pool, which nobody else has.
    unsafe { memory.cast::<MaybeUninit<Pool>>().as_mut() }.ok_or(EXTRAM_NO_MEMORY)
}

/// As extram_pool_new, but in memory of the caller's and without an allocator: size bytes at storage, of
/// any alignment, which belong to the pool until extram_pool_free. At most max_ms Ms, or as many as
/// there is room for where that is 0. EXTRAM_POOL_BYTES and extram_pool_size say how much it takes.
///
/// The codes of extram_pool_new; EXTRAM_INVALID also if storage is NULL, EXTRAM_NO_MEMORY also if there
/// is no room for max_ms (or one).
///
/// # Safety
///
/// `storage` is null or points to `size` bytes that nobody else uses; `config` and `pool` are null
/// or point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_pool_init(
    storage: *mut c_void,
    size: usize,
    config: *const extram_config,
    pool: *mut *mut extram_pool,
) -> c_int {
    coded_slowly(|| {
        // SAFETY: by the caller's promise.
        let (config, handle) = unsafe { (extram_config::read(config)?, writable(pool)?) };
        // SAFETY: by the caller's promise.
        let storage = unsafe { Storage::divide(storage, size) }?;
        if storage.ms.len() < config.max_ms.max(1) as usize {
            return Err(EXTRAM_NO_MEMORY);
        }
        let vacant = registry::vacant()?;
        let place = vacant.place;
        let pool = Pool::with_memory(Foreign::new(config, place, Home::Storage), storage.ms);
        let made = Made(storage.pool.write(configured(pool, &config)));
        made.start()?;
        vacant.fill(made.keep());
        // SAFETY: by the caller's promise; checked for null.
        unsafe { handle.write(place.pool()) };
        Ok(())
    })
}

/// Bytes of storage that are enough for extram_pool_init and max_ms Ms; EXTRAM_POOL_BYTES may be
/// more. From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_pool_size(max_ms: u32) -> usize {
    (max_ms.max(1) as usize).saturating_mul(size_of::<M<Foreign>>()).saturating_add(HEAD)
}

/// Used by EXTRAM_POOL_BYTES.
pub const EXTRAM_POOL_WORDS: usize = 128;
/// Used by EXTRAM_POOL_BYTES, on 32-bit processors.
pub const EXTRAM_POOL_WORDS_32: usize = 76;
/// Used by EXTRAM_POOL_BYTES.
pub const EXTRAM_M_WORDS: usize = 24;

/// The pool and what is lost by aligning it.
const HEAD: usize = size_of::<Pool>().next_multiple_of(ALIGN) + ALIGN - 1;
const ALIGN: usize =
    if align_of::<Pool>() > align_of::<M<Foreign>>() { align_of::<Pool>() } else { align_of::<M<Foreign>>() };

// Where `registry.rs` puts its mark.
const _: () = assert!(align_of::<Pool>() > 1);
const WORDS: usize = if size_of::<usize>() == 4 { EXTRAM_POOL_WORDS_32 } else { EXTRAM_POOL_WORDS };
const _: () = assert!(HEAD <= WORDS * size_of::<usize>());
const _: () = assert!(size_of::<M<Foreign>>() <= EXTRAM_M_WORDS * size_of::<usize>());

/// The caller's memory, divided among a pool and its Ms.
struct Storage {
    pool: &'static mut MaybeUninit<Pool>,
    ms: &'static mut [MaybeUninit<M<Foreign>>],
}

impl Storage {
    /// # Safety
    ///
    /// `size` bytes at `storage` are the pool's until it is freed; after that nothing is left of
    /// the references.
    unsafe fn divide(storage: *mut c_void, size: usize) -> Result<Self, extram_code> {
        if storage.is_null() {
            return Err(EXTRAM_INVALID);
        }
        let first = storage.cast::<u8>();
        let count = size.checked_sub(HEAD).ok_or(EXTRAM_NO_MEMORY)? / size_of::<M<Foreign>>();
        // Less than ALIGN, which HEAD has room for.
        let lost = first.addr().wrapping_neg() % ALIGN;
        // SAFETY: within the storage: `lost`, the pool and `count` Ms are `size` bytes at most. What
        // is uninitialised may be anything.
        unsafe {
            let pool = first.add(lost);
            let ms = pool.add(size_of::<Pool>().next_multiple_of(ALIGN)).cast();
            Ok(Storage { pool: &mut *pool.cast(), ms: core::slice::from_raw_parts_mut(ms, count) })
        }
    }
}

/// A pool that ends if starting it fails, or panics. A pointer, with which its memory can be freed.
struct Made(*mut Pool);

impl Made {
    fn start(&self) -> Result<(), extram_code> {
        // SAFETY: it lives until `end`, here or in `extram_pool_free`.
        let pool: &'static Pool = unsafe { &*self.0 };
        made(|| pool.start())
    }

    fn keep(self) -> *mut Pool {
        let pool = self.0;
        core::mem::forget(self);
        pool
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: made a moment ago, and nobody has been told of it.
        unsafe { end(self.0) };
    }
}

/// Drops a pool, and frees its memory if that is ours.
///
/// # Safety
///
/// Made by `extram_pool_new` or `extram_pool_init`, and nobody uses it now or later.
unsafe fn end(pool: *mut Pool) {
    // SAFETY: by the caller's promise.
    match unsafe { &*pool }.runtime().home {
        // SAFETY: as `Box` has it, from `allocated`.
        #[cfg(feature = "std")]
        Home::Heap => drop(unsafe { Box::from_raw(pool) }),
        // SAFETY: written by `extram_pool_init`.
        Home::Storage => unsafe { pool.drop_in_place() },
    }
}

/// Turns newcomers away with EXTRAM_CLOSED and wakes the threads that wait with it. Once no M is in
/// use, frees every context. After EXTRAM_OK nothing of the pool is touched by the threads that used
/// it, not even when they exit: the library may be unloaded. Closing a pool that is closed does nothing
/// and returns EXTRAM_OK, until extram_pool_free. Not from a signal handler.
///
/// EXTRAM_BUSY while an M is in use or being made, a thread that was inside is just ending, or another thread
/// closes the pool, prewarms or trims it right now; and where the system has begun to refuse memory
/// barriers (a program that put itself into a sandbox), until the threads that the pool's Ms are bound to have exited. Newcomers are turned away all the
/// same: call again, or take it back with extram_pool_reopen. EXTRAM_INVALID, too, if free_context,
/// being written in Rust, panicked, now or where nobody could be told (when a thread left or exited);
/// that context counts as freed. Call again.
///
/// # Safety
///
/// None: any value may be passed.
#[unsafe(no_mangle)]
pub extern "C" fn extram_pool_close(pool: *mut extram_pool) -> c_int {
    coded_slowly(|| {
        let at_work = find(pool)?;
        let closed = at_work.pool.close();
        if closed.is_ok() {
            at_work.set_closed();
            #[cfg(feature = "probes")]
            extram_probes::closed(pool);
        }
        told(&at_work)?;
        closed.map_err(|_| EXTRAM_BUSY)
    })
}

/// Says so if `free_context` has panicked.
pub(crate) fn told(at_work: &AtWork) -> Result<(), extram_code> {
    if at_work.pool.runtime().take_panicked() { Err(EXTRAM_INVALID) } else { Ok(()) }
}

/// Takes back an extram_pool_close that said EXTRAM_BUSY: newcomers are let in again. Not from a
/// signal handler.
///
/// EXTRAM_CLOSED if the pool has been closed to the end; EXTRAM_BUSY if it is open, or another thread
/// closes it right now; EXTRAM_CREATION_FAILED, or EXTRAM_NO_MEMORY as extram_pool_new says, if no M is
/// left and none can be made: it stays closed.
#[unsafe(no_mangle)]
pub extern "C" fn extram_pool_reopen(pool: *mut extram_pool) -> c_int {
    coded_slowly(|| {
        let at_work = find(pool)?;
        // Not marked as closed: what is closed to the end is not reopened, and by now another thread may
        // have closed it.
        made(|| at_work.pool.reopen())
    })
}

/// Ends a closed pool: its memory is freed, or is the caller's again. From then on its handles get
/// EXTRAM_INVALID.
///
/// EXTRAM_BUSY, and nothing has changed, if the pool is not closed, or another thread is right now in a
/// function of this header (extram_pool_free included) with its handle or one of an earlier pool in its
/// place: call again.
/// EXTRAM_BUSY also from within the functions of the configuration, and where the system has begun
/// to refuse memory barriers.
#[unsafe(no_mangle)]
pub extern "C" fn extram_pool_free(pool: *mut extram_pool) -> c_int {
    coded_slowly(|| {
        let pool = registry::evict(Place::of_pool(pool).ok_or(EXTRAM_INVALID)?)?;
        // SAFETY: nobody is at work on it (`evict`), and the threads that used it do not touch it
        // after `close`.
        unsafe { end(pool) };
        Ok(())
    })
}

/// Gives the calling thread's idle bound M back now.
///
/// EXTRAM_BUSY inside a call; EXTRAM_OK also if the thread has none.
#[unsafe(no_mangle)]
pub extern "C" fn extram_unbind(pool: *mut extram_pool) -> c_int {
    coded_slowly(|| {
        let at_work = find(pool)?;
        if !at_work.pool.unbind() && inside(&at_work).is_some() {
            return Err(EXTRAM_BUSY);
        }
        Ok(())
    })
}

/// The M of the call that the calling thread is inside.
fn inside(at_work: &AtWork) -> Option<&'static M<Foreign>> {
    // SAFETY: used before the thread can leave: `floor` sees to it.
    unsafe { raw::inside(at_work.pool) }
}

/// Makes Ms until this many are spare, so that as many threads can enter at once without waiting. The
/// calling thread enters meanwhile, and may wait as in extram_enter.
///
/// EXTRAM_EXHAUSTED if max_ms allows no more, or no more calls or waiting threads can be counted;
/// EXTRAM_CREATION_FAILED and EXTRAM_NO_MEMORY as extram_pool_new says; EXTRAM_CLOSED. The Ms made so
/// far stay.
#[unsafe(no_mangle)]
pub extern "C" fn extram_prewarm(pool: *mut extram_pool, spare: u32) -> c_int {
    coded_slowly(|| {
        let at_work = find(pool)?;
        let _floor = inside(&at_work).map(Floor::raise);
        made(|| at_work.pool.prewarm(spare))
    })
}

/// Keeps `new_context` from leaving the call that prewarming is inside of.
struct Floor {
    m: &'static M<Foreign>,
    before: u32,
}

impl Floor {
    fn raise(m: &'static M<Foreign>) -> Self {
        Floor { m, before: m.context().set_floor(m.depth() + 1) }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.m.context().set_floor(self.before);
    }
}

/// Frees the contexts of spare Ms until this many are spare (one always stays), and writes to *dropped, which
/// may not be NULL, how many it freed.
///
/// EXTRAM_INVALID, too, if free_context, being written in Rust, panicked, as extram_pool_close says;
/// that context counts as freed.
///
/// # Safety
///
/// `dropped` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_trim(pool: *mut extram_pool, keep: u32, dropped: *mut u32) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { trim_by(pool, dropped, |pool| pool.trim(keep)) }
}

/// Frees the contexts of as many spare Ms as there are with which no thread has entered for age_ms milliseconds,
/// except one, which stays ready for whoever comes next, and writes to *dropped, which may not be NULL, how many
/// it freed. Stops early when a thread waits. For a timer.
///
/// The age of an M counts from when a thread got it last, or it was made; of one that was bound, from when its thread
/// gave it back, by extram_unbind or because it ended. So with EXTRAM_BIND_CALL take an age that is longer than
/// a call: one that takes longer leaves an M that may go at once. Ages begin again after 49 days. Where the
/// library has no clock (a kernel's) nothing is freed. What extram_prewarm made and nobody used goes, too: not where
/// handlers rely on several.
///
/// EXTRAM_INVALID as extram_trim.
///
/// # Safety
///
/// `dropped` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_trim_unused(pool: *mut extram_pool, age_ms: u32, dropped: *mut u32) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { trim_by(pool, dropped, |pool| pool.trim_unused(Duration::from_millis(age_ms.into()))) }
}

/// # Safety
///
/// `dropped` is null or points to what its type says.
unsafe fn trim_by(pool: *mut extram_pool, dropped: *mut u32, trim: impl FnOnce(&Pool) -> u32) -> c_int {
    coded_slowly(|| {
        // SAFETY: by the caller's promise.
        let dropped = unsafe { writable(dropped) }?;
        let at_work = find(pool)?;
        let count = trim(at_work.pool);
        told(&at_work)?;
        // SAFETY: by the caller's promise; checked for null.
        unsafe { dropped.write(count) };
        Ok(())
    })
}

/// The pool's figures. Set stats->size to sizeof(extram_stats) before. From any context.
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
