//! The clock and sleeping. Nothing here waits for anything that a clock would have to end.

use crate::crew::Case;
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::time::Duration;
use extram_core::{Port, Threads};

const NO_CLOCK: Verdict = Verdict::Skipped("now: the port has no clock");

pub(super) fn clock<S: Subject>(config: &Config) -> Verdict {
    let Some(first) = S::Port::now() else {
        return NO_CLOCK;
    };
    let case = case!(Case::<S>::new(config, BOUND));
    let (mut last, mut went_on) = (first, false);
    // A coarse clock may need some of these; one that stands still uses them up.
    for _ in 0..1000 {
        S::Port::usleep(1000);
        let Some(now) = S::Port::now() else {
            case.stage.complain(&"the clock told the time once, and then did not", 0, 1);
            break;
        };
        if now < last {
            case.stage.complain(&"the clock went back", micros(now), micros(last));
            break;
        }
        last = now;
        went_on |= now > first;
        // A few more looks, at a clock that goes.
        if last.saturating_sub(first) > Duration::from_millis(5) {
            break;
        }
    }
    if case.stage.complaint().is_none() && !went_on {
        case.stage.complain(&"the clock stands still while usleep(1000) is called 1,000 times", 0, 1);
    }
    case.end()
}

/// Only that it does not come back early: how late it comes is the machine's affair.
pub(super) fn sleep<S: Subject>(config: &Config) -> Verdict {
    let Some(begin) = S::Port::now() else {
        return NO_CLOCK;
    };
    let case = case!(Case::<S>::new(config, BOUND));
    S::Port::usleep(20_000);
    let took = S::Port::now().unwrap_or_default().saturating_sub(begin);
    if took < Duration::from_millis(10) {
        case.stage.complain(
            &"usleep(20_000) came back after so many µs of the port's clock",
            micros(took),
            20_000,
        );
    }
    case.end()
}

fn micros(time: Duration) -> usize {
    time.as_micros() as usize
}
