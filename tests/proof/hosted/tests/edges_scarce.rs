//! The edge matrix, where the system has no memory left, or refuses its barrier.
#![cfg(unix)]

use extram::{Busy, EnterError, Pool, StartError};
use extram_hosted::stage::{
    Held, Kind, LONG, Outcome, Play, Point, alone_with, board, closes, ends_well, play, turn, visit,
};
use extram_hosted::{Tapped, Taps, in_turn, until};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::thread::spawn;

thread_local! {
    /// How many allocations of the calling thread succeed from now on, before one is refused; below 0: all.
    static LEFT: Cell<i64> = const { Cell::new(-1) };
    /// How many more are refused then.
    static MORE: Cell<u32> = const { Cell::new(0) };
}

/// How many have been refused.
static REFUSED: AtomicU64 = AtomicU64::new(0);

struct Refusing;

// SAFETY: the system's allocator, which may refuse.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.get();
        if left == 0 && MORE.get() > 0 {
            MORE.set(MORE.get() - 1);
        } else if left >= 0 {
            LEFT.set(left - 1);
        }
        if left == 0 {
            REFUSED.fetch_add(1, SeqCst);
            return null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// What `f` comes to if the calling thread's next allocation is refused, and whether it asked for one.
fn without_memory<T>(f: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(0);
    let result = f();
    (result, LEFT.replace(-1) < 0)
}

/// As many Ms as there is room for without another allocation: the core's first segment.
const ROOM: u32 = 16;

/// A pool that has `ROOM` Ms, of which one is spare: whoever takes it owes the next one, for which there
/// is no memory.
fn full(kind: Kind) -> (Play, Vec<extram::Entered<extram_hosted::stage::Staged, Tapped>>) {
    // The limits of other kinds are below that.
    assert!(matches!(kind, Kind::Bound | Kind::PerCall | Kind::Shared));
    let pool = play(kind);
    pool.start().expect("starts");
    pool.prewarm(ROOM).expect("there is room");
    let inside = (1..ROOM).map(|_| pool.enter_from_signal().expect("it is spare")).collect();
    assert_eq!((pool.stats().created, pool.stats().spare), (ROOM, 1));
    (pool, inside)
}

fn unlimited() -> impl Iterator<Item = Kind> {
    let limited = |kind: &Kind| matches!(kind, Kind::Limited | Kind::LimitedPerCall);
    Kind::all().iter().copied().filter(move |kind| !limited(kind))
}

/// The maker goes on, and what it owes is the next one's to make.
///
/// Edge: first entry/enter/try_enter/enter_timeout/admitting/making x no memory.
#[test]
fn who_cannot_make_what_it_owes_goes_on() {
    let turn = turn();
    let ways: [fn(Play) -> Outcome; 3] = [
        |pool| pool.enter().map(|m| alone_with(&m, || ())),
        |pool| pool.try_enter().map(|m| alone_with(&m, || ())),
        |pool| pool.enter_timeout(LONG).map(|m| alone_with(&m, || ())),
    ];
    for kind in unlimited() {
        for (number, way) in ways.into_iter().enumerate() {
            turn.go_on();
            let what = format!("{number} in {kind:?}");
            let (pool, inside) = full(kind);
            in_turn(1, 0, |_| {
                // The first time and again: it has not been made yet.
                for round in 0..3 {
                    assert_eq!(without_memory(|| way(pool)), (Ok(()), true), "{what}, round {round}");
                    let stats = pool.stats();
                    assert_eq!((stats.created, stats.failed), (ROOM, round + 1), "{what}: {stats:?}");
                    assert_eq!((stats.in_use, stats.creating), (ROOM - 1, 0), "{what}: {stats:?}");
                }
                assert_eq!(way(pool), Ok(()), "{what}");
                assert_eq!(pool.stats().created, ROOM + 1, "{what}");
            });
            drop(inside);
            ends_well(&what, pool);
        }
    }
}

/// Scenario 41. What has been made once needs no more memory: entering again, within a call, leaving, going idle,
/// unbinding, ending, walking, dropping contexts.
///
/// Edge: enter/enter_from_signal/inside/leaving/going idle/thread exit/unbind/walk/trim/close/drop/discard x no
/// memory.
#[test]
fn what_makes_nothing_needs_no_memory() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let (pool, what) = (play(*kind), format!("{kind:?}"));
        pool.start().expect("starts");
        pool.prewarm(6).expect("six can be made");
        let refused = REFUSED.load(SeqCst);
        in_turn(1, 0, |_| {
            visit(pool).expect("let in");
            let all = || {
                visit(pool).expect("let in again");
                let m = pool.enter().expect("and again");
                let nested = (pool.enter().expect("nested"), pool.try_enter().expect("nested"));
                assert_eq!(nested.1.depth(), 3);
                drop(pool.enter_from_signal().expect("as a handler"));
                assert!(pool.ms().all(|m| m.id > 0) && pool.stats().in_use == 1);
                assert!(!pool.unbind());
                drop((m, nested));
                assert_eq!(pool.unbind(), kind.binds());
                visit(pool).expect("with a spare one");
                pool.enter().expect("let in").discard();
                assert_eq!(pool.stats().created, 5, "{what}");
                pool.trim(2)
            };
            let (trimmed, asked) = without_memory(all);
            assert!(trimmed > 0 && !asked, "{what}: {trimmed} trimmed");
            // With no other spare: the new context is put where the old one was.
            let last = pool.enter().expect("let in");
            let others: Vec<_> = (0..12).map_while(|_| pool.enter_from_signal().ok()).collect();
            let made = board(pool).made.load(SeqCst);
            assert_eq!(without_memory(|| last.discard()), ((), false), "{what}");
            assert_eq!(board(pool).made.load(SeqCst), made + 1, "{what}");
            drop(others);
            // It ends with an M, in the exit hook.
            visit(pool).expect("let in");
            LEFT.set(0);
        });
        assert_eq!(REFUSED.load(SeqCst), refused, "{what}: nobody asked");
        assert_eq!(pool.stats().bound_idle, 0, "{what}");
        assert_eq!(without_memory(|| pool.close()), (Ok(()), false), "{what}");
        ends_well(&what, pool);
    }
}

/// One of those who wait is told, and the next attempt serves the rest.
///
/// Edge: waiting/making x no memory, waiting x new_context fails.
#[test]
fn one_who_waits_is_told_and_the_others_are_served() {
    let turn = turn();
    for kind in unlimited() {
        turn.go_on();
        let (pool, inside) = full(kind);
        let maker = Held::new("admission", board(pool), move || {
            board(pool).stop_at(Point::Admit);
            without_memory(|| visit(pool))
        });
        let (told, tells) = channel();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let told = told.clone();
                spawn(move || {
                    let m = pool.enter();
                    told.send(m.as_ref().map(|_| ()).map_err(|error| *error)).unwrap();
                    m.map(|m| alone_with(&m, || ()))
                })
            })
            .collect();
        until("four wait", || pool.stats().waiting == 4);
        assert_eq!(maker.end(), (Ok(()), true));
        let mut outcomes: Vec<Outcome> =
            (0..4).map(|_| tells.recv_timeout(LONG).expect("each is told")).collect();
        outcomes.sort_by_key(|outcome| outcome.is_err());
        assert_eq!(outcomes, [Ok(()), Ok(()), Ok(()), Err(EnterError::CreationFailed)], "{kind:?}");
        waiters.into_iter().for_each(|waiter| _ = waiter.join().unwrap());
        assert_eq!(pool.stats().failed, 1);
        drop(inside);
        ends_well(&format!("{kind:?}"), pool);
    }
}

/// Edge: prewarm/making/reopen/start x no memory.
#[test]
fn warming_up_opening_again_and_starting_say_so() {
    let turn = turn();
    for kind in unlimited() {
        turn.go_on();
        let (pool, inside) = full(kind);
        let what = format!("{kind:?}");
        in_turn(1, 0, |_| {
            let failed = (Err(StartError::NoMemory), true);
            // What it owes first, and then what was asked for.
            MORE.set(1);
            assert_eq!(without_memory(|| pool.prewarm(ROOM + 1)), failed, "{what}");
            let stats = pool.stats();
            assert_eq!((stats.creating, stats.in_use, stats.waiting), (0, ROOM - 1, 0), "{what}: {stats:?}");
        });
        // The last one is taken: it takes a new M to open the pool.
        let stats = pool.stats();
        let last: Vec<_> = (0..stats.spare).map(|_| pool.enter_from_signal().expect("it is spare")).collect();
        assert_eq!(pool.close(), Err(Busy), "{what}");
        if pool.stats().created == ROOM {
            let failed = (Err(StartError::NoMemory), true);
            assert_eq!(without_memory(|| pool.reopen()), failed, "{what}");
            assert_eq!(pool.enter().err(), Some(EnterError::Closed), "{what}: it stays closed");
        }
        assert_eq!(pool.reopen(), Ok(()), "{what}");
        drop((last, inside));
        ends_well(&what, pool);
        // Each allocation of a start in turn.
        for succeed in 0..10 {
            let fresh = play(kind);
            LEFT.set(succeed);
            let started = fresh.start();
            let refused = LEFT.replace(-1) < 0;
            let told = [Ok(()), Err(StartError::NoMemory), Err(StartError::NoThreadLocal)];
            assert!(told.contains(&started), "{what}, {succeed}: {started:?}");
            assert!(refused || started.is_ok(), "{what}, {succeed}: {started:?}");
            if started.is_err() {
                assert_eq!(fresh.enter().err(), Some(EnterError::NotStarted), "{what}, {succeed}");
                assert_eq!(fresh.start(), Ok(()), "{what}, {succeed}");
            }
            assert_eq!(visit(fresh), Ok(()), "{what}, {succeed}");
            ends_well(&what, fresh);
        }
    }
}

/// Scenario 43. A program that forbids itself system calls after the start: the barrier that revokes idle Ms is gone.
/// They come back by their threads' own hands.
///
/// Edge: close x no barrier.
#[test]
fn a_close_without_its_barrier_is_busy_until_the_idle_ms_have_come_home() {
    struct Refusal;
    impl Drop for Refusal {
        fn drop(&mut self) {
            Taps::refuse_barriers(false);
        }
    }
    let _turn = turn();
    let pool = play(Kind::Bound);
    let _refusal = Refusal;
    // Where the system has no such barrier there is none to be missed.
    let rounds = if Kind::Bound.is_plain() { 2 } else { 0 };
    for _ in 0..rounds {
        pool.start().expect("starts");
        let (go, may_go) = channel::<()>();
        let (came, comes) = channel();
        let idle = spawn(move || {
            visit(pool).expect("let in");
            came.send(()).unwrap();
            // As long as it is closed and opened again it comes in and is turned away, by turns.
            while may_go.recv().is_ok() {
                came.send(()).unwrap();
                let outcome = visit(pool);
                assert!([Ok(()), Err(EnterError::Closed)].contains(&outcome), "{outcome:?}");
                came.send(()).unwrap();
            }
        });
        comes.recv_timeout(LONG).expect("it comes");
        Taps::refuse_barriers(true);
        for _ in 0..3 {
            assert_eq!(pool.close(), Err(Busy), "who knows what the idle M's thread is doing");
            for _ in 0..2 {
                go.send(()).unwrap();
                comes.recv_timeout(LONG).expect("it goes");
                comes.recv_timeout(LONG).expect("it is back");
            }
            assert_eq!(visit(pool), Err(EnterError::Closed));
            assert_eq!(pool.reopen(), Ok(()));
            assert_eq!(visit(pool), Ok(()));
            assert!(pool.unbind());
        }
        assert_eq!(pool.close(), Err(Busy));
        drop(go);
        idle.join().unwrap();
        // Nothing is idle any more, so there is nothing to be revoked.
        closes("without a barrier", pool);
        Taps::refuse_barriers(false);
    }
    // Ms that are taken back one by one need no barrier.
    for kind in [Kind::PerCall, Kind::Limited, Kind::Shared] {
        let pool: Play = play(kind);
        pool.start().expect("starts");
        assert_eq!(visit(pool), Ok(()));
        Taps::refuse_barriers(true);
        assert_eq!(pool.stats().bound_idle, u32::from(kind.binds()));
        closes("without need for a barrier", pool);
        Taps::refuse_barriers(false);
    }
}

/// Where there is none from the start, idle Ms are bound the shared way: everything else in
/// `edges_threads.rs` and its kin is gone through in such a pool, too.
///
/// Edge: start/first entry/enter/leaving/going idle/thread exit/unbind x no barrier.
#[test]
fn without_a_barrier_ms_stay_with_their_threads_all_the_same() {
    let _turn = turn();
    let pool: &'static Pool<_, _> = play(Kind::Shared);
    pool.start().expect("starts");
    in_turn(2, 0, |_| {
        let first = pool.enter().expect("let in").id();
        for _ in 0..10 {
            assert_eq!(pool.stats().bound_idle, 1);
            assert_eq!(pool.enter().expect("let in again").id(), first);
        }
        assert!(pool.unbind());
        assert_eq!(visit(pool), Ok(()));
    });
    assert_eq!(pool.stats().bound_idle, 0);
    ends_well("without a barrier", pool);
}
