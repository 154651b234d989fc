//! The simulation's prediction beside what the program `herd` measures on this machine.

use crate::costs::US;
use crate::pools::Algorithm;
use crate::report::{count, plain, time};
use crate::work::{Work, cell, run};
use crate::{Costs, Failure};
use serde::Deserialize;

/// What is measured: a row of `cargo xtask herd --json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    algorithm: String,
    wall_us_median: f64,
    context_switches_median: Option<f64>,
    ms_made_median: Option<f64>,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Herd {
    /// How many threads.
    pub threads: u32,
    /// What making an M costs in µs.
    pub cost_us: u32,
    /// Callbacks return at once.
    pub short: bool,
}

/// A measurement of `cargo xtask herd` on two cores (Linux 6.18, AMD EPYC) that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// What was measured.
    pub herd: Herd,
    /// When, and beside whom.
    pub when: &'static str,
    /// What the program printed.
    pub measured: &'static str,
    /// The costs of such a machine.
    pub costs: &'static Costs,
}

const ALL_INSIDE_1024: Herd = Herd { threads: 1024, cost_us: 20, short: false };
const ALL_INSIDE_1000: Herd = Herd { threads: 1000, cost_us: 20, short: false };
const ALL_INSIDE_100: Herd = Herd { threads: 100, cost_us: 200, short: false };
const SHORT_100: Herd = Herd { threads: 100, cost_us: 200, short: true };

/// Medians of a run of `cargo xtask bench` while nobody else used the machine; of the herd of 100 with all
/// inside, that of six runs of `cargo xtask herd` whose floor was lowest.
const fn alone(herd: Herd, measured: &'static str) -> Published {
    Published { herd, when: "alone", measured, costs: &Costs::LINUX }
}

/// As published with the project's first edition and, for the walls of `mutex` and `extram` with 1000 threads,
/// with its second. That the machine did other work then, too, is what the figures of those that poll say.
const fn beside_others(herd: Herd, measured: &'static str) -> Published {
    Published { herd, when: "the first edition's, beside others", measured, costs: &Costs::NEIGHBOUR }
}

/// All there is.
pub const PUBLISHED: [Published; 6] = [
    alone(ALL_INSIDE_1024, include_str!("../published/alone/all-inside-1024-20.json")),
    alone(ALL_INSIDE_100, include_str!("../published/alone/all-inside-100-200.json")),
    alone(SHORT_100, include_str!("../published/alone/short-100-200.json")),
    beside_others(ALL_INSIDE_1000, include_str!("../published/beside-others/all-inside-1000-20.json")),
    beside_others(ALL_INSIDE_100, include_str!("../published/beside-others/all-inside-100-200.json")),
    beside_others(SHORT_100, include_str!("../published/beside-others/short-100-200.json")),
];

/// As good as it has to be, in percent.
pub const WITHIN: f64 = 25.0;

/// Medians of so many seeds.
const SEEDS: u64 = 9;

/// Predictions of wall (µs), switches and Ms.
fn predict(herd: Herd, algorithm: Algorithm, cores: u32, costs: &Costs) -> Result<[f64; 3], Failure> {
    let work = if herd.short { Work::Short } else { Work::AllInside };
    let mut figures: [Vec<f64>; 3] = Default::default();
    for seed in 1..=SEEDS {
        let mut cell = cell(work, algorithm, cores, herd.threads);
        (cell.make, cell.seed) = (u64::from(herd.cost_us) * US, seed);
        let row = run(&cell, costs)?;
        figures[0].push(row.wall_us);
        figures[1].push(row.context_switches as f64);
        figures[2].push(row.ms_made.unwrap_or(0) as f64);
    }
    Ok(figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }))
}

/// The table, and how many of its figures are within 25 %, of how many.
///
/// # Errors
///
/// Those of [`run`], or text that is not `herd`'s.
pub fn table(
    measured: &str,
    herd: Herd,
    cores: u32,
    costs: &Costs,
) -> Result<(String, usize, usize), Box<dyn std::error::Error>> {
    let measured: Vec<Measured> = serde_json::from_str(measured)?;
    let (mut rows, mut good, mut all) = (Vec::new(), 0, 0);
    for row in &measured {
        let Some(algorithm) = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == row.algorithm)
        else {
            continue;
        };
        let [wall, switches, ms] = predict(herd, algorithm, cores, costs)?;
        let figures = [
            ("Ms made", row.ms_made_median, ms, false),
            ("context switches", row.context_switches_median, switches, false),
            ("wall", Some(row.wall_us_median), wall, true),
        ];
        for (what, measured, predicted, is_time) in figures {
            let Some(measured) = measured else { continue };
            let off = (predicted / measured - 1.0) * 100.0;
            let show = |value: f64| if is_time { time(value) } else { count(value as u64) };
            let within = off.abs() <= WITHIN;
            (good, all) = (good + usize::from(within), all + 1);
            rows.push(vec![
                row.algorithm.clone(),
                what.into(),
                show(measured),
                show(predicted),
                format!("{off:+.0} %"),
                if within { "yes" } else { "no" }.into(),
            ]);
        }
    }
    let header = ["algorithm", "", "measured", "simulated", "off by", "within 25 %"];
    Ok((plain(&header, rows), good, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_can_be_read() {
        for published in PUBLISHED {
            let rows: Vec<Measured> = serde_json::from_str(published.measured).unwrap();
            assert!(rows.len() >= 4 && rows.iter().all(|row| row.wall_us_median > 0.0), "{published:?}");
        }
        assert!(table("{}", PUBLISHED[0].herd, 2, &Costs::LINUX).is_err());
    }
}
