//! What may be called in a handler, called in one, again and again, while the thread that is
//! interrupted is in the middle of the same functions.

use crate::crew::Case;
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use extram_core::Port;

/// How a handler comes to run on this system: a signal, a timer's interrupt. The suite cannot know.
#[derive(Clone, Copy, Debug)]
pub struct Interrupts {
    /// From now on the calling thread is the one to interrupt.
    pub aim: fn(),
    /// Sees to it that the function runs once, with that argument, in a handler on that thread,
    /// whatever that is doing. Called by another thread; need not wait for it, and is not called again
    /// before it has run.
    pub fire: fn(extern "C" fn(*mut ()), *mut ()),
}

/// The functions in the order in which the handler calls them; `note[0]` is the number of the one that
/// has not come back.
const CALLED: [&str; 7] = [
    "wake does not come back in a handler",
    "tls_get does not come back in a handler",
    "tls_look does not come back in a handler",
    "thread_token does not come back in a handler",
    "thread_id does not come back in a handler",
    "forks does not come back in a handler",
    "stack_bounds_in_signal does not come back in a handler",
];

extern "C" fn interrupted<S: Subject>(case: *mut ()) {
    // SAFETY: what `handler` fired with; the case stays until its crew has ended, or for ever.
    let case: &'static Case<S> = unsafe { &*case.cast::<Case<S>>() };
    let stage = &case.stage;
    let calls = |function: usize| stage.note[0].store(function, SeqCst);
    calls(0);
    S::Port::wake(&raw const stage.inside, 1);
    calls(1);
    let value = S::Port::tls_get(&case.local);
    calls(2);
    let looked = S::Port::tls_look(&case.local).0;
    if value != looked || !(value.is_null() || value.addr() == VALUE) {
        stage.complain(&"a handler finds another value than its thread stored", value.addr(), VALUE);
    }
    calls(3);
    let token = S::Port::thread_token();
    if token != stage.note[1].load(SeqCst) {
        stage.complain(&"a handler has another token than its thread", token, stage.note[1].load(SeqCst));
    }
    calls(4);
    if S::Port::thread_id() as usize != stage.note[2].load(SeqCst) {
        stage.complain(&"a handler has another number than its thread", 0, 1);
    }
    calls(5);
    S::Port::forks();
    calls(6);
    let frame = [0_u8; 4];
    let sp = core::hint::black_box(&raw const frame).addr();
    if S::Port::stack_bounds_in_signal(sp).is_some_and(|stack| !stack.contains(&sp)) {
        stage.complain(&"the bounds in a handler do not hold its frame", 0, 1);
    }
    stage.served.fetch_add(1, SeqCst);
}

const VALUE: usize = 0x1230;

pub(super) fn handler<S: Subject>(config: &Config) -> Verdict {
    let Some(interrupts) = config.interrupts else {
        return Verdict::Skipped("the suite was not told how to interrupt a thread (Config::interrupts)");
    };
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let body = |case: &'static Case<S>, _| {
        let stage = &case.stage;
        stage.note[1].store(S::Port::thread_token(), SeqCst);
        stage.note[2].store(S::Port::thread_id() as usize, SeqCst);
        if let Some(interrupts) = case.config.interrupts {
            (interrupts.aim)();
        }
        stage.step.store(1, SeqCst);
        while stage.step.load(SeqCst) == 1 {
            S::Port::wake(&raw const stage.inside, 1);
            S::Port::wait(&stage.inside, 0, Some(Duration::from_micros(1)));
            // Where storage refuses, the handler finds null.
            let _ = S::Port::tls_set(&case.local, core::ptr::without_provenance_mut(VALUE));
            S::Port::tls_get(&case.local);
            let frame = [0_u8; 4];
            S::Port::stack_bounds(core::hint::black_box(&raw const frame).addr());
        }
    };
    let crew = case.crew(1, body, || {
        case.expect(&"the thread does not come", || stage.step.load(SeqCst) == 1);
        for shot in 1..=100 + config.races / 20 {
            stage.note[0].store(CALLED.len(), SeqCst);
            (interrupts.fire)(interrupted::<S>, core::ptr::from_ref(case).cast_mut().cast());
            if !case.until(|| stage.served.load(SeqCst) == shot) {
                let at = stage.note[0].load(SeqCst);
                let text = CALLED.get(at).unwrap_or(&"no handler ran (Config::interrupts)");
                stage.complain(text, shot as usize - 1, shot as usize);
                break;
            }
            if stage.complaint().is_some() {
                break;
            }
        }
        stage.step.store(2, SeqCst);
    });
    case.end_after(crew)
}
