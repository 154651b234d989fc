//! `extram_pool_free` that comes to nothing has not happened, for anybody.

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{code, config, enter, new};
use std::ptr::without_provenance_mut;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Once it is gone, it is gone: nobody finds a pool that he has missed before.
#[test]
#[cfg_attr(miri, ignore = "its time is not ours")]
fn a_pool_that_is_not_freed_is_missed_by_nobody() {
    let until = Instant::now() + Duration::from_secs(2);
    let busy = AtomicU64::new(0);
    while Instant::now() < until {
        let pool = new(&config());
        assert_eq!(code(extram_pool_close(pool)), EXTRAM_OK);
        let (there, gone) = (pool.addr(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| {
                scope.spawn(|| {
                    let pool = without_provenance_mut(there);
                    let mut missed = false;
                    while !gone.load(SeqCst) {
                        match enter(pool) {
                            Err(EXTRAM_INVALID) => missed = true,
                            Err(EXTRAM_CLOSED) => assert!(!missed, "it was missed, and is there again"),
                            other => panic!("{other:?}"),
                        }
                    }
                })
            });
            let given_up = Instant::now() + Duration::from_millis(50);
            while Instant::now() < given_up {
                let freed = code(extram_pool_free(pool));
                if freed == EXTRAM_OK {
                    break;
                }
                assert_eq!(freed, EXTRAM_BUSY);
                busy.fetch_add(1, SeqCst);
            }
            gone.store(true, SeqCst);
            // Else the end of one may still be in the way of the next pool's close.
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        });
        if code(extram_pool_close(pool)) == EXTRAM_OK {
            face::free(pool);
        }
    }
    assert!(busy.load(SeqCst) > 0, "nobody was in its way");
}

#[test]
fn of_several_that_free_a_pool_one_does() {
    let pools: Vec<_> = (0..200).map(|_| new(&config()).addr()).collect();
    let step = Barrier::new(4);
    let free = |pool| {
        let (mut freed, given_up) = (0, Instant::now() + Duration::from_secs(20));
        while Instant::now() < given_up {
            // By another thread, perhaps, between the two.
            let codes = (code(extram_pool_close(pool)), code(extram_pool_free(pool)));
            if codes == (EXTRAM_INVALID, EXTRAM_INVALID) {
                return Ok(freed);
            }
            match codes.1 {
                EXTRAM_OK => freed += 1,
                EXTRAM_BUSY | EXTRAM_INVALID => std::thread::yield_now(),
                _ => return Err(codes),
            }
        }
        Err((EXTRAM_BUSY, EXTRAM_BUSY))
    };
    let freeing = || {
        let freed = pools.iter().map(|pool| {
            step.wait();
            free(without_provenance_mut(*pool))
        });
        freed.collect::<Vec<_>>()
    };
    let freed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(freeing)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    let freed = freed.into_iter().collect::<Result<Vec<usize>, _>>();
    assert_eq!(freed.map(|freed| freed.into_iter().sum()), Ok(pools.len()));
}

/// It asks the pool itself, from within one of its calls.
#[test]
fn a_call_in_the_pool_keeps_it() {
    let pool = new(&config());
    let m = enter(pool).expect("in");
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_BUSY);
    assert_eq!(code(extram_pool_free(pool)), EXTRAM_BUSY);
    assert!(!extram_context(m).is_null());
    assert_eq!(face::leave(pool, m), EXTRAM_OK);
    face::end(pool);
}
