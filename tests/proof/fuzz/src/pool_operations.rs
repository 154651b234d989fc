//! Operations on one pool by three threads, one at a time, beside a model that says what each may
//! answer and what the figures are afterwards.

use crate::crew::Crew;
use crate::tell;
use arbitrary::{Arbitrary, Unstructured};
use extram::{Binding, EnterError, MState, Pool, Runtime, Stats};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const THREADS: usize = 3;
/// More than this many calls inside each other show nothing new.
const DEEPEST: usize = 6;

#[derive(Arbitrary, Debug)]
struct Plan {
    /// 0 to 4: none, or that many Ms.
    limit: u8,
    by_call: bool,
    /// The n-th creation fails if bit n % 32 is set.
    failing: u32,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Enter(u8, Way),
    /// Leaves the innermost call.
    Leave(u8),
    /// Tries to leave another one, which is refused.
    LeaveInner(u8, u8),
    /// Drops the guard of another one.
    DropInner(u8, u8),
    /// Leaves all calls.
    LeaveAll(u8),
    /// The thread exits, inside its calls if it is inside some.
    Exit(u8),
    Unbind(u8),
    Prewarm(u8, u8),
    Trim(u8, u8),
    Close(u8),
    Start(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Try,
    TimeOut,
    Signal,
    /// Only where the model says that nobody has to wait.
    Wait,
}

struct Tested {
    failing: u32,
    attempts: AtomicU32,
    alive: AtomicU32,
}

/// What an M carries: the thread that is inside with it.
struct Context {
    of: &'static Tested,
    owner: AtomicUsize,
}

impl Drop for Context {
    fn drop(&mut self) {
        assert_eq!(self.owner.load(SeqCst), 0, "a context in use was dropped");
        self.of.alive.fetch_sub(1, SeqCst);
    }
}

impl Runtime for &'static Tested {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        let attempt = self.attempts.fetch_add(1, SeqCst);
        if self.failing >> (attempt % 32) & 1 != 0 {
            return Err(());
        }
        self.alive.fetch_add(1, SeqCst);
        Ok(Context { of: self, owner: AtomicUsize::new(0) })
    }

    fn retire(&self, m: &extram::M<Self>) {
        m.context().owner.store(0, SeqCst);
    }
}

type TestedPool = Pool<&'static Tested>;
type Guard = extram::Entered<&'static Tested>;

/// The calls that a thread is inside.
#[derive(Default)]
struct Inside {
    /// In the order in which they were entered.
    calls: Vec<Guard>,
    /// For a thread that exits inside.
    pool: Option<&'static TestedPool>,
}

impl Drop for Inside {
    /// The thread exits inside its calls: the M is the exit hook's to find.
    fn drop(&mut self) {
        for guard in self.calls.drain(..) {
            // SAFETY: nobody uses the M of this call any more.
            unsafe { extram_core::raw::keep(self.pool.expect("it has entered"), guard) };
        }
    }
}

/// How the pool lets threads in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Closed with somebody inside, so not to the end.
    Closing,
    Closed,
}

struct Model {
    phase: Phase,
    limit: Option<u32>,
    /// The M that each thread is inside with.
    inside: [Option<u32>; THREADS],
    depth: [usize; THREADS],
}

/// Runs one input.
pub fn run(data: &[u8]) {
    static CREW: Mutex<Option<Crew<Inside>>> = Mutex::new(None);
    let mut crew = CREW.lock().expect("a panic ends the run");
    // Not before: libFuzzer forks nothing, but its first input comes after its own set-up.
    let crew = crew.get_or_insert_with(|| Crew::new(THREADS));
    let mut bytes = Unstructured::new(data);
    let Ok(plan) = Plan::arbitrary(&mut bytes) else { return };
    tell(&plan);
    let limit = Some(u32::from(plan.limit % 5)).filter(|limit| *limit != 0);
    let tested = Box::into_raw(Box::new(Tested {
        failing: plan.failing,
        attempts: AtomicU32::new(0),
        alive: AtomicU32::new(0),
    }));
    // SAFETY: freed at the end, when no context is left.
    let runtime: &'static Tested = unsafe { &*tested };
    let binding = if plan.by_call { Binding::Call } else { Binding::Thread };
    let pool = Pool::new(runtime).binding(binding);
    let pool = Box::into_raw(Box::new(match limit {
        Some(limit) => pool.limit(limit),
        None => pool,
    }));
    // SAFETY: freed at the end, after it has been closed.
    let it: &'static TestedPool = unsafe { &*pool };
    let mut model = Model { phase: Phase::Closed, limit, inside: [None; THREADS], depth: [0; THREADS] };
    start(crew, it, &mut model, 0);
    while !bytes.is_empty() {
        let Ok(step) = Step::arbitrary(&mut bytes) else { break };
        tell(&step);
        one(crew, it, &mut model, step);
        check(it, &model);
    }
    for who in 0..THREADS {
        leave_all(crew, &mut model, who);
    }
    check(it, &model);
    assert!(it.close().is_ok(), "everybody has left");
    assert_eq!(it.stats().created, 0, "{:?}", it.stats());
    assert_eq!(runtime.alive.load(SeqCst), 0, "a context was leaked");
    // SAFETY: made above. Nobody touches a closed pool again, nor its runtime.
    unsafe { drop((Box::from_raw(pool), Box::from_raw(tested))) };
}

fn one(crew: &mut Crew<Inside>, it: &'static TestedPool, model: &mut Model, step: Step) {
    let thread = |who: u8| usize::from(who) % THREADS;
    match step {
        Step::Enter(who, way) => enter(crew, it, model, thread(who), way),
        Step::Leave(who) => leave(crew, model, thread(who)),
        Step::LeaveInner(who, which) | Step::DropInner(who, which) => {
            let who = thread(who);
            if model.depth[who] > 1 {
                let which = usize::from(which) % model.depth[who];
                model.depth[who] = crew.on(who, move |Inside { calls, .. }| {
                    drop(calls.remove(which));
                    calls.len()
                });
            }
        }
        Step::LeaveAll(who) => leave_all(crew, model, thread(who)),
        Step::Exit(who) => {
            let who = thread(who);
            crew.replace(who);
            (model.inside[who], model.depth[who]) = (None, 0);
        }
        Step::Unbind(who) => {
            let who = thread(who);
            let before = it.stats();
            let unbound = crew.on(who, move |_| it.unbind());
            assert!(!(unbound && model.inside[who].is_some()), "unbound inside a call");
            if model.phase == Phase::Open {
                let after = it.stats();
                assert_eq!(before.bound_idle - after.bound_idle, u32::from(unbound));
                assert_eq!(after.spare - before.spare, u32::from(unbound));
            }
        }
        Step::Prewarm(who, spare) => prewarm(crew, it, model, thread(who), u32::from(spare % 8)),
        Step::Trim(who, keep) => {
            let keep = u32::from(keep % 8);
            let before = it.stats();
            let dropped = crew.on(thread(who), move |_| it.trim(keep));
            let after = it.stats();
            assert_eq!(after.created + dropped, before.created);
            if model.phase == Phase::Open {
                assert_eq!(after.spare, before.spare.min(keep.max(1)), "{keep} were to be kept");
            }
        }
        Step::Close(who) => {
            let closed = crew.on(thread(who), move |_| it.close().is_ok());
            assert_eq!(closed, model.inside == [None; THREADS], "{:?}", it.stats());
            model.phase = match (closed, model.phase) {
                (true, _) | (_, Phase::Closed) => Phase::Closed,
                _ => Phase::Closing,
            };
        }
        Step::Start(who) => start(crew, it, model, thread(who)),
    }
}

fn start(crew: &Crew<Inside>, it: &'static TestedPool, model: &mut Model, who: usize) {
    let attempts = it.runtime().attempts.load(SeqCst);
    let started = crew.on(who, move |_| it.start().is_ok());
    let fails = it.runtime().failing >> (attempts % 32) & 1 != 0;
    assert_eq!(started, model.phase == Phase::Closed && !fails);
    if started {
        model.phase = Phase::Open;
    }
}

fn enter(crew: &Crew<Inside>, it: &'static TestedPool, model: &mut Model, who: usize, way: Way) {
    if model.depth[who] >= DEEPEST {
        return;
    }
    let before = it.stats();
    let nested = model.inside[who].is_some();
    // Somebody's idle M is taken back under a limit; without one it is not.
    let idle = model.limit.is_some() && before.bound_idle > 0;
    let at_once = nested || model.phase != Phase::Open || before.spare > 0;
    let way = if way == Way::Wait && !at_once { Way::TimeOut } else { way };
    if way == Way::Signal {
        return handler(crew, it, model, who, &before, idle);
    }
    let answer = crew.on(who, move |Inside { calls, pool }| {
        *pool = Some(it);
        let entered = match way {
            Way::Try => it.try_enter(),
            Way::TimeOut => it.enter_timeout(Duration::from_micros(1)),
            Way::Wait | Way::Signal => it.enter(),
        };
        entered.map(|guard| {
            let answer = (guard.id(), guard.depth());
            let was = guard.context().owner.swap(who + 1, SeqCst);
            assert_eq!(was, if answer.1 == 1 { 0 } else { who + 1 }, "an M in two hands");
            calls.push(guard);
            answer
        })
    });
    let (id, depth) = match answer {
        Ok(answer) => answer,
        Err(error) => return refused(it, model, who, &before, idle, error),
    };
    match model.inside[who] {
        Some(own) => assert_eq!(id, own, "a nested call has another M"),
        None => {
            assert_eq!(depth, 1);
            assert_eq!(model.phase, Phase::Open, "let in after the close");
            assert!(!model.inside.contains(&Some(id)), "M {id} is in use already");
        }
    }
    model.inside[who] = Some(id);
    model.depth[who] += 1;
}

/// A handler comes and goes: with an M that nobody has, whatever the thread is inside.
fn handler(
    crew: &Crew<Inside>,
    it: &'static TestedPool,
    model: &Model,
    who: usize,
    before: &Stats,
    idle: bool,
) {
    let answer = crew.on(who, move |_| {
        it.enter_from_signal().map(|guard| {
            assert_eq!(guard.context().owner.swap(who + 1, SeqCst), 0, "an M in two hands");
            guard.context().owner.store(0, SeqCst);
            (guard.id(), guard.depth())
        })
    });
    match answer {
        Ok((id, depth)) => {
            assert_eq!((depth, model.phase), (1, Phase::Open));
            assert!(!model.inside.contains(&Some(id)), "M {id} is in use already");
        }
        Err(error) => why(it, model, before, idle, error),
    }
}

/// Whether a refusal is one that may be.
fn refused(
    it: &'static TestedPool,
    model: &Model,
    who: usize,
    before: &Stats,
    idle: bool,
    error: EnterError,
) {
    assert_eq!(model.inside[who], None, "a nested call was refused: {error}");
    why(it, model, before, idle, error);
}

fn why(it: &'static TestedPool, model: &Model, before: &Stats, idle: bool, error: EnterError) {
    match error {
        EnterError::NotStarted => assert!(it.stats().created == 0 && model.phase == Phase::Closed),
        EnterError::Closed => assert_ne!(model.phase, Phase::Open),
        EnterError::WouldBlock | EnterError::TimedOut => {
            assert!(model.phase == Phase::Open && before.spare == 0 && !idle, "{error}: {before:?}");
        }
        EnterError::Exhausted => {
            assert!(model.phase == Phase::Open && before.spare == 0 && !idle, "{error}: {before:?}");
            assert_eq!(Some(before.created), model.limit);
        }
        EnterError::CreationFailed => {
            assert!(model.phase == Phase::Open && before.spare == 0 && before.failed > 0, "{before:?}");
        }
        other => panic!("{other}"),
    }
}

fn leave(crew: &Crew<Inside>, model: &mut Model, who: usize) {
    model.depth[who] = crew.on(who, move |Inside { calls, .. }| {
        drop(calls.pop());
        calls.len()
    });
    if model.depth[who] == 0 {
        model.inside[who] = None;
    }
}

fn leave_all(crew: &Crew<Inside>, model: &mut Model, who: usize) {
    while model.depth[who] > 0 {
        leave(crew, model, who);
    }
}

fn prewarm(crew: &Crew<Inside>, it: &'static TestedPool, model: &mut Model, who: usize, spare: u32) {
    // Otherwise it waits, as entering does.
    if model.phase == Phase::Open && model.inside[who].is_none() && it.stats().spare == 0 {
        return;
    }
    let warm = crew.on(who, move |_| it.prewarm(spare).is_ok());
    if warm && model.phase == Phase::Open {
        assert!(it.stats().spare >= spare, "fewer than {spare} are spare: {:?}", it.stats());
    }
    assert!(!warm || model.phase == Phase::Open || spare == 0 || model.inside[who].is_some());
}

/// The figures add up, and are those of the model.
fn check(it: &'static TestedPool, model: &Model) {
    let stats = it.stats();
    assert_eq!((stats.waiting, stats.creating), (0, 0), "nobody is at work");
    assert_eq!(stats.created, stats.spare + stats.in_use + stats.bound_idle, "{stats:?}");
    assert_eq!(stats.created, it.runtime().alive.load(SeqCst), "contexts and Ms: {stats:?}");
    assert!(model.limit.is_none_or(|limit| stats.created <= limit), "{stats:?}");
    let inside = model.inside.iter().flatten().count() as u32;
    assert_eq!(stats.in_use, inside, "{stats:?}");
    let walked = it.ms().filter(|m| m.state == MState::InUse).count() as u32;
    assert_eq!(walked, inside, "a walk");
    if model.phase == Phase::Closed {
        assert_eq!(stats.created, 0, "{stats:?}");
    }
}
