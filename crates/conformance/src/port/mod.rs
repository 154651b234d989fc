//! What the suite asks of a port before it lends it any M: each function by itself, so that a failure
//! names the one that is to blame.
//!
//! The order is that of need: a later check rests on the functions of the earlier ones. Where one of
//! [`Check::vital`] fails, the rest cannot be judged, and a scenario might hang or crash; so nothing
//! else runs.

mod barrier;
mod handler;
mod local;
mod stack;
mod thread;
mod time;
mod wait;

pub use handler::Interrupts;

use crate::subject::Subject;
use crate::{Config, Verdict};

/// A check of one function of the port, or of two that cannot be told apart.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The function.
    pub function: &'static str,
    /// What it has to do.
    pub title: &'static str,
    /// Whether everything else rests on it.
    pub vital: bool,
}

const fn vital(function: &'static str, title: &'static str) -> Check {
    Check { function, title, vital: true }
}

const fn check(function: &'static str, title: &'static str) -> Check {
    Check { function, title, vital: false }
}

/// The list, in the order in which they run.
pub const CHECKS: [Check; 12] = [
    vital("now", "the clock goes on, and never back"),
    vital("usleep", "sleeps as long as it was told, about"),
    vital("join", "waits until the thread has ended"),
    vital("thread_token", "tells living threads from each other, and is a multiple of 16"),
    check("thread_id", "tells living threads from each other"),
    vital("tls_get, tls_set", "a thread finds what it stored, and nobody else's"),
    check("exit_hook", "the hook runs once, on the thread that ends, where it was promised"),
    vital("wait, wake", "a thread waits while the word is as expected, and is woken"),
    check("stack_bounds", "tells the stack that the address lies on, and no more"),
    check("newosproc", "a stack has the size that was asked for"),
    check("heavy_barrier", "is a fence on the other threads"),
    check("wake, in a handler", "what handlers call neither blocks nor disturbs"),
];

type Run = fn(&Config) -> Verdict;

/// What runs for each of [`CHECKS`].
pub(crate) fn runs<S: Subject>() -> [Run; CHECKS.len()] {
    [
        time::clock::<S>,
        time::sleep::<S>,
        thread::join::<S>,
        thread::token::<S>,
        thread::id::<S>,
        local::own::<S>,
        local::hook::<S>,
        wait::wait::<S>,
        stack::bounds::<S>,
        stack::size::<S>,
        barrier::barrier::<S>,
        handler::handler::<S>,
    ]
}
