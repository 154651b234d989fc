//! Threads made by others, as Windows makes them: each enters like any, and gives its M back.
#![cfg(windows)]

mod stage;

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use extram::{Binding, Pool};
use stage::{Ledger, at_rest, ledger, run};
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use windows_sys::Win32::Foundation::{GetLastError, SetLastError};
use windows_sys::Win32::System::Threading::*;

/// Scenario 36. With a small stack, with the default one.
#[test]
fn threads_of_create_thread_enter_and_give_their_ms_back() {
    static POOL: Pool<Ledger> = Pool::new(ledger());
    POOL.start().unwrap();
    for stack in [64 << 10, 0] {
        for _ in 0..20 {
            run(stack, || {
                let first = POOL.callback(|m| m.id()).unwrap();
                assert_eq!(POOL.callback(|m| m.id()).unwrap(), first, "a bound thread keeps its M");
                assert_eq!(POOL.stats().bound_idle, 1);
            });
            at_rest(&POOL);
        }
    }
    POOL.close().unwrap();
}

/// Scenario 36. Its threads stay alive: their Ms are idle, and the pool can be closed.
#[test]
fn threads_of_the_thread_pool_enter() {
    static POOL: Pool<Ledger> = Pool::new(ledger());
    static SERVED: AtomicU32 = AtomicU32::new(0);
    const CALLS: u32 = 500;
    unsafe extern "system" fn work(_: PTP_CALLBACK_INSTANCE, _: *mut c_void) {
        POOL.callback(|_| std::thread::yield_now()).unwrap();
        SERVED.fetch_add(1, SeqCst);
    }
    POOL.start().unwrap();
    for _ in 0..CALLS {
        // SAFETY: a function and a null argument.
        assert_ne!(unsafe { TrySubmitThreadpoolCallback(Some(work), null_mut(), null()) }, 0);
    }
    stage::until(|| SERVED.load(SeqCst) == CALLS);
    stage::until(|| POOL.close().is_ok());
    assert_eq!(POOL.callback(|_| ()), Err(extram::EnterError::Closed));
}

/// Scenario 19. With both bindings; `ExitThread` calls no destructor of Rust's, but those of the system.
#[test]
fn a_thread_that_exits_inside_gives_its_m_back() {
    static BOUND: Pool<Ledger> = Pool::new(ledger());
    static BY_CALL: Pool<Ledger> = Pool::new(ledger()).binding(Binding::Call);
    for pool in [&BOUND, &BY_CALL] {
        pool.start().unwrap();
        for depth in 1..=3 {
            run(0, move || {
                for _ in 0..depth {
                    let entered = pool.enter().unwrap();
                    // SAFETY: nobody uses the M after this.
                    unsafe { extram_core::raw::keep(pool, entered) };
                }
                // SAFETY: nothing of this thread's is needed any more.
                unsafe { ExitThread(0) };
            });
            at_rest(pool);
        }
        pool.close().unwrap();
    }
}

/// Scenario 20. First entries of a thread, made when its fibre-local values are freed and when Rust's
/// thread-local ones are, both of which come before the port's hook.
#[test]
fn entries_in_destructors_of_a_thread_leak_nothing() {
    static POOL: Pool<Ledger> = Pool::new(ledger());
    static CALLS: AtomicU32 = AtomicU32::new(0);
    fn call() {
        POOL.callback(|_| ()).unwrap();
        CALLS.fetch_add(1, SeqCst);
    }
    unsafe extern "system" fn freed(_: *const c_void) {
        call();
    }
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            call();
        }
    }
    thread_local!(static LATE: Cell<Option<Late>> = const { Cell::new(None) });
    // SAFETY: the callback stays.
    let index = unsafe { FlsAlloc(Some(freed)) };
    assert_ne!(index, FLS_OUT_OF_INDEXES);
    POOL.start().unwrap();
    for round in 1..=20 {
        run(0, move || {
            // SAFETY: an index of ours, and a value that is not read.
            unsafe { FlsSetValue(index, core::ptr::without_provenance(1)) };
            LATE.set(Some(Late));
        });
        assert_eq!(CALLS.load(SeqCst), 2 * round, "both destructors made a call");
        at_rest(&POOL);
    }
    POOL.close().unwrap();
    // SAFETY: an index of ours.
    unsafe { FlsFree(index) };
}

/// Scenario 34. An M is its thread's, whichever fibre runs; the bounds are those of the fibre.
#[test]
fn a_fibre_has_its_threads_m_and_a_stack_of_its_own() {
    static POOL: Pool<Ledger> = Pool::new(ledger());
    static MAIN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "system" fn fibre(_: *mut c_void) {
        let local = 0_u8;
        POOL.callback(|m| {
            let stack = m.stack().expect("the system tells");
            assert!(stack.contains(&(&raw const local).addr()), "{stack:x?}");
            assert!(stack.len() < 4 << 20, "{stack:x?}");
            FOUND.store(m.id() as usize, SeqCst);
        })
        .unwrap();
        // SAFETY: the fibre that the thread was.
        unsafe { SwitchToFiber(MAIN.load(SeqCst)) };
    }
    POOL.start().unwrap();
    run(0, || {
        let (id, own) = POOL.callback(|m| (m.id(), m.stack().unwrap())).unwrap();
        // SAFETY: this thread is none yet; the other one gets a stack of 256 KiB, and is deleted when it
        // does not run.
        unsafe {
            MAIN.store(ConvertThreadToFiber(null()), SeqCst);
            let other = CreateFiber(256 << 10, Some(fibre), null());
            assert!(!other.is_null());
            SwitchToFiber(other);
            assert_eq!(FOUND.load(SeqCst), id as usize);
            DeleteFiber(other);
        }
        assert_eq!(POOL.callback(|m| (m.id(), m.stack().unwrap())).unwrap(), (id, own), "it is still bound");
        assert_eq!(POOL.stats().bound_idle, 1);
        // SAFETY: a fibre, and none of its pointers is used any more.
        unsafe { ConvertFiberToThread() };
    });
    at_rest(&POOL);
    POOL.close().unwrap();
}

unsafe extern "C" {
    fn _errno() -> *mut i32;
}

/// Runs `f` and looks at what it must not change.
fn keeps(number: u32, what: &str, f: impl FnOnce()) {
    // SAFETY: words of the calling thread.
    unsafe {
        SetLastError(number);
        *_errno() = number as i32;
    }
    f();
    // SAFETY: as above.
    let marked = unsafe { (GetLastError(), *_errno() as u32) };
    assert_eq!(marked, (number, number), "{what}");
}

/// Scenario 28. The last error, and `errno`.
#[test]
fn the_last_error_stays_as_it_is() {
    static POOL: Pool<Ledger> = Pool::new(ledger()).limit(1);
    POOL.start().unwrap();
    run(0, || {
        for (number, what) in [(1001, "a first call"), (1002, "a second call")] {
            keeps(number, what, || POOL.callback(|_| ()).unwrap());
        }
        let inside = POOL.enter().unwrap();
        let waits = std::thread::spawn(|| {
            keeps(1003, "a wait in vain", || {
                let waited = POOL.enter_timeout(Duration::from_millis(5));
                assert!(matches!(waited, Err(extram::EnterError::TimedOut)));
            });
        });
        waits.join().unwrap();
        keeps(1004, "leaving", || drop(inside));
        keeps(1005, "unbinding", || assert!(POOL.unbind()));
    });
    keeps(1006, "closing", || POOL.close().unwrap());
}
