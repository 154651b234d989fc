//! What checkers of races are told: that who gets an M has everything behind who gave it back.
//!
//! ThreadSanitizer knows the atomic accesses of what was built for it, and this library was not; helgrind and
//! DRD know those of POSIX threads. So a host that one of them watches would hear of a race between two
//! threads that use one context, each in its turn. Here is said what the list of spare Ms does:
//!
//! | when | what |
//! |---|---|
//! | a context has been made, and put into its M | release |
//! | an M was got, before admit | acquire |
//! | after retire | release |
//! | before a context is freed | acquire |
//!
//! What is acquired and released is an address in the M that carries the context.
//!
//! Who watches is found out when a pool is made, so that a call costs nothing more where nobody does: a pool
//! that is watched is not quiet ([`crate::quick`]), and has hooks.
//!
//! A library that was built for ThreadSanitizer says nothing, so that it finds what is wrong in here.

/// Who watches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watch {
    sanitizer: bool,
    valgrind: bool,
}

#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
    feature = "std",
    not(any(miri, extram_tsan)),
))]
mod told {
    use core::ffi::c_void;

    // Weak: null where no ThreadSanitizer is in the program. A table, because Rust has no weak symbols; filled
    // in when the library is loaded.
    core::arch::global_asm!(
        ".weak __tsan_acquire",
        ".weak __tsan_release",
        ".pushsection .data.rel.ro.extram_tsan,\"aw\"",
        ".p2align 3",
        ".weak extram_tsan_v1",
        ".hidden extram_tsan_v1",
        ".type extram_tsan_v1, @object",
        "extram_tsan_v1:",
        ".8byte __tsan_acquire",
        ".8byte __tsan_release",
        ".size extram_tsan_v1, 16",
        ".popsection",
    );

    type Annotation = Option<unsafe extern "C" fn(*mut c_void)>;

    unsafe extern "C" {
        static extram_tsan_v1: [Annotation; 2];
    }

    /// `__tsan_acquire` and `__tsan_release`, if they are there.
    fn sanitizer() -> Option<[unsafe extern "C" fn(*mut c_void); 2]> {
        // SAFETY: defined above; two addresses of functions or null, which do not change.
        let [acquire, release] = unsafe { extram_tsan_v1 };
        Some([acquire?, release?])
    }

    /// `VG_USERREQ__DRD_GET_DRD_THREAD_ID`, which is not 0.
    const DRD_THREAD: usize = (b'D' as usize) << 24 | (b'R' as usize) << 16 | 1;
    /// Of helgrind, whose annotations DRD knows as well.
    const HELGRIND: usize = (b'H' as usize) << 24 | (b'G' as usize) << 16;
    /// `ANNOTATE_HAPPENS_BEFORE`.
    const BEFORE: usize = HELGRIND + 256 + 33;
    /// `ANNOTATE_HAPPENS_AFTER`.
    const AFTER: usize = HELGRIND + 256 + 34;

    /// `_VG_USERREQ__HG_GET_ABITS`: how many bytes from an address on are there.
    const HELGRIND_BYTES: usize = HELGRIND + 256 + 46;

    /// Asks one of valgrind's tools for something. Without it the instructions do nothing, and the answer is
    /// 0, as it is if the tool is another one.
    fn request(number: usize, address: usize, length: usize) -> usize {
        let request = [number, address, 0, length, 0, 0];
        let mut answer = 0usize;
        // SAFETY: turns a register by 128 bits altogether, which leaves it as it was, and exchanges one with
        // itself; valgrind takes that for a request, reads the six words and writes the answer.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            core::arch::asm!(
                "rol rdi, 3",
                "rol rdi, 13",
                "rol rdi, 61",
                "rol rdi, 51",
                "xchg rbx, rbx",
                in("rax") request.as_ptr(),
                inout("rdx") answer,
            );
            #[cfg(target_arch = "aarch64")]
            core::arch::asm!(
                "ror x12, x12, #3",
                "ror x12, x12, #13",
                "ror x12, x12, #51",
                "ror x12, x12, #61",
                "orr x10, x10, x10",
                inout("x3") answer,
                in("x4") request.as_ptr(),
            );
        }
        answer
    }

    impl super::Watch {
        /// Who watches this program.
        pub(crate) fn now() -> Self {
            let here = 0u8;
            let valgrind = request(DRD_THREAD, 0, 0) != 0
                || request(HELGRIND_BYTES, (&raw const here).addr(), size_of_val(&here)) != 0;
            super::Watch { sanitizer: sanitizer().is_some(), valgrind }
        }

        #[cold]
        #[inline(never)]
        pub(super) fn say(self, release: bool, address: usize) {
            if let Some(annotations) = sanitizer() {
                // SAFETY: an address in an M's memory, which is not read.
                unsafe { annotations[usize::from(release)](core::ptr::without_provenance_mut(address)) };
            }
            if self.valgrind {
                request(if release { BEFORE } else { AFTER }, address, 0);
            }
        }
    }
}

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "freebsd"),
    feature = "std",
    not(any(miri, extram_tsan)),
)))]
impl Watch {
    /// Nobody can be told.
    pub(crate) fn now() -> Self {
        Watch { sanitizer: false, valgrind: false }
    }

    fn say(self, _release: bool, _address: usize) {}
}

impl Watch {
    pub(crate) fn anybody(self) -> bool {
        self.sanitizer || self.valgrind
    }

    /// The calling thread has what was [released](Watch::release) there before behind it.
    #[inline]
    pub(crate) fn acquire<T>(self, place: *const T) {
        if self.anybody() {
            self.say(false, place.addr());
        }
    }

    /// What the calling thread has done comes before what those do who [acquire](Watch::acquire) there.
    #[inline]
    pub(crate) fn release<T>(self, place: *const T) {
        if self.anybody() {
            self.say(true, place.addr());
        }
    }
}
