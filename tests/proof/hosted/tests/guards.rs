//! Guards: on their thread, in any order.
#![cfg(unix)]

use extram::{Binding, Entered, LeaveError, M, Native, Pool};
use extram_core::raw;
use extram_hosted::{Witness, alone, close, rest, started};
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::SeqCst;

/// Scenario 22.
#[test]
fn a_guard_that_leaves_its_thread_does_not_compile() {
    static_assertions::assert_not_impl_any!(Entered<Witness, Native>: Send, Sync);
    static_assertions::assert_impl_all!(Pool<Witness, Native>: Send, Sync);
    // It runs the compiler, and programs for FreeBSD run where none is.
    #[cfg(not(target_os = "freebsd"))]
    trybuild::TestCases::new().compile_fail("tests/refused_by_the_compiler/*.rs");
}

/// Scenario 22. As C leaves: by the M, which may be anybody's.
#[test]
fn leaving_twice_or_with_the_m_of_another_is_refused() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Witness::default()).binding(binding));
        let other = started(Pool::new(Witness::default()).binding(binding));
        let entered = pool.enter().unwrap();
        // An M is not `Sync`: as in C, its address is all that goes around.
        let address = AtomicPtr::new((&raw const *entered).cast_mut());
        // SAFETY: an M lives as long as its pool, which is for ever.
        let m = || unsafe { &*address.load(SeqCst) };
        // SAFETY: what is left is not used any more; that it is not refused is the test's question.
        let leave = |pool, m: &'static M<Witness>| unsafe { raw::leave(pool, m) };
        // SAFETY: as above.
        let discard = |pool, m: &'static M<Witness>| unsafe { raw::discard(pool, m) };
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(leave(pool, m()), Err(LeaveError::NotHeld), "another thread's"));
            // Joined: a scope does not wait for exit hooks.
            let inside = scope.spawn(|| {
                let _mine = pool.enter().unwrap();
                assert_eq!(leave(pool, m()), Err(LeaveError::NotHeld), "another thread's, from inside");
            });
            inside.join().unwrap();
        });
        let elsewhere = other.enter().unwrap();
        assert_eq!(leave(other, m()), Err(LeaveError::NotHeld), "another pool's");
        alone(&entered, || assert_eq!(pool.stats().in_use, 1));
        drop(elsewhere);
        assert_eq!(leave(pool, m()), Err(LeaveError::NotHeld), "a guard's");
        assert_eq!(discard(pool, m()), Err(LeaveError::NotHeld), "a guard's");
        // SAFETY: used by this thread, until it is left below.
        unsafe { raw::keep(pool, entered) };
        std::thread::scope(|scope| {
            let (leaves, discards) = (|| leave(pool, m()), || discard(pool, m()));
            let outside = scope.spawn(move || (leaves(), discards()));
            let refused = (Err(LeaveError::NotHeld), Err(LeaveError::NotHeld));
            assert_eq!(outside.join().unwrap(), refused, "another thread's, which is raw");
        });
        assert_eq!(leave(pool, m()), Ok(()));
        assert_eq!(pool.runtime().dropped.load(SeqCst), 0, "what was refused discards nothing");
        assert_eq!(leave(pool, m()), Err(LeaveError::NotHeld), "left already");
        for pool in [pool, other] {
            pool.unbind();
            rest(pool, 0);
            close(pool);
        }
    }
}
