//! QuickJS for threads made by C: extram beside a mutex around one interpreter.

mod interpreter;

use extram::{Binding, Owned, Pool, Runtime};
use extram_example_threads::{Census, Load, Outcome, Way, print as table, processors, through};
use interpreter::Interpreter;
use std::sync::{Arc, Mutex};

struct Host(Arc<Census>);

impl Runtime for Host {
    type Context = Interpreter;
    type Error = rquickjs::Error;

    fn new_context(&self) -> Result<Interpreter, rquickjs::Error> {
        Interpreter::new(&self.0)
    }
}

fn extram(
    load: &Load,
    census: &Arc<Census>,
    configure: impl FnOnce(Pool<Host>) -> Pool<Host>,
) -> Result<Outcome, String> {
    let pool = Owned::start(Host(Arc::clone(census)), configure).map_err(|error| error.to_string())?;
    through(pool, load, |pool, number, rounds| pool.callback(|m| m.context().work(number, rounds)).ok()?)
}

fn mutex(load: &Load, census: &Arc<Census>) -> Result<Outcome, String> {
    let interpreter = Mutex::new(Interpreter::new(census).map_err(|error| error.to_string())?);
    Ok(load.run(|number, rounds| interpreter.lock().ok()?.work(number, rounds)))
}

/// The usual way, and extram's.
pub const WAYS: &[Way] = &[
    Way { name: "a mutex around one interpreter", run: mutex, most: |_| 1 },
    Way {
        name: "extram, `Binding::Call` and a limit of as many as processors",
        run: |load, census| extram(load, census, |pool| pool.binding(Binding::Call).limit(processors())),
        most: |_| processors(),
    },
    Way {
        name: "extram, bound with a limit of 8",
        run: |load, census| extram(load, census, |pool| pool.limit(8)),
        most: |_| 8,
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
        Load { name: "a crowd", threads: 64, at_once: 64, calls: 200, rounds: 300 },
        Load { name: "come and go", threads: 500, at_once: 16, calls: 10, rounds: 300 },
        Load { name: "few", threads: processors(), at_once: processors(), calls: 20_000, rounds: 10 },
    ]
}

/// Runs and prints everything; `false` if something was wrong.
pub fn print() -> bool {
    table("QuickJS, threads made by C", &loads(), WAYS)
}
