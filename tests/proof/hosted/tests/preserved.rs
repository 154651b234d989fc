//! What belongs to the thread stays as it is.
#![cfg(unix)]

use extram::{Binding, EnterError, Pool};
use extram_hosted::{Witness, alone, call, close, in_turn, preserved, rest, started, until};
use std::time::Duration;

/// Scenario 28. `errno`, the signal mask and the alternate stack, on every path of entering and
/// leaving.
#[test]
fn errno_mask_and_alternate_stack_are_as_before() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Witness::default()).binding(binding));
        in_turn(2, 64 << 10, |_| {
            preserved(|| _ = call(pool)).expect("the first entry of a thread, which makes an M");
            preserved(|| _ = call(pool)).expect("the second");
            preserved(|| pool.callback(|_| _ = call(pool)).unwrap()).expect("a nested one");
            preserved(|| drop(pool.try_enter().unwrap())).expect("trying");
            preserved(|| drop(pool.enter_from_signal().unwrap())).expect("as a handler");
            preserved(|| _ = pool.unbind()).expect("unbinding");
            preserved(|| _ = pool.trim(0)).expect("trimming");
            preserved(|| pool.prewarm(3).unwrap()).expect("warming up");
        });
        rest(pool, 0);
        preserved(|| pool.close().unwrap()).expect("closing");
        preserved(|| assert_eq!(pool.enter().unwrap_err(), EnterError::Closed)).expect("when closed");
        preserved(|| pool.start().unwrap()).expect("starting");
        close(pool);
    }
}

/// Scenario 28. A wait sleeps in the system, and a time-out ends with an error of the system.
#[test]
fn waiting_changes_nothing_either() {
    let pool = started(Pool::new(Witness::default()).limit(1));
    let inside = pool.enter().unwrap();
    std::thread::scope(|scope| {
        let in_vain = scope.spawn(|| {
            let timed_out = || {
                let limit = Duration::from_millis(5);
                assert_eq!(pool.enter_timeout(limit).unwrap_err(), EnterError::TimedOut);
            };
            preserved(timed_out).expect("a time-out");
            preserved(|| assert_eq!(pool.try_enter().unwrap_err(), EnterError::Exhausted)).expect("in vain");
        });
        in_vain.join().unwrap();
        let waiter = scope.spawn(|| preserved(|| _ = pool.enter()).expect("a wait"));
        until("the thread waits", || pool.stats().waiting > 0);
        alone(&inside, || std::thread::sleep(Duration::from_millis(10)));
        preserved(|| assert!(pool.close().is_err())).expect("waking those who wait");
        waiter.join().unwrap();
    });
}
