//! Lua on a Cortex-M3 (mps2-an385, in QEMU). Two tasks, which the timer preempts, call into Lua, and so does the
//! timer's handler, a hundred times a second: first through extram, then in the usual way, one state and
//! interrupts masked for as long as a call takes.
#![no_std]
#![no_main]

mod lua;
mod timer;

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};
use cortex_m_rt::{entry, exception};
use extram_core::{Pool, Runtime, Slots, Threads as _};
use extram_port_bare_metal::BareMetal;
use extram_port_bare_metal::arch::cortex_m::masked;
use extram_test_kernel::{Kernel, Machine, Room, Stacks, run};
use lua::{ALIVE, Lua, MADE, SERVED};
use semihosting::println;

type Port = BareMetal<Kernel>;

struct Interpreters;

impl Runtime for Interpreters {
    type Context = Lua;
    type Error = &'static str;

    fn new_context(&self) -> Result<Lua, &'static str> {
        Lua::new().ok_or("no memory")
    }
}

/// Ms: for each task, for the handler, and the spare one.
const MS: usize = 4;
static SLOTS: Slots<Interpreters, MS> = Slots::new();
static POOL: Pool<Interpreters, Port> = Pool::with_slots(Interpreters, &SLOTS);

/// The usual way's state, while that way is shown.
static ONE: AtomicPtr<Lua> = AtomicPtr::new(core::ptr::null_mut());

/// Calls of each task and the rounds of each; the handler's are short.
const CALLS: u32 = 200;
const ROUNDS: u32 = 40;
const FROM_HANDLER: u32 = 1;

/// Calls with the right result; and the handlers that found a task in the middle of one.
static RIGHT: AtomicU32 = AtomicU32::new(0);
static HANDLERS: AtomicU32 = AtomicU32::new(0);
static ON_TOP: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);
static INSIDE: AtomicU32 = AtomicU32::new(0);
static MEASURES: AtomicBool = AtomicBool::new(false);

fn expected(number: u32, rounds: u32) -> u32 {
    (0..rounds).fold(number, |x, _| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
}

/// A call, in the way that is shown; `inside` counts those that are in Lua.
fn call(number: u32, rounds: u32, inside: &AtomicU32) -> Option<u32> {
    let work = |lua: &Lua| {
        inside.fetch_add(1, Relaxed);
        let result = lua.work(number, rounds);
        inside.fetch_sub(1, Relaxed);
        result
    };
    let one = ONE.load(Relaxed);
    if one.is_null() {
        return POOL.callback(|m| work(m.context())).ok()?;
    }
    // SAFETY: there as long as tasks run and the handler measures; nothing interrupts the call.
    masked(|| work(unsafe { &*one }))
}

fn count(good: bool, counter: &AtomicU32) {
    // Relaxed, here and elsewhere: counters, read when the tasks have ended.
    if good { counter } else { &WRONG }.fetch_add(1, Relaxed);
}

extern "C" fn task(_: *mut ()) {
    for number in 0..CALLS {
        let result = call(number, ROUNDS, &INSIDE);
        count(result == Some(expected(number, ROUNDS)), &RIGHT);
    }
}

#[exception]
fn SysTick() {
    timer::arrived();
    if MEASURES.load(Relaxed) {
        if INSIDE.load(Relaxed) > 0 {
            ON_TOP.fetch_add(1, Relaxed);
        }
        // `callback` in a handler is `enter_from_signal`: it never waits, and the M is one of its own.
        let result = call(7, FROM_HANDLER, &AtomicU32::new(0));
        count(result == Some(expected(7, FROM_HANDLER)), &HANDLERS);
    }
    extram_test_kernel::on_timer();
}

/// Both tasks, until they have ended; whether all was well.
fn both(way: &str) -> bool {
    for counter in [&RIGHT, &HANDLERS, &ON_TOP, &WRONG] {
        counter.store(0, Relaxed);
    }
    timer::begin();
    MEASURES.store(true, Relaxed);
    let second = Port::newosproc(task, core::ptr::null_mut(), STACKS.each);
    task(core::ptr::null_mut());
    let began = second.is_ok();
    if let Ok(second) = second {
        Port::join(second);
    }
    MEASURES.store(false, Relaxed);
    let timer = timer::end();
    let (right, handlers) = (RIGHT.load(Relaxed), HANDLERS.load(Relaxed));
    println!(
        "{way}: {right} calls of two tasks and {handlers} of the timer's handler ({} in the middle of one) in {} ms; the handler began {} us late at most, {} interrupts lost; {} states",
        ON_TOP.load(Relaxed),
        timer.ms,
        timer.latest_us,
        timer.lost,
        ALIVE.load(Relaxed),
    );
    began && right == 2 * CALLS && handlers > 0 && WRONG.load(Relaxed) == 0
}

/// The calls that the states have counted are those that were made, and no state is left.
fn all_gone(calls: u32) -> bool {
    SERVED.swap(0, Relaxed) == calls && ALIVE.load(Relaxed) == 0
}

fn calls() -> u32 {
    RIGHT.load(Relaxed) + HANDLERS.load(Relaxed)
}

extern "C" fn run_all(_: *mut ()) {
    // All of them now, so that the handler, which makes none, finds one.
    let mut good = POOL.start().is_ok() && POOL.prewarm(MS as u32).is_ok();
    good &= both("extram");
    // A handler in the middle of a call has called, and no tick was lost for it.
    good &= ON_TOP.load(Relaxed) > 0;
    POOL.unbind();
    let stats = POOL.stats();
    good &= (stats.created, stats.spare, stats.in_use) == (MS as u32, MS as u32, 0);
    good &= POOL.close().is_ok() && all_gone(calls()) && MADE.load(Relaxed) == MS as u32;

    match Lua::new() {
        Some(mut one) => {
            ONE.store(&mut one, Relaxed);
            good &= both("one state, interrupts masked");
            ONE.store(core::ptr::null_mut(), Relaxed);
            drop(one);
            good &= all_gone(calls());
        }
        None => good = false,
    }
    println!("{}", if good { "done" } else { "something is wrong" });
    semihosting::process::exit(if good { 0 } else { 1 })
}

const MACHINE: Machine =
    Machine { cores: 1, core: || 0, start_core: |_| (), frequency: timer::FREQUENCY, ticks: timer::ticks };
const STACKS: Stacks = Stacks { first: 16 * 1024, each: 16 * 1024 };
/// The idling one, the first task and the second.
static ROOM: Room<3, { STACKS.total(1, 1) }> = Room::new();

unsafe extern "C" {
    /// picolibc's: where the thread-local variables of C are.
    fn _set_tls(block: *mut core::ffi::c_void);
}

#[repr(C, align(16))]
struct ThreadLocals(core::cell::UnsafeCell<[u8; 256]>);

// SAFETY: of C alone, which has nothing but `errno` in there.
unsafe impl Sync for ThreadLocals {}

/// One for all tasks: nobody reads `errno`.
static THREAD_LOCALS: ThreadLocals = ThreadLocals(core::cell::UnsafeCell::new([0; 256]));

#[entry]
fn main() -> ! {
    // SAFETY: there for good, and nothing of C runs yet.
    unsafe { _set_tls(THREAD_LOCALS.0.get().cast()) };
    timer::start();
    run(MACHINE, &ROOM, STACKS, run_all)
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    semihosting::process::exit(2)
}

/// What Lua calls where it has no memory and nobody catches that.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    println!("Lua has given up");
    semihosting::process::exit(3)
}
