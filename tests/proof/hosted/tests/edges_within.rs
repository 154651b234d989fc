//! The edge matrix, where functions of the runtime panic or fail inside a call, where an exit hook calls them,
//! where a thread forks on its way, and where guards are not dropped where they were made. What a loop
//! over functions and deeds reaches is in `callee.rs`.
#![cfg(unix)]

use extram::{Busy, Entered, MState, StartError};
use extram_core::raw;
use extram_hosted::stage::{
    Board, Kind, LONG, Play, Point, Point::*, Staged, alone_with, board, closes, end_child, ends_well,
    in_child, lives_on, play, reap, turn, visit,
};
use extram_hosted::{Key, Tapped, in_turn};
use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::thread::spawn;

type Guard = Entered<Staged, Tapped>;

fn started(kind: Kind) -> Play {
    let pool = play(kind);
    pool.start().expect("starts");
    pool
}

/// The next thread that comes to `point` panics there.
fn panic_at(board: &Board, point: Point) {
    board.once_at(point, || std::panic::panic_any("on purpose"));
}

fn quietly() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            eprintln!("{info}");
        }
    }));
}

/// Whether `f` panics as it was told to.
fn panics(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => false,
        Err(panic) => {
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"), "another panic");
            true
        }
    }
}

/// The call that was being served goes on, on its M, when the panic is caught or the failure told.
///
/// Edge: inside x new_context panics/observe panics/drop panics/new_context fails.
#[test]
fn a_call_goes_on_when_something_that_it_does_panics_or_fails() {
    let turn = turn();
    quietly();
    for kind in Kind::all() {
        for at in [NewContext, Making, Made, CreationFailed, Failed, Drop] {
            turn.go_on();
            let (pool, what) = (started(*kind), format!("{at:?} in {kind:?}"));
            in_turn(1, 0, |_| {
                let m = pool.enter().expect("let in");
                let id = m.id();
                alone_with(&m, || {
                    pool.prewarm(3).expect("three can be made");
                    let created = pool.stats().created;
                    let fails = matches!(at, CreationFailed | Failed);
                    board(pool).failing.store(u32::from(fails), SeqCst);
                    panic_at(board(pool), at);
                    let panicked =
                        if at == Drop { panics(|| _ = pool.trim(1)) } else { panics(|| _ = pool.prewarm(5)) };
                    assert!(panicked, "{what}");
                    let stats = pool.stats();
                    assert_eq!((stats.in_use, stats.creating, stats.waiting), (1, 0, 0), "{what}: {stats:?}");
                    assert_eq!(stats.created, stats.spare + 1, "{what}: {stats:?}");
                    match at {
                        Drop => assert_eq!(stats.created, created - 1, "{what}"),
                        Made => assert_eq!(stats.created, created + 1, "{what}"),
                        _ => assert_eq!(stats.created, created, "{what}"),
                    }
                    // And a failure that is told.
                    board(pool).failing.store(1, SeqCst);
                    assert_eq!(pool.prewarm(6), Err(StartError::CreationFailed), "{what}");
                    assert_eq!(pool.prewarm(6), Ok(()), "{what}");
                    let nested = pool.enter().expect("nested");
                    assert_eq!((nested.id(), nested.depth()), (id, 2), "{what}");
                });
                assert_eq!((m.id(), m.depth()), (id, 1), "{what}");
            });
            ends_well(&what, pool);
        }
    }
}

/// Edge: leaving/going idle x retire panics/observe panics.
#[test]
fn an_m_comes_back_when_what_hears_of_it_panics() {
    let turn = turn();
    quietly();
    for kind in Kind::all() {
        for at in [Retire, Left, Returned] {
            turn.go_on();
            let (pool, what) = (started(*kind), format!("{at:?} in {kind:?}"));
            in_turn(1, 0, |_| {
                // The first time it owes; then it has been idle.
                for _ in 0..2 {
                    let m = pool.enter().expect("let in");
                    if at != Returned {
                        panic_at(board(pool), at);
                    }
                    assert_eq!(panics(|| core::mem::drop(m)), at != Returned, "{what}");
                    assert_eq!(pool.stats().in_use, 0, "{what}");
                    visit(pool).expect("let in again");
                }
                if at == Returned && kind.binds() {
                    panic_at(board(pool), at);
                    assert!(panics(|| _ = pool.unbind()), "{what}");
                } else if at == Returned {
                    let m = pool.enter().expect("let in");
                    panic_at(board(pool), at);
                    assert!(panics(|| core::mem::drop(m)), "{what}");
                }
                assert_eq!(pool.stats().in_use, 0, "{what}");
            });
            ends_well(&what, pool);
        }
    }
}

/// A thread whose forked child goes on in the middle of what it does.
///
/// Edge: leaving/going idle/unbind/walk/inside x fork.
#[test]
fn a_thread_forks_on_its_way() {
    static CHILD: AtomicI32 = AtomicI32::new(-1);
    fn fork() {
        // SAFETY: the child goes on on this thread alone, and ends by `_exit`.
        CHILD.store(unsafe { libc::fork() }, SeqCst);
    }
    let turn = turn();
    for kind in Kind::all() {
        for at in [Retire, Left, Returned, Here] {
            turn.go_on();
            let (pool, what) = (started(*kind), format!("{at:?} in {kind:?}"));
            if at == Returned && kind.binds() {
                continue;
            }
            in_turn(1, 0, |_| {
                visit(pool).expect("let in");
                if at == Here {
                    pool.prewarm(3).expect("three can be made");
                    let mut walk = pool.ms();
                    assert!(walk.next().is_some_and(|m| m.id > 0));
                    fork();
                    assert!(walk.fold(1, |count, m| count + u32::from(m.id > 0)) >= 3);
                } else {
                    let m = pool.enter().expect("let in");
                    board(pool).once_at(at, fork);
                    core::mem::drop(m);
                }
                match CHILD.load(SeqCst) {
                    0 => end_child(|| {
                        assert_eq!(pool.stats().in_use, 0);
                        lives_on(pool, true);
                    }),
                    child => reap(&what, child),
                }
                // And with its M in a call.
                let m = pool.enter().expect("let in");
                in_child(&what, || {
                    alone_with(&m, || assert_eq!((m.depth(), pool.stats().in_use), (1, 1)));
                    core::mem::drop(m);
                    lives_on(pool, true);
                });
            });
            ends_well(&what, pool);
        }
    }
}

/// The exit hook forks, when it lets go of the M: in the child the thread ends, too, and the pool works
/// in the last destructor of all.
///
/// Edge: thread exit x fork.
#[test]
#[cfg_attr(extram_tsan, ignore = "ThreadSanitizer has forgotten the thread by then")]
fn an_exit_hook_forks() {
    static CHILD: AtomicI32 = AtomicI32::new(-1);
    let turn = turn();
    for kind in Kind::all() {
        for raw in [false, true] {
            turn.go_on();
            if !raw && !kind.binds() {
                continue;
            }
            let (pool, what) = (started(*kind), format!("raw {raw} in {kind:?}"));
            CHILD.store(-1, SeqCst);
            Key::new().rounds(3, |round| match round {
                0 => {
                    let m = pool.enter().expect("let in");
                    if raw {
                        // SAFETY: nobody uses it any more.
                        unsafe { raw::keep(pool, m) };
                    } else {
                        core::mem::drop(m);
                    }
                    board(pool).once_at(Returned, || {
                        // SAFETY: the child goes on on this thread alone, and ends by `_exit`.
                        CHILD.store(unsafe { libc::fork() }, SeqCst);
                    });
                }
                3 => match CHILD.load(SeqCst) {
                    0 => end_child(|| {
                        let stats = pool.stats();
                        assert_eq!((stats.in_use, stats.bound_idle), (0, 0), "{stats:?}");
                        lives_on(pool, true);
                    }),
                    child => reap(&what, child),
                },
                _ => {}
            });
            assert!(CHILD.load(SeqCst) > 0, "{what}");
            ends_well(&what, pool);
        }
    }
}

/// What the functions of the runtime enter when the exit hook calls them is nested in the call that ends, or
/// in the last of the M; what is raw goes with it.
///
/// Edge: thread exit x in retire/in observe.
#[test]
fn what_an_exit_hook_calls_enters() {
    let turn = turn();
    for kind in Kind::all() {
        for raw in [false, true] {
            for at in [Retire, Left, Returned] {
                turn.go_on();
                if !raw && (at != Returned || !kind.binds()) {
                    continue;
                }
                let (pool, what) = (started(*kind), format!("raw {raw}, {at:?} in {kind:?}"));
                let (entered, comes) = channel();
                in_turn(1, 0, |_| {
                    let m = pool.enter().expect("let in");
                    let id = m.id();
                    if raw {
                        // SAFETY: nobody uses it any more.
                        unsafe { raw::keep(pool, m) };
                    } else {
                        core::mem::drop(m);
                    }
                    let entered = entered.clone();
                    board(pool).once_at(at, move || {
                        let nested = pool.enter().expect("it nests");
                        let is_same = nested.id() == id && nested.depth() == 2;
                        alone_with(&nested, || ());
                        assert!(!pool.unbind());
                        assert_eq!(pool.close(), Err(Busy));
                        pool.reopen().expect("an M is in use");
                        core::mem::drop(nested);
                        let also = pool.enter_from_signal().map(|m| m.id());
                        entered.send((is_same, also.is_ok_and(|other| other != id))).unwrap();
                    });
                });
                assert_eq!(comes.try_recv(), Ok((true, true)), "{what}");
                ends_well(&what, pool);
            }
        }
    }
}

/// Nobody could catch a panic in an exit hook: the process ends, and says why. Each is a process of its
/// own: this program, with the name of the case in its environment.
///
/// Edge: thread exit x retire panics/observe panics.
#[test]
fn a_panic_in_an_exit_hook_ends_the_process_with_a_message() {
    const CASE: &str = "EXTRAM_EXIT_HOOK";
    const NAME: &str = "a_panic_in_an_exit_hook_ends_the_process_with_a_message";
    const CASES: [(&str, Point, bool); 4] = [
        ("retire", Retire, true),
        ("left", Left, true),
        ("returned", Returned, true),
        ("idle", Returned, false),
    ];
    if let Ok(case) = std::env::var(CASE) {
        let (_, at, raw) = CASES.into_iter().find(|(name, ..)| *name == case).expect("a case");
        let pool = started(Kind::Bound);
        in_turn(1, 0, |_| {
            let m = pool.enter().expect("let in");
            if raw {
                // SAFETY: nobody uses it any more.
                unsafe { raw::keep(pool, m) };
            }
            panic_at(board(pool), at);
        });
        return;
    }
    let _turn = turn();
    for (case, ..) in CASES {
        let this = std::env::current_exe().unwrap();
        let output =
            Command::new(this).args([NAME, "--exact", "--nocapture"]).env(CASE, case).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{case}: {said}");
        assert!(said.contains("on purpose") || said.contains("panicked"), "{case}: {said}");
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Guard>> = const { RefCell::new(Vec::new()) };
}

/// A thread that leaves a guard behind is inside for ever; what it does still, and others, works.
///
/// Edge: inside/walk/thread exit/close x guard forgotten.
#[test]
fn a_guard_is_forgotten() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let (pool, what) = (started(*kind), format!("{kind:?}"));
        let id = Mutex::new(0);
        in_turn(1, 0, |_| {
            let m = pool.enter().expect("let in");
            *id.lock().unwrap() = m.id();
            core::mem::forget(m);
            // It is inside for good: its calls nest in that M, raw ones too.
            let nested = pool.enter().expect("nested");
            assert_eq!((nested.id(), nested.depth()), (*id.lock().unwrap(), 2), "{what}");
            // SAFETY: nobody uses it any more. The exit hook takes this call back, and not the other.
            unsafe { raw::keep(pool, nested) };
        });
        let id = *id.lock().unwrap();
        let kept = pool.ms().find(|m| m.id == id).expect("it is there");
        assert_eq!((kept.state, kept.depth), (MState::InUse, 1), "{what}");
        // A reference to its context may be left: nobody else gets it.
        for _ in 0..4 {
            in_turn(1, 0, |_| assert_ne!(pool.enter().expect("let in").id(), id, "{what}"));
        }
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.created), (1, stats.spare + 1), "{what}: {stats:?}");
        pool.trim(1);
        for _ in 0..2 {
            assert_eq!(pool.close(), Err(Busy), "{what}");
            assert_eq!(
                board(pool).dropped.load(SeqCst),
                board(pool).made.load(SeqCst) - pool.stats().created
            );
            pool.reopen().expect("an M is in use");
            assert_eq!(visit(pool), Ok(()), "{what}");
        }
        pool.unbind();
    }
}

/// A guard in a thread-local comes before the exit hook, or after it: the M is its own until then.
///
/// Edge: inside/walk/thread exit x guard kept.
#[test]
fn a_guard_is_kept_until_the_thread_ends() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let (pool, what) = (started(*kind), format!("{kind:?}"));
        let (ends, may_end) = channel::<()>();
        let (kept, keeps) = channel();
        let thread = spawn(move || {
            let m = pool.enter().expect("let in");
            kept.send(m.id()).unwrap();
            KEPT.with_borrow_mut(|guards| guards.push(m));
            let nested = pool.enter().expect("nested");
            assert_eq!(nested.depth(), 2);
            core::mem::drop(nested);
            let _ = may_end.recv();
        });
        let id = keeps.recv_timeout(LONG).expect("it comes");
        let seen = pool.ms().find(|m| m.id == id).expect("it is there");
        assert_eq!(seen.state, MState::InUse, "{what}");
        assert_eq!(pool.close(), Err(Busy), "{what}");
        pool.reopen().expect("an M is in use");
        core::mem::drop(ends);
        thread.join().unwrap();
        ends_well(&what, pool);

        // After the hook: in the last rounds of the thread's destructors. The hook has seen the guard.
        let (pool, guard) = (started(*kind), Mutex::new(Vec::new()));
        Key::new().rounds(3, |round| match round {
            0 => {
                let m = pool.enter().expect("let in");
                *guard.lock().unwrap() = vec![Hidden(core::mem::ManuallyDrop::new(m))];
            }
            3 => {
                let stats = pool.stats();
                assert_eq!((stats.in_use, stats.bound_idle), (1, 0), "{what}: {stats:?}");
                let Hidden(m) = guard.lock().unwrap().pop().expect("it is there");
                alone_with(&m, || assert_eq!(m.depth(), 1));
                core::mem::drop(core::mem::ManuallyDrop::into_inner(m));
                assert_eq!(pool.stats().in_use, 0, "{what}");
            }
            _ => {}
        });
        ends_well(&what, pool);
    }
}

/// A guard that its own thread finds again in a destructor.
struct Hidden(core::mem::ManuallyDrop<Guard>);

// SAFETY: no other thread takes it out.
unsafe impl Send for Hidden {}

/// The call that began first is left first, and the thread ends before the last one is left.
///
/// Edge: inside/walk/thread exit/close x guard late.
#[test]
fn guards_are_dropped_in_another_order() {
    let turn = turn();
    for kind in Kind::all() {
        for order in [[0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1]] {
            turn.go_on();
            let (pool, what) = (started(*kind), format!("{order:?} in {kind:?}"));
            in_turn(1, 0, |_| {
                let mut guards = [(); 3].map(|()| Some(pool.enter().expect("let in")));
                let id = guards[0].as_ref().map(|m| m.id());
                for (left, which) in order.into_iter().enumerate() {
                    let seen = pool.ms().find(|m| Some(m.id) == id).expect("it is there");
                    assert_eq!((seen.state, seen.depth), (MState::InUse, 3 - left as u32), "{what}");
                    assert_eq!(pool.close(), Err(Busy), "{what}");
                    pool.reopen().expect("an M is in use");
                    if left == 2 {
                        // The last one is dropped by a destructor of the thread's.
                        let last = guards[which].take().expect("it is there");
                        alone_with(&last, || ());
                        KEPT.with_borrow_mut(|kept| kept.push(last));
                    } else {
                        core::mem::drop(guards[which].take());
                    }
                }
            });
            ends_well(&what, pool);
            // In the other order: a raw call stays, and a guard goes.
            pool.start().expect("it is closed");
            in_turn(1, 0, |_| {
                let guard = pool.enter().expect("let in");
                let m = pool.enter().expect("nested");
                // SAFETY: nobody uses it any more.
                unsafe { raw::keep(pool, m) };
                core::mem::drop(guard);
                assert_eq!(pool.stats().in_use, 1, "{what}");
            });
            assert_eq!(pool.stats().in_use, 0, "{what}: the exit hook has left the raw call");
            closes(&what, pool);
        }
    }
}
