//! The ways in which a server's threads share Lua states.

use crate::lua::State;
use extram::{Native, Pool};
use extram_contest::Contestant;
use extram_core::{Busy, EnterError, Runtime};
use std::cell::RefCell;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The Ms of the variant that has a limit.
pub(crate) const LIMIT: u32 = 8;

/// What a server's threads call.
pub(crate) type Service = dyn Contestant<State>;

/// A request's answer, from a state that `service` lends.
pub(crate) fn answer(service: &'static Service, number: u32) -> Result<String, Box<dyn Error>> {
    let mut answer = None;
    service.callback(&mut |_, state| answer = Some(state.answer(number)))?;
    Ok(answer.ok_or("the callback did not run")??)
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
    pub(crate) fn service(self) -> Result<&'static Service, Box<dyn Error>> {
        Ok(match self {
            Variant::GlobalLock => Box::leak(Box::new(GlobalLock(Mutex::new(State::new()?)))),
            Variant::ThreadLocal => Box::leak(Box::new(ThreadLocal { made: AtomicU32::new(0) })),
            Variant::Extram => extram(Pool::new(Application))?,
            Variant::ExtramLimit => extram(Pool::new(Application).limit(LIMIT))?,
        })
    }
}

struct GlobalLock(Mutex<State>);

impl Contestant<State> for GlobalLock {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &State)) -> Result<(), EnterError> {
        inside(1, &self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn made(&'static self) -> Option<u32> {
        Some(1)
    }

    /// The state stays: the process ends with it.
    fn close(&'static self) -> Result<(), Busy> {
        Ok(())
    }
}

struct ThreadLocal {
    made: AtomicU32,
}

thread_local! {
    static STATE: RefCell<Option<(u32, State)>> = const { RefCell::new(None) };
}

impl Contestant<State> for ThreadLocal {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &State)) -> Result<(), EnterError> {
        STATE.with_borrow_mut(|own| {
            if own.is_none() {
                let state = State::new().map_err(|_| EnterError::CreationFailed)?;
                // Relaxed: a count, read when all threads are gone.
                *own = Some((self.made.fetch_add(1, Ordering::Relaxed) + 1, state));
            }
            if let Some((number, state)) = own {
                inside(*number, state);
            }
            Ok(())
        })
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.made.load(Ordering::Relaxed))
    }

    /// A thread's state goes with it.
    fn close(&'static self) -> Result<(), Busy> {
        Ok(())
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

fn extram(pool: Pool<Application, Native>) -> Result<&'static Service, Box<dyn Error>> {
    let pool: &'static _ = Box::leak(Box::new(pool));
    pool.start()?;
    Ok(pool)
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
                        assert_eq!(answer(service, number).unwrap(), expected(number));
                    }
                })
                .join()
                .unwrap();
            }
            // One thread after the other: the M comes back, the thread-local state does not.
            assert_eq!(service.made(), Some(states), "{}", variant.name());
        }
    }
}
