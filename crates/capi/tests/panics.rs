//! A function of the configuration, being written in Rust, panics: a code, and nothing is lost.

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{
    code, config, end, enter, enter_from_signal, enter_timeout, leave, stats, trim, trim_unused, try_enter,
    try_new,
};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// What panics how often, and which contexts there are.
#[derive(Default)]
struct World {
    make: AtomicI32,
    admit: AtomicI32,
    retire: AtomicI32,
    free: AtomicI32,
    made: AtomicU32,
    freed: AtomicU32,
}

/// A payload whose destructor panics as well.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any("the payload of a panic (expected in this test)");
    }
}

fn world(runtime: *mut c_void) -> &'static World {
    // SAFETY: the tests' own, leaked.
    unsafe { &*runtime.cast::<World>() }
}

fn perhaps(left: &AtomicI32) {
    if left.load(SeqCst) > 0 && left.fetch_sub(1, SeqCst) > 0 {
        if left.load(SeqCst) % 2 == 0 {
            std::panic::panic_any(Bomb);
        }
        panic!("on purpose (expected in this test)");
    }
}

unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
    perhaps(&world(runtime).make);
    world(runtime).made.fetch_add(1, SeqCst);
    // SAFETY: as the pool called it.
    unsafe { face::new_context(runtime, context) }
}

unsafe extern "C-unwind" fn admit(runtime: *mut c_void, _: *mut extram_m) {
    perhaps(&world(runtime).admit);
}

unsafe extern "C-unwind" fn retire(runtime: *mut c_void, _: *mut extram_m) {
    perhaps(&world(runtime).retire);
}

unsafe extern "C-unwind" fn free(runtime: *mut c_void, context: *mut c_void) {
    world(runtime).freed.fetch_add(1, SeqCst);
    // SAFETY: as the pool called it.
    unsafe { face::free_context(runtime, context) };
    perhaps(&world(runtime).free);
}

impl World {
    fn new() -> &'static Self {
        std::panic::set_hook(Box::new(|_| ()));
        face::keep(World::default())
    }

    fn config(&'static self, binding: u32, max_ms: u32) -> extram_config {
        extram_config {
            runtime: (&raw const *self).cast_mut().cast(),
            new_context: Some(make),
            free_context: Some(free),
            admit: Some(admit),
            retire: Some(retire),
            binding,
            max_ms,
            ..config()
        }
    }

    /// For each kind of pool: a pool, what is done to it, and whether everything is as it should be.
    fn with_pools(what: impl Fn(&'static World, *mut extram_pool)) {
        for (binding, max_ms) in [(0, 0), (0, 4), (1, 0), (1, 4)] {
            let world = World::new();
            let pool = try_new(&world.config(binding, max_ms)).expect("a pool");
            what(world, pool);
            for left in [&world.make, &world.admit, &world.retire, &world.free] {
                assert_eq!(left.load(SeqCst), 0, "it did panic");
            }
            let now = stats(pool);
            assert_eq!((now.in_use, now.waiting, now.creating), (0, 0, 0), "{now:?}");
            assert_eq!(now.created, now.spare + now.bound_idle, "{now:?}");
            assert_eq!(now.created, world.made.load(SeqCst) - world.freed.load(SeqCst), "{now:?}");
            let m = enter(pool).expect("in");
            assert_eq!(leave(pool, m), EXTRAM_OK);
            assert_eq!(code(extram_prewarm(pool, 2)), EXTRAM_OK);
            end(pool);
            assert_eq!(world.made.load(SeqCst), world.freed.load(SeqCst));
        }
    }
}

type Way = fn(*mut extram_pool) -> Result<*mut extram_m, extram_code>;

#[test]
fn in_new_context() {
    let world = World::new();
    for _ in 0..2 {
        world.make.store(1, SeqCst);
        assert_eq!(try_new(&world.config(0, 0)), Err(EXTRAM_INVALID));
    }
    assert_eq!(world.made.load(SeqCst), 0);
    World::with_pools(|world, pool| {
        // The one that it owes.
        world.make.store(1, SeqCst);
        assert_eq!(enter(pool), Err(EXTRAM_INVALID));
        world.make.store(2, SeqCst);
        for _ in 0..2 {
            assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_INVALID);
        }
    });
}

#[test]
fn in_admit() {
    World::with_pools(|world, pool| {
        let ways = [enter, try_enter, enter_from_signal, |pool| enter_timeout(pool, Duration::from_secs(9))];
        for way in ways {
            // The first time, and with the M that it has by then.
            for _ in 0..2 {
                world.admit.store(1, SeqCst);
                assert_eq!(way(pool), Err(EXTRAM_INVALID));
                assert_eq!(stats(pool).in_use, 0);
                let m = way(pool).expect("in");
                assert_eq!([leave(pool, m), leave(pool, m)], [EXTRAM_OK, EXTRAM_INVALID]);
            }
        }
        world.admit.store(1, SeqCst);
        assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
        assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_INVALID);
    });
}

#[test]
fn in_retire() {
    World::with_pools(|world, pool| {
        let ways: [(Way, bool); 3] = [(enter, true), (try_enter, true), (enter_from_signal, false)];
        for (way, nests) in ways {
            for _ in 0..2 {
                let m = way(pool).expect("in");
                world.retire.store(1, SeqCst);
                if nests {
                    let nested = way(pool).expect("nested");
                    assert_eq!(leave(pool, nested), EXTRAM_OK, "it is not the outermost");
                }
                assert_eq!(leave(pool, m), EXTRAM_INVALID);
                assert_eq!(stats(pool).in_use, 0, "the call is over");
                assert_eq!(leave(pool, m), EXTRAM_INVALID);
                assert!(extram_context(m).is_null());
            }
        }
    });
}

#[test]
fn in_free_context() {
    World::with_pools(|world, pool| {
        assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_OK);
        assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
        let spare = stats(pool).spare;
        world.free.store(1, SeqCst);
        assert_eq!(trim(pool, 0), Err(EXTRAM_INVALID));
        assert_eq!(trim(pool, 0), Ok(0), "the others were freed all the same");
        assert_eq!((stats(pool).spare, world.freed.load(SeqCst)), (1, spare - 1));

        assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_OK);
        assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
        world.free.store(1, SeqCst);
        assert_eq!(trim_unused(pool, Duration::ZERO), Err(EXTRAM_INVALID));
        assert_eq!(trim_unused(pool, Duration::ZERO), Ok(0), "the others were freed all the same");
        assert_eq!(stats(pool).spare, 1);
    });
    // While the pool is closed: it is closed in spite of it.
    for (binding, panics) in [(0, 1), (0, 4), (1, 1), (1, 4)] {
        let world = World::new();
        let pool = try_new(&world.config(binding, 0)).expect("a pool");
        assert_eq!(code(extram_prewarm(pool, 5)), EXTRAM_OK);
        world.free.store(panics, SeqCst);
        assert_eq!(code(extram_pool_close(pool)), EXTRAM_INVALID);
        assert_eq!(world.free.load(SeqCst), 0);
        assert_eq!(world.made.load(SeqCst), world.freed.load(SeqCst));
        assert_eq!(enter(pool), Err(EXTRAM_CLOSED));
        end(pool);
    }
}

/// Whatever panics, the context is freed, once, and the caller is told with the call that is over.
#[test]
fn in_what_a_discard_calls() {
    World::with_pools(|world, pool| {
        let panicking = [&world.make, &world.admit, &world.retire, &world.free];
        for (nth, panics) in panicking.into_iter().enumerate() {
            // Another is spare: none is made, and nobody is admitted for that.
            if nth > 1 {
                assert_eq!(code(extram_prewarm(pool, 2)), EXTRAM_OK);
                assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
                let (m, freed) = (enter(pool).expect("in"), world.freed.load(SeqCst));
                panics.store(1, SeqCst);
                assert_eq!(code(extram_discard(pool, m)), EXTRAM_INVALID);
                assert_eq!((stats(pool).in_use, world.freed.load(SeqCst)), (0, freed + 1), "{nth}");
                assert_eq!(code(extram_discard(pool, m)), EXTRAM_INVALID);
            }
            let mut all: Vec<_> = std::iter::from_fn(|| enter_from_signal(pool).ok()).collect();
            let (m, freed) = (all.pop().expect("one is spare"), world.freed.load(SeqCst));
            panics.store(1, SeqCst);
            assert_eq!(code(extram_discard(pool, m)), EXTRAM_INVALID);
            assert_eq!(world.freed.load(SeqCst), freed + 1, "{nth}");
            assert_eq!(stats(pool).in_use as usize, all.len(), "{nth}");
            for m in all {
                assert_eq!(leave(pool, m), EXTRAM_OK);
            }
            // Where none is left, who comes first makes one.
            assert_eq!(enter(pool).map(|m| leave(pool, m)), Ok(EXTRAM_OK));
            assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
        }
    });
}
