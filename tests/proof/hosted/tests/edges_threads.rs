//! The edge matrix, where one thread is in the middle of something and another one comes: each row × what
//! the other one does × each kind of pool. The first thread is stopped in a function of the runtime, or
//! waits; what meets it there does not wait for it, unless it wants an M that only this thread has.
#![cfg(unix)]

use extram::{Busy, EnterError, StartError};
use extram_core::raw;
use extram_hosted::stage::Kind::{Bound, Limited, LimitedPerCall, PerCall, Shared, Tidy};
use extram_hosted::stage::{
    Held, Kind, LONG, Outcome, Play, Point, Point::*, Turn, alone_with, board, ends_well, in_child, lives_on,
    play, raise, turn, visit,
};
use extram_hosted::{Taps, until};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// What the pool is meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Being started.
    Starting,
    Open,
    /// Open, and nothing of it is in the first thread's hands: a close may succeed.
    Free,
    /// Closed: contexts are being dropped.
    Ending,
    /// Closed, but not to the end, and being opened again.
    Reopening,
}

impl State {
    fn is_open(self) -> bool {
        matches!(self, State::Open | State::Free)
    }
}

/// What is under way.
struct Row {
    name: &'static str,
    kinds: &'static [Kind],
    /// Where the thread may be stopped.
    points: &'static [Point],
    state: State,
    /// What it does. It says itself where it stops, when it comes to that.
    does: fn(Play, Point) -> Outcome,
}

impl Row {
    /// Whether a creation fails in it.
    fn fails(&self) -> bool {
        self.points.contains(&CreationFailed)
    }

    /// Whose business that is, too: one waiter's, or that of all who wait where the last M goes.
    fn told(&self) -> u32 {
        match self.name {
            _ if !self.fails() => 0,
            "discard" => u32::MAX,
            _ => 1,
        }
    }
}

const ALL: &[Kind] = &[Bound, PerCall, Limited, LimitedPerCall, Shared];
const BINDING: &[Kind] = &[Bound, Limited, Shared];
const BY_CALL: &[Kind] = &[PerCall, LimitedPerCall];

const fn row(
    name: &'static str,
    kinds: &'static [Kind],
    points: &'static [Point],
    state: State,
    does: fn(Play, Point) -> Outcome,
) -> Row {
    Row { name, kinds, points, state, does }
}

const ROWS: &[Row] = &[
    row("start", ALL, &[NewContext, Making, Made], State::Starting, |pool, at| {
        board(pool).stop_at(at);
        pool.start().expect("nobody else starts it");
        Ok(())
    }),
    row("first entry", ALL, &[Admit, Entered], State::Open, |pool, at| {
        board(pool).stop_at(at);
        pool.enter().map(|m| alone_with(&m, || ()))
    }),
    row("enter", ALL, &[Admit, Entered], State::Open, |pool, at| {
        visit(pool)?;
        board(pool).stop_at(at);
        pool.enter().map(|m| alone_with(&m, || ()))
    }),
    row("try_enter", ALL, &[TryAdmit, Entered], State::Open, |pool, at| {
        board(pool).stop_at(at);
        pool.try_enter().map(|m| alone_with(&m, || ()))
    }),
    row("enter_timeout", ALL, &[Admit, Entered], State::Open, |pool, at| {
        board(pool).stop_at(at);
        pool.enter_timeout(LONG).map(|m| alone_with(&m, || ()))
    }),
    row("enter_from_signal", ALL, &[TryAdmit, Entered, Left], State::Open, |pool, at| {
        board(pool).stop_at(at);
        raise(pool)
    }),
    row("raw entry", ALL, &[Admit, Entered, Left], State::Open, |pool, at| {
        board(pool).stop_at(at);
        raw_call(pool)
    }),
    row("waiting", ALL, &[Here], State::Open, |pool, _| visit(pool)),
    row("making", ALL, &[NewContext, Making, Made], State::Open, |pool, at| {
        board(pool).stop_at(at);
        visit(pool)
    }),
    row("making", ALL, &[CreationFailed, Failed], State::Open, |pool, at| {
        board(pool).failing.store(1, std::sync::atomic::Ordering::SeqCst);
        board(pool).stop_at(at);
        visit(pool)
    }),
    row("admitting", ALL, &[Admit], State::Open, |pool, at| {
        board(pool).stop_at(at);
        visit(pool)
    }),
    row("inside", ALL, &[Here], State::Open, |pool, at| {
        pool.enter().map(|m| {
            alone_with(&m, || {
                board(pool).stop_at(at);
                board(pool).at(at);
            });
        })
    }),
    row("leaving", ALL, &[Retire, Left], State::Open, |pool, at| {
        let m = pool.enter()?;
        board(pool).stop_at(at);
        drop(m);
        Ok(())
    }),
    row("leaving", BY_CALL, &[Returned], State::Open, |pool, at| {
        let m = pool.enter()?;
        board(pool).stop_at(at);
        drop(m);
        Ok(())
    }),
    // The last that is heard of an M before it is idle.
    row("going idle", BINDING, &[Left], State::Open, |pool, at| {
        let m = pool.enter()?;
        board(pool).stop_at(at);
        drop(m);
        Ok(())
    }),
    row("thread exit", BINDING, &[Returned], State::Open, |pool, at| {
        visit(pool)?;
        board(pool).stop_at(at);
        Ok(())
    }),
    row("thread exit", ALL, &[Retire, Left, Returned], State::Open, |pool, at| {
        let m = pool.enter()?;
        // SAFETY: nobody uses it any more.
        unsafe { raw::keep(pool, m) };
        board(pool).stop_at(at);
        Ok(())
    }),
    row("unbind", BINDING, &[Returned], State::Open, |pool, at| {
        visit(pool)?;
        board(pool).stop_at(at);
        assert!(pool.unbind());
        Ok(())
    }),
    row("trim", ALL, &[Point::Drop], State::Free, trim),
    row("prewarm", ALL, &[NewContext, Made], State::Open, |pool, at| {
        board(pool).stop_at(at);
        match pool.prewarm(4) {
            Ok(()) | Err(StartError::NotStarted) => Ok(()),
            Err(error) => panic!("{error}"),
        }
    }),
    row("walk", ALL, &[Here], State::Free, |pool, at| {
        let mut walk = pool.ms();
        assert!(walk.next().is_some_and(|m| m.id > 0));
        board(pool).stop_at(at);
        board(pool).at(at);
        walk.for_each(|m| assert!(m.id > 0));
        Ok(())
    }),
    row("close", ALL, &[Point::Drop], State::Ending, close),
    row("reopen", ALL, &[NewContext, Made], State::Reopening, |pool, at| {
        let mut inside = Vec::new();
        while let Ok(m) = pool.enter_from_signal() {
            inside.push(m);
        }
        assert_eq!(pool.close(), Err(Busy));
        board(pool).stop_at(at);
        pool.reopen().expect("nobody else is at it");
        Ok(())
    }),
    row("drop", ALL, &[Point::Drop], State::Free, trim),
    row("drop", ALL, &[Point::Drop], State::Ending, close),
    row("discard", ALL, &[Retire, Discarded, Point::Drop], State::Open, |pool, at| {
        let m = pool.enter()?;
        assert!(pool.stats().spare > 0, "it has made one");
        board(pool).stop_at(at);
        m.discard();
        Ok(())
    }),
    row("discard", ALL, &[Discarded, Admit, NewContext, Made, Point::Drop], State::Open, |pool, at| {
        discard_the_last(pool, at, false)
    }),
    row("discard", ALL, &[CreationFailed, Failed], State::Open, |pool, at| discard_the_last(pool, at, true)),
    row("discard", &[Tidy], &[Point::Drop], State::Open, |pool, at| {
        let m = pool.enter()?;
        pool.prewarm(3).expect("three can be made");
        board(pool).stop_at(at);
        drop(m);
        Ok(())
    }),
];

/// No other M is spare, nor can be taken back from a thread.
fn discard_the_last(pool: Play, at: Point, fails: bool) -> Outcome {
    let m = pool.enter()?;
    let mut others = Vec::new();
    while let Ok(m) = pool.enter_from_signal() {
        others.push(m);
    }
    board(pool).failing.store(u32::from(fails), std::sync::atomic::Ordering::SeqCst);
    board(pool).stop_at(at);
    m.discard();
    Ok(())
}

fn trim(pool: Play, at: Point) -> Outcome {
    pool.prewarm(3).expect("three can be made");
    board(pool).stop_at(at);
    assert!(pool.trim(1) > 0);
    Ok(())
}

fn close(pool: Play, at: Point) -> Outcome {
    board(pool).stop_at(at);
    pool.close().expect("nobody is inside");
    Ok(())
}

fn raw_call(pool: Play) -> Outcome {
    let m = pool.enter_timeout(LONG)?;
    // SAFETY: used by this thread, and left below.
    let m = unsafe { raw::keep(pool, m) };
    alone_with(m, || ());
    // SAFETY: as above.
    unsafe { raw::leave(pool, m) }.expect("it is inside");
    Ok(())
}

/// A row and what meets it.
struct Meeting<'a> {
    what: String,
    row: &'a Row,
    pool: Play,
    others: Others,
    /// The threads that are joined when the first one has gone on, each with whether it has to be let in.
    later: Vec<(&'static str, bool, JoinHandle<Outcome>)>,
    /// Guards that are dropped then.
    guards: Vec<extram::Entered<extram_hosted::stage::Staged, extram_hosted::Tapped>>,
}

/// What a thread may be told, and what comes from it.
struct Other {
    go: Sender<()>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Threads that have been inside, or are, and leave when they are told to.
#[derive(Default)]
struct Others(Vec<Other>);

impl Others {
    /// Runs `before`, then waits for a word, runs `after`, and reports; it ends then.
    fn add<T: 'static>(
        &mut self,
        before: impl FnOnce() -> T + Send + 'static,
        after: impl FnOnce(T) + Send + 'static,
    ) {
        let (go, may_go) = channel::<()>();
        let (did, done) = channel();
        let thread = spawn(move || {
            let state = before();
            did.send(()).unwrap();
            let _ = may_go.recv();
            after(state);
            let _ = did.send(());
        });
        done.recv_timeout(LONG).expect("it comes in");
        self.0.push(Other { go, done, thread });
    }

    /// All are told, and none waits for anybody.
    fn leave(&mut self) {
        for Other { go, done, thread } in self.0.drain(..) {
            drop(go);
            done.recv_timeout(LONG).expect("it leaves while the first one stands");
            thread.join().expect("and ends");
        }
    }
}

impl Meeting<'_> {
    fn later(&mut self, name: &'static str, served: bool, f: impl FnOnce() -> Outcome + Send + 'static) {
        self.later.push((name, served, spawn(f)));
    }

    /// What is told to those who are not let in.
    fn refusal(&self) -> EnterError {
        if self.row.state == State::Starting { EnterError::NotStarted } else { EnterError::Closed }
    }

    /// Everything that enters: served in the end, or refused now.
    fn newcomers(&mut self) {
        let pool = self.pool;
        self.later("enter", true, move || pool.enter().map(|m| alone_with(&m, || ())));
        self.later("enter_timeout", true, move || visit(pool));
        self.later("raw entry", true, move || raw_call(pool));
        self.later("try_enter", false, move || pool.try_enter().map(|m| alone_with(&m, || ())));
        self.later("enter_from_signal", false, move || {
            pool.enter_from_signal().map(|m| alone_with(&m, || ()))
        });
        if !self.row.state.is_open() {
            self.all_refused();
        }
    }

    /// At once.
    fn all_refused(&mut self) {
        let refusal = self.refusal();
        for (name, _, thread) in self.later.drain(..) {
            until("it is refused at once", || thread.is_finished());
            assert_eq!(thread.join().unwrap(), Err(refusal), "{}, {name}", self.what);
        }
    }

    /// Takes what is spare.
    fn fill(&mut self) {
        while let Ok(m) = self.pool.enter_from_signal() {
            self.guards.push(m);
        }
    }
}

type Column = fn(&mut Meeting, &Held<Outcome>);

fn start(meeting: &mut Meeting, _: &Held<Outcome>) {
    assert_eq!(meeting.pool.start(), Err(StartError::AlreadyStarted), "{}", meeting.what);
}

fn enter(meeting: &mut Meeting, _: &Held<Outcome>) {
    meeting.newcomers();
}

fn leave(meeting: &mut Meeting, _: &Held<Outcome>) {
    meeting.others.leave();
}

fn trim_and_prewarm(meeting: &mut Meeting, _: &Held<Outcome>) {
    let (pool, open, what) = (meeting.pool, meeting.row.state.is_open(), meeting.what.clone());
    let fails = meeting.row.fails();
    let (trimmed, has_trimmed) = channel();
    meeting.later("prewarm", true, move || {
        trimmed.send(pool.trim(1)).unwrap();
        let warm = pool.prewarm(2);
        if fails && warm == Err(StartError::CreationFailed) {
            return Err(EnterError::CreationFailed);
        }
        if open {
            assert_eq!(warm, Ok(()), "{what}");
        } else {
            assert_eq!(warm, Err(StartError::NotStarted), "{what}");
        }
        Ok(())
    });
    let dropped = has_trimmed.recv_timeout(LONG).expect("trim waits for nobody");
    if !open {
        assert_eq!(dropped, 0, "{}", meeting.what);
        let (.., prewarm) = meeting.later.last().expect("it is there");
        until("it is refused at once", || prewarm.is_finished());
    }
}

fn walk(meeting: &mut Meeting, _: &Held<Outcome>) {
    let (pool, what) = (meeting.pool, meeting.what.clone());
    let walker = spawn(move || {
        for _ in 0..20 {
            for m in pool.ms() {
                assert!(m.id > 0 && m.depth <= 1, "{what}: {m:?}");
                assert_eq!(m.state == extram::MState::InUse, m.depth > 0, "{what}: {m:?}");
            }
            let stats = pool.stats();
            assert_eq!(stats.created, stats.spare + stats.in_use + stats.bound_idle, "{what}: {stats:?}");
        }
    });
    until("a walk waits for nobody", || walker.is_finished());
    walker.join().unwrap();
}

fn close_and_reopen(meeting: &mut Meeting, _: &Held<Outcome>) {
    let (pool, state, what) = (meeting.pool, meeting.row.state, meeting.what.clone());
    let closed = pool.close();
    if state != State::Free {
        assert_eq!(closed, Err(Busy), "{what}");
    }
    if !state.is_open() {
        // Somebody else is starting, closing or opening it.
        assert!(pool.reopen().is_err(), "{what}");
        return;
    }
    for enter in [|pool: Play| pool.enter().map(drop), |pool: Play| pool.enter_from_signal().map(drop)] {
        assert_eq!(enter(pool), Err(EnterError::Closed), "{what}");
    }
    if closed.is_ok() {
        assert_eq!(pool.reopen(), Err(StartError::NotStarted), "{what}");
        pool.start().expect("it is closed");
    } else {
        // Several times: what was refused has changed nothing.
        for _ in 0..2 {
            pool.reopen().unwrap_or_else(|error| panic!("{what}: {error}, {:?}", pool.stats()));
            assert_eq!(pool.reopen(), Err(StartError::AlreadyStarted), "{what}");
            if pool.close().is_ok() {
                assert_eq!(meeting.row.name, "waiting", "{what}: an M is in use");
                pool.start().expect("it is closed");
                break;
            }
        }
        let _ = pool.reopen();
    }
    meeting.newcomers();
}

fn handler(meeting: &mut Meeting, first: &Held<Outcome>) {
    // ThreadSanitizer puts handlers off: in a handler, until that has ended.
    if cfg!(extram_tsan) && meeting.row.name == "enter_from_signal" {
        return;
    }
    let (pool, spare) = (meeting.pool, meeting.pool.stats().spare);
    let outcome = first.interrupt(&meeting.what, pool);
    match outcome {
        Ok(()) => assert!(meeting.row.state.is_open(), "{}", meeting.what),
        Err(EnterError::WouldBlock | EnterError::Exhausted) => {
            assert!(meeting.row.state.is_open() && spare == 0, "{}: {spare} spare", meeting.what);
        }
        Err(error) => assert_eq!(error, meeting.refusal(), "{}", meeting.what),
    }
}

fn other_fork(meeting: &mut Meeting, _: &Held<Outcome>) {
    let (pool, open) = (meeting.pool, meeting.row.state.is_open());
    let starting = meeting.row.state == State::Starting;
    let (what, guards) = (meeting.what.clone(), &mut meeting.guards);
    in_child(&what, || {
        guards.clear();
        if starting {
            assert_eq!(visit(pool), Err(EnterError::NotStarted));
            assert_eq!(pool.start(), Ok(()));
        }
        lives_on(pool, open || starting);
    });
}

fn time_out(meeting: &mut Meeting, _: &Held<Outcome>) {
    let (pool, open, what) = (meeting.pool, meeting.row.state.is_open(), meeting.what.clone());
    meeting.fill();
    let patient = spawn(move || visit(pool));
    if open {
        until("it waits", || pool.stats().waiting > 0);
    }
    for late in [Duration::ZERO, Duration::from_millis(2)] {
        let refused = if open { EnterError::TimedOut } else { meeting.refusal() };
        let hasty = spawn(move || pool.enter_timeout(late).map(drop));
        until("its time is up", || hasty.is_finished());
        assert_eq!(hasty.join().unwrap(), Err(refused), "{what}");
    }
    meeting.later.push(("patient", open, patient));
    if !open {
        meeting.all_refused();
    }
}

fn start_again(meeting: &mut Meeting, _: &Held<Outcome>) {
    let (pool, what) = (meeting.pool, &meeting.what);
    assert_eq!(pool.close(), Err(Busy), "{what}");
    assert_eq!(pool.start(), Err(StartError::AlreadyStarted), "{what}");
    assert_eq!(pool.close(), Err(Busy), "{what}");
}

/// More than all others together give way, for a moment each, to those who bring Ms back.
const PATIENCE: u32 = 200;

/// One row, one point, one kind, one column.
fn meet(row: &Row, at: Point, kind: Kind, name: &str, column: Column) {
    let what = format!("{} at {at:?} in {kind:?} x {name}", row.name);
    let pool = play(kind);
    let mut others = Others::default();
    if row.state != State::Starting || name == "leave" {
        pool.start().expect("starts");
    }
    if name == "leave" {
        // One stays inside, two are idle: one of these unbinds, the other ends.
        if row.state.is_open() || row.state == State::Reopening {
            others.add(move || pool.enter().expect("let in"), drop);
        }
        // Under nobody's limit a close puts idle Ms on the list, and a reopening has nothing to make.
        let listed = matches!(kind, Bound | Shared) && !kind.is_plain();
        if row.state != State::Reopening || !listed {
            others.add(move || visit(pool).expect("let in"), move |()| _ = pool.unbind());
            others.add(move || visit(pool).expect("let in"), |()| ());
        }
        if row.state == State::Starting {
            pool.close().expect("nobody is inside");
        } else {
            pool.trim(1);
        }
    }
    let mut meeting = Meeting { what, row, pool, others, later: Vec::new(), guards: Vec::new() };
    let does = row.does;
    let first = if row.name == "waiting" {
        meeting.fill();
        let first = Held::waiting(board(pool), move || does(pool, at));
        until("the first one waits", || pool.stats().waiting == 1);
        first
    } else {
        Held::new(&meeting.what, board(pool), move || does(pool, at))
    };
    // Nobody spins on the progress of the one that stands.
    let yields = Taps::yields();
    column(&mut meeting, &first);
    let yields = Taps::yields() - yields;
    assert!(yields < PATIENCE, "{}: {yields} times in place of waiting", meeting.what);
    meeting.guards.clear();
    let outcome = first.end();
    let what = meeting.what;
    // A close that found it on its way, or waiting, may have turned it away: if it came to look before the
    // pool was open again.
    let turned_away = name == "close" && outcome == Err(EnterError::Closed);
    assert!(outcome == Ok(()) || turned_away, "{what}: {outcome:?}");
    meeting.others.leave();
    let mut failures = row.told();
    for (name, served, thread) in meeting.later {
        match thread.join().expect("no assertion failed") {
            Ok(()) => {}
            Err(EnterError::WouldBlock | EnterError::Exhausted) if !served => {}
            Err(EnterError::CreationFailed) if failures > 0 => failures -= 1,
            Err(error) => panic!("{what}, {name}: {error}"),
        }
    }
    ends_well(&what, pool);
}

/// All rows, or those that are named, with one column.
fn all(turn: &Turn, name: &str, column: Column, rows: &[&str]) {
    for row in ROWS.iter().filter(|row| rows.is_empty() || rows.contains(&row.name)) {
        for kind in row.kinds.iter().filter(|kind| **kind == Tidy || Kind::all().contains(kind)) {
            for at in row.points {
                turn.go_on();
                meet(row, *at, *kind, name, column);
            }
        }
    }
}

/// Edge: * x start.
#[test]
fn another_thread_starts_the_pool() {
    all(&turn(), "start", start, &[]);
}

/// Scenario 45. Whoever comes waits in the system, or goes on: a thread of a higher priority would keep the
/// core from the one that stands.
///
/// Edge: * x enter.
#[test]
fn another_thread_enters() {
    all(&turn(), "enter", enter, &[]);
}

/// Edge: * x leave.
#[test]
fn others_leave_unbind_and_end() {
    all(&turn(), "leave", leave, &[]);
}

/// Edge: * x trim.
#[test]
fn another_thread_trims_and_warms_up() {
    all(&turn(), "trim", trim_and_prewarm, &[]);
}

/// Edge: * x walk.
#[test]
fn another_thread_walks() {
    all(&turn(), "walk", walk, &[]);
}

/// Edge: * x close.
#[test]
fn another_thread_closes_the_pool_and_opens_it_again() {
    all(&turn(), "close", close_and_reopen, &[]);
}

/// Edge: * x handler.
#[test]
fn a_handler_comes() {
    all(&turn(), "handler", handler, &[]);
}

/// Edge: * x other fork.
#[test]
fn another_thread_forks() {
    all(&turn(), "other fork", other_fork, &[]);
}

/// Edge: making/leaving/going idle/thread exit/unbind/trim/prewarm/discard x time-out.
#[test]
fn a_wait_ends_by_its_time() {
    all(&turn(), "time-out", time_out, &[]);
}

/// Edge: start/close/reopen x start again.
#[test]
fn a_pool_cannot_be_started_again_while_it_is_being_switched() {
    all(&turn(), "start again", start_again, &["start", "close", "reopen"]);
}
