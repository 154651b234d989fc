//! What is used of CPython's C API (3.12 and later).

use std::ffi::{c_char, c_int, c_ulong, c_void};

pub(crate) enum PyObject {}
pub(crate) enum PyThreadState {}
pub(crate) enum PyInterpreterState {}

#[repr(C)]
pub(crate) struct PyInterpreterConfig {
    pub(crate) use_main_obmalloc: c_int,
    pub(crate) allow_fork: c_int,
    pub(crate) allow_exec: c_int,
    pub(crate) allow_threads: c_int,
    pub(crate) allow_daemon_threads: c_int,
    pub(crate) check_multi_interp_extensions: c_int,
    pub(crate) gil: c_int,
}

/// `PyInterpreterConfig_OWN_GIL`.
pub(crate) const OWN_GIL: c_int = 2;

#[repr(C)]
pub(crate) struct PyStatus {
    pub(crate) kind: c_int,
    pub(crate) func: *const c_char,
    pub(crate) err_msg: *const c_char,
    pub(crate) exitcode: c_int,
}

unsafe extern "C" {
    pub(crate) fn Py_InitializeEx(signals: c_int);
    pub(crate) fn Py_FinalizeEx() -> c_int;
    pub(crate) fn Py_NewInterpreterFromConfig(
        state: *mut *mut PyThreadState,
        config: *const PyInterpreterConfig,
    ) -> PyStatus;
    pub(crate) fn Py_EndInterpreter(state: *mut PyThreadState);
    pub(crate) fn PyInterpreterState_Main() -> *mut PyInterpreterState;
    pub(crate) fn PyThreadState_GetInterpreter(state: *mut PyThreadState) -> *mut PyInterpreterState;
    pub(crate) fn PyThreadState_New(interpreter: *mut PyInterpreterState) -> *mut PyThreadState;
    pub(crate) fn PyThreadState_Clear(state: *mut PyThreadState);
    pub(crate) fn PyThreadState_Delete(state: *mut PyThreadState);
    pub(crate) fn PyThreadState_DeleteCurrent();
    pub(crate) fn PyThreadState_Get() -> *mut PyThreadState;
    pub(crate) fn PyEval_SaveThread() -> *mut PyThreadState;
    pub(crate) fn PyEval_RestoreThread(state: *mut PyThreadState);
    pub(crate) fn PyGILState_Ensure() -> c_int;
    pub(crate) fn PyGILState_Release(state: c_int);
    pub(crate) fn PyRun_SimpleString(text: *const c_char) -> c_int;
    pub(crate) fn PyImport_AddModule(name: *const c_char) -> *mut PyObject;
    pub(crate) fn PyObject_GetAttrString(object: *mut PyObject, name: *const c_char) -> *mut PyObject;
    pub(crate) fn PyObject_CallFunction(callable: *mut PyObject, format: *const c_char, ...)
    -> *mut PyObject;
    pub(crate) fn PyLong_AsUnsignedLong(object: *mut PyObject) -> c_ulong;
    pub(crate) fn PyErr_Occurred() -> *mut c_void;
    pub(crate) fn PyErr_Clear();
    pub(crate) fn Py_DecRef(object: *mut PyObject);
}
