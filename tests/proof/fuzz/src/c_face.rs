//! Calls of the C face by up to three threads at once, most of them wrong: null, stale, invented
//! and other threads' handles, wrong sizes, double leaves, pools freed under the feet of others, all
//! of it also from inside the functions of the configuration. Never a crash, always a code; what a
//! thread may leave it can leave, and at the end every context has been freed once.

use crate::crew::Crew;
use crate::tell;
use arbitrary::{Arbitrary, Unstructured};
use extram_capi::extram_code::*;
use extram_capi::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};

const THREADS: usize = 3;
const SHARED: usize = 4;

/// Handles that all threads use; what was in a place before is forgotten, and hence stale or lost.
static POOLS: [AtomicUsize; SHARED] = [const { AtomicUsize::new(0) }; SHARED];
static MS: [AtomicUsize; SHARED] = [const { AtomicUsize::new(0) }; SHARED];
/// Every pool of this input.
static MADE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
/// Contexts made and not freed.
static ALIVE: AtomicI64 = AtomicI64::new(0);

#[derive(Arbitrary, Debug)]
struct Step {
    who: u8,
    call: Call,
}

#[derive(Arbitrary, Debug)]
enum Call {
    New {
        place: u8,
        size: Size,
        limit: u8,
        by_call: bool,
        functions: u8,
        fails: bool,
    },
    NewNull(bool),
    Close(Handle),
    Free(Handle),
    Enter {
        pool: Handle,
        way: Way,
        into: Place,
        share: u8,
    },
    Leave {
        pool: Handle,
        m: Handle,
    },
    /// The innermost one, which has to work.
    LeaveOwn,
    Unbind(Handle),
    Prewarm(Handle, u8),
    Trim {
        pool: Handle,
        keep: u8,
        into: Place,
    },
    Stats {
        pool: Handle,
        size: Size,
        into: Place,
    },
    Context(Handle),
    Id(Handle),
    Strerror(i32),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Handle {
    Null,
    Invented(usize),
    /// An odd number with few bits, as handles are.
    Near(u8, u8),
    Pool(u8),
    M(u8),
    /// The pool or the M of the thread's own innermost call.
    OwnPool,
    OwnM,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Way {
    /// Only where it cannot wait.
    Wait,
    Try,
    TimeOut(u8),
    Signal,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Right,
    Null,
    Misaligned,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Size {
    Right,
    Wrong(u8),
    Huge(usize),
}

impl Size {
    fn of(self, right: usize) -> usize {
        match self {
            Size::Right => right,
            Size::Wrong(size) => usize::from(size),
            Size::Huge(size) => size,
        }
    }
}

/// What a thread has left to do and is inside of, the outermost first.
#[derive(Default)]
struct Own {
    steps: VecDeque<Call>,
    /// Pool, M, and how deep in functions of the configuration.
    inside: Vec<(usize, usize, u32)>,
    nested: u32,
    /// The next `new_context` on this thread fails.
    fails: bool,
}

thread_local!(static OWN: RefCell<Own> = RefCell::default());

fn own<T>(f: impl FnOnce(&mut Own) -> T) -> T {
    OWN.with_borrow_mut(f)
}

/// Runs one input.
pub fn run(data: &[u8]) {
    static CREW: Mutex<Option<Crew<()>>> = Mutex::new(None);
    let mut crew = CREW.lock().expect("a panic ends the run");
    let crew = crew.get_or_insert_with(|| Crew::new(THREADS));
    let mut bytes = Unstructured::new(data);
    let mut steps: [VecDeque<Call>; THREADS] = Default::default();
    // What comes after the threads exit.
    let exits = u8::arbitrary(&mut bytes).unwrap_or_default();
    while !bytes.is_empty() {
        let Ok(Step { who, call }) = Step::arbitrary(&mut bytes) else { break };
        tell(&(who, &call));
        steps[usize::from(who) % THREADS].push_back(call);
    }
    let job = |steps: VecDeque<Call>| {
        let all = move |_: &mut ()| {
            own(|own| *own = Own { steps, ..Own::default() });
            while step() {}
            leave_this_level();
        };
        Box::new(all) as Box<dyn FnOnce(&mut ()) + Send>
    };
    crew.at_once(steps.into_iter().map(job).collect());
    for who in 0..THREADS {
        if exits >> who & 1 != 0 {
            crew.replace(who);
        }
    }
    for pool in MADE.lock().expect("no panic").drain(..) {
        let (closed, freed) = (extram_pool_close(handle(pool)), extram_pool_free(handle(pool)));
        // Somebody may have freed it already.
        expect(closed, &[EXTRAM_OK, EXTRAM_INVALID]);
        assert_eq!(freed, closed, "closed but not freed");
        expect(extram_pool_free(handle(pool)), &[EXTRAM_INVALID]);
    }
    for place in POOLS.iter().chain(&MS) {
        place.store(0, SeqCst);
    }
    assert_eq!(ALIVE.load(SeqCst), 0, "contexts that were leaked, or freed twice");
}

fn handle<T>(bits: usize) -> *mut T {
    without_provenance_mut(bits)
}

fn bits(which: Handle) -> usize {
    let place = |n: u8| usize::from(n) % SHARED;
    let innermost = own(|own| own.inside.last().copied()).unwrap_or_default();
    match which {
        Handle::Null => 0,
        Handle::Invented(bits) => bits,
        Handle::Near(m, low) => usize::from(m) << 32 | usize::from(low) | 1,
        Handle::Pool(n) => POOLS[place(n)].load(SeqCst),
        Handle::M(n) => MS[place(n)].load(SeqCst),
        Handle::OwnPool => innermost.0,
        Handle::OwnM => innermost.1,
    }
}

fn expect(code: c_int, allowed: &[extram_code]) {
    assert!(allowed.iter().any(|known| *known as c_int == code), "{code} is none of {allowed:?}");
}

const OK: c_int = EXTRAM_OK as c_int;

unsafe extern "C-unwind" fn new_context(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    nested();
    if own(|own| std::mem::take(&mut own.fails)) {
        return 1;
    }
    ALIVE.fetch_add(1, SeqCst);
    // SAFETY: the pool hands over a place to write to.
    unsafe { context.write(Box::into_raw(Box::new(7u64)).cast()) };
    0
}

unsafe extern "C-unwind" fn free_context(_: *mut c_void, context: *mut c_void) {
    nested();
    ALIVE.fetch_sub(1, SeqCst);
    // SAFETY: made above, freed once: what AddressSanitizer is here for.
    drop(unsafe { Box::from_raw(context.cast::<u64>()) });
}

unsafe extern "C-unwind" fn admit(_: *mut c_void, m: *mut extram_m) {
    is_alive(m);
    nested();
}

unsafe extern "C-unwind" fn retire(_: *mut c_void, m: *mut extram_m) {
    is_alive(m);
    nested();
}

fn is_alive(m: *mut extram_m) {
    let context = extram_context(m).cast::<u64>();
    assert!(!context.is_null());
    // SAFETY: what `new_context` made; the calling thread holds the M.
    assert_eq!(unsafe { context.read() }, 7);
    assert_ne!(extram_m_id(m), 0);
}

/// The thread's next step, from inside a function of the configuration. What it enters it leaves.
fn nested() {
    // A thread that exits has no steps any more, and perhaps no thread-locals.
    let level = OWN.try_with(|own| own.try_borrow().map_or(u32::MAX, |own| own.nested)).unwrap_or(u32::MAX);
    if level < 2 {
        own(|own| own.nested += 1);
        step();
        leave_this_level();
        own(|own| own.nested -= 1);
    }
}

fn leave_this_level() {
    while let Some((pool, m, _)) =
        own(|own| own.inside.last().copied().filter(|(.., nested)| *nested == own.nested))
    {
        assert_eq!(extram_leave(handle(pool), handle(m)), OK);
        forget(pool, m);
    }
}

/// The innermost call with that M has been left.
fn forget(pool: usize, m: usize) {
    own(|own| {
        let position = own.inside.iter().rposition(|call| (call.0, call.1) == (pool, m));
        own.inside.remove(position.expect("left a call that was never entered"));
    });
}

/// Runs the thread's next step, if there is one.
fn step() -> bool {
    let Some(call) = own(|own| own.steps.pop_front()) else { return false };
    match call {
        Call::New { place, size, limit, by_call, functions, fails } => {
            own(|own| own.fails = fails);
            new(place, size, limit, by_call, functions);
        }
        Call::NewNull(config) => {
            let mut pool = null_mut();
            let some = configuration(Size::Right, 0, false, 0);
            // SAFETY: null, or what they should be.
            let code = unsafe {
                if config { extram_pool_new(null(), &mut pool) } else { extram_pool_new(&some, null_mut()) }
            };
            expect(code, &[EXTRAM_INVALID]);
        }
        Call::Close(pool) => {
            expect(extram_pool_close(handle(bits(pool))), &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]);
        }
        Call::Free(pool) => {
            expect(extram_pool_free(handle(bits(pool))), &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]);
        }
        Call::Enter { pool, way, into, share } => enter(bits(pool), way, into, share),
        Call::Leave { pool, m } => leave(bits(pool), bits(m)),
        Call::LeaveOwn => leave(bits(Handle::OwnPool), bits(Handle::OwnM)),
        Call::Unbind(pool) => {
            expect(extram_unbind(handle(bits(pool))), &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]);
        }
        Call::Prewarm(pool, spare) => {
            let pool = bits(pool);
            // Otherwise it may wait for a thread that waits as well.
            if is_inside(pool) {
                let all =
                    [EXTRAM_OK, EXTRAM_CLOSED, EXTRAM_EXHAUSTED, EXTRAM_CREATION_FAILED, EXTRAM_INVALID];
                expect(extram_prewarm(handle(pool), u32::from(spare % 8)), &all);
            }
        }
        Call::Trim { pool, keep, into } => {
            let mut room = [0u32; 2];
            // SAFETY: null, misaligned, or a place to write to.
            let code = unsafe { extram_trim(handle(bits(pool)), keep.into(), into.pointer(&mut room)) };
            expect(code, into.allow(&[EXTRAM_OK, EXTRAM_INVALID]));
            // SAFETY: the same.
            let code =
                unsafe { extram_trim_unused(handle(bits(pool)), keep.into(), into.pointer(&mut room)) };
            expect(code, into.allow(&[EXTRAM_OK, EXTRAM_INVALID]));
        }
        Call::Stats { pool, size, into } => {
            let mut room =
                [extram_stats { size: size.of(size_of::<extram_stats>()), ..Default::default() }; 2];
            // SAFETY: null, misaligned, or a place to write to; no more is touched if the size is wrong.
            let code = unsafe { extram_stats_get(handle(bits(pool)), into.pointer(&mut room)) };
            expect(code, into.allow(&[EXTRAM_OK, EXTRAM_INVALID]));
        }
        Call::Context(m) => {
            let bits = bits(m);
            let context = extram_context(handle(bits)).cast::<u64>();
            let mine = own(|own| own.inside.iter().any(|call| call.1 == bits));
            if mine {
                // SAFETY: the thread is inside with this M.
                assert_eq!(unsafe { context.read() }, 7);
            } else if own(|own| own.nested == 0) {
                assert!(context.is_null(), "the context of an M of others");
            }
        }
        Call::Id(m) => {
            let bits = bits(m);
            let mine = own(|own| own.inside.iter().any(|call| call.1 == bits));
            let id = extram_m_id(handle(bits));
            assert!(mine || id == 0 || own(|own| own.nested != 0));
        }
        Call::Strerror(code) => {
            // SAFETY: a string that lives for ever.
            assert!(!unsafe { CStr::from_ptr(extram_strerror(code)) }.is_empty());
        }
    }
    true
}

impl Place {
    /// A pointer into room for two.
    fn pointer<T>(self, room: &mut [T; 2]) -> *mut T {
        match self {
            Place::Right => room.as_mut_ptr(),
            Place::Null => null_mut(),
            Place::Misaligned => room.as_mut_ptr().wrapping_byte_add(1),
        }
    }

    /// What may be answered: with a wrong place nothing else.
    fn allow(self, all: &[extram_code]) -> &[extram_code] {
        if self == Place::Right { all } else { &[EXTRAM_INVALID] }
    }
}

fn configuration(size: Size, limit: u8, by_call: bool, functions: u8) -> extram_config {
    let has = |bit: u8| functions >> bit & 1 == 0;
    extram_config {
        size: size.of(size_of::<extram_config>()),
        runtime: null_mut(),
        new_context: has(0).then_some(new_context as _),
        free_context: Some(free_context),
        admit: has(1).then_some(admit as _),
        retire: has(2).then_some(retire as _),
        max_ms: u32::from(limit % 4),
        binding: if has(3) { u32::from(by_call) } else { 7 },
        try_admit: None,
        observe: None,
        // Of the bits that say whether a function is there two are left.
        spare_max: u32::from(!has(4)) * 2,
        stacks: u32::from(!has(5)),
    }
}

fn new(place: u8, size: Size, limit: u8, by_call: bool, functions: u8) {
    let config = configuration(size, limit, by_call, functions);
    let mut pool = null_mut();
    // SAFETY: both are what they should be; with a wrong size no more than that is read.
    let code = unsafe { extram_pool_new(&config, &mut pool) };
    expect(code, &[EXTRAM_OK, EXTRAM_INVALID, EXTRAM_CREATION_FAILED]);
    assert_eq!(code == OK, !pool.is_null());
    if !pool.is_null() {
        MADE.lock().expect("no panic").push(pool.addr());
        POOLS[usize::from(place) % SHARED].store(pool.addr(), SeqCst);
    }
}

fn is_inside(pool: usize) -> bool {
    own(|own| own.nested == 0 && own.inside.iter().any(|call| call.0 == pool))
}

fn enter(pool: usize, way: Way, into: Place, share: u8) {
    if own(|own| own.inside.len()) > 8 {
        return;
    }
    // A call from a handler has an M of its own, in which nothing nests.
    let waits = into == Place::Right;
    let mut room = [null_mut(); 2];
    let place = into.pointer(&mut room);
    // SAFETY: null, misaligned, or a place to write to.
    let code = unsafe {
        match way {
            Way::Wait if !waits => extram_enter(handle(pool), place),
            Way::Try => extram_try_enter(handle(pool), place),
            Way::Signal => extram_enter_from_signal(handle(pool), place),
            Way::Wait => extram_enter_timeout(handle(pool), 100_000, place),
            Way::TimeOut(micros) => extram_enter_timeout(handle(pool), u64::from(micros) * 1000, place),
        }
    };
    let all = [
        EXTRAM_OK,
        EXTRAM_WOULD_BLOCK,
        EXTRAM_TIMED_OUT,
        EXTRAM_EXHAUSTED,
        EXTRAM_CLOSED,
        EXTRAM_CREATION_FAILED,
        EXTRAM_INVALID,
    ];
    expect(code, into.allow(&all));
    let m = room[0];
    assert_eq!(code == OK, !m.is_null());
    if !m.is_null() {
        is_alive(m);
        if matches!(way, Way::Signal) {
            // A handler leaves before it returns.
            return expect(extram_leave(handle(pool), m), &[EXTRAM_OK]);
        }
        own(|own| own.inside.push((pool, m.addr(), own.nested)));
        MS[usize::from(share) % SHARED].store(m.addr(), SeqCst);
    }
}

fn leave(pool: usize, m: usize) {
    let code = extram_leave(handle(pool), handle(m));
    let (mine, nested) = own(|own| (own.inside.iter().any(|call| (call.0, call.1) == (pool, m)), own.nested));
    // Inside a function of the configuration the call that it serves, too, may be the one named.
    if nested == 0 {
        assert_eq!(code, if mine { OK } else { EXTRAM_INVALID as c_int }, "leaving {m:#x} of {pool:#x}");
    }
    expect(code, &[EXTRAM_OK, EXTRAM_INVALID]);
    if code == OK {
        forget(pool, m);
    }
}
