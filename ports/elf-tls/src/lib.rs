//! One small block of thread-local words, reached in an instruction or two.
//!
//! `pthread_getspecific` costs a call into the C library; a compiler's own `thread_local!` costs one
//! load, but exists only with `std`, and becomes a call again in a shared library. This crate
//! declares the block in assembly, as a C compiler would declare a `static __thread` variable, and
//! addresses it in one of two ways:
//!
//! - On Linux by the *initial-exec* model, in programs and libraries alike. A library loaded later
//!   takes its block from the room that the C library sets aside for such (glibc: 1,664 bytes; ours
//!   is 80).
//! - On FreeBSD, whose run-time linker sets aside 128 bytes for all libraries together, as a C
//!   compiler does in a library: *general-dynamic* on x86-64, TLS descriptors on AArch64. In a
//!   program the linker puts the thread pointer and a constant in the place of the call.
//!
//! A second copy of this crate in the same program shares the block and the incarnation counter
//! (weak, hidden symbols), so numbers handed out by either stay unique.
//!
//! [`AVAILABLE`] is false where this crate knows no way (processors other than x86-64 and AArch64,
//! object formats other than ELF); ports then use their C library's keys.
#![no_std]

use core::sync::atomic::{AtomicUsize, Ordering};

/// How many pools have a pair of words of their own.
pub const PAIRS: usize = 3;

/// The calling thread's block. All words are 0 in a new thread.
///
/// Plain memory of one thread. A signal handler on that thread sees each word before or after a
/// store, never half of one.
#[repr(C, align(16))]
pub struct Block {
    /// One for each owner, and one that is nobody's, whose incarnation stays 0.
    pairs: [Pair; PAIRS + 1],
    /// For the port's own use: a cached thread number.
    pub thread_id: core::cell::Cell<u64>,
    /// For the port's own use: not 0 if the thread is in its last moments.
    pub exiting: core::cell::Cell<u64>,
}

/// Two words of each thread: which incarnation of their owner the second one belongs to, and the
/// word.
#[repr(C)]
pub struct Pair {
    /// The incarnation that wrote `value`, from [`next_incarnation`], shifted left by two; the
    /// two bits below are the port's own.
    pub incarnation: core::cell::Cell<usize>,
    /// The word.
    pub value: core::cell::Cell<*mut ()>,
}

#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
))]
mod elf {
    use super::{Block, PAIRS};
    use core::sync::atomic::{AtomicUsize, Ordering};

    // The size is that of `Block`, asserted below.
    core::arch::global_asm!(
        ".pushsection .tbss,\"awT\",@nobits",
        ".weak extram_tls_block_v1",
        ".hidden extram_tls_block_v1",
        ".type extram_tls_block_v1, @object",
        ".p2align 4",
        "extram_tls_block_v1:",
        ".zero 80",
        ".size extram_tls_block_v1, 80",
        ".popsection",
        ".pushsection .bss.extram_tls_incarnation_v1,\"aw\",@nobits",
        ".weak extram_tls_incarnation_v1",
        ".hidden extram_tls_incarnation_v1",
        ".type extram_tls_incarnation_v1, @object",
        ".p2align 3",
        "extram_tls_incarnation_v1:",
        ".zero 8",
        ".size extram_tls_incarnation_v1, 8",
        ".popsection",
        ".pushsection .bss.extram_tls_owners_v1,\"aw\",@nobits",
        ".weak extram_tls_owners_v1",
        ".hidden extram_tls_owners_v1",
        ".type extram_tls_owners_v1, @object",
        ".p2align 3",
        "extram_tls_owners_v1:",
        ".zero 24",
        ".size extram_tls_owners_v1, 24",
        ".popsection",
    );

    const _: () = assert!(size_of::<Block>() == 80 && size_of::<[AtomicUsize; PAIRS]>() == 24);

    unsafe extern "C" {
        static extram_tls_incarnation_v1: AtomicUsize;
        static extram_tls_owners_v1: [AtomicUsize; PAIRS];
    }

    #[inline(always)]
    pub(crate) fn block() -> *const Block {
        let address: usize;
        // SAFETY: reads the thread pointer and the block's offset from it, which the linker fills
        // in; no memory that Rust knows of. Not `pure`: a coroutine may go on on another thread
        // between two calls. The calls on FreeBSD are what its linkers expect, to the byte, and say
        // all that the called functions may change; those work in signal handlers, too.
        unsafe {
            #[cfg(all(target_arch = "x86_64", target_os = "freebsd"))]
            core::arch::asm!(
                ".byte 0x66",
                "lea rdi, [rip + extram_tls_block_v1@TLSGD]",
                ".byte 0x66, 0x66, 0x48",
                "call __tls_get_addr@PLT",
                out("rax") address,
                clobber_abi("sysv64"),
            );
            #[cfg(all(target_arch = "aarch64", target_os = "freebsd"))]
            core::arch::asm!(
                "adrp x0, :tlsdesc:extram_tls_block_v1",
                "ldr x1, [x0, :tlsdesc_lo12:extram_tls_block_v1]",
                "add x0, x0, :tlsdesc_lo12:extram_tls_block_v1",
                ".tlsdesccall extram_tls_block_v1",
                "blr x1",
                "mrs x1, tpidr_el0",
                "add x0, x0, x1",
                out("x0") address,
                out("x1") _,
                out("x30") _,
            );
            #[cfg(all(target_arch = "x86_64", not(target_os = "freebsd")))]
            core::arch::asm!(
                "mov {a}, qword ptr fs:[0]",
                "add {a}, qword ptr [rip + extram_tls_block_v1@GOTTPOFF]",
                a = out(reg) address,
                options(nostack, readonly),
            );
            #[cfg(all(target_arch = "aarch64", not(target_os = "freebsd")))]
            core::arch::asm!(
                "mrs {a}, tpidr_el0",
                "adrp {o}, :gottprel:extram_tls_block_v1",
                "ldr {o}, [{o}, :gottprel_lo12:extram_tls_block_v1]",
                "add {a}, {a}, {o}",
                a = out(reg) address,
                o = out(reg) _,
                options(nostack, readonly, preserves_flags),
            );
        }
        core::ptr::with_exposed_provenance(address)
    }

    pub(crate) fn next_incarnation() -> usize {
        // SAFETY: defined above, 8 zero bytes, aligned.
        let counter = unsafe { &*core::ptr::addr_of!(extram_tls_incarnation_v1) };
        // Relaxed: numbers only have to differ.
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn owners() -> &'static [AtomicUsize; PAIRS] {
        // SAFETY: defined above, 24 zero bytes, aligned.
        unsafe { &*core::ptr::addr_of!(extram_tls_owners_v1) }
    }
}

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
)))]
mod elf {
    pub(crate) fn block() -> *const super::Block {
        unreachable!("callers look at AVAILABLE first")
    }

    pub(crate) fn next_incarnation() -> usize {
        unreachable!("callers look at AVAILABLE first")
    }

    pub(crate) fn owners() -> &'static [core::sync::atomic::AtomicUsize; super::PAIRS] {
        unreachable!("callers look at AVAILABLE first")
    }
}

/// Whether this target has the block.
pub const AVAILABLE: bool = cfg!(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
));

/// The calling thread's block, for the duration of `f`. Only where [`AVAILABLE`].
#[inline(always)]
pub fn with<T>(f: impl FnOnce(&Block) -> T) -> T {
    // SAFETY: the block lives as long as the thread, its words are plain integers and pointers
    // that are valid when zero, and the reference cannot leave `f`, hence not the thread.
    f(unsafe { &*elf::block() })
}

/// A number that tells the calling thread from every other living one: the block's address.
#[inline(always)]
pub fn token() -> usize {
    elf::block().addr()
}

/// A number for [`Pair::incarnation`] that was never handed out before in this program; not 0.
pub fn next_incarnation() -> usize {
    elf::next_incarnation()
}

/// Which pair of words, in every thread's block, is its owner's: the distance from the block's
/// start in bytes, so that nothing is computed on the way to the words.
#[derive(Debug)]
pub struct Place(AtomicUsize);

/// The place of the pair that is nobody's.
const NOWHERE: usize = PAIRS * size_of::<Pair>();

impl Place {
    /// Nowhere: [`with`](Place::with) finds a pair whose incarnation is 0.
    pub const fn nowhere() -> Place {
        Place(AtomicUsize::new(NOWHERE))
    }

    /// Reserves a pair; `false` when all are taken, or where the block is not [`AVAILABLE`].
    pub fn claim(&self, incarnation: usize) -> bool {
        if !AVAILABLE {
            return false;
        }
        let free = |owner: &AtomicUsize| {
            // Relaxed: the words themselves tell their owner by its incarnation.
            owner.compare_exchange(0, incarnation, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        let Some(pair) = elf::owners().iter().position(free) else { return false };
        self.0.store(pair * size_of::<Pair>(), Ordering::Relaxed);
        true
    }

    /// Lets somebody else have the pair.
    pub fn release(&self) {
        let place = self.0.swap(NOWHERE, Ordering::Relaxed);
        if place != NOWHERE {
            elf::owners()[place / size_of::<Pair>()].store(0, Ordering::Relaxed);
        }
    }

    /// Whether a pair is reserved.
    pub fn is_somewhere(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NOWHERE
    }

    /// The calling thread's pair. Only where the block is [`AVAILABLE`].
    #[inline(always)]
    pub fn with<T>(&self, f: impl FnOnce(&Pair) -> T) -> T {
        let place = self.0.load(Ordering::Relaxed);
        // SAFETY: the place is that of one of the block's pairs, as `claim` and `release` alone
        // store it; the rest as in the function `with`.
        f(unsafe { &*elf::block().byte_add(place).cast::<Pair>() })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    #[test]
    fn every_thread_has_its_own_block() {
        if !super::AVAILABLE {
            return;
        }
        let here = super::token();
        let place = super::Place::nowhere();
        assert!(place.claim(super::next_incarnation()) && place.is_somewhere());
        place.with(|pair| pair.value.set(core::ptr::without_provenance_mut(42)));
        let there = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert!(place.with(|pair| pair.value.get().is_null()));
                super::token()
            });
            other.join().unwrap()
        });
        assert_ne!(here, there);
        assert_eq!((here % 16, there % 16), (0, 0));
        assert_eq!(place.with(|pair| pair.value.get().addr()), 42);
        place.release();
        assert_eq!(place.with(|pair| pair.incarnation.get()), 0);
        assert_ne!(super::next_incarnation(), super::next_incarnation());
    }
}
