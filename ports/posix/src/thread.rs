//! Threads: creating them, and telling them apart.

use crate::System;
use crate::errno::Preserved;
use extram_core::Refused;

/// A thread that `newosproc` created.
#[derive(Debug)]
pub struct Thread(libc::pthread_t);

// SAFETY: a thread's handle may be joined from any thread.
unsafe impl Send for Thread {}

struct Start {
    entry: extern "C" fn(*mut ()),
    arg: *mut (),
}

extern "C" fn start(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: `newosproc` handed over this allocation, written, and nobody else has it.
    let Start { entry, arg } = unsafe {
        let start = start.cast::<Start>();
        let value = start.read();
        libc::free(start.cast());
        value
    };
    entry(arg);
    core::ptr::null_mut()
}

/// [`Threads::newosproc`](extram_core::Threads::newosproc).
///
/// # Errors
///
/// The system refuses a thread, or the memory to start it.
pub(crate) fn newosproc(
    entry: extern "C" fn(*mut ()),
    arg: *mut (),
    stack: usize,
) -> Result<Thread, Refused> {
    let _errno = Preserved::new();
    // SAFETY: the allocation is written before the new thread reads it, and freed by that thread or,
    // if there is none, here.
    unsafe {
        let handed = libc::malloc(size_of::<Start>()).cast::<Start>();
        if handed.is_null() {
            return Err(Refused);
        }
        handed.write(Start { entry, arg });
        let created = create(handed, stack);
        if created.is_err() {
            libc::free(handed.cast());
        }
        created
    }
}

/// # Safety
///
/// The new thread may have what `handed` points to.
unsafe fn create(handed: *mut Start, stack: usize) -> Result<Thread, Refused> {
    let mut thread = core::mem::MaybeUninit::uninit();
    let mut attr = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the attribute object is initialised before use and destroyed once; a null one asks for
    // the system's defaults. The thread's handle is written if the call succeeds.
    unsafe {
        let refused = if stack == 0 {
            libc::pthread_create(thread.as_mut_ptr(), core::ptr::null(), start, handed.cast()) != 0
        } else {
            if libc::pthread_attr_init(attr.as_mut_ptr()) != 0 {
                return Err(Refused);
            }
            let refused = !allow(attr.as_mut_ptr(), stack)
                || libc::pthread_create(thread.as_mut_ptr(), attr.as_ptr(), start, handed.cast()) != 0;
            libc::pthread_attr_destroy(attr.as_mut_ptr());
            refused
        };
        if refused { Err(Refused) } else { Ok(Thread(thread.assume_init())) }
    }
}

/// Asks for a stack of `size` bytes, in whole pages. What the system finds too small is doubled: the least
/// that it takes has no name on all of them.
///
/// # Safety
///
/// The attribute object is initialised.
unsafe fn allow(attr: *mut libc::pthread_attr_t, size: usize) -> bool {
    // SAFETY: takes a number only.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(4096) as usize;
    let mut wanted = size.checked_next_multiple_of(page);
    while let Some(size) = wanted {
        // SAFETY: by the caller's promise.
        if unsafe { libc::pthread_attr_setstacksize(attr, size) } == 0 {
            return true;
        }
        wanted = size.checked_mul(2);
    }
    false
}

/// [`Threads::join`](extram_core::Threads::join).
pub(crate) fn join(thread: Thread) {
    // SAFETY: the handle is joined once, because it is consumed.
    unsafe { libc::pthread_join(thread.0, core::ptr::null_mut()) };
}

/// [`Port::thread_token`](extram_core::Port::thread_token).
#[inline(always)]
pub(crate) fn token() -> usize {
    if extram_elf_tls::AVAILABLE {
        extram_elf_tls::token()
    } else {
        // SAFETY: no arguments.
        token_of((unsafe { libc::pthread_self() }) as usize)
    }
}

/// What a token is made of: the address of a control block, or a number (illumos, Miri).
#[inline(always)]
fn token_of(thread: usize) -> usize {
    // No address has more than 60 bits that tell it from another one. With 32 there is no room for
    // that, and no such system that numbers its threads; control blocks are larger than 16 bytes.
    if usize::BITS == 64 || cfg!(miri) { thread.wrapping_add(1) << 4 } else { thread & !15 }
}

/// The number that the system's tools show.
#[inline(always)]
pub(crate) fn id<S: System>() -> u64 {
    if !extram_elf_tls::AVAILABLE {
        return S::thread_id();
    }
    extram_elf_tls::with(|block| {
        if block.thread_id.get() == 0 {
            ask_id::<S>();
        }
        block.thread_id.get().into()
    })
}

#[cold]
fn ask_id<S: System>() {
    // 32 bits are enough: all systems that have the block have it in a C `int`.
    let id = S::thread_id() as u32;
    extram_elf_tls::with(|block| block.thread_id.set(id));
}

/// In a forked child the same thread has another number.
pub(crate) fn forget_id() {
    if extram_elf_tls::AVAILABLE {
        extram_elf_tls::with(|block| block.thread_id.set(0));
    }
}
