//! The M: what is lent to a thread.

use crate::Runtime;
use crate::cell::UnsafeCell;
use crate::hold::token;
use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use core::mem::MaybeUninit;
use core::ops::Range;

/// An execution context on loan. A thread sees one through [`Entered`](crate::Entered), and only
/// while it holds it.
///
/// Its memory is never unmapped and never becomes anything else while the pool lives, so a racing
/// reader may always read `schedlink`. `repr(C)`: what the paths of entering and leaving touch
/// comes first and shares a cache line; the payload, which no racing reader touches, comes last.
#[repr(C)]
#[cfg_attr(all(target_pointer_width = "64", not(loom)), repr(align(64)))]
pub struct M<R: Runtime> {
    /// The next spare (or granted) M by number, 0 for none. Atomic because a thread that loses the
    /// race for this M may read it at any time; what it read then fails its compare-exchange.
    pub(crate) schedlink: AtomicU32,
    /// Index in the table plus one; set when the slot is first used.
    id: AtomicU32,
    /// Who holds it; see [`hold`](crate::hold).
    pub(crate) hold: AtomicUsize,
    /// How many calls are inside, with the flags [`ADMITTED`], [`UNBOUND`] and [`KEPT`]. Written by
    /// the holder alone.
    pub(crate) depth: AtomicU32,
    /// Calls left out of order: they still count in `depth` and go with the innermost one.
    pub(crate) deferred: AtomicU32,
    /// Go's `needextram`, as a number: how many Ms whoever enters with it makes at most; 0, [`LAST`]
    /// or [`NEW`].
    pub(crate) needextram: AtomicU32,
    /// [`BARE`] or [`MADE`]: for observers, not for decisions.
    pub(crate) stage: AtomicU32,
    /// The thread's value from before, put back when an unbound M leaves. Null while it is spare.
    pub(crate) outer: AtomicPtr<()>,
    thread_id: AtomicUsize,
    stack_low: AtomicUsize,
    /// In bytes; 0 = not asked yet, `usize::MAX` = the system does not tell.
    stack_size: AtomicUsize,
    /// Bounds from before the thread came in on another stack, valid while `switched_at` is the
    /// depth of that call.
    outer_low: AtomicUsize,
    outer_size: AtomicUsize,
    switched_at: AtomicU32,
    /// The pool, for the exit hook, which gets nothing but this M.
    pub(crate) pool: AtomicPtr<()>,
    context: UnsafeCell<MaybeUninit<R::Context>>,
}

/// In `depth`: admitted, so a signal handler may nest.
pub(crate) const ADMITTED: u32 = 1 << 31;
/// In `depth`: goes back at the end of the call.
pub(crate) const UNBOUND: u32 = 1 << 30;
/// In `depth`: the ordinary case. Bound the plain way and owing nothing, so that leaving is one
/// store; or, with [`UNBOUND`], entered by the short way in a pool that does not bind.
pub(crate) const KEPT: u32 = 1 << 29;
/// In `depth`: the calls.
pub(crate) const CALLS: u32 = KEPT - 1;

/// In `needextram`: it was the last spare one.
pub(crate) const LAST: u32 = 1;
/// In `needextram`: nobody has entered with it since it was made.
pub(crate) const NEW: u32 = 2;

/// In `stage`: has no context.
pub(crate) const BARE: u32 = 0;
/// In `stage`: has one.
pub(crate) const MADE: u32 = 1;

#[cfg(all(target_pointer_width = "32", not(loom)))]
static_assertions::const_assert!(core::mem::offset_of!(M<Empty>, context) <= 64);
#[cfg(all(target_pointer_width = "64", not(loom)))]
static_assertions::const_assert!(core::mem::offset_of!(M<Empty>, context) <= 128);

/// The smallest runtime there is, to measure the header of an M.
#[cfg(not(loom))]
struct Empty;

#[cfg(not(loom))]
impl Runtime for Empty {
    type Context = ();
    type Error = ();
    fn new_context(&self) -> Result<(), ()> {
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl<R: Runtime> defmt::Format for M<R> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (id, thread, depth) = (self.id(), self.thread_id(), self.depth());
        defmt::write!(f, "M {{ id: {}, thread_id: {}, depth: {} }}", id, thread, depth);
    }
}

impl<R: Runtime> M<R> {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            M {
                schedlink: AtomicU32::new(0),
                id: AtomicU32::new(0),
                hold: AtomicUsize::new(0),
                depth: AtomicU32::new(0),
                deferred: AtomicU32::new(0),
                needextram: AtomicU32::new(0),
                stage: AtomicU32::new(BARE),
                outer: AtomicPtr::new(core::ptr::null_mut()),
                thread_id: AtomicUsize::new(0),
                stack_low: AtomicUsize::new(0),
                stack_size: AtomicUsize::new(0),
                outer_low: AtomicUsize::new(0),
                outer_size: AtomicUsize::new(0),
                switched_at: AtomicU32::new(0),
                pool: AtomicPtr::new(core::ptr::null_mut()),
                context: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// Whether it has a context and nobody holds it: it is on the list, or in transit. For
    /// observers.
    pub(crate) fn is_spare(&self) -> bool {
        // Relaxed: a hint.
        self.stage.load(Ordering::Relaxed) == MADE && token(self.hold.load(Ordering::Relaxed)) == 0
    }

    /// Its number, from 1. Numbers are reused for Ms made after a trim.
    pub fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    pub(crate) fn set_id(&self, id: u32) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// What the runtime made for it. Only the thread that holds the M can get here.
    pub fn context(&self) -> &R::Context {
        // SAFETY: an `M` is reachable by reference only for its holder (Invariant Hold), from
        // after `put_context` until before `drop_context` (Invariant Context).
        self.context.with(|context| unsafe { (*context).assume_init_ref() })
    }

    /// The number of the thread that holds it, as the system's tools show it.
    #[doc(alias = "procid")]
    pub fn thread_id(&self) -> u64 {
        self.thread_id.load(Ordering::Relaxed) as u64
    }

    /// How many calls of this thread are inside: 1 in a callback, 2 in a callback of a callback.
    pub fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed) & CALLS
    }

    /// The stack that the thread came in on, in bytes: lowest address and one past the highest.
    /// `None` where the system does not tell, and in a pool with
    /// [`Binding::Call`](crate::Binding::Call), which would have to ask at every call.
    #[doc(alias = "g0")]
    pub fn stack(&self) -> Option<Range<usize>> {
        let low = self.stack_low.load(Ordering::Relaxed);
        match self.stack_size.load(Ordering::Relaxed) {
            0 | usize::MAX => None,
            size => Some(low..low.saturating_add(size)),
        }
    }

    /// Notes the thread alone, whose number is another in a forked child.
    pub(crate) fn set_thread_id(&self, thread_id: u64) {
        self.thread_id.store(thread_id as usize, Ordering::Relaxed);
    }

    /// Forgets the stack of the last holder and notes the thread. By the holder.
    pub(crate) fn set_thread(&self, thread_id: u64) {
        // Relaxed, here and below: for the holder itself and for observers, who get no more than
        // "at some moment".
        self.set_thread_id(thread_id);
        self.stack_size.store(0, Ordering::Relaxed);
        self.switched_at.store(0, Ordering::Relaxed);
    }

    /// Whether `sp` lies outside the known stack.
    #[inline(always)]
    pub(crate) fn came_in_elsewhere(&self, sp: usize) -> bool {
        // Where the system does not tell, low is 0 and size the whole address space.
        let size = self.stack_size.load(Ordering::Relaxed);
        sp.wrapping_sub(self.stack_low.load(Ordering::Relaxed)) >= size
    }

    /// Notes the bounds of the stack on which the call at `depth` came in, and keeps the outer
    /// call's for its return. One level is kept; a deeper change leaves the outer bounds unknown,
    /// never wrong.
    pub(crate) fn set_stack(&self, bounds: Option<Range<usize>>, depth: u32) {
        let (low, size) = bounds.map_or((0, usize::MAX), |b| (b.start, b.end.saturating_sub(b.start)));
        if depth > 1 {
            let known = self.switched_at.load(Ordering::Relaxed) == 0;
            let outer = (self.stack_low.load(Ordering::Relaxed), self.stack_size.load(Ordering::Relaxed));
            let (outer_low, outer_size) = if known { outer } else { (0, usize::MAX) };
            self.outer_low.store(outer_low, Ordering::Relaxed);
            self.outer_size.store(outer_size, Ordering::Relaxed);
            self.switched_at.store(depth, Ordering::Relaxed);
        }
        self.stack_low.store(low, Ordering::Relaxed);
        self.stack_size.store(size, Ordering::Relaxed);
    }

    /// The call at `depth` has been left: what the outer one knew is right again.
    pub(crate) fn restore_stack(&self, depth: u32) {
        if self.switched_at.load(Ordering::Relaxed) == depth {
            self.stack_low.store(self.outer_low.load(Ordering::Relaxed), Ordering::Relaxed);
            self.stack_size.store(self.outer_size.load(Ordering::Relaxed), Ordering::Relaxed);
            self.switched_at.store(0, Ordering::Relaxed);
        }
    }

    /// # Safety
    ///
    /// The caller has the M to itself (Invariant Hold), and it has no context.
    pub(crate) unsafe fn put_context(&self, context: R::Context) {
        // SAFETY: by the caller's promise nobody else reaches the payload.
        self.context.with_mut(|place| unsafe { (*place).write(context) });
    }

    /// # Safety
    ///
    /// The caller has the M to itself (Invariant Hold), and it has a context, which is gone
    /// afterwards.
    pub(crate) unsafe fn drop_context(&self) {
        // SAFETY: by the caller's promise; the caller marks the M as bare.
        self.context.with_mut(|place| unsafe { (*place).assume_init_drop() });
    }

    /// The address of the context, for an observer that dereferences it at its own risk.
    pub(crate) fn context_address(&self) -> *const R::Context {
        self.context.with(|place| place.cast())
    }
}
