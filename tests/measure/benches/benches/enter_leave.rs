//! What one call costs without contention: enter and leave, bound, unbound and nested, beside the
//! take and give of the reference algorithms and the reads of thread-local storage that are the
//! floor. The closing lines are the ratios, from this run.

use criterion::Criterion;
use extram::{Binding, M, Native, Pool, Runtime};
use extram_baselines::{OneAtATime, WaiterCounting};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

struct Nothing;

impl Runtime for Nothing {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        Ok(1)
    }
}

thread_local! {
    static WORD: Cell<usize> = const { Cell::new(5) };
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn pool(configure: impl FnOnce(Pool<Nothing>) -> Pool<Nothing>) -> &'static Pool<Nothing> {
    let pool: &Pool<Nothing> = leak(configure(Pool::new(Nothing)));
    pool.start().expect("starts");
    // The first call makes the second M; from here on nothing is owed.
    drop(pool.enter());
    pool
}

fn reference<const COUNTING: bool>() -> &'static extram_baselines::Reference<Nothing, Native, COUNTING> {
    let pool = leak(extram_baselines::Reference::new(Nothing));
    pool.start().expect("starts");
    drop(pool.enter());
    pool
}

/// One measured piece of work, by name.
type Work = (&'static str, Box<dyn FnMut()>);

/// A bare read through a POSIX key, the C library's own thread-local storage.
fn key_read() -> impl FnMut() {
    let mut key = 0;
    // SAFETY: a valid place for the key; no destructor.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, None) }, 0);
    move || {
        // SAFETY: the key was made above and lives.
        black_box(unsafe { libc::pthread_getspecific(key) });
    }
}

fn enter_leave(c: &mut Criterion) {
    let bound = pool(|pool| pool);
    let limited = pool(|pool| pool.limit(8));
    let unbound = pool(|pool| pool.binding(Binding::Call));
    let one_at_a_time: &'static OneAtATime<Nothing, Native> = reference();
    let counting: &'static WaiterCounting<Nothing, Native> = reference();

    let mut group = c.benchmark_group("thread_local");
    group.bench_function("elf_tls", |b| b.iter(|| WORD.with(Cell::get)));
    let mut read = key_read();
    group.bench_function("posix_key", |b| b.iter(&mut read));
    group.finish();

    let mut group = c.benchmark_group("enter_leave");
    group.bench_function("bound", |b| b.iter(|| bound.callback(M::id)));
    group.bench_function("bound/limit", |b| b.iter(|| limited.callback(M::id)));
    group.bench_function("unbound", |b| b.iter(|| unbound.callback(M::id)));
    group.bench_function("unbound/one-at-a-time", |b| b.iter(|| one_at_a_time.callback(M::id)));
    group.bench_function("unbound/waiter-counting", |b| b.iter(|| counting.callback(M::id)));
    {
        let _outer = bound.enter();
        group.bench_function("nested", |b| b.iter(|| bound.callback(M::id)));
    }
    group.finish();
    ratios(bound, unbound, counting);
}

/// Pairs measured in turn, so that a drift of the machine hits both.
fn ratios(
    bound: &'static Pool<Nothing>,
    unbound: &'static Pool<Nothing>,
    counting: &'static WaiterCounting<Nothing, Native>,
) {
    let pairs: [(Work, Work); 3] = [
        (
            ("bound enter + leave", Box::new(move || _ = black_box(bound.callback(M::id)))),
            ("bare ELF TLS read", Box::new(|| _ = black_box(WORD.with(Cell::get)))),
        ),
        (
            ("bound enter + leave", Box::new(move || _ = black_box(bound.callback(M::id)))),
            ("bare POSIX key read", Box::new(key_read())),
        ),
        (
            ("unbound enter + leave", Box::new(move || _ = black_box(unbound.callback(M::id)))),
            ("waiter-counting take + give", Box::new(move || _ = black_box(counting.callback(M::id)))),
        ),
    ];
    println!("\nratios of medians, measured in turn:");
    for ((a, mut run_a), (b, mut run_b)) in pairs {
        let (mut times_a, mut times_b) = (Vec::new(), Vec::new());
        for _ in 0..51 {
            times_a.push(nanoseconds(&mut run_a));
            times_b.push(nanoseconds(&mut run_b));
        }
        let (time_a, time_b) = (median(times_a), median(times_b));
        println!("{a} {time_a:.2} ns / {b} {time_b:.2} ns = {:.2}", time_a / time_b);
    }
}

fn nanoseconds(work: &mut impl FnMut()) -> f64 {
    const TURNS: u32 = 20_000;
    let begin = Instant::now();
    for _ in 0..TURNS {
        work();
    }
    begin.elapsed().as_nanos() as f64 / f64::from(TURNS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    enter_leave(&mut criterion);
    criterion.final_summary();
}
