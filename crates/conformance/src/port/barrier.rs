//! The heavy barrier, by the litmus test of store buffering.
//!
//! Two threads each store and then load what the other one stores. Without a fence on both sides both
//! may load the old value: a processor keeps stores back while it goes on to load. The pool's fast way
//! in has no fence, only the compiler's; the heavy barrier of whoever closes the pool has to be the
//! fence of both.
//!
//! One thread runs the light side without a break, counts in `x` and keeps in `log` what it saw of `y`;
//! the other one runs the heavy side in rounds. If the heavy side did not see the light one's number
//! n, then the light one, which stored n before it looked, must have seen the round. A round tells
//! something only if both ran at that moment: those are counted, for on a machine with other work they
//! are few.

use crate::crew::Case;
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::compiler_fence;
use extram_core::sync::{AtomicBool, AtomicU32};
use extram_core::{Port, Threads};

/// On a line of its own, else one store would wait for the other.
#[repr(align(64))]
struct Line(AtomicU32);

/// More than a processor keeps stores back.
const LOG: usize = 64;

/// What the two threads share.
struct Litmus {
    x: Line,
    y: Line,
    log: [AtomicU32; LOG],
}

/// No part of a case: where memory is scarce there is no such barrier.
static LITMUS: Litmus = Litmus {
    x: Line(AtomicU32::new(0)),
    y: Line(AtomicU32::new(0)),
    log: [const { AtomicU32::new(0) }; LOG],
};

/// Raised by the run that has it.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Litmus {
    fn reset(&self) {
        for word in self.log.iter().chain([&self.x.0, &self.y.0]) {
            word.store(0, SeqCst);
        }
    }

    /// What `light` noted at that number, or a later one.
    fn saw(&self, number: u32) -> u32 {
        self.log[number as usize % LOG].load(Relaxed)
    }
}

/// Counts on until it is told to stop.
fn light<S: Subject>(case: &'static Case<S>, _: u32) {
    let litmus = &LITMUS;
    let burst = case.config.races * 10;
    let mut number = 0_u32;
    while case.stage.step.load(SeqCst) == 0 && number < u32::MAX / 2 {
        for _ in 0..burst {
            number += 1;
            // Release: what it saw before is in the log for whoever reads this number. It orders no
            // later load.
            litmus.x.0.store(number, Release);
            // The light side of the barrier under test: partner of `heavy_barrier` below.
            compiler_fence(SeqCst);
            let seen = litmus.y.0.load(Relaxed);
            // Relaxed, here and in `saw`: ordered by `x`.
            litmus.log[number as usize % LOG].store(seen, Relaxed);
        }
        // Where threads take turns, it is the other one's.
        S::Port::usleep(1);
    }
}

/// So many looks at the light side before it counts as asleep.
const LOOKS: u32 = 1000;

pub(super) fn barrier<S: Subject>(config: &Config) -> Verdict {
    if !S::Port::HAS_HEAVY_BARRIER || !S::Port::heavy_barrier_init() {
        return Verdict::Skipped("heavy_barrier: the port has none");
    }
    let case = case!(Case::<S>::new(config, BOUND));
    let (stage, litmus) = (&case.stage, &LITMUS);
    if !case.until(|| !TAKEN.swap(true, SeqCst)) {
        return case.end_after(Err(Verdict::Skipped("heavy_barrier: another run is at it")));
    }
    litmus.reset();
    let wanted = 100 + config.races / 20;
    let mut told = 0;
    let crew = case.crew(1, light::<S>, || {
        let mut round = 0;
        // Much of it passes only where the threads never run at once.
        case.until_within(config.patience / 4, || {
            // As many as there is time for before the next look at the clock.
            for _ in 0..100 {
                round += 1;
                litmus.y.0.store(round, Relaxed);
                if !S::Port::heavy_barrier() {
                    stage.complain(&"the barrier was refused", told as usize, wanted as usize);
                    return true;
                }
                // Acquire, as below: what the light side noted before that number is visible.
                let number = litmus.x.0.load(Acquire);
                // Until the light side has noted what it saw at the next number.
                let awake = (0..LOOKS).any(|_| litmus.x.0.load(Acquire).wrapping_sub(number) >= 2);
                if !awake {
                    break;
                }
                let seen = litmus.saw(number + 1);
                if seen < round {
                    stage.complain(
                        &"a store before the barrier was not seen by a load after it: round",
                        seen as usize,
                        round as usize,
                    );
                    return true;
                }
                told += 1;
            }
            told >= wanted
        });
        stage.step.store(1, SeqCst);
    });
    if crew.is_ok() {
        TAKEN.store(false, SeqCst);
    }
    match case.end_after(crew) {
        Verdict::Ok if told < wanted => {
            Verdict::Skipped("heavy_barrier: too few rounds in which two threads ran at once")
        }
        other => other,
    }
}
