//! FreeRTOS' functions, by `c/board.c`.

use core::ffi::c_void;

unsafe extern "C" {
    pub(crate) fn board_run(run: extern "C" fn(*mut c_void)) -> !;
    pub(crate) fn board_task(run: extern "C" fn(*mut c_void), arg: *mut c_void, priority: u32)
    -> *mut c_void;
    pub(crate) fn board_delete(task: *mut c_void);
    pub(crate) fn board_delay(ticks: u32);
    pub(crate) fn board_priority(priority: u32);
    pub(crate) fn board_current() -> *mut c_void;
    pub(crate) fn board_stack_left() -> u32;
    pub(crate) fn board_set_word(index: i32, value: *mut c_void);
    pub(crate) fn board_word(index: i32) -> *mut c_void;
    pub(crate) fn board_calls_from_c() -> i32;
}

/// A task of that priority, made by the kernel's own function; null if there is no room.
pub(crate) fn task(run: extern "C" fn(*mut c_void), number: usize, priority: u32) -> *mut c_void {
    // SAFETY: the number is no pointer to anything.
    unsafe { board_task(run, core::ptr::without_provenance_mut(number), priority) }
}

/// Ends the calling task, as any program does.
pub(crate) fn delete_me() {
    // SAFETY: nothing of the task's is borrowed by others.
    unsafe { board_delete(core::ptr::null_mut()) }
}

/// Ends another one, as any program may.
pub(crate) fn delete(task: *mut c_void) {
    // SAFETY: a handle from `task`, whose task has not ended.
    unsafe { board_delete(task) }
}
