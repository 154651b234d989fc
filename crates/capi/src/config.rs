//! The structures that C fills in and gets filled in.

use crate::boundary::address;
use crate::code::extram_code::{self, EXTRAM_INVALID};
use crate::handle::extram_m;
use core::ffi::{CStr, c_char, c_int, c_void};

/// How long an M stays with a thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum extram_binding {
    /// Until the thread exits. What a call after the first costs depends on the pool.
    ///
    /// With max_ms = 0, made by extram_pool_new, where the system has a barrier for it (Linux, Windows,
    /// FreeBSD from 14.1): reads and writes of thread-local words and of the M's own. No atomic exchange,
    /// and nothing that other threads write to.
    ///
    /// With a limit, in storage of the caller's, and on other systems: besides, one compare-exchange
    /// on the thread's own M to enter and one to leave. With a limit or in storage an idle M may have been
    /// taken back for a thread that waited; then the call is as a first one, and may wait.
    EXTRAM_BIND_THREAD = 0,
    /// Until the end of the call. Each call looks at the clock, for since_ns of extram_m_info: most of what it
    /// costs where that takes 50 ns.
    EXTRAM_BIND_CALL = 1,
}

/// [`extram_binding::EXTRAM_BIND_THREAD`] as the configuration has it.
///
/// cbindgen:ignore
pub const EXTRAM_BIND_THREAD: u32 = extram_binding::EXTRAM_BIND_THREAD as u32;
/// [`extram_binding::EXTRAM_BIND_CALL`] as the configuration has it.
///
/// cbindgen:ignore
pub const EXTRAM_BIND_CALL: u32 = extram_binding::EXTRAM_BIND_CALL as u32;

/// What a pool is made from. What is not set is 0. The functions run on the thread concerned, and each
/// must return: it may neither end the thread nor jump out, and no C++ exception may leave it.
///
/// One that is written in Rust, extern "C-unwind", and belongs to the same Rust program as the library
/// (which has the crate extram-capi among its dependencies) may panic: the call that it was made for
/// returns EXTRAM_INVALID, and nothing is lost; at a thread's exit, where there is no such call, a panic
/// of retire ends the process with a message. libextram.a and libextram.so are Rust programs of their
/// own: a panic that comes from another Rust library ends the process with a message. Such a library
/// catches its panics itself, before it returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct extram_config {
    /// sizeof(extram_config). If the library's is another, nothing but this is read, and what gets the
    /// configuration returns EXTRAM_INVALID.
    pub size: usize,
    /// Handed to every function below.
    pub runtime: *mut c_void,
    /// Makes what one M carries, and writes it to *context; 0 = made. Anything else = failed; observe is
    /// told the number. The only function that may not be NULL.
    pub new_context:
        Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, context: *mut *mut c_void) -> c_int>,
    /// Frees it. No walk shows it any more. May be NULL.
    pub free_context: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, context: *mut c_void)>,
    /// Called with the M in hand before the outermost callback; may block while a collection runs.
    /// Called by extram_enter_from_signal too, and must be async-signal-safe where that is used.
    /// Called once more, and retire after it, where a context that was discarded is replaced at once:
    /// extram_context is the old one then. May be NULL.
    pub admit: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, m: *mut extram_m)>,
    /// Called before the thread goes back to foreign code from the outermost callback, and when
    /// it exits inside one: what it entered and has not left is left then. In the handler, for a call from
    /// extram_enter_from_signal: async-signal-safe where that is used. May be NULL.
    pub retire: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, m: *mut extram_m)>,
    /// The most Ms at once; 0 = no limit: as many as are needed, or as the storage has room for. (In
    /// Rust, Pool::limit(0) is a limit, and such a pool does not start.) A context that is being freed after
    /// extram_discard, extram_trim or extram_trim_unused does not count: N threads that discard may have N more while
    /// free_context runs. Threads that come may overtake threads that wait; after 256 that did, or some
    /// 2 ms, in which none that waits was served, they step aside for it.
    pub max_ms: u32,
    /// EXTRAM_BIND_THREAD or EXTRAM_BIND_CALL; anything else is EXTRAM_INVALID.
    pub binding: u32,
    /// Called in place of admit where nobody may be kept waiting, by extram_try_enter and
    /// extram_enter_from_signal: 0 = admitted, anything else turns the caller away with
    /// EXTRAM_WOULD_BLOCK. NULL: admit is called, which is right where that never blocks.
    pub try_admit: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, m: *mut extram_m) -> c_int>,
    /// Told what happens, on the thread to which it happens: in the signal handler, for a call that was
    /// made there, and then it must be async-signal-safe. May be NULL.
    pub observe: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, event: *const extram_event)>,
    /// The most Ms that stay spare: whoever gives one back frees the contexts of those above that. 0 =
    /// all are kept. As long as a thread is inside, another M is kept ready, so with 1 each M that is
    /// given back costs a context made and one freed. (In Rust, spare_max(0) is as spare_max(1).)
    pub spare_max: u32,
    /// Not 0: the bounds of stacks are asked for (extram_stack), at each thread's first call and at each
    /// change of stacks.
    pub stacks: u32,
}

/// What happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum extram_event_kind {
    /// The thread found no spare M and is about to wait.
    EXTRAM_EVENT_WAITING = 0,
    /// The wait is over: it got m.
    EXTRAM_EVENT_GRANTED,
    /// The wait is over without an M; code is what the call returns, an extram_code.
    EXTRAM_EVENT_REFUSED,
    /// The thread is inside with m, at the outermost level, and admitted.
    EXTRAM_EVENT_ENTERED,
    /// The thread begins to make an M.
    EXTRAM_EVENT_MAKING,
    /// The thread has made m.
    EXTRAM_EVENT_MADE,
    /// The thread failed to make one; code is what new_context returned.
    EXTRAM_EVENT_FAILED,
    /// The thread left the outermost call with m, which stays with it if it is bound.
    EXTRAM_EVENT_LEFT,
    /// m no longer belongs to its thread. Not told of one that was discarded.
    EXTRAM_EVENT_RETURNED,
    /// The last call with m is over, whose context was discarded and is about to be freed; in place of
    /// EXTRAM_EVENT_RETURNED.
    EXTRAM_EVENT_DISCARDED,
}

/// What observe is told.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct extram_event {
    /// sizeof(extram_event)
    pub size: usize,
    /// An extram_event_kind.
    pub kind: u32,
    /// The M's number, from 1; 0 where there is none.
    pub m: u32,
    /// EXTRAM_EVENT_FAILED: what new_context returned. EXTRAM_EVENT_REFUSED: an extram_code. Else 0.
    pub code: c_int,
    /// When, by a clock that never goes back (CLOCK_MONOTONIC on Linux and FreeBSD); 0 where there is
    /// none.
    pub time_ns: u64,
}

/// Where an M is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum extram_state {
    /// Nobody's: on the list, or on its way to a waiter.
    EXTRAM_SPARE = 0,
    /// Inside a call.
    EXTRAM_IN_USE,
    /// Bound to a thread that is outside.
    EXTRAM_BOUND_IDLE,
}

/// What any thread may know of an M. Each field was true at some moment of the walk, and not all at the
/// same one: they are read one after another while the thread that has the M goes on. So a state of
/// EXTRAM_IN_USE may come with a depth of 0, or a thread with the stack of the one before it. They fit
/// together where that thread is known to stand still.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct extram_m_info {
    /// sizeof(extram_m_info)
    pub size: usize,
    /// Its number, from 1.
    pub id: u32,
    /// An extram_state.
    pub state: u32,
    /// How many calls are inside.
    pub depth: u32,
    /// The thread that has it, or had it last, as the system's tools number it; 0 = none had.
    pub thread_id: u64,
    /// When that thread got it, by the clock of extram_event, to a millisecond; 0 where there is none, and if
    /// none had it. Of a spare one: what extram_trim_unused goes by.
    pub since_ns: u64,
    /// The stack that the thread came in on, lowest address and one past the highest; 0 where it is not
    /// known.
    pub stack_low: address,
    /// See stack_low.
    pub stack_high: address,
    /// What new_context made. extram_trim, extram_trim_unused, extram_discard, extram_pool_close and spare_max
    /// free contexts, extram_discard and spare_max on threads that retire has seen already: a collection that
    /// keeps all threads outside admit does not hold them up. So use it where none of the five is
    /// under way. A collector in a pool that discards keeps a list of its own instead, which
    /// new_context adds to and free_context takes from, under a lock that the collector has while it
    /// looks.
    /// Its holder may be writing to it meanwhile: read it only where that thread is known to stand still.
    pub context: *mut c_void,
    /// What extram_set_user stored there.
    pub user: *mut c_void,
}

impl Default for extram_config {
    /// No function, as many Ms as needed, bound to their threads. `new_context` is still to be set.
    fn default() -> Self {
        extram_config {
            size: size_of::<Self>(),
            runtime: core::ptr::null_mut(),
            new_context: None,
            free_context: None,
            admit: None,
            retire: None,
            max_ms: 0,
            binding: EXTRAM_BIND_THREAD,
            try_admit: None,
            observe: None,
            spare_max: 0,
            stacks: 0,
        }
    }
}

impl extram_config {
    /// The configuration behind the pointer, if it is one.
    ///
    /// # Safety
    ///
    /// Null, or readable for as many bytes as its `size` says.
    pub(crate) unsafe fn read(config: *const Self) -> Result<Self, extram_code> {
        // SAFETY: by the caller's promise.
        unsafe { Self::checked(config) }.map_err(|_| EXTRAM_INVALID)
    }

    /// The same, or what is wrong with it.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    unsafe fn checked(config: *const Self) -> Result<Self, &'static CStr> {
        if config.is_null() {
            return Err(c"config is NULL");
        }
        if !config.is_aligned() {
            return Err(c"config is not aligned");
        }
        // SAFETY: by the caller's promise; `size` comes first. No more is read if it is wrong.
        if unsafe { (&raw const (*config).size).read() } != size_of::<Self>() {
            return Err(c"config->size is not the library's: another version of extram.h, or it was not set");
        }
        // SAFETY: as above.
        let config = unsafe { config.read() };
        match config.binding {
            EXTRAM_BIND_THREAD | EXTRAM_BIND_CALL => {}
            _ => return Err(c"config->binding is neither EXTRAM_BIND_THREAD nor EXTRAM_BIND_CALL"),
        }
        if config.new_context.is_none() { Err(c"config->new_context is NULL") } else { Ok(config) }
    }
}

/// What is wrong with a configuration for which extram_pool_new and extram_pool_init return
/// EXTRAM_INVALID: a sentence without a full stop, or NULL if nothing is. It is good for ever. From any
/// context.
///
/// # Safety
///
/// `config` is null, or readable for as many bytes as its `size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_config_problem(config: *const extram_config) -> *const c_char {
    // SAFETY: by the caller's promise.
    let checked = unsafe { extram_config::checked(config) };
    checked.map_or_else(CStr::as_ptr, |_| core::ptr::null())
}

/// Figures of a pool. At rest created = spare + in_use + bound_idle, and waiting = creating = 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct extram_stats {
    /// sizeof(extram_stats), set by the caller.
    pub size: usize,
    /// Ms that exist.
    pub created: u32,
    /// Of those: on the list, or on their way to a waiter.
    pub spare: u32,
    /// Of those: inside a call.
    pub in_use: u32,
    /// Of those: bound to a thread that is outside.
    pub bound_idle: u32,
    /// Threads that wait for an M.
    pub waiting: u32,
    /// Ms being made.
    pub creating: u32,
    /// Attempts to make an M that failed.
    pub failed: u32,
}
