//! Whether spare Ms near the cores would pay: the throughput of unbound calls from 1 to 512 cores, for the
//! core as it is, and for models with a slot for each core and for every eight.

use crate::costs::{NS, US};
use crate::pools::Algorithm;
use crate::report::{plain, rate};
use crate::work::{Row, Work, cell, run};
use crate::{Costs, Failure, Ps};

/// What a thread does between two calls.
const PAUSES: [Ps; 4] = [0, US, 10 * US, 100 * US];

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Floor,
    Algorithm::Mutex,
    Algorithm::ExtramCall,
    Algorithm::Shards,
    Algorithm::Slots,
    Algorithm::Extram,
];

/// One thread on each core, each for `time`; a call itself does nothing for 50 ns.
///
/// # Errors
///
/// Those of [`run`].
pub fn rows(cores: &[u32], time: Ps, costs: &Costs, seed: u64) -> Result<Vec<(Ps, Row)>, Failure> {
    let mut rows = Vec::new();
    for pause in PAUSES {
        for algorithm in ALGORITHMS {
            for &cores in cores {
                let mut cell = cell(Work::Calls, algorithm, cores, cores);
                (cell.hold, cell.pause, cell.seed) = (50 * NS, pause, seed);
                // A few calls of each thread at least.
                cell.time = time.max(4 * pause);
                rows.push((pause, run(&cell, costs)?));
            }
        }
    }
    Ok(rows)
}

/// A table for each pause: algorithms over cores.
pub fn table(rows: &[(Ps, Row)], cores: &[u32]) -> String {
    let mut text = String::new();
    let mut header = vec!["calls per second".to_owned()];
    header.extend(cores.iter().map(u32::to_string));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    for pause in PAUSES {
        let of = |algorithm: Algorithm| {
            let mut row = vec![algorithm.name().to_owned()];
            let its = rows.iter().filter(|(its, row)| *its == pause && row.algorithm == algorithm.name());
            row.extend(its.map(|(_, row)| rate(row.calls_per_second)));
            row
        };
        text += &format!("{} µs between two calls of a thread\n", pause / US);
        text += &plain(&header, ALGORITHMS.map(of));
    }
    text
}
