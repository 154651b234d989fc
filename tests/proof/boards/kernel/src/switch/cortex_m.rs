//! Switching on Cortex-M: in PendSV, the exception of lowest priority, so that no handler is ever
//! switched away from. Contexts run on the process stack, handlers on the main stack. A switch
//! saves what the hardware does not: r4 to r11 and the word that says how to return.

use crate::context::{Place, State};
use crate::schedule;
use core::arch::{asm, naked_asm};
use critical_section::CriticalSection;
use extram_port_bare_metal::Block;
use extram_port_bare_metal::arch::cortex_m::{self, ThreadPointer};

/// Preempted contexts do not move: a thread pointer that is read by the number of the core would
/// be another context's if the core changed between the two reads.
pub(crate) const STAYS: bool = true;

const CORES: usize = 2;
static POINTERS: [ThreadPointer; CORES] = [const { ThreadPointer::new() }; CORES];

pub(crate) fn block() -> &'static Block {
    match POINTERS[schedule::core() % CORES].block() {
        Some(block) => block,
        None => panic!("no context runs here yet"),
    }
}

/// Masks interrupts; whether they were enabled.
pub(crate) fn mask() -> bool {
    let primask: u32;
    // SAFETY: masking interrupts breaks nobody's assumption. No `nomem`: what follows stays after.
    unsafe { asm!("mrs {}, PRIMASK", "cpsid i", out(reg) primask, options(nostack, preserves_flags)) };
    primask & 1 == 0
}

pub(crate) fn unmask() {
    // SAFETY: called where interrupts were enabled before.
    unsafe { asm!("cpsie i", options(nostack, preserves_flags)) };
}

pub(crate) fn notify() {
    cortex_m::notify();
}

const ICSR: *mut u32 = 0xe000_ed04 as *mut u32;
const PENDSVSET: u32 = 1 << 28;
const SHPR3: *mut u32 = 0xe000_ed20 as *mut u32;
const PENDSV_LOWEST: u32 = 0xff << 16;

fn pend_switch() {
    // SAFETY: PendSV is the kernel's. The barriers: taken before the next instruction, if it may.
    unsafe {
        ICSR.write_volatile(PENDSVSET);
        asm!("dsb", "isb", options(nostack, preserves_flags));
    }
}

/// For the handler of the system timer: the next context's turn.
pub fn on_timer() {
    // Before, there is nothing to switch to.
    if schedule::runs() {
        pend_switch();
    }
}

pub(crate) fn reschedule(becomes: impl FnOnce(CriticalSection<'_>) -> Option<State>) {
    let switches = critical_section::with(|cs| match becomes(cs) {
        Some(state) => {
            schedule::current().state.borrow(cs).set(state);
            true
        }
        None => false,
    });
    if switches {
        pend_switch();
    }
}

/// Puts what PendSV expects of a context that was switched away from on a new stack.
///
/// # Safety
///
/// Nobody uses the stack that ends at `top`.
pub(crate) unsafe fn prepare(top: usize, _block: &'static Block) -> usize {
    // r4 to r11, how to return (to a thread on the process stack, no floating point); then what the
    // hardware takes: r0 to r3, r12, lr, pc, xPSR (Thumb).
    let mut frame = [0usize; 17];
    frame[8] = 0xffff_fffd;
    frame[15] = schedule::run_context as *const () as usize;
    frame[16] = 1 << 24;
    let sp = top - size_of_val(&frame);
    // SAFETY: by the caller's promise. Stacks are aligned and larger than this.
    unsafe { core::ptr::with_exposed_provenance_mut::<[usize; 17]>(sp).write(frame) };
    sp
}

/// Leaves the stack on which the core was started to its handlers, and idles.
///
/// # Safety
///
/// `sp` is that of the core's prepared idling context.
pub(crate) unsafe fn begin_idle(sp: usize, block: &'static Block) -> ! {
    // SAFETY: `SHPR3` has nothing but priorities of system exceptions.
    unsafe { SHPR3.write_volatile(SHPR3.read_volatile() | PENDSV_LOWEST) };
    POINTERS[schedule::core() % CORES].switch_to(block);
    // SAFETY: by the caller's promise. `run_context` never returns.
    unsafe {
        asm!(
            "msr PSP, {sp}",
            "msr CONTROL, {t}",
            "isb",
            "cpsie i",
            "bx {run}",
            sp = in(reg) sp,
            t = in(reg) 2u32,
            run = in(reg) schedule::run_context as *const () as usize,
            options(noreturn),
        )
    }
}

pub(crate) extern "C" fn idle(_: *mut ()) {
    loop {
        schedule::relax();
        cortex_m::relax();
    }
}

/// Puts the context that was running away and says where the next one's stack is.
extern "C" fn exchange(sp: usize) -> usize {
    critical_section::with(|cs| {
        let now: &Place = schedule::current();
        now.sp.borrow(cs).set(sp);
        let core = schedule::core();
        let next = schedule::next(cs, core, now);
        POINTERS[core % CORES].switch_to(&next.block);
        next.sp.borrow(cs).get()
    })
}

/// The switch.
///
/// # Safety
///
/// The hardware calls it.
#[cfg(not(armv6m))]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn PendSV() {
    naked_asm!(
        "mrs r0, PSP",
        "stmdb r0!, {{r4-r11, lr}}",
        "bl {exchange}",
        "ldmia r0!, {{r4-r11, lr}}",
        "msr PSP, r0",
        "bx lr",
        exchange = sym exchange,
    )
}

/// The same without instructions that store high registers.
///
/// # Safety
///
/// The hardware calls it.
#[cfg(armv6m)]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn PendSV() {
    naked_asm!(
        "mrs r0, PSP",
        "subs r0, #36",
        "mov r1, r0",
        "stmia r1!, {{r4-r7}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "stmia r1!, {{r4-r7}}",
        "mov r2, lr",
        "str r2, [r1]",
        "bl {exchange}",
        "mov r1, r0",
        "adds r1, #16",
        "ldmia r1!, {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "ldmia r1!, {{r2}}",
        "msr PSP, r1",
        "ldmia r0!, {{r4-r7}}",
        "bx r2",
        exchange = sym exchange,
    )
}
