//! CPython for threads made by C: extram, which lends sub-interpreters with a lock each, beside
//! `PyGILState_Ensure`.
#![cfg(python)]

mod gil;
mod guest;
mod interpreter;
mod sys;

use extram::{Binding, Event, M, Owned, Pool, Runtime};
use extram_example_threads::{Census, Load, Outcome, Way, print as table, processors, through};
use interpreter::Interpreter;
use std::sync::Arc;

pub use gil::Python;

struct Host(Arc<Census>);

impl Runtime for Host {
    type Context = Interpreter;
    type Error = String;

    fn new_context(&self) -> Result<Interpreter, String> {
        Interpreter::new(&self.0)
    }

    fn failed(&self, error: String) {
        eprintln!("{error}");
    }

    fn admit(&self, m: &M<Self>) {
        m.context().attach();
    }

    fn retire(&self, m: &M<Self>) {
        m.context().detach();
    }

    /// Told before the M goes back, on the thread that had it. Not where a limit takes an idle M from its
    /// thread: a pool of this runtime is bound, or has a limit, and not both.
    fn observe(&self, event: Event) {
        if let Event::Returned { .. } = event {
            interpreter::part();
        }
    }
}

fn extram(
    load: &Load,
    census: &Arc<Census>,
    configure: impl FnOnce(Pool<Host>) -> Pool<Host>,
) -> Result<Outcome, String> {
    let pool = Owned::start(Host(Arc::clone(census)), configure).map_err(|error| error.to_string())?;
    through(pool, load, |pool, number, rounds| {
        // SAFETY: `admit` has attached the thread.
        pool.callback(|_| unsafe { guest::work(number, rounds) }).ok()?
    })
}

/// The usual way, as it is and with a thread state that is kept, and extram's. Python has to run.
pub const WAYS: &[Way] = &[
    Way { name: "`PyGILState_Ensure` for each call", run: gil::each_call, most: |_| 1 },
    Way { name: "`PyGILState_Ensure` in a thread state that is kept", run: gil::kept, most: |_| 1 },
    Way {
        name: "extram, `Binding::Call` and a limit of as many as processors",
        run: |load, census| extram(load, census, |pool| pool.binding(Binding::Call).limit(processors())),
        most: |_| processors(),
    },
    Way {
        name: "extram's default: bound, no limit",
        run: |load, census| extram(load, census, |pool| pool),
        // One for each thread, and the spare one.
        most: |load| load.at_once + 1,
    },
];

/// Threads that outnumber the processors; that come and go; as many as there are processors.
pub fn loads() -> [Load; 3] {
    [
        Load { name: "a crowd", threads: 16, at_once: 16, calls: 200, rounds: 1000 },
        Load { name: "come and go", threads: 500, at_once: 8, calls: 4, rounds: 1000 },
        Load { name: "few", threads: processors(), at_once: processors(), calls: 5_000, rounds: 10 },
    ]
}

/// Runs and prints everything; `false` if something was wrong.
pub fn print() -> bool {
    let python = match Python::start() {
        Ok(python) => python,
        Err(wrong) => {
            println!("WRONG: {wrong}");
            return false;
        }
    };
    let good = table("CPython, threads made by C", &loads(), WAYS);
    python.end() && good
}
