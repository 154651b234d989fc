//! A Lua state with a heap of its own: what one M carries. No allocator is shared, so none is locked, and the
//! timer's handler may allocate in the middle of an allocation of a task.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_uint, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use linked_list_allocator::Heap;

enum State {}

type Alloc = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize) -> *mut c_void;

unsafe extern "C" {
    fn guest_open(alloc: Alloc, heap: *mut c_void) -> *mut State;
    fn guest_work(lua: *mut State, number: c_uint, rounds: c_uint, result: *mut c_uint) -> c_int;
    fn guest_calls(lua: *mut State) -> c_uint;
    fn guest_close(lua: *mut State);
}

const BYTES: usize = 48 * 1024;

#[repr(C, align(8))]
struct Arena {
    taken: AtomicBool,
    heap: UnsafeCell<Heap>,
    memory: UnsafeCell<MaybeUninit<[u8; BYTES]>>,
}

// SAFETY: an arena is used by whoever has set `taken`.
unsafe impl Sync for Arena {}

/// One for each M, and one for the way without.
static ARENAS: [Arena; crate::MS + 1] = [const {
    Arena {
        taken: AtomicBool::new(false),
        heap: UnsafeCell::new(Heap::empty()),
        memory: UnsafeCell::new(MaybeUninit::uninit()),
    }
}; crate::MS + 1];

/// States that were made, that there are, and the calls that those which are gone have counted themselves.
pub(crate) static MADE: AtomicU32 = AtomicU32::new(0);
pub(crate) static ALIVE: AtomicU32 = AtomicU32::new(0);
pub(crate) static SERVED: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Lua {
    state: NonNull<State>,
    arena: &'static Arena,
}

// SAFETY: Lua keeps nothing outside of its state, which nobody else has.
unsafe impl Send for Lua {}

impl Lua {
    /// `None` if no arena is left.
    pub(crate) fn new() -> Option<Lua> {
        // Acquire: partner of the release in `drop`.
        let arena = ARENAS.iter().find(|arena| !arena.taken.swap(true, Ordering::Acquire))?;
        // SAFETY: taken just now. The memory is the heap's alone.
        let state = unsafe {
            (*arena.heap.get()).init(arena.memory.get().cast(), BYTES);
            guest_open(alloc, arena.heap.get().cast())
        };
        // Relaxed, here and below: figures.
        MADE.fetch_add(1, Ordering::Relaxed);
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Some(Lua { state: NonNull::new(state)?, arena })
    }

    /// By `&`: only the holder of the M has it, and Lua may be called from what Lua calls.
    pub(crate) fn work(&self, number: u32, rounds: u32) -> Option<u32> {
        let mut result = 0;
        // SAFETY: a state of `new`; one caller at a time.
        let good = unsafe { guest_work(self.state.as_ptr(), number, rounds, &mut result) };
        (good != 0).then_some(result)
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: a state of `new`, closed once.
        unsafe {
            SERVED.fetch_add(guest_calls(self.state.as_ptr()), Ordering::Relaxed);
            guest_close(self.state.as_ptr());
        }
        ALIVE.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: nobody else has the arena; Lua has freed everything.
        unsafe { *self.arena.heap.get() = Heap::empty() };
        // Release: partner of the acquire in `new`.
        self.arena.taken.store(false, Ordering::Release);
    }
}

/// What Lua asks for memory: `free`, `malloc` and `realloc` in one.
///
/// # Safety
///
/// `heap` is that of a taken arena, and `old` of `old_size` bytes is null or from here.
unsafe extern "C" fn alloc(
    heap: *mut c_void,
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
) -> *mut c_void {
    let layout = |size| Layout::from_size_align(size, 8).ok();
    // SAFETY: by the caller's promise.
    let heap = unsafe { &mut *heap.cast::<Heap>() };
    let old = NonNull::new(old.cast::<u8>());
    let new = match (new_size, layout(new_size)) {
        (0, _) => None,
        (_, Some(layout)) => heap.allocate_first_fit(layout).ok(),
        (_, None) => None,
    };
    if let Some(old) = old
        && (new.is_some() || new_size == 0)
        && let Some(layout) = layout(old_size)
    {
        if let Some(new) = new {
            // SAFETY: both have as many bytes, and do not overlap.
            unsafe { ptr::copy_nonoverlapping(old.as_ptr(), new.as_ptr(), old_size.min(new_size)) };
        }
        // SAFETY: from here, with this size.
        unsafe { heap.deallocate(old, layout) };
    }
    new.map_or(ptr::null_mut(), |new| new.as_ptr().cast())
}
