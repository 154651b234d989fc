//! The second core, which waits after reset until the first one lets it go.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Its handlers run on this stack, and what it is started with, unless that moves to another.
const STACK: usize = 4096;

#[repr(C, align(16))]
struct Stack(core::cell::UnsafeCell<[u8; STACK]>);

// SAFETY: the second core's alone.
unsafe impl Sync for Stack {}

static STACK_OF_SECOND: Stack = Stack(core::cell::UnsafeCell::new([0; STACK]));

/// Its vectors. Reset sets the stack pointer itself, so the first word is of no use.
#[repr(C, align(512))]
struct Vectors([Option<unsafe extern "C" fn()>; 16]);

static VECTORS: Vectors = Vectors([
    None,
    Some(reset),
    Some(fault),
    Some(fault),
    Some(fault),
    Some(fault),
    Some(fault),
    Some(fault),
    None,
    None,
    None,
    Some(fault),
    None,
    None,
    Some(PendSV),
    Some(SysTick),
]);

unsafe extern "C" {
    fn PendSV();
    fn SysTick();
}

unsafe extern "C" fn fault() {
    panic!("a fault on the second core");
}

/// Where it starts.
///
/// # Safety
///
/// The hardware calls it.
#[unsafe(naked)]
unsafe extern "C" fn reset() {
    naked_asm!(
        "cpsid i",
        "ldr r0, ={stack}",
        "add r0, r0, #{size}",
        "mov sp, r0",
        "bl {begin}",
        "udf #0",
        stack = sym STACK_OF_SECOND,
        size = const STACK,
        begin = sym begin,
    )
}

static ENTRY: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

extern "C" fn begin() -> ! {
    // Acquire: partner of the release in `start`.
    let entry = ENTRY.load(Ordering::Acquire);
    // SAFETY: stored by `start`, before this core was let go.
    let entry = unsafe { core::mem::transmute::<*mut (), extern "C" fn() -> !>(entry) };
    entry()
}

/// Registers of the SSE-200 subsystem, by their secure addresses.
const INITSVTOR1: *mut u32 = 0x5002_1114 as *mut u32;
const CPUWAIT: *mut u32 = 0x5002_1118 as *mut u32;

/// Lets it go, to run `entry`, with interrupts masked: what they need has to be set up first. Once.
pub fn start(entry: extern "C" fn() -> !) {
    // Release: what was set up before is there when the core goes on.
    ENTRY.store(entry as *mut (), Ordering::Release);
    // SAFETY: the core's vectors, and a register with one bit for each core that has to wait.
    unsafe {
        INITSVTOR1.write_volatile((&raw const VECTORS).addr() as u32);
        CPUWAIT.write_volatile(0);
    }
}
