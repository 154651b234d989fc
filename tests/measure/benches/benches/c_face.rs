//! What a call costs that comes in through the C face, beside one of Rust's: enter, the context, leave, on a
//! bound thread, in one run. `cargo bench -p extram-benches --bench c_face`.
//!
//! The functions of the face are called as C calls them: each is one symbol, which no compiler inlines here.
//! `--once N` makes N calls of the C face and nothing else, for a tool that counts instructions.

use extram::{M, Native, Pool, Runtime};
use extram_capi::*;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr::null_mut;
use std::time::Instant;

struct Nothing;

impl Runtime for Nothing {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        Ok(1)
    }
}

static RUST: Pool<Nothing, Native> = Pool::new(Nothing);

unsafe extern "C-unwind" fn new_context(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    // SAFETY: the pool hands over a place to write to.
    unsafe { context.write(black_box(8) as *mut c_void) };
    0
}

unsafe extern "C-unwind" fn admit(_: *mut c_void, m: *mut extram_m) {
    black_box(m);
}

fn pool(admit: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut extram_m)>) -> *mut extram_pool {
    let config = extram_config {
        size: size_of::<extram_config>(),
        runtime: null_mut(),
        new_context: Some(new_context),
        free_context: None,
        admit,
        retire: admit,
        max_ms: 0,
        binding: EXTRAM_BIND_THREAD,
        try_admit: None,
        observe: None,
        spare_max: 0,
        stacks: 0,
    };
    let mut pool = null_mut();
    // SAFETY: both point to what they should.
    assert_eq!(unsafe { extram_pool_new(&config, &mut pool) }, 0);
    pool
}

/// One call, as a program in C has it.
#[inline]
fn call(pool: *mut extram_pool) {
    let mut m = null_mut();
    // SAFETY: a place to write to.
    assert_eq!(unsafe { extram_enter(pool, &mut m) }, 0);
    black_box(extram_context(m));
    assert_eq!(extram_leave(pool, m), 0);
}

fn nanoseconds(work: &mut dyn FnMut(u32)) -> f64 {
    const TURNS: u32 = 20_000;
    let begin = Instant::now();
    work(TURNS);
    begin.elapsed().as_nanos() as f64 / f64::from(TURNS)
}

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--once");
    let plain = pool(None);
    if let Some(calls) = args.nth(1) {
        (0..calls.parse::<u64>().expect("how many calls")).for_each(|_| call(plain));
        return;
    }
    RUST.start().expect("starts");
    let hooked = pool(Some(admit));
    // Measured in turn, so that a drift of the machine hits all.
    let mut rows: [(&str, Box<dyn FnMut(u32)>); 4] = [
        ("Rust: callback", Box::new(|turns| (0..turns).for_each(|_| _ = black_box(RUST.callback(M::id))))),
        ("C: enter, context, leave", Box::new(move |turns| (0..turns).for_each(|_| call(plain)))),
        ("C, nested in another call", {
            Box::new(move |turns| {
                let mut m = null_mut();
                // SAFETY: a place to write to.
                assert_eq!(unsafe { extram_enter(plain, &mut m) }, 0);
                (0..turns).for_each(|_| call(plain));
                assert_eq!(extram_leave(plain, m), 0);
            })
        }),
        ("C, with admit and retire", Box::new(move |turns| (0..turns).for_each(|_| call(hooked)))),
    ];
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..101 {
        for (row, times) in rows.iter_mut().zip(&mut times) {
            times.push(nanoseconds(&mut row.1));
        }
    }
    println!("a call of a bound thread, ns, median and least of 101 times 20,000:");
    for ((name, _), times) in rows.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{name:28} {:6.2} {:6.2}", times[times.len() / 2], times[0]);
    }
}
