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
