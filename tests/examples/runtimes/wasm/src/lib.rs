//! wasmi stores for threads made by C: extram beside a mutex around one store and a store for each thread.

mod store;

use extram::{Binding, Owned, Pool, Runtime};
use extram_example_threads::{Census, Load, Outcome, Way, print as table, processors, through};
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use store::{Guest, Instance};

impl Runtime for Guest {
    /// A call into wasmi wants `&mut`, and nothing in it calls back.
    type Context = RefCell<Instance>;
    type Error = wasmi::Error;

    fn new_context(&self) -> Result<Self::Context, wasmi::Error> {
        self.instance().map(RefCell::new)
    }
}

fn extram(
    load: &Load,
    census: &Arc<Census>,
    configure: impl FnOnce(Pool<Guest>) -> Pool<Guest>,
) -> Result<Outcome, String> {
    let pool = Owned::start(Guest::new(census).map_err(text)?, configure).map_err(text)?;
    through(pool, load, |pool, number, rounds| {
        pool.callback(|m| m.context().borrow_mut().work(number, rounds)).ok()?
    })
}

fn mutex(load: &Load, census: &Arc<Census>) -> Result<Outcome, String> {
    let instance = Mutex::new(Guest::new(census).map_err(text)?.instance().map_err(text)?);
    Ok(load.run(|number, rounds| instance.lock().ok()?.work(number, rounds)))
}

fn thread_local(load: &Load, census: &Arc<Census>) -> Result<Outcome, String> {
    thread_local! { static INSTANCE: RefCell<Option<Instance>> = const { RefCell::new(None) } }
    let guest = Guest::new(census).map_err(text)?;
    Ok(load.run(|number, rounds| {
        INSTANCE.with_borrow_mut(|instance| {
            if instance.is_none() {
                *instance = guest.instance().ok();
            }
            instance.as_mut()?.work(number, rounds)
        })
    }))
}

/// The two usual ways, and extram's two.
pub const WAYS: &[Way] = &[
    Way { name: "a mutex around one store", run: mutex, most: |_| 1 },
    Way { name: "a store for each thread (`thread_local!`)", run: thread_local, most: |load| load.at_once },
    Way {
        name: "extram's default",
        run: |load, census| extram(load, census, |pool| pool),
        // One for each thread, and the spare one.
        most: |load| load.at_once + 1,
    },
    Way {
        name: "extram, `Binding::Call` and a limit of as many as processors",
        run: |load, census| extram(load, census, |pool| pool.binding(Binding::Call).limit(processors())),
        most: |_| processors(),
    },
];

/// Threads that outnumber the processors; that come and go; as many as there are processors.
pub fn loads() -> [Load; 3] {
    [
        Load { name: "a crowd", threads: 64, at_once: 64, calls: 500, rounds: 2000 },
        Load { name: "come and go", threads: 2000, at_once: 16, calls: 2, rounds: 2000 },
        Load { name: "few", threads: processors(), at_once: processors(), calls: 100_000, rounds: 50 },
    ]
}

/// Runs and prints everything; `false` if something was wrong.
pub fn print() -> bool {
    table("wasmi, threads made by C", &loads(), WAYS)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
