//! The M: what is lent to a thread.
//!
//! - **Context.** The payload is initialised from `put_context` to `take_context`. In between, `stage`
//!   is [`Stage::Made`], or the M is in the hands of the thread that makes it or takes it out of use.

use crate::Runtime;
use crate::bounds::Bounds;
use crate::call::Call;
use crate::cell::UnsafeCell;
use crate::hold::Hold;
use crate::port::Port;
use crate::since::Since;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};
use core::mem::MaybeUninit;
use core::ops::Range;
use core::time::Duration;

/// An execution context on loan. A thread sees one through [`Entered`](crate::Entered), and only
/// while it holds it.
///
/// Its memory is never unmapped and never becomes anything else while the pool lives.
// So a racing reader may always read `schedlink`. `repr(C)`: what the paths of entering and leaving touch
// comes first and shares a cache line; the payload, which no racing reader touches, comes last.
#[repr(C)]
#[cfg_attr(all(target_pointer_width = "64", not(any(loom, shuttle))), repr(align(64)))]
pub struct M<R: Runtime> {
    /// The next spare, granted, bare or retired M by number, 0 for none. Atomic because a thread that
    /// loses the race for this M may read it at any time; what it read then fails its compare-exchange.
    schedlink: AtomicU32,
    /// Index in the table plus one; set when the slot is first used.
    id: AtomicU32,
    hold: Hold,
    call: Call,
    /// Go's `needextram`, as a number: how many Ms whoever enters with it makes at most; 0, [`LAST`]
    /// or [`NEW`]. Relaxed: the holder's own; whoever holds the M next acquires it through the list.
    needextram: AtomicU32,
    /// A [`Stage`].
    stage: AtomicU32,
    thread_id: AtomicUsize,
    /// The next one on the stack of idle Ms (see [`crate::hold`]); where there is none, the head of a shelf
    /// of retired ones (see [`crate::table`]).
    idlelink: AtomicU32,
    bounds: Bounds,
    /// Since when its thread has it. Of a spare one: since when it is of no use, as far as that is known.
    since: Since,
    /// How many were spare when it was put on the list, with it, in a pool that notes that. Where pointers have 32
    /// bits the header is full: there whoever wants to know walks.
    #[cfg(target_pointer_width = "64")]
    height: AtomicU32,
    context: UnsafeCell<MaybeUninit<R::Context>>,
}

/// Where an M is in its life. (The script for gdb in the crate `extram` knows the numbers.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stage {
    /// It has no context.
    Bare,
    /// A thread makes it.
    Making,
    /// It has one.
    Made,
    /// A thread takes it out of use, and has its context.
    Parting,
    /// In a forked child: written off, though the calling thread may have been giving it back. The
    /// number is not used again.
    Lost,
    /// In a forked child, for a moment: made, and found on the list.
    Found,
}

impl Stage {
    fn of(stage: u32) -> Stage {
        match stage {
            1 => Stage::Making,
            2 => Stage::Made,
            3 => Stage::Parting,
            4 => Stage::Lost,
            5 => Stage::Found,
            _ => Stage::Bare,
        }
    }
}

/// In `needextram`: it was the last spare one.
pub(crate) const LAST: u32 = 1;
/// In `needextram`: nobody has entered with it since it was made.
pub(crate) const NEW: u32 = 2;
/// In `needextram`, beside the number: the context is not to be lent again.
const BROKEN: u32 = 1 << 31;

#[cfg(all(target_pointer_width = "32", not(any(loom, shuttle))))]
static_assertions::const_assert!(core::mem::offset_of!(M<Empty>, context) <= 64);
#[cfg(all(target_pointer_width = "64", not(any(loom, shuttle))))]
static_assertions::const_assert!(core::mem::offset_of!(M<Empty>, context) <= 128);

/// The smallest runtime there is, to measure the header of an M.
#[cfg(not(any(loom, shuttle)))]
struct Empty;

#[cfg(not(any(loom, shuttle)))]
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

impl<R: Runtime> core::fmt::Debug for M<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("M")
            .field("id", &self.id())
            .field("thread_id", &self.thread_id())
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> M<R> {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            M {
                schedlink: AtomicU32::new(0),
                id: AtomicU32::new(0),
                hold: Hold::new(),
                call: Call::new(),
                needextram: AtomicU32::new(0),
                stage: AtomicU32::new(Stage::Bare as u32),
                thread_id: AtomicUsize::new(0),
                idlelink: AtomicU32::new(0),
                bounds: Bounds::new(),
                since: Since::never(),
                #[cfg(target_pointer_width = "64")]
                height: AtomicU32::new(0),
                context: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
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
        // SAFETY: an `M` is reachable by reference only for its holder (Invariant Hold), and is
        // initialised then (Invariant Context).
        self.context.with(|context| unsafe { (*context).assume_init_ref() })
    }

    /// The number of the thread that holds it, as the system's tools show it.
    #[doc(alias = "procid")]
    pub fn thread_id(&self) -> u64 {
        self.thread_id.load(Ordering::Relaxed) as u64
    }

    pub(crate) fn set_thread_id(&self, thread_id: u64) {
        self.thread_id.store(thread_id as usize, Ordering::Relaxed);
    }

    /// Says for observers which thread has it, and since when if that is to be noted.
    #[inline(always)]
    pub(crate) fn note_thread<P: Port>(&self) {
        self.set_thread_id(P::thread_id());
        self.note_now::<P>();
    }

    /// It is new, and nobody has had it yet.
    pub(crate) fn note_made<P: Port>(&self) {
        self.set_thread_id(0);
        self.note_now::<P>();
    }

    /// It is of use now, or was until now.
    #[inline(always)]
    pub(crate) fn note_now<P: Port>(&self) {
        if R::SINCE {
            self.since.note::<P>();
        }
    }

    /// How long its thread has had it, or how long it has been of no use; `None` if that is not noted.
    pub(crate) fn held_for<P: Port>(&self) -> Option<Duration> {
        if R::SINCE { self.since.elapsed::<P>() } else { None }
    }

    /// Of a spare one: whether it is known that it has been of no use for so long.
    pub(crate) fn is_unused<P: Port>(&self, age: Duration) -> bool {
        self.held_for::<P>().is_some_and(|unused| unused >= age)
    }

    /// Counts as used when the other one was, if it is unused still.
    pub(crate) fn inherit<P: Port>(&self, age: Duration, used: &M<R>) -> bool {
        self.since.replace_aged::<P>(age, &used.since)
    }

    /// How many calls of this thread are inside: 1 in a callback, 2 in a callback of a callback.
    pub fn depth(&self) -> u32 {
        self.call.count()
    }

    /// The stack that the thread came in on, in bytes: lowest address and one past the highest.
    /// `None` unless the runtime asks for it ([`Runtime::STACKS`]), where the system does not tell,
    /// and when calls from several stacks were left out of order.
    #[doc(alias = "g0")]
    pub fn stack(&self) -> Option<Range<usize>> {
        self.bounds.get()
    }

    #[inline(always)]
    pub(crate) fn schedlink(&self) -> &AtomicU32 {
        &self.schedlink
    }

    /// Where there is room for it.
    pub(crate) fn height(&self) -> Option<&AtomicU32> {
        #[cfg(target_pointer_width = "64")]
        return Some(&self.height);
        #[cfg(not(target_pointer_width = "64"))]
        None
    }

    pub(crate) fn idlelink(&self) -> &AtomicU32 {
        &self.idlelink
    }

    #[inline(always)]
    pub(crate) fn hold(&self) -> &Hold {
        &self.hold
    }

    #[inline(always)]
    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    #[inline(always)]
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// How many Ms whoever enters with it makes at most.
    #[inline(always)]
    pub(crate) fn owes(&self) -> u32 {
        self.needextram.load(Ordering::Relaxed) & !BROKEN
    }

    #[inline]
    pub(crate) fn owe(&self, ms: u32) {
        self.needextram.store(ms | self.needextram.load(Ordering::Relaxed) & BROKEN, Ordering::Relaxed);
    }

    /// The context is gone, or about to be, and with it what it owed, and that it was broken.
    pub(crate) fn owe_nothing(&self) {
        self.needextram.store(0, Ordering::Relaxed);
    }

    /// The context is not to be lent again once the last call is over, which leaves the long way.
    pub(crate) fn mark_broken(&self) {
        self.needextram.store(self.needextram.load(Ordering::Relaxed) | BROKEN, Ordering::Relaxed);
        self.call.leave_shortly(false);
    }

    /// Whether the context is to go once the last call is over.
    pub(crate) fn is_broken(&self) -> bool {
        self.needextram.load(Ordering::Relaxed) & BROKEN != 0
    }

    pub(crate) fn stage(&self) -> Stage {
        // Acquire: partner of the release in `set_stage`; the context of an M that is made is complete.
        Stage::of(self.stage.load(Ordering::Acquire))
    }

    /// Returns the last one.
    pub(crate) fn swap_stage(&self, stage: Stage) -> Stage {
        Stage::of(self.stage.swap(stage as u32, Ordering::AcqRel))
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u32, Ordering::Release);
    }

    /// # Safety
    ///
    /// The caller has the M to itself (Invariant Hold), and it has no context.
    pub(crate) unsafe fn put_context(&self, context: R::Context) {
        // SAFETY: by the caller's promise nobody else reaches the payload.
        self.context.with_mut(|place| unsafe { R::place((*place).as_mut_ptr(), context) });
    }

    /// Takes the context out, to be dropped when the M is nobody's any more: then the pool is whole,
    /// whatever its drop does.
    ///
    /// # Safety
    ///
    /// The caller has the M to itself (Invariant Hold), and it has a context (Invariant Context),
    /// which is gone afterwards. It has said so ([`Table::part`](crate::table::Table::part)).
    pub(crate) unsafe fn take_context(&self) -> R::Context {
        self.owe_nothing();
        // SAFETY: by the caller's promise, who takes it once.
        self.context.with_mut(|place| unsafe { (*place).assume_init_read() })
    }

    /// Puts another context in the place of the one that is there, which it hands out.
    ///
    /// # Safety
    ///
    /// The caller has the M to itself (Invariant Hold), and it has a context (Invariant Context).
    pub(crate) unsafe fn replace_context(&self, context: R::Context) -> R::Context {
        self.owe_nothing();
        // SAFETY: by the caller's promise.
        self.context.with_mut(|place| unsafe {
            let place = (*place).as_mut_ptr();
            let old = place.read();
            R::place(place, context);
            old
        })
    }

    /// The address of the context, for an observer that dereferences it at its own risk.
    pub(crate) fn context_address(&self) -> *const R::Context {
        self.context.with(|place| place.cast())
    }
}
