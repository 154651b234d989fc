//! What C knows and says of contexts: a broken one, those above what may stay spare, a word of its own,
//! and what becomes of calls that are jumped out of.
#![cfg(unix)]

mod face;

use extram_capi::extram_code::*;
use extram_capi::extram_event_kind::*;
use extram_capi::*;
use face::{code, config, end, enter, enter_from_signal, leave, new, stats, try_enter};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// What a runtime was asked and told.
#[derive(Default)]
struct World {
    made: AtomicU32,
    freed: AtomicU32,
    /// Returned by `new_context`, unless it is 0.
    fails: AtomicI32,
    refuses: AtomicI32,
    events: Mutex<Vec<extram_event>>,
}

fn world(runtime: *mut c_void) -> &'static World {
    // SAFETY: the tests' own, kept.
    unsafe { &*runtime.cast::<World>() }
}

unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
    let world = world(runtime);
    let number = 1 + world.made.load(SeqCst);
    let fails = world.fails.load(SeqCst);
    if fails == 0 {
        world.made.store(number, SeqCst);
        // SAFETY: as the pool called it.
        unsafe { context.write(without_provenance_mut(number as usize)) };
    }
    fails
}

unsafe extern "C-unwind" fn free(runtime: *mut c_void, _: *mut c_void) {
    world(runtime).freed.fetch_add(1, SeqCst);
}

unsafe extern "C-unwind" fn try_admit(runtime: *mut c_void, m: *mut extram_m) -> c_int {
    assert_ne!(extram_m_id(m), 0);
    world(runtime).refuses.load(SeqCst)
}

unsafe extern "C-unwind" fn observe(runtime: *mut c_void, event: *const extram_event) {
    // SAFETY: one for the time of this call.
    world(runtime).events.lock().expect("no panic").push(unsafe { *event });
}

impl World {
    fn new() -> &'static Self {
        face::keep(World::default())
    }

    fn config(&'static self) -> extram_config {
        let runtime = (&raw const *self).cast_mut().cast();
        extram_config { runtime, new_context: Some(make), free_context: Some(free), ..config() }
    }

    /// Kind, M and code of what happened since the last call.
    fn events(&self) -> Vec<(u32, u32, c_int)> {
        let events = std::mem::take(&mut *self.events.lock().expect("no panic"));
        let times: Vec<_> = events.iter().map(|event| event.time_ns).collect();
        assert!(times.is_sorted() && !times.contains(&0), "{times:?}");
        assert!(events.iter().all(|event| event.size == size_of::<extram_event>()));
        events.iter().map(|event| (event.kind, event.m, event.code)).collect()
    }

    fn counts(&self) -> (u32, u32) {
        (self.made.load(SeqCst), self.freed.load(SeqCst))
    }
}

fn discard(pool: *mut extram_pool, m: *mut extram_m) -> extram_code {
    code(extram_discard(pool, m))
}

#[test]
fn a_discarded_context_is_freed_and_another_takes_its_place() {
    let world = World::new();
    let pool = new(&extram_config { max_ms: 1, observe: Some(observe), ..world.config() });
    assert_eq!(world.events(), [(EXTRAM_EVENT_MAKING as u32, 0, 0), (EXTRAM_EVENT_MADE as u32, 1, 0)]);
    let m = enter(pool).expect("in");
    assert_eq!(extram_context(m).addr(), 1);
    let nested = enter(pool).expect("nested");
    assert_eq!(discard(pool, nested), EXTRAM_OK);
    assert_eq!((extram_context(m).addr(), world.counts()), (1, (1, 0)), "the outer call goes on with it");
    world.events();
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(world.counts(), (2, 1));
    let kinds = [
        (EXTRAM_EVENT_LEFT as u32, 1, 0),
        (EXTRAM_EVENT_DISCARDED as u32, 1, 0),
        (EXTRAM_EVENT_MAKING as u32, 0, 0),
        (EXTRAM_EVENT_MADE as u32, 1, 0),
    ];
    assert_eq!(world.events(), kinds);
    assert_eq!(discard(pool, m), EXTRAM_INVALID);
    let m = enter(pool).expect("in");
    assert_eq!(extram_context(m).addr(), 2);
    assert_eq!(discard(pool, m), EXTRAM_OK);
    end(pool);
    assert_eq!(world.counts(), (3, 3));
}

/// The code of the runtime's own reaches `observe`, and the caller is told that no M could be made.
#[test]
fn what_new_context_says_is_handed_on() {
    let world = World::new();
    let pool = new(&extram_config { observe: Some(observe), max_ms: 1, ..world.config() });
    world.events();
    world.fails.store(-42, SeqCst);
    let m = enter(pool).expect("in");
    assert_eq!(discard(pool, m), EXTRAM_OK);
    assert!(world.events().contains(&(EXTRAM_EVENT_FAILED as u32, 0, -42)));
    assert_eq!((stats(pool).created, stats(pool).failed), (0, 1));
    assert_eq!(enter(pool), Err(EXTRAM_CREATION_FAILED));
    assert_eq!(world.events().last(), Some(&(EXTRAM_EVENT_FAILED as u32, 0, -42)));
    world.fails.store(0, SeqCst);
    assert_eq!(enter(pool).map(|m| leave(pool, m)), Ok(EXTRAM_OK));
    end(pool);
    let failing = World::new();
    failing.fails.store(7, SeqCst);
    let refused = face::try_new(&extram_config { observe: Some(observe), ..failing.config() });
    assert_eq!(refused, Err(EXTRAM_CREATION_FAILED));
    assert_eq!(failing.events(), [(EXTRAM_EVENT_MAKING as u32, 0, 0), (EXTRAM_EVENT_FAILED as u32, 0, 7)]);
}

/// Every kind that has to do with waiting and with an M's way, with its number.
#[test]
fn events_say_which_m_and_what_became_of_a_wait() {
    let world = World::new();
    let pool = new(&extram_config {
        observe: Some(observe),
        max_ms: 1,
        binding: EXTRAM_BIND_CALL,
        ..world.config()
    });
    let [making, made, waiting, granted, refused, entered, left, returned] = [
        (EXTRAM_EVENT_MAKING as u32, 0, 0),
        (EXTRAM_EVENT_MADE as u32, 1, 0),
        (EXTRAM_EVENT_WAITING as u32, 0, 0),
        (EXTRAM_EVENT_GRANTED as u32, 1, 0),
        (EXTRAM_EVENT_REFUSED as u32, 0, EXTRAM_TIMED_OUT as c_int),
        (EXTRAM_EVENT_ENTERED as u32, 1, 0),
        (EXTRAM_EVENT_LEFT as u32, 1, 0),
        (EXTRAM_EVENT_RETURNED as u32, 1, 0),
    ];
    assert_eq!(world.events(), [making, made]);
    let m = enter(pool).expect("in");
    assert_eq!(world.events(), [entered]);
    let there = pool.addr();
    let in_vain =
        std::thread::spawn(move || face::enter_timeout(without_provenance_mut(there), Duration::ZERO).err());
    assert_eq!(in_vain.join().expect("no panic"), Some(EXTRAM_TIMED_OUT));
    assert_eq!(world.events(), [waiting, refused]);
    let waiter = std::thread::spawn(move || {
        let pool = without_provenance_mut(there);
        enter(pool).map(|m| leave(pool, m))
    });
    face::until(|| stats(pool).waiting == 1);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(waiter.join().expect("no panic"), Ok(EXTRAM_OK));
    assert_eq!(world.events(), [waiting, left, returned, granted, entered, left, returned]);
    end(pool);
}

#[test]
fn whoever_may_not_wait_is_asked_apart() {
    let world = World::new();
    let pool = new(&extram_config { try_admit: Some(try_admit), ..world.config() });
    for refuses in [-1, 1, c_int::MAX] {
        world.refuses.store(refuses, SeqCst);
        assert_eq!(try_enter(pool), Err(EXTRAM_WOULD_BLOCK));
        assert_eq!(enter_from_signal(pool), Err(EXTRAM_WOULD_BLOCK));
    }
    assert_eq!(enter(pool).map(|m| leave(pool, m)), Ok(EXTRAM_OK), "it may wait, so admit is called");
    world.refuses.store(0, SeqCst);
    assert_eq!(try_enter(pool).map(|m| leave(pool, m)), Ok(EXTRAM_OK));
    end(pool);
}

#[test]
fn no_more_stay_spare_than_may() {
    let world = World::new();
    let pool = new(&extram_config { spare_max: 2, binding: EXTRAM_BIND_CALL, ..world.config() });
    assert_eq!(code(extram_prewarm(pool, 6)), EXTRAM_OK);
    assert_eq!(stats(pool).spare, 2, "whoever prewarms leaves, too");
    for _ in 0..6 {
        let m = enter(pool).expect("in");
        assert_eq!(leave(pool, m), EXTRAM_OK);
    }
    assert_eq!((stats(pool).spare, world.counts()), (2, (6, 4)));
    end(pool);
}

/// The call that is being entered, or left, is not to be left: if it would have to be, none is.
#[test]
fn what_calls_in_while_it_is_admitted_is_not_left_with_that() {
    static POOL: AtomicPtr<extram_pool> = AtomicPtr::new(null_mut());
    static TRIED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn passing(_: *mut c_void, _: *mut extram_m) {
        let pool = POOL.load(SeqCst);
        // Of the first M, the pool is not known yet.
        if pool.is_null() {
            return;
        }
        let m = enter(pool).expect("nested");
        assert_eq!(enter(pool), Ok(m));
        assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_INVALID);
        assert_eq!(extram_depth(m), 3, "none has been left");
        assert_eq!(code(extram_leave_to(pool, m, 1)), EXTRAM_OK);
        TRIED.fetch_add(1, SeqCst);
    }
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        let pool = new(&extram_config { binding, admit: Some(passing), retire: Some(passing), ..config() });
        POOL.store(pool, SeqCst);
        for _ in 0..2 {
            let m = enter(pool).expect("in");
            assert_eq!(leave(pool, m), EXTRAM_OK);
        }
        assert_eq!(TRIED.swap(0, SeqCst), 4);
        POOL.store(null_mut(), SeqCst);
        end(pool);
    }
}

/// As after a `longjmp` over functions that would have left.
#[test]
fn calls_that_were_jumped_out_of_are_left_at_once() {
    let pool = new(&config());
    let m = enter(pool).expect("in");
    assert_eq!(extram_depth(m), 1);
    for _ in 0..5 {
        enter(pool).expect("nested");
    }
    assert_eq!(extram_depth(m), 6);
    assert_eq!([7, 6].map(|depth| code(extram_leave_to(pool, m, depth))), [EXTRAM_OK; 2]);
    assert_eq!(extram_depth(m), 6);
    assert_eq!(code(extram_leave_to(pool, m, 2)), EXTRAM_OK);
    assert_eq!(extram_depth(m), 2);
    assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_OK);
    assert_eq!((extram_depth(m), stats(pool).in_use), (0, 0));
    assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_INVALID);
    end(pool);
}

#[test]
fn a_word_of_the_users_stays_with_the_m() {
    let pool = new(&extram_config { max_ms: 1, binding: EXTRAM_BIND_CALL, ..config() });
    let m = enter(pool).expect("in");
    assert!(extram_user(m).is_null());
    extram_set_user(m, without_provenance_mut(77));
    assert_eq!(extram_user(m).addr(), 77);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    extram_set_user(m, without_provenance_mut(78));
    assert!(extram_user(m).is_null(), "nobody is inside with it");
    let there = pool.addr();
    let seen = std::thread::spawn(move || {
        let pool = without_provenance_mut(there);
        let m = enter(pool).expect("in");
        let user = extram_user(m).addr();
        assert_eq!(discard(pool, m), EXTRAM_OK);
        let m = enter(pool).expect("in");
        (user, extram_user(m).addr(), leave(pool, m))
    });
    assert_eq!(seen.join().expect("no panic"), (77, 0, EXTRAM_OK));
    end(pool);
}

/// A visit's copies, and after how many it ends.
struct Seen {
    ms: Vec<extram_m_info>,
    most: usize,
}

unsafe extern "C-unwind" fn visit(seen: *mut c_void, info: *const extram_m_info) -> c_int {
    // SAFETY: what was handed over, and one for the time of this call.
    let (seen, info) = unsafe { (&mut *seen.cast::<Seen>(), *info) };
    seen.ms.push(info);
    if seen.ms.len() == seen.most { -9 } else { 0 }
}

fn walk(pool: *mut extram_pool, most: usize) -> (c_int, Vec<extram_m_info>) {
    let mut seen = Seen { ms: Vec::new(), most };
    // SAFETY: `visit` takes what it gets.
    let code = unsafe { extram_each_m(pool, Some(visit), (&raw mut seen).cast()) };
    (code, seen.ms)
}

const MILLISECOND: u64 = 1_000_000;

/// By the clock that the library has.
fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[test]
fn a_walk_shows_each_m_and_ends_when_it_is_told() {
    let world = World::new();
    let pool = new(&extram_config { stacks: u32::MAX, ..world.config() });
    let before = now();
    let m = enter(pool).expect("in");
    let after = now();
    enter(pool).expect("nested");
    std::thread::sleep(Duration::from_millis(30));
    extram_set_user(m, without_provenance_mut(5));
    let (mut low, mut high) = (0, 0);
    // SAFETY: places to write to.
    assert_eq!(code(unsafe { extram_stack(m, &mut low, &mut high) }), EXTRAM_OK);
    let here = (&raw const low).addr();
    assert!(low <= here && here < high || cfg!(any(miri, extram_asan)), "{low:#x} {here:#x} {high:#x}");

    let walks = now();
    let (done, ms) = walk(pool, 0);
    let walked = now();
    assert_eq!((done, ms.len()), (0, 2));
    let mine = ms.iter().find(|info| info.id == extram_m_id(m)).expect("it exists");
    assert_eq!(mine.size, size_of::<extram_m_info>());
    assert_eq!((mine.state, mine.depth), (extram_state::EXTRAM_IN_USE as u32, 2));
    assert_eq!((mine.stack_low, mine.stack_high), (low, high));
    assert_eq!((mine.context, mine.user.addr()), (extram_context(m), 5));
    #[cfg(target_os = "linux")]
    // SAFETY: a number.
    assert_eq!(mine.thread_id, unsafe { libc::syscall(libc::SYS_gettid) } as u64);
    // Since the entry, by the same clock: as far as the thread did not stand still in the walk, and both
    // ends are cut to a millisecond.
    let known = before - MILLISECOND..=after + MILLISECOND;
    let since = [mine.since_ns + (walked - walks), mine.since_ns];
    assert!(*known.start() <= since[0] && since[1] <= *known.end(), "{since:?} not in {known:?}");
    let other = ms.iter().find(|info| info.id != mine.id).expect("another");
    assert_eq!((other.state, other.depth), (extram_state::EXTRAM_SPARE as u32, 0));
    assert!(!other.context.is_null() && other.user.is_null());
    assert_eq!((other.thread_id, other.since_ns), (0, 0), "nobody has had it yet");

    assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_OK);
    assert!(walk(pool, 0).1.iter().any(|info| info.state == extram_state::EXTRAM_BOUND_IDLE as u32));
    let (ended, ms) = walk(pool, 1);
    assert_eq!((ended, ms.len()), (-9, 1), "what visit said");
    end(pool);
    assert_eq!(walk(pool, 0), (EXTRAM_INVALID as c_int, Vec::new()));
}

#[test]
fn without_asking_no_stack_is_known() {
    let pool = new(&config());
    let m = enter(pool).expect("in");
    let (mut low, mut high) = (1, 1);
    // SAFETY: places to write to, or null.
    let codes = unsafe {
        [
            extram_stack(m, &mut low, &mut high),
            extram_stack(m, null_mut(), &mut high),
            extram_stack(m, &mut low, null_mut()),
            extram_stack(null(), &mut low, &mut high),
        ]
    };
    assert_eq!(codes.map(code), [EXTRAM_OK, EXTRAM_INVALID, EXTRAM_INVALID, EXTRAM_INVALID]);
    assert_eq!((low, high), (0, 0));
    assert_eq!(leave(pool, m), EXTRAM_OK);
    end(pool);
}

unsafe extern "C-unwind" fn append(text: *mut c_void, piece: *const c_char, length: usize) -> c_int {
    // SAFETY: what was handed over, and text of that length.
    let (text, piece) =
        unsafe { (&mut *text.cast::<String>(), std::slice::from_raw_parts(piece.cast::<u8>(), length)) };
    text.push_str(std::str::from_utf8(piece).expect("text"));
    if text.len() > 100_000 { 3 } else { 0 }
}

fn dump(pool: *mut extram_pool, text: &mut String) -> c_int {
    // SAFETY: `append` takes what it gets.
    unsafe { extram_dump(pool, Some(append), (&raw mut *text).cast()) }
}

#[test]
fn a_dump_names_the_holder() {
    let pool = new(&extram_config { max_ms: 1, ..config() });
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let waiter = std::thread::spawn(move || enter(without_provenance_mut(there)).map(|m| m.addr()));
    let mut text = String::new();
    face::until(|| {
        text.clear();
        assert_eq!(dump(pool, &mut text), 0);
        // One after the other: the thread may come between the figure and the names.
        let named = text.contains(" waits for ") || cfg!(not(target_pointer_width = "64"));
        named && text.contains("1 threads wait")
    });
    assert!(text.contains("M 1: in use by thread "), "{text}");
    #[cfg(target_os = "linux")]
    // SAFETY: a number.
    assert!(text.contains(&format!("thread {} ", unsafe { libc::syscall(libc::SYS_gettid) })), "{text}");
    let mut full = "x".repeat(100_000);
    assert_eq!(dump(pool, &mut full), 3, "what write said");
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert!(waiter.join().expect("no panic").is_ok());
    face::until(|| stats(pool).in_use == 0);
    end(pool);
    assert_eq!(dump(pool, &mut text), EXTRAM_INVALID as c_int);
}

#[test]
fn a_dump_ends_when_it_is_told() {
    unsafe extern "C-unwind" fn write(calls: *mut c_void, _: *const c_char, _: usize) -> c_int {
        // SAFETY: what was handed over.
        let calls = unsafe { &mut *calls.cast::<u32>() };
        *calls += 1;
        if *calls == 2 { 5 } else { 0 }
    }
    let pool = new(&config());
    let mut calls = 0;
    // SAFETY: `write` takes what it gets.
    assert_eq!(unsafe { extram_dump(pool, Some(write), (&raw mut calls).cast()) }, 5);
    assert_eq!(calls, 2);
    end(pool);
}

#[test]
fn what_is_not_a_function_or_not_there_is_refused() {
    let pool = new(&config());
    // SAFETY: null is allowed.
    let codes = unsafe {
        [
            extram_each_m(pool, None, null_mut()),
            extram_dump(pool, None, null_mut()),
            extram_each_m(null_mut(), Some(visit), null_mut()),
            extram_dump(null_mut(), Some(append), null_mut()),
            extram_discard(pool, null_mut()),
            extram_discard(null_mut(), null_mut()),
            extram_leave_to(pool, null_mut(), 0),
        ]
    };
    assert_eq!(codes.map(code), [EXTRAM_INVALID; 7]);
    assert_eq!((extram_depth(null()), extram_user(null())), (0, null_mut()));
    extram_set_user(null_mut(), null_mut());
    end(pool);
}

#[test]
fn a_panic_in_a_visit_or_a_write_stops_there() {
    unsafe extern "C-unwind" fn visit(_: *mut c_void, _: *const extram_m_info) -> c_int {
        panic!("on purpose (expected in this test)")
    }
    unsafe extern "C-unwind" fn write(_: *mut c_void, _: *const c_char, _: usize) -> c_int {
        panic!("on purpose (expected in this test)")
    }
    let pool = new(&config());
    // SAFETY: functions that take anything.
    let codes =
        unsafe { [extram_each_m(pool, Some(visit), null_mut()), extram_dump(pool, Some(write), null_mut())] };
    assert_eq!(codes.map(code), [EXTRAM_INVALID; 2]);
    end(pool);
}
