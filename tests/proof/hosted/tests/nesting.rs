//! Calls within calls, through C and back.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{Witness, alone, call, close, on_other_stack, rest, scaled, started};
use std::sync::atomic::Ordering::SeqCst;

fn both(f: impl Fn(&'static Pool<Witness>)) {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Witness::default()).binding(binding));
        f(pool);
        pool.unbind();
        rest(pool, 0);
        close(pool);
    }
}

/// Scenario 21. Runtime, C, runtime, C, and so on; the frames of C are those of a coroutine.
#[test]
fn calls_through_c_share_the_m_and_unwind() {
    fn deeper(pool: &'static Pool<Witness>, id: u32, depth: u32) {
        let entered = pool.enter().unwrap();
        assert_eq!((entered.id(), entered.depth()), (id, depth));
        alone(&entered, || {
            if depth < 20 {
                let mut stack = vec![0; 256 << 10];
                on_other_stack(&mut stack, || deeper(pool, id, depth + 1));
            }
        });
        assert_eq!(entered.depth(), depth);
    }
    both(|pool| {
        let entered = pool.enter().unwrap();
        deeper(pool, entered.id(), 2);
        assert_eq!(entered.depth(), 1);
    });
}

/// Scenario 21.
#[test]
fn the_runtime_hears_of_the_outermost_call_only() {
    both(|pool| {
        let heard = || {
            let runtime = pool.runtime();
            (runtime.admitted.load(SeqCst), runtime.retired.load(SeqCst))
        };
        let outer = pool.enter().unwrap();
        assert_eq!(heard(), (1, 0));
        for _ in 0..3 {
            let inner = (pool.enter().unwrap(), pool.try_enter().unwrap());
            assert_eq!((inner.1.depth(), heard()), (3, (1, 0)));
            drop(inner.1);
            drop(inner.0);
        }
        assert_eq!(heard(), (1, 0));
        drop(outer);
        assert_eq!(heard(), (1, 1));
    });
}

/// Scenario 21.
#[test]
fn a_hundred_thousand_nestings_do_not_creep() {
    both(|pool| {
        for _ in 0..scaled(100_000) {
            pool.callback(|outer| {
                assert_eq!(pool.callback(|inner| (inner.id(), inner.depth())), Ok((outer.id(), 2)));
            })
            .unwrap();
        }
        assert_eq!(pool.stats().created, 2);
    });
}

/// Scenario 25.
#[test]
fn an_idle_m_can_be_unbound_and_one_in_use_cannot() {
    for limit in [u32::MAX, 3] {
        let pool = started(Pool::new(Witness::default()).limit(limit));
        assert!(!pool.unbind(), "there is none");
        let id = pool
            .callback(|m| {
                assert!(!pool.unbind());
                pool.callback(|_| assert!(!pool.unbind())).unwrap();
                m.id()
            })
            .unwrap();
        assert_eq!(pool.stats().bound_idle, 1);
        assert!(pool.unbind());
        assert!(!pool.unbind(), "it is gone");
        let (stats, mut spare) = (pool.stats(), Vec::new());
        spare.extend(pool.ms().filter(|m| m.state == extram::MState::Spare).map(|m| m.id));
        assert_eq!((stats.bound_idle, stats.spare), (0, 2));
        assert!(spare.contains(&id));
        // Another thread may have it, and this one another.
        std::thread::spawn(move || assert_eq!(call(pool), id)).join().unwrap();
        call(pool);
        pool.unbind();
        rest(pool, 0);
        close(pool);
    }
}
