//! A callback that panics with nothing but C above it.
#![allow(missing_docs)]

use extram::Pool;
use extram_hosted::{Witness, started};
use std::ffi::{c_uint, c_void};

static POOL: std::sync::OnceLock<&'static Pool<Witness>> = std::sync::OnceLock::new();

unsafe extern "C" fn body(_: *mut c_void, _: c_uint) {
    let _ = POOL.get().unwrap().callback(|_| panic!("on purpose"));
}

unsafe extern "C" {
    fn hosted_in_turn(
        count: c_uint,
        stack: usize,
        body: unsafe extern "C" fn(*mut c_void, c_uint),
        arg: *mut c_void,
    ) -> c_uint;
}

fn main() {
    POOL.get_or_init(|| started(Pool::new(Witness::default())));
    // SAFETY: the body needs no argument.
    unsafe { hosted_in_turn(1, 0, body, std::ptr::null_mut()) };
    println!("went on");
}
