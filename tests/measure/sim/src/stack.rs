//! Stacks: one mapping for all, carved into slots that are committed page by page as they are used.
//!
//! A slot is 256 KiB of addresses, of which a thread of a herd touches one or two pages; 65,536 of them are
//! 16 GiB of addresses (reserved without memory behind them) and, measured, 0.5 to 0.8 GiB of memory. What
//! bounds their number is how many mappings a process may have (`vm.max_map_count`, 65,530): a guard page
//! by `mprotect` splits the mapping twice. So guards are `MADV_GUARD_INSTALL` (Linux 6.13), which splits
//! nothing; on an older system it is `mprotect`, and then 16,384 threads are the most.

use corosensei::stack::{Stack, StackPointer};
use std::io::{Error, Result};
use std::ptr::null_mut;

/// Addresses of a slot.
const BYTES: usize = 256 << 10;
/// At its low end. As large as pages are on any system that this runs on.
const GUARD: usize = 16 << 10;
/// Slots that are mapped at once.
const BATCH: usize = 4096;
/// Most slots with guards that split the mapping.
const MOST_SPLIT: usize = 16_384;
/// linux/mman.h; the `libc` crate has it for some targets only.
const MADV_GUARD_INSTALL: i32 = 102;

/// One stack. Gives itself back to nobody: the yard does that.
pub(crate) struct Slot(usize);

// SAFETY: a slot lies in a mapping of its yard, which outlives the coroutines; it is aligned to pages, and
// its lowest ones are a guard.
unsafe impl Stack for Slot {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.0 + BYTES).expect("a mapping is not at null")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0).expect("a mapping is not at null")
    }
}

/// Where stacks come from.
#[derive(Default)]
pub(crate) struct Yard {
    mappings: Vec<usize>,
    /// Slots of the last mapping that have been given out.
    begun: usize,
    free: Vec<usize>,
    split: usize,
}

impl Yard {
    /// A stack that nobody uses.
    pub(crate) fn take(&mut self) -> Result<Slot> {
        if let Some(address) = self.free.pop() {
            return Ok(Slot(address));
        }
        if self.mappings.is_empty() || self.begun == BATCH {
            // SAFETY: a fresh anonymous mapping wherever the system likes.
            let mapping = unsafe {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
                libc::mmap(null_mut(), BATCH * BYTES, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
            };
            if mapping == libc::MAP_FAILED {
                return Err(Error::last_os_error());
            }
            self.mappings.push(mapping.expose_provenance());
            self.begun = 0;
        }
        let address = self.mappings[self.mappings.len() - 1] + self.begun * BYTES;
        self.guard(address)?;
        self.begun += 1;
        Ok(Slot(address))
    }

    fn guard(&mut self, address: usize) -> Result<()> {
        let low = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the low end of a slot that nobody has used.
        if cfg!(target_os = "linux") && unsafe { libc::madvise(low, GUARD, MADV_GUARD_INSTALL) } == 0 {
            return Ok(());
        }
        if self.split == MOST_SPLIT {
            return Err(Error::other(format!(
                "more than {MOST_SPLIT} threads at once take Linux 6.13 (MADV_GUARD_INSTALL)"
            )));
        }
        self.split += 1;
        // SAFETY: as above.
        match unsafe { libc::mprotect(low, GUARD, libc::PROT_NONE) } {
            0 => Ok(()),
            _ => Err(Error::last_os_error()),
        }
    }

    /// It is not used any more.
    pub(crate) fn put(&mut self, slot: Slot) {
        self.free.push(slot.0);
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        for &mapping in &self.mappings {
            // SAFETY: from `take`; the machine has dropped or forgotten all coroutines before.
            unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(mapping), BATCH * BYTES) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_apart_and_used_again() {
        let mut yard = Yard::default();
        let slots: Vec<Slot> = (0..5).map(|_| yard.take().unwrap()).collect();
        let mut limits: Vec<usize> = slots.iter().map(|slot| slot.limit().get()).collect();
        limits.sort_unstable();
        assert!(limits.windows(2).all(|two| two[1] - two[0] >= BYTES));
        let last = slots.into_iter().next_back().unwrap();
        let limit = last.limit();
        yard.put(last);
        assert_eq!(yard.take().unwrap().limit(), limit);
    }

    /// No mapping is split where the system can do without.
    #[test]
    fn sixty_five_thousand_stacks_can_be_had_at_once() {
        let mut yard = Yard::default();
        for index in 0..65_536 {
            match yard.take() {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(index, MOST_SPLIT, "{error}");
                    return;
                }
            }
        }
        assert_eq!(yard.mappings.len(), 16);
    }
}
