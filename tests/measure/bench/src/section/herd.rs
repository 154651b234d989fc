//! Cold herds of many sizes, for every algorithm.

use crate::sample::{Samples, Turn};
use crate::waits::Waits;
use extram_herd::{Herd, Played, Subject, micros};

pub(crate) const NAME: &str = "herd";

/// A herd and how often it is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) herd: Herd,
    pub(crate) rounds: u32,
}

impl Shape {
    pub(crate) fn turns(&self) -> u64 {
        u64::from(self.rounds) * Subject::ALL.len() as u64
    }

    /// `threads=16 cost_us=20 kind=inside`
    pub(crate) fn case(&self) -> String {
        let Herd { threads, cost, all_inside } = self.herd;
        let kind = if all_inside { "inside" } else { "short" };
        format!("threads={threads} cost_us={} kind={kind}", cost.as_micros())
    }
}

pub(crate) fn run(shapes: &[Shape], samples: &mut Samples, mut step: impl FnMut(&str)) -> Result<(), String> {
    let rounds = shapes.iter().map(|shape| shape.rounds).max().unwrap_or(0);
    for round in 0..rounds {
        for shape in shapes.iter().filter(|shape| round < shape.rounds) {
            for turn in 0..Subject::ALL.len() {
                let subject = Subject::ALL[(turn + round as usize) % Subject::ALL.len()];
                let case = shape.case();
                step(&format!("herd: {case} {}", subject.name()));
                let played = shape.herd.play(subject).map_err(|error| format!("herd: {case}: {error}"))?;
                let subject = subject.name().into();
                note(&mut Turn { samples, section: NAME, case, subject, round }, &played);
            }
        }
    }
    Ok(())
}

fn note(turn: &mut Turn, played: &Played) {
    turn.add("wall_us", micros(played.round.wall));
    if let Some(switches) = played.round.switches {
        turn.add("switches", switches as f64);
    }
    let Some(made) = played.round.made else { return };
    turn.add("ms_made", made as f64);
    turn.add("most_made_by_one", played.round.most_creations.unwrap_or(0) as f64);
    let mut waits = Waits::new();
    played.waits.iter().for_each(|wait| waits.note(wait.as_nanos() as u64));
    for (metric, part) in [("wait_p10_us", 0.1), ("wait_p50_us", 0.5), ("wait_p90_us", 0.9)] {
        turn.add(metric, waits.quantile(part));
    }
    turn.add("longest_wait_us", waits.longest());
}
