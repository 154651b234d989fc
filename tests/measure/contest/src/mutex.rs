//! What one writes in an hour: a list behind a lock, a condition variable for those who find it
//! empty, and the rule that whoever took the last context makes one.

use crate::Contestant;
use extram_core::raw::Lone;
use extram_core::{Busy, EnterError, Event, M, Runtime, StartError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A `Vec` behind a [`Mutex`], with a [`Condvar`]. Whoever takes the last context makes another, unless
/// there are `limit`.
pub struct MutexPool<R: Runtime> {
    runtime: R,
    limit: Option<u32>,
    state: Mutex<State<R>>,
    returned: Condvar,
}

/// A context and its number, as runtimes see them.
struct Kept<R: Runtime>(Box<Lone<R>>);

impl<R: Runtime> Kept<R> {
    fn new(number: u32, context: R::Context) -> Self {
        let lone = Box::new(Lone::new());
        // SAFETY: nobody else knows of it, and it has no context yet.
        unsafe { lone.put(number, context) };
        Kept(lone)
    }

    fn m(&self) -> &M<R> {
        // SAFETY: it has a context until it is dropped, and whoever has taken it off the list is alone with it.
        unsafe { self.0.m() }
    }
}

impl<R: Runtime> Drop for Kept<R> {
    fn drop(&mut self) {
        // SAFETY: its own, with the context of `new`.
        drop(unsafe { self.0.take() });
    }
}

struct State<R: Runtime> {
    spare: Vec<Kept<R>>,
    made: u32,
    open: bool,
}

impl<R: Runtime> MutexPool<R> {
    /// A pool with one context.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn start(runtime: R, limit: Option<u32>) -> Result<Self, StartError> {
        let first = runtime.new_context().map_err(|_| StartError::CreationFailed)?;
        let state = State { spare: vec![Kept::new(1, first)], made: 1, open: true };
        Ok(MutexPool { runtime, limit, state: Mutex::new(state), returned: Condvar::new() })
    }

    /// Makes as many as there may be.
    ///
    /// # Errors
    ///
    /// One of them could not be made.
    pub fn fill(&self) -> Result<(), StartError> {
        let mut state = self.lock();
        for number in state.made + 1..=self.limit.unwrap_or(0) {
            let context = self.runtime.new_context().map_err(|_| StartError::CreationFailed)?;
            state.spare.push(Kept::new(number, context));
            state.made = number;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A context, and the number of the one that its taker has to make.
    fn take(&self) -> Result<(Kept<R>, Option<u32>), EnterError> {
        let mut state = self.lock();
        let taken = loop {
            if !state.open {
                return Err(EnterError::Closed);
            }
            match state.spare.pop() {
                Some(taken) => break taken,
                None => state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        let room = self.limit.is_none_or(|limit| state.made < limit);
        if state.spare.is_empty() && room {
            state.made += 1;
            return Ok((taken, Some(state.made)));
        }
        Ok((taken, None))
    }

    fn give(&self, kept: Kept<R>) {
        self.lock().spare.push(kept);
        self.returned.notify_one();
    }

    /// By a thread that is admitted, as in the other pools.
    fn make(&self, number: u32) -> Result<(), EnterError> {
        self.runtime.observe(Event::Making);
        let Ok(context) = self.runtime.new_context() else {
            self.lock().made -= 1;
            self.runtime.observe(Event::Failed);
            return Err(EnterError::CreationFailed);
        };
        self.give(Kept::new(number, context));
        self.runtime.observe(Event::Made { m: number });
        Ok(())
    }
}

impl<R: Runtime> Contestant<R::Context> for MutexPool<R> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &R::Context)) -> Result<(), EnterError> {
        let (taken, owed) = self.take()?;
        self.runtime.admit(taken.m());
        let made = owed.map_or(Ok(()), |number| self.make(number));
        if made.is_ok() {
            inside(taken.m().id(), taken.m().context());
        }
        self.runtime.retire(taken.m());
        self.give(taken);
        made
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.lock().made)
    }

    fn close(&'static self) -> Result<(), Busy> {
        let mut state = self.lock();
        if state.spare.len() != state.made as usize {
            return Err(Busy);
        }
        state.open = false;
        let spare = std::mem::take(&mut state.spare);
        drop(state);
        drop(spare);
        self.returned.notify_all();
        Ok(())
    }
}
