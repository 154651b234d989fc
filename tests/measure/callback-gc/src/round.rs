//! One round of one algorithm: N runtime threads, each with a fresh C thread, on a cold pool.

use crate::callback::{Herd, Outcome};
use crate::interpreter::Interpreters;
use crate::lane::Lane;
use crate::world::World;
use extram_contest::Algorithm;
use extram_herd::{Crew, Meeting, micros};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What is the same in every round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) threads: u32,
    pub(crate) cost: Duration,
    pub(crate) all_inside: bool,
    /// Of the C threads.
    pub(crate) stack: usize,
}

/// A round's figures and every thread's lane.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) figures: extram_herd::Round,
    pub(crate) drawn: Drawn,
    /// The number of the M that served each thread.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests look at it"))]
    pub(crate) ms: Vec<u32>,
}

/// What a picture of a round needs.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) released: Instant,
    pub(crate) wall: Duration,
    pub(crate) lanes: Vec<Lane>,
}

impl Drawn {
    /// From the release until the last thread was joined, in µs.
    pub(crate) fn span(&self) -> f64 {
        micros(self.wall)
    }

    /// Every thread's wait, in µs.
    pub(crate) fn waits(&self) -> impl Iterator<Item = f64> {
        self.lanes.iter().filter_map(Lane::wait).map(micros)
    }
}

/// Enough for a runtime thread, which only waits for its C thread.
const RUNTIME_STACK: usize = 64 << 10;

/// Plays one round.
pub(crate) fn play(plan: Plan, algorithm: Algorithm) -> Result<Played, String> {
    let named = |error: String| format!("{}: {error}", algorithm.name());
    // Leaked, as the pool is.
    let world: &'static World = Box::leak(Box::new(World::new()));
    let pool = algorithm.cold(Interpreters { world, cost: plan.cost });
    let pool = pool.map_err(|error| named(error.to_string()))?;
    let herd = Herd { pool, world, meeting: plan.all_inside.then(Meeting::new), threads: plan.threads };
    type Back = (io::Result<Outcome>, Instant);
    let backs: Arc<Vec<OnceLock<Back>>> = Arc::new((0..plan.threads).map(|_| OnceLock::new()).collect());
    let places = backs.clone();

    let played = Crew::play(plan.threads, RUNTIME_STACK, move |index| {
        let outcome = herd.call(index, plan.stack);
        // Each index has one thread.
        let _ = places[index as usize].set((outcome, Instant::now()));
    });
    let (released, switches) = played.map_err(|error| error.to_string())?;

    let backs: Vec<Back> = Arc::into_inner(backs)
        .ok_or("a thread is still about")?
        .into_iter()
        .filter_map(OnceLock::into_inner)
        .collect();
    let last = backs.iter().map(|(_, at)| *at).max().unwrap_or(released);
    let (mut lanes, mut ms) = (Vec::new(), Vec::new());
    let (mut refused, mut failed) = (None, None);
    for (outcome, _) in backs {
        match outcome {
            Err(error) => refused = Some(error),
            Ok(outcome) => {
                lanes.push(outcome.lane);
                match outcome.m {
                    Ok(m) => ms.push(m),
                    Err(error) => failed = Some(error),
                }
            }
        }
    }
    if let Some(why) = refused {
        return Err(format!(
            "the system allows no more threads: {} of {} C threads were made, and those have been joined ({why})",
            lanes.len(),
            plan.threads,
        ));
    }
    if let Some(error) = failed {
        return Err(named(error));
    }
    let made = pool.made().map(u64::from);
    pool.close().map_err(|error| named(error.to_string()))?;
    if world.overlaps() > 0 {
        return Err(named(format!("{} times an M was made during a collection", world.overlaps())));
    }
    if world.collections() != plan.threads {
        return Err(named(format!("{} collections, not one for each thread", world.collections())));
    }
    let waits = lanes.iter().filter_map(Lane::wait);
    let figures = extram_herd::Round {
        wall: last - released,
        switches,
        made,
        most_creations: lanes.iter().map(|lane| lane.made).max(),
        longest_wait: waits.max(),
    };
    Ok(Played { drawn: Drawn { released, wall: figures.wall, lanes }, figures, ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const PLAN: Plan = Plan { threads: 24, cost: Duration::ZERO, all_inside: true, stack: 256 << 10 };

    #[test]
    fn all_are_served_and_while_all_are_inside_each_has_an_m_of_its_own() {
        for algorithm in Algorithm::ALL {
            let played = play(PLAN, algorithm).unwrap();
            assert_eq!(played.drawn.lanes.len(), 24, "{}", algorithm.name());
            assert_eq!(played.ms.iter().collect::<HashSet<_>>().len(), 24, "{}", algorithm.name());
            // One for each thread and a spare one. The counting may make more: threads that were
            // served stay in the count.
            let made = played.figures.made.unwrap();
            match algorithm {
                Algorithm::WaiterCounting => assert!(made >= 25, "{made}"),
                _ => assert_eq!(made, 25, "{}", algorithm.name()),
            }
            // The first M is the pool's.
            assert_eq!(played.drawn.lanes.iter().map(|lane| lane.made).sum::<u64>(), made - 1);
            let most = played.figures.most_creations.unwrap();
            match algorithm {
                Algorithm::OneAtATime => assert_eq!(most, 1),
                Algorithm::WaiterCounting => assert!(most >= 1),
                _ => assert!((1..=2).contains(&most), "{most}"),
            }
        }
    }

    #[test]
    fn short_calls_are_all_served_by_ms_that_exist() {
        for algorithm in Algorithm::ALL {
            let played = play(Plan { all_inside: false, ..PLAN }, algorithm).unwrap();
            assert_eq!(played.ms.len(), 24, "{}", algorithm.name());
            let made = played.figures.made.unwrap();
            assert!(played.ms.iter().all(|&m| m >= 1 && u64::from(m) <= made), "{}", algorithm.name());
            // The last back is not before the longest wait was over.
            assert!(played.figures.longest_wait.unwrap() <= played.figures.wall);
        }
    }

    #[test]
    fn c_threads_that_the_system_refuses_are_counted_and_nobody_waits_for_them() {
        for all_inside in [true, false] {
            let plan = Plan { all_inside, stack: 1 << 46, threads: 3, ..PLAN };
            let error = play(plan, Algorithm::Extram).unwrap_err();
            assert!(error.contains("0 of 3 C threads were made"), "{error}");
        }
    }
}
