//! Threads made by others.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{JobQueue, Witness, call, close, crew, rest, scaled, started, until};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

fn pools() -> [&'static Pool<Witness>; 3] {
    [
        started(Pool::new(Witness::default())),
        started(Pool::new(Witness::default()).binding(Binding::Call)),
        started(Pool::new(Witness::default()).limit(3)),
    ]
}

/// Scenario 36. The threads of a region stay for the next one, and keep their Ms.
#[test]
#[cfg_attr(not(openmp), ignore = "OpenMP is gcc's here, and the C compiler is another, or has none")]
fn openmp_regions_enter() {
    #[cfg(not(openmp))]
    panic!("only with gcc's OpenMP");
    #[cfg(openmp)]
    for pool in pools() {
        for threads in [1, 4, 16] {
            let (calls, entries) = (AtomicU32::new(0), 100);
            let seen = extram_hosted::openmp(threads, |_| {
                (0..entries).for_each(|_| _ = call(pool));
                calls.fetch_add(1, SeqCst);
            });
            assert_eq!(seen, calls.load(SeqCst));
            assert!(seen >= threads * 2, "{seen} regions of {threads} threads");
        }
        // The threads of the outer regions are alive, and their Ms are not needed any more. Those of the inner
        // ones end, when they come to it.
        until("nobody is inside", || {
            let stats = pool.stats();
            (stats.in_use, stats.waiting) == (0, 0) && stats.created == stats.spare + stats.bound_idle
        });
        until("the last thread that ends has ended", || pool.close().is_ok());
        close(pool);
    }
}

/// Scenario 36.
#[test]
fn the_threads_of_a_c_library_enter_in_job_after_job() {
    for pool in pools() {
        let (done, jobs) = (AtomicU32::new(0), scaled(10_000));
        let body = |_| {
            call(pool);
            done.fetch_add(1, SeqCst);
        };
        let queue = JobQueue::new(6, &body);
        (0..jobs).for_each(|job| queue.put(job));
        until("all jobs are done", || done.load(SeqCst) == jobs);
        // Between two jobs nobody is inside.
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.waiting), (0, 0), "{stats:?}");
        assert!(stats.created <= 7, "{stats:?}");
        queue.finish();
        rest(pool, 0);
        close(pool);
    }
}

/// Scenario 36.
#[test]
fn posix_threads_with_small_stacks_enter() {
    for pool in pools() {
        let threads = scaled(400);
        assert_eq!(crew(threads, 64 << 10, |_| (0..20).for_each(|_| _ = call(pool))), threads);
        rest(pool, 0);
        close(pool);
    }
}
