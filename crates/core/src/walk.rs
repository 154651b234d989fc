//! What any thread may know of a pool and its Ms, without stopping anybody.

use crate::m::Stage;
use crate::port::Port;
use crate::sync::Ordering;
use crate::{M, Pool, Runtime};
use core::ops::Range;
use core::time::Duration;

/// Figures of a pool. While threads come and go each is right at some moment of the call; at rest
/// `created = spare + in_use + bound_idle`, and `waiting` and `creating` are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Stats {
    /// Ms that exist.
    pub created: u32,
    /// Of those: on the list, or on their way to a waiter.
    pub spare: u32,
    /// Of those: inside a call.
    pub in_use: u32,
    /// Of those: bound to a thread that is outside.
    pub bound_idle: u32,
    /// Threads that wait for an M.
    #[doc(alias = "extraMWaiters")]
    pub waiting: u32,
    /// Ms being made.
    pub creating: u32,
    /// Attempts to make an M that failed, since `start`.
    pub failed: u32,
}

/// Where an M is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MState {
    /// Nobody's: on the list, or on its way to a waiter.
    Spare,
    /// Inside a call.
    InUse,
    /// Bound to a thread that is outside.
    BoundIdle,
}

/// What any thread may know of an M. Each field was true at some moment of the walk, and not all at the same
/// one: they are read one after another while the holder goes on. So a state of [`InUse`](MState::InUse) may come
/// with a depth of 0, or a thread with the stack of the one before it. They fit together where the holder is
/// known to stand still.
pub struct Observed<R: Runtime> {
    /// Its number.
    pub id: u32,
    /// Where it is.
    pub state: MState,
    /// The thread that has it, or had it last; 0 if none had.
    pub thread_id: u64,
    /// The stack that this thread came in on, in bytes; see [`M::stack`].
    pub stack: Option<Range<usize>>,
    /// How many calls are inside.
    pub depth: u32,
    /// For how long the thread has had it, in milliseconds (less than 49 days); `None` unless the runtime
    /// asks for it ([`Runtime::SINCE`]), where there is no clock, or if no thread had it. Of a spare one: the age that
    /// [`Pool::trim_unused`] goes by.
    pub held_for: Option<Duration>,
    context: *const R::Context,
}

impl<R: Runtime> Observed<R> {
    /// The context, for a collector that has stopped the world, or a debugger.
    ///
    /// # Safety
    ///
    /// The pointer is good as long as the context is neither taken out of its M (`trim`, `trim_unused`, `close`,
    /// `spare_max` and `discard` do that, the last two on threads that have been retired already) nor used by its
    /// holder in a way that conflicts with the caller's. `Context` need not be `Sync`.
    pub unsafe fn context_ptr(&self) -> *const R::Context {
        self.context
    }
}

#[cfg(feature = "defmt")]
impl<R: Runtime> defmt::Format for Observed<R> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Observed {{ id: {}, state: {}, thread_id: {}, stack: {}, depth: {} }}",
            self.id,
            self.state,
            self.thread_id,
            self.stack,
            self.depth
        );
    }
}

impl<R: Runtime> core::fmt::Debug for Observed<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Observed")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("thread_id", &self.thread_id)
            .field("stack", &self.stack)
            .field("depth", &self.depth)
            .field("held_for", &self.held_for)
            .finish_non_exhaustive()
    }
}

/// Where an M is right now; `None` if it has no context.
pub(crate) fn state<R: Runtime>(m: &M<R>) -> Option<MState> {
    match m.stage() {
        Stage::Made if m.depth() > 0 => Some(MState::InUse),
        Stage::Made if m.hold().is_bound() => Some(MState::BoundIdle),
        Stage::Made => Some(MState::Spare),
        _ => None,
    }
}

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Every M that exists, for collectors and debuggers. Complete Ms only: one that is being made
    /// appears when its context is there, and one whose context goes is left out from the moment that it is
    /// taken out, so while it is dropped. May be called by any thread at any time, in a signal handler too.
    #[doc(alias = "allm")]
    pub fn ms(&self) -> impl Iterator<Item = Observed<R>> {
        self.lasting().table.iter().filter_map(|m| {
            let (state, thread_id) = (state(m)?, m.thread_id());
            // Of a new M it is noted when it was made.
            let had = thread_id != 0 || state != MState::Spare;
            Some(Observed {
                id: m.id(),
                state,
                thread_id,
                stack: m.stack(),
                depth: m.depth(),
                held_for: if had { m.held_for::<P>() } else { None },
                context: m.context_address(),
            })
        })
    }

    /// The pool's figures; see [`Stats`]. Looks at every M, so it is not for hot paths. May be called by
    /// any thread at any time, in a signal handler too.
    pub fn stats(&self) -> Stats {
        let word = self.list.glance();
        let mut stats = Stats {
            waiting: word.waiting(),
            creating: word.creating(),
            failed: self.failures.load(Ordering::Relaxed),
            ..Stats::default()
        };
        for m in self.table.iter() {
            match state(m) {
                None => continue,
                Some(MState::Spare) => stats.spare += 1,
                Some(MState::InUse) => stats.in_use += 1,
                Some(MState::BoundIdle) => stats.bound_idle += 1,
            }
            stats.created += 1;
        }
        stats
    }
}
