//! Pools that are started, closed and opened again while threads call.

use super::schedules;
use super::world::{World, draw, join};
use crate::{Binding, EnterError, StartError};
use std::vec::Vec;

fn any_binding() -> Binding {
    if draw(2) == 0 { Binding::Thread } else { Binding::Call }
}

/// Several start it: one does, the others hear that it is started or being started.
#[test]
fn four_start_it_and_others_call() {
    schedules(|| {
        let world = <World>::new(any_binding(), draw(3));
        let mut threads: Vec<_> = (0..4)
            .map(|_| {
                world.thread(|world| match world.pool.start() {
                    Ok(()) => assert_eq!(world.call(), Ok(())),
                    Err(StartError::AlreadyStarted) => {}
                    Err(error) => panic!("{error:?}"),
                })
            })
            .collect();
        threads.extend((0..3).map(|_| {
            world.thread(|world| match world.call() {
                Ok(()) | Err(EnterError::NotStarted) => {}
                Err(error) => panic!("{error:?}"),
            })
        }));
        join(threads);
        assert_eq!(world.call(), Ok(()), "one of them has started it");
        world.end();
    });
}

/// Several close it, others call: each call is made or refused, and at last it closes.
#[test]
fn three_close_it_while_others_call() {
    schedules(|| {
        let world = <World>::started(any_binding(), draw(3));
        let mut threads: Vec<_> = (0..4)
            .map(|_| {
                world.thread(|world| {
                    for _ in 0..2 {
                        match world.call() {
                            Ok(()) | Err(EnterError::Closed) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                })
            })
            .collect();
        threads.extend((0..3).map(|_| {
            world.thread(|world| {
                let _ = world.pool.close();
            })
        }));
        join(threads);
        assert_eq!(world.call(), Err(EnterError::Closed));
        world.end();
    });
}

/// A close that was refused is taken back, while threads call and end.
#[test]
fn it_is_closed_and_opened_again() {
    schedules(|| {
        let world = <World>::started(any_binding(), draw(3));
        let mut threads: Vec<_> = (0..4)
            .map(|_| {
                world.thread(|world| match world.call() {
                    Ok(()) | Err(EnterError::Closed | EnterError::NotStarted) => {}
                    Err(error) => panic!("{error:?}"),
                })
            })
            .collect();
        threads.push(world.thread(|world| {
            if world.pool.close().is_err() {
                let _ = world.pool.reopen();
            } else {
                assert_eq!(world.pool.start(), Ok(()), "it is closed, and nobody else starts it");
            }
        }));
        join(threads);
        if world.call().is_err() {
            assert_eq!(world.pool.close(), Ok(()));
            assert_eq!(world.pool.start(), Ok(()));
            assert_eq!(world.call(), Ok(()));
        }
        world.end();
    });
}
