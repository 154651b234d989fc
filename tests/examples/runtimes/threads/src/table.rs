//! The figures, for people.

use crate::{Load, Way, processors};

/// Runs each load in each way and prints a table of it; `false` if something was wrong.
pub fn print(title: &str, loads: &[Load], ways: &[Way]) -> bool {
    println!("{title}, {} processors, one run\n", processors());
    println!("| load | way | ms | beside the first | processor ms | contexts made | at once |");
    println!("|---|---|---|---|---|---|---|");
    let mut good = true;
    for load in loads {
        let mut first = None;
        for way in ways {
            match way.figures(load) {
                Ok(figures) => {
                    let ms = figures.outcome.wall.as_secs_f64() * 1e3;
                    let ratio = ms / *first.get_or_insert(ms);
                    let Load { name, threads, at_once, calls, .. } = load;
                    let (made, most) = (figures.census.made(), figures.census.most());
                    let load = format!("{name}: {threads} threads x {calls} calls, {at_once} at a time");
                    let cpu = figures.outcome.cpu_ms;
                    println!("| {load} | {} | {ms:.0} | {ratio:.2} | {cpu:.0} | {made} | {most} |", way.name);
                }
                Err(wrong) => {
                    println!("WRONG: {wrong}");
                    good = false;
                }
            }
        }
    }
    good
}
