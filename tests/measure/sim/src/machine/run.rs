//! What the machine does when something happens.

use super::queues::Leaving;
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
            cores: (0..cores).map(|_| Core::new(costs.scheduler, cores)).collect(),
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

    pub(super) fn put(&mut self, at: Ps, event: Event) {
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
            turn: 0,
            share: 0,
            entity: Entity::default(),
            left: 0,
            since: 0,
            away: true,
            in_kernel: false,
            timer: None,
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
                    of.bounded = false;
                    self.make_room(core);
                }
                None
            }
            Event::Tick { core } => {
                self.cores[core as usize].bounded = false;
                if self.charge(core) {
                    self.make_room(core);
                }
                self.bound(core);
                None
            }
            Event::Time { thread, epoch } => {
                let of = &self.threads[thread as usize];
                if of.away && of.epoch == epoch {
                    self.interrupt(thread);
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

    /// The time of a thread is up, and with it that of others on its core whose first time has come.
    fn interrupt(&mut self, thread: Tid) {
        let of = &self.threads[thread as usize];
        let core = of.core;
        if of.timer.is_none() {
            self.time_is_up(core, thread);
            return;
        }
        self.cores[core as usize].in_interrupt = true;
        while let Some((&(_, tid), &earliest)) = self.cores[core as usize].timers.first_key_value()
            && earliest <= self.now
        {
            self.time_is_up(core, tid);
        }
        let of = &mut self.cores[core as usize];
        of.in_interrupt = false;
        if std::mem::take(&mut of.resched) {
            self.make_room(core);
        }
    }

    fn time_is_up(&mut self, core: u32, thread: Tid) {
        if let Some(address) = self.threads[thread as usize].waits_on.take() {
            self.forget(address, thread);
        }
        let interrupt = self.vary(self.costs.interrupt);
        self.cores[core as usize].stolen += interrupt;
        self.come_back(thread);
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
        let in_kernel = self.threads[tid as usize].in_kernel;
        let of = &mut self.cores[core as usize];
        if !in_kernel && std::mem::take(&mut of.resched) && of.waiting() > 0 && !self.stays(core) {
            self.preempt(core);
            return None;
        }
        Some(tid)
    }

    /// Gives the core to the next that is ready, or to nobody.
    fn dispatch(&mut self, core: u32) {
        let next = self.next(core);
        let of = &mut self.cores[core as usize];
        of.epoch = of.epoch.wrapping_add(1);
        of.run = of.run.wrapping_add(1);
        of.resched = false;
        of.current = next;
        let Some(tid) = next else {
            of.stolen = 0;
            self.idle.set(core, true);
            return;
        };
        self.ready -= 1;
        self.idle.set(core, false);
        let of = &mut self.cores[core as usize];
        let same = of.last == Some(tid);
        of.last = Some(tid);
        let (epoch, turn) = (of.epoch, of.run);
        let last = &self.threads[tid as usize];
        // This turn is counted there already, if the core is the same.
        let turns = self.cores[last.core as usize].run.wrapping_sub(last.turn);
        let others = turns.saturating_sub(u32::from(last.core == core)).max(1);
        let cold = self.costs.switch + self.costs.cooling * Ps::from(others.ilog2());
        let switch = if same { 0 } else { self.vary(cold) };
        let begin = self.now + switch;
        let of = &mut self.cores[core as usize];
        of.since = of.since.max(self.now);
        let thread = &mut self.threads[tid as usize];
        (thread.core, thread.turn, thread.since) = (core, turn, begin);
        let left = thread.left;
        self.put(begin + left, Event::Go { core, epoch });
        self.bound(core);
    }

    /// The current thread is preempted if it is not the best anyway: at once if it computes, else after its
    /// step.
    fn make_room(&mut self, core: u32) {
        let of = &mut self.cores[core as usize];
        let Some(tid) = of.current else { return };
        if of.waiting() == 0 {
            return;
        }
        let thread = &self.threads[tid as usize];
        if thread.left == 0 || thread.in_kernel || of.in_interrupt {
            of.resched = true;
        } else if !self.stays(core) {
            self.preempt(core);
        }
    }

    fn preempt(&mut self, core: u32) {
        let tid = self.cores[core as usize].current.expect("somebody is preempted");
        let thread = &mut self.threads[tid as usize];
        if thread.left > 0 {
            thread.left = thread.left.saturating_sub(self.now.saturating_sub(thread.since)).max(1);
        }
        self.figures.preempted += 1;
        self.step_down(core, Leaving::MakesRoom);
        self.dispatch(core);
    }

    /// A thread that was away is ready: on its own core if that is idle, else on an idle one, else on its
    /// own, in the queue. So is one that is still on its queue.
    pub(crate) fn come_back(&mut self, tid: Tid) {
        let thread = &mut self.threads[tid as usize];
        thread.away = false;
        thread.epoch = thread.epoch.wrapping_add(1);
        let last = thread.core;
        if let Some(latest) = thread.timer.take() {
            self.cores[last as usize].timers.remove(&(latest, tid));
        }
        let thread = &self.threads[tid as usize];
        // `ttwu_runnable`
        let is_queued = thread.entity.delayed;
        let core = if is_queued { last } else { self.idle.nearest(last).unwrap_or(last) };
        let preempts = self.line_up_for(core, tid);
        let of = &self.cores[core as usize];
        if of.idle() {
            debug_assert!(!is_queued, "a core is idle with a queue");
            if !of.waking {
                self.cores[core as usize].waking = true;
                self.idle.set(core, false);
                let latency = self.vary(self.costs.idle_exit);
                self.put(self.now + latency, Event::Awake { core });
            }
            return;
        }
        if preempts {
            self.make_room(core);
        }
        self.bound(core);
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
                if let Some(Until { earliest, latest }) = until {
                    if earliest < latest {
                        thread.timer = Some(latest);
                        self.cores[core as usize].timers.insert((latest, tid), earliest);
                    }
                    self.put(latest.max(self.now), Event::Time { thread: tid, epoch: its });
                }
                self.step_down(core, Leaving::Sleeps);
                self.dispatch(core);
            }
            Ask::Yield => {
                if self.gives_way(core) {
                    self.step_down(core, Leaving::Yields);
                    self.dispatch(core);
                } else {
                    self.put(self.now, Event::Go { core, epoch });
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
        self.step_down(core, Leaving::Ends);
        // It does not give its core up: it is gone (and no system counts that).
        self.figures.switches -= 1;
        self.dispatch(core);
    }
}
