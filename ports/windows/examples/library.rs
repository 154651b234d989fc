//! A DLL with a pool of its own: a plug-in whose host knows nothing of pools. Loaded by
//! `tests/libraries.rs`.
//!
//! Its functions return 0 or a number above for success, and below 0 the reason why not.

#![cfg_attr(not(windows), allow(unused))]

#[cfg(windows)]
mod library {
    use core::ffi::{c_int, c_void};
    use core::sync::atomic::{AtomicI32, Ordering::SeqCst};
    use extram::{EnterError, Pool, Runtime};
    use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;

    struct Plugin;

    impl Runtime for Plugin {
        type Context = [u32; 16];
        type Error = core::convert::Infallible;

        fn new_context(&self) -> Result<[u32; 16], Self::Error> {
            Ok([0; 16])
        }
    }

    static POOL: Pool<Plugin> = Pool::new(Plugin);

    /// What the entry at the end of the process has to do; 0 = none.
    static AT_END: AtomicI32 = AtomicI32::new(0);

    fn code(error: EnterError) -> c_int {
        match error {
            EnterError::NotStarted => -1,
            EnterError::Closed => -2,
            _ => -3,
        }
    }

    /// Starts the pool.
    #[unsafe(no_mangle)]
    extern "C" fn library_start() -> c_int {
        POOL.start().map_or(-4, |()| 0)
    }

    /// One call; the number of the M.
    #[unsafe(no_mangle)]
    extern "C" fn library_call() -> c_int {
        POOL.enter().map_or_else(code, |m| m.id() as c_int)
    }

    /// Closes it.
    #[unsafe(no_mangle)]
    extern "C" fn library_close() -> c_int {
        POOL.close().map_or(-5, |()| 0)
    }

    /// When the library goes, it makes a call and says how that ended.
    #[unsafe(no_mangle)]
    extern "C" fn library_call_at_end() -> c_int {
        AT_END.store(1, SeqCst);
        0
    }

    /// Under the loader's lock: the last that is called here.
    #[unsafe(no_mangle)]
    extern "system" fn DllMain(_: *mut c_void, reason: u32, _: *mut c_void) -> c_int {
        if reason == DLL_PROCESS_DETACH && AT_END.load(SeqCst) != 0 {
            println!("entered at the end: {}", POOL.try_enter().map_or_else(code, |m| m.id() as c_int));
        }
        1
    }
}
