//! The table: taking slots into use and out of it, and growing.

use crate::list::Taken;
use crate::m::Stage;
use crate::models::model_loads;
use crate::models::pool::{ModelPool, ModelRuntime, Room, SharedPool, read};
use crate::models::port::{Shared, spawn};
use crate::{Binding, Runtime};
use std::vec::Vec;

/// Takes a slot into use, makes its M and takes it apart again; `None` if all are in use.
fn use_one(pool: &'static SharedPool, limit: u32) -> Option<u32> {
    let m = pool.table.reserve::<Shared>(limit, |_| ()).ok()?;
    // SAFETY: the model's question: the number is this thread's alone, and bare. loom watches the context.
    unsafe { m.put_context(pool.runtime().new_context().unwrap()) };
    pool.table.part::<Shared>(m);
    // SAFETY: it is there.
    drop(unsafe { m.take_context() });
    pool.table.release::<Shared>(m.id());
    Some(m.id())
}

/// Two threads, one slot that both want.
fn reserving_against_releasing(pool: ModelPool<false>, limit: u32) {
    let shared = pool.get();
    let twice = move || [use_one(shared, limit), use_one(shared, limit)];
    let other = spawn(twice);
    let used = [twice(), other.join().unwrap()].concat();
    assert!(used.iter().any(Option::is_some), "whoever has the slot gives it back");
    assert_eq!(shared.table.live(), 1);
    assert_eq!(*shared.table.numbers().end(), 2, "a new number, and one was bare");
    // The slot is there for whoever comes next (Room).
    assert!(use_one(shared, limit).is_some());
    pool.end_at_rest();
}

#[test]
fn whoever_has_a_permit_finds_a_slot() {
    model_loads(3, || {
        let room = Room::<2>::new();
        let pool = room.pool(Binding::Call);
        pool.get().start().unwrap();
        reserving_against_releasing(pool, u32::MAX);
        room.end();
    });
}

#[test]
fn what_one_user_of_a_slot_did_happens_before_the_next() {
    model_loads(3, || reserving_against_releasing(ModelPool::new(Binding::Call, 2), 2));
}

/// The first segment has two slots, the second four.
///
/// Edge: making x enter, walk x enter.
#[test]
fn two_growers_get_slots_of_their_own() {
    model_loads(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, u32::MAX);
        let shared = pool.get();
        let make = |m: &crate::M<ModelRuntime>| {
            // SAFETY: the model's question, as in `use_one`.
            unsafe { m.put_context(shared.runtime().new_context().unwrap()) };
            m.set_stage(Stage::Made);
        };
        let two = move || {
            [(); 2].map(|()| {
                let reserved = shared.table.reserve::<Shared>(u32::MAX, |_| ());
                let Ok(m) = reserved else { panic!("memory for all") };
                make(m);
                m.id()
            })
        };
        let other = spawn(two);
        let mine = two();
        // Whatever the table shows is there already.
        shared.ms().for_each(|m| read(&m));
        let mut ids: Vec<u32> = mine.into_iter().chain(other.join().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [2, 3, 4, 5]);
        for id in ids {
            let m = shared.table.get(id);
            assert_eq!(m.id(), id);
            shared.table.part::<Shared>(m);
            // SAFETY: made above.
            drop(unsafe { m.take_context() });
            shared.table.release::<Shared>(id);
        }
        pool.end_at_rest();
    });
}

/// Whoever counts what is spare follows links that may lead to a segment which it has not seen.
#[test]
fn a_link_is_not_followed_into_a_segment_that_is_not_there_yet() {
    model_loads(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, u32::MAX);
        let shared = pool.get();
        let other = spawn(move || {
            let Taken::M { m, .. } = shared.list.take::<Shared, _>(&shared.table) else {
                panic!("one is spare")
            };
            let made = [(); 2].map(|()| shared.table.reserve::<Shared>(u32::MAX, |_| ()).ok().unwrap());
            let further = made[1];
            assert_eq!(further.id(), 3, "in the second segment");
            shared.list.give::<Shared, _>(&shared.table, further, 3);
            shared.list.give::<Shared, _>(&shared.table, m, m.id());
        });
        let _ = shared.list.has_at_least(&shared.table, 2);
        other.join().unwrap();
        pool.end();
    });
}

/// The slots of two threads lie on one shelf, and each looks for its own there while the other has the shelf in
/// its hands.
///
/// Edge: enter x start.
#[test]
fn two_threads_find_their_retired_slots_on_one_shelf() {
    model_loads(2, || {
        const MINE: usize = 1 << 8;
        const THEIRS: usize = 12 << 8;
        let pool = ModelPool::<false>::new(Binding::Thread, u32::MAX);
        let shared = pool.get();
        let table = &shared.table;
        table.set_shelves::<Shared>(true);
        let ids = [MINE, THEIRS, MINE].map(|token| {
            let Ok(m) = table.reserve::<Shared>(u32::MAX, |_| ()) else { panic!("memory for all") };
            m.hold().bind_plainly(token);
            m.hold().revoke();
            assert!(m.hold().retire());
            m.id()
        });
        let shelf = |token| table.shelves_of(token).next().map(core::ptr::from_ref);
        assert_eq!(shelf(MINE), shelf(THEIRS));
        let live = table.live();
        let other = spawn(move || {
            table.retire::<Shared>(ids[1]);
            table.reclaim::<Shared>(THEIRS);
        });
        table.retire::<Shared>(ids[0]);
        table.retire::<Shared>(ids[2]);
        table.reclaim::<Shared>(MINE);
        other.join().unwrap();
        // Whoever found the shelf empty, because the other had it, comes again.
        [MINE, THEIRS].into_iter().for_each(|token| table.reclaim::<Shared>(token));
        assert_eq!(table.live(), live - 3);
        let mut again = [(); 3].map(|()| match table.reserve::<Shared>(u32::MAX, |_| ()) {
            Ok(m) => m.id(),
            Err(_) => panic!("three are bare"),
        });
        again.sort_unstable();
        assert_eq!(again, ids);
        ids.into_iter().for_each(|id| table.release::<Shared>(id));
        pool.end_at_rest();
    });
}
