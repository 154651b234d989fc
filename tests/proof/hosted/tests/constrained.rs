//! Threads and processes under constraints: a cancellation that is pending on whatever stack, coroutines,
//! a sandbox that was entered late.
#![cfg(unix)]

use extram::{Native, Pool};
use extram_hosted::stage::{Kind, alone_with, ends_well, play, turn};
use extram_hosted::{
    Taps, Witness, cancelled, close, in_turn, interrupted_on, on_other_stack, rest, scaled, started_on,
};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

/// What asks for the bounds of stacks.
type Scanned = &'static Pool<Witness<true>, Native>;

static SCANNED: OnceLock<Scanned> = OnceLock::new();
static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_: libc::c_int) {
    let pool = SCANNED.get().expect("it is started");
    if pool.enter_from_signal().is_ok() {
        HANDLED.fetch_add(1, SeqCst);
    }
}

/// Scenario 40. Where the system tells the bounds of a stack by a file, reading it would be a cancellation
/// point: the thread would end in the middle of an entry.
#[test]
fn asking_for_a_stack_is_no_cancellation_point() {
    let _turn = turn();
    let pool = started_on::<Native, true>(Pool::new(Witness::default()));
    assert!(SCANNED.set(pool).is_ok());
    pool.prewarm(3).expect("three can be made");
    let call = || pool.callback(|m| m.stack().is_some()).expect("let in");
    // The thread's own stack first, a coroutine's, an alternate one.
    let does: [&(dyn Fn() + Sync); 3] = [
        &|| assert!(call()),
        &|| {
            let mut stack = vec![0; 256 << 10];
            on_other_stack(&mut stack, || _ = call());
            assert!(call());
        },
        &|| {
            let mut stack = vec![0; 256 << 10];
            interrupted_on(&mut stack, handler);
            pool.callback(|_| interrupted_on(&mut stack, handler)).expect("let in");
        },
    ];
    for does in does {
        for unbound in [false, true] {
            cancelled(|| {
                does();
                if unbound {
                    pool.unbind();
                }
                does();
            });
        }
    }
    assert_eq!(HANDLED.load(SeqCst), 8);
    rest(pool, 0);
    close(pool);
}

/// Scenario 44. Nothing is asked for a runtime that does not want to know of stacks, and the M that a
/// thread has is the one that all of its coroutines find.
#[test]
fn coroutines_that_call_in_turn_cost_what_a_call_costs() {
    let turn = turn();
    for kind in Kind::all() {
        turn.go_on();
        let pool = play(*kind);
        pool.start().expect("starts");
        let asked = Taps::asked();
        in_turn(1, 0, |_| {
            let mut stacks = [(); 3].map(|()| vec![0; 128 << 10]);
            let own = pool.callback(|m| m.id()).expect("let in");
            let made = pool.stats().created;
            for round in 0..scaled(200) {
                let stack = &mut stacks[round as usize % 3];
                on_other_stack(stack, || {
                    pool.callback(|m| {
                        assert_eq!((m.id(), m.depth(), m.stack()), (own, 1, None));
                        alone_with(m, || ());
                    })
                    .expect("let in");
                });
            }
            // One in the other, the thread's own stack outermost.
            let [one, two, _] = &mut stacks;
            pool.callback(|_| {
                on_other_stack(one, || {
                    pool.callback(|m| assert_eq!((m.id(), m.depth()), (own, 2))).expect("nested");
                });
                on_other_stack(two, || {
                    pool.callback(|m| assert_eq!((m.id(), m.depth()), (own, 2))).expect("nested");
                });
            })
            .expect("let in");
            assert_eq!(pool.stats().created, made);
        });
        assert_eq!(Taps::asked(), asked, "{kind:?}: nobody wants to know");
        ends_well(&format!("{kind:?}"), pool);
    }
}

/// Scenario 43. A process that forbids itself system calls when it is set up: the barrier, the thread's
/// number, giving way, and opening files. Linux's way; what else there is to be said of a barrier that is
/// refused is in `edges_scarce.rs`.
#[cfg(target_os = "linux")]
mod sandboxed {
    use super::*;
    use extram::{Busy, EnterError};
    use extram_hosted::stage::{LONG, in_child, visit};
    use std::sync::Mutex;
    use std::sync::mpsc::channel;
    use std::thread::spawn;
    use std::time::Duration;

    fn forbid(calls: &[libc::c_long]) {
        let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
        let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
        for call in calls {
            let equal = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32);
            program.push(libc::sock_filter { jf: 1, ..equal });
            let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
            program.push(statement(libc::BPF_RET | libc::BPF_K, refused));
        }
        program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: a program that is alive; for all threads of the process.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            let (mode, all) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
            assert_eq!(libc::syscall(libc::SYS_seccomp, mode, all, &raw const filter), 0);
        }
    }

    /// Scenario 43.
    #[test]
    fn a_process_that_has_put_itself_into_a_sandbox_gets_answers() {
        let turn = turn();
        for kind in [Kind::Bound, Kind::PerCall, Kind::Limited] {
            turn.go_on();
            let plain = kind.is_plain();
            in_child(&format!("{kind:?}"), || {
                let pool = play(kind);
                pool.start().expect("starts");
                let others: Vec<_> = (0..3)
                    .map(|_| {
                        let (go, may_go) = channel::<()>();
                        let (did, done) = channel();
                        let thread = spawn(move || {
                            visit(pool).expect("let in");
                            did.send(()).unwrap();
                            while may_go.recv().is_ok() {
                                visit(pool).expect("let in again");
                                did.send(()).unwrap();
                            }
                        });
                        done.recv_timeout(LONG).expect("it comes");
                        (go, done, thread)
                    })
                    .collect();
                let refused = [libc::SYS_membarrier, libc::SYS_gettid, libc::SYS_sched_yield];
                forbid(&[&refused[..], &[libc::SYS_sched_getscheduler, libc::SYS_openat]].concat());
                for (go, done, _) in &others {
                    go.send(()).unwrap();
                    done.recv_timeout(LONG).expect("it comes again");
                }
                assert_eq!(visit(pool), Ok(()));
                assert_eq!(spawn(move || visit(pool)).join().unwrap(), Ok(()));
                pool.prewarm(3).expect("three can be made");
                // Waiting, and its end.
                let mut inside = Vec::new();
                while let Ok(m) = pool.enter_from_signal() {
                    inside.push(m);
                }
                pool.unbind();
                let timed_out = spawn(move || pool.enter_timeout(Duration::from_millis(2)).map(drop));
                let outcome = timed_out.join().unwrap();
                assert!([Ok(()), Err(EnterError::TimedOut)].contains(&outcome), "{outcome:?}");
                drop(inside);
                // Threads have idle Ms that nobody can revoke any more, where they are bound the plain way.
                let closed = Mutex::new(Ok(()));
                extram_hosted::preserved(|| *closed.lock().unwrap() = pool.close())
                    .expect("a close in the sandbox");
                let closed = closed.into_inner().unwrap();
                if plain {
                    assert_eq!(closed, Err(Busy));
                }
                if closed.is_err() {
                    pool.reopen().expect("it is not closed to the end");
                } else {
                    pool.start().expect("it is closed");
                }
                for (go, _, thread) in others {
                    drop(go);
                    thread.join().unwrap();
                }
                ends_well("in the sandbox", pool);
            });
        }
    }
}
