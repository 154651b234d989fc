//! What discarding and trimming mean for others: newcomers, the next call, and whoever closes.

use extram::{Binding, Busy, Event, Pool, Runtime};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

/// Makes numbers, and fails while it is told to.
struct Numbers {
    made: AtomicU32,
    fails: AtomicBool,
    on_return: fn(),
}

impl Numbers {
    const fn new(on_return: fn()) -> Self {
        Numbers { made: AtomicU32::new(0), fails: AtomicBool::new(false), on_return }
    }
}

impl Runtime for Numbers {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        if self.fails.load(SeqCst) { Err(()) } else { Ok(self.made.fetch_add(1, SeqCst)) }
    }

    fn observe(&self, event: Event) {
        if matches!(event, Event::Returned { .. }) {
            (self.on_return)();
        }
    }
}

/// The M that is left is bound, owes nothing, and never comes home: it is the newcomer that tries again.
#[test]
fn newcomers_try_again_after_a_discard_whose_replacement_failed() {
    static POOL: Pool<Numbers> = Pool::new(Numbers::new(|| ()));
    POOL.start().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let worker = thread::spawn(move || {
        POOL.callback(|_| ()).unwrap();
        ready.send(()).unwrap();
        let _ = wait.recv();
    });
    is_ready.recv().unwrap();
    POOL.runtime().fails.store(true, SeqCst);
    thread::spawn(|| POOL.enter().unwrap().discard()).join().unwrap();
    POOL.runtime().fails.store(false, SeqCst);
    assert_eq!(POOL.stats().bound_idle, 1, "{:?}", POOL.stats());
    assert_eq!(thread::spawn(|| POOL.callback(|_| ())).join().unwrap(), Ok(()), "{:?}", POOL.stats());
    drop(go);
    worker.join().unwrap();
}

/// Edge: discard x in observe.
#[test]
fn a_context_that_is_discarded_while_it_goes_back_is_not_lent_again() {
    static DISCARDS: AtomicBool = AtomicBool::new(false);
    static POOL: Pool<Numbers> = Pool::new(Numbers::new(|| {
        if DISCARDS.swap(false, SeqCst) {
            POOL.enter().unwrap().discard();
        }
    }))
    .binding(Binding::Call);
    POOL.start().unwrap();
    DISCARDS.store(true, SeqCst);
    let discarded = POOL.callback(|m| *m.context()).unwrap();
    assert!(!DISCARDS.load(SeqCst), "nothing was discarded");
    let lent: Vec<u32> = (0..5).map(|_| POOL.callback(|m| *m.context()).unwrap()).collect();
    assert!(!lent.contains(&discarded), "{discarded} was discarded, and then {lent:?} were lent");
}

/// A context whose drop takes until somebody lets it.
struct Slow(&'static AtomicBool);

impl Drop for Slow {
    fn drop(&mut self) {
        let first = !DROPPING.swap(true, SeqCst);
        while first && !self.0.load(SeqCst) {
            thread::yield_now();
        }
    }
}

static DROPPING: AtomicBool = AtomicBool::new(false);
static GO_ON: AtomicBool = AtomicBool::new(false);

struct Slowly;

impl Runtime for Slowly {
    type Context = Slow;
    type Error = ();

    fn new_context(&self) -> Result<Slow, ()> {
        Ok(Slow(&GO_ON))
    }
}

/// Whoever is told that a pool is closed may unload what its contexts refer to.
#[test]
fn a_pool_is_not_closed_while_a_trim_drops_a_context() {
    static POOL: Pool<Slowly> = Pool::new(Slowly).binding(Binding::Call);
    POOL.start().unwrap();
    POOL.prewarm(3).unwrap();
    let trims = thread::spawn(|| POOL.trim(1));
    while !DROPPING.load(SeqCst) {
        thread::yield_now();
    }
    let closed = POOL.close();
    GO_ON.store(true, SeqCst);
    assert_eq!(closed, Err(Busy));
    trims.join().unwrap();
    assert_eq!(POOL.close(), Ok(()));
}
