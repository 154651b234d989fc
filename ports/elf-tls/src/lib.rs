//! One small block of thread-local words, reached in an instruction or two.
//!
//! `pthread_getspecific` costs a call into the C library; a compiler's own `thread_local!` costs one
//! load, but exists only with `std`, and becomes a call again in a shared library. This crate
//! declares the block in assembly, as a C compiler would declare a `static __thread` variable, and
//! addresses it by *TLS descriptors* (on FreeBSD and x86-64 by the *general-dynamic* model, whose
//! linkers expect that). In a program the linker puts the thread pointer and a constant in the place of
//! the call. In a library the call finds the block wherever the system has put it, so any number of
//! them can be loaded, late or early. (The *initial-exec* model, without a call, has room for a dozen
//! such libraries under glibc, for one under FreeBSD, and for none under musl.)
//!
//! glibc gives the first few libraries that are loaded late their blocks at once, and the others when a
//! thread calls in for the first time, which allocates: nothing for a signal handler. musl gives all
//! threads theirs when the library is loaded.
//!
//! A second copy of this crate in the same program shares the block and the incarnation counter
//! (weak, hidden symbols), so numbers handed out by either stay unique. The number in those symbols'
//! names goes up with every change to the block.
//!
//! [`AVAILABLE`] is false where this crate knows no way (processors other than x86-64 and AArch64,
//! object formats other than ELF, Miri, which knows no assembly); ports then use their C library's
//! keys.
#![no_std]

use core::cell::Cell;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering, compiler_fence};

/// How many pools have a pair of words of their own.
pub const PAIRS: usize = 3;

/// The calling thread's block. All words are 0 in a new thread.
///
/// Plain memory of one thread. A signal handler on that thread sees each word before or after a
/// store, never half of one.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Block {
    /// One for each owner, and one that is nobody's, whose incarnation stays 0.
    pairs: [Pair; PAIRS + 1],
    /// The first of a list of what the ports keep for the thread elsewhere, or null. Each copy of a
    /// port has one member, which begins with two words: an address that is that copy's own, and the
    /// next member.
    pub more: Cell<*mut ()>,
    /// For the port's own use: a cached thread number, or 0.
    pub thread_id: Cell<u32>,
    /// For the port's own use: not 0 if the thread is in its last moments.
    pub exiting: Cell<u32>,
    stack_low: Cell<usize>,
    stack_high: Cell<usize>,
    /// For a face whose callers have no guards (C's), of which a program has one: what it keeps for the
    /// thread.
    pub face: [Cell<*mut ()>; 6],
}

impl Block {
    /// The pairs that can have an owner.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs[..PAIRS]
    }

    /// The stack that the thread was created with, if [`set_stack`](Block::set_stack) has been
    /// called.
    pub fn stack(&self) -> Option<Range<usize>> {
        let stack = self.stack_low.get()..self.stack_high.get();
        (!stack.is_empty()).then_some(stack)
    }

    /// Keeps the bounds of that stack. They never change, so the second call writes what is there.
    pub fn set_stack(&self, stack: Range<usize>) {
        self.stack_low.set(stack.start);
        // A handler that comes before the second store sees an empty range, not a wrong one.
        compiler_fence(Ordering::Release);
        self.stack_high.set(stack.end);
    }
}

/// Two words of each thread: which incarnation of their owner the second one belongs to, and the
/// word. Zeros are a pair that nobody has written.
#[repr(C)]
#[derive(Debug)]
pub struct Pair {
    /// The incarnation that wrote `value`, from [`next_incarnation`], shifted left by two; the
    /// two bits below are the port's own.
    pub incarnation: Cell<usize>,
    /// The word.
    pub value: Cell<*mut ()>,
}

impl Pair {
    /// Makes it that incarnation's, with a null word. A handler sees no other word under the new
    /// incarnation.
    pub fn adopt(&self, incarnation: usize) {
        self.value.set(core::ptr::null_mut());
        compiler_fence(Ordering::Release);
        self.incarnation.set(incarnation);
        compiler_fence(Ordering::Release);
    }
}

#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
    not(miri),
))]
mod elf {
    use super::{Block, PAIRS};
    use core::sync::atomic::{AtomicUsize, Ordering};

    // The size is that of `Block`, asserted below.
    core::arch::global_asm!(
        ".pushsection .tbss,\"awT\",@nobits",
        ".weak extram_tls_block_v3",
        ".hidden extram_tls_block_v3",
        ".type extram_tls_block_v3, @object",
        ".p2align 4",
        "extram_tls_block_v3:",
        ".zero 144",
        ".size extram_tls_block_v3, 144",
        ".popsection",
        ".pushsection .bss.extram_tls_incarnation_v3,\"aw\",@nobits",
        ".weak extram_tls_incarnation_v3",
        ".hidden extram_tls_incarnation_v3",
        ".type extram_tls_incarnation_v3, @object",
        ".p2align 3",
        "extram_tls_incarnation_v3:",
        ".zero 8",
        ".size extram_tls_incarnation_v3, 8",
        ".popsection",
        ".pushsection .bss.extram_tls_owners_v3,\"aw\",@nobits",
        ".weak extram_tls_owners_v3",
        ".hidden extram_tls_owners_v3",
        ".type extram_tls_owners_v3, @object",
        ".p2align 3",
        "extram_tls_owners_v3:",
        ".zero 24",
        ".size extram_tls_owners_v3, 24",
        ".popsection",
    );

    const _: () = assert!(size_of::<Block>() == 144 && size_of::<[AtomicUsize; PAIRS]>() == 24);

    unsafe extern "C" {
        static extram_tls_incarnation_v3: AtomicUsize;
        static extram_tls_owners_v3: [AtomicUsize; PAIRS];
    }

    // With SVE a call of its own: every call may change the vector registers beyond 128 bits and the
    // predicates, and so may the C library here, which does not save them.
    #[cfg_attr(all(target_arch = "aarch64", target_feature = "sve"), inline(never))]
    #[cfg_attr(not(all(target_arch = "aarch64", target_feature = "sve")), inline(always))]
    pub(crate) fn block() -> *const Block {
        let address: usize;
        // SAFETY: reads the thread pointer and the block's offset from it, which the linker fills
        // in; no memory that Rust knows of. Not `pure`: a coroutine may go on on another thread
        // between two calls. The calls are what linkers expect, to the byte, and say all that the called
        // functions may change.
        unsafe {
            #[cfg(all(target_arch = "x86_64", target_os = "freebsd"))]
            core::arch::asm!(
                ".byte 0x66",
                "lea rdi, [rip + extram_tls_block_v3@TLSGD]",
                ".byte 0x66, 0x66, 0x48",
                "call __tls_get_addr@PLT",
                out("rax") address,
                clobber_abi("sysv64"),
            );
            #[cfg(target_arch = "aarch64")]
            core::arch::asm!(
                "adrp x0, :tlsdesc:extram_tls_block_v3",
                "ldr x1, [x0, :tlsdesc_lo12:extram_tls_block_v3]",
                "add x0, x0, :tlsdesc_lo12:extram_tls_block_v3",
                ".tlsdesccall extram_tls_block_v3",
                "blr x1",
                "mrs x1, tpidr_el0",
                "add x0, x0, x1",
                out("x0") address,
                out("x1") _,
                out("x30") _,
            );
            #[cfg(all(target_arch = "x86_64", not(target_os = "freebsd")))]
            core::arch::asm!(
                "leaq extram_tls_block_v3@tlsdesc(%rip), %rax",
                "call *extram_tls_block_v3@tlscall(%rax)",
                "addq %fs:0, %rax",
                out("rax") address,
                // What the C library saves by itself are the general registers alone, before glibc 2.40; its
                // own functions use all that the processor has, whatever this program was built for.
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                out("xmm16") _, out("xmm17") _, out("xmm18") _, out("xmm19") _,
                out("xmm20") _, out("xmm21") _, out("xmm22") _, out("xmm23") _,
                out("xmm24") _, out("xmm25") _, out("xmm26") _, out("xmm27") _,
                out("xmm28") _, out("xmm29") _, out("xmm30") _, out("xmm31") _,
                out("k0") _, out("k1") _, out("k2") _, out("k3") _,
                out("k4") _, out("k5") _, out("k6") _, out("k7") _,
                options(att_syntax),
            );
        }
        core::ptr::with_exposed_provenance(address)
    }

    pub(crate) fn next_incarnation() -> usize {
        // SAFETY: defined above, 8 zero bytes, aligned.
        let counter = unsafe { &*core::ptr::addr_of!(extram_tls_incarnation_v3) };
        // Relaxed: numbers only have to differ.
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn owners() -> &'static [AtomicUsize; PAIRS] {
        // SAFETY: defined above, 24 zero bytes, aligned.
        unsafe { &*core::ptr::addr_of!(extram_tls_owners_v3) }
    }
}

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
    not(miri),
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
    not(miri),
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

/// In a forked child: takes the pair away that was reserved for this incarnation, if there is one.
pub fn disown(incarnation: usize) {
    if AVAILABLE {
        for owner in elf::owners() {
            // Relaxed: as in `claim`. Not a store: it may have another owner.
            let _ = owner.compare_exchange(incarnation, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
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

    /// Which of [`Block::pairs`] is reserved.
    pub fn index(&self) -> Option<usize> {
        let place = self.0.load(Ordering::Relaxed);
        (place != NOWHERE).then_some(place / size_of::<Pair>())
    }

    /// [`nowhere`](Place::nowhere) again, without a word to who may have the pair by now.
    pub fn forget(&self) {
        self.0.store(NOWHERE, Ordering::Relaxed);
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

    use super::*;

    #[test]
    fn every_thread_has_its_own_block() {
        if !AVAILABLE {
            return;
        }
        let here = token();
        let (place, incarnation) = (Place::nowhere(), next_incarnation());
        assert!(place.claim(incarnation));
        let owner = &elf::owners()[place.index().unwrap()];
        assert_eq!(owner.load(Ordering::Relaxed), incarnation);
        place.with(|pair| pair.value.set(core::ptr::without_provenance_mut(42)));
        let there = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert!(place.with(|pair| pair.value.get().is_null()));
                token()
            });
            other.join().unwrap()
        });
        assert_ne!(here, there);
        assert_eq!((here % 16, there % 16), (0, 0));
        assert_eq!(place.with(|pair| pair.value.get().addr()), 42);
        place.release();
        assert_ne!(owner.load(Ordering::Relaxed), incarnation);
        assert_eq!(place.with(|pair| pair.incarnation.get()), 0);
        assert_ne!(next_incarnation(), next_incarnation());
    }

    #[test]
    fn a_pair_is_taken_away_from_its_incarnation_alone() {
        if !AVAILABLE {
            return;
        }
        let (one, other) = (next_incarnation(), next_incarnation());
        let place = Place::nowhere();
        assert!(place.claim(one));
        let owner = &elf::owners()[place.index().unwrap()];
        disown(other);
        assert_eq!(owner.load(Ordering::Relaxed), one);
        disown(one);
        assert_ne!(owner.load(Ordering::Relaxed), one);
        place.forget();
        assert_eq!(place.index(), None);
    }

    #[test]
    fn a_pair_is_adopted_without_what_was_in_it() {
        let pair =
            Pair { incarnation: Cell::new(4), value: Cell::new(core::ptr::without_provenance_mut(42)) };
        pair.adopt(8);
        assert_eq!((pair.incarnation.get(), pair.value.get().addr()), (8, 0));
    }

    #[test]
    fn a_stack_is_known_from_its_second_word_on() {
        if !AVAILABLE {
            return;
        }
        std::thread::spawn(|| {
            with(|block| {
                assert_eq!(block.stack(), None);
                block.stack_low.set(0x1000);
                assert_eq!(block.stack(), None, "as a handler would see it");
                block.set_stack(0x1000..0x3000);
                assert_eq!(block.stack(), Some(0x1000..0x3000));
            });
        })
        .join()
        .unwrap();
    }
}
