//! extram, and no pool at all, called by the same C as the live peers: `bench --be extram herd 1000`,
//! a process for each figure, as theirs.

use crate::context::{Making, Owned};
use extram::{Binding, Pool};
use extram_contest::{Contestant, MutexPool};
use std::ffi::{CString, c_char, c_int};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

/// What making a context costs here: more than a Go M does.
pub(crate) const COST: Duration = Duration::from_micros(20);

/// Who can be measured.
pub(crate) const NAMES: [&str; 4] = ["floor", "extram", "extram-per-call", "mutex"];

type Call = extern "C" fn(u32);

unsafe extern "C" {
    // In `peer.c`.
    fn peer_main(argc: c_int, argv: *mut *mut c_char, call: Call) -> c_int;
    fn peer_meet(meeting: u32);
}

static BOUND: Pool<Making> = Pool::new(Making(COST));
static PER_CALL: Pool<Making> = Pool::new(Making(COST)).binding(Binding::Call);
static MUTEX: OnceLock<MutexPool<Making>> = OnceLock::new();

fn meet(meeting: u32) {
    // SAFETY: it may be called by any thread.
    unsafe { peer_meet(meeting) };
}

fn held(owned: &Owned, meeting: u32) {
    assert!(owned.hold(|| meet(meeting)), "a context was in two hands at once");
}

extern "C" fn floor(meeting: u32) {
    meet(meeting);
}

extern "C" fn bound(meeting: u32) {
    BOUND.callback(|m| held(m.context(), meeting)).expect("the pool is open");
}

extern "C" fn per_call(meeting: u32) {
    PER_CALL.callback(|m| held(m.context(), meeting)).expect("the pool is open");
}

extern "C" fn mutex(meeting: u32) {
    let pool = MUTEX.get().expect("started before");
    pool.callback(&mut |_, owned| held(owned, meeting)).expect("the pool is open");
}

/// Is one of [`NAMES`]: the rest of the command line is C's.
pub(crate) fn be(args: &[String]) -> ExitCode {
    let started = match args.first().map(String::as_str) {
        Some("floor") => Ok(floor as Call),
        Some("extram") => BOUND.start().map(|()| bound as Call),
        Some("extram-per-call") => PER_CALL.start().map(|()| per_call as Call),
        Some("mutex") => MutexPool::start(Making(COST), None).map(|pool| {
            MUTEX.get_or_init(|| pool);
            mutex as Call
        }),
        other => {
            eprintln!("bench: --be {}: one of {}", other.unwrap_or(""), NAMES.join(", "));
            return ExitCode::FAILURE;
        }
    };
    let call = match started {
        Ok(call) => call,
        Err(error) => {
            eprintln!("bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    let args: Result<Vec<CString>, _> = args.iter().map(|arg| CString::new(arg.as_str())).collect();
    let Ok(args) = args else { return ExitCode::FAILURE };
    let mut argv: Vec<*mut c_char> = args.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
    argv.push(std::ptr::null_mut());
    // SAFETY: C's own form of a command line, which lives until the call returns; it is only read.
    let code = unsafe { peer_main(args.len() as c_int, argv.as_mut_ptr(), call) };
    ExitCode::from(u8::from(code != 0))
}
