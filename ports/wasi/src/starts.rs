//! Threads of the port's own making.

use crate::Wasi;
use extram_core::Refused;
use extram_port_bare_metal::Starts;
use std::thread::{Builder, JoinHandle};

/// A thread that [`Starts::start`] started.
#[derive(Debug)]
pub struct Thread(JoinHandle<()>);

struct Start(extern "C" fn(*mut ()), *mut ());

// SAFETY: handed to the one thread that it is for.
unsafe impl Send for Start {}

impl Starts for Wasi {
    type Thread = Thread;

    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread, Refused> {
        let start = Start(entry, arg);
        let run = move || {
            let Start(entry, arg) = { start };
            entry(arg);
        };
        // Less than this is less than the standard library itself takes.
        Builder::new().stack_size(stack.max(64 << 10)).spawn(run).map(Thread).map_err(|_| Refused)
    }

    fn join(thread: Thread) {
        // A thread that panics ends the program here: nothing unwinds.
        let _ = thread.0.join();
    }
}
