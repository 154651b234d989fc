//! The thread-local value, and the hook that runs when a thread ends.

use crate::crew::{Case, NO_LOCAL, STORES_NOTHING};
use crate::pool::{BOUND, case};
use crate::subject::Subject;
use crate::{Config, Verdict};
use core::sync::atomic::Ordering::SeqCst;
use extram_core::{Hooks, Port};

/// A value that is no pointer, for the suite looks behind none.
fn value_of(number: usize) -> *mut () {
    core::ptr::without_provenance_mut(number)
}

/// Two threads at once, and this one; then the value is closed and opened anew.
pub(super) fn own<S: Subject>(config: &Config) -> Verdict {
    let case = case!(Case::<S>::new(config, BOUND));
    if !case.has_local() {
        return case.end_after(Err(NO_LOCAL));
    }
    let stage = &case.stage;
    let body = |case: &'static Case<S>, index: u32| {
        let stage = &case.stage;
        let found = S::Port::tls_get(&case.local);
        if !found.is_null() {
            stage.complain(&"a new thread finds a value that it did not store", found.addr(), 0);
        }
        let mine = value_of(16 + 16 * index as usize);
        match S::Port::tls_set(&case.local, mine) {
            Ok(()) => {
                stage.served.fetch_add(1, SeqCst);
                case.expect(&"the other thread does not come", || stage.served.load(SeqCst) == 2);
                let found = S::Port::tls_get(&case.local);
                if found != mine {
                    stage.complain(&"a thread finds another value than it stored", found.addr(), mine.addr());
                }
                if S::Port::tls_look(&case.local).0 != found {
                    stage.complain(&"tls_look and tls_get differ", 0, found.addr());
                }
                if S::Port::tls_set(&case.local, value_of(0)).is_err() {
                    stage.complain(&"tls_set refuses null", 0, 1);
                }
            }
            Err(_) => {
                stage.turned_away.fetch_add(1, SeqCst);
                stage.served.fetch_add(1, SeqCst);
            }
        }
    };
    let crew = case.crew(2, body, || ());
    if crew.is_err() {
        return case.end_after(crew);
    }
    if stage.turned_away.load(SeqCst) > 0 || S::Port::tls_set(&case.local, value_of(16)).is_err() {
        return case.end_after(Err(STORES_NOTHING));
    }
    if !S::Port::tls_close(&case.local) {
        stage.complain(&"tls_close says that a hook runs, and none does", 0, 1);
    } else if case.open_local(None) && !S::Port::tls_get(&case.local).is_null() {
        stage.complain(&"a value outlives its tls_close", 1, 0);
    }
    case.end()
}

/// What the hook has to be told, and where it has to run: the value is the thread's token.
unsafe extern "C" fn at_exit<S: Subject>(pool: *mut (), value: *mut ()) {
    // SAFETY: what `hook` opened it with, a case whose crew is not joined yet.
    let case: &'static Case<S> = unsafe { &*pool.cast::<Case<S>>() };
    if S::Port::thread_token() != value.addr() {
        case.stage.complain(
            &"the hook runs with another thread's value",
            S::Port::thread_token(),
            value.addr(),
        );
    }
    // As the core does: a hook may come again, as long as there is a value.
    if S::Port::tls_set(&case.local, value_of(0)).is_err() {
        case.stage.complain(&"tls_set refuses null in a hook", 0, 1);
    }
    case.stage.note[0].fetch_add(1, SeqCst);
}

unsafe extern "C" fn no_repair(_: *mut ()) {}

/// Two threads: one asks for the hook, twice, the other hears of it from `tls_look` alone.
pub(super) fn hook<S: Subject>(config: &Config) -> Verdict {
    if !S::Port::HAS_EXIT_HOOK {
        return Verdict::Skipped("exit_hook: the port has none");
    }
    let case = case!(Case::<S>::new(config, BOUND));
    let stage = &case.stage;
    let hooks = const { &Hooks { at_exit: at_exit::<S>, in_child: no_repair } };
    if !case.open_local(Some(hooks)) {
        return case.end_after(Err(NO_LOCAL));
    }
    let body = |case: &'static Case<S>, index: u32| {
        if S::Port::tls_set(&case.local, value_of(S::Port::thread_token())).is_err() {
            return;
        }
        let promised = match index {
            0 => S::Port::exit_hook(&case.local) && S::Port::exit_hook(&case.local),
            _ => S::Port::tls_look(&case.local).1,
        };
        case.stage.note[1].fetch_add(promised as usize, SeqCst);
    };
    let crew = case.crew(2, body, || ());
    if crew.is_err() {
        return case.end_after(crew);
    }
    let (ran, promised) = (stage.note[0].load(SeqCst), stage.note[1].load(SeqCst));
    if ran < promised {
        stage.complain(&"threads have been joined, and promised hooks have not run", ran, promised);
    }
    if ran > 2 {
        stage.complain(&"the hook ran more than once for a thread", ran, 2);
    }
    match case.end() {
        Verdict::Ok if promised == 0 => Verdict::Skipped("exit_hook: the port has none for these threads"),
        other => other,
    }
}
