//! A core whose executor rests by WFE, as embassy's does in thread mode: a task of it waits for an M, and meanwhile a
//! handler makes another task ready, with SEV. If the task waits by WFE, too, it takes that event, and the
//! executor rests with a task ready. (`EXECUTORS.md`. QEMU's WFE comes back at once and cannot tell.) A host thread
//! stands for the core, and another one for its handlers.

use extram_core::sync::AtomicU32 as Word;
use extram_core::{Pool, Runtime, Slots};
use extram_port_bare_metal::{BareMetal, Block, System};
use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

static BLOCKS: [Block; 2] = [const { Block::new() }; 2];
/// The event register.
static EVENT: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicU32 = AtomicU32::new(0);
static RESTS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(0) };
}

/// How it waits for an M: by WFE, or until it is told, by WFI, which looks at no event.
enum Core<const BY_EVENT: bool> {}

// SAFETY: each host thread has a block for as long as it lives; there are no handlers; the address is not used.
unsafe impl<const BY_EVENT: bool> System for Core<BY_EVENT> {
    const EXITS: bool = false;

    fn block() -> &'static Block {
        &BLOCKS[THREAD.get()]
    }

    fn frequency() -> u32 {
        1
    }

    fn ticks() -> u64 {
        0
    }

    fn relax() {
        while !EVENT.swap(false, SeqCst) {
            std::thread::yield_now();
        }
    }

    fn wait(word: &Word, expected: u32, _until: Option<u64>) {
        let told = TOLD.load(SeqCst);
        if word.load(SeqCst) != expected {
            return;
        }
        RESTS.fetch_add(1, SeqCst);
        if BY_EVENT {
            return Self::relax();
        }
        while TOLD.load(SeqCst) == told {
            std::thread::yield_now();
        }
    }

    fn wake(_: *const Word, _: u32) {
        TOLD.fetch_add(1, SeqCst);
        if BY_EVENT {
            EVENT.store(true, SeqCst);
        }
    }
}

struct Nothing;

impl Runtime for Nothing {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        Ok(())
    }
}

/// Whether the executor's event is there when the task has its M.
fn is_left<const BY_EVENT: bool>() -> bool {
    let slots: &'static Slots<Nothing, 1> = Box::leak(Box::new(Slots::new()));
    let pool = Pool::<Nothing, BareMetal<Core<BY_EVENT>>>::with_slots(Nothing, slots).limit(1);
    let pool = &*Box::leak(Box::new(pool));
    pool.start().unwrap();
    EVENT.store(false, SeqCst);
    RESTS.store(0, SeqCst);
    let kept = Barrier::new(2);
    let rests = |times| {
        while RESTS.load(SeqCst) < times {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let task = scope.spawn(|| {
            THREAD.set(1);
            let m = pool.enter().unwrap();
            kept.wait();
            rests(1);
            // A task is ready: what the executor is sent.
            EVENT.store(true, SeqCst);
            if BY_EVENT {
                rests(2);
            }
            drop(m);
        });
        kept.wait();
        drop(pool.enter().unwrap());
        task.join().unwrap();
    });
    assert_eq!(pool.close(), Ok(()));
    EVENT.load(SeqCst)
}

#[test]
fn a_wait_by_wfe_takes_the_event_of_an_executor_and_one_by_wfi_does_not() {
    for _ in 0..100 {
        assert!(!is_left::<true>(), "nobody took it: this shows nothing");
        assert!(is_left::<false>());
    }
}
