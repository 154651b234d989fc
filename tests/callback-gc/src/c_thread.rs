//! The way through C: a runtime thread calls [`call_from_c`], C starts a fresh thread, and that
//! thread calls back.

use std::ffi::{c_int, c_void};
use std::io;

/// As in Go's test.
const STACK: usize = 256 << 10;

unsafe extern "C" {
    /// In `c_thread.c`.
    fn callback_gc_foo(call: *mut c_void, stack: usize) -> c_int;
}

/// What goes through C.
struct Call<'a> {
    run: &'a (dyn Fn() + Sync),
}

/// Has a fresh C thread run `run`, and waits for it.
///
/// # Errors
///
/// The system has no room for the thread.
pub(crate) fn call_from_c(run: &(dyn Fn() + Sync)) -> io::Result<()> {
    let mut call = Call { run };
    // SAFETY: `callback_gc_foo` hands the pointer to `callback_gc_exported` on one thread, and
    // returns only after that thread has ended, so `call` outlives every use of it.
    let error = unsafe { callback_gc_foo((&raw mut call).cast(), STACK) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// The function that the runtime exports to C.
///
/// # Safety
///
/// `call` is what [`call_from_c`] handed to C.
#[unsafe(no_mangle)]
unsafe extern "C" fn callback_gc_exported(call: *mut c_void) {
    // SAFETY: by the caller's promise; `run` is `Sync`, so another thread may call it.
    let call = unsafe { &*call.cast::<Call<'_>>() };
    (call.run)();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::thread;

    #[test]
    fn the_call_comes_back_on_a_thread_of_its_own() {
        let seen = Mutex::new(None);
        // Rust tells threads apart that it did not make, too.
        call_from_c(&|| *seen.lock().unwrap() = Some(thread::current().id())).unwrap();
        let seen = seen.into_inner().unwrap().expect("the C thread ran");
        assert_ne!(seen, thread::current().id());
    }
}
