//! What a static library without std has to bring along, because no other Rust is linked to it.

use crate::kernel::extram_port_panic;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
    // SAFETY: by the contract of the function.
    unsafe { extram_port_panic(file.as_ptr().cast(), file.len(), line) };
    loop {
        core::hint::spin_loop();
    }
}

/// Named by the tables of functions that stop a C++ exception on its way through; nothing throws
/// here, so nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// What the unwind tables of 32-bit Arm refer to (EHABI, 9.2): routines that an unwinder calls.
/// There is none, since nothing unwinds here; the linker wants them all the same.
#[cfg(target_arch = "arm")]
mod personality {
    /// `_URC_FAILURE`.
    const FAILURE: core::ffi::c_int = 9;

    #[unsafe(no_mangle)]
    extern "C" fn __aeabi_unwind_cpp_pr1() -> core::ffi::c_int {
        FAILURE
    }
}
