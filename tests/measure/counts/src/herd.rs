//! A herd whose figures are the same in every run: all threads but one wait before the first M is made,
//! and all are inside before one leaves.

use crate::port::{Asked, Counted};
use extram::{Event, Pool, Runtime};
use extram_herd::{Crew, Meeting};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Threads of the herd.
pub(crate) const THREADS: u32 = 64;
const STACK: usize = 64 << 10;
/// When it is taken for hung.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static MADE: Cell<u64> = const { Cell::new(0) };
}

/// A runtime that makes no M, after the first, before it is let.
struct Held {
    let_go: AtomicBool,
    /// The most that one callback had to make.
    most: AtomicU64,
    /// Callbacks by how many they made: none, one, two.
    by_count: [AtomicU64; 3],
}

impl Runtime for Held {
    type Context = ();
    type Error = &'static str;

    fn new_context(&self) -> Result<(), &'static str> {
        let begun = Instant::now();
        // Acquire: whoever let it go has seen all threads wait.
        while !self.let_go.load(Ordering::Acquire) {
            if begun.elapsed() > PATIENCE {
                return Err("held for ever");
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn observe(&self, event: Event) {
        // Relaxed: read when the threads are gone.
        match event {
            Event::Made { .. } => MADE.set(MADE.get() + 1),
            Event::Left { .. } => {
                let made = MADE.get();
                self.most.fetch_max(made, Ordering::Relaxed);
                if let Some(count) = self.by_count.get(made as usize) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// The herd's figures by name.
pub(crate) fn figures() -> Result<BTreeMap<String, u64>, String> {
    let held = Held {
        let_go: AtomicBool::new(true),
        most: AtomicU64::new(0),
        by_count: [const { AtomicU64::new(0) }; 3],
    };
    // For ever: threads may refer to it.
    let pool: &'static Pool<Held, Counted> = Box::leak(Box::new(Pool::new(held)));
    pool.start().map_err(|error| error.to_string())?;
    pool.runtime().let_go.store(false, Ordering::Release);
    let meeting = Meeting::new();
    let failed: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let before = Asked::now();
    let crew = Crew::line_up(THREADS, STACK, move |_| {
        if pool.callback(|_| meeting.meet(THREADS)).is_err() {
            failed.store(true, Ordering::Relaxed);
            meeting.call_off();
        }
    })
    .map_err(|error| error.to_string())?;
    crew.go();
    let begun = Instant::now();
    while pool.stats().waiting < THREADS - 1 {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} of {} threads wait", pool.stats().waiting, THREADS - 1));
        }
        thread::sleep(Duration::from_millis(1));
    }
    let asked = Asked::since(before);
    // Who waits has asked to wait at least once; a thread may be about to.
    pool.runtime().let_go.store(true, Ordering::Release);
    crew.join();
    if failed.load(Ordering::Relaxed) {
        return Err("a call was refused".into());
    }
    let all = Asked::since(before);
    let runtime = pool.runtime();
    let by_count = runtime.by_count.each_ref().map(|count| count.load(Ordering::Relaxed));
    let figures = [
        ("threads", u64::from(THREADS)),
        ("ms", pool.stats().created.into()),
        ("most_made_by_one_callback", runtime.most.load(Ordering::Relaxed)),
        ("callbacks_that_made_more_than_two", u64::from(THREADS) - by_count.iter().sum::<u64>()),
        ("wakes", all.wakes),
        ("wakes_before_the_first_is_made", asked.wakes),
        ("sleeps_and_yields", all.sleeps),
        ("looks_at_the_thread_number", all.identities),
        ("exit_hooks", all.hooks),
        ("barriers", all.barriers),
        ("looks_at_the_clock", all.clocks),
    ];
    pool.close().map_err(|error| error.to_string())?;
    Ok(figures.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
