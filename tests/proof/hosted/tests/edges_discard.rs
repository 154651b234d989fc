//! The edge matrix, where a context is discarded, or is more than may stay spare: each way in which that
//! goes × each function of the runtime on that way × what it does there that is not its business × each
//! kind of pool. And guards that are left over meanwhile.
//!
//! Whatever happens, the context is dropped once, when nobody has it any more, and not lent again; figures add
//! up, and the pool goes on and closes, unless a guard is leaked, which the figures show.
#![cfg(unix)]

use extram::{Busy, EnterError, Entered, StartError};
use extram_core::raw;
use extram_hosted::stage::{
    Kind, Play, Point, Point::*, Staged, alone_with, board, end_child, ends_well, lives_on, play, reap, turn,
    visit,
};
use extram_hosted::{Key, Tapped, in_turn, until};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::spawn;
use std::time::Duration;

type Guard = Entered<Staged, Tapped>;

fn started(kind: Kind) -> Play {
    let pool = play(kind);
    pool.start().expect("starts");
    pool
}

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Another M is spare.
    Spare,
    /// None is, and the M owes one: it gets another context.
    Alone,
    /// None is, and somebody else owes one.
    Beside,
    /// None is, and no other context can be made.
    Fails,
    /// The pool has been closed, but not to the end.
    Closed,
    /// Not discarded: more than may stay spare.
    Surplus,
}

/// A function of the runtime. Those that are called when a call is left come again when the thread is
/// retired that was admitted to make the context.
#[derive(Clone, Copy, Debug)]
enum Step {
    First(Point),
    Again(Point),
}

use Step::{Again, First};

impl Way {
    const ALL: [Way; 6] = [Way::Spare, Way::Alone, Way::Beside, Way::Fails, Way::Closed, Way::Surplus];

    fn steps(self) -> &'static [Step] {
        match self {
            Way::Spare | Way::Closed => &[First(Retire), First(Left), First(Discarded), First(Drop)],
            Way::Alone | Way::Beside => &[
                First(Retire),
                First(Left),
                First(Discarded),
                First(Admit),
                First(Making),
                First(NewContext),
                First(Made),
                Again(Retire),
                First(Drop),
            ],
            Way::Fails => &[
                First(Retire),
                First(Left),
                First(Discarded),
                First(Admit),
                First(Making),
                First(NewContext),
                First(Failed),
                First(CreationFailed),
                Again(Retire),
                First(Drop),
            ],
            Way::Surplus => &[First(Drop)],
        }
    }

    fn kinds(self) -> &'static [Kind] {
        if self == Way::Surplus { &[Kind::Tidy] } else { Kind::all() }
    }

    /// A call whose context is to go, and what else is in the thread's hands.
    fn begins(self, pool: Play) -> (Guard, Vec<Guard>) {
        let mut others = Vec::new();
        board(pool).failing.store(u32::from(matches!(self, Way::Alone | Way::Fails)), SeqCst);
        let m = pool.enter().expect("let in");
        match self {
            Way::Spare => assert!(pool.stats().spare > 0),
            Way::Alone => assert_eq!(pool.stats().created, 1),
            Way::Beside => others.push(pool.enter_from_signal().expect("it is spare")),
            Way::Fails => board(pool).failing.store(1, SeqCst),
            Way::Closed => assert_eq!(pool.close(), Err(Busy)),
            Way::Surplus => pool.prewarm(3).expect("three can be made"),
        }
        (m, others)
    }

    fn ends(self, m: Guard) {
        if self == Way::Surplus { drop(m) } else { m.discard() }
    }
}

/// What a function of the runtime does once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Returns,
    Panics,
    Enters,
    Tries,
    EntersAsAHandler,
    EntersRaw,
    Discards,
    KeepsAGuard,
    LeaksAGuard,
    Forks,
    Closes,
    Starts,
    Reopens,
    Trims,
    Prewarms,
    Unbinds,
    Walks,
}

thread_local! {
    static KEPT: RefCell<Vec<Guard>> = const { RefCell::new(Vec::new()) };
    /// How many guards the thread has leaked.
    static LEAKED: Cell<u32> = const { Cell::new(0) };
}

static CHILD: AtomicI32 = AtomicI32::new(-1);

impl Deed {
    fn is_done(self, pool: Play) {
        let used = |m: Result<Guard, EnterError>| _ = m.map(|m| alone_with(&m, || ()));
        match self {
            Deed::Returns => {}
            Deed::Panics => std::panic::panic_any("on purpose"),
            Deed::Enters => used(pool.enter_timeout(Duration::from_secs(1))),
            Deed::Tries => used(pool.try_enter()),
            Deed::EntersAsAHandler => used(pool.enter_from_signal()),
            Deed::EntersRaw => {
                _ = pool.enter_timeout(Duration::from_secs(1)).map(|m| {
                    // SAFETY: used by this thread, and left below.
                    let m = unsafe { raw::keep(pool, m) };
                    alone_with(m, || ());
                    // SAFETY: as above.
                    unsafe { raw::leave(pool, m) }.expect("it is inside");
                })
            }
            Deed::Discards => _ = pool.enter_timeout(Duration::from_secs(1)).map(Entered::discard),
            Deed::KeepsAGuard => _ = pool.try_enter().map(|m| KEPT.with_borrow_mut(|kept| kept.push(m))),
            Deed::LeaksAGuard => {
                if let Ok(m) = pool.try_enter() {
                    core::mem::forget(m);
                    LEAKED.set(LEAKED.get() + 1);
                }
            }
            // SAFETY: the child goes on on this thread alone, and ends by `_exit`.
            Deed::Forks => CHILD.store(unsafe { libc::fork() }, SeqCst),
            Deed::Closes => assert_eq!(pool.close(), Err(Busy), "a context is being discarded"),
            Deed::Starts => assert_eq!(pool.start(), Err(StartError::AlreadyStarted)),
            Deed::Reopens => {
                let reopened = pool.reopen();
                assert!(
                    [Ok(()), Err(StartError::AlreadyStarted), Err(StartError::CreationFailed)]
                        .contains(&reopened),
                    "{reopened:?}"
                );
            }
            Deed::Trims => _ = pool.trim(0),
            Deed::Prewarms => _ = pool.prewarm(1),
            Deed::Unbinds => _ = pool.unbind(),
            Deed::Walks => assert!(pool.ms().all(|m| m.id > 0)),
        }
    }
}

/// Arms a step of the discard that comes next.
fn arm(pool: Play, step: Step, deed: Deed) {
    match step {
        First(point) => board(pool).once_at(point, move || deed.is_done(pool)),
        Again(point) => {
            board(pool).once_at(Admit, move || board(pool).once_at(point, move || deed.is_done(pool)));
        }
    }
}

/// The numbers of all contexts that can be lent.
fn lent(pool: Play) -> Vec<u32> {
    let mut inside = Vec::new();
    while let Ok(m) = pool.enter_from_signal() {
        inside.push(m);
    }
    inside.iter().map(|m| m.context().number).collect()
}

fn meet(way: Way, kind: Kind, step: Step, deed: Deed) {
    let what = format!("{way:?} in {kind:?}, {step:?} x {deed:?}");
    let pool = started(kind);
    let leaked = Mutex::new(0);
    in_turn(1, 0, |_| {
        let (m, others) = way.begins(pool);
        let number = m.context().number;
        arm(pool, step, deed);
        let ended = catch_unwind(AssertUnwindSafe(|| way.ends(m)));
        if CHILD.load(SeqCst) == 0 {
            end_child(|| {
                assert!(board(pool).dropped.load(SeqCst) > 0);
                drop(others);
                lives_on(pool, way != Way::Closed);
            });
        }
        board(pool).failing.store(0, SeqCst);
        assert!(!board(pool).disarm(), "{what}: nobody came there");
        let panicked = ended.err();
        assert_eq!(panicked.is_some(), deed == Deed::Panics, "{what}");
        if let Some(panic) = panicked {
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"), "{what}: another panic");
        }
        for m in KEPT.take() {
            alone_with(&m, || assert_eq!(m.depth(), 1, "{what}"));
        }
        drop(others);
        *leaked.lock().unwrap() += LEAKED.get();
        let stats = pool.stats();
        assert_eq!(stats.in_use, LEAKED.get(), "{what}: {stats:?}");
        let _ = pool.reopen();
        assert_eq!(visit(pool), Ok(()), "{what}: {:?}", pool.stats());
        pool.unbind();
        assert!(way == Way::Surplus || !lent(pool).contains(&number), "{what}: {number} is lent");
    });
    if let child @ 1.. = CHILD.swap(-1, SeqCst) {
        reap(&what, child);
    }
    if *leaked.lock().unwrap() == 0 {
        return ends_well(&what, pool);
    }
    // The only M is never left, and the last one that could have been made was not: as newcomers are told.
    let told = if way == Way::Alone || way == Way::Fails { Err(EnterError::CreationFailed) } else { Ok(()) };
    let visited = spawn(move || visit(pool)).join().unwrap();
    assert!(visited == Ok(()) || visited == told, "{what}: {visited:?}");
    until("the exit hook has run", || pool.stats().bound_idle == 0);
    let (stats, board) = (pool.stats(), board(pool));
    assert_eq!((stats.in_use, stats.created), (1, 1 + stats.spare), "{what}: {stats:?}");
    assert_eq!(pool.close(), Err(Busy), "{what}");
    assert_eq!(board.made.load(SeqCst), board.dropped.load(SeqCst) + stats.created, "{what}: {stats:?}");
}

fn all(deeds: &[Deed]) {
    let turn = turn();
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            eprintln!("{info}");
        }
    }));
    for way in Way::ALL {
        for kind in way.kinds() {
            for step in way.steps() {
                for deed in deeds {
                    turn.go_on();
                    meet(way, *kind, *step, *deed);
                }
            }
        }
    }
}

/// Edge: discard x failures.
#[test]
fn a_context_goes_whether_another_can_be_made_or_not() {
    all(&[Deed::Returns]);
}

/// Edge: discard x panics.
#[test]
fn a_context_goes_whatever_panics() {
    all(&[Deed::Panics]);
}

/// Scenario 37.
///
/// Edge: discard x from within.
#[test]
fn functions_of_the_runtime_call_in_while_a_context_goes() {
    all(&[Deed::Enters, Deed::Tries, Deed::EntersAsAHandler, Deed::EntersRaw, Deed::Discards]);
}

/// Edge: discard x guards.
#[test]
#[cfg_attr(extram_tsan, ignore = "ThreadSanitizer has forgotten the thread by then")]
fn a_guard_that_is_kept_while_a_context_goes_goes_on_with_it() {
    all(&[Deed::KeepsAGuard, Deed::LeaksAGuard]);
}

/// Edge: discard x fork.
#[test]
fn a_thread_forks_while_a_context_goes() {
    all(&[Deed::Forks]);
}

/// Edge: discard x from within.
#[test]
fn functions_of_the_runtime_use_and_switch_the_pool_while_a_context_goes() {
    let switches = [Deed::Closes, Deed::Starts, Deed::Reopens];
    let uses = [Deed::Trims, Deed::Prewarms, Deed::Unbinds, Deed::Walks];
    all(&[&switches[..], &uses[..]].concat());
}

/// Nobody who waits for the only M waits for ever.
///
/// Edge: discard x new_context panics/admit panics/retire panics/observe panics.
#[test]
fn who_waits_is_told_when_a_context_goes_and_making_another_panics() {
    let turn = turn();
    for kind in Kind::all() {
        for step in [First(Discarded), First(Admit), First(NewContext), First(Made), Again(Retire)] {
            turn.go_on();
            let (pool, what) = (started(*kind), format!("{step:?} in {kind:?}"));
            // As a handler does, which makes none.
            let m = pool.enter_from_signal().expect("it is spare");
            let waits = spawn(move || visit(pool));
            until("somebody waits", || pool.stats().waiting == 1);
            arm(pool, step, Deed::Panics);
            assert!(catch_unwind(AssertUnwindSafe(|| m.discard())).is_err(), "{what}");
            assert_eq!(waits.join().unwrap(), Err(EnterError::CreationFailed), "{what}");
            assert_eq!(pool.stats().created, 0, "{what}");
            ends_well(&what, pool);
        }
    }
}

/// Whichever call says it: the context goes with the last one.
///
/// Edge: discard x guard late/guard forgotten.
#[test]
fn a_context_goes_with_the_last_call_in_whatever_order_they_are_left() {
    let turn = turn();
    for kind in Kind::all() {
        for order in [[0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1]] {
            for discards in 0..3 {
                turn.go_on();
                let what = format!("{order:?}, number {discards} discards, in {kind:?}");
                let pool = started(*kind);
                let dropped = || board(pool).dropped.load(SeqCst);
                in_turn(1, 0, |_| {
                    let mut guards = [(); 3].map(|()| pool.enter().ok());
                    for (left, which) in order.into_iter().enumerate() {
                        assert_eq!((dropped(), pool.stats().in_use), (0, 1), "{what}");
                        let m = guards[which].take().expect("let in");
                        if left == discards { m.discard() } else { drop(m) }
                    }
                    assert_eq!((dropped(), pool.stats().in_use), (1, 0), "{what}");
                });
                ends_well(&what, pool);
            }
        }
        // And where the last one is not left.
        let (pool, what) = (started(*kind), format!("{kind:?}"));
        in_turn(1, 0, |_| {
            let m = pool.enter().expect("let in");
            let number = m.context().number;
            core::mem::forget(m);
            pool.enter().expect("nested").discard();
            assert_eq!(pool.enter().expect("nested").context().number, number, "{what}");
            assert!(!lent(pool).contains(&number), "{what}");
        });
        for _ in 0..2 {
            assert_eq!(spawn(move || visit(pool)).join().unwrap(), Ok(()), "{what}");
            assert_eq!((board(pool).dropped.load(SeqCst), pool.stats().in_use), (0, 1), "{what}");
            assert_eq!(pool.close(), Err(Busy), "{what}");
            pool.reopen().expect("an M is in use");
        }
    }
}

/// A context that was discarded goes when its thread ends: with what destructors drop before the exit hook or
/// after it, or with the raw calls that the hook takes back.
///
/// Edge: discard x guard kept/thread end.
#[test]
#[cfg_attr(extram_tsan, ignore = "ThreadSanitizer has forgotten the thread by then")]
fn a_discarded_context_goes_when_its_thread_ends() {
    let turn = turn();
    for kind in Kind::all() {
        for alone in [false, true] {
            turn.go_on();
            let enter = |pool: Play| {
                board(pool).failing.store(u32::from(alone), SeqCst);
                let m = pool.enter().expect("let in");
                assert_eq!(pool.stats().created, if alone { 1 } else { 2 });
                pool.enter().expect("nested").discard();
                assert_eq!(board(pool).dropped.load(SeqCst), 0);
                m
            };
            let is_gone = |what: &str, pool: Play| {
                assert_eq!(board(pool).dropped.load(SeqCst), 1, "{what}");
                assert_eq!((pool.stats().created, pool.stats().spare), (1, 1), "{what}");
                ends_well(what, pool);
            };
            let what = format!("alone {alone} in {kind:?}");

            let pool = started(*kind);
            in_turn(1, 0, |_| KEPT.with_borrow_mut(|kept| kept.push(enter(pool))));
            is_gone(&format!("before the hook, {what}"), pool);

            let pool = started(*kind);
            in_turn(1, 0, |_| {
                // SAFETY: nobody uses it any more.
                unsafe { raw::keep(pool, enter(pool)) };
            });
            is_gone(&format!("in the hook, {what}"), pool);

            let (pool, late) = (started(*kind), Mutex::new(None));
            Key::new().rounds(3, |round| match round {
                0 => *late.lock().unwrap() = Some(Hidden(enter(pool))),
                3 => {
                    let Hidden(m) = late.lock().unwrap().take().expect("it is there");
                    alone_with(&m, || assert_eq!(m.depth(), 1));
                    drop(m);
                    assert_eq!(pool.stats().in_use, 0);
                }
                _ => {}
            });
            is_gone(&format!("after the hook, {what}"), pool);
        }
    }
}

/// A guard that its own thread finds again in a destructor.
struct Hidden(Guard);

// SAFETY: no other thread takes it out.
unsafe impl Send for Hidden {}
