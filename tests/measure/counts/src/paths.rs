//! The hot paths, each under a function by whose name callgrind knows when to count.

use extram::{Binding, M, Native, Pool, Runtime};
use extram_capi::{
    EXTRAM_BIND_CALL, EXTRAM_BIND_THREAD, extram_config, extram_enter, extram_leave, extram_m,
    extram_pool_new,
};
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;
use std::thread;

/// What is counted, in this order; `floor` is the counting itself, and in each of the others.
pub(crate) const NAMES: [&str; 9] = [
    "floor",
    "bound",
    "nested",
    "per_call",
    "c_bound",
    "c_per_call",
    "first_bound",
    "first_per_call",
    "refill",
];

/// Calls in a path that is taken again and again.
pub(crate) const CALLS: u32 = 1000;

/// By this name callgrind counts.
pub(crate) const MARKED: &str = "extram_counts_marked";

#[unsafe(no_mangle)]
#[inline(never)]
fn extram_counts_marked(work: &dyn Fn()) {
    work();
}

struct Nothing;

impl Runtime for Nothing {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        Ok(1)
    }
}

type Warm = &'static Pool<Nothing, Native>;

fn pool(binding: Binding) -> Result<Warm, String> {
    let pool: Warm = Box::leak(Box::new(Pool::new(Nothing).binding(binding)));
    pool.start().and_then(|()| pool.prewarm(2)).map_err(|error| error.to_string())?;
    Ok(pool)
}

fn again_and_again(call: impl Fn()) {
    // So that nothing is there for the first time when it counts.
    call();
    extram_counts_marked(&|| (0..CALLS).for_each(|_| call()));
}

fn on_a_fresh_thread(call: impl Fn() + Send + 'static) -> Result<(), String> {
    thread::spawn(move || extram_counts_marked(&call)).join().map_err(|_| "the thread panicked".into())
}

/// Takes one of them, for callgrind to see.
pub(crate) fn take(name: &str) -> Result<(), String> {
    let call = |pool: Warm| move || _ = black_box(pool.callback(M::id));
    match name {
        "floor" => again_and_again(|| _ = black_box(1)),
        "bound" => again_and_again(call(pool(Binding::Thread)?)),
        "nested" => {
            let pool = pool(Binding::Thread)?;
            let outer = pool.enter().map_err(|error| error.to_string())?;
            again_and_again(call(pool));
            drop(outer);
        }
        "per_call" => again_and_again(call(pool(Binding::Call)?)),
        "c_bound" => c_face(EXTRAM_BIND_THREAD)?,
        "c_per_call" => c_face(EXTRAM_BIND_CALL)?,
        "first_bound" => on_a_fresh_thread(call(pool(Binding::Thread)?))?,
        "first_per_call" => on_a_fresh_thread(call(pool(Binding::Call)?))?,
        "refill" => {
            let pool: Warm = Box::leak(Box::new(Pool::new(Nothing).binding(Binding::Call)));
            pool.start().map_err(|error| error.to_string())?;
            // It takes the only M, so it owes another.
            extram_counts_marked(&call(pool));
        }
        _ => return Err(format!("{name}: no such path")),
    }
    Ok(())
}

unsafe extern "C-unwind" fn new_context(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    // SAFETY: the library hands over a place for it.
    unsafe { *context = ptr::dangling_mut::<u8>().cast() };
    0
}

fn c_face(binding: u32) -> Result<(), String> {
    let config = extram_config {
        size: size_of::<extram_config>(),
        runtime: ptr::null_mut(),
        new_context: Some(new_context),
        free_context: None,
        admit: None,
        retire: None,
        max_ms: 0,
        binding,
        try_admit: None,
        observe: None,
        spare_max: 0,
        stacks: 0,
    };
    let mut pool = ptr::null_mut();
    // SAFETY: the configuration is whole and the place for the pool is there.
    let code = unsafe { extram_pool_new(&raw const config, &raw mut pool) };
    if code != 0 {
        return Err(format!("the C face makes no pool: code {code}"));
    }
    again_and_again(|| {
        let mut m: *mut extram_m = ptr::null_mut();
        // SAFETY: the place for the M is there; the pool is a handle that may be anything.
        let entered = unsafe { extram_enter(pool, &raw mut m) };
        assert_eq!(entered, 0, "the C face refuses a call");
        black_box(m);
        extram_leave(pool, m);
    });
    Ok(())
}
