//! Visits every state once, and judges them.

use crate::rules::Rules;
use crate::state::{At, Scene, State};
use crate::step::following;
use indexmap::IndexSet;
use std::fmt;

/// What a search came to.
#[derive(Debug)]
pub struct Found {
    /// How many states there are.
    pub states: usize,
    /// The most Ms at any moment, those being made included.
    pub most_ms: u8,
    /// The most creations that one callback paid for.
    pub most_made: u8,
    /// What is wrong, with the shortest way there; at the first wrong state the search ends.
    pub wrong: Option<(&'static str, Vec<State>)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states, most Ms {}, most made by one callback {}",
            self.states, self.most_ms, self.most_made
        )?;
        match &self.wrong {
            None => write!(f, ", nothing wrong"),
            Some((what, path)) => write!(f, ", after {} steps: {what}", path.len() - 1),
        }
    }
}

/// Visits all states of a scene.
///
/// Wrong is: a state that breaks one of the invariants Either, Exact, One place and Duty, the limit,
/// or "needed + 1" Ms; a state where nothing can happen any more and somebody is left waiting
/// although the limit is not reached; and a way round and round on which somebody waits and nobody
/// is ever served. Without the last, every run in which threads that can go on do go on (fairness)
/// serves a waiter after finitely many steps.
pub fn search(scene: &Scene, rules: &Rules) -> Found {
    let mut seen: IndexSet<State> = IndexSet::new();
    let mut came_from = vec![usize::MAX];
    // Steps on which somebody waits and nobody is served, for the way round.
    let mut fruitless: Vec<(u32, u32)> = Vec::new();
    let mut found = Found { states: 0, most_ms: 0, most_made: 0, wrong: None };
    seen.insert(State::start(scene));
    let mut at = 0;
    while at < seen.len() {
        let state = seen[at];
        found.most_ms = found.most_ms.max(state.live);
        found.most_made = found.most_made.max(state.threads.iter().map(|t| t.made).max().unwrap_or(0));
        let next = following(&state, scene, rules);
        let judged = state
            .safe(scene)
            .and_then(|()| state.duty(scene))
            .and_then(|()| if next.is_empty() { at_the_end(&state, scene) } else { Ok(()) });
        if let Err(what) = judged {
            found.wrong = Some((what, path(&seen, &came_from, at)));
            break;
        }
        for after in next {
            let (index, new) = seen.insert_full(after);
            if new {
                came_from.push(at);
            }
            if state.waiting > 0 && after.waiting >= state.waiting {
                fruitless.push((at as u32, index as u32));
            }
        }
        at += 1;
    }
    found.states = seen.len();
    if found.wrong.is_none()
        && let Some(round) = way_round(seen.len(), &fruitless)
    {
        found.wrong = Some(("somebody waits for ever", path(&seen, &came_from, round)));
    }
    found
}

/// Nothing can happen any more: that is right if nobody waits, or all Ms there may be are inside.
fn at_the_end(state: &State, scene: &Scene) -> Result<(), &'static str> {
    let through = state.count(|at| !matches!(at, At::Absent | At::Inside | At::Gone)) == 0;
    let held_up = state.live == scene.limit && state.spare == 0 && state.creating == 0;
    if through || held_up { Ok(()) } else { Err("somebody is left waiting") }
}

fn path(seen: &IndexSet<State>, came_from: &[usize], mut at: usize) -> Vec<State> {
    let mut path = Vec::new();
    while at != usize::MAX {
        path.push(seen[at]);
        at = came_from[at];
    }
    path.reverse();
    path
}

/// A state on a circle of such steps: what is left when steps that lead nowhere are taken away.
fn way_round(states: usize, steps: &[(u32, u32)]) -> Option<usize> {
    let mut steps = steps.to_vec();
    steps.sort_unstable();
    let mut into = vec![0_u32; states];
    for &(_, to) in &steps {
        into[to as usize] += 1;
    }
    let mut free: Vec<u32> = (0..states as u32).filter(|&state| into[state as usize] == 0).collect();
    let mut left = states;
    while let Some(state) = free.pop() {
        left -= 1;
        let first = steps.partition_point(|&(from, _)| from < state);
        for &(_, to) in steps[first..].iter().take_while(|&&(from, _)| from == state) {
            into[to as usize] -= 1;
            if into[to as usize] == 0 {
                free.push(to);
            }
        }
    }
    if left == 0 { None } else { into.iter().position(|&n| n > 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_and_a_line_is_none() {
        assert_eq!(way_round(3, &[(0, 1), (1, 2), (0, 2)]), None);
        assert_eq!(way_round(3, &[(0, 1), (1, 2), (2, 1)]), Some(1));
    }
}
