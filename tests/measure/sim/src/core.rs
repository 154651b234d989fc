//! Simulated cores: who runs, who is ready, who is next.
//!
//! Each core has a queue of its own, in the order of [`Scheduler`]: that of Linux
//! (in `core/fair.rs`), or turns.

pub(crate) mod fair;

use crate::Ps;
use crate::costs::Scheduler;
use crate::machine::Tid;
use fair::Fair;
use std::collections::{BTreeMap, BTreeSet};

/// One core.
pub(crate) struct Core {
    /// Who has it.
    pub(crate) current: Option<Tid>,
    /// Who had it last: going on with that one is no switch.
    pub(crate) last: Option<Tid>,
    /// It was idle and is about to be awake.
    pub(crate) waking: bool,
    /// Advanced whenever what was put on the agenda for this core is void.
    pub(crate) epoch: u32,
    /// Advanced with each thread that the core is given to.
    pub(crate) run: u32,
    pub(crate) queue: Queue,
    /// Since when the current thread has run without that having been counted.
    pub(crate) since: Ps,
    /// The current thread is to make room when it can.
    pub(crate) resched: bool,
    /// The end of the quantum, or the next tick, is on the agenda.
    pub(crate) bounded: bool,
    /// An interrupt wakes one after the other.
    pub(crate) in_interrupt: bool,
    /// What interrupts took from the current thread.
    pub(crate) stolen: Ps,
    /// Sleepers' timers, by their last time: their first.
    pub(crate) timers: BTreeMap<(Ps, Tid), Ps>,
}

/// Those that are ready.
pub(crate) enum Queue {
    Turns(Turns),
    Fair(Fair),
}

impl Core {
    /// One of so many.
    pub(crate) fn new(scheduler: Scheduler, cores: u32) -> Self {
        let queue = match scheduler {
            Scheduler::Turns { .. } => Queue::Turns(Turns::default()),
            Scheduler::Eevdf { base_slice, tick, .. } => Queue::Fair(Fair::new(base_slice, tick, cores)),
        };
        Core {
            current: None,
            last: None,
            waking: false,
            epoch: 0,
            run: 0,
            queue,
            since: 0,
            resched: false,
            bounded: false,
            in_interrupt: false,
            stolen: 0,
            timers: BTreeMap::new(),
        }
    }

    pub(crate) fn idle(&self) -> bool {
        self.current.is_none()
    }

    pub(crate) fn waiting(&self) -> usize {
        match &self.queue {
            Queue::Turns(turns) => turns.ready.len(),
            Queue::Fair(fair) => fair.waiting(),
        }
    }
}

/// A queue by the processor time that a thread has had (its *share*), for turns of a quantum: FreeBSD's, for
/// threads of one class. A thread that was asleep comes in with its old share, or with the least of those
/// that wait if that is more, so that nobody saves up.
#[derive(Default)]
pub(crate) struct Turns {
    /// By share, then by turn.
    ready: BTreeSet<(Ps, u64, Tid)>,
    turn: u64,
    /// No thread that comes in has less.
    least: Ps,
}

impl Turns {
    /// The share with which a thread that was away comes in.
    pub(crate) fn share_of_newcomer(&self, share: Ps) -> Ps {
        share.max(self.least)
    }

    pub(crate) fn put(&mut self, share: Ps, thread: Tid) {
        self.turn += 1;
        self.ready.insert((share, self.turn, thread));
    }

    /// The ready thread with the least share, and that.
    pub(crate) fn take(&mut self) -> Option<(Ps, Tid)> {
        let (share, _, thread) = self.ready.pop_first()?;
        self.least = self.least.max(share);
        Some((share, thread))
    }

    /// The one that would wait longest, for another core.
    pub(crate) fn take_last(&mut self) -> Option<(Ps, Tid)> {
        self.ready.pop_last().map(|(share, _, thread)| (share, thread))
    }

    /// The most that a ready thread has had.
    pub(crate) fn most(&self) -> Option<Ps> {
        self.ready.last().map(|&(share, ..)| share)
    }

    pub(crate) fn least(&self) -> Ps {
        self.least
    }
}

/// The cores that have nothing to do.
pub(crate) struct Idle(Vec<u64>);

impl Idle {
    pub(crate) fn all(cores: u32) -> Self {
        let mut idle = Idle(vec![0; cores.div_ceil(64) as usize]);
        (0..cores).for_each(|core| idle.set(core, true));
        idle
    }

    pub(crate) fn set(&mut self, core: u32, idle: bool) {
        let bit = 1 << (core % 64);
        let word = &mut self.0[core as usize / 64];
        *word = if idle { *word | bit } else { *word & !bit };
    }

    /// That core if it is idle, else the next one that is.
    pub(crate) fn nearest(&self, core: u32) -> Option<u32> {
        let (first, words) = (core as usize / 64, self.0.len());
        for step in 0..=words {
            let index = (first + step) % words;
            let mut word = self.0[index];
            if step == 0 {
                word &= !0 << (core % 64);
            } else if step == words {
                word &= !(!0 << (core % 64));
            }
            if word != 0 {
                return Some(index as u32 * 64 + word.trailing_zeros());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_had_least_is_next_and_equals_take_turns() {
        let mut core = Turns::default();
        for (share, thread) in [(7, 1), (5, 2), (5, 3), (9, 4)] {
            core.put(share, thread);
        }
        assert_eq!(core.take_last(), Some((9, 4)));
        let order: Vec<Tid> = std::iter::from_fn(|| core.take()).map(|(_, thread)| thread).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(core.share_of_newcomer(3), 7, "nobody saves up");
        assert_eq!(core.share_of_newcomer(8), 8);
    }

    #[test]
    fn the_nearest_idle_core_is_found_in_every_word() {
        let mut idle = Idle::all(130);
        assert_eq!(idle.nearest(129), Some(129));
        for core in 0..130 {
            idle.set(core, core == 5 || core == 70);
        }
        assert_eq!(idle.nearest(5), Some(5));
        assert_eq!(idle.nearest(6), Some(70));
        assert_eq!(idle.nearest(71), Some(5));
        assert_eq!(idle.nearest(129), Some(5));
        idle.set(5, false);
        idle.set(70, false);
        assert_eq!(idle.nearest(0), None);
    }
}
