//! The figures, for people.

use crate::{Figures, Load, Way, processors};
use std::time::Duration;

/// Runs each load in each way, the ways in turn, and prints a table of the quickest of some rounds: five, or as
/// many as the first argument says. `false` if something was wrong in any.
pub fn print(title: &str, loads: &[Load], ways: &[Way]) -> bool {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    println!("{title}; {} processors, the quickest of {rounds} rounds\n", processors());
    println!("| load | way | ms | beside the first | processor ms | contexts made | at once |");
    println!("|---|---|---|---|---|---|---|");
    let mut good = true;
    for load in loads {
        let mut quickest: Vec<Option<Figures>> = ways.iter().map(|_| None).collect();
        for _ in 0..rounds {
            for (way, quickest) in ways.iter().zip(&mut quickest) {
                match way.figures(load) {
                    Ok(figures) if quickest.as_ref().is_none_or(|before| figures.wall() < before.wall()) => {
                        *quickest = Some(figures);
                    }
                    Ok(_) => {}
                    Err(wrong) => {
                        println!("WRONG: {wrong}");
                        good = false;
                    }
                }
            }
        }
        let first = quickest.first().and_then(|first| Some(first.as_ref()?.wall()));
        quickest.iter().flatten().for_each(|figures| row(figures, first));
    }
    good
}

fn row(figures: &Figures, first: Option<Duration>) {
    let Load { name, threads, at_once, calls, .. } = figures.load;
    let (ms, way) = (figures.wall().as_secs_f64() * 1e3, figures.way);
    let ratio = figures.wall().as_secs_f64() / first.unwrap_or(figures.wall()).as_secs_f64();
    let (cpu, census) = (figures.outcome.cpu_ms, &figures.census);
    let load = format!("{name}: {threads} threads x {calls} calls, {at_once} at a time");
    println!("| {load} | {way} | {ms:.0} | {ratio:.2} | {cpu:.0} | {} | {} |", census.made(), census.most());
}

impl Figures {
    fn wall(&self) -> Duration {
        self.outcome.wall
    }
}
