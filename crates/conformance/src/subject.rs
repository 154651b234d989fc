//! The pool under test: extram's own, or another algorithm that claims the same.

use crate::probe::{Probe, Ticket};
use core::ops::Deref;
use core::time::Duration;
use extram_core::{Binding, Busy, EnterError, Entered, M, MState, Pool, Slots, StartError, Threads};

/// How a scenario wants its pool.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// So many Ms at most.
    pub limit: Option<u32>,
    /// How long an M stays.
    pub binding: Binding,
}

/// The figures that have to add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Ms that exist.
    pub created: u32,
    /// Of those: on the list.
    pub spare: u32,
    /// Of those: inside a call.
    pub in_use: u32,
    /// Of those: bound to a thread outside.
    pub bound_idle: u32,
    /// Threads that wait.
    pub waiting: u32,
    /// Ms being made.
    pub creating: u32,
}

/// One M as a walk sees it.
pub struct Seen<'a> {
    /// Its number.
    pub id: u32,
    /// Where it is.
    pub state: MState,
    /// The thread that has it.
    pub thread_id: u64,
    /// Its context.
    pub ticket: &'a Ticket,
}

/// An M on loan: whatever shows an [`M`] of the suite's runtime.
pub trait Loan {
    /// Its number.
    fn id(&self) -> u32;
    /// Its context.
    fn ticket(&self) -> &Ticket;
}

/// A pool that the suite can run on. What is optional returns `None` where the algorithm has no
/// such thing; scenarios about it are skipped then.
pub trait Subject: Sized + Sync + 'static {
    /// The port under it.
    type Port: Threads;
    /// A thread's hold on an M; leaving on drop.
    type Loan: Loan;

    /// How many Ms there can be.
    const MOST: u32;

    /// A pool of that shape that has not been started; `None` if it cannot have the shape.
    fn new(probe: Probe, shape: Shape) -> Option<Self>;

    /// Makes the first M.
    ///
    /// # Errors
    ///
    /// The pool's own.
    fn start(&'static self) -> Result<(), StartError>;

    /// Waits for an M.
    ///
    /// # Errors
    ///
    /// The pool's own.
    fn enter(&'static self) -> Result<Self::Loan, EnterError>;

    /// Drops every context if no M is in use.
    ///
    /// # Errors
    ///
    /// An M is in use.
    fn close(&'static self) -> Result<(), Busy>;

    /// As `enter`, without waiting.
    fn try_enter(&'static self) -> Option<Result<Self::Loan, EnterError>> {
        None
    }

    /// As `enter`, waiting for `limit` at most.
    fn enter_timeout(&'static self, limit: Duration) -> Option<Result<Self::Loan, EnterError>> {
        let _ = limit;
        None
    }

    /// Drops contexts of spare Ms above `keep`.
    fn trim(&'static self, keep: u32) -> Option<u32> {
        let _ = keep;
        None
    }

    /// Makes Ms until so many are spare.
    fn prewarm(&'static self, spare: u32) -> Option<Result<(), StartError>> {
        let _ = spare;
        None
    }

    /// Whether nested calls may be left in any order.
    const ANY_ORDER: bool = false;

    /// Stays inside until the thread ends, as a caller without guards does.
    fn stay(&'static self, loan: Self::Loan) {
        core::mem::forget(loan);
    }

    /// Gives the calling thread's idle M back now; whether there was one.
    fn unbind(&'static self) -> Option<bool> {
        None
    }

    /// The figures.
    fn figures(&'static self) -> Option<Figures> {
        None
    }

    /// How many threads wait, as far as the pool knows.
    fn waiting(&'static self) -> Option<u32> {
        None
    }

    /// Shows every M to `f`; `false` if the pool cannot.
    ///
    /// # Safety
    ///
    /// Nothing is trimmed or closed meanwhile.
    unsafe fn walk(&'static self, f: &mut dyn FnMut(Seen<'_>)) -> bool {
        let _ = f;
        false
    }
}

impl<T: Deref<Target = M<Probe>>> Loan for T {
    fn id(&self) -> u32 {
        (**self).id()
    }

    fn ticket(&self) -> &Ticket {
        self.context()
    }
}

macro_rules! subject {
    ($(#[$meta:meta])* $name:ident, $most:expr, $new:expr) => {
        $(#[$meta])*
        pub struct $name<P: Threads>(Pool<Probe, P>);

        impl<P: Threads> Subject for $name<P> {
            type Port = P;
            type Loan = Entered<Probe, P>;
            const MOST: u32 = $most;

            fn new(probe: Probe, shape: Shape) -> Option<Self> {
                let new: fn(Probe) -> Pool<Probe, P> = $new;
                let pool = new(probe).binding(shape.binding);
                Some($name(match shape.limit {
                    Some(limit) => pool.limit(limit),
                    None => pool,
                }))
            }

            fn start(&'static self) -> Result<(), StartError> {
                self.0.start()
            }

            fn enter(&'static self) -> Result<Self::Loan, EnterError> {
                self.0.enter()
            }

            fn close(&'static self) -> Result<(), Busy> {
                self.0.close()
            }

            fn try_enter(&'static self) -> Option<Result<Self::Loan, EnterError>> {
                Some(self.0.try_enter())
            }

            fn enter_timeout(&'static self, limit: Duration) -> Option<Result<Self::Loan, EnterError>> {
                Some(self.0.enter_timeout(limit))
            }

            fn trim(&'static self, keep: u32) -> Option<u32> {
                Some(self.0.trim(keep))
            }

            fn prewarm(&'static self, spare: u32) -> Option<Result<(), StartError>> {
                Some(self.0.prewarm(spare))
            }

            const ANY_ORDER: bool = true;

            fn stay(&'static self, loan: Self::Loan) {
                // SAFETY: nobody uses the M of this call any more.
                unsafe { extram_core::raw::keep(&self.0, loan) };
            }

            fn unbind(&'static self) -> Option<bool> {
                Some(self.0.unbind())
            }

            fn figures(&'static self) -> Option<Figures> {
                let stats = self.0.stats();
                Some(Figures {
                    created: stats.created,
                    spare: stats.spare,
                    in_use: stats.in_use,
                    bound_idle: stats.bound_idle,
                    waiting: stats.waiting,
                    creating: stats.creating,
                })
            }

            fn waiting(&'static self) -> Option<u32> {
                Some(self.0.stats().waiting)
            }

            unsafe fn walk(&'static self, f: &mut dyn FnMut(Seen<'_>)) -> bool {
                for m in self.0.ms() {
                    // SAFETY: the context is not dropped meanwhile, by the caller's promise, and a
                    // `Ticket` is nothing but atomics.
                    let ticket = unsafe { &*m.context_ptr() };
                    f(Seen { id: m.id, state: m.state, thread_id: m.thread_id, ticket });
                }
                true
            }
        }
    };
}

#[cfg(feature = "alloc")]
subject! {
    /// extram, with its Ms on the heap.
    OnHeap, u32::MAX, Pool::new
}

/// Slots of the pool without an allocator.
const SLOTS: usize = 33;

static SLOTS_OF_THE_SUITE: Slots<Probe, SLOTS> = Slots::new();

subject! {
    /// extram, with its Ms in 33 static slots. One pool of this kind is open at a time.
    InSlots, SLOTS as u32, |probe| Pool::with_slots(probe, &SLOTS_OF_THE_SUITE)
}
