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
/// Few in Miri, which looks at all of a static each time that it is used.
const SLOT: u32 = if usize::BITS == 64 && !cfg!(miri) { 10 } else { 4 };
const TENANT: u32 = if usize::BITS == 64 { 20 } else { 10 };

const OF_POOL: usize = 0b01;
const OF_M: usize = 0b11;

/// How many pools a process can have at once.
pub(crate) const SLOTS: usize = 1 << SLOT;

/// A pool's place in the registry, and which of the place's tenants it is: the number that is its
/// handle. May be invented; what is in the registry is compared with it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// The bits of a place; an M's number is above them.
const PLACE: usize = (1 << (TENANT + SLOT + KIND)) - 1;

impl Place {
    /// The first tenant of a slot.
    pub(crate) const fn first(slot: usize) -> Place {
        Place(slot << KIND | OF_POOL)
    }

    /// The next tenant of the same slot, as many bits of its number as a handle has.
    pub(crate) const fn next(self) -> Place {
        Place(self.0.wrapping_add(1 << (SLOT + KIND)) & PLACE)
    }

    /// The number; never 0.
    pub(crate) const fn number(self) -> usize {
        self.0
    }

    /// The place of that number; `None` if it is 0.
    pub(crate) fn from_number(number: usize) -> Option<Place> {
        (number != 0).then_some(Place(number))
    }

    #[inline]
    pub(crate) const fn slot(self) -> usize {
        self.0 >> KIND & (SLOTS - 1)
    }

    #[inline]
    pub(crate) fn of_pool(pool: *const extram_pool) -> Option<Place> {
        (pool.addr() & OF_M == OF_POOL).then_some(Place(pool.addr()))
    }

    pub(crate) fn pool(self) -> *mut extram_pool {
        core::ptr::without_provenance_mut(self.0)
    }

    /// The place and the M's number.
    pub(crate) fn of_m(m: *const extram_m) -> Option<(Place, u32)> {
        let id = m.addr() >> (KIND + SLOT + TENANT);
        (m.addr() & OF_M == OF_M && id != 0).then_some((Place::around(m), id as u32))
    }

    /// The place in the handle of an M.
    #[inline]
    pub(crate) fn around(m: *const extram_m) -> Place {
        Place(m.addr() & (PLACE ^ OF_M ^ OF_POOL))
    }

    /// Null if the number is too large for a handle, which takes 65,536 Ms on a 32-bit processor.
    #[inline]
    pub(crate) fn m(self, id: u32) -> *mut extram_m {
        let shift = KIND + SLOT + TENANT;
        let high = (id as usize) << shift;
        if high >> shift != id as usize {
            return core::ptr::null_mut();
        }
        core::ptr::without_provenance_mut(high | self.0 | OF_M)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_what_it_was_made_from_and_nothing_else() {
        let last = Place(Place::first(SLOTS - 1).number() | ((1 << TENANT) - 1) << (SLOT + KIND));
        assert_eq!(last.next(), Place::first(SLOTS - 1), "the count wraps");
        for place in [Place::first(0).next(), last] {
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
