//! parking_lot's lock and condition variable in place of std's.

use crate::Contestant;
use extram_core::{Busy, EnterError};
use parking_lot::{Condvar, Mutex};

/// A `Vec` behind a [`Mutex`], with a [`Condvar`].
pub struct ParkingLotPool<C> {
    spare: Mutex<Vec<(u32, C)>>,
    returned: Condvar,
    made: u32,
}

impl<C> ParkingLotPool<C> {
    /// A pool of these contexts.
    pub fn of(contexts: Vec<(u32, C)>) -> Self {
        let made = contexts.len() as u32;
        ParkingLotPool { spare: Mutex::new(contexts), returned: Condvar::new(), made }
    }
}

impl<C: Send> Contestant<C> for ParkingLotPool<C> {
    fn callback(&'static self, inside: &mut dyn FnMut(u32, &C)) -> Result<(), EnterError> {
        let mut spare = self.spare.lock();
        let taken = loop {
            match spare.pop() {
                Some(taken) => break taken,
                None => self.returned.wait(&mut spare),
            }
        };
        drop(spare);
        inside(taken.0, &taken.1);
        self.spare.lock().push(taken);
        self.returned.notify_one();
        Ok(())
    }

    fn made(&'static self) -> Option<u32> {
        Some(self.made)
    }

    fn close(&'static self) -> Result<(), Busy> {
        let mut spare = self.spare.lock();
        if spare.len() != self.made as usize {
            return Err(Busy);
        }
        spare.clear();
        Ok(())
    }
}
