//! Random sequences of calls from several threads, most of them wrong: NULL, stale and invented
//! handles, other pools' and other threads' Ms, double leaves, closing and freeing under the feet of
//! others, all of it also from inside the functions of the configuration. Never a crash, always a
//! code, and the code that a small model predicts where one thread's view suffices to predict it.
//!
//! `EXTRAM_SEED` repeats a run's choices, `EXTRAM_STEPS` sets how many steps each thread takes.
//! `cargo xtask asan` runs it under AddressSanitizer.

use extram_capi::extram_code::*;
use extram_capi::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

const THREADS: u64 = 8;
/// Handles that all threads share; most have been freed at any moment.
const POOLS: usize = 6;

static SHARED_POOLS: [AtomicUsize; POOLS] = [const { AtomicUsize::new(0) }; POOLS];
static SHARED_MS: [AtomicUsize; POOLS] = [const { AtomicUsize::new(0) }; POOLS];
static MADE: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// A call that a thread is inside, as it believes.
#[derive(Clone, Copy)]
struct Call {
    pool: usize,
    m: usize,
    /// How deep the function of the configuration that made it was nested.
    nested: u32,
}

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    /// The calls that this thread is inside, the outermost first.
    static INSIDE: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    /// How deep functions of the configuration are nested.
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

fn random(below: u64) -> u64 {
    RANDOM.with(|state| {
        // xorshift64*
        let mut x = state.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    })
}

/// Some value that is no handle, or is one by accident.
fn invented() -> usize {
    match random(5) {
        0 => 0,
        1 => random(u32::MAX.into()) as usize,
        2 => usize::MAX,
        3 => &raw const MADE as usize,
        _ => random(1 << 31) as usize * (random(1 << 31) as usize | 1),
    }
}

fn some_pool() -> *mut extram_pool {
    without_provenance_mut(match random(8) {
        0 => invented(),
        1 => SHARED_MS[random(POOLS as u64) as usize].load(SeqCst),
        _ => SHARED_POOLS[random(POOLS as u64) as usize].load(SeqCst),
    })
}

fn some_m() -> *mut extram_m {
    let own = INSIDE.with_borrow(|inside| inside.last().copied());
    without_provenance_mut(match (random(8), own) {
        (0, _) => invented(),
        (1, _) => SHARED_POOLS[random(POOLS as u64) as usize].load(SeqCst),
        (2..5, Some(call)) => call.m,
        _ => SHARED_MS[random(POOLS as u64) as usize].load(SeqCst),
    })
}

fn inside(pool: usize, m: usize) -> bool {
    INSIDE.with_borrow(|inside| inside.iter().any(|call| (call.pool, call.m) == (pool, m)))
}

/// A context with a value that says whether it is alive.
const ALIVE: u64 = 0x600d_c0de_600d_c0de;

unsafe extern "C-unwind" fn new_context(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    misuse_nested();
    if random(16) == 0 {
        return 1;
    }
    MADE.fetch_add(1, SeqCst);
    // SAFETY: the pool hands over a place to write to.
    unsafe { context.write(Box::into_raw(Box::new(ALIVE)).cast()) };
    0
}

unsafe extern "C-unwind" fn free_context(_: *mut c_void, context: *mut c_void) {
    misuse_nested();
    FREED.fetch_add(1, SeqCst);
    // SAFETY: made above; the pool frees it once.
    let context = unsafe { Box::from_raw(context.cast::<u64>()) };
    assert_eq!(*context, ALIVE);
}

unsafe extern "C-unwind" fn admit(_: *mut c_void, m: *mut extram_m) {
    alive(m);
    misuse_nested();
}

unsafe extern "C-unwind" fn retire(_: *mut c_void, m: *mut extram_m) {
    alive(m);
    misuse_nested();
}

unsafe extern "C-unwind" fn try_admit(_: *mut c_void, m: *mut extram_m) -> c_int {
    alive(m);
    misuse_nested();
    (random(4) == 0).into()
}

unsafe extern "C-unwind" fn observe(_: *mut c_void, event: *const extram_event) {
    // SAFETY: one for the time of this call.
    let event = unsafe { &*event };
    assert_eq!(event.size, size_of::<extram_event>());
    assert_eq!(event.code != 0, event.kind == extram_event_kind::EXTRAM_EVENT_FAILED as u32);
    misuse_nested();
}

fn alive(m: *mut extram_m) {
    let context = extram_context(m).cast::<u64>();
    // SAFETY: not null, so it is what `new_context` made, and ours while we hold the M.
    assert!(!context.is_null() && unsafe { *context } == ALIVE);
    assert_ne!(extram_m_id(m), 0);
}

/// A few wrong calls from inside a function of the configuration. What is entered is left again.
fn misuse_nested() {
    // A thread that ends, and whose M goes back, has no book to keep any more.
    let ending = INSIDE.try_with(|_| ()).is_err();
    if ending || NESTED.get() > 1 || random(4) != 0 {
        return;
    }
    NESTED.set(NESTED.get() + 1);
    for _ in 0..random(4) {
        step();
        leave_all_of_this_level();
    }
    NESTED.set(NESTED.get() - 1);
}

fn leave_all_of_this_level() {
    let innermost = || INSIDE.with_borrow(|inside| inside.last().copied());
    while let Some(Call { pool, m, .. }) = innermost().filter(|call| call.nested == NESTED.get()) {
        let left = extram_leave(without_provenance_mut(pool), without_provenance_mut(m));
        assert_eq!(left, EXTRAM_OK as c_int);
        forget(pool, m);
    }
}

/// The innermost call with that M has been left.
fn forget(pool: usize, m: usize) {
    INSIDE.with_borrow_mut(|inside| {
        let position = inside.iter().rposition(|call| (call.pool, call.m) == (pool, m));
        inside.remove(position.expect("left a call that was never entered"));
    });
}

fn new() {
    let config = extram_config {
        size: if random(16) == 0 { invented() } else { size_of::<extram_config>() },
        runtime: null_mut(),
        new_context: (random(32) != 0).then_some(new_context as _),
        free_context: Some(free_context),
        admit: (random(3) != 0).then_some(admit as _),
        retire: (random(3) != 0).then_some(retire as _),
        max_ms: if random(3) == 0 { random(5) as u32 } else { 0 },
        binding: random(16).min(1) as u32 ^ random(8).min(1) as u32,
        try_admit: (random(3) == 0).then_some(try_admit as _),
        observe: (random(3) == 0).then_some(observe as _),
        spare_max: if random(2) == 0 { random(3) as u32 } else { 0 },
        // The Linux port asks the kernel itself, which Miri does not know.
        stacks: if cfg!(miri) { 0 } else { random(2) as u32 },
    };
    let mut pool = null_mut();
    let mut storage = Vec::new();
    // SAFETY: all point to what they should, and the storage stays. A wrong size is more than is read.
    let code = unsafe {
        if random(4) == 0 {
            // Sometimes too little.
            storage.resize(random(2 * extram_pool_size(3) as u64) as usize, 0xa5u8);
            extram_pool_init(storage.as_mut_ptr().cast(), storage.len(), &config, &mut pool)
        } else {
            extram_pool_new(&config, &mut pool)
        }
    };
    expect(code, &[EXTRAM_OK, EXTRAM_INVALID, EXTRAM_NO_MEMORY, EXTRAM_CREATION_FAILED]);
    assert_eq!(code == EXTRAM_OK as c_int, !pool.is_null());
    if !pool.is_null() {
        STORAGE.lock().expect("no panic").insert(pool.addr(), storage);
        let slot = &SHARED_POOLS[random(POOLS as u64) as usize];
        POOLS_MADE.fetch_add(1, SeqCst);
        let former = slot.swap(pool.addr(), SeqCst);
        let unshared = {
            let mut lost = LOST.lock().expect("no panic");
            lost.push(former);
            let index = random(lost.len() as u64) as usize;
            lost.swap_remove(index)
        };
        if !end(unshared) {
            LOST.lock().expect("no panic").push(unshared);
        }
    }
}

/// The memory of the pools that are in memory of ours, until they are freed.
static STORAGE: std::sync::Mutex<BTreeMap<usize, Vec<u8>>> = std::sync::Mutex::new(BTreeMap::new());

/// Frees a pool, and its storage as soon as it is ours again.
fn free(pool: *mut extram_pool) -> c_int {
    let code = extram_pool_free(pool);
    if code == EXTRAM_OK as c_int {
        STORAGE.lock().expect("no panic").remove(&pool.addr());
    }
    code
}

static POOLS_MADE: AtomicU64 = AtomicU64::new(0);

/// Pools that are no longer shared and still in use. Whoever makes a pool tries to end one of these.
static LOST: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());

/// Closes and frees a pool; `false` if that is not possible now.
fn end(pool: usize) -> bool {
    let pool = without_provenance_mut(pool);
    let closed = extram_pool_close(pool);
    expect(closed, &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]);
    if closed != EXTRAM_OK as c_int {
        return closed == EXTRAM_INVALID as c_int;
    }
    let freed = free(pool);
    // Somebody else may have freed it.
    expect(freed, &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]);
    freed != EXTRAM_BUSY as c_int
}

fn expect(code: c_int, allowed: &[extram_code]) {
    assert!(allowed.iter().any(|a| *a as c_int == code), "{code} is none of {allowed:?}");
}

fn enter() {
    let pool = some_pool();
    let mut m = null_mut();
    let place = if random(16) == 0 { null_mut() } else { &raw mut m };
    // SAFETY: null or a place to write to.
    let code = unsafe {
        match random(8) {
            0..3 => extram_try_enter(pool, place),
            3..5 => extram_enter_from_signal(pool, place),
            5 => extram_enter_timeout(pool, random(20_000), place),
            // Waits as long as it takes, which under a limit may be for a thread that waits as well.
            _ => extram_enter_timeout(pool, 1 + random(200_000), place),
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
    expect(code, if place.is_null() { &[EXTRAM_INVALID] } else { &all });
    assert_eq!(code == EXTRAM_OK as c_int, !m.is_null());
    if !m.is_null() {
        alive(m);
        INSIDE.with_borrow_mut(|inside| {
            inside.push(Call { pool: pool.addr(), m: m.addr(), nested: NESTED.get() })
        });
        SHARED_MS[random(POOLS as u64) as usize].store(m.addr(), SeqCst);
    }
}

/// One call, with arguments that are right by accident.
fn step() {
    match random(16) {
        0 => new(),
        1 => expect(extram_pool_close(some_pool()), &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]),
        2 => expect(free(some_pool()), &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]),
        3 => {
            let all = [EXTRAM_OK, EXTRAM_CLOSED, EXTRAM_EXHAUSTED, EXTRAM_CREATION_FAILED, EXTRAM_INVALID];
            // Under a limit this waits for as long as it takes.
            if INSIDE.with_borrow(Vec::is_empty) && NESTED.get() == 0 && random(8) == 0 {
                expect(extram_prewarm(private_pool(), random(4) as u32), &all);
            }
        }
        4 => {
            let mut dropped = 0;
            let place = if random(8) == 0 { null_mut() } else { &raw mut dropped };
            // SAFETY: null or a place to write to.
            let code = unsafe {
                match random(2) {
                    0 => extram_trim(some_pool(), random(4) as u32, place),
                    _ => extram_trim_unused(some_pool(), random(4) as u32, place),
                }
            };
            expect(code, &[EXTRAM_OK, EXTRAM_INVALID]);
        }
        5 => {
            let size = if random(4) == 0 { invented() } else { size_of::<extram_stats>() };
            let mut figures = extram_stats { size, ..Default::default() };
            // SAFETY: a place to write to; a wrong size is more than is read.
            let code = unsafe { extram_stats_get(some_pool(), &mut figures) };
            expect(code, &[EXTRAM_OK, EXTRAM_INVALID]);
        }
        6 => expect(extram_unbind(some_pool()), &[EXTRAM_OK, EXTRAM_BUSY, EXTRAM_INVALID]),
        7 if random(2) == 0 => look(),
        7 => {
            // SAFETY: a string that lives for ever.
            let text = unsafe { CStr::from_ptr(extram_strerror(invented() as c_int)) };
            assert!(!text.is_empty());
        }
        8 => {
            let m = some_m();
            let mine = INSIDE.with_borrow(|inside| inside.iter().any(|call| call.m == m.addr()));
            let context = extram_context(m).cast::<u64>();
            // One that is being left, and frees a context, may be over already.
            if mine && !(context.is_null() && NESTED.get() > 0) {
                // SAFETY: ours while we are inside with it.
                assert_eq!(unsafe { *context }, ALIVE);
            } else if NESTED.get() == 0 {
                assert!(context.is_null());
                assert_eq!(extram_m_id(m), 0);
            }
        }
        9..12 => leave_some(),
        _ => enter(),
    }
}

/// Walks and writes.
fn look() {
    unsafe extern "C-unwind" fn visit(ms: *mut c_void, info: *const extram_m_info) -> c_int {
        // SAFETY: what is handed over below, and by the walk.
        let (ms, info) = unsafe { (&mut *ms.cast::<u32>(), &*info) };
        assert!(info.id != 0 && info.state <= extram_state::EXTRAM_BOUND_IDLE as u32);
        *ms += 1;
        (*ms > 50).into()
    }
    unsafe extern "C-unwind" fn write(_: *mut c_void, text: *const c_char, length: usize) -> c_int {
        // SAFETY: text of that length.
        let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
        assert!(text.is_ascii());
        0
    }
    let mut ms = 0u32;
    // SAFETY: functions that take what they are given.
    let codes = unsafe {
        [
            extram_each_m(some_pool(), Some(visit), (&raw mut ms).cast()),
            extram_dump(some_pool(), Some(write), null_mut()),
        ]
    };
    assert!(codes[0] == (ms > 50).into() || codes[0] == EXTRAM_INVALID as c_int);
    expect(codes[1], &[EXTRAM_OK, EXTRAM_INVALID]);
    let m = some_m();
    let mine = INSIDE.with_borrow(|inside| inside.iter().any(|call| call.m == m.addr()));
    let (mut low, mut high) = (1, 0);
    // SAFETY: places to write to.
    let code = unsafe { extram_stack(m, &mut low, &mut high) };
    extram_set_user(m, m.cast());
    if NESTED.get() == 0 {
        assert_eq!(code, if mine { EXTRAM_OK } else { EXTRAM_INVALID } as c_int);
        assert_eq!(extram_user(m), if mine { m.cast() } else { null_mut() });
        assert_eq!(extram_depth(m) > 0, mine);
    }
    // AddressSanitizer has frames elsewhere.
    let here = (&raw const low).addr();
    assert!(cfg!(extram_asan) || code != EXTRAM_OK as c_int || high == 0 || (low..high).contains(&here));
}

fn leave_some() {
    let (pool, m) = match INSIDE.with_borrow(|inside| inside.last().copied()) {
        Some(own) if random(3) != 0 => (own.pool, own.m),
        _ => (some_pool().addr(), some_m().addr()),
    };
    let leave = if random(8) == 0 { extram_discard } else { extram_leave };
    let code = leave(without_provenance_mut(pool), without_provenance_mut(m));
    // Inside a function of the configuration the call that it serves, too, may be the one named.
    if NESTED.get() == 0 {
        let expected = if inside(pool, m) { EXTRAM_OK } else { EXTRAM_INVALID };
        assert_eq!(code, expected as c_int, "leaving {m:#x} of {pool:#x}");
    }
    expect(code, &[EXTRAM_OK, EXTRAM_INVALID]);
    if code == EXTRAM_OK as c_int {
        forget(pool, m);
    }
}

/// A pool of this thread's own, without a limit, to be waited in.
fn private_pool() -> *mut extram_pool {
    thread_local!(static POOL: Cell<usize> = const { Cell::new(0) });
    if POOL.get() == 0 {
        let config = extram_config {
            size: size_of::<extram_config>(),
            runtime: null_mut(),
            new_context: Some(new_context),
            free_context: Some(free_context),
            admit: Some(admit),
            retire: Some(retire),
            try_admit: None,
            observe: Some(observe),
            spare_max: 2,
            stacks: u32::from(!cfg!(miri)),
            max_ms: 0,
            binding: EXTRAM_BIND_THREAD,
        };
        let mut pool = null_mut();
        // SAFETY: both point to what they should.
        unsafe { extram_pool_new(&config, &mut pool) };
        POOL.set(pool.addr());
        LOST.lock().expect("no panic").push(pool.addr());
    }
    without_provenance_mut(POOL.get())
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("a number"))
}

#[test]
fn random_sequences_get_codes() {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seed = setting("EXTRAM_SEED", clock.as_nanos() as u64);
    let steps = setting("EXTRAM_STEPS", 20_000);
    println!("EXTRAM_SEED={seed} EXTRAM_STEPS={steps}");
    let deepest = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS)
            .map(|number| {
                scope.spawn(move || {
                    RANDOM.set(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
                    let mut deepest = 0;
                    for _ in 0..steps {
                        step();
                        deepest = deepest.max(INSIDE.with_borrow(Vec::len));
                        // Or else nothing is ever closed.
                        if random(64) == 0 {
                            leave_all_of_this_level();
                        }
                    }
                    leave_all_of_this_level();
                    deepest
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no assertion failed")).max()
    });
    RANDOM.set(seed | 1);
    // One level: nothing misbehaves any more.
    NESTED.set(u32::MAX);
    let mut pools = std::mem::take(&mut *LOST.lock().expect("no panic"));
    pools.extend(SHARED_POOLS.iter().map(|pool| pool.load(SeqCst)));
    pools.sort_unstable();
    pools.dedup();
    for pool in pools {
        assert!(end(pool), "everybody has left {pool:#x}");
    }
    let (pools, contexts) = (POOLS_MADE.load(SeqCst), MADE.load(SeqCst));
    println!("{pools} pools, {contexts} contexts, deepest nesting {deepest:?}");
    assert_eq!(contexts, FREED.load(SeqCst), "a context was leaked or freed twice");
    // It did get somewhere, if it had the time.
    assert!(pools > steps / 10 && contexts > pools);
    assert!(steps < 300 || deepest > Some(2));
}
