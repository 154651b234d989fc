//! Real threads on a port that keeps its promises and no more: wake-ups come in vain and late, the
//! system refuses threads; and a runtime that fails at any one creation.
#![cfg(unix)]

use core::time::Duration;
use extram::{EnterError, Native, Pool, Port as _, Refused, Runtime, StartError, Threads as _};
use extram_conformance::wrap::{Local, Thread, Wrap, Wrapped};
use extram_conformance::{Config, OnHeap, Outcome, run_on};
use extram_core::sync::AtomicU32;
use std::marker::PhantomData;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::SeqCst;

/// What a port makes use of that it may do.
trait Licence: Send + Sync + 'static {
    /// Waits end at once, every other time, and wake-ups reach more threads than they need to.
    const SPURIOUS: bool = false;
    /// A wake-up takes its time.
    const LATE: bool = false;
    /// Each wait ends as if its time were up, whether or not it had a limit.
    const SHORT: bool = false;
    /// The same where a thread waits again.
    const SHORT_AGAIN: bool = Self::SHORT;
    /// It has no clock.
    const TIMELESS: bool = false;
    /// Waits of such a port.
    fn waits() -> &'static AtomicI64 {
        static WAITS: AtomicI64 = AtomicI64::new(0);
        &WAITS
    }
    /// Comes first when a thread-local word is set.
    fn before_setting() {}
    /// A thread waits, or is woken; `in_turn` if it waits again, or if those that do are woken first.
    fn told(in_turn: bool, wakes: bool) {
        _ = (in_turn, wakes);
    }
    /// So many threads are made before one is refused; below 0 all are made.
    fn threads() -> &'static AtomicI64 {
        static ALL: AtomicI64 = AtomicI64::new(-1);
        &ALL
    }
}

struct Licensed<L>(PhantomData<L>);

type Unreliable<L> = Wrapped<Licensed<L>>;

impl<L: Licence> Licensed<L> {
    fn wait_by(
        wait: fn(&AtomicU32, u32, Option<Duration>),
        short: bool,
        word: &AtomicU32,
        expected: u32,
        timeout: Option<Duration>,
    ) {
        static TURN: AtomicI64 = AtomicI64::new(0);
        if L::SPURIOUS && TURN.fetch_add(1, SeqCst) % 2 == 0 {
            return;
        }
        if L::TIMELESS {
            assert_eq!(timeout, Some(Duration::from_micros(1)));
            L::waits().fetch_add(1, SeqCst);
        }
        let short = short.then(|| Duration::from_micros(20));
        wait(word, expected, short.or(timeout));
    }
}

// SAFETY: everything that memory safety rests on is passed on to the system's port.
unsafe impl<L: Licence> Wrap for Licensed<L> {
    type Inner = Native;
    fn tls_look(local: &'static Local<Self>) -> (*mut (), bool) {
        (Native::tls_get(local), false)
    }
    fn tls_set(local: &'static Local<Self>, value: *mut ()) -> Result<(), Refused> {
        L::before_setting();
        Native::tls_set(local, value)
    }
    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread<Self>, Refused> {
        let left = L::threads();
        if left.load(SeqCst) >= 0 && left.fetch_sub(1, SeqCst) == 0 {
            return Err(Refused);
        }
        Native::newosproc(entry, arg, stack)
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        L::told(false, false);
        Self::wait_by(Native::wait, L::SHORT, word, expected, timeout);
    }
    fn wake(word: *const AtomicU32, count: u32) {
        if L::LATE {
            Native::usleep(300);
        }
        L::told(false, true);
        Native::wake(word, if L::SPURIOUS { u32::MAX } else { count });
    }
    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        L::told(true, false);
        Self::wait_by(Native::wait_again, L::SHORT_AGAIN, word, expected, timeout);
    }
    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        L::told(true, true);
        Native::wake_in_turn(word, count);
    }
    fn now() -> Option<Duration> {
        if L::TIMELESS { None } else { Native::now() }
    }
}

fn suite<L: Licence>() -> (Outcome, String) {
    let mut report = String::new();
    let config = Config { threads: 64, sequence: 30, entries: 2000, races: 2000, ..Config::HOST };
    let outcome = run_on::<OnHeap<Unreliable<L>>>(&config, &mut report);
    (outcome, report)
}

fn passes<L: Licence>() {
    let (outcome, report) = suite::<L>();
    assert_eq!((outcome.failed, outcome.skips), (0, 0), "{report}");
}

#[test]
fn wake_ups_in_vain_do_no_harm() {
    struct Spurious;
    impl Licence for Spurious {
        const SPURIOUS: bool = true;
    }
    passes::<Spurious>();
}

#[test]
fn late_wake_ups_do_no_harm() {
    struct Late;
    impl Licence for Late {
        const LATE: bool = true;
    }
    passes::<Late>();
}

#[test]
fn waits_that_end_too_early_each_time_do_no_harm() {
    struct Short;
    impl Licence for Short {
        const SHORT: bool = true;
    }
    passes::<Short>();
}

/// Else it would line up anew each time, behind those that were not woken yet.
#[test]
fn a_thread_that_is_woken_for_nothing_waits_again_and_comes_first() {
    /// Waits and wake-ups, each ordinary and in turn.
    static TOLD: [[AtomicU32; 2]; 2] = [const { [const { AtomicU32::new(0) }; 2] }; 2];
    struct InTurn;
    impl Licence for InTurn {
        const SHORT: bool = true;
        const SHORT_AGAIN: bool = false;
        fn told(in_turn: bool, wakes: bool) {
            TOLD[usize::from(wakes)][usize::from(in_turn)].fetch_add(1, SeqCst);
        }
    }
    let told = || TOLD.each_ref().map(|kind| kind.each_ref().map(|told| told.load(SeqCst)));
    let runtime =
        Once { attempts: AtomicU32::new(0), fails_at: u32::MAX, alive: extram_kept::keep(AtomicI64::new(0)) };
    let pool: &'static Pool<Once, Unreliable<InTurn>> = extram_kept::keep(Pool::new(runtime).limit(1));
    pool.start().unwrap();
    let inside = pool.enter().unwrap();
    let served = std::thread::spawn(move || pool.enter().map(drop));
    let begun = std::time::Instant::now();
    while told()[0] != [1, 1] {
        assert!(begun.elapsed() < Duration::from_secs(30), "once, and then again: {:?}", told()[0]);
        Native::usleep(100);
    }
    assert_eq!(told()[1], [0, 0], "nobody has been woken");
    drop(inside);
    served.join().unwrap().unwrap();
    assert_eq!(told()[1], [0, 1], "one M, one wake-up");
    pool.close().unwrap();
}

/// Each takes a microsecond at least, so a time-out is never early.
#[test]
fn without_a_clock_as_many_waits_as_microseconds_are_a_time_out() {
    struct Timeless;
    impl Licence for Timeless {
        const TIMELESS: bool = true;
    }
    let runtime =
        Once { attempts: AtomicU32::new(0), fails_at: u32::MAX, alive: extram_kept::keep(AtomicI64::new(0)) };
    let pool: &'static Pool<Once, Unreliable<Timeless>> = extram_kept::keep(Pool::new(runtime).limit(1));
    pool.start().unwrap();
    let inside = pool.enter().unwrap();
    for micros in [0, 1, 200] {
        Timeless::waits().store(0, SeqCst);
        let timed_out =
            std::thread::spawn(move || pool.enter_timeout(Duration::from_micros(micros)).map(drop));
        assert_eq!(timed_out.join().unwrap(), Err(EnterError::TimedOut));
        assert_eq!(Timeless::waits().load(SeqCst), micros as i64);
    }
    drop(inside);
    pool.close().unwrap();
}

/// The suite says which scenarios had too few threads; it neither hangs nor calls that a failure of
/// the pool.
#[test]
fn a_thread_that_the_system_refuses_is_a_reason_to_skip() {
    struct Refusing;
    static LEFT: AtomicI64 = AtomicI64::new(-1);
    impl Licence for Refusing {
        fn threads() -> &'static AtomicI64 {
            &LEFT
        }
    }
    let mut skipped = 0;
    // The checks of the port take 18.
    for threads in [0, 1, 6, 11, 18, 19, 20, 21, 23, 49, 88, 128, 318] {
        LEFT.store(threads, SeqCst);
        let (outcome, report) = suite::<Refusing>();
        assert_eq!(outcome.failed, 0, "{report}");
        assert_eq!(LEFT.load(SeqCst), -1, "a thread was refused");
        // Some scenarios go on with the threads that they have.
        let refused = report.matches("skipped: newosproc").count();
        let idle = outcome.skips.count_ones() as usize;
        assert!(idle <= refused && refused <= 1, "{report}");
        skipped += refused;
    }
    assert!(skipped >= 3, "{skipped}");
}

/// Under a limit, whoever takes a context out of use holds another M until its slot is free, so that who
/// came meanwhile and found the limit reached is not forgotten: the M goes to one of them and owes the
/// other one's.
#[test]
fn who_waits_while_a_context_goes_out_of_use_is_served() {
    struct Halting;
    const ARMED: i64 = 1;
    const STANDS: i64 = 2;
    static AT: AtomicI64 = AtomicI64::new(0);
    impl Licence for Halting {
        fn before_setting() {
            if AT.compare_exchange(ARMED, STANDS, SeqCst, SeqCst).is_ok() {
                while AT.load(SeqCst) == STANDS {
                    Native::usleep(100);
                }
            }
        }
    }
    let alive = extram_kept::keep(AtomicI64::new(0));
    let runtime = Once { attempts: AtomicU32::new(0), fails_at: u32::MAX, alive };
    let pool: &'static Pool<Once, Unreliable<Halting>> = extram_kept::keep(Pool::new(runtime).limit(2));
    pool.start().unwrap();
    let inside = pool.enter().unwrap();
    // Once it has been used it owes nothing of its own.
    std::thread::spawn(move || pool.callback(|_| ()).unwrap()).join().unwrap();
    assert_eq!(pool.stats().spare, 1);
    let (served, serves) = std::sync::mpsc::channel();
    let comes = std::thread::spawn(move || {
        while AT.load(SeqCst) != STANDS {
            Native::usleep(100);
        }
        let stays = [(); 2].map(|()| {
            let (go, may_go) = std::sync::mpsc::channel::<()>();
            let served = served.clone();
            let thread = std::thread::spawn(move || {
                let inside = pool.enter_timeout(Duration::from_secs(60));
                served.send(inside.as_ref().map(drop).map_err(|error| *error)).unwrap();
                _ = may_go.recv();
            });
            (go, thread)
        });
        while pool.stats().waiting < 2 {
            Native::usleep(100);
        }
        AT.store(0, SeqCst);
        stays
    });
    AT.store(ARMED, SeqCst);
    inside.discard();
    let stays = comes.join().unwrap();
    for _ in 0..2 {
        assert_eq!(serves.recv().unwrap(), Ok(()), "{:?}", pool.stats());
    }
    for (go, thread) in stays {
        drop(go);
        thread.join().unwrap();
    }
    pool.close().unwrap();
    assert_eq!(alive.load(SeqCst), 0);
}

/// Fails at one creation.
struct Once {
    attempts: AtomicU32,
    fails_at: u32,
    alive: &'static AtomicI64,
}

struct Alive(&'static AtomicI64);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Runtime for Once {
    type Context = Alive;
    type Error = ();

    fn new_context(&self) -> Result<Alive, ()> {
        if self.attempts.fetch_add(1, SeqCst) == self.fails_at {
            return Err(());
        }
        self.alive.fetch_add(1, SeqCst);
        Ok(Alive(self.alive))
    }
}

/// Scenario 7. For every one of the creations of a herd that is all inside, and the one in `start`.
#[test]
fn whichever_creation_fails_nobody_hangs_and_nothing_is_lost() {
    const HERD: u32 = 12;
    for fails_at in 0..=HERD + 1 {
        for _ in 0..20 {
            let alive = extram_kept::keep(AtomicI64::new(0));
            let runtime = Once { attempts: AtomicU32::new(0), fails_at, alive };
            let pool: &'static Pool<Once> = extram_kept::keep(Pool::new(runtime));
            if fails_at == 0 {
                assert_eq!(pool.start(), Err(StartError::CreationFailed));
                assert_eq!(pool.enter().unwrap_err(), EnterError::NotStarted);
            }
            pool.start().unwrap();
            // Those that are in, and those that were told, in the upper half.
            let settled = AtomicU32::new(0);
            std::thread::scope(|scope| {
                let herd: Vec<_> = (0..HERD)
                    .map(|_| {
                        scope.spawn(|| match pool.enter() {
                            Ok(_inside) => {
                                settled.fetch_add(1, SeqCst);
                                // Nobody leaves before all have been served or told.
                                while {
                                    let settled = settled.load(SeqCst);
                                    (settled & 0xffff) + (settled >> 16) < HERD
                                } {
                                    std::thread::yield_now();
                                }
                            }
                            Err(error) => {
                                assert_eq!(error, EnterError::CreationFailed);
                                settled.fetch_add(1 << 16, SeqCst);
                            }
                        })
                    })
                    .collect();
                herd.into_iter().for_each(|thread| thread.join().unwrap());
            });
            // A failure with nobody waiting turns newcomers away until an M is back, and here none
            // comes back before all are settled.
            let told = settled.load(SeqCst) >> 16;
            assert!(told == 0 || (1..=HERD).contains(&fails_at), "{told} told, creation {fails_at}");
            let stats = pool.stats();
            assert_eq!((stats.waiting, stats.creating, stats.in_use, stats.bound_idle), (0, 0, 0, 0));
            assert_eq!(i64::from(stats.created), alive.load(SeqCst));
            drop(pool.enter().unwrap());
            pool.close().unwrap();
            assert_eq!(alive.load(SeqCst), 0);
        }
    }
}

/// Two threads wait while an M is being made, under a limit. One of them gets it, leaves, and keeps
/// it idle unless it looks whether somebody waits (Invariant Idle: a new M carries the mark).
#[test]
fn a_new_m_does_not_go_idle_past_a_thread_that_waited_while_it_was_made() {
    struct Patient(AtomicU32);
    impl Runtime for Patient {
        type Context = ();
        type Error = ();
        fn new_context(&self) -> Result<(), ()> {
            if self.0.fetch_add(1, SeqCst) == 1 {
                await_stats(|stats| stats.waiting == 2);
            }
            Ok(())
        }
    }
    static POOL: Pool<Patient> = Pool::new(Patient(AtomicU32::new(0))).limit(2);
    fn await_stats(holds: impl Fn(extram::Stats) -> bool) {
        while !holds(POOL.stats()) {
            Native::usleep(100);
        }
    }

    POOL.start().unwrap();
    let (over, end) = std::sync::mpsc::channel::<()>();
    let creator = std::thread::spawn(move || {
        let _stays = POOL.enter().unwrap();
        _ = end.recv();
    });
    await_stats(|stats| stats.creating == 1);
    let (done, reports) = std::sync::mpsc::channel();
    let mut threads = vec![creator];
    let mut overs = vec![over];
    for _ in 0..2 {
        let (over, end) = std::sync::mpsc::channel::<()>();
        let done = done.clone();
        overs.push(over);
        threads.push(std::thread::spawn(move || {
            POOL.callback(|_| ()).unwrap();
            done.send(()).unwrap();
            // Lives on, with its M if nobody takes it.
            _ = end.recv();
        }));
    }
    for _ in 0..2 {
        let served = reports.recv_timeout(Duration::from_secs(30));
        assert!(served.is_ok(), "an M is idle and a thread waits: {:?}", POOL.stats());
    }
    drop(overs);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    POOL.close().unwrap();
}
