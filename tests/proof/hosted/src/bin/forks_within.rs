//! Forks by functions of the runtime, in the middle of what the pool is about. Parent and child go on both.
#![allow(missing_docs)]

use extram::{Binding, Busy, EnterError, Event, Pool, Runtime};
use extram_hosted::stage::reap;
use extram_hosted::until;
use extram_kept::keep;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// In the parent the child's number, in the child 0; -1: nobody has forked.
static CHILD: AtomicI32 = AtomicI32::new(-1);

/// Both processes go on.
fn fork() {
    // SAFETY: the child uses the pool, its own threads and the C library's allocator, all of which
    // work in a child.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // A child that hangs ends by this.
        // SAFETY: takes a number.
        unsafe { libc::alarm(30) };
    }
    CHILD.store(child, SeqCst);
}

fn is_child() -> bool {
    CHILD.load(SeqCst) == 0
}

/// The child ends here, and the parent sees that it ended well: a panic ends it otherwise.
fn part() {
    match CHILD.swap(-1, SeqCst) {
        // SAFETY: ends the process without the parent's exit handlers.
        0 => unsafe { libc::_exit(0) },
        -1 => panic!("nobody has forked"),
        child => reap("a function of the runtime forked", child),
    }
}

/// A context whose drop forks, once; the child closes the pool and gives its memory back.
struct Forks;

static FORKS: AtomicBool = AtomicBool::new(false);
static AT: AtomicPtr<Pool<Forking>> = AtomicPtr::new(std::ptr::null_mut());

impl Drop for Forks {
    fn drop(&mut self) {
        if !FORKS.swap(false, SeqCst) {
            return;
        }
        fork();
        if is_child() {
            let pool = AT.load(SeqCst);
            // SAFETY: a pool that is closed, and not used any more, goes with its memory.
            unsafe {
                assert_eq!((*pool).close(), Ok(()));
                std::ptr::drop_in_place(pool);
                assert_eq!(libc::munmap(pool.cast(), size_of::<Pool<Forking>>()), 0);
            }
        }
    }
}

struct Forking;

impl Runtime for Forking {
    type Context = Forks;
    type Error = ();

    fn new_context(&self) -> Result<Forks, ()> {
        Ok(Forks)
    }
}

/// In a child that forks while a context is dropped that is one too many, or was trimmed, nobody knows of the
/// thread that drops it: it touches nothing of the pool any more.
fn while_it_drops() {
    let trims: fn(&'static Pool<Forking>) = |pool| {
        pool.prewarm(3).unwrap();
        FORKS.store(true, SeqCst);
        pool.trim(1);
    };
    let leaves: fn(&'static Pool<Forking>) = |pool| {
        let inside = pool.enter().unwrap();
        FORKS.store(true, SeqCst);
        drop(inside);
    };
    for (spare_max, drops) in [(u32::MAX, trims), (1, leaves)] {
        let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        // SAFETY: fresh pages, for as long as the parent lives.
        let pool = unsafe {
            let page = libc::mmap(std::ptr::null_mut(), size_of::<Pool<Forking>>(), access, shared, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            let pool = page.cast::<Pool<Forking>>();
            pool.write(Pool::new(Forking).binding(Binding::Call).spare_max(spare_max));
            AT.store(pool, SeqCst);
            &*pool
        };
        pool.start().unwrap();
        drops(pool);
        part();
        pool.callback(|_| ()).unwrap();
        pool.close().unwrap();
        // LeakSanitizer does not look into such pages.
        // SAFETY: it is closed, and nobody uses it any more.
        unsafe { std::ptr::drop_in_place(AT.load(SeqCst)) };
    }
}

/// A context whose drop forks, once, and closes and starts the pool in the child.
struct Restarts;

static RESTARTS: AtomicBool = AtomicBool::new(false);

static CLOSING: Pool<Restarting> = Pool::new(Restarting);

impl Drop for Restarts {
    fn drop(&mut self) {
        if RESTARTS.swap(false, SeqCst) {
            fork();
            if is_child() {
                CLOSING.close().unwrap();
                CLOSING.start().unwrap();
                CLOSING.callback(|_| ()).unwrap();
            }
        }
    }
}

struct Restarting;

impl Runtime for Restarting {
    type Context = Restarts;
    type Error = ();

    fn new_context(&self) -> Result<Restarts, ()> {
        Ok(Restarts)
    }
}

/// In the child somebody else has closed the pool by then: `close` touches nothing of it any more, and says so.
fn while_it_closes() {
    for _ in 0..2 {
        CLOSING.start().unwrap();
        CLOSING.prewarm(3).unwrap();
        RESTARTS.store(true, SeqCst);
        assert_eq!(CLOSING.close(), if is_child() { Err(Busy) } else { Ok(()) });
        if is_child() {
            CLOSING.callback(|_| ()).unwrap();
            CLOSING.unbind();
            CLOSING.close().unwrap();
        }
        part();
    }
}

/// Forks when it is told of an event, or of an error.
struct Hooked(Option<Event>);

static ARMED: AtomicBool = AtomicBool::new(false);

static HOOKED: AtomicPtr<Pool<Hooked>> = AtomicPtr::new(std::ptr::null_mut());

impl Hooked {
    /// The call of the thread that has come along goes on in the child: the pool cannot be closed there.
    fn fork(&self) {
        if !ARMED.swap(false, SeqCst) {
            return;
        }
        fork();
        if is_child() {
            // SAFETY: kept.
            let pool = unsafe { &*HOOKED.load(SeqCst).cast_const() };
            assert_eq!(pool.close(), Err(Busy));
            spawn(|| assert_eq!(pool.close(), Err(Busy))).join().unwrap();
            pool.reopen().unwrap();
        }
    }
}

impl Runtime for Hooked {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        Ok(())
    }

    fn refused(&self, _: EnterError) {
        if self.0.is_none() {
            self.fork();
        }
    }

    fn observe(&self, event: Event) {
        if self.0 == Some(event) {
            self.fork();
        }
    }
}

/// A thread forks when it is told that it will wait, or has waited for nothing: it is on its way in the child,
/// too, where the others are gone, and gets an M there or its answer.
fn in_hooks() {
    for hook in [Some(Event::Waiting), Some(Event::Refused), None] {
        let pool: &'static Pool<Hooked> = keep(Pool::new(Hooked(hook)).limit(1).binding(Binding::Call));
        HOOKED.store(std::ptr::from_ref(pool).cast_mut(), SeqCst);
        pool.start().unwrap();
        let over: &AtomicBool = keep(AtomicBool::new(false));
        let holds = || {
            while !over.load(SeqCst) {
                sleep(Duration::from_micros(100));
            }
        };
        let holder = spawn(move || pool.callback(|_| holds()).unwrap());
        until("the M is taken", || pool.stats().in_use == 1);
        ARMED.store(true, SeqCst);
        let answer = pool.enter_timeout(Duration::from_millis(1)).map(drop);
        let made_there = is_child() && hook == Some(Event::Waiting);
        assert_eq!(answer, if made_there { Ok(()) } else { Err(EnterError::TimedOut) });
        if is_child() {
            for _ in 0..2 {
                pool.callback(|_| ()).unwrap();
                spawn(|| pool.callback(|_| ()).unwrap()).join().unwrap();
                assert_eq!((pool.stats().in_use, pool.stats().waiting), (0, 0));
                pool.close().unwrap();
                pool.start().unwrap();
            }
            pool.close().unwrap();
        }
        part();
        over.store(true, SeqCst);
        holder.join().unwrap();
        pool.close().unwrap();
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("while-it-drops") => while_it_drops(),
        Some("while-it-closes") => while_it_closes(),
        Some("in-hooks") => in_hooks(),
        other => panic!("{other:?}"),
    }
}
