//! Waiting on a word.

use crate::crew::Case;
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use extram_core::{Port, Threads};

/// How often it waits to be woken: for the first time or again, and woken in turn or not.
const ROUNDS: u32 = 8;

/// One thread that waits in every way; this one wakes it. The word is `inside`, `step` says how far the
/// thread has come.
pub(super) fn wait<S: Subject>(config: &Config) -> Verdict {
    if S::Port::now().is_none() {
        // The core waits in very short steps there.
        return Verdict::Skipped("now: the port has no clock, so its waits are not judged by themselves");
    }
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let body = |case: &'static Case<S>, _| {
        let (word, step) = (&case.stage.inside, &case.stage.step);
        S::Port::wait(word, 1, None);
        step.store(1, SeqCst);
        S::Port::wait(word, 0, Some(Duration::from_millis(1)));
        for round in 0..ROUNDS {
            step.store(2 + round, SeqCst);
            let wait = if round % 2 == 0 { S::Port::wait } else { S::Port::wait_again };
            while word.load(SeqCst) == round {
                wait(word, round, None);
            }
        }
        step.store(2 + ROUNDS, SeqCst);
    };
    let crew = case.crew(1, body, || {
        let reaches = |step: u32| case.until(|| stage.step.load(SeqCst) >= step);
        if !reaches(1) {
            stage.complain(&"wait does not come back although the word is another one", 0, 1);
        } else if !reaches(2) {
            stage.complain(&"wait does not come back when its time is up", 0, 1);
        } else {
            for round in 0..ROUNDS {
                // So that it is asleep, mostly.
                S::Port::usleep(5000);
                stage.inside.store(round + 1, SeqCst);
                let wake = if round / 2 % 2 == 0 { S::Port::wake } else { S::Port::wake_in_turn };
                wake(&raw const stage.inside, 1);
                if !reaches(3 + round) {
                    return stage.complain(
                        &"a thread that waits is not woken",
                        round as usize,
                        ROUNDS as usize,
                    );
                }
            }
        }
    });
    case.end_after(crew)
}
