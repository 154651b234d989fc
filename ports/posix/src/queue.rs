//! Waiting on a word where the system has no such thing: threads queue by the word's address.
//!
//! Each thread that waits has a [`Sleeper`] of its own, so a wake-up reaches those that it is for. The
//! queues of addresses with the same hash share a mutex. A signal handler may wake, so all signals are
//! blocked while a thread has one; whoever holds it is not interrupted, and soon lets go.
//!
//! - **Queued.** A node is on its list from [`wait`] until that thread, or whoever wakes it, takes it off
//!   again, with the list's mutex locked; and lies still that long, on the stack of the thread.
//!
//! **Forks.** The thread that forks locks all mutexes before, and lets go of them afterwards, in the parent
//! and in the child, in which all other threads are gone, and with them their nodes.

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use extram_core::sync::AtomicU32;
use libc::c_int;

/// How one thread sleeps until another one rouses it.
pub trait Sleeper: Sized {
    /// For the calling thread.
    fn new() -> Self;

    /// Called once, when it lies where it stays. `false` if the system refuses; then the wait ends at
    /// once.
    fn prepare(&mut self) -> bool {
        true
    }

    /// Sleeps until [`rouse`](Sleeper::rouse) is called, which may have happened since `held` was let
    /// go of, or `timeout` has passed. May return early.
    fn sleep(&self, held: &mut Held<'_>, timeout: Option<Duration>);

    /// Rouses the thread, by another one or by a handler of its own, while the mutex is locked.
    fn rouse(&self);
}

struct Node {
    address: usize,
    woken: Cell<bool>,
    next: Cell<*const Node>,
    sleeper: *const (),
    rouse: unsafe fn(*const ()),
}

struct Bucket {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    first: Cell<*const Node>,
    last: Cell<*const Node>,
}

// SAFETY: the lists are looked at with the mutex locked.
unsafe impl Sync for Bucket {}

const BUCKETS: usize = 64;

static ALL: [Bucket; BUCKETS] = [const {
    Bucket {
        mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
        first: Cell::new(core::ptr::null()),
        last: Cell::new(core::ptr::null()),
    }
}; BUCKETS];

/// Whether anybody has ever used one of these: elsewhere a fork has nothing to do.
static USED: AtomicBool = AtomicBool::new(false);

/// A bucket's mutex, locked, all signals blocked.
#[allow(missing_debug_implementations)] // nothing in it that says anything
pub struct Held<'a> {
    bucket: &'a Bucket,
    signals: libc::sigset_t,
}

impl<'a> Held<'a> {
    fn new(bucket: &'a Bucket) -> Self {
        // Relaxed: if it is too old, it is set once more.
        if !USED.load(Ordering::Relaxed) {
            // SeqCst: a forked child that finds a mutex locked finds this, too.
            USED.store(true, Ordering::SeqCst);
        }
        let signals = block_signals();
        // SAFETY: initialised where it is defined; this thread does not have it, since no handler runs on
        // one that does.
        unsafe { libc::pthread_mutex_lock(bucket.mutex.get()) };
        Held { bucket, signals }
    }

    /// The mutex, for a condition variable.
    pub fn mutex(&self) -> *mut libc::pthread_mutex_t {
        self.bucket.mutex.get()
    }

    /// Runs `f` without the mutex and with the signals that the thread had before.
    pub fn without<T>(&mut self, f: impl FnOnce() -> T) -> T {
        self.let_go();
        let result = f();
        self.signals = Held::new(self.bucket).signals;
        result
    }

    fn let_go(&self) {
        // SAFETY: locked by this thread.
        unsafe { libc::pthread_mutex_unlock(self.bucket.mutex.get()) };
        restore_signals(&self.signals);
    }
}

fn block_signals() -> libc::sigset_t {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: both sets are written before they are read.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: a set that the thread had.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, null_mut()) };
}

impl Bucket {
    fn of(address: usize) -> &'static Bucket {
        // Words lie apart by a multiple of four, and many of them by one of 64.
        &ALL[((address >> 2) ^ (address >> 8)) % BUCKETS]
    }

    fn append(&self, node: &Node) {
        let node = core::ptr::from_ref(node);
        // SAFETY: Invariant Queued.
        match unsafe { self.last.get().as_ref() } {
            Some(last) => last.next.set(node),
            None => self.first.set(node),
        }
        self.last.set(node);
    }

    /// Takes off the nodes that `wanted` says, from the first on, and calls `then` for each: it may be
    /// gone when that returns and the mutex is let go of.
    fn take_off(&self, mut wanted: impl FnMut(&Node) -> bool, mut then: impl FnMut(&Node)) {
        let mut before: *const Node = core::ptr::null();
        let mut at = self.first.get();
        // SAFETY: Invariant Queued.
        while let Some(node) = unsafe { at.as_ref() } {
            let next = node.next.get();
            if wanted(node) {
                // SAFETY: as above.
                match unsafe { before.as_ref() } {
                    Some(before) => before.next.set(next),
                    None => self.first.set(next),
                }
                if next.is_null() {
                    self.last.set(before);
                }
                then(node);
            } else {
                before = at;
            }
            at = next;
        }
    }
}

/// For [`System::wait`](crate::System::wait).
pub fn wait<S: Sleeper>(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    unsafe fn rouse<S: Sleeper>(sleeper: *const ()) {
        // SAFETY: the sleeper of a node on a list (Queued).
        unsafe { &*sleeper.cast::<S>() }.rouse();
    }
    let mut sleeper = S::new();
    if !sleeper.prepare() {
        return crate::time::osyield();
    }
    let node = Node {
        address: core::ptr::from_ref(word).addr(),
        woken: Cell::new(false),
        next: Cell::new(core::ptr::null()),
        sleeper: (&raw const sleeper).cast(),
        rouse: rouse::<S>,
    };
    // A thread that is cancelled would leave its node on the list.
    let cancels = may_be_cancelled(DISABLE);
    let mut held = Held::new(Bucket::of(node.address));
    // Relaxed: whoever changes the word locks the mutex afterwards, to wake.
    if word.load(Ordering::Relaxed) == expected {
        held.bucket.append(&node);
        sleeper.sleep(&mut held, timeout);
        if !node.woken.get() {
            held.bucket.take_off(|other| core::ptr::eq(other, &node), |_| ());
        }
    }
    held.let_go();
    may_be_cancelled(cancels);
}

/// For [`System::wake`](crate::System::wake).
pub fn wake(word: *const AtomicU32, count: u32) {
    let held = Held::new(Bucket::of(word.addr()));
    let mut left = count;
    held.bucket.take_off(
        |node| {
            let wanted = left > 0 && node.address == word.addr();
            left -= u32::from(wanted);
            wanted
        },
        |node| {
            node.woken.set(true);
            // SAFETY: the node's own (Queued): its thread needs the mutex to take it away.
            unsafe { (node.rouse)(node.sleeper) };
        },
    );
    held.let_go();
}

const DISABLE: c_int =
    if cfg!(any(target_vendor = "apple", target_os = "aix", target_os = "hurd")) { 0 } else { 1 };

/// Whether the calling thread may be cancelled from now on; what was before. Not in programs that wait
/// otherwise: Android has no such function.
#[inline]
fn may_be_cancelled(state: c_int) -> c_int {
    unsafe extern "C" {
        // POSIX's, which the libc crate does not have.
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }
    let mut before = DISABLE;
    // SAFETY: a state, and a place for one.
    unsafe { pthread_setcancelstate(state, &mut before) };
    before
}

/// The signals that a thread had before it locked all this to fork, and its token.
struct Forking {
    signals: UnsafeCell<MaybeUninit<libc::sigset_t>>,
    token: AtomicUsize,
}

// SAFETY: `signals` is looked at by the thread that has locked everything.
unsafe impl Sync for Forking {}

static FORKING: Forking =
    Forking { signals: UnsafeCell::new(MaybeUninit::uninit()), token: AtomicUsize::new(0) };

/// Before a fork: locks everything.
pub(crate) fn before_fork() {
    // Relaxed, here and below: its own token is stored by the thread itself. Who uses a queue for the first
    // time just now is for the child to settle.
    let mine = crate::thread::token();
    if !USED.load(Ordering::Relaxed) || FORKING.token.load(Ordering::Relaxed) == mine {
        return;
    }
    let signals = block_signals();
    for bucket in &ALL {
        // SAFETY: as in `Held::new`. Nobody else asks for a second one.
        unsafe { libc::pthread_mutex_lock(bucket.mutex.get()) };
    }
    // SAFETY: everything is locked.
    unsafe { (*FORKING.signals.get()).write(signals) };
    FORKING.token.store(mine, Ordering::Relaxed);
}

/// After a fork, by the thread that has called `before_fork`.
pub(crate) fn after_fork(in_child: bool) {
    let locked = FORKING.token.load(Ordering::Relaxed) == crate::thread::token();
    if in_child && USED.load(Ordering::Relaxed) {
        for bucket in &ALL {
            // A thread that forks in a handler which interrupted its sleep has a node, too. Taking it off
            // costs that sleep an early end at most.
            bucket.first.set(core::ptr::null());
            bucket.last.set(core::ptr::null());
            if !locked {
                // SAFETY: whoever had it is gone.
                unsafe { bucket.mutex.get().write(libc::PTHREAD_MUTEX_INITIALIZER) };
            }
        }
    }
    if locked {
        FORKING.token.store(0, Ordering::Relaxed);
        // SAFETY: written by `before_fork`; everything is locked still.
        let signals = unsafe { (*FORKING.signals.get()).assume_init() };
        for bucket in &ALL {
            // SAFETY: locked by this thread before the fork.
            unsafe { libc::pthread_mutex_unlock(bucket.mutex.get()) };
        }
        restore_signals(&signals);
    }
}
