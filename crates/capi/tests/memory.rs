//! What happens when memory runs out, at each allocation in turn, the C library's own among them; and
//! who allocates nothing.
#![cfg(all(unix, not(extram_asan)))]

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{code, end, enter, leave, new, stats};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};

thread_local! {
    /// How many allocations of the calling thread succeed from now on; below 0: all.
    static LEFT: Cell<i64> = const { Cell::new(-1) };
    /// How many it has asked for.
    static ASKED: Cell<u64> = const { Cell::new(0) };
    /// How many it has, or was given by others.
    static HAS: Cell<i64> = const { Cell::new(0) };
}

/// Whether this one is refused: one is.
fn refused() -> bool {
    ASKED.set(ASKED.get() + 1);
    match LEFT.get() {
        0 => {
            LEFT.set(-1);
            true
        }
        left => {
            LEFT.set(if left < 0 { left } else { left - 1 });
            false
        }
    }
}

fn has<T>(memory: *mut T) -> *mut T {
    HAS.set(HAS.get() + i64::from(!memory.is_null()));
    memory
}

fn has_not<T>(memory: *mut T) {
    HAS.set(HAS.get() - i64::from(!memory.is_null()));
}

/// The C library's allocator, for Rust and for the C library itself.
#[cfg(all(target_env = "gnu", not(any(miri, extram_tsan))))]
mod allocator {
    use super::{c_int, c_void, has, has_not, null_mut, refused};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(align: usize, size: usize) -> *mut c_void;
        fn __libc_free(memory: *mut c_void);
    }

    fn out_of_memory() -> *mut c_void {
        // SAFETY: the thread's own.
        unsafe { *libc::__errno_location() = libc::ENOMEM };
        null_mut()
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        // SAFETY: as the caller promises, here and below.
        if refused() { out_of_memory() } else { has(unsafe { __libc_malloc(size) }) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
        // SAFETY: as above.
        if refused() { out_of_memory() } else { has(unsafe { __libc_calloc(count, size) }) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
        if refused() {
            return out_of_memory();
        }
        has_not(memory);
        // SAFETY: as above.
        has(unsafe { __libc_realloc(memory, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
        // SAFETY: as above.
        if refused() { out_of_memory() } else { has(unsafe { __libc_memalign(align, size) }) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
        // SAFETY: as above.
        unsafe { memalign(align, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(place: *mut *mut c_void, align: usize, size: usize) -> c_int {
        // SAFETY: as above.
        let memory = if refused() { null_mut() } else { has(unsafe { __libc_memalign(align, size) }) };
        if memory.is_null() {
            return libc::ENOMEM;
        }
        // SAFETY: as above.
        unsafe { place.write(memory) };
        0
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(memory: *mut c_void) {
        has_not(memory);
        // SAFETY: as above.
        unsafe { __libc_free(memory) };
    }
}

/// Elsewhere Rust's allocator alone.
#[cfg(not(all(target_env = "gnu", not(any(miri, extram_tsan)))))]
mod allocator {
    use super::{has, has_not, null_mut, refused};
    use std::alloc::{GlobalAlloc, Layout, System};

    struct Refusing;

    // SAFETY: the system's allocator, which may refuse.
    unsafe impl GlobalAlloc for Refusing {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises, here and below.
            if refused() { null_mut() } else { has(unsafe { System.alloc(layout) }) }
        }
        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            has_not(memory);
            // SAFETY: as above.
            unsafe { System.dealloc(memory, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Refusing = Refusing;
}

/// Contexts there are.
static ALIVE: AtomicI64 = AtomicI64::new(0);

/// Fails like a runtime in C that has no memory.
unsafe extern "C-unwind" fn make(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    // SAFETY: a size above 0; the rest as the pool called it.
    unsafe {
        let memory = std::alloc::alloc(std::alloc::Layout::new::<u32>());
        if memory.is_null() {
            *errno() = libc::ENOMEM;
            return 1;
        }
        memory.cast::<u32>().write(7);
        ALIVE.fetch_add(1, SeqCst);
        context.write(memory.cast());
    }
    0
}

unsafe extern "C-unwind" fn free(_: *mut c_void, context: *mut c_void) {
    ALIVE.fetch_sub(1, SeqCst);
    // SAFETY: made above, freed once.
    unsafe { std::alloc::dealloc(context.cast(), std::alloc::Layout::new::<u32>()) };
}

fn config(binding: u32) -> extram_config {
    extram_config { new_context: Some(make), free_context: Some(free), binding, ..face::config() }
}

/// `f` with one allocation refused, the first, the second, and so on, until it asks for no more.
/// Returns how many it asks for.
fn one_after_another(f: impl Fn() -> extram_code) -> i64 {
    for succeed in 0.. {
        LEFT.set(succeed);
        let code = f();
        let done = LEFT.replace(-1) >= 0;
        assert!([EXTRAM_OK, EXTRAM_NO_MEMORY].contains(&code), "{code:?} without allocation {succeed}");
        if done {
            assert_eq!(code, EXTRAM_OK);
            return succeed;
        }
    }
    unreachable!()
}

#[cfg(not(target_os = "freebsd"))]
use libc::__errno_location as errno;
#[cfg(target_os = "freebsd")]
use libc::__error as errno;

/// The tests count what is alive.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Scenario 41.
#[test]
fn a_pool_that_finds_no_memory_is_not_made_and_nothing_is_lost() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        // What the thread keeps for ever, it has after this.
        let pool = new(&config(binding));
        assert_eq!(enter(pool).map(|m| leave(pool, m)), Ok(EXTRAM_OK));
        end(pool);
        let (alive, before) = (ALIVE.load(SeqCst), HAS.get());
        let asked = one_after_another(|| {
            let mut pool = null_mut();
            // SAFETY: both point to what they should; the thread's own `errno`.
            let made = unsafe {
                *errno() = 12_345;
                let made = extram_pool_new(&config(binding), &mut pool);
                assert_eq!(*errno(), 12_345);
                made
            };
            let left = LEFT.replace(-1);
            assert_eq!(pool.is_null(), made != EXTRAM_OK as c_int);
            if !pool.is_null() {
                let m = enter(pool).expect("in");
                assert_eq!(leave(pool, m), EXTRAM_OK);
                end(pool);
            }
            assert_eq!((ALIVE.load(SeqCst) - alive, HAS.get() - before), (0, 0));
            LEFT.set(left);
            code(made)
        });
        assert!(asked >= 3, "the pool, its first Ms, a context");
    }
}

/// Scenario 41. On a thread that has not called in before.
#[test]
fn a_pool_goes_on_without_memory() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        for succeed in 0..200 {
            let alive = ALIVE.load(SeqCst);
            let pool = new(&config(binding));
            let there = pool.addr();
            let asked = std::thread::spawn(move || {
                let pool = without_provenance_mut(there);
                // Memory for an M, or for what new_context makes.
                let fine = |code| {
                    assert!(
                        [EXTRAM_OK, EXTRAM_NO_MEMORY, EXTRAM_CREATION_FAILED].contains(&code),
                        "{code:?}"
                    );
                };
                LEFT.set(succeed);
                let entered = enter(pool);
                let nested = face::try_enter(pool);
                fine(entered.err().unwrap_or(EXTRAM_OK));
                let prewarmed = code(extram_prewarm(pool, 40));
                fine(prewarmed);
                for m in [entered, nested].into_iter().flatten() {
                    assert_eq!(leave(pool, m), EXTRAM_OK);
                }
                fine(code(extram_prewarm(pool, 70)));
                face::trim(pool, 1).expect("trimmed");
                assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
                // With another spare, and where another context has to be made.
                for enter in [enter, face::enter_from_signal] {
                    let entered = enter(pool);
                    fine(entered.err().unwrap_or(EXTRAM_OK));
                    if let Ok(m) = entered {
                        assert_eq!(code(extram_discard(pool, m)), EXTRAM_OK);
                    }
                }
                LEFT.replace(-1) < 0
            });
            let refused = asked.join().expect("no assertion failed");
            let now = stats(pool);
            assert_eq!((now.in_use, now.waiting, now.creating), (0, 0, 0), "{now:?}");
            assert_eq!(i64::from(now.created), ALIVE.load(SeqCst) - alive);
            let m = enter(pool).expect("in");
            assert_eq!(leave(pool, m), EXTRAM_OK);
            assert_eq!(code(extram_prewarm(pool, 70)), EXTRAM_OK);
            end(pool);
            assert_eq!(ALIVE.load(SeqCst), alive);
            if !refused {
                assert!(succeed > 70, "contexts were made");
                break;
            }
        }
    }
}

/// For each of more pools than have words of their own in a thread's memory, on threads that have not
/// called in before.
#[test]
#[cfg_attr(miri, ignore = "it knows no signals")]
fn a_handler_allocates_nothing() {
    const POOLS: usize = 6;
    static ALL: [AtomicUsize; POOLS] = [const { AtomicUsize::new(0) }; POOLS];
    static WHICH: AtomicUsize = AtomicUsize::new(0);
    static RIGHT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handler(_: c_int) {
        let pool = without_provenance_mut(ALL[WHICH.load(SeqCst)].load(SeqCst));
        let (before, mut m) = (ASKED.get(), null_mut());
        let mut figures = extram_stats { size: size_of::<extram_stats>(), ..Default::default() };
        // SAFETY: places to write to; left below.
        let mut right = unsafe {
            extram_enter_from_signal(pool, &mut m) == 0 && extram_stats_get(pool, &mut figures) == 0
        };
        right &= !extram_context(m).is_null() && extram_m_id(m) != 0 && figures.in_use == 1;
        right &= extram_leave(pool, m) == 0 && !extram_strerror(1).is_null();
        RIGHT.fetch_add(usize::from(right && ASKED.get() == before), SeqCst);
    }
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // So many keys that those of later pools have no room in a thread's first block of them.
    for _ in 0..40 {
        let mut key = 0;
        // SAFETY: a place for the key.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, None) }, 0);
    }
    // SAFETY: the handler calls nothing that a handler may not.
    unsafe { libc::signal(libc::SIGUSR2, handler as *const () as libc::sighandler_t) };
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        for pool in &ALL {
            pool.store(new(&config(binding)).addr(), SeqCst);
        }
        for (which, pool) in ALL.iter().enumerate() {
            WHICH.store(which, SeqCst);
            RIGHT.store(0, SeqCst);
            let there = pool.load(SeqCst);
            let raise = move || {
                // SAFETY: the handler is installed.
                unsafe { libc::raise(libc::SIGUSR2) };
                // Inside, and with an M that has stayed.
                let pool = without_provenance_mut(there);
                for _ in 0..2 {
                    let m = enter(pool).expect("in");
                    // SAFETY: as above.
                    unsafe { libc::raise(libc::SIGUSR2) };
                    assert_eq!(leave(pool, m), EXTRAM_OK);
                    // SAFETY: as above.
                    unsafe { libc::raise(libc::SIGUSR2) };
                }
            };
            std::thread::spawn(raise).join().expect("no assertion failed");
            assert_eq!(RIGHT.load(SeqCst), 5, "in pool {which}");
        }
        ALL.iter().for_each(|pool| end(without_provenance_mut(pool.load(SeqCst))));
    }
}
