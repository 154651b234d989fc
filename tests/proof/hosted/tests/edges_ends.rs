//! The edge matrix, where a thread ends or is about to, and where a pool is closed and started again in
//! the middle of something.
#![cfg(unix)]

use extram::{Busy, EnterError, StartError};
use extram_core::raw;
use extram_hosted::stage::{
    Held, Kind, LONG, Outcome, Play, Point, alone_with, board, closes, ends_well, play, raise, turn, visit,
};
use extram_hosted::{Taps, cancelled, in_turn, scaled, until};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

fn started(kind: Kind) -> Play {
    let pool = play(kind);
    pool.start().expect("starts");
    pool
}

fn raw_call(pool: Play) -> Result<(), EnterError> {
    let m = pool.enter()?;
    // SAFETY: used by this thread, and left below.
    let m = unsafe { raw::keep(pool, m) };
    alone_with(m, || ());
    // SAFETY: as above.
    unsafe { raw::leave(pool, m) }.expect("it is inside");
    Ok(())
}

/// Scenario 40. A thread with a cancellation pending does everything to the end: nothing of it is a
/// cancellation point. What it keeps comes back when it is cancelled then.
///
/// Edge: entering/waiting/leaving/going idle/unbind/walk/discard x thread end.
#[test]
fn a_thread_with_a_cancellation_pending_does_everything_to_the_end() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let does: [fn(Play); 12] = [
            |pool| pool.enter().map(|m| alone_with(&m, || ())).expect("a first entry, which makes an M"),
            |pool| {
                visit(pool).expect("the first one");
                visit(pool).expect("another one, which finds its M idle");
            },
            |pool| pool.try_enter().map(|m| alone_with(&m, || ())).expect("trying"),
            |pool| pool.enter_timeout(LONG).map(|m| alone_with(&m, || ())).expect("with a limit"),
            |pool| pool.enter_from_signal().map(|m| alone_with(&m, || ())).expect("as a handler"),
            |pool| raw_call(pool).expect("raw"),
            |pool| {
                visit(pool).expect("the first one");
                pool.unbind();
            },
            // It ends in the middle of the walk, which is never dropped.
            |pool| {
                let mut walk = pool.ms();
                assert!(walk.next().is_some_and(|m| m.id > 0));
                core::mem::forget(walk);
            },
            |pool| pool.enter().expect("let in").discard(),
            // Where no other M is spare, and another context is made.
            |pool| {
                let m = pool.enter().expect("let in");
                let others: Vec<_> = std::iter::from_fn(|| pool.enter_from_signal().ok()).collect();
                m.discard();
                drop(others);
            },
            // It stays inside.
            |pool| {
                let m = pool.enter().expect("let in");
                // SAFETY: nobody uses it any more.
                unsafe { raw::keep(pool, m) };
            },
            // And with a context that is to go.
            |pool| {
                let m = pool.enter().expect("let in");
                pool.enter().expect("nested").discard();
                // SAFETY: nobody uses it any more.
                unsafe { raw::keep(pool, m) };
            },
        ];
        for (number, does) in does.into_iter().enumerate() {
            let pool = started(*kind);
            cancelled(|| does(pool));
            ends_well(&format!("{number} in {kind:?}"), pool);
        }
        // It waits, and somebody else leaves.
        let pool = started(*kind);
        let inside = spawn(move || {
            let mut inside = Vec::new();
            while let Ok(m) = pool.enter_from_signal() {
                inside.push(m);
            }
            until("somebody waits", || pool.stats().waiting == 1);
        });
        until("all are taken", || pool.stats().spare == 0);
        cancelled(|| visit(pool).expect("served"));
        inside.join().unwrap();
        ends_well(&format!("waiting in {kind:?}"), pool);
    }
}

/// The pool is closed and started again between a thread's look at what it has and its next step; what it
/// had is the old pool's.
///
/// Edge: try_enter/enter_timeout/raw entry/unbind x start again.
#[test]
fn what_a_thread_has_is_looked_at_again_when_the_pool_was_started_again() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let does: [fn(Play); 5] = [
            |pool| pool.try_enter().map(|m| alone_with(&m, || ())).expect("the pool runs"),
            |pool| visit(pool).expect("the pool runs"),
            |pool| raw_call(pool).expect("the pool runs"),
            |pool| assert!(!pool.unbind(), "it has none of the new pool"),
            |pool| {
                let m = pool.enter().expect("the pool runs");
                // SAFETY: nobody uses it any more.
                unsafe { raw::keep(pool, m) };
            },
        ];
        for (number, does) in does.into_iter().enumerate() {
            for bound in [false, true] {
                let pool = started(*kind);
                let what = format!("{number} in {kind:?}, bound before: {bound}");
                let again = extram_kept::keep(move || {
                    pool.close().expect("nobody is inside");
                    pool.start().expect("it is closed");
                });
                in_turn(1, 0, |_| {
                    visit(pool).expect("the pool runs");
                    if !bound {
                        pool.unbind();
                    }
                    Taps::after_next_look(again);
                    does(pool);
                });
                assert_eq!(board(pool).dropped.load(SeqCst), 2, "{what}: the old pool's");
                ends_well(&what, pool);
            }
        }
    }
}

/// A thread has an idle M of a pool that is closed and started again; others have the new Ms meanwhile.
///
/// Edge: leaving/going idle/thread exit/unbind x start again.
#[test]
fn what_is_left_of_the_old_pool_is_not_given_to_the_new_one() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let does: [fn(Play); 3] = [
            |_| (),
            |pool| assert!(!pool.unbind()),
            |pool| {
                visit(pool).expect("with an M of the new pool");
                visit(pool).expect("and once more");
            },
        ];
        for (number, does) in does.into_iter().enumerate() {
            let pool = started(*kind);
            let what = format!("{number} in {kind:?}");
            let (go, may_go) = channel::<()>();
            let (came, comes) = channel();
            let old = spawn(move || {
                visit(pool).expect("the pool runs");
                came.send(()).unwrap();
                let _ = may_go.recv();
                does(pool);
            });
            comes.recv_timeout(LONG).expect("it comes");
            assert_eq!(pool.close(), Ok(()), "{what}");
            pool.start().expect("it is closed");
            pool.prewarm(3).expect("three can be made");
            // All Ms that there are, that of the old thread's slot among them.
            let mut inside = Vec::new();
            while inside.len() < 2 {
                inside.push(pool.enter_from_signal().expect("it is spare"));
            }
            let (ids, stats) = (inside.iter().map(|m| m.id()).collect::<Vec<_>>(), pool.stats());
            drop(go);
            old.join().unwrap();
            for (m, id) in inside.iter().zip(ids) {
                assert_eq!((m.id(), m.depth()), (id, 1), "{what}");
                alone_with(m, || ());
            }
            assert_eq!(pool.stats().in_use, stats.in_use, "{what}");
            drop(inside);
            ends_well(&what, pool);
        }
    }
}

/// Everything at once, and the pool is closed and started again and again.
///
/// Edge: entering/waiting/giving back/trim/walk/close x start again.
#[test]
fn a_pool_is_started_again_under_everybody() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let pool = started(*kind);
        let over = extram_kept::keep(AtomicBool::new(false));
        let entered = extram_kept::keep(AtomicU32::new(0));
        let fine = move |result: Result<(), EnterError>| match result {
            Ok(()) => _ = entered.fetch_add(1, SeqCst),
            Err(
                EnterError::Closed | EnterError::WouldBlock | EnterError::Exhausted | EnterError::TimedOut,
            ) => {}
            Err(error) => panic!("{error}"),
        };
        let does: [fn(Play, u32) -> Outcome; 4] = [
            |pool, _| pool.enter().map(|m| alone_with(&m, std::thread::yield_now)),
            |pool, turn| {
                pool.unbind();
                pool.enter_timeout(Duration::from_micros(u64::from(turn % 50)))
                    .map(|m| alone_with(&m, std::thread::yield_now))
            },
            |pool, turn| {
                pool.ms().for_each(|m| assert!(m.id > 0));
                if turn % 8 == 0 {
                    pool.trim(turn % 3);
                }
                pool.try_enter().map(|m| alone_with(&m, || ()))
            },
            |pool, turn| match turn % 3 {
                0 => raise(pool),
                1 => raw_call(pool),
                // A thread that ends bound or inside.
                _ => spawn(move || {
                    let m = pool.enter()?;
                    if turn % 2 == 0 {
                        // SAFETY: nobody uses it any more.
                        unsafe { raw::keep(pool, m) };
                    }
                    Ok(())
                })
                .join()
                .unwrap(),
            },
        ];
        let threads: Vec<_> = does
            .into_iter()
            .map(|does| {
                spawn(move || {
                    let mut turn = 0;
                    while !over.load(SeqCst) {
                        turn += 1;
                        fine(does(pool, turn));
                    }
                })
            })
            .collect();
        for _ in 0..scaled(80) {
            let before = entered.load(SeqCst);
            until("somebody is let in", || entered.load(SeqCst) > before);
            // Two at once, one of which may be told that the other is at it.
            let other = spawn(move || pool.close());
            until("everybody leaves", || pool.close().is_ok());
            let _ = other.join().unwrap();
            pool.start().expect("it is closed");
        }
        over.store(true, SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        ends_well(&format!("{kind:?}"), pool);
    }
}

/// Edge: waiting x close/start again.
#[test]
fn who_waited_is_not_counted_in_the_pool_that_is_started_then() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let pool = started(*kind);
        let mut inside = vec![pool.enter_from_signal().expect("the first one")];
        while let Ok(m) = pool.enter_from_signal() {
            inside.push(m);
        }
        let waiters: Vec<_> = (0..3).map(|_| spawn(move || visit(pool))).collect();
        until("three wait", || pool.stats().waiting == 3);
        assert_eq!(pool.close(), Err(Busy));
        assert_eq!(pool.stats().waiting, 0);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(EnterError::Closed));
        }
        drop(inside);
        assert_eq!(pool.close(), Ok(()));
        pool.start().expect("it is closed");
        let stats = pool.stats();
        assert_eq!((stats.waiting, stats.created, stats.spare), (0, 1, 1));
        ends_well(&format!("{kind:?}"), pool);
    }
}

/// No pool is closed to the end while a context is being dropped, so none is started again meanwhile; what walks
/// goes on with the Ms that there are then.
///
/// Edge: trim/walk x start again.
#[test]
fn a_trim_holds_up_the_close_and_a_walk_goes_on_in_the_pool_that_is_started_then() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let pool = started(*kind);
        pool.prewarm(4).expect("four can be made");
        let mut walk = pool.ms();
        assert!(walk.next().is_some_and(|m| m.id > 0));
        let trims = Held::new("a trim", board(pool), move || {
            board(pool).stop_at(Point::Drop);
            pool.trim(1)
        });
        let walked = walk.next().is_some_and(|m| m.id > 0);
        assert!(walked, "two are left: it has dropped one");
        assert_eq!(pool.close(), Err(Busy), "a context is being dropped");
        assert_eq!(trims.end(), 1, "in a closed pool nothing is trimmed");
        assert_eq!(pool.close(), Ok(()));
        assert_eq!(walk.next().map(|m| m.id), None);
        pool.start().expect("it is closed");
        pool.prewarm(3).expect("three can be made");
        let stats = pool.stats();
        assert!(stats.spare >= 1, "one is always spare: {stats:?}");
        let board = board(pool);
        assert_eq!(board.made.load(SeqCst) - board.dropped.load(SeqCst), stats.created, "{stats:?}");
        ends_well(&format!("{kind:?}"), pool);
    }
}

/// A thread whose time is up tells it while it counts as a guest: no close succeeds before.
///
/// Edge: close x time-out.
#[test]
fn a_thread_that_is_told_that_its_time_is_up_keeps_the_pool_open() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let pool = started(*kind);
        let mut inside = vec![pool.enter_from_signal().expect("the first one")];
        while let Ok(m) = pool.enter_from_signal() {
            inside.push(m);
        }
        let late = Held::new("a time-out", board(pool), move || {
            board(pool).stop_at(Point::Refused);
            pool.enter_timeout(Duration::from_millis(1)).map(drop)
        });
        drop(inside);
        assert_eq!(pool.stats().waiting, 0);
        assert_eq!(pool.close(), Err(Busy), "it may still touch the pool");
        assert_eq!(pool.start(), Err(StartError::AlreadyStarted));
        assert_eq!(late.end(), Err(EnterError::TimedOut));
        closes(&format!("{kind:?}"), pool);
        // Time-outs and closes at once: one or the other.
        pool.start().expect("it is closed");
        for round in 0..scaled(50) {
            let inside = pool.enter_from_signal().expect("one is spare");
            let waits: Vec<_> = (0..3)
                .map(|which| {
                    let late = Duration::from_micros(u64::from(round * 13 % 200 + which * 40));
                    spawn(move || pool.enter_timeout(late).map(drop))
                })
                .collect();
            std::thread::sleep(Duration::from_micros(u64::from(round * 7 % 150)));
            let _ = pool.close();
            for waits in waits {
                let told = waits.join().unwrap();
                let fine = [Ok(()), Err(EnterError::TimedOut), Err(EnterError::Closed)].contains(&told);
                assert!(fine, "{told:?} in {kind:?}");
            }
            drop(inside);
            assert_eq!(pool.close(), Ok(()));
            pool.start().expect("it is closed");
        }
        ends_well(&format!("{kind:?}"), pool);
    }
}
