//! What the machine does when something happens.

use super::*;

impl Machine {
    pub(super) fn new(costs: &Costs, cores: u32, seed: u64, hold_up: u32) -> Self {
        Machine {
            now: 0,
            agenda: Agenda::default(),
            rng: fastrand::Rng::with_seed(seed),
            hold_up,
            most_steps: u64::MAX,
            costs: Rc::new(costs.clone()),
            cores: (0..cores).map(|_| Core::default()).collect(),
            idle: Idle::all(cores),
            ready: 0,
            threads: Vec::new(),
            running: None,
            lines: Lines::default(),
            waiting: ByAddress::default(),
            failure: None,
            openings: Openings::default(),
            figures: Figures::default(),
            yard: Yard::default(),
        }
    }

    fn put(&mut self, at: Ps, event: Event) {
        let lot = self.rng.u32(..);
        self.agenda.put(at, lot, event);
    }

    /// A cost as it is this time.
    pub(crate) fn vary(&mut self, cost: Ps) -> Ps {
        let spread = cost / 100 * Ps::from(self.costs.spread);
        if spread == 0 { cost } else { cost - spread + self.rng.u64(0..=2 * spread) }
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.rng.u64(0..below)
    }

    pub(crate) fn thread(&mut self) -> &mut Thread {
        let running = self.running.expect("a simulated thread asks");
        &mut self.threads[running as usize]
    }

    pub(crate) fn current_core(&mut self) -> u32 {
        self.thread().core
    }

    pub(crate) fn is_over(&self, thread: Tid) -> bool {
        self.threads[thread as usize].ended
    }

    /// A new thread, ready to run. The first core is as good as any other: idle ones take from it.
    pub(crate) fn begin(&mut self, f: impl FnOnce() + 'static) -> Result<Tid, Failure> {
        let stack = self.yard.take().map_err(|error| Failure::Refused(format!("no stack: {error}")))?;
        let tid = self.threads.len() as Tid;
        let routine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), Ask>, ()| {
            with(|m| m.thread().yielder = yielder);
            let result = catch_unwind(AssertUnwindSafe(|| {
                f();
                thread::end();
            }));
            if let Err(payload) = result {
                with(|m| m.failure = Some(Failure::Panic(payload)));
            }
        });
        let core = self.running.map_or(0, |running| self.threads[running as usize].core);
        self.threads.push(Thread {
            routine: Some(routine),
            yielder: std::ptr::null(),
            core,
            share: 0,
            left: 0,
            since: 0,
            away: true,
            epoch: 0,
            waits_on: None,
            ended: false,
            joiner: None,
            values: Vec::new(),
            exiting: false,
            made: 0,
        });
        self.figures.threads += 1;
        self.come_back(tid);
        Ok(tid)
    }

    pub(super) fn deadlock(&self) -> Failure {
        let waiting = (0..).zip(&self.threads).filter(|(_, thread)| !thread.ended).map(|(tid, _)| tid);
        Failure::Deadlock { waiting: waiting.collect(), at: self.now }
    }

    /// Who goes on by that.
    pub(super) fn happen(&mut self, event: Event) -> Option<Tid> {
        match event {
            Event::Go { core, epoch } => self.go(core, epoch),
            Event::Quantum { core, epoch } => {
                let of = &mut self.cores[core as usize];
                if of.run == epoch {
                    of.quantum = false;
                    self.make_room(core);
                }
                None
            }
            Event::Time { thread, epoch } => {
                let of = &mut self.threads[thread as usize];
                if of.away && of.epoch == epoch {
                    if let Some(address) = of.waits_on.take() {
                        self.forget(address, thread);
                    }
                    let core = self.threads[thread as usize].core;
                    let interrupt = self.vary(self.costs.interrupt);
                    self.cores[core as usize].stolen += interrupt;
                    self.come_back(thread);
                }
                None
            }
            Event::Awake { core } => {
                debug_assert!(self.cores[core as usize].idle(), "a core is woken that is not idle");
                self.cores[core as usize].waking = false;
                self.dispatch(core);
                None
            }
        }
    }

    fn forget(&mut self, address: usize, thread: Tid) {
        if let Some(queue) = self.waiting.get_mut(&address) {
            queue.retain(|&other| other != thread);
            if queue.is_empty() {
                self.waiting.remove(&address);
            }
        }
    }

    fn go(&mut self, core: u32, epoch: u32) -> Option<Tid> {
        let of = &mut self.cores[core as usize];
        if of.epoch != epoch {
            return None;
        }
        let tid = of.current.expect("who goes on is current");
        let stolen = std::mem::take(&mut of.stolen);
        if stolen > 0 {
            self.put(self.now + stolen, Event::Go { core, epoch });
            return None;
        }
        self.threads[tid as usize].left = 0;
        if self.cores[core as usize].resched && self.cores[core as usize].waiting() > 0 {
            self.preempt(core);
            return None;
        }
        Some(tid)
    }

    /// Gives the core to the next that is ready, or to nobody.
    fn dispatch(&mut self, core: u32) {
        let next = self.cores[core as usize].take().or_else(|| self.steal(core));
        let of = &mut self.cores[core as usize];
        of.epoch = of.epoch.wrapping_add(1);
        of.run = of.run.wrapping_add(1);
        (of.resched, of.quantum) = (false, false);
        let Some((share, tid)) = next else {
            of.current = None;
            of.stolen = 0;
            self.idle.set(core, true);
            return;
        };
        self.ready -= 1;
        self.idle.set(core, false);
        let of = &mut self.cores[core as usize];
        let same = of.last == Some(tid);
        of.current = Some(tid);
        of.last = Some(tid);
        let epoch = of.epoch;
        let switch = if same { 0 } else { self.vary(self.costs.switch) };
        let begin = self.now + switch;
        self.cores[core as usize].since = self.now;
        let thread = &mut self.threads[tid as usize];
        (thread.core, thread.share, thread.since) = (core, share, begin);
        let left = thread.left;
        self.put(begin + left, Event::Go { core, epoch });
        self.bound_quantum(core);
    }

    /// Sees to it that the current thread makes room in time.
    fn bound_quantum(&mut self, core: u32) {
        let of = &mut self.cores[core as usize];
        if of.current.is_some() && of.waiting() > 0 && !of.quantum {
            of.quantum = true;
            let (epoch, end) = (of.run, of.since + self.costs.quantum);
            self.put(end.max(self.now), Event::Quantum { core, epoch });
        }
    }

    /// From the core with the most to do.
    fn steal(&mut self, core: u32) -> Option<(Ps, Tid)> {
        if self.ready == 0 {
            return None;
        }
        // Of equals the one that comes first behind this one, so that not all go to the same.
        let count = self.cores.len() as u32;
        let behind = |other: &u32| std::cmp::Reverse((other + count - core) % count);
        let busiest =
            (0..count).max_by_key(|other| (self.cores[*other as usize].waiting(), behind(other)))?;
        let (share, tid) = self.cores[busiest as usize].take_last()?;
        let here = self.cores[core as usize].least();
        let there = self.cores[busiest as usize].least();
        Some((here + share.saturating_sub(there), tid))
    }

    /// The current thread is preempted, at once if it computes, else after its step.
    fn make_room(&mut self, core: u32) {
        let of = &mut self.cores[core as usize];
        let Some(tid) = of.current else { return };
        if of.waiting() == 0 {
            return;
        }
        let thread = &self.threads[tid as usize];
        if thread.left > 0 {
            self.preempt(core);
        } else {
            of.resched = true;
        }
    }

    fn preempt(&mut self, core: u32) {
        let tid = self.cores[core as usize].current.expect("somebody is preempted");
        let thread = &mut self.threads[tid as usize];
        if thread.left > 0 {
            thread.left = thread.left.saturating_sub(self.now.saturating_sub(thread.since)).max(1);
        }
        self.figures.preempted += 1;
        self.step_down(core);
        let share = self.threads[tid as usize].share;
        self.make_ready(core, share, tid);
        self.dispatch(core);
    }

    /// The current thread leaves its core: what it has had is counted.
    fn step_down(&mut self, core: u32) -> Tid {
        let of = &mut self.cores[core as usize];
        let tid = of.current.take().expect("somebody leaves");
        let ran = self.now - of.since;
        self.threads[tid as usize].share += ran;
        self.figures.switches += 1;
        tid
    }

    fn make_ready(&mut self, core: u32, share: Ps, tid: Tid) {
        self.cores[core as usize].put(share, tid);
        self.ready += 1;
    }

    /// A thread that was away is ready: on its own core if that is idle, else on an idle one, else on its
    /// own, in the queue.
    pub(crate) fn come_back(&mut self, tid: Tid) {
        let thread = &mut self.threads[tid as usize];
        thread.away = false;
        thread.epoch = thread.epoch.wrapping_add(1);
        let (share, last) = (thread.share, thread.core);
        let least_there = self.cores[last as usize].least();
        let core = self.idle.nearest(last).unwrap_or(last);
        let of = &self.cores[core as usize];
        let share = if core == last { share } else { of.least() + share.saturating_sub(least_there) };
        let share = of.share_of_newcomer(share);
        let (idle, waking) = (of.idle(), of.waking);
        self.make_ready(core, share, tid);
        if idle {
            if !waking {
                self.cores[core as usize].waking = true;
                self.idle.set(core, false);
                let latency = self.vary(self.costs.idle_exit);
                self.put(self.now + latency, Event::Awake { core });
            }
            return;
        }
        let of = &self.cores[core as usize];
        let current = of.current.expect("it is not idle");
        let had = self.threads[current as usize].share + (self.now - of.since);
        if self.costs.wake_lead != Ps::MAX && had > share + self.costs.wake_lead {
            self.make_room(core);
        }
        self.bound_quantum(core);
    }

    /// What a thread that has stopped asked for.
    pub(super) fn answer(&mut self, tid: Tid, ask: Ask) {
        let core = self.threads[tid as usize].core;
        let epoch = self.cores[core as usize].epoch;
        match ask {
            Ask::Until(at) => self.put(at, Event::Go { core, epoch }),
            Ask::Compute(time) => {
                let thread = &mut self.threads[tid as usize];
                (thread.left, thread.since) = (time, self.now);
                self.put(self.now + time, Event::Go { core, epoch });
            }
            Ask::Away(until) => {
                let thread = &mut self.threads[tid as usize];
                thread.away = true;
                let its = thread.epoch;
                if let Some(until) = until {
                    self.put(until.max(self.now), Event::Time { thread: tid, epoch: its });
                }
                self.step_down(core);
                self.dispatch(core);
            }
            Ask::Yield => {
                let of = &self.cores[core as usize];
                match of.most() {
                    None => self.put(self.now, Event::Go { core, epoch }),
                    Some(most) => {
                        self.step_down(core);
                        let share = self.threads[tid as usize].share.max(most);
                        self.make_ready(core, share, tid);
                        self.dispatch(core);
                    }
                }
            }
        }
    }

    pub(super) fn end(&mut self, tid: Tid) {
        let thread = &mut self.threads[tid as usize];
        thread.ended = true;
        thread.values = Vec::new();
        let (core, joiner) = (thread.core, thread.joiner.take());
        // While the core is not free yet: it is not woken for what it takes anyway.
        if let Some(joiner) = joiner {
            self.come_back(joiner);
        }
        self.step_down(core);
        // It does not give its core up: it is gone (and no system counts that).
        self.figures.switches -= 1;
        self.dispatch(core);
    }
}
