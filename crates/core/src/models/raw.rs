//! Raw calls, whose handles may be stale.

use crate::models::model_loads;
use crate::models::pool::{ModelPool, SharedPool, work};
use crate::models::port::spawn;
use crate::{Binding, EnterError, LeaveError, M, raw};

fn enter(pool: &'static SharedPool) -> &'static M<crate::models::pool::ModelRuntime> {
    let entered = pool.enter().unwrap();
    // SAFETY: left by the same thread.
    unsafe { raw::keep(pool, entered) }
}

/// A thread leaves a call that it has left, while another one enters with the M: the handle is refused, and
/// the other one's call stays.
fn a_stale_handle(binding: Binding, limit: u32) {
    let pool = ModelPool::<false>::new(binding, limit);
    let shared = pool.get();
    let stale = enter(shared);
    // SAFETY: entered above.
    unsafe { raw::leave(shared, stale) }.unwrap();
    shared.unbind();
    let other = spawn(move || {
        let m = enter(shared);
        work(m);
        // SAFETY: entered above.
        unsafe { raw::leave(shared, m) }
    });
    // SAFETY: whether it is held is the question.
    assert!(unsafe { raw::held(shared, stale.id()) }.is_none());
    // SAFETY: the same.
    assert_eq!(unsafe { raw::leave(shared, stale) }, Err(LeaveError::NotHeld));
    assert_eq!(other.join().unwrap(), Ok(()));
    pool.end_at_rest();
}

/// Edge: raw entry x leave.
#[test]
fn a_stale_handle_is_told_from_another_threads_call() {
    model_loads(3, || a_stale_handle(Binding::Call, 1));
}

/// Edge: raw entry x enter.
#[test]
fn a_stale_handle_is_told_from_another_threads_call_on_a_bound_m() {
    model_loads(2, || a_stale_handle(Binding::Thread, 1));
}

/// A handler looks whether its thread is inside, while another thread takes the idle M back.
///
/// Edge: raw entry x enter.
#[test]
fn a_raw_handler_does_not_nest_in_an_m_that_is_being_taken_back() {
    model_loads(2, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        // SAFETY: it is left right away, and loom tells if somebody else is at work on it.
        match unsafe { raw::enter_from_signal(shared) } {
            Ok(m) => {
                work(m);
                // SAFETY: entered above.
                unsafe { raw::leave(shared, m) }.unwrap();
            }
            Err(error) => assert_eq!(error, EnterError::Exhausted),
        }
        other.join().unwrap();
        pool.end_at_rest();
    });
}
