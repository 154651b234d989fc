//! Threads that enter, wait, leave and end.

use super::schedules;
use super::world::{World, draw, join};
use crate::{Binding, EnterError};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::vec::Vec;

/// The kinds of pool: how long an M stays, and how many there may be; 0 for no limit.
const KINDS: [(Binding, u32); 4] =
    [(Binding::Thread, 0), (Binding::Thread, 2), (Binding::Call, 0), (Binding::Call, 1)];

/// One of the kinds, drawn with the schedule.
fn any_kind() -> (Binding, u32) {
    KINDS[draw(KINDS.len() as u32) as usize]
}

fn herd<const BARRIER: bool>() {
    let (binding, limit) = any_kind();
    let world = World::<BARRIER>::started(binding, limit);
    let threads: Vec<_> = (0..6)
        .map(|_| {
            world.thread(|world| {
                for _ in 0..2 {
                    assert_eq!(world.call(), Ok(()));
                }
            })
        })
        .collect();
    join(threads);
    let (made, busiest) = (world.made(), world.counts.busiest.load(SeqCst));
    assert!(limit == 0 || made <= limit, "{made} Ms with a limit of {limit}");
    assert!(made <= 7 && busiest <= made, "{made} Ms for 6 threads, {busiest} at once");
    world.end();
}

#[test]
fn six_threads_each_get_an_m_twice() {
    schedules(herd::<true>);
}

#[test]
fn so_they_do_without_a_barrier() {
    schedules(herd::<false>);
}

/// Whoever waits under a limit is handed what comes back; whoever gives up keeps nobody from it.
#[test]
fn some_wait_and_some_give_up() {
    schedules(|| {
        let binding = if draw(2) == 0 { Binding::Thread } else { Binding::Call };
        let world = <World>::started(binding, 1 + draw(2));
        let threads = (0..7).map(|index| {
            world.thread(move |world| {
                let entered = match index % 3 {
                    0 => world.pool.enter(),
                    1 => world.pool.try_enter(),
                    _ => world.pool.enter_timeout(Duration::ZERO),
                };
                match entered {
                    Ok(m) => world.work(&m),
                    Err(EnterError::Exhausted | EnterError::WouldBlock) if index % 3 == 1 => {}
                    Err(EnterError::TimedOut) if index % 3 == 2 => {}
                    Err(error) => panic!("{error:?} of thread {index}"),
                }
            })
        });
        join(threads.collect::<Vec<_>>());
        world.end();
    });
}

/// Calls in calls, left in any order.
#[test]
fn calls_nest_and_are_left_in_any_order() {
    schedules(|| {
        let (binding, limit) = any_kind();
        let world = <World>::started(binding, limit);
        let threads = (0..4).map(|_| {
            world.thread(|world| {
                let mut calls: Vec<_> = (0..3).map(|_| world.pool.enter().expect("in")).collect();
                assert!(calls.iter().all(|m| m.id() == calls[0].id()), "one M for all of them");
                assert_eq!(calls[0].depth(), 3);
                while !calls.is_empty() {
                    let call = calls.swap_remove(draw(calls.len() as u32) as usize);
                    world.work(&call);
                }
            })
        });
        join(threads.collect::<Vec<_>>());
        world.end();
    });
}

/// What is kept ready, dropped and given back meanwhile changes nobody's answer.
#[test]
fn others_prewarm_trim_and_unbind() {
    schedules(|| {
        let (binding, limit) = any_kind();
        let world = <World>::started(binding, limit);
        let mut threads: Vec<_> = (0..4)
            .map(|_| {
                world.thread(|world| {
                    for _ in 0..2 {
                        assert_eq!(world.call(), Ok(()));
                        if draw(2) == 0 {
                            world.pool.unbind();
                        }
                    }
                })
            })
            .collect();
        threads.push(world.thread(|world| {
            for _ in 0..2 {
                let _ = world.pool.prewarm(2);
            }
        }));
        threads.push(world.thread(|world| {
            for _ in 0..2 {
                world.pool.trim(draw(2));
            }
        }));
        join(threads);
        world.end();
    });
}

/// A handler's call takes what is spare or is turned away; nobody waits for ever because of it.
#[test]
fn handlers_take_what_is_spare() {
    schedules(|| {
        let (binding, limit) = any_kind();
        let world = <World>::started(binding, limit);
        let mut threads: Vec<_> =
            (0..4).map(|_| world.thread(|world| assert_eq!(world.call(), Ok(())))).collect();
        threads.extend((0..3).map(|_| {
            world.thread(|world| match world.pool.enter_from_signal() {
                Ok(m) => world.work(&m),
                Err(EnterError::WouldBlock | EnterError::Exhausted) => {}
                Err(error) => panic!("{error:?}"),
            })
        }));
        join(threads);
        world.end();
    });
}

/// Creation fails now and then: whoever waited for it is told or served, and nothing is lost.
#[test]
fn creation_fails_now_and_then() {
    schedules(|| {
        let (binding, limit) = any_kind();
        let world = <World>::started(binding, limit);
        world.counts.failing.store(true, SeqCst);
        let threads = (0..5).map(|_| {
            world.thread(|world| {
                for _ in 0..2 {
                    match world.call() {
                        Ok(()) | Err(EnterError::CreationFailed) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        });
        join(threads.collect::<Vec<_>>());
        world.counts.failing.store(false, SeqCst);
        assert_eq!(world.call(), Ok(()), "it goes on");
        world.end();
    });
}

/// The same with a panic, which is the problem of one thread alone.
#[test]
fn creation_panics_once() {
    schedules(|| {
        let (binding, limit) = any_kind();
        let world = <World>::started(binding, limit);
        world.counts.panicking.store(true, SeqCst);
        let threads = (0..4).map(|_| {
            world.thread(|world| {
                let called = catch_unwind(AssertUnwindSafe(|| world.call()));
                assert!(matches!(called, Err(_) | Ok(Ok(()) | Err(EnterError::CreationFailed))));
            })
        });
        join(threads.collect::<Vec<_>>());
        world.counts.panicking.store(false, SeqCst);
        assert_eq!(world.call(), Ok(()), "it goes on");
        world.end();
    });
}

/// Whoever comes later may take the token of a thread whose time is up, and keep the M: the wait ends in time
/// all the same.
#[test]
fn a_wait_ends_in_time_though_another_took_its_token() {
    schedules(|| {
        let world = <World>::started(Binding::Call, 1);
        let inside = world.pool.enter().expect("let in");
        let hasty = world.thread(|world| match world.pool.enter_timeout(Duration::ZERO) {
            Ok(m) => world.work(&m),
            Err(error) => assert_eq!(error, EnterError::TimedOut),
        });
        let patient = world.thread(|world| {
            let m = world.pool.enter().expect("it comes back");
            hasty.join().expect("no assertion failed");
            drop(m);
        });
        drop(inside);
        join([patient]);
        world.end();
    });
}
