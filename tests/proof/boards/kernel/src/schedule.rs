//! Which context runs where.

use crate::context::{Borrowed, Place, Room, Stacks, State};
use crate::switch;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use critical_section::CriticalSection;

/// What a board tells the kernel of its machine.
#[derive(Clone, Copy)]
pub struct Machine {
    /// How many cores it has.
    pub cores: usize,
    /// The number of the calling core, below `cores`.
    pub core: fn() -> usize,
    /// Starts that core, which has to call [`join`].
    pub start_core: fn(usize),
    /// Ticks per second.
    pub frequency: u32,
    /// A counter that never goes back.
    pub ticks: fn() -> u64,
}

struct Setting {
    machine: Machine,
    room: Borrowed,
}

struct Once(UnsafeCell<Option<Setting>>);

// SAFETY: written by `run` before there is a second core or context, and only read after.
unsafe impl Sync for Once {}

static SETTING: Once = Once(UnsafeCell::new(None));
static SET: AtomicBool = AtomicBool::new(false);

fn setting() -> &'static Setting {
    // SAFETY: see `Once`.
    match unsafe { &*SETTING.0.get() } {
        Some(setting) => setting,
        None => panic!("the kernel does not run"),
    }
}

pub(crate) fn machine() -> &'static Machine {
    &setting().machine
}

/// Whether the kernel runs, or is about to.
#[cfg(target_arch = "arm")]
pub(crate) fn runs() -> bool {
    SET.load(Ordering::Acquire)
}

/// The number of the calling core; 0 before the kernel runs.
pub(crate) fn core() -> usize {
    // Acquire: partner of the release in `run`, for a core that has just started.
    if SET.load(Ordering::Acquire) { (machine().core)() } else { 0 }
}

/// Runs `main` as the first context, on all cores of the machine. Called on core 0.
pub fn run<const COUNT: usize, const BYTES: usize>(
    machine: Machine,
    room: &'static Room<COUNT, BYTES>,
    stacks: Stacks,
    main: extern "C" fn(*mut ()),
) -> ! {
    let room = room.borrow(machine.cores, stacks);
    // Until the first context runs, which has a stack for what a handler may switch to.
    switch::mask();
    // SAFETY: see `Once`.
    unsafe { *SETTING.0.get() = Some(Setting { machine, room }) };
    // Release: partner of the acquire in `core`.
    SET.store(true, Ordering::Release);
    for idle in 0..machine.cores {
        let began = critical_section::with(|cs| prepare(cs, idle, switch::idle, 0, State::Running));
        debug_assert!(began);
    }
    let began = critical_section::with(|cs| prepare(cs, machine.cores, main, 0, State::Ready));
    debug_assert!(began);
    for core in 1..machine.cores {
        (machine.start_core)(core);
    }
    join()
}

/// What every further core does.
pub fn join() -> ! {
    switch::mask();
    let setting = setting();
    let core = core();
    let place = &setting.room.places[core];
    let sp = critical_section::with(|cs| place.sp.borrow(cs).get());
    // SAFETY: prepared by `run`, and nobody runs it; each core has its own.
    unsafe { switch::begin_idle(sp, &place.block) }
}

/// The lowest word of every stack. A context that overwrote it has run out of stack.
const CANARY: usize = 0x5ca1_ab1e;

/// Makes a place a context's; `false` if it is another's.
fn prepare(
    cs: CriticalSection<'_>,
    index: usize,
    entry: extern "C" fn(*mut ()),
    arg: usize,
    state: State,
) -> bool {
    let setting = setting();
    let place = &setting.room.places[index];
    if place.state.borrow(cs).get() != State::Free {
        return false;
    }
    let stack = setting.room.stack(index);
    place.block.reset(index as u32, stack.clone());
    place.start.borrow(cs).set((entry, arg));
    // SAFETY: the stack is free, because the place is. The canary is its lowest word.
    unsafe { core::ptr::with_exposed_provenance_mut::<usize>(stack.start).write(CANARY) };
    // SAFETY: the same.
    place.sp.borrow(cs).set(unsafe { switch::prepare(stack.end, &place.block) });
    place.home.borrow(cs).set(index % setting.machine.cores);
    place.state.borrow(cs).set(state);
    true
}

/// Starts a context; its number, if there is room.
pub(crate) fn start(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Option<usize> {
    let setting = setting();
    if stack > setting.room.bytes.each {
        return None;
    }
    let arg = arg.expose_provenance();
    let all = setting.machine.cores..setting.room.places.len();
    critical_section::with(|cs| all.into_iter().find(|&index| prepare(cs, index, entry, arg, State::Ready)))
}

/// The place of the context that runs on this core.
pub(crate) fn current() -> &'static Place {
    &setting().room.places[switch::block().number() as usize]
}

/// What every context runs.
pub(crate) fn run_context() -> ! {
    let place = current();
    let (entry, arg) = critical_section::with(|cs| place.start.borrow(cs).get());
    entry(core::ptr::with_exposed_provenance_mut(arg));
    // A port that is broken on purpose breaks one promise, so that the suite fails at those scenarios
    // and comes to its end.
    if cfg!(not(feature = "broken")) {
        place.block.exit();
    }
    loop {
        switch::reschedule(|_| Some(State::Leaving));
    }
}

/// Frees the place of a context that has ended; `false` if it has not.
pub(crate) fn reap(index: usize) -> bool {
    critical_section::with(|cs| {
        let state = setting().room.places[index].state.borrow(cs);
        let ended = state.get() == State::Ended;
        if ended {
            state.set(State::Free);
        }
        ended
    })
}

/// Waits until every context but the calling one and those that idle has ended, and frees their
/// places. A context that does not end is waited for as long as `patience` says yes.
pub fn reap_all(mut patience: impl FnMut() -> bool) -> bool {
    let setting = setting();
    let me = switch::block().number() as usize;
    loop {
        let left = (setting.machine.cores..setting.room.places.len())
            .filter(|&index| index != me && !reap(index))
            .filter(|&index| {
                critical_section::with(|cs| setting.room.places[index].state.borrow(cs).get() != State::Free)
            })
            .count();
        if left == 0 {
            return true;
        }
        if !patience() {
            return false;
        }
        relax();
    }
}

/// Lets others run.
pub(crate) fn relax() {
    switch::reschedule(|_| Some(State::Ready));
}

/// Waits until that tick, or until somebody wakes the address; not if `ready` holds.
pub(crate) fn wait(on: usize, until: u64, ready: impl FnOnce() -> bool) {
    switch::reschedule(|_| if ready() { None } else { Some(State::Waiting { on, until }) });
}

/// Wakes `count` contexts that wait on the address.
pub(crate) fn wake(address: usize, mut count: u32) {
    critical_section::with(|cs| {
        for place in setting().room.places {
            if count == 0 {
                break;
            }
            let state = place.state.borrow(cs);
            if matches!(state.get(), State::Waiting { on, .. } if on == address) {
                state.set(State::Ready);
                count -= 1;
            }
        }
    });
    switch::notify();
}

/// What the context that `core` has run until now leaves behind, and which one comes next: round
/// robin, the idling one last.
pub(crate) fn next(cs: CriticalSection<'_>, core: usize, now: &Place) -> &'static Place {
    let Setting { machine, room } = setting();
    let lowest = room.stack(now.block.number() as usize).start;
    // SAFETY: the lowest word of a stack of ours.
    let canary = unsafe { core::ptr::with_exposed_provenance::<usize>(lowest).read_volatile() };
    assert!(canary == CANARY, "a context ran out of stack");
    let left = now.state.borrow(cs);
    left.set(match left.get() {
        State::Leaving => State::Ended,
        State::Running => State::Ready,
        other => other,
    });
    let (idle, all) = (machine.cores, room.places.len());
    let mut clock = None;
    let mut may_run = |place: &Place| match place.state.borrow(cs).get() {
        State::Ready => true,
        State::Waiting { until, .. } => *clock.get_or_insert_with(machine.ticks) >= until,
        _ => false,
    };
    let last = now.block.number() as usize;
    let after = last.max(idle - 1) + 1;
    let next = (after..all)
        .chain(idle..after)
        .map(|index| &room.places[index])
        .find(|place| (!switch::STAYS || place.home.borrow(cs).get() == core) && may_run(place))
        .unwrap_or(&room.places[core]);
    next.state.borrow(cs).set(State::Running);
    next
}
