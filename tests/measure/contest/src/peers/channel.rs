//! A channel that holds the contexts.

use crate::Contestant;
use crossbeam_channel::{Receiver, Sender, bounded};
use extram_core::{Busy, EnterError};

/// A bounded channel: receive a context, use it, send it back.
pub struct ChannelPool<C> {
    give: Sender<(u32, C)>,
    take: Receiver<(u32, C)>,
    made: u32,
}

impl<C> ChannelPool<C> {
    /// A pool of these contexts.
    pub fn of(contexts: Vec<(u32, C)>) -> Self {
        let (give, take) = bounded(contexts.len());
        let made = contexts.len() as u32;
        for context in contexts {
            // There is room for all of them, and nobody takes one yet.
            let _ = give.try_send(context);
        }
        ChannelPool { give, take, made }
    }
}

impl<C: Send> Contestant<C> for ChannelPool<C> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &C)) -> Result<(), EnterError> {
        // Neither fails: both ends are here.
        let taken = self.take.recv().map_err(|_| EnterError::Closed)?;
        inside(taken.0, &taken.1);
        self.give.send(taken).map_err(|_| EnterError::Closed)
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.made)
    }

    fn close(&'static self) -> Result<(), Busy> {
        if self.take.len() != self.made as usize {
            return Err(Busy);
        }
        self.take.try_iter().for_each(drop);
        Ok(())
    }
}
