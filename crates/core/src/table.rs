//! Which numbers are in use. Nothing here waits for another thread: a preempted one holds up nobody.
//!
//! A number is *live* while an M has it, from `reserve` to `release`; the count of live ones keeps to
//! the limit. Others are bare (used once, and not now), retired ([`crate::hold`]), or above `high`.
//!
//! - **Room.** A permit (one more live one, within the limit) is taken before a number, and given back
//!   after the number is bare again. So whoever has a permit finds a number.

mod shelves;

use crate::count::{Changed, Count, Era};
use crate::list::Links;
use crate::m::Stage;
use crate::numbers::Numbers;
use crate::port::Port;
#[cfg(feature = "alloc")]
use crate::segments::{FIRST, Segments};
use crate::slots::{FixedSlots, Owner};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use crate::word::MAX_VALUE;
use crate::{M, Runtime};

/// Why there is no slot.
pub(crate) enum NoSlot {
    /// As many Ms as the limit allows are there or being made.
    Limit,
    /// No memory.
    #[cfg(feature = "alloc")]
    Memory,
}

pub(crate) struct Table<R: Runtime> {
    /// The first slots: those of the user's, or the first segment once there is one.
    first: AtomicPtr<M<R>>,
    /// How many there are.
    firsts: u32,
    back: Back<R>,
    /// The highest number in use so far. Numbers above it have no memory yet.
    high: AtomicU32,
    /// Ms that are there or being made.
    live: Count,
    /// Linked by `schedlink`.
    bare: Numbers,
    /// Whether there are [`shelves`].
    shelves: AtomicBool,
    /// Whether anything has ever been put on one.
    any_retired: AtomicBool,
    /// Whether each M notes how many are spare when it comes home.
    pub(crate) notes_heights: bool,
}

/// What backs a table.
enum Back<R: Runtime> {
    #[cfg(feature = "alloc")]
    Heap(Segments<R>),
    Fixed {
        owner: Option<&'static Owner>,
        _of: core::marker::PhantomData<fn() -> R>,
    },
}

// SAFETY: as for `Slots`; `first` points into one, or into a segment of its own.
unsafe impl<R: Runtime> Sync for Table<R> {}
// SAFETY: nothing in it depends on the thread; a context is `Send`.
unsafe impl<R: Runtime> Send for Table<R> {}

impl<R: Runtime> Links for Table<R> {
    type Node = M<R>;
    const SINCE: bool = R::SINCE;

    #[inline(always)]
    fn node(&self, id: u32) -> &M<R> {
        self.get(id)
    }

    fn has(&self, id: u32) -> bool {
        self.numbers().contains(&id)
    }

    #[inline(always)]
    fn schedlink(m: &M<R>) -> &AtomicU32 {
        m.schedlink()
    }

    #[inline(always)]
    fn height<'a>(&self, m: &'a M<R>) -> Option<&'a AtomicU32> {
        if self.notes_heights { m.height() } else { None }
    }

    #[inline(always)]
    fn in_hands<P: Port>(&self, m: &M<R>) {
        if m.stage() == Stage::Lost {
            self.restage::<P>(m, Stage::Made);
        }
    }
}

impl<R: Runtime> Table<R> {
    #[cfg(feature = "alloc")]
    const_unless_loom! {
        pub(crate) fn on_heap() -> Self {
            Self::over(core::ptr::null_mut(), FIRST, Back::Heap(Segments::new()))
        }
    }

    const_unless_loom! {
        pub(crate) fn in_slots(fixed: FixedSlots<R>) -> Self {
            let back = Back::Fixed { owner: fixed.owner, _of: core::marker::PhantomData };
            Self::over(fixed.first.cast_mut(), fixed.count, back)
        }
    }

    const_unless_loom! {
        fn over(first: *mut M<R>, firsts: u32, back: Back<R>) -> Self {
            Table {
                first: AtomicPtr::new(first),
                firsts,
                back,
                high: AtomicU32::new(0),
                live: Count::new(),
                bare: Numbers::new(),
                shelves: AtomicBool::new(false),
                any_retired: AtomicBool::new(false),
                notes_heights: false,
            }
        }
    }

    /// The M of that number.
    #[inline(always)]
    pub(crate) fn get(&self, id: u32) -> &M<R> {
        let index = id - 1;
        if index < self.firsts {
            // Relaxed: the number came from a thread that had acquired the first segment.
            let first = self.first.load(Ordering::Relaxed);
            // SAFETY: a number is given out after its slot was made, which stays (Stable).
            return unsafe { &*first.add(index as usize) };
        }
        self.get_further(index)
    }

    #[cold]
    #[inline(never)]
    fn get_further(&self, index: u32) -> &M<R> {
        match &self.back {
            #[cfg(feature = "alloc")]
            Back::Heap(segments) => segments.get(index),
            Back::Fixed { .. } => unreachable!("no number is higher than that of the last slot: {index}"),
        }
    }

    /// The numbers that have memory.
    pub(crate) fn numbers(&self) -> core::ops::RangeInclusive<u32> {
        // Acquire: partner of the release in `fresh`.
        1..=self.high.load(Ordering::Acquire)
    }

    /// The Ms that have memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &M<R>> {
        self.numbers().map(|id| self.get(id))
    }

    /// How many Ms are there or being made.
    pub(crate) fn live(&self) -> u32 {
        // Acquire: partner of the release in `release`, for `close`: whoever took an M out of use came as a
        // guest before. (Who judges the duty to refill by it has been told of the change by the word.)
        self.live.get(Ordering::Acquire)
    }

    /// Whether no slot is left.
    pub(crate) fn full(&self, limit: u32) -> bool {
        self.live() >= self.most(limit)
    }

    pub(crate) fn most(&self, limit: u32) -> u32 {
        limit.min(if self.is_fixed() { self.firsts } else { MAX_VALUE })
    }

    /// Whether the slots are the user's.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.back, Back::Fixed { .. })
    }

    fn owner(&self) -> Option<&'static Owner> {
        match self.back {
            Back::Fixed { owner, .. } => owner,
            #[cfg(feature = "alloc")]
            Back::Heap(_) => None,
        }
    }

    /// Makes the slots this pool's own; `false` if they belong to another.
    pub(crate) fn claim_slots(&self) -> bool {
        self.owner().is_none_or(|owner| owner.claim(self.name()))
    }

    fn name(&self) -> *mut () {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// Lets another pool have the slots. Every M is bare.
    pub(crate) fn return_slots(&self) {
        if let Some(owner) = self.owner() {
            // That pool links them in its own way, so they are all as never used when they come back.
            self.bare.forget();
            self.high.store(0, Ordering::Relaxed);
            owner.give_up(self.name());
        }
    }

    /// Takes a bare slot into use, where an M is made. `hold` notes that it is in this thread's hands.
    pub(crate) fn reserve<P: Port>(&self, limit: u32, hold: impl Fn(&M<R>)) -> Result<&M<R>, NoSlot> {
        loop {
            let era = self.live.era::<P>();
            // Acquire: partner of the release in `release`; the number is bare again (Room).
            match self.live.add_below(self.most(limit), era, Ordering::Acquire) {
                Changed::Done => {}
                Changed::Not(_) => return Err(NoSlot::Limit),
                Changed::Over => continue,
            }
            let bare = self.bare.pop::<P, _>(self, Self::schedlink);
            let m = match bare.map_or_else(|| self.fresh(), Ok) {
                Ok(id) => self.get(id),
                Err(none) => {
                    // Relaxed: no number goes with it.
                    self.live.go::<P>(era, Ordering::Relaxed);
                    return Err(none);
                }
            };
            hold(m);
            m.set_stage(Stage::Making);
            if self.live.era::<P>() == era {
                return Ok(m);
            }
            // A handler forked, and may have found the slot bare, or not.
            m.hold().forget();
            m.set_stage(Stage::Bare);
            self.rebuild::<P>();
        }
    }

    /// A number that was never used.
    fn fresh(&self) -> Result<u32, NoSlot> {
        let mut high = self.high.load(Ordering::Acquire);
        loop {
            let id = high + 1;
            if id > self.most(u32::MAX) {
                return Err(NoSlot::Limit);
            }
            match &self.back {
                #[cfg(feature = "alloc")]
                Back::Heap(segments) => {
                    if let Some(first) = segments.reach(high).ok_or(NoSlot::Memory)? {
                        // Relaxed: published with the number. Whoever comes here writes the same.
                        self.first.store(first, Ordering::Relaxed);
                    }
                }
                Back::Fixed { .. } => self.get(id).set_id(id),
            }
            // Release: partner of the acquire in `numbers`, for the memory and what is in it. AcqRel,
            // because another's number may lie in a segment that this thread has not seen.
            match self.high.compare_exchange(high, id, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(id),
                Err(now) => high = now,
            }
        }
    }

    /// Takes the context out of an M, and its slot out of use.
    ///
    /// # Safety
    ///
    /// As for [`M::take_context`].
    pub(crate) unsafe fn take_apart<P: Port>(&self, m: &M<R>) -> R::Context {
        self.part::<P>(m);
        // SAFETY: by the caller's promise.
        let context = unsafe { m.take_context() };
        self.release::<P>(m.id());
        context
    }

    /// Takes a slot out of use. Its M has no context any more.
    pub(crate) fn release<P: Port>(&self, id: u32) {
        let era = self.live.era::<P>();
        self.bury::<P>(self.get(id), era);
        // Release: partner of the acquire in `reserve` (Room).
        self.live.go::<P>(era, Ordering::Release);
    }

    /// Before the context of an M is taken out, which is in the caller's hands.
    pub(crate) fn part<P: Port>(&self, m: &M<R>) {
        self.restage::<P>(m, Stage::Parting);
    }

    /// In the caller's hands; a handler may have forked, so that it was written off.
    fn restage<P: Port>(&self, m: &M<R>, stage: Stage) {
        let era = self.live.era::<P>();
        // Relaxed: no number goes with it.
        if m.swap_stage(stage) == Stage::Lost && !self.live.add::<P>(1, era, Ordering::Relaxed) {
            self.rebuild::<P>();
        }
    }

    /// The caller has had the slot in its hands in that era.
    fn bury<P: Port>(&self, m: &M<R>, era: Era) {
        m.set_stage(Stage::Bare);
        if !self.bare.push_while(m.id(), m.schedlink(), || self.live.era::<P>() == era) {
            // A handler forked, and may have found the slot bare, or not.
            self.rebuild::<P>();
        }
    }

    /// In a forked child: every slot for which `keep` is false becomes bare. A context it held is
    /// forgotten, not dropped: the thread that used it vanished in the middle. The caller is the only
    /// thread that uses the pool.
    pub(crate) fn reset_after_fork<P: Port>(&self, keep: impl Fn(&M<R>) -> Kept, token: usize) {
        let vanish = |m: &M<R>| {
            m.call().forget();
            m.hold().forget();
            m.owe_nothing();
            m.set_stage(Stage::Bare);
        };
        for m in self.iter() {
            m.hold().unlist();
            match keep(m) {
                // Its thread has vanished, and writes nothing any more.
                _ if m.hold().is_retired() && m.hold().token() != token => vanish(m),
                Kept::Live | Kept::AsItIs => {}
                Kept::Bare => vanish(m),
                Kept::Lost => m.set_stage(Stage::Lost),
            }
        }
        self.rebuild::<P>();
    }

    /// In a forked child, by its only thread: what is bare or retired, and how many are live, as the Ms say.
    /// Once more if a handler forks meanwhile: that child's repair has done it already.
    fn rebuild<P: Port>(&self) {
        loop {
            let era = self.live.era::<P>();
            self.bare.forget();
            if self.shelves.load(Ordering::Relaxed) {
                self.fill_shelves();
            }
            let mut live = 0;
            for m in self.iter().filter(|m| !m.hold().is_retired()) {
                match m.stage() {
                    Stage::Bare => self.bare.push(m.id(), m.schedlink()),
                    Stage::Making | Stage::Made | Stage::Parting => live += 1,
                    Stage::Lost | Stage::Found => {}
                }
            }
            if self.live.era::<P>() == era {
                return self.live.begin_anew(live);
            }
        }
    }
}

/// What becomes of an M in a forked child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is there, or being made.
    Live,
    /// Its slot is bare.
    Bare,
    /// See [`Stage::Lost`].
    Lost,
    /// Retired, or lost in an earlier fork: not live, and not to be used again yet.
    AsItIs,
}
