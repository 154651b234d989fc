//! Scenarios 16 to 19, 25 and 26: Ms that stay with their threads, where the port has an exit hook,
//! and come back.

use crate::crew::Case;
use crate::pool::{BOUND, BY_CALL, also, case, limited};
use crate::subject::{Loan as _, Subject};
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;
use extram_core::Binding;

/// Scenario 16. Two threads in step: both enter, both leave, a hundred times over.
pub(crate) fn keeps_its_m<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::started(config, BOUND));
    if let Some(lack) = case.lacks_hook() {
        return first(case.end(), lack);
    }
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        let turn = |turn: u32| {
            case.expect(&"the other thread does not go on", || stage.step.load(SeqCst) >= turn);
        };
        let mut mine = None;
        for round in 0..100 {
            turn(round * 4 + index);
            case.call(|loan| {
                let id = *mine.get_or_insert(loan.id());
                case.same(&"a bound thread runs on another M", loan.id(), id);
                stage.note[index as usize].store(id as usize, SeqCst);
                stage.step.fetch_add(1, SeqCst);
                turn(round * 4 + 2 + index);
            });
            stage.step.fetch_add(1, SeqCst);
        }
    };
    let crew = case.crew(2, body, || ());
    if crew.is_ok() && case.stage.note[0].load(SeqCst) == case.stage.note[1].load(SeqCst) {
        case.stage.complain(&"two threads ran on the same M", 1, 2);
    }
    case.end_after(crew)
}

/// Scenario 17.
pub(crate) fn comes_back<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::started(config, BOUND));
    if let Some(lack) = case.lacks_hook() {
        return first(case.end(), lack);
    }
    let body = |case: &'static Case<S>, _| {
        for _ in 0..2 {
            case.call(|loan| case.stage.note[0].store(loan.id() as usize, SeqCst));
        }
    };
    let mut before = None;
    for _ in 0..config.sequence.min(100) {
        let crew = case.crew(1, body, || ());
        if crew.is_err() {
            return case.end_after(crew);
        }
        let id = case.stage.note[0].load(SeqCst);
        case.same(&"the next thread runs on another M", id as u32, *before.get_or_insert(id) as u32);
        if let Some(figures) = case.pool().figures() {
            case.same(&"an M stays with a thread that is gone", figures.bound_idle + figures.in_use, 0);
        }
    }
    case.end()
}

/// Scenario 18. A herd, then many threads one or two at a time.
pub(crate) fn short_lived<S: Subject>(config: &Config) -> Verdict {
    let herd = config.threads.min(8);
    let case = case!(Case::<S>::started(config, BOUND));
    if let Some(lack) = case.lacks_hook() {
        return first(case.end(), lack);
    }
    let inside = |case: &'static Case<S>, _| {
        case.call(|_| {
            case.stage.inside.fetch_add(1, SeqCst);
            let all = case.crew.load(SeqCst);
            case.expect(&"not everyone got in", || case.stage.inside.load(SeqCst) >= all);
        });
    };
    let crew = case.crew(herd, inside, || ());
    if crew.is_err() {
        return case.end_after(crew);
    }
    let made = case.stage.made.load(SeqCst);
    let body = |case: &'static Case<S>, _| _ = case.call(|_| ());
    for _ in 0..config.sequence * 2 {
        let crew = case.crew(herd.min(2), body, || ());
        if crew.is_err() {
            return case.end_after(crew);
        }
    }
    case.same(&"more Ms than at the busiest moment", case.stage.made.load(SeqCst), made);
    case.end()
}

/// Scenario 19. Threads that end in the middle of a call, at several depths.
pub(crate) fn exits_inside<S: Subject>(config: &Config) -> Verdict {
    for shape in [BOUND, BY_CALL] {
        let case = case!(Case::<S>::started(config, shape));
        if let Some(lack) = case.lacks_hook() {
            return first(case.end(), lack);
        }
        let body = |case: &'static Case<S>, _| {
            for _ in 0..=case.stage.step.load(SeqCst) % 3 {
                match case.pool().enter() {
                    Ok(loan) => case.pool().stay(loan),
                    Err(_) => case.stage.complain(&"a thread was not let in", 0, 1),
                }
            }
        };
        for round in 0..config.sequence.min(30) {
            case.stage.step.store(round, SeqCst);
            let crew = case.crew(1, body, || ());
            if crew.is_err() {
                return case.end_after(crew);
            }
            case.same(&"the runtime is not told of the end", case.stage.running.load(SeqCst), 0);
            if let Some(figures) = case.pool().figures() {
                let gone = figures.bound_idle + figures.in_use;
                case.same(&"an M stays with a thread that is gone", gone, 0);
            }
        }
        case.at_most(&"more Ms than at the busiest moment", case.stage.made.load(SeqCst), 2);
        case.call(|_| ());
        also!(case.end());
    }
    Verdict::Ok
}

/// Scenario 25.
pub(crate) fn unbinds<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::started(config, BOUND));
    if let Some(lack) = case.lacks_hook() {
        return first(case.end(), lack);
    }
    let pool = case.pool();
    let says = |text: &'static &'static str, wanted: bool| {
        case.same(text, pool.unbind().unwrap_or(wanted) as u32, wanted as u32);
    };
    if pool.unbind().is_none() {
        return first(case.end(), Verdict::Skipped("the pool under test cannot unbind"));
    }
    says(&"a thread that never entered gave an M back", false);
    let id = case.call(|loan| {
        says(&"an M in use was given back", false);
        loan.id()
    });
    says(&"an idle M was not given back", true);
    says(&"an M was given back twice", false);
    if let Some(figures) = pool.figures() {
        case.same(&"an M is bound after it was given back", figures.bound_idle + figures.in_use, 0);
    }
    if let Some(id) = id {
        case.stage.note[0].store(id as usize, SeqCst);
        // The M that came back last is taken first.
        let body = |case: &'static Case<S>, _| {
            case.call(|loan| {
                case.same(&"another thread has another M", loan.id(), case.stage.note[0].load(SeqCst) as u32)
            });
        };
        let crew = case.crew(1, body, || ());
        if crew.is_err() {
            return case.end_after(crew);
        }
    }
    case.call(|_| ());
    case.end()
}

/// Scenario 26. Ten times as many threads over time as elsewhere, under a limit of two Ms.
pub(crate) fn crowd<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::started(config, limited(2, Binding::Thread)));
    let body = |case: &'static Case<S>, _| {
        case.call(|_| ());
        case.stage.served.fetch_add(1, SeqCst);
    };
    let (at_once, crews) = (config.threads.min(20), config.sequence * 10 / config.threads.clamp(1, 20));
    for _ in 0..crews {
        let crew = case.crew(at_once, body, || ());
        if crew.is_err() {
            return case.end_after(crew);
        }
    }
    case.same(&"threads served", case.stage.served.load(SeqCst), at_once * crews);
    case.at_most(&"more Ms than the limit", case.stage.made.load(SeqCst), 2);
    case.end()
}

/// What the end has to say matters more than that the rest was skipped.
pub(crate) fn first(end: Verdict, skipped: Verdict) -> Verdict {
    match end {
        Verdict::Ok => skipped,
        failed => failed,
    }
}
