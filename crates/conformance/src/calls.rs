//! Scenarios 21 and 22: calls within calls.

use crate::crew::Case;
use crate::pool::{BOUND, BY_CALL, also, case};
use crate::subject::{Loan as _, Subject};
use crate::threads::first;
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;

/// How deep calls nest, on stacks of any size.
const DEEP: u32 = 8;

fn deeper<S: Subject>(case: &'static Case<S>, id: u32, depth: u32) {
    case.nested_call(|loan| {
        case.same(&"a nested call runs on another M", loan.id(), id);
        case.same(&"a nested call is admitted again", case.stage.running.load(SeqCst), 1);
        if depth < DEEP {
            deeper(case, id, depth + 1);
        }
    });
    case.same(&"the runtime is told of a nested call's end", case.stage.running.load(SeqCst), 1);
}

/// Scenario 21. The runtime hears of the outermost call only.
pub(crate) fn nested<S: Subject>(config: &Config) -> Verdict {
    for shape in [BOUND, BY_CALL] {
        let case = case!(Case::<S>::started(config, shape));
        if let Some(lack) = case.lacks_storage() {
            return first(case.end(), lack);
        }
        for round in 0..config.entries / 10 {
            case.call(|outer| {
                if round < 10 {
                    deeper(case, outer.id(), 2);
                }
                for _ in 0..10 {
                    case.nested_call(|inner| {
                        case.same(&"a nested call runs on another M", inner.id(), outer.id())
                    });
                }
            });
            case.same(&"the runtime is not told of the end", case.stage.running.load(SeqCst), 0);
        }
        case.at_most(&"Ms for one thread", case.stage.made.load(SeqCst), 2);
        also!(case.end());
    }
    Verdict::Ok
}

/// Scenario 22, as far as it is no matter of types: whichever of three calls is left first, the M is in
/// use until the last has been.
pub(crate) fn any_order<S: Subject>(config: &Config) -> Verdict {
    if !S::ANY_ORDER {
        return Verdict::Skipped("the pool under test wants calls left innermost first");
    }
    for shape in [BOUND, BY_CALL] {
        let case = case!(Case::<S>::started(config, shape));
        if let Some(lack) = case.lacks_storage() {
            return first(case.end(), lack);
        }
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let pool = case.pool();
            let (Ok(outer), Ok(middle), Ok(inner)) = (pool.enter(), pool.enter(), pool.enter()) else {
                case.stage.complain(&"a thread was not let in", 0, 1);
                return case.end();
            };
            let id = outer.id();
            let mut loans = [Some(outer), Some(middle), Some(inner)];
            for which in order {
                case.same(&"the M was given back too early", case.stage.running.load(SeqCst), 1);
                // A further call shares the M, and leaves it as it was.
                case.nested_call(|third| case.same(&"a nested call runs on another M", third.id(), id));
                drop(loans[which].take());
            }
            case.same(&"the M is in use when all calls were left", case.stage.running.load(SeqCst), 0);
        }
        also!(case.end());
    }
    Verdict::Ok
}
