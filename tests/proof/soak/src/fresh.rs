//! Very many threads over time, a few at once: Ms are as many as at the busiest moment.

use crate::figures::Figures;
use crate::ground::{Ground, alone};
use crate::plan::Act;
use extram::Pool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// How many threads are alive at once.
const AT_ONCE: u32 = 8;

/// Makes `threads` threads, eight at once, each of which enters once and exits.
///
/// # Errors
///
/// More Ms than at the busiest moment, or something does not add up.
pub fn fresh_threads(threads: u64) -> Result<Figures, String> {
    let pool: &'static Pool<Ground> = extram_kept::keep(Pool::new(Ground::default()));
    pool.start().map_err(|error| error.to_string())?;
    let made = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    while made.fetch_add(1, SeqCst) < threads {
                        let thread = std::thread::Builder::new().stack_size(64 << 10);
                        let body = || pool.callback(|m| alone(pool.runtime(), m, || ())).map(|_| ());
                        // Joined before the next one is made.
                        thread.spawn(body).unwrap().join().unwrap().unwrap();
                        crate::act::PROGRESS.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        makers.into_iter().for_each(|maker| maker.join().unwrap());
    });
    let created = pool.stats().created;
    // One spare at least, always.
    if created > AT_ONCE + 1 {
        return Err(format!("{created} Ms for {AT_ONCE} threads at once"));
    }
    let act = Act { threads: Vec::new(), limit: None, ..Act::new(0, 0, false) };
    let figures = Figures { entries: threads, threads, ..Figures::default() };
    let figures = crate::act::settle(pool, &act, figures)?;
    println!("{threads} fresh threads, {AT_ONCE} at once: {created} Ms");
    Ok(figures)
}
