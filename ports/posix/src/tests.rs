//! What the files of this crate do together. One test at a time: the slots are everybody's.

extern crate std;

use crate::local::Local;
use crate::slot::{POOLS, SLOTS};
use crate::{key, words};
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use extram_core::{Hooks, Refused};
use extram_elf_tls::{AVAILABLE, PAIRS};
use std::boxed::Box;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::vec::Vec;

std::thread_local! {
    static NO_MEMORY: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread gets no memory.
pub(crate) fn has_no_memory() -> bool {
    NO_MEMORY.with(Cell::get)
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A pool as the port sees it: an address, hooks, a word. It counts what it is told.
struct Pool {
    local: Local,
    hooks: Hooks,
    exits: AtomicUsize,
    /// The value that came with the last of them.
    value: AtomicUsize,
    children: AtomicUsize,
}

/// A running hook waits until this is 0.
static HELD_UP: AtomicUsize = AtomicUsize::new(0);
/// Hooks that have begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn at_exit(pool: *mut (), value: *mut ()) {
    // SAFETY: the address that `open` gave.
    let pool: &Pool = unsafe { &*pool.cast() };
    BEGUN.fetch_add(1, SeqCst);
    while HELD_UP.load(SeqCst) != 0 {
        thread::yield_now();
    }
    assert_eq!(pool.local.get(), value, "it is still there");
    assert!(!pool.local.exit_hook(), "a second hook is not promised");
    assert!(!pool.local.look().1);
    pool.exits.fetch_add(1, SeqCst);
    pool.value.store(value.addr(), SeqCst);
    assert!(pool.local.set(core::ptr::null_mut()).is_ok());
}

/// The same for a thread that goes on using the pool: the value stays.
unsafe extern "C" fn at_exit_keep(pool: *mut (), value: *mut ()) {
    // SAFETY: the address that `open` gave.
    let pool: &Pool = unsafe { &*pool.cast() };
    pool.exits.fetch_add(1, SeqCst);
    pool.value.store(value.addr(), SeqCst);
}

unsafe extern "C" fn in_child(pool: *mut ()) {
    // SAFETY: the address that `open` gave.
    let pool: &Pool = unsafe { &*pool.cast() };
    pool.children.fetch_add(1, SeqCst);
}

impl Pool {
    fn new() -> &'static Pool {
        Self::with(at_exit)
    }

    fn with(at_exit: unsafe extern "C" fn(*mut (), *mut ())) -> &'static Pool {
        Box::leak(Box::new(Pool {
            local: Local::closed(),
            hooks: Hooks { at_exit, in_child },
            exits: AtomicUsize::new(0),
            value: AtomicUsize::new(0),
            children: AtomicUsize::new(0),
        }))
    }

    fn open(&'static self) -> Result<(), Refused> {
        self.local.open(core::ptr::from_ref(self).cast_mut().cast(), &self.hooks)
    }

    fn set(&self, value: usize) -> Result<(), Refused> {
        self.local.set(core::ptr::without_provenance_mut(value))
    }

    fn get(&self) -> usize {
        self.local.get().addr()
    }
}

/// That many pools, open, and nobody else's.
fn opened(count: usize) -> (Vec<&'static Pool>, MutexGuard<'static, ()>) {
    let alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let pools: Vec<_> = (0..count).map(|_| Pool::new()).collect();
    assert!(pools.iter().all(|pool| pool.open().is_ok()));
    (pools, alone)
}

fn close(pools: &[&'static Pool]) {
    assert!(pools.iter().all(|pool| pool.local.close()));
    assert!(SLOTS.iter().all(|slot| slot.is_free()));
    assert_eq!(words::MADE.load(SeqCst), 0, "every word has been freed");
}

fn exits(pools: &[&'static Pool]) -> Vec<usize> {
    pools.iter().map(|pool| pool.exits.load(SeqCst)).collect()
}

/// Pools with a pair, one with a word in the first chunk, one in the second.
const SOME: usize = 40;

#[test]
fn eighty_pools_keep_their_values_and_are_all_told() {
    let (pools, _alone) = opened(80);
    let all = &pools;
    thread::scope(|scope| {
        for hooked in [true, false, true] {
            let ends = scope.spawn(move || {
                for (at, pool) in all.iter().enumerate() {
                    assert_eq!(pool.get(), 0);
                    if hooked {
                        assert!(pool.local.exit_hook() && pool.local.look().1 && pool.local.exit_hook());
                    }
                    assert_eq!(pool.get(), 0);
                    pool.set(at + 1).unwrap();
                }
                // Nested calls: another value, the first one again.
                for (at, pool) in all.iter().enumerate().rev() {
                    assert_eq!(pool.get(), at + 1);
                    pool.set(1000 + at).unwrap();
                    assert_eq!(pool.get(), 1000 + at);
                    pool.set(at + 1).unwrap();
                }
                let told = |(at, pool): (usize, &&Pool)| pool.local.look() == (at_address(at + 1), hooked);
                assert!(all.iter().enumerate().all(told));
            });
            ends.join().unwrap();
        }
    });
    // Values in pairs are told about only where the hook was asked for, or there are words besides.
    assert_eq!(exits(&pools), [3; 80]);
    assert!(pools.iter().enumerate().all(|(at, pool)| pool.value.load(SeqCst) == at + 1));
    close(&pools);
}

fn at_address(address: usize) -> *mut () {
    core::ptr::without_provenance_mut(address)
}

#[test]
fn only_pools_with_a_value_are_told() {
    let (pools, _alone) = opened(SOME);
    thread::spawn({
        let pools = pools.clone();
        move || {
            assert!(pools.iter().all(|pool| pool.local.exit_hook()));
            for pool in &pools {
                pool.set(7).unwrap();
            }
            for pool in pools.iter().step_by(2) {
                pool.set(0).unwrap();
                assert!(pool.local.look() == (core::ptr::null_mut(), true));
            }
        }
    })
    .join()
    .unwrap();
    assert!(exits(&pools).iter().enumerate().all(|(at, &exits)| exits == at % 2));
    close(&pools);
}

#[test]
fn a_thread_has_no_words_until_it_stores_one() {
    let (pools, _alone) = opened(SOME);
    thread::spawn({
        let pools = pools.clone();
        move || {
            let made = || words::MADE.load(SeqCst);
            assert!(pools.iter().all(|pool| pool.get() == 0 && pool.set(0).is_ok()));
            assert_eq!(made(), 0, "looking makes none");
            let of_pairs = if AVAILABLE { PAIRS } else { 0 };
            assert!(pools[..of_pairs].iter().all(|pool| pool.local.exit_hook() && pool.set(1).is_ok()));
            assert_eq!(made(), 0, "pairs need none");
            assert!(pools[of_pairs].set(1).is_ok() && pools[of_pairs + 1].local.exit_hook());
            assert_eq!(made(), 2, "a root and a chunk");
            assert!(pools[SOME - 1].set(1).is_ok());
            assert_eq!(made(), 3);
        }
    })
    .join()
    .unwrap();
    close(&pools);
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn there_is_room_for_1024_pools_and_no_more() {
    let (pools, _alone) = opened(POOLS);
    const { assert!(POOLS >= 1024 || cfg!(miri)) };
    let one_more = Pool::new();
    assert_eq!(one_more.open(), Err(Refused));
    assert!(one_more.local.close() && one_more.get() == 0 && one_more.set(1).is_err());
    thread::spawn({
        let pools = pools.clone();
        move || {
            for (at, pool) in pools.iter().enumerate() {
                assert!(pool.set(at + 1).is_ok() && pool.local.exit_hook());
            }
        }
    })
    .join()
    .unwrap();
    assert_eq!(exits(&pools), [1; POOLS]);
    assert!(pools[700].local.close());
    assert_eq!(one_more.open(), Ok(()));
    assert!(one_more.local.close());
    close(&pools);
}

#[test]
fn close_is_refused_while_a_hook_runs_and_fine_afterwards() {
    let (pools, _alone) = opened(SOME);
    for pool in [pools[0], pools[SOME - 1]] {
        BEGUN.store(0, SeqCst);
        HELD_UP.store(1, SeqCst);
        let ends = thread::spawn(|| assert!(pool.local.exit_hook() && pool.set(5).is_ok()));
        while BEGUN.load(SeqCst) == 0 {
            thread::yield_now();
        }
        assert!(!pool.local.close());
        assert!(!pool.local.close());
        pool.set(9).unwrap();
        assert!(pool.get() == 9 && pool.local.exit_hook(), "nothing has changed");
        pool.set(0).unwrap();
        let other = pools[1];
        assert!(other.local.close() && other.open().is_ok(), "the others can be closed");
        HELD_UP.store(0, SeqCst);
        ends.join().unwrap();
        assert!(pool.local.close());
        assert!(pool.local.close(), "closed is closed");
        assert_eq!((pool.get(), pool.exits.load(SeqCst)), (0, 1));
        pool.open().unwrap();
    }
    drop_words();
    close(&pools);
}

/// Frees what a test's own thread has, which does not end before the next one looks.
fn drop_words() {
    let mine = words::mine();
    if !mine.is_null() {
        // SAFETY: nobody looks at them; what stands under the key is no address of them any more.
        unsafe { words::free(mine) };
        key::set(core::ptr::null()).unwrap();
    }
}

#[test]
fn a_value_of_a_closed_pool_reaches_nobody() {
    let (pools, _alone) = opened(SOME);
    let (stored, is_stored) = channel();
    let (end, may_end) = channel::<()>();
    let ends = thread::spawn({
        let pools = pools.clone();
        move || {
            for pool in &pools {
                assert!(pool.local.exit_hook() && pool.set(5).is_ok());
            }
            stored.send(()).unwrap();
            let _ = may_end.recv();
            assert!(pools.iter().all(|pool| pool.local.look() == (core::ptr::null_mut(), false)));
        }
    });
    is_stored.recv().unwrap();
    // The same slots, pairs and words: of new pools, and of the same ones opened once more.
    for pool in &pools {
        assert!(pool.local.close());
    }
    let others: Vec<_> = (0..SOME / 2).map(|_| Pool::new()).collect();
    assert!(others.iter().all(|pool| pool.open().is_ok()));
    assert!(pools.iter().all(|pool| pool.open().is_ok()));
    drop(end);
    ends.join().unwrap();
    assert_eq!((exits(&pools), exits(&others)), (std::vec![0; SOME], std::vec![0; SOME / 2]));
    assert!(others.iter().all(|pool| pool.local.close()));
    close(&pools);
}

#[test]
fn without_memory_a_word_is_refused_and_nothing_else() {
    let (pools, _alone) = opened(SOME);
    thread::spawn({
        let pools = pools.clone();
        move || {
            let of_words = if AVAILABLE { PAIRS } else { 0 };
            NO_MEMORY.set(true);
            set_errno(77);
            for pool in &pools[of_words..] {
                assert_eq!(pool.set(1), Err(Refused));
                assert!(!pool.local.exit_hook());
                assert!(pool.set(0).is_ok() && pool.local.look() == (core::ptr::null_mut(), false));
            }
            assert!(pools[..of_words].iter().all(|pool| pool.set(1).is_ok() && pool.local.exit_hook()));
            NO_MEMORY.set(false);
            assert!(pools[SOME - 1].set(2).is_ok());
            NO_MEMORY.set(true);
            assert!(pools[SOME - 1].local.exit_hook() && pools[SOME - 2].set(2).is_ok(), "a chunk is there");
            assert_eq!(pools[of_words].set(2).is_ok(), of_words / 32 == (SOME - 1) / 32);
            assert_eq!(pools[SOME - 1].get(), 2);
            assert_eq!(errno(), 77);
            NO_MEMORY.set(false);
        }
    })
    .join()
    .unwrap();
    assert_eq!(exits(&pools[SOME - 2..]), [1, 1]);
    close(&pools);
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

fn set_errno(value: i32) {
    #[cfg(target_os = "linux")]
    // SAFETY: the calling thread's own.
    unsafe {
        *libc::__errno_location() = value
    };
    #[cfg(target_os = "freebsd")]
    // SAFETY: the calling thread's own.
    unsafe {
        *libc::__error() = value
    };
}

/// What a key's destructor does, after ours and in a later round.
type Late = Box<dyn FnMut(u32) -> bool + Send>;

/// Runs `first` on a thread, and `late` in its destructors as long as that says so.
fn with_late(first: impl FnOnce() + Send + 'static, late: Late) {
    struct State(Late, u32);
    static KEY: Mutex<Option<libc::pthread_key_t>> = Mutex::new(None);
    unsafe extern "C" fn destructor(state: *mut libc::c_void) {
        // SAFETY: what is set below, and nobody else's.
        let mut state = unsafe { Box::from_raw(state.cast::<State>()) };
        state.1 += 1;
        if (state.0)(state.1) {
            let key = KEY.lock().unwrap().unwrap();
            // SAFETY: a live key.
            unsafe { libc::pthread_setspecific(key, Box::into_raw(state).cast()) };
        }
    }
    let key = *KEY.lock().unwrap().get_or_insert_with(|| {
        let mut key = 0;
        // SAFETY: a place for the key. It is never deleted.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(destructor)) }, 0);
        key
    });
    thread::spawn(move || {
        let state = Box::into_raw(Box::new(State(late, 0)));
        // SAFETY: a live key.
        unsafe { libc::pthread_setspecific(key, state.cast()) };
        first();
    })
    .join()
    .unwrap();
}

#[test]
fn calls_after_the_hook_nest_and_are_promised_nothing() {
    let (pools, _alone) = opened(SOME);
    for rounds in 1..=4 {
        let (first, late) = (pools.clone(), pools.clone());
        with_late(
            move || assert!(first.iter().all(|pool| pool.local.exit_hook() && pool.set(1).is_ok())),
            Box::new(move |round| {
                let ours_has_run = late[0].exits.load(SeqCst) != 0;
                for pool in &late {
                    if ours_has_run {
                        assert!(!pool.local.exit_hook(), "round {round}");
                    }
                    let before = pool.get();
                    pool.set(2).unwrap();
                    assert_eq!(pool.get(), 2);
                    pool.set(3).unwrap();
                    pool.set(2).unwrap();
                    pool.set(before).unwrap();
                    assert_eq!(pool.get(), before);
                }
                round < rounds
            }),
        );
        assert_eq!(exits(&pools), [rounds as usize; SOME], "told once");
        assert_eq!(words::MADE.load(SeqCst), 0, "freed after {rounds} rounds");
        let _ = &pools;
    }
    close(&pools);
}

#[test]
fn what_is_left_in_a_word_by_a_later_destructor_is_told_in_the_next_round() {
    let (pools, _alone) = opened(SOME);
    let last = pools[SOME - 1];
    with_late(
        move || assert!(last.local.exit_hook() && last.set(1).is_ok()),
        Box::new(move |round| {
            if last.exits.load(SeqCst) == 1 && last.get() == 0 {
                last.set(2).unwrap();
                return false;
            }
            round < 3
        }),
    );
    assert_eq!((last.exits.load(SeqCst), last.value.load(SeqCst)), (2, 2));
    close(&pools);
}

#[test]
fn a_value_that_the_hook_leaves_stays_readable() {
    let (pools, _alone) = opened(SOME);
    let keeps = Pool::with(at_exit_keep);
    keeps.open().unwrap();
    with_late(
        move || assert!(keeps.local.exit_hook() && keeps.set(1).is_ok()),
        Box::new(move |round| {
            assert_eq!(keeps.get(), 1);
            if round == 2 {
                keeps.set(0).unwrap();
            }
            round < 2
        }),
    );
    assert!(keeps.exits.load(SeqCst) >= 1 && keeps.value.load(SeqCst) == 1);
    assert!(keeps.local.close());
    close(&pools);
}

/// The same for a thread that goes on once more.
unsafe extern "C" fn at_exit_keep_once(pool: *mut (), value: *mut ()) {
    // SAFETY: the address that `open` gave.
    let pool: &Pool = unsafe { &*pool.cast() };
    if pool.exits.fetch_add(1, SeqCst) > 0 {
        pool.value.store(value.addr(), SeqCst);
        pool.set(0).unwrap();
    }
}

#[test]
fn a_value_that_the_hook_leaves_in_a_word_is_told_in_the_next_round() {
    let (pools, _alone) = opened(SOME);
    let keeps = Pool::with(at_exit_keep_once);
    keeps.open().unwrap();
    thread::spawn(move || assert!(keeps.local.exit_hook() && keeps.set(7).is_ok())).join().unwrap();
    assert_eq!((keeps.exits.load(SeqCst), keeps.value.load(SeqCst)), (2, 7));
    assert!(keeps.local.close());
    close(&pools);
}

#[test]
fn an_open_pool_that_is_opened_again_is_closed_first() {
    let (pools, _alone) = opened(SOME);
    for pool in [pools[0], pools[SOME - 1]] {
        thread::spawn(|| {
            assert!(pool.local.exit_hook() && pool.set(1).is_ok());
            pool.open().unwrap();
            assert_eq!(pool.get(), 0);
        })
        .join()
        .unwrap();
        assert_eq!(pool.exits.load(SeqCst), 0);
    }
    close(&pools);
}

#[test]
fn many_threads_end_while_pools_are_closed_and_opened() {
    let (pools, _alone) = opened(SOME);
    let all = &pools;
    let rounds = if cfg!(miri) { 3 } else { 300 };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                for _ in 0..rounds {
                    thread::scope(|scope| {
                        // Joined: a scope does not wait for destructors.
                        let ends = scope.spawn(|| {
                            for pool in all.iter().skip(1) {
                                assert!(pool.local.exit_hook() && pool.set(1).is_ok());
                            }
                        });
                        ends.join().unwrap();
                    });
                }
            });
        }
        for _ in 0..rounds * 5 {
            let pool = all[0];
            while !pool.local.close() {
                thread::yield_now();
            }
            assert_eq!(pool.get(), 0);
            pool.open().unwrap();
        }
    });
    assert_eq!(exits(&pools)[0], 0);
    assert_eq!(exits(&pools[1..]), [2 * rounds; SOME - 1]);
    close(&pools);
}

/// A sleep that a signal ends is an error of the system, which is nobody's business.
#[test]
#[cfg_attr(miri, ignore = "it sends no signals")]
fn sleeping_and_starting_a_thread_leave_errno_alone() {
    extern "C" fn handler(_: libc::c_int) {}
    extern "C" fn nothing(_: *mut ()) {}
    // SAFETY: a handler that does nothing, and does not let calls go on.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, core::ptr::null_mut()), 0);
    }
    let (own, is_own) = channel();
    let sleeper = thread::spawn(move || {
        // SAFETY: asks who it is.
        own.send(unsafe { libc::pthread_self() } as usize).unwrap();
        set_errno(77);
        crate::time::usleep(u32::MAX);
        errno()
    });
    let own = is_own.recv().unwrap();
    while !sleeper.is_finished() {
        // SAFETY: not joined yet.
        unsafe { libc::pthread_kill(own as libc::pthread_t, libc::SIGUSR2) };
        crate::time::usleep(1000);
    }
    assert_eq!(sleeper.join().unwrap(), 77);
    set_errno(77);
    let refused = crate::thread::newosproc(nothing, core::ptr::null_mut(), usize::MAX - (1 << 20));
    assert!(refused.is_err(), "a stack of all the address space");
    assert_eq!(errno(), 77);
}

#[test]
fn sleeping_takes_as_many_microseconds_as_it_says() {
    let begun = std::time::Instant::now();
    crate::time::usleep(30_000);
    let slept = begun.elapsed().as_millis();
    assert!((30..10_000).contains(&slept), "{slept} ms");
}

#[cfg(not(miri))]
mod forked {
    use super::*;
    use crate::fork::forks;
    use crate::slot;

    /// A child's way to say yes. One whose only thread panics ends with 0: nobody is left to tell.
    const YES: i32 = 42;

    fn end(well: bool) -> ! {
        // SAFETY: ends the process without the parent's exit handlers.
        unsafe { libc::_exit(if well { YES } else { 1 }) }
    }

    #[track_caller]
    fn said_yes(child: i32) {
        let mut status = 0;
        // SAFETY: a place for the status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, YES), "{status:x}");
    }

    /// Runs `f` in a forked child, which has to say yes. One that hangs is ended.
    #[track_caller]
    fn child(f: impl FnOnce() -> bool) {
        // SAFETY: the child makes no use of what other threads may have locked.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: takes a number.
            unsafe { libc::alarm(60) };
            end(f());
        }
        said_yes(child);
    }

    fn taken() -> usize {
        SLOTS.iter().filter(|slot| !slot.is_free()).count()
    }

    /// Leaves a thread half way in something, which `f` does, while `then` runs.
    fn half_way<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
        back: impl FnOnce(T) + Send + 'static,
        then: impl FnOnce(),
    ) {
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let other = thread::spawn(move || {
            let state = f();
            begun.send(()).unwrap();
            let _ = may_go_on.recv();
            back(state);
        });
        has_begun.recv().unwrap();
        then();
        drop(go_on);
        other.join().unwrap();
    }

    /// Sleeps by looking again and again.
    struct Napping(core::sync::atomic::AtomicBool);

    impl crate::queue::Sleeper for Napping {
        fn new() -> Self {
            Napping(false.into())
        }
        fn sleep(&self, held: &mut crate::queue::Held<'_>, timeout: Option<core::time::Duration>) {
            held.without(|| {
                let begin = std::time::Instant::now();
                while !self.0.load(SeqCst) && timeout.is_none_or(|timeout| begin.elapsed() < timeout) {
                    thread::yield_now();
                }
            });
        }
        fn rouse(&self) {
            self.0.store(true, SeqCst);
        }
    }

    #[test]
    fn a_child_finds_the_queues_empty_and_free_and_its_parent_finds_them_as_they_were() {
        use extram_core::sync::AtomicU32;
        static WORDS: [AtomicU32; 200] = [const { AtomicU32::new(0) }; 200];
        let (_pools, _alone) = opened(0);
        let wait = |word: &AtomicU32, timeout| crate::queue::wait::<Napping>(word, 0, timeout);
        let wake_all = || WORDS.iter().for_each(|word| crate::queue::wake(word, u32::MAX));
        let begun = &AtomicUsize::new(0);
        thread::scope(|scope| {
            for word in &WORDS[..3] {
                scope.spawn(move || {
                    begun.fetch_add(1, SeqCst);
                    wait(word, None);
                });
            }
            while begun.load(SeqCst) < 3 {
                thread::yield_now();
            }
            for _ in 0..20 {
                child(|| {
                    wake_all();
                    WORDS.iter().for_each(|word| wait(word, Some(core::time::Duration::ZERO)));
                    true
                });
            }
            // Each is on its list, or looks at its word only now.
            WORDS.iter().for_each(|word| word.store(1, SeqCst));
            wake_all();
        });
    }

    /// A system on which a thread has its process's number.
    enum Numbered {}

    // SAFETY: nobody waits; a number is no more than one.
    unsafe impl crate::System for Numbered {
        fn wait(_: &extram_core::sync::AtomicU32, _: u32, _: Option<core::time::Duration>) {}
        fn wake(_: *const extram_core::sync::AtomicU32, _: u32) {}
        fn thread_id() -> u64 {
            std::process::id().into()
        }
        fn own_stack() -> Option<core::ops::Range<usize>> {
            None
        }
    }

    fn id_here() -> u64 {
        crate::thread::id::<Numbered>()
    }

    #[test]
    fn every_open_pool_is_told_once_and_forks_are_counted() {
        let (pools, _alone) = opened(SOME);
        let (before, id) = (forks(), id_here());
        // A second handler, as two threads that opened the first pool at once would register.
        crate::fork::register().unwrap();
        for pool in [pools[0], pools[SOME - 1]] {
            assert!(pool.local.exit_hook() && pool.set(6).is_ok());
        }
        let told = || pools.iter().all(|pool| pool.children.load(SeqCst) == 1);
        child(|| {
            let well = told() && forks() == before + 1;
            let kept =
                [pools[0], pools[SOME - 1]].iter().all(|pool| pool.local.look() == (at_address(6), true));
            let own_id = id_here() == u64::from(std::process::id()) && id_here() != id;
            child(|| forks() == before + 2 && pools.iter().all(|pool| pool.children.load(SeqCst) == 2));
            well && kept && own_id && pools.iter().all(|pool| pool.local.close()) && taken() == 0
        });
        assert_eq!(forks(), before);
        assert!(pools.iter().all(|pool| pool.children.load(SeqCst) == 0));
        for pool in [pools[0], pools[SOME - 1]] {
            pool.set(0).unwrap();
        }
        drop_words();
        close(&pools);
    }

    #[test]
    fn a_child_that_is_forked_while_a_pool_is_opened_has_its_slot_free() {
        let (pools, _alone) = opened(0);
        half_way(
            || slot::claim().unwrap(),
            |index| SLOTS[index].free(),
            || {
                assert_eq!(taken(), 1);
                child(|| taken() == 0);
            },
        );
        // Further: all is in place but the gate. What `fill` stored is given up, the pair as well.
        let pool = Pool::new();
        half_way(
            || {
                let index = slot::claim().unwrap();
                pool.local.open_half(index, core::ptr::from_ref(pool).cast_mut().cast(), &pool.hooks);
                index
            },
            |index| {
                SLOTS[index].open();
                assert!(pool.local.close());
            },
            || {
                child(|| {
                    let told = pool.children.load(SeqCst);
                    let others: Vec<_> = (0..PAIRS).map(|_| Pool::new()).collect();
                    let fine = others.iter().all(|pool| pool.open().is_ok());
                    let pairs = !AVAILABLE || others.iter().all(|pool| pool.local.has_pair());
                    let again = pool.local.close() && pool.open().is_ok() && pool.set(3).is_ok();
                    told == 0 && fine && pairs && again && pool.get() == 3 && taken() == PAIRS + 1
                });
            },
        );
        close(&pools);
    }

    #[test]
    fn a_child_that_is_forked_while_a_pool_is_closed_is_told_and_has_it_closed() {
        let (pools, _alone) = opened(PAIRS);
        let pool = pools[0];
        half_way(
            || assert!(pool.local.close_half()),
            |()| SLOTS.iter().find(|slot| slot.is_half_closed()).unwrap().open(),
            || {
                child(|| {
                    let told = pool.children.load(SeqCst) == 1;
                    let closed = pool.local.close() && taken() == PAIRS - 1 && pool.get() == 0;
                    let again = pool.open().is_ok() && (!AVAILABLE || pool.local.has_pair());
                    told && closed && again && pool.set(3).is_ok() && pool.get() == 3 && pool.local.close()
                });
            },
        );
        close(&pools);
    }

    #[test]
    fn a_child_does_not_wait_for_hooks_of_threads_that_are_gone() {
        let (pools, _alone) = opened(SOME);
        let pool = pools[SOME - 1];
        BEGUN.store(0, SeqCst);
        HELD_UP.store(1, SeqCst);
        let ends = thread::spawn(|| assert!(pool.local.exit_hook() && pool.set(5).is_ok()));
        while BEGUN.load(SeqCst) == 0 {
            thread::yield_now();
        }
        assert!(!pool.local.close());
        child(|| pool.children.load(SeqCst) == 1 && pool.local.close() && pool.open().is_ok());
        HELD_UP.store(0, SeqCst);
        ends.join().unwrap();
        close(&pools);
    }

    unsafe extern "C" fn forking(pool: *mut (), _value: *mut ()) {
        // SAFETY: the address that `open` gave.
        let pool: &'static Pool = unsafe { &*pool.cast() };
        // SAFETY: the child makes no use of what other threads may have locked.
        let child = unsafe { libc::fork() };
        pool.exits.store(if child == 0 { 1000 } else { child as usize }, SeqCst);
        if child == 0 {
            // Its own count is gone, and so is the slot: what leaves the hook must not count down.
            assert!(pool.local.close() && pool.open().is_ok());
        } else {
            // Where there is no block, what is left is told in each round, and would fork again.
            assert!(pool.set(0).is_ok());
        }
    }

    #[test]
    fn a_child_that_is_forked_in_a_hook_goes_on() {
        let (pools, _alone) = opened(1);
        let forks_at_exit = Pool::with(forking);
        forks_at_exit.open().unwrap();
        // The last thing that the child's thread does is told by its own destructor.
        with_late(
            || assert!(forks_at_exit.local.exit_hook() && forks_at_exit.set(1).is_ok()),
            Box::new(|round| {
                if forks_at_exit.exits.load(SeqCst) == 1000 {
                    end(forks_at_exit.local.close() && !forks_at_exit.local.exit_hook());
                }
                round < 2
            }),
        );
        said_yes(forks_at_exit.exits.load(SeqCst) as i32);
        assert!(forks_at_exit.local.close());
        close(&pools);
    }

    #[test]
    fn without_a_key_pools_with_a_pair_have_no_hook_and_others_do_not_open() {
        let (pools, _alone) = opened(0);
        child(|| {
            key::at_unload();
            let pools: Vec<_> = (0..PAIRS).map(|_| Pool::new()).collect();
            if !AVAILABLE {
                return pools[0].open() == Err(Refused) && taken() == 0;
            }
            let fine = pools.iter().all(|pool| {
                pool.open().is_ok() && !pool.local.exit_hook() && pool.set(1).is_ok() && pool.get() == 1
            });
            fine && Pool::new().open() == Err(Refused) && taken() == PAIRS
        });
        close(&pools);
    }

    /// The system is asked to let others run: a process in which that is forbidden is told so.
    #[cfg(target_os = "linux")]
    #[test]
    fn giving_way_asks_the_system() {
        let (pools, _alone) = opened(0);
        child(|| {
            let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
            let equal = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_sched_yield as u32);
            let mut program = [
                statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
                libc::sock_filter { jf: 1, ..equal },
                statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
                statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
            ];
            let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
            // SAFETY: a program that is alive, for this thread.
            let forbidden = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
            };
            set_errno(77);
            crate::time::osyield();
            forbidden && errno() == libc::EPERM
        });
        close(&pools);
    }
}
