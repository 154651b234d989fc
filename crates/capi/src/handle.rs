//! What C holds instead of a pointer.
//!
//! ```text
//! 64 bits:  | M number : 32 | tenant : 20 | slot : 10 | kind : 2 |
//! 32 bits:  | M number : 16 | tenant : 10 | slot :  4 | kind : 2 |
//! ```
//!
//! `kind` makes every handle odd, hence no object's address, and tells a pool from an M. `tenant`
//! counts the pools that have had the slot, so a stale handle is told from its successor's until
//! the count wraps: after a million pools in one slot.

/// A pool. Only a name for it: not an address.
#[derive(Debug)]
pub struct extram_pool {
    _opaque: (),
}

/// An M, as seen by the thread that holds it. Only a name for it: not an address.
#[derive(Debug)]
pub struct extram_m {
    _opaque: (),
}

const KIND: u32 = 2;
const SLOT: u32 = if usize::BITS == 64 { 10 } else { 4 };
const TENANT: u32 = if usize::BITS == 64 { 20 } else { 10 };

const OF_POOL: usize = 0b01;
const OF_M: usize = 0b11;

/// How many pools a process can have at once.
pub(crate) const SLOTS: usize = 1 << SLOT;

/// A pool's place in the registry, and which of the place's tenants it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) tenant: usize,
}

/// A tenant's number, as many bits of it as a handle has.
pub(crate) const fn tenant(number: usize) -> usize {
    number & ((1 << TENANT) - 1)
}

impl Place {
    fn bits(self) -> usize {
        (self.tenant << SLOT | self.slot) << KIND
    }

    fn from_bits(bits: usize) -> Place {
        let bits = bits >> KIND;
        Place { slot: bits & (SLOTS - 1), tenant: tenant(bits >> SLOT) }
    }

    pub(crate) fn of_pool(pool: *const extram_pool) -> Option<Place> {
        let place = Place::from_bits(pool.addr());
        (place.pool().addr() == pool.addr()).then_some(place)
    }

    pub(crate) fn pool(self) -> *mut extram_pool {
        core::ptr::without_provenance_mut(self.bits() | OF_POOL)
    }

    /// The place and the M's number.
    pub(crate) fn of_m(m: *const extram_m) -> Option<(Place, u32)> {
        let id = m.addr() >> (KIND + SLOT + TENANT);
        (m.addr() & OF_M == OF_M && id != 0).then(|| (Place::from_bits(m.addr()), id as u32))
    }

    /// Null if the number is too large for a handle, which takes 65,536 Ms on a 32-bit processor.
    pub(crate) fn m(self, id: u32) -> *mut extram_m {
        let shift = KIND + SLOT + TENANT;
        let high = (id as usize) << shift;
        if high >> shift != id as usize {
            return core::ptr::null_mut();
        }
        core::ptr::without_provenance_mut(high | self.bits() | OF_M)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_what_it_was_made_from_and_nothing_else() {
        for place in [Place { slot: 0, tenant: 1 }, Place { slot: SLOTS - 1, tenant: tenant(usize::MAX) }] {
            assert_eq!(Place::of_pool(place.pool()), Some(place));
            assert_eq!(Place::of_m(place.m(7)), Some((place, 7)));
            assert_eq!(Place::of_m(place.pool().cast()), None);
            assert_eq!(Place::of_pool(place.m(7).cast()), None);
            assert_eq!(Place::of_m(place.m(0)), None);
            assert_eq!(place.pool().addr() % 2, 1);
        }
        assert_eq!(Place::of_pool(core::ptr::null()), None);
        assert_eq!(Place::of_m(core::ptr::null()), None);
    }
}
