//! How much of the stack something takes. There is one: handlers have that of the thread.

use core::arch::asm;
use extram_port_bare_metal::arch::cortex_m::masked;

const PAINT: u32 = 0x5eed_5eed;
/// Bytes below the stack's end that are painted: for one call, for the whole program.
const ROOM: usize = 2 * 1024;
const WHOLE: usize = 32 * 1024;

#[inline(always)]
fn pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

#[inline(always)]
fn paint(end: usize, bytes: usize) {
    let mut at = end - bytes;
    while at < end {
        // SAFETY: below the stack's end, where nobody is: no handler comes, and nothing is called. There is
        // more memory than that.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(at).write_volatile(PAINT) };
        at += 4;
    }
}

/// Bytes above the first one that has lost its paint.
#[inline(always)]
fn taken_below(end: usize, bytes: usize) -> usize {
    let mut at = end - bytes;
    // SAFETY: as in `paint`; what others have left there is a number.
    while at < end && unsafe { core::ptr::with_exposed_provenance::<u32>(at).read_volatile() } == PAINT {
        at += 4;
    }
    end - at
}

/// Bytes of stack that `f` takes, without those of handlers.
#[inline(never)]
pub fn taken(mut f: impl FnMut()) -> u32 {
    masked(|| {
        let end = pointer();
        paint(end, ROOM);
        f();
        taken_below(end, ROOM) as u32
    })
}

/// Called first; returns what `whole` wants.
#[inline(always)]
pub fn begin() -> usize {
    masked(|| {
        let end = pointer();
        paint(end, WHOLE);
        end
    })
}

/// Bytes of stack that the program has taken since, with all its handlers.
pub fn whole(begun: usize) -> usize {
    taken_below(begun, WHOLE)
}
