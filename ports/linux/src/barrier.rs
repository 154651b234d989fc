//! The heavy barrier: membarrier(2), Linux 4.14 and later.

use extram_posix::errno::Preserved;

// linux/membarrier.h
const CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

pub(crate) fn init() -> bool {
    let _errno = Preserved::new();
    membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(CMD_PRIVATE_EXPEDITED)
}

pub(crate) fn heavy() {
    let _errno = Preserved::new();
    // A forked child may have to register anew.
    if !membarrier(CMD_PRIVATE_EXPEDITED) && !init() {
        // It worked when the pool was started, and now a filter forbids it. To go on without the
        // barrier would let two threads have one M.
        let text = b"extram: membarrier(2) worked at start and is refused now\n";
        // SAFETY: a valid buffer; then the process ends.
        unsafe {
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::abort();
        }
    }
}
