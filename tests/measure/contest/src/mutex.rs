//! What one writes in an hour: a list behind a lock, a condition variable for those who find it
//! empty, and the rule that whoever took the last context makes one.

use crate::Contestant;
use extram_core::{Busy, EnterError, Event, Runtime, StartError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A `Vec` behind a [`Mutex`], with a [`Condvar`]. Whoever takes the last context makes another, unless
/// there are `limit`.
pub struct MutexPool<R: Runtime> {
    runtime: R,
    limit: Option<u32>,
    state: Mutex<State<R::Context>>,
    returned: Condvar,
}

/// A context and its number.
type Numbered<C> = (u32, C);

struct State<C> {
    spare: Vec<Numbered<C>>,
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
        let state = State { spare: vec![(1, first)], made: 1, open: true };
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
            state.spare.push((number, context));
            state.made = number;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State<R::Context>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A context, and the number of the one that its taker has to make.
    fn take(&self) -> Result<(Numbered<R::Context>, Option<u32>), EnterError> {
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

    fn give(&self, context: (u32, R::Context)) {
        self.lock().spare.push(context);
        self.returned.notify_one();
    }
}

impl<R: Runtime> Contestant<R::Context> for MutexPool<R> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &R::Context)) -> Result<(), EnterError> {
        let (taken, owed) = self.take()?;
        if let Some(number) = owed {
            match self.runtime.new_context() {
                Ok(context) => self.give((number, context)),
                Err(_) => {
                    self.lock().made -= 1;
                    self.give(taken);
                    return Err(EnterError::CreationFailed);
                }
            }
            self.runtime.observe(Event::Made { m: number });
        }
        inside(taken.0, &taken.1);
        self.give(taken);
        Ok(())
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
