//! A runtime that stops where it is told, so that others meet a pool in the middle of something: another
//! thread, a handler, a forked child.

use crate::{Tapped, Taps, until};
use core::ptr::null_mut;
use extram::{Binding, EnterError, Event, M, Native, Pool, Port as _, Runtime};
use std::os::unix::thread::JoinHandleExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A function of the runtime, or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Point {
    NewContext,
    Failed,
    Admit,
    TryAdmit,
    Retire,
    Drop,
    Waiting,
    Granted,
    Refused,
    Entered,
    Making,
    Made,
    CreationFailed,
    Left,
    Returned,
    Discarded,
    /// No function of the runtime: where a test says so.
    Here,
}

impl Point {
    /// All functions of the runtime, and all events.
    pub const FUNCTIONS: [Point; 16] = [
        Point::NewContext,
        Point::Failed,
        Point::Admit,
        Point::TryAdmit,
        Point::Retire,
        Point::Drop,
        Point::Waiting,
        Point::Granted,
        Point::Refused,
        Point::Entered,
        Point::Making,
        Point::Made,
        Point::CreationFailed,
        Point::Left,
        Point::Returned,
        Point::Discarded,
    ];

    /// Which one an event is.
    pub fn of(event: Event) -> Point {
        match event {
            Event::Waiting => Point::Waiting,
            Event::Granted { .. } => Point::Granted,
            Event::Refused => Point::Refused,
            Event::Entered { .. } => Point::Entered,
            Event::Making => Point::Making,
            Event::Made { .. } => Point::Made,
            Event::Failed => Point::CreationFailed,
            Event::Left { .. } => Point::Left,
            Event::Returned { .. } => Point::Returned,
            Event::Discarded { .. } => Point::Discarded,
            other => panic!("{other:?} has no test"),
        }
    }
}

/// A pool on a stage.
pub type Play = &'static Pool<Staged, Tapped>;

type Deed = Box<dyn FnOnce() + Send>;

/// What a stage's threads share.
#[derive(Default)]
pub struct Board {
    armed: AtomicU32,
    /// What the thread that comes to an armed point does; it stands there if this is nothing.
    deed: Mutex<Option<Deed>>,
    stands: AtomicBool,
    may_go: AtomicBool,
    /// So many creations fail from now on.
    pub failing: AtomicU32,
    /// Contexts made.
    pub made: AtomicU32,
    /// Contexts dropped.
    pub dropped: AtomicU32,
}

impl Board {
    /// The next thread that comes to `point` stands there until it may [go](Board::go).
    pub fn stop_at(&self, point: Point) {
        self.may_go.store(false, SeqCst);
        self.arm(point);
    }

    /// The next thread that comes to `point` does this.
    pub fn once_at(&self, point: Point, deed: impl FnOnce() + Send + 'static) {
        *self.deed.lock().unwrap() = Some(Box::new(deed));
        self.arm(point);
    }

    fn arm(&self, point: Point) {
        self.armed.fetch_or(1 << point as u32, SeqCst);
    }

    /// Nobody stops or does anything any more. Whether somebody would have.
    pub fn disarm(&self) -> bool {
        self.may_go.store(true, SeqCst);
        self.armed.swap(0, SeqCst) != 0
    }

    /// Whether a thread stands somewhere.
    pub fn stands(&self) -> bool {
        self.stands.load(SeqCst)
    }

    /// Who stands goes on.
    pub fn go(&self) {
        self.may_go.store(true, SeqCst);
    }

    /// A thread is there. In handlers, too: nothing is locked but where it is told to do something.
    pub fn at(&self, point: Point) {
        let bit = 1 << point as u32;
        if self.armed.load(SeqCst) & bit == 0 || self.armed.fetch_and(!bit, SeqCst) & bit == 0 {
            return;
        }
        let deed = self.deed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(deed) = deed {
            return deed();
        }
        self.stands.store(true, SeqCst);
        while !self.may_go.load(SeqCst) {
            std::thread::sleep(Duration::from_micros(50));
        }
        self.stands.store(false, SeqCst);
    }
}

/// The runtime.
pub struct Staged(pub &'static Board);

/// What an M carries.
pub struct Prop {
    /// How many had been made before it.
    pub number: u32,
    owner: AtomicUsize,
    board: &'static Board,
}

impl core::ops::Drop for Prop {
    fn drop(&mut self) {
        assert_eq!(*self.owner.get_mut(), 0, "dropped in use");
        self.board.dropped.fetch_add(1, SeqCst);
        self.board.at(Point::Drop);
    }
}

impl Runtime for Staged {
    type Context = Prop;
    type Error = ();

    fn new_context(&self) -> Result<Prop, ()> {
        self.0.at(Point::NewContext);
        if self.0.failing.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(());
        }
        let number = self.0.made.fetch_add(1, SeqCst);
        Ok(Prop { number, owner: AtomicUsize::new(0), board: self.0 })
    }

    fn failed(&self, (): ()) {
        self.0.at(Point::Failed);
    }

    fn admit(&self, _: &M<Self>) {
        self.0.at(Point::Admit);
    }

    fn try_admit(&self, _: &M<Self>) -> bool {
        self.0.at(Point::TryAdmit);
        true
    }

    fn retire(&self, _: &M<Self>) {
        self.0.at(Point::Retire);
    }

    fn observe(&self, event: Event) {
        self.0.at(Point::of(event));
    }
}

/// How a pool may be made, and whether it binds. `Shared` has no heavy barrier; of `Tidy` one M may stay
/// spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Bound,
    PerCall,
    Limited,
    LimitedPerCall,
    Shared,
    Tidy,
}

impl Kind {
    /// All of them but `Tidy`, or the first ones where each thread costs many times as much.
    pub fn all() -> &'static [Kind] {
        const ALL: [Kind; 5] =
            [Kind::Bound, Kind::Limited, Kind::PerCall, Kind::LimitedPerCall, Kind::Shared];
        if crate::scaled(10) < 10 { &ALL[..2] } else { &ALL }
    }

    /// Whether nobody but a close takes an idle M: where the system has the barrier for that.
    pub fn is_plain(self) -> bool {
        self == Kind::Bound && Native::heavy_barrier_init()
    }

    /// Whether an M stays with its thread.
    pub fn binds(self) -> bool {
        matches!(self, Kind::Bound | Kind::Limited | Kind::Shared)
    }
}

/// More than a test has inside at once.
const LIMIT: u32 = 12;

/// A pool of that kind, not started.
pub fn play(kind: Kind) -> Play {
    Taps::has_barrier(kind != Kind::Shared);
    let pool = Pool::new(Staged(extram_kept::keep(Board::default())));
    extram_kept::keep(match kind {
        Kind::Bound | Kind::Shared => pool,
        Kind::PerCall => pool.binding(Binding::Call),
        Kind::Limited => pool.limit(LIMIT),
        Kind::LimitedPerCall => pool.limit(LIMIT).binding(Binding::Call),
        Kind::Tidy => pool.spare_max(1).binding(Binding::Call),
    })
}

/// The board of a pool.
pub fn board(pool: Play) -> &'static Board {
    pool.runtime().0
}

/// The M is in this thread's hands alone while `f` runs. A nested call finds its own thread's mark.
pub fn alone_with<T>(m: &M<Staged>, f: impl FnOnce() -> T) -> T {
    let me = Native::thread_token();
    let owner = &m.context().owner;
    let before = owner.swap(me, SeqCst);
    assert!(before == 0 || before == me, "M {} is in two hands", m.id());
    let result = f();
    assert_eq!(owner.swap(before, SeqCst), me, "M {} changed hands", m.id());
    result
}

/// What came of a try to enter.
pub type Outcome = Result<(), EnterError>;

/// Enters for as long as it takes, but not for ever.
pub fn visit(pool: Play) -> Outcome {
    pool.enter_timeout(LONG).map(|m| alone_with(&m, || ()))
}

/// Longer than anything takes that does not hang.
pub const LONG: Duration = Duration::from_secs(20);

/// A thread that stands somewhere, or waits.
pub struct Held<T> {
    thread: JoinHandle<T>,
    board: &'static Board,
}

impl<T: Send + 'static> Held<T> {
    /// Runs `f` on a thread until it stands.
    pub fn new(what: &str, board: &'static Board, f: impl FnOnce() -> T + Send + 'static) -> Self {
        let held = Self::waiting(board, f);
        until(what, || board.stands());
        held
    }

    /// Runs `f` on a thread.
    pub fn waiting(board: &'static Board, f: impl FnOnce() -> T + Send + 'static) -> Self {
        Held { thread: std::thread::spawn(f), board }
    }

    /// Interrupts it by a handler that enters. Whether that was let in.
    pub fn interrupt(&self, what: &str, pool: Play) -> Outcome {
        AFTERWARDS.store(NOT_YET, SeqCst);
        SCENE.store((&raw const *pool).cast_mut(), SeqCst);
        // SAFETY: the thread is not joined yet.
        unsafe { libc::pthread_kill(self.thread.as_pthread_t() as libc::pthread_t, SIGNALS[1]) };
        until(what, || AFTERWARDS.load(SeqCst) != NOT_YET);
        told(AFTERWARDS.load(SeqCst))
    }

    /// Lets it go on to its end, the exit hooks included.
    pub fn end(self) -> T {
        self.board.go();
        self.thread.join().expect("no assertion failed")
    }
}

/// The handlers' signals: one may interrupt the other's.
const SIGNALS: [libc::c_int; 2] = [libc::SIGUSR1, libc::SIGUSR2];
static SCENE: AtomicPtr<Pool<Staged, Tapped>> = AtomicPtr::new(null_mut());
/// What came of the handler's entry: an index into `ERRORS`, or one of those below.
static AFTERWARDS: AtomicU32 = AtomicU32::new(0);
const NOT_YET: u32 = 100;
const WENT_WELL: u32 = 101;
const ERRORS: [EnterError; 5] = [
    EnterError::NotStarted,
    EnterError::WouldBlock,
    EnterError::Exhausted,
    EnterError::CreationFailed,
    EnterError::Closed,
];

fn told(number: u32) -> Outcome {
    if number == WENT_WELL { Ok(()) } else { Err(ERRORS[number as usize]) }
}

extern "C" fn handler(_: libc::c_int) {
    // SAFETY: stored before the signal was sent; plays are never freed.
    let pool = unsafe { &*SCENE.load(SeqCst).cast_const() };
    let answer = match pool.enter_from_signal() {
        Ok(m) => alone_with(&m, || WENT_WELL),
        Err(error) => ERRORS.iter().position(|other| *other == error).unwrap_or(50) as u32,
    };
    AFTERWARDS.store(answer, SeqCst);
}

/// A handler on this thread, which enters.
pub fn raise(pool: Play) -> Outcome {
    AFTERWARDS.store(NOT_YET, SeqCst);
    SCENE.store((&raw const *pool).cast_mut(), SeqCst);
    // SAFETY: the handler is installed (`turn`).
    unsafe { libc::raise(SIGNALS[0]) };
    until("the handler ends", || AFTERWARDS.load(SeqCst) != NOT_YET);
    told(AFTERWARDS.load(SeqCst))
}

/// Forks; `f` runs in the child, which ends the well way if `f` does.
pub fn in_child(what: &str, f: impl FnOnce()) {
    // SAFETY: the child goes on on this thread alone, and ends by `_exit`.
    match unsafe { libc::fork() } {
        0 => end_child(f),
        child => reap(what, child),
    }
}

/// Runs `f` and ends the process, which is a forked child.
pub fn end_child(f: impl FnOnce()) -> ! {
    // SAFETY: a clock for what may hang.
    unsafe { libc::alarm(20) };
    let well = catch_unwind(AssertUnwindSafe(f)).is_ok();
    // SAFETY: ends the process without the parent's exit handlers.
    unsafe { libc::_exit(i32::from(!well)) }
}

/// Waits for a child, which ends well.
pub fn reap(what: &str, child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: a place for the status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "{what}: the child ends well");
}

/// In a child: the pool serves, is closed and started again. `open`: somebody had started it before the
/// fork, and nobody closed it.
pub fn lives_on(pool: Play, open: bool) {
    board(pool).disarm();
    let allowed = |outcome: Outcome| match outcome {
        Ok(()) => {}
        Err(EnterError::NotStarted | EnterError::Closed) if !open => {}
        Err(error) => panic!("in the child: {error}"),
    };
    allowed(visit(pool));
    allowed(std::thread::spawn(move || visit(pool)).join().unwrap());
    pool.unbind();
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.waiting, stats.creating), (0, 0, 0), "{stats:?}");
    for _ in 0..2 {
        pool.close().unwrap_or_else(|_| panic!("does not close: {:?}", pool.stats()));
        pool.start().expect("and starts");
        assert_eq!(visit(pool), Ok(()));
        assert_eq!(std::thread::spawn(move || visit(pool)).join().unwrap(), Ok(()));
        pool.unbind();
    }
    pool.close().expect("and closes");
}

/// All threads but the calling one have gone: everything adds up, threads are let in, and the pool closes.
pub fn ends_well(what: &str, pool: Play) {
    assert!(!board(pool).disarm(), "{what}: nobody came there");
    // If it is closed, to begin with.
    let _ = pool.start();
    pool.unbind();
    let stats = pool.stats();
    assert_eq!(
        (stats.in_use, stats.waiting, stats.creating, stats.bound_idle),
        (0, 0, 0, 0),
        "{what}: {stats:?}"
    );
    assert_eq!(stats.created, stats.spare, "{what}: {stats:?}");
    assert_eq!(std::thread::spawn(move || visit(pool)).join().unwrap(), Ok(()), "{what}");
    closes(what, pool);
}

/// Nobody is inside: the pool closes, and each context has been dropped once.
pub fn closes(what: &str, pool: Play) {
    assert!(pool.close().is_ok(), "{what}: does not close: {:?}", pool.stats());
    let board = board(pool);
    assert_eq!(board.made.load(SeqCst), board.dropped.load(SeqCst), "{what}: each context is dropped once");
}

/// One test at a time, with a clock of its own.
pub struct Turn {
    _turn: MutexGuard<'static, ()>,
}

static DEADLINE: Mutex<Option<Instant>> = Mutex::new(None);

/// Begins a test: whatever hangs in it for a minute ends the process. With scales below 1 it has longer.
pub fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    static WATCHED: Once = Once::new();
    let turn = Turn { _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner) };
    WATCHED.call_once(|| {
        for signal in SIGNALS {
            // SAFETY: the handler calls nothing that a handler may not.
            unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
        }
        let begun = extram_kept::keep(AtomicBool::new(false));
        std::thread::spawn(|| {
            begun.store(true, SeqCst);
            loop {
                std::thread::sleep(Duration::from_millis(100));
                if DEADLINE.lock().unwrap().is_some_and(|deadline| Instant::now() > deadline) {
                    // Not into what the test harness keeps for itself.
                    let said = c"something hangs\n";
                    // SAFETY: a text of so many bytes.
                    unsafe { libc::write(2, said.as_ptr().cast(), said.count_bytes()) };
                    std::process::abort();
                }
            }
        });
        // A thread that starts holds locks of the standard library, which a child would inherit.
        until("the clock runs", || begun.load(SeqCst));
    });
    turn.go_on();
    turn
}

impl Turn {
    /// The next part of a test: the clock begins anew.
    pub fn go_on(&self) {
        let patience = if crate::scaled(10) < 10 { 300 } else { 60 };
        *DEADLINE.lock().unwrap() = Some(Instant::now() + Duration::from_secs(patience));
    }
}

impl core::ops::Drop for Turn {
    fn drop(&mut self) {
        *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Taps::has_barrier(true);
    }
}
