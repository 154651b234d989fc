//! The soak itself: short ones hold, and what is wrong is noticed.
#![cfg(unix)]

use extram::Pool;
use extram_soak::act::{perform, prepare, settle};
use extram_soak::figures::Figures;
use extram_soak::fresh::fresh_threads;
use extram_soak::ground::{Call, Ground, alone};
use extram_soak::plan::Act;
use std::sync::atomic::Ordering::SeqCst;

/// Scenario 35.
#[test]
fn the_first_acts_of_a_fixed_seed_hold() {
    prepare();
    let mut figures = Figures::default();
    for number in 0..12 {
        figures += perform(&Act::new(20_160_722, number, false)).unwrap();
    }
    assert_eq!((figures.acts, figures.double_issues), (12, 0));
    assert!(figures.entries > 10_000 && figures.signal_entries > 0 && figures.threads > 100, "{figures}");
}

/// Scenario 18.
#[test]
fn fresh_threads_over_time_need_as_many_ms_as_are_alive_at_once() {
    assert_eq!(fresh_threads(5000).unwrap().entries, 5000);
}

fn pool() -> &'static Pool<Ground> {
    let pool: &'static Pool<Ground> = extram_kept::keep(Pool::new(Ground::default()));
    pool.start().unwrap();
    pool
}

#[test]
fn an_m_in_two_hands_is_counted() {
    let pool = pool();
    let ground = pool.runtime();
    let m = pool.enter().unwrap();
    // As if the M had been lent twice: its address goes to another thread.
    let address = std::sync::atomic::AtomicPtr::new((&raw const *m).cast_mut());
    let (call, ()) = alone(ground, &m, || {
        std::thread::scope(|scope| {
            // SAFETY: the M lives as long as its pool. The one who has it waits here, so nothing is
            // touched by two threads at once.
            scope.spawn(|| alone(ground, unsafe { &*address.load(SeqCst) }, || ()));
        });
    });
    assert_eq!(call, Call::Outermost);
    assert!(ground.double_issues.load(SeqCst) > 0);
}

#[test]
fn a_pool_that_does_not_add_up_is_refused() {
    let act = Act { limit: None, threads: Vec::new(), ..Act::new(1, 1, false) };
    let none = Figures::default();

    let lost_count = pool();
    drop(std::thread::spawn(|| lost_count.callback(|m| _ = alone(lost_count.runtime(), m, || ()))).join());
    let error = settle(lost_count, &act, none).unwrap_err();
    assert!(error.starts_with("the contexts have counted"), "{error}");

    let inside = pool();
    let guard = inside.enter().unwrap();
    let error = settle(inside, &act, none).unwrap_err();
    assert!(error.starts_with("somebody is left"), "{error}");
    drop(guard);

    let limited = pool();
    limited.prewarm(3).unwrap();
    limited.unbind();
    let error = settle(limited, &Act { limit: Some(2), ..act.clone() }, none).unwrap_err();
    assert!(error.starts_with("more Ms than the limit"), "{error}");
}
