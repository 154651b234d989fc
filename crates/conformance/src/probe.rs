//! The runtime under every pool of the suite: it counts, holds back, fails and complains.

use core::sync::atomic::Ordering::SeqCst;
use extram_core::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize};
use extram_core::{Event, M, Runtime};

/// What a scenario sets and reads. All accesses are sequentially consistent: the suite judges the
/// pool, so its own orderings are not to hide or add anything.
pub struct Stage {
    /// Nothing is made while this is set.
    pub(crate) hold_making: AtomicBool,
    /// How long making takes, in µs.
    pub(crate) cost: AtomicU32,
    /// The number of the first attempt that fails (the one in `start` is 0), and how many do.
    pub(crate) fail_from: AtomicU32,
    pub(crate) fail_count: AtomicU32,
    pub(crate) attempts: AtomicU32,
    pub(crate) making: AtomicU32,
    pub(crate) made: AtomicU32,
    pub(crate) failures: AtomicU32,
    pub(crate) dropped: AtomicU32,
    /// Threads that found no M, and those of them that got one or were turned away.
    pub(crate) waits: AtomicU32,
    pub(crate) grants: AtomicU32,
    pub(crate) refusals: AtomicU32,
    /// Admitted threads.
    pub(crate) running: AtomicU32,
    /// A collection is asked for; it goes on.
    pub(crate) collecting: AtomicBool,
    pub(crate) stopped: AtomicBool,
    /// For the scenarios' own use.
    pub(crate) inside: AtomicU32,
    pub(crate) most_inside: AtomicU32,
    pub(crate) served: AtomicU32,
    pub(crate) turned_away: AtomicU32,
    pub(crate) step: AtomicU32,
    pub(crate) note: [AtomicUsize; 4],
    complaint: AtomicPtr<&'static str>,
    got: AtomicUsize,
    wanted: AtomicUsize,
}

impl Stage {
    pub(crate) const fn new() -> Self {
        Stage {
            hold_making: AtomicBool::new(false),
            cost: AtomicU32::new(0),
            fail_from: AtomicU32::new(u32::MAX),
            fail_count: AtomicU32::new(0),
            attempts: AtomicU32::new(0),
            making: AtomicU32::new(0),
            made: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            waits: AtomicU32::new(0),
            grants: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            running: AtomicU32::new(0),
            collecting: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            inside: AtomicU32::new(0),
            most_inside: AtomicU32::new(0),
            served: AtomicU32::new(0),
            turned_away: AtomicU32::new(0),
            step: AtomicU32::new(0),
            note: [const { AtomicUsize::new(0) }; 4],
            complaint: AtomicPtr::new(core::ptr::null_mut()),
            got: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
        }
    }

    /// Notes what went wrong, if it is the first.
    pub(crate) fn complain(&self, text: &'static &'static str, got: usize, wanted: usize) {
        let text = core::ptr::from_ref(text).cast_mut();
        let first = self.complaint.compare_exchange(core::ptr::null_mut(), text, SeqCst, SeqCst).is_ok();
        if first {
            self.got.store(got, SeqCst);
            self.wanted.store(wanted, SeqCst);
        }
    }

    /// What went wrong first.
    pub(crate) fn complaint(&self) -> Option<(&'static str, usize, usize)> {
        // SAFETY: null or what `complain` stored, which lives for ever.
        let text = unsafe { self.complaint.load(SeqCst).as_ref() };
        text.map(|text| (*text, self.got.load(SeqCst), self.wanted.load(SeqCst)))
    }
}

/// What the probe needs of the system, and of the thread that it runs on.
pub(crate) trait Ground: Sync {
    fn usleep(&self, micros: u32);
    fn osyield(&self);
    /// The calling thread made an M.
    fn note_made(&'static self);
    fn token(&self) -> usize;
}

/// The runtime of the suite's pools.
pub struct Probe {
    pub(crate) stage: &'static Stage,
    pub(crate) ground: &'static dyn Ground,
}

/// A creation that the scenario wanted to fail.
#[derive(Clone, Copy, Debug)]
pub struct OnPurpose;

impl Probe {
    /// What [`Runtime::new_context`] does.
    ///
    /// # Errors
    ///
    /// The scenario wants a failure.
    pub fn make(&self) -> Result<Ticket, OnPurpose> {
        let stage = self.stage;
        let attempt = stage.attempts.fetch_add(1, SeqCst);
        stage.making.fetch_add(1, SeqCst);
        if stage.stopped.load(SeqCst) {
            stage.complain(&"an M was made during a collection", 1, 0);
        }
        while stage.hold_making.load(SeqCst) {
            self.ground.usleep(100);
        }
        match stage.cost.load(SeqCst) {
            0 => {}
            micros => self.ground.usleep(micros),
        }
        stage.making.fetch_sub(1, SeqCst);
        let from = stage.fail_from.load(SeqCst);
        if attempt >= from && attempt - from < stage.fail_count.load(SeqCst) {
            stage.failures.fetch_add(1, SeqCst);
            return Err(OnPurpose);
        }
        self.ground.note_made();
        stage.made.fetch_add(1, SeqCst);
        Ok(Ticket { stage, alive: AtomicU32::new(ALIVE), owner: AtomicUsize::new(0) })
    }

    /// What [`Runtime::admit`] does: waits while a collection runs.
    pub fn admitted(&self) {
        let stage = self.stage;
        loop {
            stage.running.fetch_add(1, SeqCst);
            if !stage.collecting.load(SeqCst) {
                return;
            }
            stage.running.fetch_sub(1, SeqCst);
            while stage.collecting.load(SeqCst) {
                self.ground.osyield();
            }
        }
    }

    /// What [`Runtime::retire`] does.
    pub fn retired(&self) {
        self.stage.running.fetch_sub(1, SeqCst);
    }

    /// What [`Runtime::observe`] does.
    pub fn seen(&self, event: Event) {
        let counter = match event {
            Event::Waiting => &self.stage.waits,
            Event::Granted { .. } => &self.stage.grants,
            Event::Refused => &self.stage.refusals,
            _ => return,
        };
        counter.fetch_add(1, SeqCst);
    }
}

impl Runtime for Probe {
    type Context = Ticket;
    type Error = OnPurpose;

    fn new_context(&self) -> Result<Ticket, OnPurpose> {
        self.make()
    }

    fn admit(&self, _: &M<Self>) {
        self.admitted();
    }

    fn retire(&self, _: &M<Self>) {
        self.retired();
    }

    fn observe(&self, event: Event) {
        self.seen(event);
    }
}

const ALIVE: u32 = 0x600d_600d;
const DEAD: u32 = 0xdead_dead;

/// The context of the suite's Ms: who has it, and whether it is alive.
pub struct Ticket {
    stage: &'static Stage,
    alive: AtomicU32,
    owner: AtomicUsize,
}

impl Ticket {
    pub(crate) fn complete(&self) -> bool {
        self.alive.load(SeqCst) == ALIVE
    }

    /// Runs `f` and complains if the M is in another thread's hands before, or after.
    pub(crate) fn alone<T>(&self, ground: &dyn Ground, f: impl FnOnce() -> T) -> T {
        let me = ground.token();
        if !self.complete() {
            self.stage.complain(&"an M was lent whose context is not complete", 0, 0);
        }
        let before = self.owner.swap(me, SeqCst);
        if before != 0 {
            self.stage.complain(&"an M is in two hands", before, 0);
        }
        let result = f();
        let after = self.owner.swap(0, SeqCst);
        if after != me {
            self.stage.complain(&"an M changed hands during a call", after, me);
        }
        result
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.alive.swap(DEAD, SeqCst) != ALIVE {
            self.stage.complain(&"a context was dropped twice", 2, 1);
        }
        if self.owner.load(SeqCst) != 0 {
            self.stage.complain(&"a context was dropped while its M was in use", 1, 0);
        }
        self.stage.dropped.fetch_add(1, SeqCst);
    }
}
