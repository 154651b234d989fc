//! A lock-free queue that holds the contexts.

use crate::Contestant;
use crossbeam_queue::ArrayQueue;
use extram_core::{Busy, EnterError};
use std::thread;

/// An [`ArrayQueue`]. It cannot wait, so whoever finds it empty yields and looks again.
pub struct ArrayQueuePool<C> {
    spare: ArrayQueue<(u32, C)>,
    made: u32,
}

impl<C> ArrayQueuePool<C> {
    /// A pool of these contexts.
    pub fn of(contexts: Vec<(u32, C)>) -> Self {
        let made = contexts.len() as u32;
        let spare = ArrayQueue::new(contexts.len().max(1));
        for context in contexts {
            // There is room for all of them.
            let _ = spare.push(context);
        }
        ArrayQueuePool { spare, made }
    }
}

impl<C: Send> Contestant<C> for ArrayQueuePool<C> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &C)) -> Result<(), EnterError> {
        let taken = loop {
            match self.spare.pop() {
                Some(taken) => break taken,
                None => thread::yield_now(),
            }
        };
        inside(taken.0, &taken.1);
        // There is room: it came from here.
        let _ = self.spare.push(taken);
        Ok(())
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.made)
    }

    fn close(&'static self) -> Result<(), Busy> {
        if self.spare.len() != self.made as usize {
            return Err(Busy);
        }
        while self.spare.pop().is_some() {}
        Ok(())
    }
}
