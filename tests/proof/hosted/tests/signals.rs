//! Signal handlers that enter, whatever their thread is doing.
#![cfg(unix)]

use extram::{Binding, EnterError, Pool};
use extram_hosted::{Tapped, Taps, Witness, alone, call, close, rest, scaled, started_on, storm};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Scenario 27. Ten threads with 100,000 signals each, which come down while a thread enters a
/// bound M or takes a spare one, waits under a limit, makes, leaves, unbinds or trims: wherever it
/// happens to be, and in each call to the port and to the runtime.
#[test]
fn a_handler_enters_whatever_its_thread_is_doing() {
    let pools = [
        started_on::<Tapped, false>(Pool::new(Witness::default())),
        started_on::<Tapped, false>(Pool::new(Witness::default()).binding(Binding::Call)),
        started_on::<Tapped, false>(Pool::new(Witness::default()).limit(4)),
        started_on::<Tapped, false>(Pool::new(Witness::default()).limit(4).binding(Binding::Call)),
    ];
    let turn = AtomicU64::new(0);
    let entered = [const { AtomicU64::new(0) }; 4];
    let refused = AtomicU64::new(0);
    let body = |index: u32| {
        let turn = turn.fetch_add(1, SeqCst);
        let pool = pools[(turn % 4) as usize];
        match turn / 4 % 8 {
            0 => _ = pool.unbind(),
            // Makes Ms again and again.
            1 if index == 0 => _ = pool.trim(0),
            2 => match pool.enter_timeout(Duration::from_micros(turn % 50)) {
                Ok(m) => alone(&m, || ()),
                Err(EnterError::TimedOut) => {}
                Err(other) => panic!("{other}"),
            },
            3 => _ = pool.callback(|_| call(pool)).unwrap(),
            _ => _ = call(pool),
        }
    };
    let handler = |index: u32| {
        let which = (turn.load(SeqCst) as u32 + index) as usize % 4;
        match pools[which].enter_from_signal() {
            Ok(m) => {
                alone(&m, || ());
                entered[which].fetch_add(1, SeqCst);
            }
            Err(EnterError::WouldBlock | EnterError::Exhausted) => _ = refused.fetch_add(1, SeqCst),
            Err(other) => panic!("{other}"),
        }
    };
    Taps::strike(true);
    storm(10, scaled(100_000), body, handler);
    Taps::strike(false);
    println!("entered {entered:?}, refused {refused:?}, {} turns", turn.load(SeqCst));
    for (pool, entered) in pools.into_iter().zip(&entered) {
        assert!(entered.load(SeqCst) > 0);
        rest(pool, 0);
        close(pool);
    }
}

/// Scenario 27. The handler interrupts a thread that waits for the M of another.
#[test]
fn a_handler_has_an_m_of_its_own_and_is_turned_away_where_none_is_spare() {
    extern "C" fn handler(_: libc::c_int) {
        match POOL.enter_from_signal() {
            Ok(m) => DEPTH.store(u64::from(m.depth()), SeqCst),
            Err(error) => {
                assert_eq!(error, EnterError::Exhausted);
                AWAY.fetch_add(1, SeqCst);
            }
        }
    }
    struct Plain;
    impl extram::Runtime for Plain {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            Ok(())
        }
    }
    static POOL: Pool<Plain> = Pool::new(Plain).limit(1);
    static DEPTH: AtomicU64 = AtomicU64::new(0);
    static AWAY: AtomicU64 = AtomicU64::new(0);
    POOL.start().unwrap();
    // SAFETY: the handler is async-signal-safe as far as `enter_from_signal` is.
    unsafe { libc::signal(libc::SIGURG, handler as *const () as libc::sighandler_t) };
    let inside = POOL.enter().unwrap();
    let waiter = std::thread::spawn(|| POOL.callback(|m| m.depth()));
    while POOL.stats().waiting == 0 {
        std::thread::yield_now();
    }
    use std::os::unix::thread::JoinHandleExt as _;
    while AWAY.load(SeqCst) == 0 {
        // SAFETY: the thread is not joined yet, and waits.
        unsafe { libc::pthread_kill(waiter.as_pthread_t() as libc::pthread_t, libc::SIGURG) };
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(POOL.stats().waiting, 1, "the wait goes on, and counts once");
    let away = AWAY.load(SeqCst);
    // SAFETY: raises the signal on this thread.
    unsafe { libc::raise(libc::SIGURG) };
    assert_eq!((DEPTH.load(SeqCst), AWAY.load(SeqCst)), (0, away + 1), "it does not share the thread's M");
    drop(inside);
    assert_eq!(waiter.join().unwrap(), Ok(1));
    // SAFETY: as above.
    unsafe { libc::raise(libc::SIGURG) };
    assert_eq!((DEPTH.load(SeqCst), AWAY.load(SeqCst)), (1, away + 1), "the M is spare now");
    POOL.close().unwrap();
}
