//! What the running thread asks of the machine without stopping.

use super::*;
use crate::costs::Scheduler;

impl Machine {
    /// When an access of the running thread is over.
    pub(crate) fn access(&mut self, address: usize, access: Access) -> Ps {
        let core = self.current_core();
        let end = self.lines.access(core, address, access, self.now, &self.costs);
        if self.hold_up > 0 && self.rng.u32(0..self.hold_up) == 0 {
            // Of any size: as long as an access, or as long as a preemption.
            let size = self.rng.u32(0..16);
            return end + (self.rng.u64(0..=crate::costs::NS * 100) << size);
        }
        end
    }

    /// Whether nothing else happens before then; if so, it is then.
    pub(crate) fn pass(&mut self, until: Ps) -> bool {
        let core = self.current_core() as usize;
        let alone = self.agenda.next().is_none_or(|next| next > until);
        let passed = alone && !self.cores[core].resched && self.cores[core].stolen == 0;
        if passed {
            self.now = until;
        }
        passed
    }

    /// The running thread begins a system call.
    pub(crate) fn enter_kernel(&mut self) {
        self.thread().in_kernel = matches!(self.costs.scheduler, Scheduler::Eevdf { .. });
    }

    /// It ends one; whether the thread is to make room now.
    pub(crate) fn leave_kernel(&mut self) -> bool {
        let core = self.current_core() as usize;
        std::mem::take(&mut self.thread().in_kernel) && self.cores[core].resched
    }

    pub(crate) fn note_sleep(&mut self) {
        self.figures.sleeps += 1;
    }

    /// The running thread waits on a word from now on.
    pub(crate) fn line_up(&mut self, address: usize) {
        let tid = self.running.expect("a simulated thread waits");
        self.thread().waits_on = Some(address);
        self.waiting.entry(address).or_default().push_back(tid);
    }

    /// The first that waits on the word, which does so no more.
    pub(crate) fn first_waiting(&mut self, address: usize) -> Option<Tid> {
        let queue = self.waiting.get_mut(&address)?;
        let tid = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&address);
        }
        self.threads[tid as usize].waits_on = None;
        self.figures.wakes += 1;
        Some(tid)
    }

    /// The running thread is to come back when `thread` has ended; `false` if it has.
    pub(crate) fn join(&mut self, thread: Tid) -> bool {
        let running = self.running;
        let of = &mut self.threads[thread as usize];
        if !of.ended {
            of.joiner = running;
        }
        !of.ended
    }
}

impl Machine {
    pub(crate) fn cores(&self) -> u32 {
        self.cores.len() as u32
    }

    /// The running thread made an M.
    pub(crate) fn note_made(&mut self) {
        self.thread().made += 1;
    }

    /// How many Ms the running thread has made since this was asked last.
    pub(crate) fn take_made(&mut self) -> u32 {
        std::mem::take(&mut self.thread().made)
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures { clock: self.now, traffic: self.lines.traffic, ..self.figures }
    }
}
