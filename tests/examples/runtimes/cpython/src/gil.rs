//! The usual way: the main interpreter, and its lock by `PyGILState_Ensure`.

use crate::{guest, sys};
use extram_example_threads::{Census, Load, Outcome};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

/// Python, which runs, and to which no thread is attached. It ends on the thread that started it.
pub struct Python(*mut sys::PyThreadState, PhantomData<*const ()>);

impl Python {
    /// Starts it, once in a process.
    ///
    /// # Errors
    ///
    /// The guest does not load.
    pub fn start() -> Result<Self, String> {
        // SAFETY: it does not run yet; attached then, until it is detached from.
        unsafe {
            sys::Py_InitializeEx(0);
            let loaded = guest::load();
            let python = Python(sys::PyEval_SaveThread(), PhantomData);
            loaded.map(|()| python)
        }
    }

    /// Ends it; whether that worked.
    pub fn end(self) -> bool {
        // SAFETY: the state of this thread, which `start` has detached; no other thread is attached.
        unsafe {
            sys::PyEval_RestoreThread(self.0);
            sys::Py_FinalizeEx() == 0
        }
    }
}

/// `PyGILState_Ensure`, and its counterpart when dropped.
struct Ensured(std::ffi::c_int);

impl Ensured {
    fn new() -> Self {
        // SAFETY: Python runs.
        Ensured(unsafe { sys::PyGILState_Ensure() })
    }
}

impl Drop for Ensured {
    fn drop(&mut self) {
        // SAFETY: what `new` got, in the opposite order.
        unsafe { sys::PyGILState_Release(self.0) };
    }
}

fn call(number: u32, rounds: u32) -> Option<u32> {
    let _ensured = Ensured::new();
    // SAFETY: attached as long as that lives.
    unsafe { guest::work(number, rounds) }
}

/// A thread state is made for each call, and goes with it.
pub(crate) fn each_call(load: &Load, census: &Arc<Census>) -> Result<Outcome, String> {
    Ok(counted(census, || load.run(call)))
}

/// Each thread keeps its state until it ends.
pub(crate) fn kept(load: &Load, census: &Arc<Census>) -> Result<Outcome, String> {
    thread_local! { static KEPT: Kept = Kept::new() }
    Ok(counted(census, || load.run(|number, rounds| KEPT.with(|_| call(number, rounds)))))
}

/// A thread state that stays with its thread: detached, so that others get the lock.
struct Kept(Cell<Option<Ensured>>, *mut sys::PyThreadState);

impl Kept {
    fn new() -> Self {
        let ensured = Ensured::new();
        // SAFETY: attached by that.
        Kept(Cell::new(Some(ensured)), unsafe { sys::PyEval_SaveThread() })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: this thread's, which `new` has detached.
        unsafe { sys::PyEval_RestoreThread(self.1) };
        self.0.take();
    }
}

/// There is one interpreter, which counts through all loads.
fn counted(census: &Arc<Census>, run: impl FnOnce() -> Outcome) -> Outcome {
    let calls = || {
        let _ensured = Ensured::new();
        // SAFETY: attached as long as that lives.
        unsafe { guest::calls() }.unwrap_or(0)
    };
    let seat = census.seat();
    let before = calls();
    let outcome = run();
    seat.served((calls() - before).into());
    outcome
}
