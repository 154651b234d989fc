//! Tasks of the port's own making: for the conformance suite and demonstrations.

use crate::{FreeRtos, kernel};
use core::ffi::c_void;
use core::sync::atomic::Ordering;
use extram_core::Refused;
use extram_core::sync::AtomicU32;
use extram_port_bare_metal::{Starts, System};

/// The least stack of a task, in bytes.
const STACK: usize = 4096;

struct Record {
    entry: extern "C" fn(*mut ()),
    arg: *mut (),
    done: AtomicU32,
}

/// A task that [`Starts::start`] started.
#[derive(Debug)]
pub struct Task(*mut Record);

extern "C" fn run(record: *mut c_void) {
    let record = record.cast::<Record>();
    // SAFETY: the record is there until `join` finds it done.
    let (entry, arg, done) = unsafe { ((*record).entry, (*record).arg, &raw const (*record).done) };
    // SAFETY: it exits below, and nobody else has its handle.
    unsafe { crate::keep_ms() };
    entry(arg);
    crate::exit();
    // SAFETY: as above, for the last time. Release: partner of the acquire in `join`.
    unsafe { (*done).store(1, Ordering::Release) };
    FreeRtos::wake(done, 1);
    // SAFETY: deletes the calling task, which has nothing left to drop.
    unsafe { kernel::extram_freertos_delete() }
}

impl Starts for FreeRtos {
    type Thread = Task;

    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Task, Refused> {
        // SAFETY: memory of the kernel's; aligned to 8 bytes, or none.
        let record = unsafe { kernel::extram_freertos_alloc(size_of::<Record>()) }.cast::<Record>();
        if record.is_null() {
            return Err(Refused);
        }
        // SAFETY: large enough, and nobody else's yet.
        unsafe { record.write(Record { entry, arg, done: AtomicU32::new(0) }) };
        // SAFETY: `run` gets the record it wants.
        if unsafe { kernel::extram_freertos_start(run, record.cast(), stack.max(STACK)) } == 0 {
            // SAFETY: from above; there is no task.
            unsafe { kernel::extram_freertos_free(record.cast()) };
            return Err(Refused);
        }
        Ok(Task(record))
    }

    fn join(task: Task) {
        // SAFETY: freed below alone.
        let done = unsafe { &(*task.0).done };
        while done.load(Ordering::Acquire) == 0 {
            Self::wait(done, 0, None);
        }
        // SAFETY: the task is done with it; its `wake` compares the address.
        unsafe { kernel::extram_freertos_free(task.0.cast()) };
    }
}
