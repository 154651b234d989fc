//! Scenarios 1 to 15: the pool.

use crate::crew::{Case, NO_LOCAL};
use crate::subject::{Loan, Shape, Subject};
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use extram_core::{Binding, EnterError, MState, Port, StartError, Threads};

/// Ms stay with their threads, as many as needed.
pub(crate) const BOUND: Shape = Shape { limit: None, binding: Binding::Thread };
/// Ms go back after each call.
pub(crate) const BY_CALL: Shape = Shape { limit: None, binding: Binding::Call };

pub(crate) const fn limited(limit: u32, binding: Binding) -> Shape {
    Shape { limit: Some(limit), binding }
}

/// The case, or the verdict that there is none.
macro_rules! case {
    ($case:expr) => {
        match $case {
            Ok(case) => case,
            Err(verdict) => return verdict,
        }
    };
}
pub(crate) use case;

/// Passes on everything but an `Ok`.
macro_rules! also {
    ($verdict:expr) => {
        match $verdict {
            Verdict::Ok => {}
            other => return other,
        }
    };
}

pub(crate) use also;

const FEW_THREADS: Verdict = Verdict::Skipped("newosproc: cannot start that many threads at once");

/// Scenario 1.
pub(crate) fn starts<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::new(config, BOUND));
    let pool = case.pool();
    let refused = |result: Option<Result<S::Loan, EnterError>>| {
        result.is_none_or(|result| matches!(result, Err(EnterError::NotStarted)))
    };
    let early =
        [refused(Some(pool.enter())), refused(pool.try_enter()), refused(pool.enter_timeout(Duration::ZERO))];
    if early != [true; 3] {
        case.stage.complain(&"an entry before the start is not told so", 0, 1);
    }
    match pool.start() {
        Err(StartError::NoThreadLocal) => return case.end_after(Err(NO_LOCAL)),
        Err(_) => case.stage.complain(&"the pool does not start", 0, 1),
        Ok(()) => {}
    }
    if !matches!(pool.start(), Err(StartError::AlreadyStarted)) {
        case.stage.complain(&"a second start is not refused", 0, 1);
    }
    case.same(&"a started pool has made another number of Ms", case.stage.made.load(SeqCst), 1);
    if let Some(figures) = pool.figures() {
        case.same(&"a started pool has another number of spare Ms", figures.spare, 1);
    }
    case.end()
}

/// Scenario 2.
pub(crate) fn one_after_another<S: Subject>(config: &Config) -> Verdict {
    for shape in [BOUND, BY_CALL] {
        let case = case!(Case::<S>::started(config, shape));
        for _ in 0..config.sequence {
            let body = |case: &'static Case<S>, _| _ = case.call(|_| ());
            match case.crew(1, body, || ()) {
                Ok(()) => {}
                // This thread will do, if it keeps no M while others come.
                Err(Verdict::Skipped(_)) => {
                    case.call(|_| ());
                    case.pool().unbind();
                }
                Err(stuck) => return case.end_after(Err(stuck)),
            }
        }
        case.at_most(&"one thread at a time made more than two Ms", case.stage.made.load(SeqCst), 2);
        also!(case.end());
    }
    Verdict::Ok
}

/// Lines up a crew behind one thread that is making an M, then lets it go on.
fn behind_one<S: Subject>(case: &'static Case<S>, threads: u32) {
    let stage = &case.stage;
    case.expect(&"the threads do not line up", || {
        stage.waits.load(SeqCst) + stage.making.load(SeqCst) >= threads
    });
    stage.hold_making.store(false, SeqCst);
}

/// Scenario 3.
pub(crate) fn all_inside<S: Subject>(config: &Config) -> Verdict {
    let mut ran = false;
    for threads in [4, 100, 1024, 4096, config.threads] {
        if threads > config.threads || threads < 2 || (ran && threads == 4) {
            continue;
        }
        let case = case!(Case::<S>::started(config, BOUND));
        let stage = &case.stage;
        stage.hold_making.store(true, SeqCst);
        let body = |case: &'static Case<S>, _| {
            let stage = &case.stage;
            case.call(|_| {
                stage.inside.fetch_add(1, SeqCst);
                case.at_most(&"one callback paid for more than two Ms", case.made_here() as u32, 2);
                let all = case.crew.load(SeqCst);
                case.expect(&"not everyone got in", || stage.inside.load(SeqCst) == all);
            });
        };
        let crew = case.crew(threads, body, || behind_one(case, threads));
        if crew.is_ok() {
            let made = stage.made.load(SeqCst);
            case.at_most(&"more Ms than threads and one", made, threads + 1);
        }
        also!(case.end_after(crew));
        ran = true;
    }
    if ran { Verdict::Ok } else { FEW_THREADS }
}

/// Scenario 4. That it is never slower than one at a time is for the benchmarks to show.
pub(crate) fn short_callbacks<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(100);
    if threads < 16 {
        return Verdict::Skipped("newosproc: no 16 threads at once");
    }
    let case = case!(Case::<S>::started(config, BY_CALL));
    case.stage.hold_making.store(true, SeqCst);
    case.stage.cost.store(config.cost, SeqCst);
    let body = |case: &'static Case<S>, _| _ = case.call(|_| ());
    let crew = case.crew(threads, body, || behind_one(case, threads));
    if crew.is_ok() {
        case.at_most(&"Ms for short callbacks", case.stage.made.load(SeqCst), threads / 2);
    }
    case.end_after(crew)
}

/// Scenario 5. A takes the first M and makes the second. B takes that and is held while it makes the third.
/// C and D wait. A leaves and its M serves C.
pub(crate) fn exact_count<S: Subject>(config: &Config) -> Verdict {
    if config.threads < 4 {
        return FEW_THREADS;
    }
    let case = case!(Case::<S>::started(config, BY_CALL));
    if case.pool().waiting().is_none() {
        also!(case.end());
        return Verdict::Skipped("the pool under test does not count who waits");
    }
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        case.until(|| stage.step.load(SeqCst) > index);
        case.call(|_| {
            stage.inside.fetch_add(1, SeqCst);
            // A leaves at step 5, the others at step 6.
            let leaves = if index == 0 { 5 } else { 6 };
            case.until(|| stage.step.load(SeqCst) >= leaves);
        });
    };
    let crew = case.crew(4, body, || {
        let stage = &case.stage;
        let waiting = || case.pool().waiting().unwrap_or(0);
        stage.step.store(1, SeqCst);
        case.expect(&"the first thread is not let in", || stage.inside.load(SeqCst) == 1);
        stage.hold_making.store(true, SeqCst);
        stage.step.store(2, SeqCst);
        case.expect(&"who took the last M makes none", || stage.making.load(SeqCst) == 1);
        stage.step.store(4, SeqCst);
        case.expect(&"threads without an M do not wait", || stage.waits.load(SeqCst) == 2);
        // A thread says that it will wait before it is counted.
        case.expect(&"the waiting are miscounted", || waiting() == 2);
        stage.step.store(5, SeqCst);
        case.expect(&"a returned M serves nobody", || stage.grants.load(SeqCst) > 0);
        case.same(&"who was served counts as waiting", waiting(), 1);
        stage.step.store(6, SeqCst);
        stage.hold_making.store(false, SeqCst);
    });
    if crew.is_ok() {
        case.same(&"threads count as waiting at rest", case.pool().waiting().unwrap_or(0), 0);
        case.at_most(&"more Ms than were needed", case.stage.made.load(SeqCst), 4);
    }
    case.end_after(crew)
}

/// Scenario 6.
pub(crate) fn two_hands<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(8);
    if threads < 2 {
        return FEW_THREADS;
    }
    for shape in [BOUND, BY_CALL] {
        let case = case!(Case::<S>::started(config, shape));
        // Else a call within a call has an M of its own.
        let nests = case.lacks_storage().is_none();
        case.stage.step.store(nests as u32, SeqCst);
        let body = |case: &'static Case<S>, index: u32| {
            for entry in 0..case.config.entries {
                case.call(|outer| {
                    if case.stage.step.load(SeqCst) == 1 && (entry + index).is_multiple_of(16) {
                        S::Port::osyield();
                        match case.pool().enter() {
                            Ok(inner) if inner.id() == outer.id() => {}
                            Ok(inner) => {
                                case.same(&"a nested call runs on another M", inner.id(), outer.id())
                            }
                            Err(_) => case.stage.complain(&"a nested call is refused", 0, 1),
                        }
                    }
                });
            }
        };
        let crew = case.crew(threads, body, || ());
        also!(case.end_after(crew));
    }
    Verdict::Ok
}

/// Scenario 7. Everyone waits behind the one thread whose creations fail; nobody leaves before all others
/// are inside or turned away.
pub(crate) fn failed_creation<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(16);
    if threads < 4 {
        return FEW_THREADS;
    }
    for failures in [1, 2] {
        for from in 1..=4 {
            let case = case!(Case::<S>::started(config, BY_CALL));
            let stage = &case.stage;
            stage.fail_from.store(from, SeqCst);
            stage.fail_count.store(failures, SeqCst);
            stage.hold_making.store(true, SeqCst);
            let body = |case: &'static Case<S>, _| {
                let stage = &case.stage;
                match case.pool().enter() {
                    Ok(loan) => loan.ticket().alone(case, || {
                        stage.served.fetch_add(1, SeqCst);
                        let settled = || stage.served.load(SeqCst) + stage.turned_away.load(SeqCst);
                        case.until(|| settled() == case.crew.load(SeqCst));
                    }),
                    Err(EnterError::CreationFailed) => _ = stage.turned_away.fetch_add(1, SeqCst),
                    Err(_) => stage.complain(&"a thread was turned away for another reason", 0, 0),
                }
            };
            let crew = case.crew(threads, body, || behind_one(case, threads));
            if crew.is_ok() {
                let away = stage.turned_away.load(SeqCst);
                case.at_most(
                    &"more threads turned away than creations failed",
                    away,
                    stage.failures.load(SeqCst),
                );
                case.same(&"threads served or turned away", stage.served.load(SeqCst) + away, threads);
                for _ in 0..=failures {
                    drop(case.pool().enter());
                }
                case.call(|_| ());
            }
            also!(case.end_after(crew));
        }
    }
    Verdict::Ok
}

/// Scenario 8.
pub(crate) fn limit<S: Subject>(config: &Config) -> Verdict {
    for binding in [Binding::Thread, Binding::Call] {
        // More threads than Ms, all of which stay alive until the last has been served.
        let threads = config.threads.min(64);
        let limit = (threads / 2).min(8);
        if limit == 0 {
            return FEW_THREADS;
        }
        let case = case!(Case::<S>::started(config, limited(limit, binding)));
        let body = |case: &'static Case<S>, _| {
            let stage = &case.stage;
            for _ in 0..case.config.entries.min(20) {
                case.call(|_| {
                    let now = stage.inside.fetch_add(1, SeqCst) + 1;
                    stage.most_inside.fetch_max(now, SeqCst);
                    S::Port::osyield();
                    stage.inside.fetch_sub(1, SeqCst);
                });
            }
            stage.served.fetch_add(1, SeqCst);
            let all = case.crew.load(SeqCst);
            case.expect(&"not everyone is served under a limit", || stage.served.load(SeqCst) == all);
            case.call(|_| ());
        };
        let crew = case.crew(threads, body, || ());
        case.at_most(&"more threads inside than the limit", case.stage.most_inside.load(SeqCst), limit);
        case.at_most(&"more Ms than the limit", case.stage.made.load(SeqCst), limit);
        also!(case.end_after(crew));

        // One M: A has it, so trying is refused. A is outside: it may be had, and A has it no more.
        let case = case!(Case::<S>::started(config, limited(1, binding)));
        let body = |case: &'static Case<S>, _| {
            let stage = &case.stage;
            case.call(|_| {
                stage.step.store(1, SeqCst);
                case.until(|| stage.step.load(SeqCst) == 2);
            });
            stage.step.store(3, SeqCst);
            case.until(|| stage.step.load(SeqCst) == 4);
            refuses(case, &"an M that was taken back is entered by both");
            stage.step.store(5, SeqCst);
        };
        let crew = case.crew(1, body, || {
            let stage = &case.stage;
            case.expect(&"the thread is not let in", || stage.step.load(SeqCst) == 1);
            refuses(case, &"trying is let in beyond the limit");
            stage.step.store(2, SeqCst);
            case.expect(&"the thread does not leave", || stage.step.load(SeqCst) == 3);
            match case.pool().try_enter() {
                Some(Ok(_inside)) => {
                    stage.step.store(4, SeqCst);
                    case.expect(&"the other does not come back", || stage.step.load(SeqCst) == 5);
                }
                _ => stage.complain(&"an idle M cannot be had under a limit", 0, 1),
            }
            stage.step.store(4, SeqCst);
        });
        also!(case.end_after(crew));
    }
    Verdict::Ok
}

/// No M can be had without waiting.
fn refuses<S: Subject>(case: &'static Case<S>, text: &'static &'static str) {
    let refused = case
        .pool()
        .try_enter()
        .is_none_or(|result| matches!(result, Err(EnterError::Exhausted | EnterError::WouldBlock)));
    if !refused {
        case.stage.complain(text, 1, 0);
    }
}

/// Scenario 9.
pub(crate) fn time_out<S: Subject>(config: &Config) -> Verdict {
    let one = limited(1, Binding::Call);
    let case = case!(Case::<S>::started(config, one));
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        if index == 0 {
            case.call(|_| {
                stage.step.store(1, SeqCst);
                case.until(|| stage.step.load(SeqCst) == 2);
            });
            return;
        }
        case.until(|| stage.step.load(SeqCst) == 1);
        let limit = Duration::from_millis(20);
        let begin = S::Port::now();
        match case.pool().enter_timeout(limit) {
            Some(Err(EnterError::TimedOut)) | None => {}
            Some(_) => stage.complain(&"a wait in vain does not end with TimedOut", 0, 1),
        }
        if let (Some(begin), Some(end)) = (begin, S::Port::now()) {
            let took = end.saturating_sub(begin);
            if took < limit || took > limit * 50 {
                stage.complain(&"a time-out of 20,000 µs took other µs", took.as_micros() as usize, 20_000);
            }
        }
        case.same(&"who timed out counts as waiting", case.pool().waiting().unwrap_or(0), 0);
        stage.step.store(2, SeqCst);
    };
    let crew = case.crew(2, body, || ());
    also!(case.end_after(crew));

    let threads = config.threads.min(4);
    let case = case!(Case::<S>::started(config, one));
    let body = |case: &'static Case<S>, index: u32| {
        for race in 0..case.config.races / 4 {
            let limit = Duration::from_nanos(u64::from((race * 7919 + index * 104_729) % 50_000));
            match case.pool().enter_timeout(limit) {
                Some(Ok(loan)) => loan.ticket().alone(case, S::Port::osyield),
                Some(Err(EnterError::TimedOut)) | None => {}
                Some(Err(_)) => case.stage.complain(&"a thread was turned away for another reason", 0, 0),
            }
        }
    };
    let crew = case.crew(threads, body, || ());
    if crew.is_ok()
        && let Some(figures) = case.pool().figures()
    {
        case.same(&"a grant was lost to a time-out: spare Ms", figures.spare, 1);
    }
    case.end_after(crew)
}

/// Scenario 10. A is inside, B is held while it makes an M, the others wait.
pub(crate) fn closing<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(6);
    if threads < 3 {
        return FEW_THREADS;
    }
    let case = case!(Case::<S>::started(config, BY_CALL));
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        case.until(|| stage.step.load(SeqCst) > index.min(2));
        match case.pool().enter() {
            Ok(loan) => loan.ticket().alone(case, || {
                stage.inside.fetch_add(1, SeqCst);
                case.until(|| stage.step.load(SeqCst) >= 4);
            }),
            Err(EnterError::Closed) => _ = stage.turned_away.fetch_add(1, SeqCst),
            Err(_) => stage.complain(&"a thread was turned away for another reason", 0, 0),
        }
    };
    let crew = case.crew(threads, body, || {
        let stage = &case.stage;
        stage.step.store(1, SeqCst);
        case.expect(&"the first thread is not let in", || stage.inside.load(SeqCst) == 1);
        stage.hold_making.store(true, SeqCst);
        stage.step.store(2, SeqCst);
        case.expect(&"who took the last M makes none", || stage.making.load(SeqCst) == 1);
        stage.step.store(3, SeqCst);
        case.expect(&"threads without an M do not wait", || stage.waits.load(SeqCst) == threads - 2);
        if case.pool().close().is_ok() {
            stage.complain(&"a pool was closed while an M was in use", 0, 1);
        }
        case.same(&"a context was dropped in use", stage.dropped.load(SeqCst), 0);
        // A shorter patience, because everything that is not closed now is served below.
        let awake = case.until_briefly(|| stage.turned_away.load(SeqCst) == threads - 2);
        if !awake {
            let away = stage.turned_away.load(SeqCst) as usize;
            stage.complain(&"waiters do not wake with Closed", away, threads as usize - 2);
        }
        stage.hold_making.store(false, SeqCst);
        stage.step.store(4, SeqCst);
    });
    if crew.is_ok() {
        case.expect(&"the pool does not close at rest", || case.pool().close().is_ok());
        if !matches!(case.pool().enter(), Err(EnterError::Closed)) {
            case.stage.complain(&"a closed pool is entered", 1, 0);
        }
    }
    case.end_after(crew)
}

/// Scenario 11. Half of the threads are inside, the other half have been.
pub(crate) fn at_rest<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(16);
    if threads < 2 {
        return FEW_THREADS;
    }
    let case = case!(Case::<S>::started(config, BOUND));
    if case.pool().figures().is_none() {
        also!(case.end());
        return Verdict::Skipped("the pool under test has no figures");
    }
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        if index.is_multiple_of(2) {
            case.call(|_| {
                stage.served.fetch_add(1, SeqCst);
                case.until(|| stage.step.load(SeqCst) == 1);
            });
        } else {
            case.call(|_| ());
            stage.served.fetch_add(1, SeqCst);
            case.until(|| stage.step.load(SeqCst) == 1);
        }
    };
    let crew = case.crew(threads, body, || {
        case.expect(&"not everyone is served", || case.stage.served.load(SeqCst) == threads);
        let figures = case.pool().figures().unwrap_or_default();
        case.same(&"Ms in use", figures.in_use, threads.div_ceil(2));
        let bound = if case.lacks_hook().is_none() { threads / 2 } else { 0 };
        // Under a limit, idle Ms may have been taken back for threads that waited.
        case.expect(&"more Ms are bound and idle than threads are", || figures.bound_idle <= bound);
        let sum = figures.spare + figures.in_use + figures.bound_idle;
        case.same(&"spare, in use and bound Ms do not add up", sum, figures.created);
        case.same(&"threads count as waiting at rest", figures.waiting + figures.creating, 0);
        case.stage.step.store(1, SeqCst);
    });
    if crew.is_ok() {
        let figures = case.pool().figures().unwrap_or_default();
        case.same(&"Ms in use or bound when all threads are gone", figures.in_use + figures.bound_idle, 0);
    }
    case.end_after(crew)
}

/// Scenario 12.
pub(crate) fn trim_and_prewarm<S: Subject>(config: &Config) -> Verdict {
    let herd = config.threads.clamp(1, 16);
    let case = case!(Case::<S>::started(config, BOUND));
    match case.pool().prewarm(herd) {
        Some(Ok(())) => {}
        Some(Err(_)) => case.stage.complain(&"warming up fails", 0, 1),
        None => {
            also!(case.end());
            return Verdict::Skipped("the pool under test cannot be warmed up");
        }
    }
    let spare = || case.pool().figures().unwrap_or_default().spare;
    case.same(&"spare Ms after warming up", spare(), herd);
    let body = |case: &'static Case<S>, _| {
        case.call(|_| {
            case.stage.inside.fetch_add(1, SeqCst);
            let all = case.crew.load(SeqCst);
            case.expect(&"not everyone got in", || case.stage.inside.load(SeqCst) >= all);
        });
    };
    let crew = case.crew(herd, body, || ());
    if crew.is_ok() {
        case.same(&"threads waited in a warm pool", case.stage.waits.load(SeqCst), 0);
    }
    let verdict = |crew| match crew {
        Ok(()) | Err(Verdict::Skipped(_)) => None,
        Err(stuck) => Some(stuck),
    };
    if let Some(stuck) = verdict(crew) {
        return case.end_after(Err(stuck));
    }
    let before = spare();
    let dropped = case.pool().trim(1).unwrap_or(0);
    case.same(&"spare Ms after trimming", spare(), 1);
    case.same(&"contexts dropped by trimming", case.stage.dropped.load(SeqCst), dropped);
    case.same(&"Ms trimmed", dropped, before - 1);
    case.stage.inside.store(0, SeqCst);
    match verdict(case.crew(herd, body, || ())) {
        Some(stuck) => case.end_after(Err(stuck)),
        None => {
            case.call(|_| ());
            case.end()
        }
    }
}

/// Scenario 13. Nothing is trimmed or closed while the walks go on.
pub(crate) fn walk<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(4);
    if threads < 1 {
        return FEW_THREADS;
    }
    let case = case!(Case::<S>::started(config, BY_CALL));
    // SAFETY: nothing is trimmed or closed.
    if !unsafe { case.pool().walk(&mut |_| ()) } {
        also!(case.end());
        return Verdict::Skipped("the pool under test does not show its Ms");
    }
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        for _ in 0..case.config.entries / 4 {
            case.call(|_| ());
        }
        stage.served.fetch_add(1, SeqCst);
        if index == 0 {
            // The others are gone: this M alone is in use.
            let all = case.crew.load(SeqCst);
            case.until(|| stage.served.load(SeqCst) == all);
            case.call(|loan| {
                stage.note[0].store(S::Port::thread_id() as usize, SeqCst);
                stage.note[1].store(loan.id() as usize, SeqCst);
                stage.step.store(1, SeqCst);
                case.until(|| stage.step.load(SeqCst) == 2);
            });
        }
    };
    let crew = case.crew(threads, body, || {
        let stage = &case.stage;
        let over = || stage.step.load(SeqCst) == 1;
        case.expect(&"the thread is not let in", || {
            for _ in 0..20 {
                // SAFETY: nothing is trimmed or closed.
                unsafe {
                    case.pool().walk(&mut |seen| {
                        if seen.id == 0 || !seen.ticket.complete() {
                            stage.complain(&"an M was seen that is not complete", seen.id as usize, 0);
                        }
                    });
                }
            }
            over()
        });
        let (mut in_use, mut spare) = (0, 0);
        // SAFETY: nothing is trimmed or closed.
        unsafe {
            case.pool().walk(&mut |seen| match seen.state {
                MState::InUse => {
                    in_use += 1;
                    let thread = stage.note[0].load(SeqCst);
                    if seen.thread_id as usize != thread {
                        stage.complain(&"an M in use names another thread", seen.thread_id as usize, thread);
                    }
                    case.same(&"another M is in use", seen.id, stage.note[1].load(SeqCst) as u32);
                }
                MState::Spare => spare += 1,
                _ => stage.complain(&"an M is bound in a pool that binds by call", 0, 0),
            });
        }
        case.same(&"Ms in use as a walk sees them", in_use, 1);
        case.same(&"spare Ms as a walk sees them", spare, stage.made.load(SeqCst) - 1);
        stage.step.store(2, SeqCst);
    });
    case.end_after(crew)
}

/// Scenario 14.
pub(crate) fn collector<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(16);
    if threads < 2 {
        return FEW_THREADS;
    }
    for shape in [BOUND, BY_CALL] {
        let case = case!(Case::<S>::started(config, shape));
        case.stage.cost.store(20, SeqCst);
        let body = |case: &'static Case<S>, _| {
            for _ in 0..case.config.entries.min(50) {
                case.call(|_| {
                    if case.stage.stopped.load(SeqCst) {
                        case.stage.complain(&"a callback runs during a collection", 1, 0);
                    }
                });
            }
            case.stage.served.fetch_add(1, SeqCst);
        };
        let crew = case.crew(threads, body, || {
            let stage = &case.stage;
            for _ in 0..200 {
                stage.collecting.store(true, SeqCst);
                if case.expect(&"the world does not stop", || stage.running.load(SeqCst) == 0) {
                    stage.stopped.store(true, SeqCst);
                    case.same(&"an M is being made during a collection", stage.making.load(SeqCst), 0);
                    S::Port::usleep(20);
                    stage.stopped.store(false, SeqCst);
                }
                stage.collecting.store(false, SeqCst);
                if stage.served.load(SeqCst) == threads || stage.complaint().is_some() {
                    break;
                }
                S::Port::osyield();
            }
        });
        also!(case.end_after(crew));
    }
    Verdict::Ok
}

/// Scenario 15. Contexts are trimmed while threads come and go; `Ticket` complains, and `end` counts.
pub(crate) fn dropped_once<S: Subject>(config: &Config) -> Verdict {
    let threads = config.threads.min(8);
    let case = case!(Case::<S>::started(config, BY_CALL));
    let body = |case: &'static Case<S>, _| {
        for _ in 0..case.config.entries / 8 {
            case.call(|_| S::Port::osyield());
        }
        case.stage.served.fetch_add(1, SeqCst);
    };
    let crew = case.crew(threads, body, || {
        case.expect(&"not everyone is served", || {
            case.pool().trim(0);
            case.stage.served.load(SeqCst) == threads
        });
    });
    match crew {
        Err(Verdict::Stuck) => case.end_after(crew),
        _ => case.end(),
    }
}
