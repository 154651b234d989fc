//! A pool as C sees it: two functions and a pointer. Unlike a guard, an M that C holds is left by
//! hand, or by nobody when the thread exits inside.

use crate::Witness;
use core::ffi::c_void;
use extram::{M, Pool};
use extram_core::raw;

/// `struct hosted_pool` of `hosted.h`.
#[repr(C)]
#[derive(Debug)]
pub struct CPool {
    enter: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    leave: unsafe extern "C" fn(*mut c_void, *mut c_void),
    pool: *mut c_void,
}

// SAFETY: the pool is shared by all threads, which is what it is for.
unsafe impl Sync for CPool {}

impl CPool {
    /// The pool for C.
    pub fn new(pool: &'static Pool<Witness>) -> Self {
        CPool { enter, leave, pool: (&raw const *pool).cast_mut().cast() }
    }
}

unsafe extern "C" fn enter(pool: *mut c_void) -> *mut c_void {
    // SAFETY: from `new`, alive for ever.
    let pool = unsafe { &*pool.cast_const().cast::<Pool<Witness>>() };
    match pool.enter() {
        Ok(entered) => {
            // SAFETY: C uses it on this thread, and leaves it or ends the thread.
            let m: *const M<Witness> = unsafe { raw::keep(pool, entered) };
            m.cast_mut().cast()
        }
        Err(_) => core::ptr::null_mut(),
    }
}

unsafe extern "C" fn leave(pool: *mut c_void, m: *mut c_void) {
    // SAFETY: both from `enter`; the memory of an M stays as long as its pool.
    let (pool, m) =
        unsafe { (&*pool.cast_const().cast::<Pool<Witness>>(), &*m.cast_const().cast::<M<Witness>>()) };
    // SAFETY: C leaves what it entered.
    unsafe { raw::leave(pool, m) }.expect("C is inside");
}
