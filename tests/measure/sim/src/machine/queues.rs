//! What the machine does with the queues of its cores, which differ by the scheduler.

use super::*;
use crate::core::Queue;
use crate::costs::Scheduler;

/// Why a thread leaves its core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Sleeps,
    Ends,
    MakesRoom,
    Yields,
}

impl Machine {
    /// Counts what the current thread of the core has had, for Linux's scheduler; whether it should make room.
    pub(super) fn charge(&mut self, core: u32) -> bool {
        let of = &mut self.cores[core as usize];
        let Queue::Fair(fair) = &mut of.queue else { return false };
        // What an interrupt takes is the current thread's (no CONFIG_IRQ_TIME_ACCOUNTING), and it counts as it
        // goes on.
        let now = if of.in_interrupt { self.now + of.stolen } else { self.now };
        let time = now.saturating_sub(of.since);
        of.since += time;
        of.current.is_some() && fair.charge(time)
    }

    /// Whether the current thread of the core is the one to run, of all that are ready there.
    pub(super) fn stays(&mut self, core: u32) -> bool {
        self.charge(core);
        let current = self.cores[core as usize].current;
        self.pick(core) == current && current.is_some()
    }

    /// Who should have the core by Linux's scheduler. Those that are asleep, and picked, are gone after that.
    fn pick(&mut self, core: u32) -> Option<Tid> {
        let Queue::Fair(fair) = &mut self.cores[core as usize].queue else { return None };
        loop {
            let tid = fair.pick()?;
            let entity = &mut self.threads[tid as usize].entity;
            if !entity.delayed {
                return Some(tid);
            }
            fair.let_go(entity);
        }
    }

    /// Takes the next for a core that has nobody.
    pub(super) fn next(&mut self, core: u32) -> Option<Tid> {
        if let Queue::Turns(turns) = &mut self.cores[core as usize].queue {
            let (share, tid) = turns.take().or_else(|| self.steal_turn(core))?;
            self.threads[tid as usize].share = share;
            return Some(tid);
        }
        let tid = self.pick(core).or_else(|| self.steal(core))?;
        if let Queue::Fair(fair) = &mut self.cores[core as usize].queue {
            fair.run(tid, &self.threads[tid as usize].entity);
        }
        Some(tid)
    }

    /// The core with the most to do.
    fn busiest(&self, core: u32) -> Option<u32> {
        if self.ready == 0 {
            return None;
        }
        // Of equals the one that comes first behind this one, so that not all go to the same.
        let count = self.cores.len() as u32;
        let behind = |other: &u32| std::cmp::Reverse((other + count - core) % count);
        (0..count).max_by_key(|other| (self.cores[*other as usize].waiting(), behind(other)))
    }

    fn steal_turn(&mut self, core: u32) -> Option<(Ps, Tid)> {
        let busiest = self.busiest(core)?;
        let Queue::Turns(turns) = &mut self.cores[busiest as usize].queue else { return None };
        let (share, tid) = turns.take_last()?;
        let there = turns.least();
        let Queue::Turns(turns) = &self.cores[core as usize].queue else { return None };
        Some((turns.least() + share.saturating_sub(there), tid))
    }

    /// Moves a thread from the core with the most to do to this one (`sched_balance_newidle`).
    fn steal(&mut self, core: u32) -> Option<Tid> {
        let busiest = self.busiest(core)?;
        self.charge(busiest);
        let Queue::Fair(fair) = &mut self.cores[busiest as usize].queue else { return None };
        let tid = fair.oldest()?;
        let entity = &mut self.threads[tid as usize].entity;
        fair.migrate(entity);
        let Queue::Fair(fair) = &mut self.cores[core as usize].queue else { return None };
        fair.come(tid, entity);
        Some(tid)
    }

    /// Sees to it that the current thread makes room in time.
    pub(super) fn bound(&mut self, core: u32) {
        let of = &mut self.cores[core as usize];
        if of.current.is_none() || of.waiting() == 0 || of.bounded {
            return;
        }
        of.bounded = true;
        match self.costs.scheduler {
            Scheduler::Turns { quantum } => {
                let (epoch, end) = (of.run, of.since + quantum);
                self.put(end.max(self.now), Event::Quantum { core, epoch });
            }
            Scheduler::Eevdf { tick, .. } => {
                self.put((self.now + 1).next_multiple_of(tick), Event::Tick { core });
            }
        }
    }

    /// The current thread leaves its core: what it has had is counted.
    pub(super) fn step_down(&mut self, core: u32, why: Leaving) {
        self.charge(core);
        let of = &mut self.cores[core as usize];
        let tid = of.current.take().expect("somebody leaves");
        self.figures.switches += 1;
        let is_ready = matches!(why, Leaving::MakesRoom | Leaving::Yields);
        self.ready += usize::from(is_ready);
        let thread = &mut self.threads[tid as usize];
        match &mut of.queue {
            Queue::Turns(turns) => {
                // The end of its quantum is void.
                of.bounded = false;
                thread.share += self.now - of.since;
                if why == Leaving::Yields {
                    thread.share = thread.share.max(turns.most().unwrap_or(0));
                }
                if is_ready {
                    turns.put(thread.share, tid);
                }
            }
            Queue::Fair(fair) if is_ready => thread.entity = fair.put_back(),
            Queue::Fair(fair) => thread.entity = fair.leave(why == Leaving::Ends),
        }
    }

    /// Whether the current thread, which yields, leaves its core.
    pub(super) fn gives_way(&mut self, core: u32) -> bool {
        self.charge(core);
        match &mut self.cores[core as usize].queue {
            Queue::Turns(turns) => turns.most().is_some(),
            Queue::Fair(fair) => fair.give_way() && !self.stays(core),
        }
    }

    /// A thread that comes back is put on the queue of a core; whether the current one there should make room.
    pub(super) fn line_up_for(&mut self, core: u32, tid: Tid) -> bool {
        self.ready += 1;
        let used_up = self.charge(core);
        let last = self.threads[tid as usize].core;
        if let Queue::Turns(turns) = &self.cores[last as usize].queue {
            let least_there = turns.least();
            let thread = &mut self.threads[tid as usize];
            let Queue::Turns(turns) = &mut self.cores[core as usize].queue else { return false };
            let moved = turns.least() + thread.share.saturating_sub(least_there);
            let share = turns.share_of_newcomer(if core == last { thread.share } else { moved });
            turns.put(share, tid);
            return false;
        }
        let neighbour = matches!(self.costs.scheduler, Scheduler::Eevdf { neighbour: true, .. });
        let of = &mut self.cores[core as usize];
        let Queue::Fair(fair) = &mut of.queue else { return false };
        let entity = &mut self.threads[tid as usize].entity;
        let is_new_there = !entity.delayed;
        if is_new_there {
            fair.come(tid, entity);
        } else {
            fair.requeue(tid, entity);
        }
        // `enqueue_task_fair` gives the group of the thread another weight (`reweight_entity`), and finds that
        // the group has had what it was promised, which is not renewed while its threads follow each other.
        let group = neighbour && is_new_there;
        // `check_preempt_wakeup_fair`
        of.current.is_some() && (used_up || group || fair.pick() == Some(tid))
    }
}
