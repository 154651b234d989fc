//! Stacks: their bounds, and the size that was asked for.

use crate::crew::Case;
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::ops::Range;
use core::sync::atomic::Ordering::SeqCst;
use extram_core::Port;

const UNTOLD: Verdict = Verdict::Skipped("stack_bounds: the port does not tell");

/// Asks for the stack that a frame of its own is on, `deep` frames further down.
#[inline(never)]
fn asked<S: Subject>(case: &'static Case<S>, deep: u32) -> Option<Range<usize>> {
    let frame = [deep; 8];
    let sp = core::hint::black_box(&raw const frame).addr();
    let bounds = S::Port::stack_bounds(sp)?;
    if !bounds.contains(&sp) {
        case.stage.complain(&"the bounds do not hold the address that was asked for", sp, bounds.start);
    }
    if let Some(part) = S::Port::stack_bounds_in_signal(sp)
        && !(part.contains(&sp) && part.start >= bounds.start && part.end <= bounds.end)
    {
        let text = &"stack_bounds_in_signal tells more than stack_bounds, or another stack";
        case.stage.complain(text, part.start, bounds.start);
    }
    if deep > 0
        && let Some(deeper) = asked::<S>(case, deep - 1)
        && deeper != bounds
    {
        case.stage.complain(&"the same stack has other bounds further down", deeper.start, bounds.start);
    }
    Some(bounds)
}

/// Two threads that are alive at once, and this one: each has a stack of its own.
pub(super) fn bounds<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        if let Some(bounds) = asked::<S>(case, 2) {
            stage.note[2 * index as usize].store(bounds.start, SeqCst);
            stage.note[2 * index as usize + 1].store(bounds.end, SeqCst);
        }
        stage.served.fetch_add(1, SeqCst);
        case.until(|| stage.step.load(SeqCst) == 1);
    };
    let mut told = false;
    let crew = case.crew(2, body, || {
        case.expect(&"the threads do not come", || stage.served.load(SeqCst) == 2);
        let note = |at: usize| stage.note[at].load(SeqCst);
        let stacks = [note(0)..note(1), note(2)..note(3), asked::<S>(case, 2).unwrap_or(0..0)];
        told = stacks.iter().any(|stack| !stack.is_empty());
        for (at, one) in stacks.iter().enumerate() {
            for other in &stacks[at + 1..] {
                // Empty where the port does not tell.
                if one.start.max(other.start) < one.end.min(other.end) {
                    stage.complain(&"the stacks of two threads overlap", one.end, other.start);
                }
            }
        }
        stage.step.store(1, SeqCst);
    });
    match case.end_after(crew) {
        Verdict::Ok if !told => UNTOLD,
        other => other,
    }
}

/// A thread with the default stack, and one with more than that: who ignores the size gives both the
/// same.
pub(super) fn size<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let body = |case: &'static Case<S>, _| {
        // Not `asked`: whether the bounds are right has been said.
        let frame = [0_u8; 4];
        let sp = core::hint::black_box(&raw const frame).addr();
        let size = S::Port::stack_bounds(sp).map_or(0, |bounds| bounds.len());
        case.stage.note[0].store(size, SeqCst);
    };
    let size = |stack| case.crew_on(stack, 1, body, || ()).map(|()| stage.note[0].load(SeqCst));
    let usual = match size(0) {
        Ok(0) => return case.end_after(Err(UNTOLD)),
        Ok(usual) => usual,
        Err(other) => return case.end_after(Err(other)),
    };
    // Bounds without an end have been complained of, and nobody has a stack of that size.
    let double = usual.checked_mul(2).unwrap_or(0);
    for wanted in [config.stack, double] {
        match size(wanted) {
            // Some of it may be a guard, or the system's.
            Ok(got) if got < wanted - wanted / 4 => {
                stage.complain(&"the stack is smaller than it was asked to be", got, wanted);
            }
            Ok(_) => {}
            Err(Verdict::Skipped(_)) => {
                return case.end_after(Err(Verdict::Skipped(
                    "newosproc: no larger stack than the usual one can be had",
                )));
            }
            Err(other) => return case.end_after(Err(other)),
        }
    }
    case.end()
}
