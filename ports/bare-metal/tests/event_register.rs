//! Cores that rest until an event comes, as the architecture has it: each has a register of one bit, SEV
//! sets all of them, and WFE waits until its own is set and clears it. (QEMU's WFE comes back at once, so
//! none of the boards can tell.) Host threads stand for the cores, with no interrupt to wake them: who
//! rests where nobody sends an event, rests for ever.

use extram_core::{Binding, EnterError, Pool, Runtime, Slots};
use extram_port_bare_metal::{BareMetal, Block, System};
use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const CORES: usize = 3;
/// No core is kept waiting by others for as long.
const FOR_EVER: Duration = Duration::from_secs(60);

static BLOCKS: [Block; CORES] = [const { Block::new() }; CORES];
static EVENTS: [AtomicBool; CORES] = [const { AtomicBool::new(false) }; CORES];
static RESTS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

fn wfe() {
    let (event, since) = (&EVENTS[CORE.get()], Instant::now());
    RESTS.fetch_add(1, SeqCst);
    while !event.swap(false, SeqCst) {
        assert!(since.elapsed() < FOR_EVER, "core {} rests, and nobody sends an event", CORE.get());
        std::thread::yield_now();
    }
}

enum Machine {}

// SAFETY: a thread a core, which has its block for as long as it lives and calls `exit` at the end; there
// are no handlers.
unsafe impl System for Machine {
    const EXITS: bool = true;

    fn block() -> &'static Block {
        &BLOCKS[CORE.get()]
    }

    fn frequency() -> u32 {
        1_000_000
    }

    fn ticks() -> u64 {
        static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed().as_micros() as u64
    }

    fn relax() {
        wfe();
    }

    fn wake(_: *const extram_core::sync::AtomicU32, _: u32) {
        EVENTS.iter().for_each(|event| event.store(true, SeqCst));
    }
}

struct Numbers(AtomicU32);

impl Runtime for Numbers {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        Ok(self.0.fetch_add(1, SeqCst))
    }
}

type Pools = Pool<Numbers, BareMetal<Machine>>;

/// Runs `f` on all cores at once, and ends them.
fn on_all_cores(f: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for (core, block) in BLOCKS.iter().enumerate() {
            let f = &f;
            scope.spawn(move || {
                CORE.set(core);
                f(core);
                block.exit();
            });
        }
    });
}

/// All of it: whoever waits is woken, whoever gives way comes back by itself, whoever closes rests nowhere.
fn comes_to_an_end<const N: usize>(binding: Binding, rounds: u32) {
    let slots: &'static Slots<Numbers, N> = Box::leak(Box::new(Slots::new()));
    let pool = Pools::with_slots(Numbers(AtomicU32::new(0)), slots).binding(binding);
    let pool: &'static Pools = Box::leak(Box::new(pool));
    let together = Barrier::new(CORES);
    on_all_cores(|core| {
        for round in 0..rounds {
            if core == 0 {
                pool.start().expect("it is closed");
            }
            together.wait();
            for call in 0..4 {
                let entered = match (round + call) % 3 {
                    0 => pool.enter_timeout(Duration::from_micros(50)),
                    _ => pool.enter(),
                };
                match entered {
                    Ok(inside) => {
                        std::thread::yield_now();
                        drop(inside);
                    }
                    Err(EnterError::TimedOut) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            pool.unbind();
            together.wait();
            if core == 0 {
                assert_eq!(pool.close(), Ok(()));
            }
        }
    });
}

#[test]
fn nobody_rests_where_no_event_comes() {
    for binding in [Binding::Call, Binding::Thread] {
        // Fewer Ms than cores, as many, and more.
        comes_to_an_end::<1>(binding, 1000);
        comes_to_an_end::<2>(binding, 1000);
        comes_to_an_end::<3>(binding, 500);
        comes_to_an_end::<5>(binding, 500);
    }
    let rests = RESTS.load(SeqCst);
    println!("{rests} rests");
    assert!(rests > 100, "somebody has to rest, or this shows nothing");
}

/// Without a clock there is no waiting: it is refused before anybody could wait.
#[test]
fn a_machine_without_a_frequency_starts_no_pool() {
    enum Unknown {}
    static BLOCK: Block = Block::new();
    // SAFETY: one thread, no handlers.
    unsafe impl System for Unknown {
        const EXITS: bool = false;

        fn block() -> &'static Block {
            &BLOCK
        }

        fn frequency() -> u32 {
            0
        }

        fn ticks() -> u64 {
            0
        }

        fn relax() {}
    }
    static SLOTS: Slots<Numbers, 1> = Slots::new();
    static POOL: Pool<Numbers, BareMetal<Unknown>> = Pool::with_slots(Numbers(AtomicU32::new(0)), &SLOTS);
    let refused = POOL.start();
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(POOL.enter_timeout(Duration::from_secs(1)).map(drop), Err(EnterError::NotStarted));
}
