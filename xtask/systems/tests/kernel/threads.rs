//! Threads of this machine.

extern crate std;

use crate::Demo;
use extram_core::Refused;
use extram_port_bare_metal::{Starts, System};
use std::thread::{Builder, JoinHandle};

/// A thread that was started.
#[derive(Debug)]
pub struct Thread(JoinHandle<()>);

impl Starts for Demo {
    type Thread = Thread;

    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), _stack: usize) -> Result<Thread, Refused> {
        let arg = arg.expose_provenance();
        let run = move || {
            entry(core::ptr::with_exposed_provenance_mut(arg));
            if Demo::EXITS {
                Demo::block().exit();
            }
        };
        Builder::new().spawn(run).map(Thread).map_err(|_| Refused)
    }

    fn join(thread: Thread) {
        let _ = thread.0.join();
    }
}
