//! Threads that exit where they should not: inside a callback, and in destructors that enter.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{CPool, Key, Witness, call, cancel_inside, close, exit_inside, in_turn, rest, started};

/// How many rounds of destructors there are for keys that are made later than all others.
/// ThreadSanitizer forgets a thread in the last one, and crashes when it meets it again.
const ROUNDS: u32 = if cfg!(extram_tsan) { 3 } else { 4 };

fn bindings() -> [Binding; 2] {
    [Binding::Thread, Binding::Call]
}

/// Runs `f` twice: with thread-local words in the first place that the port has for them, and with
/// four pools in the way, so that they are in the second (on Linux: under a key).
fn in_both_places(f: fn()) {
    f();
    let others: Vec<_> = (0..4).map(|_| started(Pool::new(Witness::default()))).collect();
    f();
    others.into_iter().for_each(close);
}

/// Scenario 19.
#[test]
fn a_thread_that_exits_inside_gives_its_m_back() {
    in_both_places(|| {
        for binding in bindings() {
            let pool = started(Pool::new(Witness::default()).binding(binding));
            for depth in [1, 2, 3, 1] {
                for _ in 0..10 {
                    exit_inside(&CPool::new(pool), depth);
                    assert!(rest(pool, 0) <= 2);
                }
            }
            call(pool);
            pool.unbind();
            close(pool);
        }
    });
}

/// Scenario 19.
#[test]
fn a_thread_that_is_cancelled_inside_gives_its_m_back() {
    for limit in [u32::MAX, 2] {
        let pool = started(Pool::new(Witness::default()).limit(limit));
        for depth in [1, 2, 1] {
            for _ in 0..10 {
                cancel_inside(&CPool::new(pool), depth);
                assert!(rest(pool, 0) <= 2);
            }
        }
        close(pool);
    }
}

/// Scenario 20. The first entry is made in round `first` of the thread's exit.
#[test]
fn destructors_that_enter_in_every_round_leak_nothing() {
    in_both_places(|| {
        for binding in bindings() {
            // Systems call destructors in the order of the keys, so one before and one after ours.
            let early = Key::new();
            let pool = started(Pool::new(Witness::default()).binding(binding));
            let late = Key::new();
            let face = CPool::new(pool);
            for (name, key) in [("early", &early), ("late", &late)] {
                let visits = [(0, 1), (1, 1), (0, 4), (1, 4), (2, 2), (2, 4), (3, 3)];
                // The hook comes in the round after the first entry, if it does not in the same.
                for (first, last) in visits.into_iter().filter(|(first, _)| *first < ROUNDS) {
                    let last = last.min(ROUNDS);
                    for _ in 0..10 {
                        let entries = key.visit(&face, first, last);
                        assert_eq!(entries, last - first + 1, "{name} key, rounds {first} to {last}");
                        let stats = pool.stats();
                        assert_eq!(stats.bound_idle, 0, "{name} key, rounds {first} to {last}");
                        assert!(rest(pool, 0) <= 2, "{name} key, rounds {first} to {last}");
                    }
                }
            }
            close(pool);
        }
    });
}

/// Scenario 20. Where nobody tells the pool any more: the very last destructor that the system
/// calls on a thread is the first to enter. The M stays with a thread that is gone, until the pool
/// is closed; nothing else is lost, and nobody waits for it.
#[test]
#[cfg_attr(extram_tsan, ignore = "ThreadSanitizer has forgotten the thread by then")]
fn a_first_entry_in_the_last_destructor_of_all_costs_one_m_until_the_pool_is_closed() {
    let pool = started(Pool::new(Witness::default()));
    let key = Key::new();
    for thread in 1..=5 {
        assert_eq!(key.visit(&CPool::new(pool), 4, 4), 1);
        assert!(pool.stats().bound_idle <= thread);
        in_turn(3, 0, |_| _ = call(pool));
    }
    // Every context is dropped.
    close(pool);
}

/// Scenario 20. A thread that has had the hook of one pool is known to be in its last moments, so
/// that its first entry to another one is for the call only, even in the last destructor of all.
#[test]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), ignore = "no block to be marked")]
#[cfg_attr(extram_tsan, ignore = "ThreadSanitizer has forgotten the thread by then")]
fn a_first_entry_in_the_last_destructor_comes_home_if_another_pool_has_seen_the_thread() {
    for before in [1, 5] {
        let others: Vec<_> = (0..before).map(|_| started(Pool::new(Witness::default()))).collect();
        let pool = started(Pool::new(Witness::default()));
        let key = Key::new();
        for _ in 0..5 {
            key.rounds(4, |round| match round {
                0 => _ = call(others[before - 1]),
                4 => _ = call(pool),
                _ => {}
            });
            assert!(rest(pool, 0) <= 2);
            rest(others[before - 1], 0);
        }
        close(pool);
        others.into_iter().for_each(close);
    }
}

/// Scenario 20. FreeBSD's C library reports a thread that still has a value under a key after the
/// last round.
#[test]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), ignore = "no block to be marked")]
fn after_the_hooks_nothing_is_left_under_a_key() {
    let pools: Vec<_> = (0..6).map(|_| started(Pool::new(Witness::default()))).collect();
    let key = Key::new();
    let left = |enter: &(dyn Fn(u32) + Sync)| {
        let left = std::sync::Mutex::new(Vec::new());
        key.rounds(ROUNDS, |round| {
            enter(round);
            left.lock().unwrap().push(key.others_with_a_value());
        });
        left.into_inner().unwrap()
    };
    // A sanitizer keeps a key of its own.
    let without = left(&|_| ());
    let with = left(&|_| pools.iter().for_each(|pool| _ = call(pool)));
    assert!(with[0] > without[0], "the pools have asked for their hook: {with:?}");
    // The hooks have come in the first two rounds.
    assert_eq!(with[3..], without[3..]);
    for pool in pools {
        rest(pool, 0);
        close(pool);
    }
}

/// Scenario 20. A process of its own, whose output is looked at: `src/bin/thread_exits.rs`.
#[test]
fn threads_that_used_many_pools_exit_without_a_word() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_thread_exits")).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{}: {said:?}", output.status);
    assert_eq!(said, ["", ""]);
}

/// Scenario 20. Destructors of C++ and Rust come before those of keys.
#[test]
fn a_thread_local_destructor_enters() {
    struct Last(&'static Pool<Witness>);
    impl Drop for Last {
        fn drop(&mut self) {
            call(self.0);
        }
    }
    thread_local!(static LAST: std::cell::Cell<Option<Last>> = const { std::cell::Cell::new(None) });
    for first_entry_there in [true, false] {
        let pool = started(Pool::new(Witness::default()));
        for _ in 0..20 {
            in_turn(1, 0, |_| {
                LAST.set(Some(Last(pool)));
                if !first_entry_there {
                    call(pool);
                }
            });
            assert!(rest(pool, 0) <= 2);
        }
        close(pool);
    }
}
