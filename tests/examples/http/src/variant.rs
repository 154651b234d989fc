//! The ways in which a server's threads share Lua states.

use crate::lua::State;
use extram::{Native, Pool};
use extram_core::Runtime;
use std::cell::RefCell;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The Ms of the variant that has a limit.
pub(crate) const LIMIT: u32 = 8;

type Answer = Result<String, Box<dyn Error>>;

/// What a server's threads call.
pub(crate) trait Service: Sync {
    fn answer(&self, number: u32) -> Answer;
    /// How many states were made.
    fn states(&self) -> u32;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Variant {
    /// One state behind a lock
    GlobalLock,
    /// A state for each thread
    ThreadLocal,
    /// extram; an M stays with its thread until that ends
    Extram,
    /// extram with a limit; idle Ms go to the threads that wait
    ExtramLimit,
}

impl Variant {
    pub(crate) const ALL: [Variant; 4] =
        [Variant::GlobalLock, Variant::ThreadLocal, Variant::Extram, Variant::ExtramLimit];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Variant::GlobalLock => "global-lock",
            Variant::ThreadLocal => "thread-local",
            Variant::Extram => "extram",
            Variant::ExtramLimit => "extram-limit",
        }
    }

    /// Whether a thread keeps its state between calls.
    pub(crate) fn keeps(self) -> bool {
        matches!(self, Variant::ThreadLocal | Variant::Extram)
    }

    /// Ready to be called. Lives for ever, as threads that nobody knows of may still refer to it.
    pub(crate) fn service(self) -> Result<&'static dyn Service, Box<dyn Error>> {
        Ok(match self {
            Variant::GlobalLock => Box::leak(Box::new(Mutex::new(State::new()?))),
            Variant::ThreadLocal => Box::leak(Box::new(ThreadLocal { made: AtomicU32::new(0) })),
            Variant::Extram => extram(Pool::new(Application))?,
            Variant::ExtramLimit => extram(Pool::new(Application).limit(LIMIT))?,
        })
    }
}

impl Service for Mutex<State> {
    fn answer(&self, number: u32) -> Answer {
        Ok(self.lock().unwrap_or_else(PoisonError::into_inner).answer(number)?)
    }

    fn states(&self) -> u32 {
        1
    }
}

struct ThreadLocal {
    made: AtomicU32,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

impl Service for ThreadLocal {
    fn answer(&self, number: u32) -> Answer {
        STATE.with_borrow_mut(|state| {
            if let Some(state) = state {
                return Ok(state.answer(number)?);
            }
            // Relaxed: a count, read when all threads are gone.
            self.made.fetch_add(1, Ordering::Relaxed);
            Ok(state.insert(State::new()?).answer(number)?)
        })
    }

    fn states(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }
}

/// The runtime whose Ms carry Lua states.
struct Application;

impl Runtime for Application {
    type Context = State;
    type Error = mlua::Error;

    fn new_context(&self) -> Result<State, mlua::Error> {
        State::new()
    }
}

fn extram(pool: Pool<Application, Native>) -> Result<&'static dyn Service, Box<dyn Error>> {
    let pool: &'static _ = Box::leak(Box::new(pool));
    pool.start()?;
    Ok(Box::leak(Box::new(pool)))
}

impl Service for &'static Pool<Application, Native> {
    fn answer(&self, number: u32) -> Answer {
        Ok(self.callback(|m| m.context().answer(number))??)
    }

    fn states(&self) -> u32 {
        self.stats().created
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::expected;
    use std::thread;

    #[test]
    fn every_variant_answers_and_counts_its_states() {
        for (variant, states) in Variant::ALL.into_iter().zip([1, 2, 2, 2]) {
            let service = variant.service().unwrap();
            for _ in 0..2 {
                thread::spawn(move || {
                    for number in 0..5 {
                        assert_eq!(service.answer(number).unwrap(), expected(number));
                    }
                })
                .join()
                .unwrap();
            }
            // One thread after the other: the M comes back, the thread-local state does not.
            assert_eq!(service.states(), states, "{}", variant.name());
        }
    }
}
