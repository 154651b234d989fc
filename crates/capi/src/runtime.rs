//! The runtime behind the function pointers of a configuration.

use crate::Native;
use crate::boundary::caught;
use crate::code::extram_code;
use crate::config::extram_event_kind::{self, *};
use crate::config::{extram_config, extram_event};
use crate::handle::{Place, extram_m, extram_pool};
use crate::seat;
use crate::watch::Watch;
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::mem::ManuallyDrop;
use extram_core::sync::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use extram_core::{EnterError, Event, M, Port, Runtime};

/// A runtime in C.
///
/// Part of its pool, which stays where it is and outlives its contexts.
pub(crate) struct Foreign {
    config: extram_config,
    place: Place,
    /// Where the pool itself lies.
    pub(crate) home: Home,
    /// The configuration has nothing to say to a call: what [`extram_core::quiet`] asks for.
    pub(crate) quiet: bool,
    watch: Watch,
    /// `free_context` has panicked, and no call has said so yet.
    panicked: AtomicBool,
}

/// Whose the memory of a pool is.
#[derive(Clone, Copy)]
pub(crate) enum Home {
    /// The library's own.
    #[cfg(feature = "std")]
    Heap,
    /// The caller's.
    Storage,
}

// SAFETY: the pointers are handed to functions of the configuration alone, which by its contract may
// be called on any thread.
unsafe impl Sync for Foreign {}

/// What one M carries.
///
/// - **Home.** Its pool, of which `home` is a part, frees it before it goes itself.
/// - **Seen.** `pointer` and `user` are read by observers at any time once the context is there: in its
///   place they are only ever stored to as atomics.
#[repr(C)]
pub(crate) struct Context {
    /// What `new_context` made.
    pub(crate) pointer: AtomicPtr<c_void>,
    /// What `extram_set_user` left.
    pub(crate) user: AtomicPtr<c_void>,
    /// The depth up to which calls are not C's to leave now, with [`LOUD`] where the pool is not quiet. The
    /// holder's own, and a handler's on its thread.
    reserved: AtomicU32,
    /// The handles of the M and of its pool, once somebody has entered with it. The holder's own
    /// ([`crate::seat`]), and a handler's on its thread.
    pub(crate) handles: Cell<(*mut extram_m, *mut extram_pool)>,
    /// Where it is, or was, in an M: what those who watch are told. Not for looking at.
    watched: *const Context,
    home: *const Foreign,
}

// SAFETY: contexts move from thread to thread by the contract of the configuration; `home` is `Sync`.
unsafe impl Send for Context {}
// SAFETY: a handler shares the context with the call that it interrupted. There is nothing to be
// changed through a shared reference but atomics, and `handles`, which only the thread that holds the M
// looks at; what C does with what lies behind `pointer` is C's business.
unsafe impl Sync for Context {}

/// In `reserved`: the pool is not quiet.
const LOUD: u32 = 1 << 31;

impl Context {
    /// Calls up to this depth are not C's to leave now: `extram_prewarm` is inside, and `new_context` may be
    /// running. 0 = all are.
    #[inline]
    pub(crate) fn floor(&self) -> u32 {
        // Relaxed, here and below: for this thread and its handlers.
        self.reserved.load(Ordering::Relaxed) & !LOUD
    }

    /// Sets it, and says what it was.
    pub(crate) fn set_floor(&self, floor: u32) -> u32 {
        let before = self.reserved.load(Ordering::Relaxed);
        self.reserved.store(before & LOUD | floor, Ordering::Relaxed);
        before & !LOUD
    }

    /// Whether the pool is quiet and all calls are C's to leave.
    #[inline(always)]
    pub(crate) fn is_quiet(&self) -> bool {
        self.reserved.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: Invariant Home.
        let home = unsafe { &*self.home };
        home.watch.acquire(self.watched);
        if let Some(free) = home.config.free_context {
            // A panic stops here: the others are to be freed all the same, and the thread may have
            // no caller in C who could be told.
            // SAFETY: made by `new_context` of the same configuration, freed once.
            let freed = caught(|| unsafe { free(home.config.runtime, *self.pointer.get_mut()) });
            if freed.is_none() {
                // Relaxed: a flag.
                home.panicked.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Foreign {
    pub(crate) fn new(config: extram_config, place: Place, home: Home) -> Self {
        let calls = [config.admit, config.retire];
        let asks = config.try_admit.is_some() || config.observe.is_some() || config.stacks != 0;
        let watch = Watch::now();
        let quiet =
            !cfg!(feature = "probes") && calls.iter().all(Option::is_none) && !asks && !watch.anybody();
        Foreign { config, place, home, quiet, watch, panicked: AtomicBool::new(false) }
    }

    pub(crate) fn handle(&self, m: &M<Self>) -> *mut extram_m {
        self.place.m(m.id())
    }

    /// Whether `free_context` has panicked since somebody asked.
    pub(crate) fn take_panicked(&self) -> bool {
        // Relaxed: a flag. An exchange: one call says so.
        self.panicked.load(Ordering::Relaxed) && self.panicked.swap(false, Ordering::Relaxed)
    }

    fn told(&self, kind: extram_event_kind, m: u32, code: c_int) {
        if let Some(observe) = self.config.observe {
            let time_ns = Native::now().map_or(0, |now| now.as_nanos() as u64);
            let event = extram_event { size: size_of::<extram_event>(), kind: kind as u32, m, code, time_ns };
            // SAFETY: the configuration's function with the configuration's runtime.
            unsafe { observe(self.config.runtime, &event) };
        }
    }

    fn tell(&self, what: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut extram_m)>, m: &M<Self>) {
        if let Some(what) = what {
            // SAFETY: the configuration's function with the configuration's runtime.
            unsafe { what(self.config.runtime, self.handle(m)) };
        }
    }
}

impl Runtime for Foreign {
    type Context = Context;
    /// What the configuration's `new_context` returned.
    type Error = c_int;
    const STACKS: bool = true;
    const SINCE: bool = cfg!(feature = "std");

    #[inline]
    fn wants_stacks(&self) -> bool {
        self.config.stacks != 0
    }

    unsafe fn place(place: *mut Context, context: Context) {
        let context = ManuallyDrop::new(context);
        // Relaxed: who reads them has seen that the context is there, or takes what it gets (Seen).
        // SAFETY: by the caller's promise; a field that is not there yet holds no value. Invariant Home.
        unsafe {
            (*place).pointer.store(context.pointer.load(Ordering::Relaxed), Ordering::Relaxed);
            (*place).user.store(context.user.load(Ordering::Relaxed), Ordering::Relaxed);
            (&raw mut (*place).reserved).write(AtomicU32::new(context.reserved.load(Ordering::Relaxed)));
            (&raw mut (*place).handles).write(Cell::new(context.handles.get()));
            (&raw mut (*place).watched).write(place);
            (&raw mut (*place).home).write(context.home);
            (*context.home).watch.release(place);
        }
    }

    fn new_context(&self) -> Result<Context, c_int> {
        // There is one (`extram_config::read`).
        let new_context = self.config.new_context.ok_or(-1)?;
        let mut pointer = core::ptr::null_mut();
        // SAFETY: the configuration's function with the configuration's runtime.
        match unsafe { new_context(self.config.runtime, &mut pointer) } {
            0 => Ok(Context {
                pointer: AtomicPtr::new(pointer),
                user: AtomicPtr::new(core::ptr::null_mut()),
                reserved: AtomicU32::new(if self.quiet { 0 } else { LOUD }),
                handles: Cell::new((core::ptr::null_mut(), core::ptr::null_mut())),
                watched: core::ptr::null(),
                home: self,
            }),
            code => Err(code),
        }
    }

    fn failed(&self, code: c_int) {
        self.told(EXTRAM_EVENT_FAILED, 0, code);
    }

    fn refused(&self, error: EnterError) {
        self.told(EXTRAM_EVENT_REFUSED, 0, extram_code::from(error) as c_int);
    }

    #[inline]
    fn try_admit(&self, m: &M<Self>) -> bool {
        self.watch.acquire(m.context());
        match self.config.try_admit {
            // SAFETY: the configuration's function with the configuration's runtime.
            Some(try_admit) => unsafe { try_admit(self.config.runtime, self.handle(m)) == 0 },
            None => {
                self.tell(self.config.admit, m);
                true
            }
        }
    }

    #[inline]
    fn observe(&self, event: Event) {
        #[cfg(feature = "probes")]
        extram_probes::told(self.place.pool(), event);
        if self.config.observe.is_none() {
            return;
        }
        let (kind, m) = match event {
            Event::Waiting => (EXTRAM_EVENT_WAITING, 0),
            Event::Granted { m } => (EXTRAM_EVENT_GRANTED, m),
            Event::Entered { m } => (EXTRAM_EVENT_ENTERED, m),
            Event::Making => (EXTRAM_EVENT_MAKING, 0),
            Event::Made { m } => (EXTRAM_EVENT_MADE, m),
            Event::Left { m } => (EXTRAM_EVENT_LEFT, m),
            Event::Returned { m } => (EXTRAM_EVENT_RETURNED, m),
            Event::Discarded { m } => (EXTRAM_EVENT_DISCARDED, m),
            // Told by `failed` and `refused`, with the code.
            _ => return,
        };
        self.told(kind, m, 0);
    }

    #[inline]
    fn admit(&self, m: &M<Self>) {
        self.watch.acquire(m.context());
        self.tell(self.config.admit, m);
    }

    #[inline]
    fn retire(&self, m: &M<Self>) {
        // Before anything else: the call is not admitted any more.
        seat::leave(m);
        self.tell(self.config.retire, m);
        self.watch.release(m.context());
    }
}
