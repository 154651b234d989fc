//! What an entry from an interrupt handler costs, in instructions. A thread enters, makes Ms and
//! leaves, again and again, and is interrupted one instruction later each time, until it is done
//! before the interrupt comes. The handler counts its own instructions: those of `enter_from_signal`,
//! with the call and the return, and those of leaving.
//!
//! With the feature `nmi` the interrupt is one that nothing keeps off, and comes within what
//! `System::brief` promises not to be interrupted. Where the processor has a compare-exchange it calls
//! there, too; where there is none it leaves the call to a handler.
#![no_std]
#![no_main]

mod clock;
mod machine;

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst};
use cortex_m_rt::{entry, exception};
use extram_core::{Binding, EnterError, Entered, Pool, Slots};
use machine::{Nothing, Port, become_thread};

/// Ms of each pool.
const SLOTS: usize = 8;

/// What entering may take; README.md of the port promises it where there is a compare-exchange.
const MOST: u32 = if cfg!(target_has_atomic = "ptr") { 600 } else { 1_500 };

type ThisPool = Pool<Nothing, Port>;
type Guard = Entered<Nothing, Port>;

static SLOTS_OF_BOTH: Slots<Nothing, SLOTS> = Slots::new();
static BY_CALL: ThisPool = Pool::with_slots(Nothing, &SLOTS_OF_BOTH).binding(Binding::Call);
static BOUND: ThisPool = Pool::with_slots(Nothing, &SLOTS_OF_BOTH).binding(Binding::Thread);

/// How a handler fares.
#[derive(Clone, Copy)]
enum Way {
    /// It takes a spare M.
    Spare,
    /// It takes an idle M away from another thread.
    Idle,
    /// There is none.
    Refused,
}

/// The most instructions of each way, and how often it was gone.
struct Most {
    enter: AtomicU32,
    leave: AtomicU32,
    times: AtomicU32,
}

static MOST_OF: [Most; 3] =
    [const { Most { enter: AtomicU32::new(0), leave: AtomicU32::new(0), times: AtomicU32::new(0) } }; 3];

static POOL: AtomicPtr<ThisPool> = AtomicPtr::new(core::ptr::null_mut());
/// No M is spare, but some are idle with other threads.
static SOME_IDLE: AtomicBool = AtomicBool::new(false);
/// The thread has done what it wanted.
static DONE: AtomicBool = AtomicBool::new(false);
static HANDLED: AtomicBool = AtomicBool::new(false);
/// It had before the interrupt came.
static LATE: AtomicBool = AtomicBool::new(false);

#[inline(never)]
fn enter(pool: &'static ThisPool) -> Result<Guard, EnterError> {
    pool.enter_from_signal()
}

#[inline(never)]
fn leave(guard: Guard) {
    drop(guard);
}

/// Non-maskable interrupts that came where interrupts were masked.
static WHILE_MASKED: AtomicU32 = AtomicU32::new(0);

/// Whether the interrupt calls there, too.
const CALLS_THERE: bool = cfg!(any(target_has_atomic = "ptr", feature = "careless"));

#[cfg(feature = "nmi")]
#[exception]
unsafe fn NonMaskableInt() {
    clock::stop();
    let masked = extram_port_bare_metal::arch::cortex_m::is_masked();
    // A load and a store: nothing interrupts this.
    WHILE_MASKED.store(WHILE_MASKED.load(SeqCst) + u32::from(masked), SeqCst);
    if masked && !CALLS_THERE {
        const ICSR: *mut u32 = 0xe000_ed04 as *mut u32;
        const PENDSTSET: u32 = 1 << 26;
        // SAFETY: one bit, which makes the system timer's interrupt pending.
        unsafe { ICSR.write_volatile(PENDSTSET) };
    } else {
        interrupted();
    }
}

#[exception]
fn SysTick() {
    clock::stop();
    interrupted();
}

fn interrupted() {
    HANDLED.store(true, SeqCst);
    if DONE.load(SeqCst) {
        return LATE.store(true, SeqCst);
    }
    // SAFETY: stored from a `&'static` by `Sweep::run`, before the first interrupt.
    let pool: &'static ThisPool = unsafe { &*POOL.load(SeqCst) };
    let before = clock::left();
    let entered = enter(pool);
    let between = clock::left();
    let way = match &entered {
        Ok(_) if SOME_IDLE.load(SeqCst) => Way::Idle,
        Ok(_) => Way::Spare,
        Err(_) => Way::Refused,
    };
    let most = &MOST_OF[way as usize];
    most.times.store(most.times.load(SeqCst) + 1, SeqCst);
    // The reading itself is one.
    let entering = clock::instructions(before, between) - 1;
    most.enter.store(most.enter.load(SeqCst).max(entering), SeqCst);
    if let Ok(guard) = entered {
        let before = clock::left();
        leave(guard);
        let leaving = clock::instructions(before, clock::left()) - 1;
        most.leave.store(most.leave.load(SeqCst).max(leaving), SeqCst);
    }
}

/// One operation, interrupted at every instruction in turn.
struct Sweep {
    name: &'static str,
    pool: &'static ThisPool,
    some_idle: bool,
    before: fn(&'static ThisPool),
    operation: fn(&'static ThisPool),
    after: fn(&'static ThisPool),
}

impl Sweep {
    /// Runs it; whether the pool was as it should be after each interrupt.
    fn run(&self) -> bool {
        POOL.store(core::ptr::from_ref(self.pool).cast_mut(), SeqCst);
        SOME_IDLE.store(self.some_idle, SeqCst);
        LATE.store(false, SeqCst);
        let mut good = true;
        let mut interrupts = 0;
        while !LATE.load(SeqCst) {
            machine::begin();
            good &= self.pool.start().is_ok();
            (self.before)(self.pool);
            DONE.store(false, SeqCst);
            HANDLED.store(false, SeqCst);
            clock::interrupt_in(interrupts * clock::STEP + clock::STEP);
            (self.operation)(self.pool);
            DONE.store(true, SeqCst);
            while !HANDLED.load(SeqCst) {}
            (self.after)(self.pool);
            let stats = self.pool.stats();
            good &= stats.in_use == 0 && stats.created == stats.spare + stats.bound_idle;
            good &= stats.waiting == 0 && stats.creating == 0;
            good &= self.pool.close().is_ok();
            interrupts += 1;
        }
        defmt::println!("{=str}: interrupted at {=u32} points: {=str}", self.name, interrupts, told(good));
        good
    }
}

fn told(good: bool) -> &'static str {
    if good { "ok" } else { "FAILED" }
}

fn nothing(_: &'static ThisPool) {}

fn call(pool: &'static ThisPool) {
    drop(pool.enter());
}

fn call_in_a_call(pool: &'static ThisPool) {
    let outer = pool.enter();
    drop(pool.enter());
    drop(outer);
}

fn call_and_unbind(pool: &'static ThisPool) {
    drop(pool.enter());
    pool.unbind();
}

fn try_in_vain(pool: &'static ThisPool) {
    drop(pool.try_enter());
}

/// Every slot's M is with a thread of its own.
fn all_inside(pool: &'static ThisPool) {
    for thread in 1..=SLOTS {
        become_thread(thread);
        if let Ok(entered) = pool.enter() {
            // SAFETY: nobody uses it; `thread_leaves` leaves.
            unsafe { extram_core::raw::keep(pool, entered) };
        }
    }
    become_thread(0);
}

/// The same, and the last one of them is outside.
fn all_but_one_inside(pool: &'static ThisPool) {
    all_inside(pool);
    thread_leaves(pool, SLOTS);
    become_thread(0);
}

fn all_leave(pool: &'static ThisPool) {
    for thread in 1..=SLOTS {
        thread_leaves(pool, thread);
    }
    become_thread(0);
}

fn thread_leaves(pool: &'static ThisPool, thread: usize) {
    become_thread(thread);
    // SAFETY: the simulated thread's own, which nobody uses any more.
    unsafe {
        if let Some(m) = extram_core::raw::inside(pool) {
            let _ = extram_core::raw::leave(pool, m);
        }
    }
}

static SWEEPS: [Sweep; 9] = [
    Sweep {
        name: "a first call, which makes an M",
        pool: &BY_CALL,
        some_idle: false,
        before: nothing,
        operation: call,
        after: nothing,
    },
    Sweep {
        name: "a further call",
        pool: &BY_CALL,
        some_idle: false,
        before: call,
        operation: call,
        after: nothing,
    },
    Sweep {
        name: "a call within a call",
        pool: &BY_CALL,
        some_idle: false,
        before: call,
        operation: call_in_a_call,
        after: nothing,
    },
    Sweep {
        name: "a call that is refused",
        pool: &BY_CALL,
        some_idle: false,
        before: all_inside,
        operation: try_in_vain,
        after: all_leave,
    },
    Sweep {
        name: "a first call that binds",
        pool: &BOUND,
        some_idle: false,
        before: nothing,
        operation: call,
        after: nothing,
    },
    Sweep {
        name: "a call of a bound thread",
        pool: &BOUND,
        some_idle: false,
        before: call,
        operation: call_in_a_call,
        after: nothing,
    },
    Sweep {
        name: "a call of a bound thread that then unbinds",
        pool: &BOUND,
        some_idle: false,
        before: call,
        operation: call_and_unbind,
        after: nothing,
    },
    Sweep {
        name: "a call that takes the last idle M back",
        pool: &BOUND,
        some_idle: true,
        before: all_but_one_inside,
        operation: try_in_vain,
        after: all_leave,
    },
    Sweep {
        name: "a call that is refused where threads are bound",
        pool: &BOUND,
        some_idle: false,
        before: all_inside,
        operation: try_in_vain,
        after: all_leave,
    },
];

#[entry]
fn main() -> ! {
    extram_test_suite::open();
    clock::start();
    let (mut passed, mut failed) = (0, 0);
    let mut count = |good: bool| if good { passed += 1 } else { failed += 1 };
    for sweep in &SWEEPS {
        count(sweep.run());
    }
    for (what, way) in [
        ("with a spare M", Way::Spare),
        ("with an idle M, the last of 8", Way::Idle),
        ("refused, all of 8 in use", Way::Refused),
    ] {
        let most = &MOST_OF[way as usize];
        let (enter, times) = (most.enter.load(SeqCst), most.times.load(SeqCst));
        let good = times > 0 && enter <= MOST;
        defmt::println!(
            "a handler enters {=str}: {=u32} instructions at most, {=u32} to leave ({=u32} times): {=str}",
            what,
            enter,
            most.leave.load(SeqCst),
            times,
            told(good)
        );
        count(good);
    }
    if cfg!(feature = "nmi") {
        let masked = WHILE_MASKED.load(SeqCst);
        let there = if CALLS_THERE { "called there" } else { "left the call to a handler" };
        defmt::println!(
            "{=u32} non-maskable interrupts came where interrupts are masked, and {=str}: {=str}",
            masked,
            there,
            told(masked > 0)
        );
        count(masked > 0);
    }
    extram_test_suite::close(passed, failed, 0)
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    extram_test_suite::broken_down(info)
}
