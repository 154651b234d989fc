//! The protocol with pools that are numbers, and with a barrier in which the test does what another
//! thread could have done in the meantime.

#[path = "../../tests/face/kept.rs"]
mod kept;

use super::*;
use kept::keep;
use std::sync::atomic::AtomicU64;

/// Tokens of two threads.
const ME: usize = 0x100;
const OTHER: usize = 0x230;

type Numbers = &'static Registry<AtomicU64>;

/// A registry of its own, with or without notes, and a closed pool in it.
fn one_pool(notes: bool) -> (Numbers, Place, &'static AtomicU64) {
    let registry: Numbers = keep(Registry::new());
    registry.notes.settle(|| notes);
    let pool = keep(AtomicU64::new(7));
    let place = let_to(registry, pool);
    (registry, place, pool)
}

fn let_to(registry: Numbers, pool: &'static AtomicU64) -> Place {
    let Ok(vacant) = registry.claim(ME) else { panic!("no place") };
    let place = vacant.place;
    vacant.fill((&raw const *pool).cast_mut());
    registry.slots[place.slot()].closed.store(true, Ordering::Relaxed);
    place
}

impl Registry<AtomicU64> {
    fn find_as(&'static self, place: Place, token: usize) -> Option<AtWork<AtomicU64>> {
        self.find(place, self.notes.of_this_thread(|| token))
    }

    fn found(&'static self, place: Place, token: usize) -> bool {
        self.find_as(place, token).is_some_and(|at_work| at_work.pool.load(Ordering::Relaxed) == 7)
    }

    /// Frees it with something else happening in the middle.
    fn free(&'static self, place: Place, meanwhile: impl FnOnce() -> bool) -> Result<(), extram_code> {
        self.evict(place, ME, meanwhile).map(|_| ())
    }
}

/// The store of a note may wait in its processor's buffer while the address is read already. Only the
/// heavy barrier brings it out.
#[test]
fn a_note_that_the_barrier_brings_to_light_is_seen() {
    let (registry, place, pool) = one_pool(true);
    // The other thread has read the address, and what it noted before is in its buffer still.
    let read = registry.slots[place.slot()].address();
    assert!(core::ptr::eq(read, pool));
    let brought_out = || {
        registry.notes.say(OTHER, Some(&registry.slots[place.slot()]));
        true
    };
    assert_eq!(registry.free(place, brought_out), Err(EXTRAM_BUSY));
    assert_eq!(registry.free(place, || true), Err(EXTRAM_BUSY), "still at work");
    registry.notes.say::<()>(OTHER, None);
    assert_eq!(registry.free(place, || true), Ok(()));
}

/// The outer call says that the thread is at work until it is over itself.
#[test]
fn a_call_in_a_call_leaves_the_outer_one_at_work() {
    for notes in [true, false] {
        let (registry, place, _) = one_pool(notes);
        let outer = registry.find_as(place, OTHER);
        assert!(registry.found(place, OTHER));
        assert_eq!(registry.free(place, || true), Err(EXTRAM_BUSY), "notes: {notes}");
        drop(outer);
        assert_eq!(registry.free(place, || true), Ok(()));
    }
}

#[test]
fn the_barrier_comes_after_the_mark() {
    let (registry, place, _) = one_pool(true);
    let marked = || registry.slots[place.slot()].pool.load(Ordering::Relaxed).addr() & MARK != 0;
    let mut was_marked = false;
    assert_eq!(
        registry
            .evict(place, ME, || {
                was_marked = marked();
                true
            })
            .map(|_| ()),
        Ok(())
    );
    assert!(was_marked);
}

#[test]
fn without_a_barrier_nothing_is_freed_and_nothing_changes() {
    let (registry, place, _) = one_pool(true);
    assert_eq!(registry.free(place, || false), Err(EXTRAM_BUSY));
    assert!(registry.found(place, ME) && registry.found(place, OTHER));
    assert_eq!(registry.free(place, || true), Ok(()));
    assert!(!registry.found(place, ME));
    assert_eq!(registry.free(place, || true), Err(EXTRAM_INVALID));
}

#[test]
fn where_there_is_none_it_is_not_asked_for() {
    let (registry, place, _) = one_pool(false);
    assert_eq!(registry.free(place, || unreachable!()), Ok(()));
}

/// By note and by count: it finds the pool, and `free` comes to nothing, whether it is over by then or
/// not.
#[test]
fn a_call_that_comes_meanwhile_finds_the_pool() {
    let (registry, place, _) = one_pool(true);
    let mut staying = None;
    let stays = || {
        staying = registry.find_as(place, OTHER);
        true
    };
    assert_eq!(registry.free(place, stays), Err(EXTRAM_BUSY));
    assert!(staying.is_some());
    drop(staying);
    assert_eq!(registry.free(place, || registry.found(place, OTHER)), Err(EXTRAM_BUSY));
    // A handler on the thread that frees.
    assert_eq!(registry.free(place, || registry.found(place, ME)), Err(EXTRAM_BUSY));
    // The note is taken by a call for another slot.
    registry.notes.say(OTHER, Some(&registry.slots[place.slot() + 1]));
    assert_eq!(registry.free(place, || registry.found(place, OTHER)), Err(EXTRAM_BUSY));
    let counted = registry.find_as(place, OTHER);
    assert_eq!(registry.free(place, || true), Err(EXTRAM_BUSY));
    drop(counted);
    assert_eq!(registry.free(place, || true), Ok(()));
}

#[test]
fn two_that_free_at_once_do_not_get_in_each_others_way() {
    let (registry, place, _) = one_pool(true);
    let second = || {
        assert_eq!(registry.evict(place, OTHER, || unreachable!()), Err(EXTRAM_BUSY));
        true
    };
    assert_eq!(registry.free(place, second), Ok(()));
    assert_eq!(registry.evict(place, OTHER, || true), Err(EXTRAM_INVALID));
}

#[test]
fn a_pool_that_is_opened_again_meanwhile_stays() {
    let (registry, place, _) = one_pool(true);
    let opened = || {
        registry.slots[place.slot()].closed.store(false, Ordering::Relaxed);
        true
    };
    assert_eq!(registry.free(place, opened), Err(EXTRAM_BUSY));
    assert_eq!(registry.free(place, || unreachable!()), Err(EXTRAM_BUSY), "it is not closed");
    assert!(registry.found(place, ME));
}

#[test]
fn a_stale_handle_neither_finds_the_next_tenant_nor_keeps_it() {
    let (registry, stale, pool) = one_pool(true);
    assert_eq!(registry.free(stale, || true), Ok(()));
    let place = let_to(registry, pool);
    assert_eq!(place, stale.next());
    assert!(!registry.found(stale, ME));
    assert_eq!(registry.evict(stale, ME, || unreachable!()), Err(EXTRAM_INVALID));
    assert_eq!(registry.free(place, || true), Ok(()));
}

#[test]
#[cfg_attr(miri, ignore = "many looks")]
fn a_place_that_is_not_filled_comes_back() {
    let (registry, place, _) = one_pool(true);
    assert_eq!(registry.free(place, || true), Ok(()));
    for _ in 0..2 * SLOTS {
        let Ok(vacant) = registry.claim(ME) else { panic!("a place was lost") };
        assert_eq!(vacant.place, place.next());
    }
}

#[test]
#[cfg_attr(miri, ignore = "a million looks")]
fn all_places_can_be_let_and_one_more_is_too_many() {
    let (registry, _, pool) = one_pool(true);
    for _ in 1..SLOTS {
        let_to(registry, pool);
    }
    assert!(matches!(registry.claim(ME), Err(EXTRAM_TOO_MANY)));
}

/// What a forked child finds of threads that have not come along.
mod in_a_forked_child {
    use super::*;

    #[test]
    fn calls_of_others_are_over_and_ones_own_go_on() {
        let (registry, place, _) = one_pool(true);
        registry.notes.say(OTHER, Some(&registry.slots[place.slot()]));
        assert_eq!(registry.free(place, || true), Err(EXTRAM_BUSY));
        registry.in_child(ME);
        assert_eq!(
            registry.free(place, || {
                registry.notes.say(OTHER, Some(&registry.slots[0]));
                false
            }),
            Err(EXTRAM_BUSY)
        );
        registry.in_child(OTHER);
        assert_eq!(registry.free(place, || true), Err(EXTRAM_BUSY), "its own");
        registry.in_child(ME);
        let (uncounted, other_place, other_pool) = one_pool(false);
        std::thread::scope(|scope| {
            // It vanishes inside.
            let vanishing = || core::mem::forget(uncounted.find_as(other_place, OTHER));
            scope.spawn(vanishing).join().expect("no panic");
        });
        assert_eq!(uncounted.free(other_place, || true), Err(EXTRAM_BUSY));
        let counted = uncounted.find_as(other_place, ME);
        uncounted.in_child(ME);
        assert_eq!(uncounted.free(other_place, || true), Err(EXTRAM_BUSY), "its own");
        drop(counted);
        if crate::seat::with(|_, _| ()).is_none() {
            // Whose is whose is not known then.
            assert_eq!(uncounted.free(other_place, || true), Err(EXTRAM_BUSY));
            return;
        }
        assert_eq!(uncounted.free(other_place, || true), Ok(()), "the other's is over for the child");
        let next = let_to(uncounted, other_pool);
        assert_eq!((next.slot(), uncounted.free(next, || true)), (other_place.slot(), Ok(())));
        assert_eq!(registry.free(place, || true), Ok(()));
    }

    #[test]
    fn a_place_that_was_being_filled_comes_back_and_ones_own_stays() {
        let (registry, _, pool) = one_pool(true);
        let Ok(theirs) = registry.claim(OTHER) else { panic!("no place") };
        let Ok(mine) = registry.claim(ME) else { panic!("no place") };
        let (their_place, my_place) = (theirs.place, mine.place);
        core::mem::forget(theirs);
        registry.in_child(ME);
        let again = let_to(registry, pool);
        assert_eq!(again, their_place.next());
        mine.fill((&raw const *pool).cast_mut());
        assert!(registry.found(my_place, ME) && registry.found(again, ME));
        // It had put the address there already, and nobody had been told.
        let Ok(theirs) = registry.claim(OTHER) else { panic!("no place") };
        let place = theirs.place;
        registry.slots[place.slot()].pool.store((&raw const *pool).cast_mut(), Ordering::Relaxed);
        core::mem::forget(theirs);
        registry.in_child(ME);
        assert!(!registry.found(place, ME));
        assert_eq!(let_to(registry, pool).slot(), place.slot());
    }

    #[test]
    fn a_pool_that_was_being_freed_is_there_or_gone() {
        let (registry, place, pool) = one_pool(true);
        // The freeing thread was in the barrier.
        let forked = || {
            registry.in_child(OTHER);
            assert!(registry.found(place, OTHER));
            true
        };
        assert_eq!(
            registry.free(place, forked),
            Err(EXTRAM_BUSY),
            "it has gone on, which no vanished one does"
        );
        assert_eq!(registry.evict(place, OTHER, || true).map(|_| ()), Ok(()));
        // The same, and it does not go on.
        let place = let_to(registry, pool);
        let slot = &registry.slots[place.slot()];
        slot.tenure.begin_ending(ME).expect("ours to end");
        let marked = (&raw const *pool).cast_mut().map_addr(|address| address | MARK);
        slot.pool.store(marked, Ordering::Relaxed);
        registry.in_child(OTHER);
        assert!(registry.found(place, OTHER));
        assert_eq!(registry.evict(place, OTHER, || true).map(|_| ()), Ok(()));
        // It had taken the pool out.
        let place = let_to(registry, pool);
        let slot = &registry.slots[place.slot()];
        slot.tenure.begin_ending(ME).expect("ours to end");
        slot.pool.store(core::ptr::null_mut(), Ordering::Relaxed);
        registry.in_child(OTHER);
        assert_eq!(let_to(registry, pool).slot(), place.slot());
        assert!(!registry.found(place, OTHER));
        // Its own goes on.
        let place = let_to(registry, pool);
        let forks = || {
            registry.in_child(ME);
            true
        };
        assert_eq!(registry.free(place, forks), Ok(()));
    }
}

/// The same with threads and the system's barrier: nobody finds a pool that is gone, and nobody misses
/// one that is there.
#[test]
#[cfg_attr(miri, ignore = "it knows no membarrier")]
fn nobody_is_at_work_on_a_pool_that_was_freed() {
    use std::time::{Duration, Instant};
    const GONE: u64 = 0;
    let registry: Numbers = keep(Registry::new());
    registry.notes.settle(Native::heavy_barrier_init);
    let pools: [&'static AtomicU64; 2] = [const { AtomicU64::new(GONE) }; 2].map(keep);
    let now = AtomicUsize::new(usize::MAX);
    let found = [const { AtomicU64::new(0) }; 2];
    let ended = AtomicBool::new(false);
    let place_of = |number: usize| Place::from_number(number).expect("a place");
    let call = |found: &AtomicU64| {
        let mut missed = usize::MAX;
        while !ended.load(Ordering::Relaxed) {
            let bits = now.load(Ordering::Acquire);
            if bits == usize::MAX {
                continue;
            }
            match registry.find_as(place_of(bits), Native::thread_token()) {
                Some(at_work) => {
                    assert_ne!(bits, missed, "it had been missed and is there again");
                    assert_ne!(at_work.pool.load(Ordering::Relaxed), GONE);
                    found.fetch_add(1, Ordering::Relaxed);
                }
                None => missed = bits,
            }
            // Or else there is always somebody at work.
            for _ in 0..found.load(Ordering::Relaxed) % 64 {
                core::hint::spin_loop();
            }
        }
    };
    let free = || {
        // A failed assertion ends the others, too.
        let _end = Ended(&ended);
        let (began, mut freed) = (Instant::now(), 0u64);
        // As many as there is time for, and never so few that nothing was tried.
        while began.elapsed() < Duration::from_millis(500)
            || freed < 50
            || found.iter().any(|found| found.load(Ordering::Relaxed) < 50)
        {
            assert!(began.elapsed() < Duration::from_secs(120), "a caller has ended");
            let pool = pools[(freed % 2) as usize];
            pool.store(7, Ordering::Relaxed);
            let place = let_to(registry, pool);
            now.store(place.number(), Ordering::Release);
            while registry.evict(place, Native::thread_token(), Native::heavy_barrier).is_err() {
                assert!(began.elapsed() < Duration::from_secs(120), "somebody is at work for ever");
                std::thread::yield_now();
            }
            pool.store(GONE, Ordering::Relaxed);
            freed += 1;
        }
        freed
    };
    let freed = std::thread::scope(|scope| {
        for found in &found {
            scope.spawn(|| call(found));
        }
        free()
    });
    println!("{found:?} times at work, {freed} freed");
}

/// Ends the callers when it is dropped.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
