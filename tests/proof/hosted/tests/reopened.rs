//! A pool that is closed and started again under a thread's feet. A program of its own, so that the
//! pool has its thread-local word in the first place that the port has for it.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{Tapped, Taps, Witness, call, started_on};

/// The pool is closed and started again between a thread's look at its value and its taking an M:
/// the hook that it had is that of the last time.
#[test]
fn a_hook_from_before_the_pool_was_started_again_does_not_count() {
    for binding in [Binding::Thread, Binding::Call] {
        for limit in [u32::MAX, 2] {
            let pool =
                started_on::<Tapped, false>(Pool::new(Witness::default()).binding(binding).limit(limit));
            std::thread::spawn(move || {
                call(pool);
                pool.unbind();
                Taps::after_next_look(extram_kept::keep(move || {
                    pool.close().expect("nobody is inside");
                    pool.start().expect("it is closed");
                }));
                // It exits inside, or bound.
                let entered = pool.enter().expect("it is open");
                if binding == Binding::Call {
                    // SAFETY: nobody uses the M of this call any more.
                    unsafe { extram_core::raw::keep(pool, entered) };
                }
            })
            .join()
            .unwrap();
            assert_eq!(pool.stats().in_use, 0, "{binding:?}, limit {limit}");
            assert_eq!(pool.stats().bound_idle, 0, "{binding:?}, limit {limit}");
            pool.close().expect("nobody is inside");
        }
    }
}
