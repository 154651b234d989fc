//! What Go commit 50048a4e gained, again: `CgoCallbackGC` (a hundred C threads, one callback each) took 74 %
//! less wall time on FreeBSD and 9 % less on Linux. The systems differ in how late a sleep is: a tick of 1 ms
//! against 50 µs.

use crate::costs::{MS, US};
use crate::pools::Algorithm;
use crate::report::{self, plain};
use crate::work::{Work, cell, run};
use crate::{Costs, Failure, Ps};

const THREADS: u32 = 100;

/// What a callback of that program does depends on the machine: it computes, or it waits (for a collection),
/// or for all others.
#[derive(Clone, Copy, Debug)]
pub enum Callback {
    /// For so much processor time.
    Computes(Ps),
    /// For so long.
    Waits(Ps),
    /// Until all are inside.
    AllInside,
}

const CALLBACKS: [Callback; 8] = [
    Callback::Computes(0),
    Callback::Computes(300 * US),
    Callback::Waits(300 * US),
    Callback::Waits(MS),
    Callback::Waits(3 * MS),
    Callback::Waits(5 * MS),
    Callback::Waits(10 * MS),
    Callback::AllInside,
];
const MAKES: [Ps; 3] = [20 * US, 40 * US, 100 * US];
/// Medians of so many seeds.
const SEEDS: u64 = 9;

/// Two systems that differ in nothing but how late a sleep is.
fn systems() -> [(&'static str, Costs); 2] {
    // In 2016 the clock of a FreeBSD, and ULE beside it.
    let freebsd = Costs { tick: MS, slack: 0, scheduler: Costs::FREEBSD.scheduler, ..Costs::SERVER };
    [("1 ms tick", freebsd), ("50 µs late", Costs::SERVER)]
}

/// The change of the commit, in percent, and the walls before and after it, in µs.
///
/// # Errors
///
/// Those of [`run`].
pub fn change(
    costs: &Costs,
    cores: u32,
    callback: Callback,
    make: Ps,
    seed: u64,
) -> Result<(f64, [f64; 2]), Failure> {
    let wall = |algorithm| -> Result<f64, Failure> {
        let mut walls = Vec::new();
        for seed in seed..seed + SEEDS {
            let mut cell = cell(Work::Short, algorithm, cores, THREADS);
            (cell.make, cell.seed) = (make, seed);
            match callback {
                Callback::Computes(time) => cell.hold = time,
                Callback::Waits(time) => cell.blocked = time,
                Callback::AllInside => cell.work = Work::AllInside,
            }
            walls.push(run(&cell, costs)?.wall_us);
        }
        walls.sort_by(f64::total_cmp);
        Ok(walls[walls.len() / 2])
    };
    let walls = [wall(Algorithm::OneAtATime)?, wall(Algorithm::WaiterCounting)?];
    Ok(((walls[1] / walls[0] - 1.0) * 100.0, walls))
}

/// The table.
///
/// # Errors
///
/// Those of [`run`].
pub fn table(cores: u32, seed: u64) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for (system, costs) in systems() {
        for make in MAKES {
            for callback in CALLBACKS {
                let (change, [before, after]) = change(&costs, cores, callback, make, seed)?;
                let us = |time| report::time((time / US) as f64);
                rows.push(vec![
                    system.into(),
                    us(make),
                    match callback {
                        Callback::Computes(time) => format!("computes {}", us(time)),
                        Callback::Waits(time) => format!("waits {}", us(time)),
                        Callback::AllInside => "all inside".into(),
                    },
                    report::time(before),
                    report::time(after),
                    format!("{change:+.0} %"),
                ]);
            }
        }
    }
    let header = ["sleeps", "making an M", "callback", "one-at-a-time", "waiter-counting", "change"];
    Ok(plain(&header, rows))
}
