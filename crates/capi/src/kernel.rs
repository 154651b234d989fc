//! The system below, where there is none that Rust's standard library knows: a kernel in C supplies
//! it (`extram_port.h`, written by cbindgen from this file).

use crate::code::extram_code::{EXTRAM_INVALID, EXTRAM_OK};
use core::ffi::{c_int, c_void};
use extram_port_bare_metal::{Block, System};

/// What extram keeps for each thread of the kernel: a core, a task. Part of the task's own structure, for
/// instance.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct extram_block {
    words: [usize; EXTRAM_BLOCK_WORDS],
}

/// The size of an extram_block.
pub const EXTRAM_BLOCK_WORDS: usize = 12;

const _: () = assert!(size_of::<Block>() <= size_of::<extram_block>());
const _: () = assert!(align_of::<Block>() == align_of::<extram_block>());

unsafe extern "C" {
    /// Supplied by the kernel. The block of the thread that calls; in an interrupt handler, that of
    /// the interrupted thread. The same for as long as the thread lives. Never NULL.
    fn extram_port_block() -> *mut extram_block;

    /// Supplied by the kernel. Ticks per second of the counter below.
    fn extram_port_frequency() -> u32;

    /// Supplied by the kernel. A counter that never goes back, not even from one core to another.
    fn extram_port_ticks() -> u64;

    /// Supplied by the kernel. Lets another thread run, if there is one, and comes back by itself:
    /// never rests until an event comes, since the caller may hold what everybody else waits for.
    fn extram_port_yield();

    /// Supplied by the kernel. Waits until extram_port_wake is called for the word, if it holds
    /// expected, or the counter reaches until (UINT64_MAX: no time limit). May return early for any
    /// reason; calling extram_port_yield once is enough.
    fn extram_port_wait(word: *const u32, expected: u32, until: u64);

    /// Supplied by the kernel. Wakes up to count threads that wait for the word. The address may be
    /// stale and is not read. May do nothing where extram_port_wait does not wait to be told.
    fn extram_port_wake(word: *const u32, count: u32);

    /// Supplied by the kernel on RV32. Keeps interrupts, and with them other threads, off this core until
    /// extram_port_unmask is given what this returned. In handlers, too, and one within another.
    #[cfg_attr(not(target_arch = "riscv32"), allow(dead_code))]
    fn extram_port_mask() -> usize;

    /// Supplied by the kernel on RV32. Lets them come again, if they did before that call of
    /// extram_port_mask.
    #[cfg_attr(not(target_arch = "riscv32"), allow(dead_code))]
    fn extram_port_unmask(before: usize);

    /// Supplied by the kernel. A defect in extram was found at this place (file is length bytes,
    /// without a zero at the end). Does not return.
    #[cfg(feature = "panic-handler")]
    pub(crate) fn extram_port_panic(file: *const core::ffi::c_char, length: usize, line: u32);
}

/// The kernel behind those functions.
pub(crate) enum Kernel {}

/// The port to it.
pub(crate) type Native = extram_port_bare_metal::BareMetal<Kernel>;

// SAFETY: Own block, Wake: by the contract of the functions. Fresh block: `extram_block_reset` is
// asked for before a thread enters. Exit: `extram_block_exit` when it ends; a thread that does not
// call it keeps its M, and breaks no memory as long as its block stays or is reset. Handler: they call
// what the header allows, which is `enter_from_signal`. Brief: the default on Cortex-M, the kernel's on
// RV32; the other processors exchange 64 bits.
unsafe impl System for Kernel {
    const EXITS: bool = true;

    #[inline]
    fn block() -> &'static Block {
        // SAFETY: the thread's own, which `extram_block_reset` has filled in.
        unsafe { &*extram_port_block().cast() }
    }

    fn frequency() -> u32 {
        // SAFETY: by the contract of the function, as in those below.
        unsafe { extram_port_frequency() }
    }

    fn ticks() -> u64 {
        // SAFETY: as above.
        unsafe { extram_port_ticks() }
    }

    #[cfg(target_arch = "riscv32")]
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        // SAFETY: by the contract of the functions, as above.
        let before = unsafe { extram_port_mask() };
        let result = f();
        // SAFETY: masked above.
        unsafe { extram_port_unmask(before) };
        result
    }

    /// Not called, since `wait` is the kernel's own.
    fn relax() {
        Self::yield_now();
    }

    fn yield_now() {
        // SAFETY: as above.
        unsafe { extram_port_yield() }
    }

    fn wait(word: &extram_core::sync::AtomicU32, expected: u32, until: Option<u64>) {
        let word = core::ptr::from_ref(word).cast();
        // SAFETY: as above.
        unsafe { extram_port_wait(word, expected, until.unwrap_or(u64::MAX)) }
    }

    fn wake(word: *const extram_core::sync::AtomicU32, count: u32) {
        // SAFETY: as above.
        unsafe { extram_port_wake(word.cast(), count) }
    }
}

/// Makes a block a new thread's, which is called number by debuggers and runs on that stack (NULL
/// and 0 if nobody knows). Before the thread enters any pool.
///
/// # Safety
///
/// `block` is null or points to what its type says, and no thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_block_reset(
    block: *mut extram_block,
    number: u32,
    stack_low: *mut c_void,
    stack_size: usize,
) -> c_int {
    let block = block.cast::<Block>();
    if block.is_null() || !block.is_aligned() {
        return EXTRAM_INVALID as c_int;
    }
    let low = stack_low.addr();
    // SAFETY: by the caller's promise; checked for null and alignment, and large enough.
    unsafe {
        block.write(Block::new());
        (*block).reset(number, low..low.saturating_add(stack_size));
    }
    EXTRAM_OK as c_int
}

/// What stayed with a thread goes back to its pools. The thread calls this on its own block when it
/// ends.
///
/// # Safety
///
/// `block` is null or the calling thread's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_block_exit(block: *mut extram_block) -> c_int {
    let block = block.cast::<Block>();
    if block.is_null() || !block.is_aligned() {
        return EXTRAM_INVALID as c_int;
    }
    // SAFETY: by the caller's promise.
    unsafe { (*block).exit() };
    EXTRAM_OK as c_int
}
