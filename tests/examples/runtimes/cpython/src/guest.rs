//! Calls into the interpreter to which the thread is attached.

use crate::sys;
use std::ffi::CString;

/// Loads the guest into the interpreter.
///
/// # Safety
///
/// The thread is attached to it.
pub(crate) unsafe fn load() -> Result<(), String> {
    let text = CString::new(include_str!("guest.py")).map_err(|error| error.to_string())?;
    // SAFETY: attached, by the caller's promise.
    match unsafe { sys::PyRun_SimpleString(text.as_ptr()) } {
        0 => Ok(()),
        _ => Err("the guest does not load".into()),
    }
}

/// `work(number, rounds)`.
///
/// # Safety
///
/// The thread is attached to an interpreter.
pub(crate) unsafe fn work(number: u32, rounds: u32) -> Option<u32> {
    // SAFETY: attached, by the caller's promise; the format is that of two `u32`.
    unsafe {
        let work =
            sys::PyObject_GetAttrString(sys::PyImport_AddModule(c"__main__".as_ptr()), c"work".as_ptr());
        called(work, |work| sys::PyObject_CallFunction(work, c"II".as_ptr(), number, rounds))
    }
}

/// How often `work` was called in this interpreter.
///
/// # Safety
///
/// The thread is attached to it.
pub(crate) unsafe fn calls() -> Option<u32> {
    // SAFETY: attached, by the caller's promise; the format is that of no argument.
    unsafe {
        let counted =
            sys::PyObject_GetAttrString(sys::PyImport_AddModule(c"__main__".as_ptr()), c"counted".as_ptr());
        called(counted, |counted| sys::PyObject_CallFunction(counted, std::ptr::null()))
    }
}

/// Calls it, if it is there, and lets go of it and of the result.
///
/// # Safety
///
/// The thread is attached; `function` is null or a reference of its own, and so is what `call` returns.
unsafe fn called(
    function: *mut sys::PyObject,
    call: impl FnOnce(*mut sys::PyObject) -> *mut sys::PyObject,
) -> Option<u32> {
    let let_go = |object: *mut sys::PyObject| {
        // SAFETY: attached, and a reference of its own.
        (!object.is_null()).then(|| unsafe { sys::Py_DecRef(object) });
    };
    let result = if function.is_null() { function } else { call(function) };
    // SAFETY: attached, by the caller's promise; not null.
    let number = (!result.is_null()).then(|| unsafe { sys::PyLong_AsUnsignedLong(result) });
    let_go(result);
    let_go(function);
    // SAFETY: attached, by the caller's promise.
    unsafe {
        if !sys::PyErr_Occurred().is_null() {
            sys::PyErr_Clear();
            return None;
        }
    }
    number?.try_into().ok()
}
