//! How a thread is interrupted where there are signals.

use extram_conformance::Interrupts;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};

/// One run at a time has them: there is one target, and one shot on its way.
pub(crate) const SIGNALS: Interrupts = Interrupts { aim, fire };

static TARGET: AtomicUsize = AtomicUsize::new(0);
static RUN: AtomicUsize = AtomicUsize::new(0);
static ARG: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

fn aim() {
    // SAFETY: an action that is all zero but for the handler, which is async-signal-safe if what was
    // fired is; a signal that nobody else here uses.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = shot as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
        TARGET.store(libc::pthread_self() as usize, SeqCst);
    }
}

fn fire(run: extern "C" fn(*mut ()), arg: *mut ()) {
    ARG.store(arg, SeqCst);
    RUN.store(run as usize, SeqCst);
    // SAFETY: the thread that called `aim`, which goes on until its handlers have run.
    unsafe { libc::pthread_kill(TARGET.load(SeqCst) as libc::pthread_t, libc::SIGUSR1) };
}

extern "C" fn shot(_: libc::c_int) {
    // SAFETY: what `fire` stored.
    let run: extern "C" fn(*mut ()) = unsafe { std::mem::transmute(RUN.load(SeqCst)) };
    run(ARG.load(SeqCst));
}
