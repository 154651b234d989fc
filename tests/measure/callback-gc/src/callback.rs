//! Out to C and back: a fresh C thread, and what it calls.

use crate::interpreter::Interpreter;
use crate::lane::{self, Lane, Phase};
use crate::world::World;
use extram_contest::Contestant;
use extram_herd::Meeting;
use std::ffi::{c_int, c_void};
use std::io;
use std::sync::OnceLock;

/// What the threads of a round share.
pub(crate) struct Herd {
    pub(crate) pool: &'static dyn Contestant<Interpreter>,
    pub(crate) world: &'static World,
    /// Where all hold their Ms until all are inside.
    pub(crate) meeting: Option<Meeting>,
    pub(crate) threads: u32,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) lane: Lane,
    /// The number of the M that served it, unless the call failed.
    pub(crate) m: Result<u32, String>,
}

/// What the C thread is handed.
struct Call<'a> {
    herd: &'a Herd,
    seed: u32,
    outcome: OnceLock<Outcome>,
}

unsafe extern "C" {
    /// In `foreign.c`.
    fn call_from_fresh_thread(call: *const c_void, stack: usize) -> c_int;
}

impl Herd {
    /// Has a fresh C thread make the call and waits for it. The error is the system's: it makes no
    /// more threads.
    pub(crate) fn call(&self, seed: u32, stack: usize) -> io::Result<Outcome> {
        let call = Call { herd: self, seed, outcome: OnceLock::new() };
        // SAFETY: C hands the pointer to `callback_gc_callback` on a thread that has ended when
        // this returns, and `Call` is `Sync`: it has shared references and a `OnceLock` of `Send`.
        let error = unsafe { call_from_fresh_thread((&raw const call).cast(), stack) };
        let outcome = match (error, call.outcome.into_inner()) {
            (0, Some(outcome)) => Ok(outcome),
            (0, None) => Err(io::Error::other("the thread ended without making its call")),
            (error, _) => Err(io::Error::from_raw_os_error(error)),
        };
        if let (Err(_), Some(meeting)) = (&outcome, &self.meeting) {
            // It will not come to the meeting; the others need not wait for it.
            meeting.call_off();
        }
        outcome
    }

    fn callback(&self, seed: u32) -> Outcome {
        lane::open();
        let mut result = Err("the callback did not run".into());
        let entered = self.pool.callback(&mut |m, interpreter| {
            lane::begin(Phase::Running);
            result = interpreter.hold(|| {
                interpreter.grow(seed)?;
                lane::begin(Phase::HeldUp);
                // SAFETY: admission has brought the thread into the world.
                let freed =
                    unsafe { self.world.stop(|| lane::begin(Phase::Collecting), || interpreter.collect()) }?;
                if freed == 0 {
                    return Err("the collection freed nothing".into());
                }
                if let Some(meeting) = &self.meeting {
                    // Out of the world meanwhile, as a thread that sleeps in a system call.
                    lane::begin(Phase::Holding);
                    // SAFETY: `stop` has left the thread in the world, and `enter` brings it back.
                    unsafe { self.world.leave() };
                    meeting.meet(self.threads);
                    self.world.enter();
                }
                Ok(m)
            });
        });
        let lane = lane::close().expect("opened above, on this thread");
        let m = entered.map_err(|error| error.to_string()).and(result);
        if let (Err(_), Some(meeting)) = (&m, &self.meeting) {
            meeting.call_off();
        }
        Outcome { lane, m }
    }
}

/// The exported function, which the C thread calls.
#[unsafe(no_mangle)]
extern "C" fn callback_gc_callback(call: *const c_void) {
    // SAFETY: `Herd::call` handed it to C, and waits until this thread has ended.
    let call = unsafe { &*call.cast::<Call>() };
    // Each call has one thread.
    let _ = call.outcome.set(call.herd.callback(call.seed));
}
