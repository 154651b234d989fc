//! Making threads, waiting for their end, telling them apart.

use crate::crew::Case;
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;
use extram_core::{Port, Threads};

/// A thread that takes its time to end, and looks whether anybody says that it has.
pub(super) fn join<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let body = |case: &'static Case<S>, _| {
        for _ in 0..50 {
            S::Port::usleep(1000);
            if case.stage.step.load(SeqCst) == 1 {
                return case.stage.complain(&"join came back while the thread still ran", 0, 1);
            }
        }
    };
    for _ in 0..3 {
        stage.step.store(0, SeqCst);
        let Some(thread) = case.one(body, config.stack) else {
            return case.end_after(Err(Verdict::Skipped("newosproc: cannot start a thread")));
        };
        S::Port::join(thread);
        case.same(&"join came back before the thread had ended", case.finished(), 1);
        stage.step.store(1, SeqCst);
        if !case.expect(&"a thread that newosproc made does not run to its end", || case.finished() == 1) {
            return case.end_after(Err(Verdict::Stuck));
        }
        if stage.complaint().is_some() {
            break;
        }
    }
    case.end()
}

/// What is to tell threads apart.
trait Mark: 'static {
    const SHARED: &'static &'static str;
    const CHANGES: &'static &'static str;
    fn mark<P: Port>() -> usize;
    fn wrong(mark: usize) -> Option<&'static &'static str> {
        let _ = mark;
        None
    }
}

struct Token;

impl Mark for Token {
    const SHARED: &'static &'static str = &"two threads that are alive have the same token";
    const CHANGES: &'static &'static str = &"a thread's token changes";

    fn mark<P: Port>() -> usize {
        P::thread_token()
    }

    fn wrong(mark: usize) -> Option<&'static &'static str> {
        match mark {
            0 => Some(&"a token is zero"),
            _ if !mark.is_multiple_of(16) => Some(&"the low four bits of a token are not zero"),
            _ => None,
        }
    }
}

struct Id;

impl Mark for Id {
    const SHARED: &'static &'static str = &"two threads that are alive have the same number";
    const CHANGES: &'static &'static str = &"a thread's number changes";

    fn mark<P: Port>() -> usize {
        P::thread_id() as usize
    }
}

/// The calling thread's mark, asked for again and again.
fn steady<S: Subject, K: Mark>(case: &'static Case<S>) -> usize {
    let first = K::mark::<S::Port>();
    for _ in 0..20 {
        S::Port::osyield();
        let again = K::mark::<S::Port>();
        if again != first {
            case.stage.complain(K::CHANGES, again, first);
        }
    }
    if let Some(text) = K::wrong(first) {
        case.stage.complain(text, first, 0);
    }
    first
}

/// Two threads that are alive at once, and this one.
fn told_apart<S: Subject, K: Mark>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let body = |case: &'static Case<S>, index: u32| {
        case.stage.note[index as usize].store(steady::<S, K>(case), SeqCst);
        case.stage.served.fetch_add(1, SeqCst);
        case.until(|| case.stage.step.load(SeqCst) == 1);
    };
    let crew = case.crew(2, body, || {
        case.expect(&"the threads do not come", || stage.served.load(SeqCst) == 2);
        let (first, second) = (stage.note[0].load(SeqCst), stage.note[1].load(SeqCst));
        let mine = steady::<S, K>(case);
        for (one, other) in [(first, second), (first, mine), (second, mine)] {
            if one == other {
                stage.complain(K::SHARED, one, other);
            }
        }
        stage.step.store(1, SeqCst);
    });
    case.end_after(crew)
}

pub(super) fn token<S: Subject>(config: &Config) -> Verdict {
    told_apart::<S, Token>(config)
}

pub(super) fn id<S: Subject>(config: &Config) -> Verdict {
    told_apart::<S, Id>(config)
}
