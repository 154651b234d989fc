//! What the tests share: a runtime that wants bounds of stacks, and threads of the system's.

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use extram::{Pool, Runtime};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::System::Threading::{
    CreateThread, INFINITE, STACK_SIZE_PARAM_IS_A_RESERVATION, WaitForSingleObject,
};

/// A runtime with nothing in its Ms.
pub(crate) struct Ledger(());

pub(crate) const fn ledger() -> Ledger {
    Ledger(())
}

impl Runtime for Ledger {
    type Context = ();
    type Error = core::convert::Infallible;
    const STACKS: bool = true;

    fn new_context(&self) -> Result<(), Self::Error> {
        Ok(())
    }
}

unsafe extern "system" fn start(f: *mut c_void) -> u32 {
    // SAFETY: what `run` handed over.
    let f = unsafe { Box::from_raw(f.cast::<Box<dyn FnOnce() + Send>>()) };
    f();
    0
}

/// Runs `f` on a thread that `CreateThread` made, and waits until that has ended.
pub(crate) fn run(stack: usize, f: impl FnOnce() + Send + 'static) {
    let f: Box<dyn FnOnce() + Send> = Box::new(f);
    let f = Box::into_raw(Box::new(f));
    // SAFETY: the box is the new thread's; the handle is waited for and closed once.
    unsafe {
        let flags = STACK_SIZE_PARAM_IS_A_RESERVATION;
        let thread = CreateThread(null(), stack, Some(start), f.cast(), flags, null_mut());
        assert!(!thread.is_null());
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
}

/// Every M came home, and threads one after another have made no more than two.
pub(crate) fn at_rest(pool: &'static Pool<Ledger>) {
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.bound_idle, stats.waiting), (0, 0, 0), "{stats:?}");
    assert!(stats.created <= 2 && stats.spare == stats.created, "{stats:?}");
}

/// Waits for a minute, if it takes that.
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}
