//! Shared libraries that hold a pool: loaded, unloaded, and twice in one process.
#![cfg(unix)]

use extram::{EnterError, Pool};
use extram_hosted::{Plugin, Witness, call, close, crew, in_turn, rest, started};
use std::sync::Barrier;

/// One test at a time: the C library has little room for the thread-local words of libraries loaded
/// later, and gives it back only in the opposite order.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

const NOT_STARTED: i32 = -1;
const CLOSED: i32 = -2;

/// Scenario 1. A library constructor enters before anybody can have started the pool.
#[test]
fn a_library_constructor_that_enters_is_told_that_the_pool_is_not_started() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let plugin = Plugin::load("constructor");
    assert_eq!(plugin.at_load(), NOT_STARTED);
    assert_eq!(plugin.call(), NOT_STARTED);
    plugin.start();
    assert!(plugin.call() > 0);
    assert!(plugin.close());
    plugin.unload();
}

/// Scenario 31. The threads' destructors come when the code that they would run is gone.
#[test]
fn a_library_is_unloaded_and_then_its_bound_threads_exit() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for round in 0..20 {
        let plugin = Plugin::load(&format!("unloaded-{round}"));
        plugin.start();
        let plugin = std::sync::Mutex::new(Some(plugin));
        let step = Barrier::new(8);
        let made = crew(8, 0, |index| {
            let ask = |f: fn(&Plugin) -> i32| f(plugin.lock().unwrap().as_ref().unwrap());
            assert!(ask(Plugin::call) > 0);
            step.wait();
            if index == 0 {
                let plugin = plugin.lock().unwrap().take().unwrap();
                assert!(plugin.figures().1 > 0, "threads are bound");
                assert!(plugin.close());
                assert_eq!(plugin.call(), CLOSED);
                plugin.unload();
            }
            step.wait();
        });
        assert_eq!(made, 8);
    }
}

/// Scenario 31. The thread that unloads it is a bound one, and goes on to load it again.
#[test]
fn a_library_is_loaded_again_by_a_thread_that_was_bound_to_the_first_one() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for round in 0..20 {
        let plugin = Plugin::load(&format!("again-{round}"));
        assert_eq!(plugin.call(), NOT_STARTED, "nothing is left of the one before");
        plugin.start();
        assert_eq!((plugin.call(), plugin.figures().1), (1, 1));
        assert!(plugin.close());
        plugin.unload();
    }
}

/// Scenario 33.
#[test]
fn two_pools_in_one_process_do_not_see_each_other() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (one, two) = (started(Pool::new(Witness::default())), started(Pool::new(Witness::default())));
    in_turn(1, 0, |_| {
        call(one);
        assert_eq!((one.stats().bound_idle, two.stats().bound_idle), (1, 0));
        one.callback(|outer| {
            two.callback(|inner| assert_eq!((outer.depth(), inner.depth()), (1, 1))).unwrap();
            assert_eq!((one.stats().in_use, two.stats().in_use), (1, 0));
        })
        .unwrap();
        assert!(one.unbind());
        assert_eq!((one.stats().bound_idle, two.stats().bound_idle), (0, 1));
        close(one);
        assert_eq!(one.enter().unwrap_err(), EnterError::Closed);
        call(two);
    });
    assert_eq!(one.ms().count(), 0);
    rest(two, 0);
    close(two);
}

/// Scenario 33. Two copies of the library, and this program's own, on the same threads. More pools
/// than have a place of their own in a thread's memory, so that both kinds of places are in use.
#[test]
fn copies_of_the_library_do_not_see_each_other() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let own = started(Pool::new(Witness::default()));
    let copies: Vec<_> = (0..6).map(|copy| Plugin::load(&format!("copy-{copy}"))).collect();
    copies.iter().for_each(Plugin::start);
    let step = Barrier::new(4);
    let made = crew(4, 0, |index| {
        for _ in 0..1000 {
            copies.iter().for_each(|copy| assert!(copy.call() > 0));
            call(own);
        }
        step.wait();
        for (closed, copy) in copies.iter().enumerate() {
            if index == 0 {
                assert_eq!(copy.figures().1, 4, "each thread has an M of each copy");
                assert!(copy.close());
            }
            step.wait();
            let told: Vec<_> = copies.iter().map(|copy| copy.call().min(1)).collect();
            let wanted: Vec<_> =
                (0..copies.len()).map(|copy| if copy > closed { 1 } else { CLOSED }).collect();
            let figures: Vec<_> = copies.iter().map(Plugin::figures).collect();
            assert_eq!(told, wanted, "{figures:?}");
            call(own);
            step.wait();
        }
    });
    assert_eq!(made, 4);
    copies.into_iter().for_each(Plugin::unload);
    rest(own, 0);
    close(own);
}
