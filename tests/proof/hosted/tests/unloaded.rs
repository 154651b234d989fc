//! A library that is unloaded with its pool open. A test of its own: what it shows is that the process
//! goes on.
#![cfg(unix)]

use extram_hosted::{Plugin, crew};
use std::sync::{Barrier, Mutex};

/// Scenarios 31 and 42. The host knows nothing of pools, so nobody closes this one. Threads are bound to its
/// Ms and outside when it goes; they exit afterwards, and so does one that never called in.
#[test]
fn a_library_is_unloaded_with_its_pool_open_and_then_its_bound_threads_exit() {
    for round in 0..10 {
        let plugin = Plugin::load(&format!("open-{round}"));
        plugin.start();
        let plugin = Mutex::new(Some(plugin));
        let step = Barrier::new(4);
        let made = crew(4, 0, |index| {
            if index != 3 {
                assert!(plugin.lock().unwrap().as_ref().unwrap().call() > 0);
            }
            step.wait();
            if index == 0 {
                let plugin = plugin.lock().unwrap().take().unwrap();
                assert_eq!(plugin.figures().1, 3, "threads are bound");
                plugin.unload();
            }
            step.wait();
        });
        assert_eq!(made, 4);
    }
}

/// The same where a fork comes afterwards: nobody calls a handler that is gone.
#[test]
fn a_process_forks_after_a_library_was_unloaded_with_its_pool_open() {
    let plugin = Plugin::load("forked");
    plugin.start();
    assert!(plugin.call() > 0);
    plugin.unload();
    // SAFETY: the child does nothing.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(42) };
    }
    let mut status = 0;
    // SAFETY: our child, and a place to write to.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 42));
}
