//! `lockextra`, `needm`, `newextram` and `dropm`, before and after Go commit 50048a4e.
//!
//! # The word
//!
//! | `extram` | meaning |
//! |---|---|
//! | 0 | the list is empty |
//! | 1 | somebody has it locked |
//! | other | the head; `schedlink` leads to the next |
//!
//! Whoever exchanges the head for 1 has the list to itself until it stores a new head. Go's
//! atomics are sequentially consistent, and so are these: a reference keeps what the source has,
//! its costs included.
//!
//! # Invariants
//!
//! - **Lock.** Between the compare-exchange that stored 1 and the store that took it away again,
//!   one thread alone reads or writes the list and the `schedlink` of the Ms on it.
//! - **Hold.** An M that is not on the list belongs to one thread: the one that took it off, or
//!   the one that is making it. Lock hands it on, with all that was written to it.

use crate::Entered;
use crate::node::{Node, Slots};
use core::ptr::{self, NonNull};
use extram_core::sync::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use extram_core::{Busy, EnterError, Event, Hooks, M, Runtime, StartError, Threads};

/// The code before the commit: an entry that took the last M makes exactly one.
pub type OneAtATime<R, P> = Reference<R, P, false>;

/// The commit: the first thread through makes as many Ms as threads have counted themselves.
pub type WaiterCounting<R, P> = Reference<R, P, true>;

/// A pool with one of the two algorithms.
///
/// An M belongs to its thread for one call, as in Go before 1.21; nested calls share it.
///
/// Go throws where it cannot make an M, and the process ends. Here the pool is dead then: the
/// thread that failed, everyone who finds the list empty and everyone who waits there gets
/// [`EnterError::CreationFailed`], and no M is made any more.
pub struct Reference<R: Runtime, P: Threads, const COUNTING: bool> {
    runtime: R,
    /// The tagged word.
    extram: AtomicPtr<Node<R>>,
    /// Threads that wait, as far as they are counted. Stays 0 in the code before the commit.
    extra_m_waiters: AtomicU32,
    /// All Ms ever made, linked through `alllink`.
    allm: AtomicPtr<Node<R>>,
    made: AtomicU32,
    /// Not null: Ms come from here and not from the heap.
    slots: &'static [Node<R>],
    stage: AtomicU32,
    thrown: AtomicBool,
    /// The M of a thread that is inside. Go's `g` register.
    local: P::Local,
}

// SAFETY: the runtime is `Sync`; contexts are `Send` and go from thread to thread by Lock; all
// else is atomic.
unsafe impl<R: Runtime, P: Threads, const COUNTING: bool> Sync for Reference<R, P, COUNTING> {}

/// Where the life of a pool stands.
const NEW: u32 = 0;
const STARTING: u32 = 1;
const STARTED: u32 = 2;
const CLOSED: u32 = 3;

fn locked<R: Runtime>() -> *mut Node<R> {
    ptr::without_provenance_mut(1)
}

/// Nothing happened after a fork.
unsafe extern "C" fn no_repair(_: *mut ()) {}

impl<R: Runtime, P: Threads, const COUNTING: bool> Reference<R, P, COUNTING> {
    const HOOKS: &'static Hooks = &Hooks { at_exit: Self::at_exit, in_child: no_repair };

    /// Before Go 1.21 nothing happened when a foreign thread exited: its M is gone with it. The port may
    /// forget the thread, though.
    ///
    /// # Safety
    ///
    /// `pool` is what was handed to `tls_open`.
    unsafe extern "C" fn at_exit(pool: *mut (), _: *mut ()) {
        // SAFETY: a pool that is open lives for ever.
        let pool: &'static Self = unsafe { &*pool.cast_const().cast::<Self>() };
        // Null is never refused.
        let _ = P::tls_set(&pool.local, ptr::null_mut());
    }

    /// A pool that makes its Ms on the heap.
    #[cfg(feature = "alloc")]
    pub const fn new(runtime: R) -> Self {
        Self::over(runtime, &[])
    }

    /// A pool of `N` Ms at most; wanting one more is a failed creation. The slots serve one pool.
    pub const fn with_slots<const N: usize>(runtime: R, slots: &'static Slots<R, N>) -> Self {
        Self::over(runtime, &slots.0)
    }

    const fn over(runtime: R, slots: &'static [Node<R>]) -> Self {
        Reference {
            runtime,
            extram: AtomicPtr::new(ptr::null_mut()),
            extra_m_waiters: AtomicU32::new(0),
            allm: AtomicPtr::new(ptr::null_mut()),
            made: AtomicU32::new(0),
            slots,
            stage: AtomicU32::new(NEW),
            thrown: AtomicBool::new(false),
            local: P::LOCAL,
        }
    }

    /// The runtime that was handed over.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// How many Ms have been made.
    pub fn made(&self) -> u32 {
        // Relaxed: a count for observers.
        self.made.load(Ordering::Relaxed)
    }

    /// The count of waiting threads as the algorithm knows it. Threads that were served by a
    /// returned M stay in it; before the commit it is always 0.
    pub fn waiting(&self) -> u32 {
        self.extra_m_waiters.load(Ordering::SeqCst)
    }

    /// How many Ms are on the list right now.
    pub fn spare(&self) -> u32 {
        // Cannot fail with `nilokay`.
        let Ok(head) = self.lockextra(true) else { return 0 };
        let spare = Self::length(head);
        self.unlockextra(head);
        spare
    }

    /// By the holder of the lock.
    fn length(mut m: *mut Node<R>) -> u32 {
        let mut length = 0;
        while !m.is_null() {
            length += 1;
            // SAFETY: Ms on the list live until `close`, and the list is ours (Lock).
            m = unsafe { (*m).schedlink.load(Ordering::Relaxed) };
        }
        length
    }

    /// Locks the list and returns its head. With `nilokay` an empty list is an answer; without,
    /// the thread looks again until an M is there.
    fn lockextra(&self, nilokay: bool) -> Result<*mut Node<R>, EnterError> {
        let mut incr = false;
        let mut waited = false;
        loop {
            let old = self.extram.load(Ordering::SeqCst);
            if old == locked() {
                P::osyield();
                continue;
            }
            if old.is_null() && !nilokay {
                // Change 1 of the commit: count yourself, once. `newextram` clears the count.
                if COUNTING && !incr {
                    self.extra_m_waiters.fetch_add(1, Ordering::SeqCst);
                    incr = true;
                }
                if !waited {
                    waited = true;
                    self.runtime.observe(Event::Waiting);
                }
                if let Some(end) = self.end() {
                    self.runtime.observe(Event::Refused);
                    return Err(end);
                }
                P::usleep(1);
                continue;
            }
            if self.extram.compare_exchange(old, locked(), Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                if waited {
                    // SAFETY: without `nilokay` (the only way to wait) the head is an M, and the
                    // list is ours (Lock).
                    let m = unsafe { (*old).id() };
                    self.runtime.observe(Event::Granted { m });
                }
                return Ok(old);
            }
            P::osyield();
        }
    }

    fn unlockextra(&self, head: *mut Node<R>) {
        self.extram.store(head, Ordering::SeqCst);
    }

    /// Why waiting is in vain: Go's process would not be there any more.
    fn end(&self) -> Option<EnterError> {
        if self.thrown.load(Ordering::SeqCst) {
            Some(EnterError::CreationFailed)
        } else if self.stage.load(Ordering::SeqCst) == CLOSED {
            Some(EnterError::Closed)
        } else {
            None
        }
    }

    /// Takes the head of the list, and notes whether that emptied it.
    fn needm(&self) -> Result<NonNull<Node<R>>, EnterError> {
        let mp = self.lockextra(false)?;
        // SAFETY: without `nilokay` the head is an M, and the list is ours (Lock).
        let m = unsafe { NonNull::new_unchecked(mp) };
        // SAFETY: as above; from the unlocking on it is ours by Hold.
        let next = unsafe { m.as_ref() }.schedlink.load(Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { m.as_ref() }.needextram.store(next.is_null(), Ordering::Relaxed);
        self.unlockextra(next);
        Ok(m)
    }

    /// Puts the M back.
    fn dropm(&self, m: NonNull<Node<R>>) {
        // Cannot fail with `nilokay`.
        let Ok(mnext) = self.lockextra(true) else { return };
        // SAFETY: the M is ours (Hold) until the unlocking.
        unsafe { m.as_ref() }.schedlink.store(mnext, Ordering::Relaxed);
        self.unlockextra(m.as_ptr());
    }

    /// Makes the Ms that an entry owes. Runs with an M in hand, after admission.
    fn newextram(&self) -> Result<(), EnterError> {
        // Change 2 of the commit: as many as threads wait.
        if COUNTING {
            // An exchange takes the whole count at once; whoever counts later is the next one's.
            let c = self.extra_m_waiters.swap(0, Ordering::SeqCst);
            if c > 0 {
                for _ in 0..c {
                    self.one_new_extra_m()?;
                }
                return Ok(());
            }
            // Make sure that at least one M is there.
            let mp = self.lockextra(true)?;
            self.unlockextra(mp);
            if !mp.is_null() {
                return Ok(());
            }
        }
        self.one_new_extra_m()
    }

    fn one_new_extra_m(&self) -> Result<(), EnterError> {
        self.runtime.observe(Event::Making);
        let Some(m) = self.allocm() else {
            self.runtime.observe(Event::Failed);
            self.thrown.store(true, Ordering::SeqCst);
            return Err(EnterError::CreationFailed);
        };
        let id = m.id();
        let mnext = self.lockextra(true)?;
        m.schedlink.store(mnext, Ordering::Relaxed);
        self.unlockextra(ptr::from_ref(m).cast_mut());
        self.runtime.observe(Event::Made { m: id });
        Ok(())
    }

    /// A complete M that is on no list yet.
    fn allocm(&self) -> Option<&'static Node<R>> {
        let context = self.runtime.new_context().ok()?;
        // Relaxed: each number is given out once, and nothing else hangs on it.
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let Some(m) = self.place(number) else {
            self.made.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        // SAFETY: nobody else knows this M yet (Hold).
        unsafe { m.lone.put(number + 1, context) };
        let this = ptr::from_ref(m).cast_mut();
        let mut head = self.allm.load(Ordering::Relaxed);
        loop {
            m.alllink.store(head, Ordering::Relaxed);
            // Release: `close`, whose acquire reads this head, sees the link and the context.
            match self.allm.compare_exchange(head, this, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Some(m),
                Err(now) => head = now,
            }
        }
    }

    #[cfg(feature = "alloc")]
    fn place(&self, number: u32) -> Option<&'static Node<R>> {
        if self.slots.is_empty() {
            Some(alloc::boxed::Box::leak(alloc::boxed::Box::new(Node::new())))
        } else {
            self.slots.get(number as usize)
        }
    }

    #[cfg(not(feature = "alloc"))]
    fn place(&self, number: u32) -> Option<&'static Node<R>> {
        self.slots.get(number as usize)
    }

    /// Makes the first M.
    ///
    /// # Errors
    ///
    /// The pool was started before, or the runtime could not make the M.
    pub fn start(&'static self) -> Result<(), StartError> {
        if self.stage.compare_exchange(NEW, STARTING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Err(StartError::AlreadyStarted);
        }
        // Without thread-local storage every call is an outermost one.
        let _ = P::tls_open(&self.local, (&raw const *self).cast_mut().cast(), Self::HOOKS);
        match self.one_new_extra_m() {
            Ok(()) => {
                self.stage.store(STARTED, Ordering::SeqCst);
                Ok(())
            }
            Err(_) => {
                let _ = P::tls_close(&self.local);
                self.thrown.store(false, Ordering::SeqCst);
                self.stage.store(NEW, Ordering::SeqCst);
                Err(StartError::CreationFailed)
            }
        }
    }

    /// Waits for an M as long as it takes.
    ///
    /// # Errors
    ///
    /// The pool is not running, or an M could not be made.
    #[doc(alias = "cgocallback")]
    pub fn enter(&'static self) -> Result<Entered<R, P, COUNTING>, EnterError> {
        match self.stage.load(Ordering::SeqCst) {
            STARTED => {}
            CLOSED => return Err(EnterError::Closed),
            _ => return Err(EnterError::NotStarted),
        }
        let m = match NonNull::new(P::tls_get(&self.local).cast::<Node<R>>()) {
            Some(m) => m,
            None => {
                let m = self.needm()?;
                let _ = P::tls_set(&self.local, m.as_ptr().cast());
                m
            }
        };
        let entered = Entered::new(self, m);
        let mp = entered.node();
        if mp.nest() == 1 {
            self.runtime.admit(mp.m());
            self.runtime.observe(Event::Entered { m: mp.id() });
        }
        // Change 3 of the commit: whoever comes in looks at the count as well.
        if mp.needextram.load(Ordering::Relaxed)
            || (COUNTING && self.extra_m_waiters.load(Ordering::SeqCst) > 0)
        {
            mp.needextram.store(false, Ordering::Relaxed);
            self.newextram()?;
        }
        Ok(entered)
    }

    /// Runs `f` with an M in hand.
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Reference::enter).
    pub fn callback<T>(&'static self, f: impl FnOnce(&M<R>) -> T) -> Result<T, EnterError> {
        Ok(f(&*self.enter()?))
    }

    /// The end of the outermost call.
    pub(crate) fn leave(&'static self, m: NonNull<Node<R>>) {
        // SAFETY: the M is the calling thread's until `dropm` (Hold).
        let mp = unsafe { m.as_ref() };
        let id = mp.id();
        self.runtime.retire(mp.m());
        self.runtime.observe(Event::Left { m: id });
        let _ = P::tls_set(&self.local, ptr::null_mut());
        self.dropm(m);
        self.runtime.observe(Event::Returned { m: id });
    }

    /// Drops all contexts. Everyone is refused from then on.
    ///
    /// # Errors
    ///
    /// An M is in use, or being made.
    pub fn close(&'static self) -> Result<(), Busy> {
        let Ok(head) = self.lockextra(true) else { return Err(Busy) };
        let stage = self.stage.load(Ordering::SeqCst);
        if stage == CLOSED || stage == NEW {
            self.stage.store(CLOSED, Ordering::SeqCst);
            self.unlockextra(head);
            return Ok(());
        }
        // Whoever makes an M holds another one, so a full list also says that none is being made.
        if stage != STARTED || Self::length(head) != self.made() {
            self.unlockextra(head);
            return Err(Busy);
        }
        self.stage.store(CLOSED, Ordering::SeqCst);
        // Whoever came past the stage before finds the list empty, and then the stage.
        self.unlockextra(ptr::null_mut());
        let _ = P::tls_close(&self.local);
        // Acquire: pairs with the release in `allocm`.
        let mut m = self.allm.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(this) = NonNull::new(m) {
            // SAFETY: all Ms were on the list, which is empty now: nobody holds one or can get
            // one (Hold), and each is in `allm` once.
            unsafe {
                m = this.as_ref().alllink.load(Ordering::Relaxed);
                drop(this.as_ref().lone.take());
                #[cfg(feature = "alloc")]
                if self.slots.is_empty() {
                    drop(alloc::boxed::Box::from_raw(this.as_ptr()));
                }
            }
        }
        self.made.store(0, Ordering::Relaxed);
        Ok(())
    }
}
