//! Linux's fair scheduler on one core, for threads of one weight: EEVDF as `kernel/sched/fair.c` of Linux 6.18
//! has it, by the names there.
//!
//! With one weight a thread's virtual time passes as its processor time does, and the virtual time of the
//! core is the plain average of the entities on its queue, the current one included. With one slice the
//! feature `PREEMPT_SHORT` has nothing to do, and what `RUN_TO_PARITY` protects ends with the deadline that
//! the entity was picked with. `NEXT_BUDDY` and `HRTICK` are off, as they are by default.

use crate::Ps;
use crate::machine::Tid;
use std::collections::BTreeMap;

/// What the scheduler keeps of a thread (`struct sched_entity`). Virtual times are those of the core that it
/// is on, and mean nothing elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entity {
    /// What it has had.
    pub(crate) vruntime: i64,
    deadline: i64,
    /// By how much it was behind the average when it left its queue (`vlag`).
    lag: i64,
    /// Its deadline counts from its virtual time, wherever that will be (`rel_deadline`).
    relative: bool,
    /// It sleeps, but had more than its part, and stays on the queue until that is made up for
    /// (`sched_delayed`).
    pub(crate) delayed: bool,
    /// It has never been on a queue (`ENQUEUE_INITIAL`).
    initial: bool,
    /// Of its place on the queue.
    turn: u64,
}

impl Default for Entity {
    fn default() -> Self {
        Entity { vruntime: 0, deadline: 0, lag: 0, relative: false, delayed: false, initial: true, turn: 0 }
    }
}

/// The queue of one core (`struct cfs_rq`).
///
/// The kernel finds the earliest deadline of those that are eligible by a tree with an augmentation. Here they
/// are in two: those that were eligible when somebody looked, by deadline, and the others, by virtual time.
/// A look moves those that have become eligible, and those in front that are so no more.
#[derive(Debug)]
pub(crate) struct Fair {
    slice: i64,
    /// No lag is more, either way.
    most_lag: i64,
    current: Option<(Tid, Entity)>,
    /// Until this virtual time the current one keeps the core while it is eligible (`vprot`).
    protected: i64,
    /// By deadline and turn: virtual time and thread.
    due: BTreeMap<(i64, u64), (i64, Tid)>,
    /// By virtual time and turn: deadline and thread.
    ahead: BTreeMap<(i64, u64), (i64, Tid)>,
    /// Those that are not asleep, by turn (`rq->cfs_tasks`).
    ready: BTreeMap<u64, Tid>,
    /// Of the virtual times of both.
    sum: i128,
    turn: u64,
}

impl Fair {
    /// With the slice of that many cores (`update_sysctl`: the base times 1 + log2 of them, eight at most).
    pub(crate) fn new(base_slice: Ps, tick: Ps, cores: u32) -> Self {
        let slice = base_slice * Ps::from(1 + cores.min(8).ilog2());
        Fair {
            slice: slice as i64,
            // `update_entity_lag`
            most_lag: (2 * slice).max(tick) as i64,
            current: None,
            protected: 0,
            due: BTreeMap::new(),
            ahead: BTreeMap::new(),
            ready: BTreeMap::new(),
            sum: 0,
            turn: 0,
        }
    }

    /// Threads that wait for the core and are not asleep.
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// All that are on the queue, the current one too (`nr_queued`).
    fn queued(&self) -> i128 {
        (self.due.len() + self.ahead.len() + usize::from(self.current.is_some())) as i128
    }

    fn total(&self) -> i128 {
        self.sum + self.current.map_or(0, |(_, entity)| i128::from(entity.vruntime))
    }

    /// The virtual time of the core (`avg_vruntime`).
    fn average(&self) -> i64 {
        // An empty queue begins anew: all that is kept of those that were on it are lags.
        match self.queued() {
            0 => 0,
            queued => self.total().div_euclid(queued) as i64,
        }
    }

    /// Whether it has not had more than its part (`entity_eligible`).
    fn eligible(&self, vruntime: i64) -> bool {
        i128::from(vruntime) * self.queued() <= self.total()
    }

    /// Counts what the current thread has had, and says whether it should make room (`update_curr`).
    pub(crate) fn charge(&mut self, time: Ps) -> bool {
        let others = self.queued() > 1;
        let Some((_, entity)) = self.current.as_mut().filter(|_| time > 0) else { return false };
        entity.vruntime += time as i64;
        let used_up = entity.vruntime >= entity.deadline;
        if used_up {
            // `update_deadline`
            entity.deadline = entity.vruntime + self.slice;
        }
        others && (used_up || entity.vruntime >= self.protected)
    }

    fn insert(&mut self, tid: Tid, entity: &mut Entity) {
        self.turn += 1;
        entity.turn = self.turn;
        self.ahead.insert((entity.vruntime, entity.turn), (entity.deadline, tid));
        self.sum += i128::from(entity.vruntime);
        if !entity.delayed {
            self.ready.insert(entity.turn, tid);
        }
    }

    fn remove(&mut self, entity: &Entity) {
        let found = self.due.remove(&(entity.deadline, entity.turn));
        let found = found.or_else(|| self.ahead.remove(&(entity.vruntime, entity.turn)));
        debug_assert!(found.is_some(), "an entity is not where it was put");
        self.sum -= i128::from(entity.vruntime);
        self.ready.remove(&entity.turn);
    }

    /// `update_entity_lag`, of one that is on the queue.
    fn lag(&self, entity: &Entity) -> i64 {
        (self.average() - entity.vruntime).clamp(-self.most_lag, self.most_lag)
    }

    /// `place_entity`
    fn place(&self, entity: &mut Entity) {
        let mut lag = entity.lag;
        if let queued @ 1.. = self.queued() {
            // By its coming the average moves away from it, so that it would have less of a lag than it left
            // with: `PLACE_LAG`.
            lag = (i128::from(lag) * (queued + 1) / queued) as i64;
        } else {
            lag = 0;
        }
        entity.vruntime = self.average() - lag;
        if std::mem::take(&mut entity.relative) {
            entity.deadline += entity.vruntime;
            return;
        }
        // `PLACE_DEADLINE_INITIAL`
        let slice = if std::mem::take(&mut entity.initial) { self.slice / 2 } else { self.slice };
        entity.deadline = entity.vruntime + slice;
    }

    /// A thread that is new, was asleep, or comes from another core (`enqueue_entity`).
    pub(crate) fn come(&mut self, tid: Tid, entity: &mut Entity) {
        self.place(entity);
        self.insert(tid, entity);
    }

    /// One that is asleep, but still here, is woken (`requeue_delayed_entity`).
    pub(crate) fn requeue(&mut self, tid: Tid, entity: &mut Entity) {
        let lag = self.lag(entity);
        self.remove(entity);
        entity.delayed = false;
        if lag > 0 {
            // `DELAY_ZERO`: sleeping earns nothing.
            entity.lag = 0;
            self.place(entity);
        }
        self.insert(tid, entity);
    }

    /// One that waits goes to another core (`dequeue_entity`, with `PLACE_REL_DEADLINE`).
    pub(crate) fn migrate(&mut self, entity: &mut Entity) {
        entity.lag = self.lag(entity);
        self.remove(entity);
        entity.deadline -= entity.vruntime;
        entity.relative = true;
    }

    /// The one that has waited longest since it ran last, for another core (`detach_tasks`).
    pub(crate) fn oldest(&self) -> Option<Tid> {
        self.ready.first_key_value().map(|(_, &tid)| tid)
    }

    /// Who should have the core (`pick_eevdf`): may be one that is asleep, or the current one.
    pub(crate) fn pick(&mut self) -> Option<Tid> {
        let current = self.current.filter(|(_, entity)| self.eligible(entity.vruntime));
        if let Some((tid, entity)) = current
            && (self.queued() == 1 || entity.vruntime < self.protected)
        {
            return Some(tid);
        }
        let (queued, total) = (self.queued(), self.total());
        let eligible = |vruntime: i64| i128::from(vruntime) * queued <= total;
        while let Some(first) = self.ahead.first_entry().filter(|first| eligible(first.key().0)) {
            let ((vruntime, turn), (deadline, tid)) = first.remove_entry();
            self.due.insert((deadline, turn), (vruntime, tid));
        }
        let best = loop {
            let Some(first) = self.due.first_entry() else { break None };
            if eligible(first.get().0) {
                break Some((first.key().0, first.get().1));
            }
            let ((deadline, turn), (vruntime, tid)) = first.remove_entry();
            self.ahead.insert((vruntime, turn), (deadline, tid));
        };
        match (best, current) {
            (Some((deadline, _)), Some((tid, entity))) if entity.deadline < deadline => Some(tid),
            (Some((_, tid)), _) => Some(tid),
            (None, current) => current.map(|(tid, _)| tid),
        }
    }

    /// It was picked, and is asleep: it leaves (`pick_next_entity`).
    pub(crate) fn let_go(&mut self, entity: &mut Entity) {
        self.remove(entity);
        // It is eligible: `DELAY_ZERO`.
        (entity.delayed, entity.lag) = (false, 0);
    }

    /// It was picked, and gets the core (`set_next_entity`).
    pub(crate) fn run(&mut self, tid: Tid, entity: &Entity) {
        self.remove(entity);
        self.current = Some((tid, *entity));
        // `set_protect_slice`
        self.protected = entity.deadline;
    }

    /// The current one makes room for others (`put_prev_entity`).
    pub(crate) fn put_back(&mut self) -> Entity {
        let (tid, mut entity) = self.current.take().expect("somebody makes room");
        self.insert(tid, &mut entity);
        entity
    }

    /// The current one sleeps (`dequeue_entity`, with `DELAY_DEQUEUE`), or has ended, which is never put off.
    pub(crate) fn leave(&mut self, ended: bool) -> Entity {
        let (tid, mut entity) = self.current.expect("somebody leaves");
        entity.delayed = !ended && !self.eligible(entity.vruntime);
        entity.lag = self.lag(&entity);
        self.current = None;
        if entity.delayed {
            self.insert(tid, &mut entity);
        }
        entity
    }

    /// The current one lets others go first (`yield_task_fair`); whether there are any.
    pub(crate) fn give_way(&mut self) -> bool {
        if self.queued() == 1 {
            return false;
        }
        let slice = self.slice;
        let Some((_, mut entity)) = self.current else { return false };
        if self.eligible(entity.vruntime) {
            entity.vruntime = entity.deadline;
            entity.deadline += slice;
            self.current = self.current.map(|(tid, _)| (tid, entity));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fair() -> Fair {
        Fair::new(1_000, 4_000, 1)
    }

    /// Puts fresh threads on the queue.
    fn fresh(fair: &mut Fair, count: u32) -> Vec<Entity> {
        let begin = |tid| {
            let mut entity = Entity::default();
            fair.come(tid, &mut entity);
            entity
        };
        (0..count).map(begin).collect()
    }

    fn run(fair: &mut Fair, entities: &[Entity]) -> Tid {
        let tid = fair.pick().unwrap();
        fair.run(tid, &entities[tid as usize]);
        tid
    }

    #[test]
    fn a_slice_grows_with_the_cores_up_to_eight() {
        let slices = [1, 2, 4, 8, 64].map(|cores| Fair::new(700, 4_000, cores).slice);
        assert_eq!(slices, [700, 1_400, 2_100, 2_800, 2_800]);
    }

    #[test]
    fn who_is_picked_has_the_earliest_deadline_of_the_eligible() {
        let mut fair = fair();
        let mut entities = fresh(&mut fair, 3);
        assert_eq!(run(&mut fair, &entities), 0, "equals take turns");
        assert!(!fair.charge(400), "half of a slice is the first one");
        assert_eq!(fair.pick(), Some(1), "ahead of the average it is not eligible, protected or not");
        assert!(fair.charge(100), "used up");
        entities[0] = fair.put_back();
        assert_eq!(run(&mut fair, &entities), 1);
        fair.charge(500);
        entities[1] = fair.put_back();
        assert_eq!(run(&mut fair, &entities), 2, "the others have had their slices");
    }

    #[test]
    fn the_current_one_is_protected_while_it_is_eligible() {
        let mut fair = fair();
        let mut entities = fresh(&mut fair, 2);
        assert_eq!(run(&mut fair, &entities), 0);
        fair.charge(600);
        entities[0] = fair.put_back();
        assert_eq!(run(&mut fair, &entities), 1);
        fair.charge(200);
        // One with an earlier deadline: fresh, at the average.
        let mut third = Entity { relative: true, deadline: 100 - fair.average(), ..Entity::default() };
        fair.come(2, &mut third);
        assert_eq!(fair.pick(), Some(1));
        fair.charge(350);
        assert_eq!(fair.pick(), Some(2));
    }

    #[test]
    fn a_lag_is_kept_over_a_sleep_and_is_the_same_after_it() {
        let mut fair = fair();
        let mut entities = fresh(&mut fair, 3);
        run(&mut fair, &entities);
        fair.charge(300);
        entities[0] = fair.put_back();
        assert_eq!(run(&mut fair, &entities), 1);
        let mut sleeper = fair.leave(false);
        assert!(!sleeper.delayed);
        assert_eq!(sleeper.lag, 100);
        fair.come(1, &mut sleeper);
        assert_eq!(fair.lag(&sleeper), 100);
    }

    #[test]
    fn a_sleeper_who_had_too_much_stays_until_it_is_picked_or_woken() {
        let mut fair = fair();
        let mut entities = fresh(&mut fair, 2);
        run(&mut fair, &entities);
        fair.charge(300);
        entities[0] = fair.leave(false);
        assert!(entities[0].delayed);
        assert_eq!((fair.waiting(), fair.queued()), (1, 2));
        let mut woken = entities[0];
        fair.requeue(0, &mut woken);
        assert_eq!((woken.vruntime, fair.waiting()), (300, 2), "its debt is not forgiven");
        fair.migrate(&mut woken);
        assert_eq!(woken.lag, -150);
        assert_eq!((fair.waiting(), fair.queued()), (1, 1));
    }

    #[test]
    fn a_sleeper_whose_debt_is_made_up_for_leaves_with_nothing() {
        let mut fair = fair();
        let mut entities = fresh(&mut fair, 2);
        run(&mut fair, &entities);
        fair.charge(300);
        entities[0] = fair.leave(false);
        assert_eq!(run(&mut fair, &entities), 1);
        fair.charge(900);
        assert_eq!(fair.pick(), Some(0));
        fair.let_go(&mut entities[0]);
        assert_eq!((entities[0].lag, entities[0].delayed), (0, false));
        assert_eq!(fair.pick(), Some(1));
    }

    #[test]
    fn who_yields_forfeits_the_rest_of_its_slice() {
        let mut fair = fair();
        let entities = fresh(&mut fair, 1);
        run(&mut fair, &entities);
        assert!(!fair.give_way(), "to nobody");
        fresh(&mut fair, 1);
        assert!(fair.give_way());
        let entity = fair.put_back();
        assert_eq!((entity.vruntime, entity.deadline), (500, 1_500));
    }
}
