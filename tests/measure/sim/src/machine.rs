//! The machine: its clock, its agenda, its threads, and the loop that runs them.

use crate::agenda::Agenda;
use crate::core::fair::Entity;
use crate::core::{Core, Idle};
use crate::costs::Costs;
use crate::line::{Access, ByAddress, CORES, Lines, Traffic};
use crate::port::Openings;
use crate::stack::{Slot, Yard};
use crate::{Ps, thread};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// The number of a simulated thread, from 0, which is the one that a simulation begins with.
pub type Tid = u32;

/// What a thread stops for.
pub(crate) enum Ask {
    /// Its own step, which is over then.
    Until(Ps),
    /// So much processor time.
    Compute(Ps),
    /// To be woken, or for some time.
    Away(Option<Until>),
    /// Others first.
    Yield,
}

/// When a timer's time is up: not before the one, and not after the other. Linux wakes all sleepers of a core
/// whose first time has come when the last time of one has (`hrtimer_interrupt`).
#[derive(Clone, Copy)]
pub(crate) struct Until {
    pub(crate) earliest: Ps,
    pub(crate) latest: Ps,
}

/// What the agenda is of.
#[derive(Clone, Copy)]
enum Event {
    /// The current thread of a core goes on.
    Go { core: u32, epoch: u32 },
    /// The quantum of a core's current thread is over.
    Quantum { core: u32, epoch: u32 },
    /// A core looks whether its current thread has had its slice.
    Tick { core: u32 },
    /// A thread's time is up.
    Time { thread: Tid, epoch: u32 },
    /// A core that was idle is awake.
    Awake { core: u32 },
}

type Routine = Coroutine<(), Ask, (), Slot>;

pub(crate) struct Thread {
    routine: Option<Routine>,
    yielder: *const Yielder<(), Ask>,
    /// Where it runs or ran last.
    core: u32,
    /// The last of the core's turns that it had.
    turn: u32,
    /// What it has had, for a scheduler by turns.
    share: Ps,
    /// The same for Linux's. Of the current thread it is with the queue.
    entity: Entity,
    /// Of its computation: what is left, and since when it goes on.
    left: Ps,
    since: Ps,
    away: bool,
    /// In a system call that is not preempted.
    in_kernel: bool,
    /// Its timer's last time, if others' on that core may end it before.
    timer: Option<Ps>,
    /// Advanced when it comes back, so that its time-out is void.
    epoch: u32,
    /// The word that it waits on.
    waits_on: Option<usize>,
    pub(crate) ended: bool,
    joiner: Option<Tid>,
    /// Thread-local values, by opening.
    pub(crate) values: Vec<(usize, *mut ())>,
    pub(crate) exiting: bool,
    made: u32,
}

/// What a simulation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The time at its end.
    pub clock: Ps,
    /// How often a thread gave its core up, because it waited and because it was preempted.
    pub switches: u64,
    /// Those of them that were preempted.
    pub preempted: u64,
    /// How many sleeps there were.
    pub sleeps: u64,
    /// How often a thread was woken by another one.
    pub wakes: u64,
    /// Threads that were begun.
    pub threads: u32,
    /// Steps of the agenda.
    pub steps: u64,
    /// Of the cache lines.
    pub traffic: Traffic,
}

/// Why a simulation has no result.
#[derive(Debug)]
pub enum Failure {
    /// Everybody waits, for nobody.
    Deadlock {
        /// Who.
        waiting: Vec<Tid>,
        /// When.
        at: Ps,
    },
    /// A thread panicked.
    Panic(Box<dyn Any + Send>),
    /// It takes more steps than it may.
    TooLong {
        /// When.
        at: Ps,
    },
    /// No stack, or a number of cores that it cannot have.
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Deadlock { waiting, at } => {
                write!(f, "{} threads wait for nobody at {} µs", waiting.len(), at / crate::costs::US)
            }
            Failure::Panic(payload) => {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                write!(f, "a thread panicked: {}", text.unwrap_or("with no text"))
            }
            Failure::TooLong { at } => write!(f, "cut off at {} µs", at / crate::costs::US),
            Failure::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// The machine itself.
pub(crate) struct Machine {
    pub(crate) now: Ps,
    agenda: Agenda<Event>,
    rng: fastrand::Rng,
    /// One access in so many is held up for a random time; 0 for none.
    hold_up: u32,
    pub(crate) most_steps: u64,
    pub(crate) costs: Rc<Costs>,
    cores: Vec<Core>,
    idle: Idle,
    /// Ready threads on all cores.
    ready: usize,
    threads: Vec<Thread>,
    pub(crate) running: Option<Tid>,
    lines: Lines,
    waiting: ByAddress<VecDeque<Tid>>,
    failure: Option<Failure>,
    pub(crate) openings: Openings,
    figures: Figures,
    // Last: stacks go after the coroutines on them.
    yard: Yard,
}

thread_local! {
    static MACHINE: RefCell<Option<Box<Machine>>> = const { RefCell::new(None) };
}

/// The machine that this thread of the system runs (Invariant One).
///
/// # Panics
///
/// There is none.
pub(crate) fn with<T>(f: impl FnOnce(&mut Machine) -> T) -> T {
    MACHINE.with_borrow_mut(|machine| f(machine.as_mut().expect("only simulated threads call this")))
}

/// Whether the caller is a simulated thread.
pub(crate) fn inside() -> bool {
    MACHINE.with_borrow(|machine| machine.as_ref().is_some_and(|machine| machine.running.is_some()))
}

/// A simulated thread has allocated these bytes. What the machine allocates for itself is nobody's to access.
pub(crate) fn fresh(address: usize, size: usize) {
    let _ = MACHINE.try_with(|machine| {
        if let Ok(mut machine) = machine.try_borrow_mut()
            && let Some(machine) = machine.as_mut().filter(|machine| machine.running.is_some())
        {
            machine.lines.forget(address, size);
        }
    });
}

/// Stops the calling simulated thread until what it asks for has come about.
pub(crate) fn stop(ask: Ask) {
    let yielder = with(|m| m.thread().yielder);
    // SAFETY: the yielder lives on the stack of the coroutine that is running (One): the caller's own.
    unsafe { (*yielder).suspend(ask) };
}

/// Runs `main` and what it begins on that many cores. The same arguments give the same result.
///
/// # Errors
///
/// Threads wait for ever or panic, or the system has no stacks for them.
pub fn simulate<T: 'static>(
    costs: &Costs,
    cores: u32,
    seed: u64,
    main: impl FnOnce() -> T + 'static,
) -> Result<(T, Figures), Failure> {
    run(costs, cores, seed, 0, main)
}

/// As [`simulate`], but about one atomic access in `hold_up` is held up for a random time, for up to some
/// milliseconds: so schedules are tried that costs alone would not lead to.
///
/// # Errors
///
/// Those of [`simulate`].
pub fn explore<T: 'static>(
    costs: &Costs,
    cores: u32,
    seed: u64,
    hold_up: u32,
    main: impl FnOnce() -> T + 'static,
) -> Result<(T, Figures), Failure> {
    run(costs, cores, seed, hold_up.max(1), main)
}

fn run<T: 'static>(
    costs: &Costs,
    cores: u32,
    seed: u64,
    hold_up: u32,
    main: impl FnOnce() -> T + 'static,
) -> Result<(T, Figures), Failure> {
    if !(1..=CORES as u32).contains(&cores) {
        return Err(Failure::Refused(format!("a machine has 1 to {CORES} cores, not {cores}")));
    }
    assert!(!MACHINE.with_borrow(Option::is_some), "a machine runs already");
    #[cfg(extram_sim)]
    thread::watch();
    let machine = Machine::new(costs, cores, seed, hold_up);
    MACHINE.with_borrow_mut(|here| *here = Some(Box::new(machine)));
    let result = Rc::new(RefCell::new(None));
    let place = Rc::clone(&result);
    let begun = with(|m| m.begin(move || *place.borrow_mut() = Some(main())));
    let failure = begun.err().or_else(go_on);
    let machine = MACHINE.with_borrow_mut(Option::take).expect("it was put there above");
    let figures = machine.figures();
    drop(machine);
    match (failure, result.borrow_mut().take()) {
        (None, Some(result)) => Ok((result, figures)),
        (failure, _) => Err(failure.expect("it ends without a failure when `main` has returned")),
    }
}

/// Goes through the agenda until the first thread has ended.
fn go_on() -> Option<Failure> {
    loop {
        let next = with(|m| {
            if m.failure.is_some() || m.threads[0].ended {
                return None;
            }
            if m.figures.steps >= m.most_steps {
                m.failure = Some(Failure::TooLong { at: m.now });
                return None;
            }
            let Some((at, event)) = m.agenda.take() else {
                m.failure = Some(m.deadlock());
                return None;
            };
            debug_assert!(at >= m.now, "the clock goes back (Order)");
            m.now = m.now.max(at);
            m.figures.steps += 1;
            Some(m.happen(event))
        });
        match next {
            None => return with(|m| m.failure.take()),
            Some(None) => {}
            Some(Some(thread)) => resume(thread),
        }
    }
}

/// Lets the thread go on to its next stop.
fn resume(tid: Tid) {
    let mut routine = with(|m| {
        m.running = Some(tid);
        m.threads[tid as usize].routine.take().expect("a thread that runs is not running already")
    });
    // The machine is not borrowed (One).
    match routine.resume(()) {
        CoroutineResult::Yield(ask) => with(|m| {
            m.running = None;
            m.threads[tid as usize].routine = Some(routine);
            m.answer(tid, ask);
        }),
        CoroutineResult::Return(()) => with(|m| {
            m.running = None;
            m.yard.put(routine.into_stack());
            m.end(tid);
        }),
    }
}

mod calls;
mod queues;
mod run;

impl Drop for Machine {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            if let Some(routine) = &mut thread.routine {
                // SAFETY: what is on its stack is leaked; nobody refers to it but the coroutine's own
                // frames, which never run again. Only after a failure, or where a thread was left behind.
                unsafe { routine.force_reset() };
            }
        }
    }
}
