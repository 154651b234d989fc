//! A pool among threads that run one at a time: lists and counts, no atomics.

use crate::world::{Grants, Order, Reply};
use extram_core::{EnterError, StartError};
use std::collections::BTreeMap;

/// The pool and its world, as they were made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// An M stays with its thread, if the world lets it.
    pub binds: bool,
    /// So many Ms at most.
    pub limit: Option<u32>,
    /// What the world grants.
    pub grants: Grants,
}

impl Shape {
    fn limit(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit as usize)
    }

    fn binds_plainly(&self) -> bool {
        self.binds && self.limit.is_none() && self.grants.barrier
    }

    fn takes_back(&self) -> bool {
        self.binds && self.limit.is_some()
    }

    /// Ms that are bound may be taken back, by `close` at least.
    fn lists_idle(&self) -> bool {
        self.binds && !self.binds_plainly()
    }

    fn hook(&self) -> bool {
        self.grants.exit_hook
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Spare {
    /// How many Ms whoever enters with it makes at most.
    owes: u32,
    /// Who has it: a generation.
    holder: Option<usize>,
    /// It stays with its holder.
    bound: bool,
    revoked: bool,
    depth: u32,
    /// A signal handler has it: a refill that it owes waits until it comes back.
    with_handler: bool,
}

/// What a thread that waits has done since it came.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Been {
    Nowhere,
    Aside,
    Asleep,
}

#[derive(Clone, Debug, Default)]
struct Thread {
    /// The M that it finds; it may have been taken back.
    own: Option<u32>,
    /// The Ms of its calls, outermost first.
    calls: Vec<u32>,
    /// Sleeps, since and with what, and where it has been.
    asleep: Option<(Order, u32, Been)>,
    /// The exit hook will run.
    hooked: bool,
    /// A new one each time that the puppet is taken by another thread.
    generation: usize,
}

/// The pool.
#[derive(Clone, Debug)]
pub struct Model {
    /// As it was made.
    pub shape: Shape,
    started_once: bool,
    open: bool,
    /// Closed to the end, or never started.
    shut: bool,
    ms: BTreeMap<u32, Spare>,
    /// Last in, first out.
    list: Vec<u32>,
    granted: Vec<u32>,
    /// Those who are to be told that making an M failed, and that the pool was closed.
    refusals: u32,
    dismissals: u32,
    tokens: u32,
    /// Newcomers keep off the next token.
    reserved: bool,
    /// Since when one that slept has not been served.
    late: Option<u32>,
    /// How many newcomers have taken a token since then, while others slept.
    passed: u32,
    waiting: u32,
    failed: bool,
    /// Numbers that were in use; last in, first out.
    bare: Vec<u32>,
    /// Numbers that `close` took from a thread that was outside, and whose they were.
    retired: Vec<(u32, usize)>,
    /// The stack of idle Ms: those that went idle since somebody popped them, and may be inside by now.
    listed: Vec<u32>,
    high: u32,
    threads: Vec<Thread>,
    time: u32,
    failing: u32,
    failures: u32,
    admits: bool,
    generations: usize,
    /// What the last step has to answer.
    pub reply: Option<Reply>,
}

/// The figures of a pool: created, spare, in use, bound and idle, waiting, failed.
pub type Figures = [u32; 6];

impl Model {
    /// A pool that is not started, among so many threads.
    pub fn new(threads: usize, shape: Shape) -> Self {
        let thread = |generation| Thread { generation, ..Thread::default() };
        Model {
            shape,
            started_once: false,
            open: false,
            shut: true,
            ms: BTreeMap::new(),
            list: Vec::new(),
            granted: Vec::new(),
            refusals: 0,
            dismissals: 0,
            tokens: 0,
            reserved: false,
            late: None,
            passed: 0,
            waiting: 0,
            failed: false,
            bare: Vec::new(),
            retired: Vec::new(),
            listed: Vec::new(),
            high: 0,
            threads: (0..threads).map(thread).collect(),
            time: 0,
            failing: 0,
            failures: 0,
            admits: true,
            generations: threads,
            reply: None,
        }
    }

    /// Whether a thread sleeps.
    pub fn asleep(&self, thread: usize) -> bool {
        self.threads[thread].asleep.is_some()
    }

    /// How many calls it is in.
    pub fn calls(&self, thread: usize) -> usize {
        self.threads[thread].calls.len()
    }

    /// Whether the port's promise covers an exit of this thread now: its hook is set, or it has
    /// nothing to bring home.
    pub fn may_exit(&self, thread: usize) -> bool {
        let thread = &self.threads[thread];
        // What a thread has besides its own, as a handler does, is not found when it ends; nor its own
        // former one, if a handler has taken that.
        let own = thread.calls.iter().all(|id| Some(*id) == thread.own && !self.ms[id].with_handler);
        thread.asleep.is_none() && (thread.calls.is_empty() || (own && self.shape.hook()))
    }

    /// What the pool's figures have to be.
    pub fn figures(&self) -> Figures {
        let count = |f: &dyn Fn(&Spare) -> bool| self.ms.values().filter(|m| f(m)).count() as u32;
        [
            self.ms.len() as u32,
            count(&|m| m.holder.is_none()),
            count(&|m| m.depth > 0),
            count(&|m| m.holder.is_some() && m.depth == 0),
            self.waiting,
            self.failures,
        ]
    }

    /// Invariant Duty, at rest: if a thread waits, an M that owes a refill is on its way to one; or a
    /// signal handler has the one that owes, until it leaves; or the limit is reached.
    pub fn duty_holds(&self) -> bool {
        let owes = |m: &Spare| m.owes > 0 && (m.with_handler || m.depth == 0);
        let limit = self.ms.len() >= self.shape.limit();
        self.waiting == 0 || limit || self.ms.values().any(owes)
    }

    /// So many creations to come fail.
    pub fn fail(&mut self, creations: u32) {
        self.failing = creations;
        self.reply = None;
    }

    /// Whether those who cannot be kept waiting are admitted.
    pub fn admit(&mut self, admits: bool) {
        self.admits = admits;
        self.reply = None;
    }

    /// Time passes.
    pub fn pass_time(&mut self) {
        self.time += 1;
        self.reply = None;
    }

    /// A thread that is awake does something.
    pub fn order(&mut self, thread: usize, order: Order) {
        let reply = match order {
            Order::Start => self.start(),
            Order::Enter | Order::Timed | Order::Try | Order::Signal => self.enter(thread, order),
            Order::Leave => Reply::Did(self.leave(thread)),
            Order::Unbind => Reply::Did(self.unbind(thread)),
            Order::Trim(keep) => Reply::Count(self.trim(keep)),
            Order::Exit => {
                self.exit(thread);
                Reply::Did(true)
            }
            Order::Close => Reply::Did(self.close()),
        };
        self.reply = Some(reply);
    }

    /// A thread that sleeps looks, because it was woken or in vain.
    pub fn look(&mut self, thread: usize) {
        let reply = self.wait(thread);
        self.reply = Some(reply);
    }

    fn me(&self, thread: usize) -> usize {
        self.threads[thread].generation
    }

    /// Takes a number into use, if the limit allows.
    fn reserve(&mut self) -> Option<u32> {
        if self.ms.len() >= self.shape.limit() {
            return None;
        }
        Some(self.bare.pop().unwrap_or_else(|| {
            self.high += 1;
            self.high
        }))
    }

    /// Whether the next creation succeeds.
    fn creation(&mut self) -> bool {
        let fails = self.failing > 0;
        self.failing -= u32::from(fails);
        self.failures += u32::from(fails);
        !fails
    }

    fn start(&mut self) -> Reply {
        if !self.shut {
            return Reply::NoStart(StartError::AlreadyStarted);
        }
        self.failures = 0;
        let Some(id) = self.reserve() else { return Reply::NoStart(StartError::Exhausted) };
        if !self.creation() {
            self.bare.push(id);
            return Reply::NoStart(StartError::CreationFailed);
        }
        self.ms.insert(id, Spare { owes: 2, ..Spare::default() });
        self.give(id);
        for thread in &mut self.threads {
            thread.own = None;
        }
        (self.started_once, self.open, self.shut) = (true, true, false);
        Reply::Did(true)
    }

    fn give(&mut self, id: u32) {
        self.failed = false;
        let m = self.ms.get_mut(&id).unwrap();
        *m = Spare { owes: m.owes, ..Spare::default() };
        if self.waiting > 0 {
            self.waiting -= 1;
            self.tokens += 1;
            self.granted.push(id);
        } else {
            self.list.push(id);
        }
    }

    fn enter(&mut self, thread: usize, order: Order) -> Reply {
        let me = self.me(thread);
        if let Some(id) = self.threads[thread].own.filter(|_| order != Order::Signal) {
            match self.ms.get_mut(&id) {
                // Unless the thread has taken it back itself, as a handler.
                Some(m) if m.holder == Some(me) && m.depth > 0 && !m.with_handler => {
                    m.depth += 1;
                    let depth = m.depth;
                    self.threads[thread].calls.push(id);
                    return Reply::In(id, depth);
                }
                Some(m) if m.holder == Some(me) && m.depth == 0 && !m.revoked => {
                    m.depth = 1;
                    return self.let_in(thread, id, order);
                }
                Some(m) if m.holder == Some(me) && m.revoked => {}
                _ => self.threads[thread].own = None,
            }
        }
        if !self.open {
            let error = if self.started_once { EnterError::Closed } else { EnterError::NotStarted };
            return Reply::Not(error);
        }
        if order != Order::Signal {
            self.reclaim(me);
        }
        if let Some(id) = self.list.pop() {
            if self.list.is_empty() {
                self.ms.get_mut(&id).unwrap().owes = 1;
            }
            return self.install(thread, id, order);
        }
        if let Some(id) = self.idle() {
            return self.install(thread, id, order);
        }
        if self.failed {
            return Reply::Not(EnterError::CreationFailed);
        }
        if matches!(order, Order::Try | Order::Signal) {
            let limit = self.ms.len() >= self.shape.limit();
            return Reply::Not(if limit { EnterError::Exhausted } else { EnterError::WouldBlock });
        }
        self.waiting += 1;
        self.threads[thread].asleep = Some((order, self.time, Been::Nowhere));
        self.wait(thread)
    }

    /// Takes an idle M back from its thread. What is popped with it is pushed again when it goes idle.
    fn idle(&mut self) -> Option<u32> {
        if !self.shape.takes_back() && self.open {
            return None;
        }
        while let Some(id) = self.listed.pop() {
            if self.ms.get(&id).is_some_and(|m| m.holder.is_some() && m.bound && m.depth == 0) {
                return Some(id);
            }
        }
        None
    }

    /// A thread that comes the slow way makes the numbers usable that `close` took from it.
    fn reclaim(&mut self, me: usize) {
        if !(self.shape.binds_plainly() && self.started_once) {
            return;
        }
        // The newest first; those of others stay in their order.
        self.bare.extend(self.retired.iter().rev().filter(|(_, whose)| *whose == me).map(|(id, _)| id));
        self.retired.retain(|(_, whose)| *whose != me);
    }

    fn wait(&mut self, thread: usize) -> Reply {
        let (order, since, been) = self.threads[thread].asleep.expect("it waits");
        if self.tokens > 0 && self.may_take(been) {
            self.tokens -= 1;
            self.threads[thread].asleep = None;
            self.reserved &= been == Been::Nowhere;
            if been == Been::Asleep {
                self.late = None;
            }
            if been != Been::Nowhere {
                self.passed = 0;
            }
            if let Some(id) = self.granted.pop() {
                return self.install(thread, id, order);
            }
            if self.dismissals > 0 {
                self.dismissals -= 1;
                return Reply::Not(EnterError::Closed);
            }
            self.refusals -= 1;
            return Reply::Not(EnterError::CreationFailed);
        }
        if been == Been::Asleep {
            // All time that passes is more than a turn.
            self.reserved |= self.late.is_some_and(|late| self.time > late);
            self.late.get_or_insert(self.time);
        }
        let went = if self.tokens > 0 { Been::Aside } else { Been::Asleep };
        self.threads[thread].asleep = Some((order, since, went));
        if order == Order::Timed && self.time > since {
            self.waiting -= 1;
            self.threads[thread].asleep = None;
            return Reply::Not(EnterError::TimedOut);
        }
        Reply::Asleep
    }

    /// Whether a thread in the line may take a token that is there: of newcomers so many before one steps aside,
    /// if those who sleep need all there are.
    fn may_take(&mut self, been: Been) -> bool {
        if been != Been::Nowhere {
            return true;
        }
        let asleep = |thread: &&Thread| matches!(thread.asleep, Some((_, _, Been::Asleep)));
        let asleep = self.threads.iter().filter(asleep).count() as u32;
        if self.reserved || asleep < self.tokens {
            return !self.reserved;
        }
        let may = self.passed < 256;
        self.passed += u32::from(may);
        may
    }

    fn install(&mut self, thread: usize, id: u32, order: Order) -> Reply {
        let me = self.me(thread);
        let (binds, grants, hook) = (self.shape.binds, self.shape.grants, self.shape.hook());
        let plainly = self.shape.binds_plainly();
        let mine = &mut self.threads[thread];
        // A handler's M is nobody's own, nor is a second one.
        let own = order != Order::Signal && grants.storage && mine.own.is_none();
        mine.hooked |= own && binds && hook;
        // Bound the plain way in a pool that has been closed meanwhile, it would let its thread in again.
        let bound = own && binds && hook && (self.open || !plainly);
        if own {
            mine.own = Some(id);
        }
        let m = self.ms.get_mut(&id).unwrap();
        let with_handler = order == Order::Signal;
        *m = Spare { owes: m.owes, holder: Some(me), bound, revoked: false, depth: 1, with_handler };
        self.let_in(thread, id, order)
    }

    fn let_in(&mut self, thread: usize, id: u32, order: Order) -> Reply {
        self.threads[thread].calls.push(id);
        if matches!(order, Order::Try | Order::Signal) && !self.admits {
            self.leave(thread);
            return Reply::Not(EnterError::WouldBlock);
        }
        if self.ms[&id].owes > 0 && order != Order::Signal {
            self.refill(id);
        }
        Reply::In(id, 1)
    }

    /// As many as its M owes at most; as long as somebody waits, or none is spare. That none comes
    /// back meanwhile is the nature of a world in which one thing happens at a time.
    fn refill(&mut self, id: u32) {
        let most = self.ms[&id].owes;
        let (mut made, mut duty) = (0, false);
        while self.open && (self.waiting > 0 || self.list.is_empty()) {
            let Some(new) = self.reserve() else { break };
            if self.creation() {
                self.ms.insert(new, Spare { owes: 2, ..Spare::default() });
                self.give(new);
                made += 1;
                if made == most {
                    break;
                }
                continue;
            }
            self.bare.push(new);
            if self.waiting == 0 {
                self.failed = self.list.is_empty();
                duty = self.failed;
                break;
            }
            // One of those who wait is told.
            self.waiting -= 1;
            self.refusals += 1;
            self.tokens += 1;
        }
        self.ms.get_mut(&id).unwrap().owes = duty.into();
    }

    fn leave(&mut self, thread: usize) -> bool {
        let Some(id) = self.threads[thread].calls.pop() else { return false };
        let m = self.ms.get_mut(&id).unwrap();
        m.depth -= 1;
        if m.depth > 0 || (m.bound && m.owes == 0 && self.goes_idle(id)) {
            return true;
        }
        if self.threads[thread].own == Some(id) {
            self.threads[thread].own = None;
        }
        self.give(id);
        true
    }

    /// Whether a bound M stays with its thread: unless somebody waits, or the pool is closed, where that
    /// can only be known by looking.
    fn goes_idle(&mut self, id: u32) -> bool {
        if !self.shape.lists_idle() || self.listed.contains(&id) {
            return true;
        }
        self.listed.push(id);
        let stays = self.open && !(self.shape.takes_back() && self.waiting > 0);
        if !stays {
            // It is not idle while its holder pops what is.
            self.ms.get_mut(&id).unwrap().depth = 1;
            while let Some(idle) = self.idle() {
                self.give(idle);
            }
            self.ms.get_mut(&id).unwrap().depth = 0;
        }
        stays
    }

    fn unbind(&mut self, thread: usize) -> bool {
        let me = self.me(thread);
        let own = self.threads[thread]
            .own
            .filter(|id| self.ms.get(id).is_some_and(|m| m.holder == Some(me) && m.depth == 0 && !m.revoked));
        if let Some(id) = own {
            self.threads[thread].own = None;
            self.give(id);
        }
        own.is_some()
    }

    fn trim(&mut self, keep: u32) -> u32 {
        if !self.open {
            return 0;
        }
        let spare = self.ms.values().filter(|m| m.holder.is_none()).count();
        let mut dropped = 0;
        for _ in 0..spare.saturating_sub(keep.max(1) as usize) {
            let Some(anchor) = self.list.pop() else { break };
            let surplus = self.list.pop();
            self.ms.get_mut(&anchor).unwrap().owes = 1;
            self.give(anchor);
            let Some(id) = surplus else { break };
            self.ms.remove(&id);
            self.bare.push(id);
            dropped += 1;
        }
        dropped
    }

    fn exit(&mut self, thread: usize) {
        let me = self.me(thread);
        let mine = &mut self.threads[thread];
        mine.hooked |= !mine.calls.is_empty();
        let own = mine.own.filter(|_| mine.hooked);
        self.generations += 1;
        *mine = Thread { generation: self.generations, ..Thread::default() };
        let Some(id) = own else { return };
        match self.ms.get_mut(&id) {
            // `close`'s, which will find it.
            Some(m) if m.holder == Some(me) && m.revoked && m.depth == 0 => m.holder = None,
            Some(m) if m.holder == Some(me) => self.give(id),
            _ => {}
        }
    }

    fn close(&mut self) -> bool {
        if self.shut {
            return true;
        }
        self.open = false;
        self.failed = false;
        self.dismissals += self.waiting;
        self.tokens += self.waiting;
        self.waiting = 0;
        if self.shape.binds_plainly() {
            self.ms.values_mut().filter(|m| m.bound && m.holder.is_some()).for_each(|m| m.revoked = true);
        }
        if self.shape.lists_idle() {
            while let Some(id) = self.idle() {
                self.give(id);
            }
        }
        let out = |m: &&Spare| m.revoked && m.depth == 0;
        let home = self.list.len() + self.ms.values().filter(out).count();
        // Whoever sleeps has been told, and has not noticed.
        if self.tokens > 0 || home < self.ms.len() {
            return false;
        }
        for id in std::mem::take(&mut self.list).into_iter().rev() {
            self.ms.remove(&id);
            self.bare.push(id);
        }
        for (id, m) in std::mem::take(&mut self.ms) {
            match m.holder {
                Some(whose) => self.retired.push((id, whose)),
                None => self.bare.push(id),
            }
        }
        self.listed.clear();
        self.shut = true;
        true
    }
}
