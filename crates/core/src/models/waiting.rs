//! Waiting: being counted, being served, giving up.

use crate::list::{GaveUp, Waited};
use crate::models::model;
use crate::models::nodes::Extra;
use crate::models::port::Shared;
use core::time::Duration;
use loom::thread;
use std::rc::Rc;
use std::vec;

/// Starts a thread that enters and says what it got. It does not give back.
fn entering(extra: &Rc<Extra>, limit: Option<Duration>) -> thread::JoinHandle<Waited> {
    let extra = Rc::clone(extra);
    thread::spawn(move || {
        let waited = extra.enter(limit);
        if let Waited::M(id) = waited {
            extra.node(id).work();
        }
        waited
    })
}

#[test]
fn every_waiter_is_served_when_an_m_is_returned() {
    model(3, || {
        let extra = Extra::new(1, 0);
        let waiters = [(); 2].map(|()| {
            let extra = Rc::clone(&extra);
            thread::spawn(move || extra.call())
        });
        extra.node(1).work();
        extra.give(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        extra.assert_at_rest(vec![1]);
    });
}

#[test]
fn every_waiter_is_served_when_an_m_is_made() {
    model(2, || {
        let extra = Extra::new(2, 0);
        let waiters = [(); 2].map(|()| entering(&extra, None));
        for id in [1, 2] {
            let claim = extra.claim_extra();
            extra.node(id).work();
            extra.publish(id, claim);
        }
        let served = waiters.map(|waiter| waiter.join().unwrap());
        assert!(served.contains(&Waited::M(1)) && served.contains(&Waited::M(2)), "{served:?}");
        assert!(extra.list.quiet());
    });
}

#[test]
fn two_givers_serve_two_waiters() {
    model(2, || {
        let extra = Extra::new(2, 0);
        let giver = {
            let extra = Rc::clone(&extra);
            thread::spawn(move || {
                extra.node(2).work();
                extra.give(2)
            })
        };
        let other = entering(&extra, None);
        extra.node(1).work();
        extra.give(1);
        let mine = extra.enter(None);
        if let Waited::M(id) = mine {
            extra.node(id).work();
        }
        let theirs = other.join().unwrap();
        giver.join().unwrap();
        assert!(matches!(mine, Waited::M(_)) && matches!(theirs, Waited::M(_)));
        assert_ne!(mine, theirs);
        assert!(extra.list.quiet());
    });
}

/// Edge: waiting x leave, enter_timeout x leave.
#[test]
fn a_cancelled_wait_neither_loses_a_grant_nor_stays_counted() {
    model(3, || {
        let extra = Extra::new(1, 0);
        let waiter = entering(&extra, Some(Duration::ZERO));
        extra.node(1).work();
        extra.give(1);
        match waiter.join().unwrap() {
            Waited::M(id) => {
                extra.give(id);
            }
            ended => assert_eq!(ended, Waited::TimedOut),
        }
        extra.assert_at_rest(vec![1]);
    });
}

#[test]
fn a_waiter_is_served_while_another_one_gives_up() {
    model(3, || {
        let extra = Extra::new(1, 0);
        let hasty = {
            let extra = Rc::clone(&extra);
            thread::spawn(move || {
                if let Waited::M(id) = extra.enter(Some(Duration::ZERO)) {
                    extra.give(id);
                }
            })
        };
        let patient = {
            let extra = Rc::clone(&extra);
            thread::spawn(move || extra.call())
        };
        extra.give(1);
        hasty.join().unwrap();
        patient.join().unwrap();
        extra.assert_at_rest(vec![1]);
    });
}

/// The one M and the one failure go to one waiter each, whoever picks up first.
#[test]
fn a_failure_ends_one_wait_and_an_m_another() {
    model(2, || {
        let extra = Extra::new(1, 0);
        let waiters = [(); 2].map(|()| entering(&extra, None));
        while extra.list.glance().waiting() < 2 {
            thread::yield_now();
        }
        let claim = extra.claim().expect("two wait");
        assert_eq!(extra.list.give_up::<Shared>(claim), GaveUp::Told);
        extra.give(1);
        let ended = waiters.map(|waiter| waiter.join().unwrap());
        assert!(ended.contains(&Waited::M(1)) && ended.contains(&Waited::Failed), "{ended:?}");
        assert!(extra.list.quiet());
    });
}

#[test]
fn close_ends_every_wait() {
    model(2, || {
        let extra = Extra::new(1, 0);
        let waiters = [(); 2].map(|()| entering(&extra, None));
        extra.list.close::<Shared>();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Waited::Closed);
        }
        assert!(extra.list.quiet());
    });
}

/// Threads that come while `failed` is set are refused; those that waited before are told.
#[test]
fn a_failure_with_nobody_left_to_try_turns_newcomers_away() {
    model(3, || {
        let extra = Extra::new(1, 0);
        let claim = extra.claim_extra();
        let other = entering(&extra, None);
        let gave_up = extra.list.give_up::<Shared>(claim);
        assert_eq!(other.join().unwrap(), Waited::Failed);
        assert_ne!(gave_up, GaveUp::Covered);
        extra.give(1);
        // An M has come back, and who took it will make the next one: newcomers wait again.
        let taken = extra.take().expect("it is spare");
        assert_eq!(extra.enter(Some(Duration::ZERO)), Waited::TimedOut);
        extra.give(taken.0);
        extra.assert_at_rest(vec![1]);
    });
}
