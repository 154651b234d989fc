//! A sub-interpreter with a lock of its own (PEP 684): what one M carries.

use crate::{guest, sys};
use extram_example_threads::{Census, Seat};
use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

/// Making and ending them is CPython's least trodden path: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

thread_local! {
    /// The thread's state in the interpreter of its M: from its first call with that until the M goes back.
    static STATE: Cell<*mut sys::PyThreadState> = const { Cell::new(ptr::null_mut()) };
    /// The thread is attached by it; CPython has no public function that says so.
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
}

const CONFIG: sys::PyInterpreterConfig = sys::PyInterpreterConfig {
    use_main_obmalloc: 0,
    allow_fork: 0,
    allow_exec: 0,
    allow_threads: 1,
    allow_daemon_threads: 0,
    check_multi_interp_extensions: 1,
    gil: sys::OWN_GIL,
};

pub(crate) struct Interpreter {
    interpreter: *mut sys::PyInterpreterState,
    /// Its first thread state, which nobody uses any more: CPython 3.12 gives that one out once, whenever it
    /// has no other.
    first: *mut sys::PyThreadState,
    seat: Seat,
}

// SAFETY: an interpreter is for any thread that attaches to it in a thread state of its own.
unsafe impl Send for Interpreter {}

impl Interpreter {
    pub(crate) fn new(census: &Arc<Census>) -> Result<Self, String> {
        let _attached = Elsewhere::begin();
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: Python runs, and the thread is attached to nothing. The main interpreter is the one that
        // makes another; the new one is current then, until it is detached from.
        unsafe {
            let main = attach(sys::PyInterpreterState_Main());
            let mut first = ptr::null_mut();
            let status = sys::Py_NewInterpreterFromConfig(&mut first, &CONFIG);
            if first.is_null() {
                detach();
                return Err(format!("no sub-interpreter: status {}", status.kind));
            }
            let interpreter = sys::PyThreadState_GetInterpreter(first);
            let new = Interpreter { interpreter, first, seat: census.seat() };
            let loaded = guest::load();
            sys::PyEval_SaveThread();
            sys::PyEval_RestoreThread(main);
            detach();
            drop(one);
            loaded.map(|()| new)
        }
    }

    /// The thread is attached from here on, in the state that it has kept or in a new one.
    pub(crate) fn attach(&self) {
        // SAFETY: Python runs as long as there is a sub-interpreter; only the holder of the M gets here, and
        // it is attached to nothing. A state that was kept is of this thread and this interpreter.
        unsafe {
            match STATE.get() {
                kept if kept.is_null() => STATE.set(attach(self.interpreter)),
                kept => sys::PyEval_RestoreThread(kept),
            }
        }
        ATTACHED.set(true);
    }

    /// It was attached by [`attach`](Interpreter::attach).
    pub(crate) fn detach(&self) {
        ATTACHED.set(false);
        // SAFETY: attached: `retire` is called after `admit`, on the same thread.
        unsafe { sys::PyEval_SaveThread() };
    }
}

/// The thread's M goes back, and its state with it: that is of this thread, and deleted by no other.
pub(crate) fn part() {
    let kept = STATE.replace(ptr::null_mut());
    if !kept.is_null() {
        // SAFETY: of this thread, and detached. The interpreter is there as long as the M is not given back.
        unsafe {
            sys::PyEval_RestoreThread(kept);
            detach();
        }
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        let _attached = Elsewhere::begin();
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the first thread state is detached and nobody's; no other is left, as each is deleted before
        // its M goes back.
        unsafe {
            let last = attach(self.interpreter);
            sys::PyThreadState_Clear(self.first);
            sys::PyThreadState_Delete(self.first);
            self.seat.served(guest::calls().unwrap_or(0).into());
            sys::Py_EndInterpreter(last);
        }
    }
}

/// A new thread state for the calling thread, which is attached.
///
/// # Safety
///
/// Python runs, and the thread is attached to nothing.
unsafe fn attach(interpreter: *mut sys::PyInterpreterState) -> *mut sys::PyThreadState {
    // SAFETY: by the caller's promise.
    unsafe {
        let state = sys::PyThreadState_New(interpreter);
        assert!(!state.is_null(), "no memory for a thread state");
        sys::PyEval_RestoreThread(state);
        state
    }
}

/// The current thread state goes.
///
/// # Safety
///
/// The thread is attached, and nobody has that state.
unsafe fn detach() {
    // SAFETY: by the caller's promise.
    unsafe {
        sys::PyThreadState_Clear(sys::PyThreadState_Get());
        sys::PyThreadState_DeleteCurrent();
    }
}

/// Detached for a while from where the thread is: a context is made, and may be dropped, in the middle of a
/// call with another one.
struct Elsewhere(*mut sys::PyThreadState);

impl Elsewhere {
    fn begin() -> Self {
        // SAFETY: attached, by the flag.
        Elsewhere(if ATTACHED.get() { unsafe { sys::PyEval_SaveThread() } } else { ptr::null_mut() })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the thread's own, which `begin` has detached.
            unsafe { sys::PyEval_RestoreThread(self.0) };
        }
    }
}
