//! Threads, signals and stacks made by C, with closures as their work.

use crate::CPool;
use core::ffi::{c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

type Body = unsafe extern "C" fn(*mut c_void, c_uint);

#[repr(C)]
struct Queue {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn hosted_crew(count: c_uint, stack: usize, body: Body, arg: *mut c_void) -> c_uint;
    fn hosted_in_turn(count: c_uint, stack: usize, body: Body, arg: *mut c_void) -> c_uint;
    fn hosted_exit_inside(pool: *const CPool, depth: c_uint) -> c_int;
    fn hosted_cancel_inside(pool: *const CPool, depth: c_uint) -> c_int;
    fn hosted_cancelled(body: Body, arg: *mut c_void) -> c_int;
    fn hosted_key(key: *mut c_uint) -> c_int;
    fn hosted_key_delete(key: c_uint) -> c_int;
    fn hosted_destructor(pool: *const CPool, key: c_uint, first: c_uint, last: c_uint) -> c_int;
    fn hosted_rounds(key: c_uint, last: c_uint, body: Body, arg: *mut c_void) -> c_int;
    fn hosted_queue_new(threads: c_uint) -> *mut Queue;
    fn hosted_queue_put(queue: *mut Queue, body: Body, arg: *mut c_void, index: c_uint);
    fn hosted_queue_free(queue: *mut Queue);
    fn hosted_on_other_stack(stack: *mut c_void, size: usize, body: Body, arg: *mut c_void) -> c_int;
    fn hosted_preserved(body: Body, arg: *mut c_void) -> c_uint;
    fn hosted_storm(count: c_uint, signals: c_uint, body: Body, handler: Body, arg: *mut c_void) -> c_uint;
    #[cfg(target_os = "freebsd")]
    fn hosted_trace(file: *const core::ffi::c_char) -> c_int;
    #[cfg(target_os = "freebsd")]
    fn hosted_traced(file: *const core::ffi::c_char, counts: *mut c_uint, size: c_uint) -> c_int;
    #[cfg(openmp)]
    fn hosted_openmp(count: c_uint, body: Body, arg: *mut c_void) -> c_uint;
}

/// A closure that C calls, on any thread. The first panic is kept, and goes on in Rust.
struct Work<'a> {
    body: &'a (dyn Fn(u32) + Sync),
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

unsafe extern "C" fn work(arg: *mut c_void, index: c_uint) {
    // SAFETY: `Work::run` keeps the work alive until C has come back.
    let work = unsafe { &*arg.cast_const().cast::<Work<'_>>() };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (work.body)(index))) {
        work.panic.lock().unwrap().get_or_insert(panic);
    }
}

impl<'a> Work<'a> {
    fn run<T>(body: &'a (dyn Fn(u32) + Sync), f: impl FnOnce(Body, *mut c_void) -> T) -> T {
        let this = Work { body, panic: Mutex::new(None) };
        let result = f(work, (&raw const this).cast_mut().cast());
        if let Some(panic) = this.panic.into_inner().unwrap() {
            resume_unwind(panic);
        }
        result
    }
}

/// Runs `body` on `count` POSIX threads that all exist before the first begins, with stacks of
/// `stack` bytes (0: the system's default). Returns how many the system would make; if not all,
/// `body` has not run.
pub fn crew(count: u32, stack: usize, body: impl Fn(u32) + Sync) -> u32 {
    // SAFETY: C joins the threads before it returns.
    Work::run(&body, |work, arg| unsafe { hosted_crew(count, stack, work, arg) })
}

/// The same, one after another; the panic of one does not keep the next from running.
pub fn in_turn(count: u32, stack: usize, body: impl Fn(u32) + Sync) -> u32 {
    // SAFETY: as above.
    Work::run(&body, |work, arg| unsafe { hosted_in_turn(count, stack, work, arg) })
}

/// A thread enters `depth` times and calls `pthread_exit`.
pub fn exit_inside(pool: &CPool, depth: u32) {
    // SAFETY: C joins the thread before it returns.
    assert_eq!(unsafe { hosted_exit_inside(pool, depth) }, 0);
}

/// A thread enters `depth` times and is cancelled.
pub fn cancel_inside(pool: &CPool, depth: u32) {
    // SAFETY: as above.
    assert_eq!(unsafe { hosted_cancel_inside(pool, depth) }, 0);
}

/// Runs `body` on a thread that has a cancellation pending, and is cancelled when it has come to the end.
/// A cancellation point in `body` ends the process: the frames of Rust cannot be unwound.
pub fn cancelled(body: impl Fn() + Sync) {
    let body = |_| body();
    // SAFETY: C joins the thread before it returns.
    assert_eq!(Work::run(&body, |work, arg| unsafe { hosted_cancelled(work, arg) }), 0);
}

/// More than any system lets a process have.
const KEYS: c_uint = 1024;

/// A thread-specific key with a destructor that enters.
#[derive(Debug)]
pub struct Key(c_uint);

impl Key {
    /// A new one; systems number them in the order in which they are made.
    #[allow(clippy::new_without_default)] // asks the system
    pub fn new() -> Self {
        let mut key = 0;
        // SAFETY: a place for the key.
        assert_eq!(unsafe { hosted_key(&mut key) }, 0);
        Key(key)
    }

    /// Makes a thread whose destructor enters in rounds `first` to `last` of its exit, counted from
    /// 1, and the thread before that if `first` is 0. Returns how many entries were let in.
    pub fn visit(&self, pool: &CPool, first: u32, last: u32) -> u32 {
        // SAFETY: C joins the thread before it returns.
        let entries = unsafe { hosted_destructor(pool, self.0, first, last) };
        u32::try_from(entries).expect("the thread is made and has the key")
    }

    /// Makes a thread that runs `body` with 0, and then from its destructor in rounds 1 to `last` of
    /// its exit, with the round.
    pub fn rounds(&self, last: u32, body: impl Fn(u32) + Sync) {
        // SAFETY: C joins the thread before it returns.
        let ran = Work::run(&body, |work, arg| unsafe { hosted_rounds(self.0, last, work, arg) });
        assert_eq!(ran, last as i32 + 1, "the thread is made and has the key");
    }

    /// Under how many other keys the calling thread has a value.
    pub fn others_with_a_value(&self) -> usize {
        let has = |key: &c_uint| {
            // SAFETY: a key that nobody has made has no value, in each of the C libraries.
            *key != self.0 && !unsafe { libc::pthread_getspecific(*key as libc::pthread_key_t) }.is_null()
        };
        (0..KEYS).filter(has).count()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: made by `new`; no thread with a value is left.
        unsafe { hosted_key_delete(self.0) };
    }
}

/// A C library's own pool of threads.
#[derive(Debug)]
pub struct JobQueue<'a> {
    queue: *mut c_void,
    work: Box<dyn WorkAlive + 'a>,
    _jobs: PhantomData<&'a ()>,
}

/// Keeps the work where it is.
trait WorkAlive: std::fmt::Debug {
    fn arg(&self) -> *mut c_void;
    fn finish(&mut self);
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

impl WorkAlive for Work<'_> {
    fn arg(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }

    fn finish(&mut self) {
        if let Some(panic) = self.panic.get_mut().unwrap().take() {
            resume_unwind(panic);
        }
    }
}

impl<'a> JobQueue<'a> {
    /// So many threads, for jobs that run `body`.
    pub fn new(threads: u32, body: &'a (dyn Fn(u32) + Sync)) -> Self {
        // SAFETY: no arguments but a number.
        let queue = unsafe { hosted_queue_new(threads) };
        assert!(!queue.is_null());
        let work = Box::new(Work { body, panic: Mutex::new(None) });
        JobQueue { queue: queue.cast(), work, _jobs: PhantomData }
    }

    /// Puts a job.
    pub fn put(&self, index: u32) {
        // SAFETY: the queue is alive, and the work until `finish`.
        unsafe { hosted_queue_put(self.queue.cast(), work, self.work.arg(), index) };
    }

    /// Waits for all jobs, and ends the threads.
    pub fn finish(mut self) {
        // SAFETY: made by `new`, freed once.
        unsafe { hosted_queue_free(self.queue.cast()) };
        self.work.finish();
    }
}

/// Runs `body` on the calling thread, on `stack`.
pub fn on_other_stack(stack: &mut [u8], body: impl Fn() + Sync) {
    let body = |_| body();
    Work::run(&body, |work, arg| {
        // SAFETY: the stack is ours as long as the call lasts.
        assert_eq!(unsafe { hosted_on_other_stack(stack.as_mut_ptr().cast(), stack.len(), work, arg) }, 0);
    });
}

/// Lets `handler` interrupt the calling thread, on `stack`. It is async-signal-safe.
pub fn interrupted_on(stack: &mut [u8], handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the stack outlives its use, and the handler is async-signal-safe.
    unsafe {
        let mut alternate: libc::stack_t = core::mem::zeroed();
        let mut action: libc::sigaction = core::mem::zeroed();
        let mut before = core::mem::zeroed();
        alternate.ss_sp = stack.as_mut_ptr().cast();
        alternate.ss_size = stack.len();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaltstack(&alternate, &mut before), 0);
        assert_eq!(libc::sigaction(libc::SIGURG, &action, core::ptr::null_mut()), 0);
        assert_eq!(libc::raise(libc::SIGURG), 0);
        assert_eq!(libc::sigaltstack(&before, core::ptr::null_mut()), 0);
    }
}

/// Runs `body` on the calling thread and names what it changed of `errno`, the signal mask and the
/// alternate stack.
pub fn preserved(body: impl Fn() + Sync) -> Result<(), String> {
    let body = |_| body();
    // SAFETY: the work outlives the call.
    let changed = Work::run(&body, |work, arg| unsafe { hosted_preserved(work, arg) });
    let names = ["errno", "signal mask", "alternate stack"];
    let names: Vec<_> = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| changed & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect();
    if names.is_empty() { Ok(()) } else { Err(names.join(", ")) }
}

/// `count` threads run `body` over and over while signals come down on them, each of which runs
/// `handler` on its thread, until each thread has handled `signals`.
pub fn storm(count: u32, signals: u32, body: impl Fn(u32) + Sync, handler: impl Fn(u32) + Sync) {
    /// A panic cannot leave a handler, and must not be kept in one either.
    struct Storm<'a> {
        body: &'a (dyn Fn(u32) + Sync),
        handler: &'a (dyn Fn(u32) + Sync),
    }
    unsafe extern "C" fn on_body(arg: *mut c_void, index: c_uint) {
        // SAFETY: alive until C has come back.
        (unsafe { &*arg.cast_const().cast::<Storm<'_>>() }.body)(index);
    }
    unsafe extern "C" fn on_signal(arg: *mut c_void, index: c_uint) {
        // SAFETY: as above.
        (unsafe { &*arg.cast_const().cast::<Storm<'_>>() }.handler)(index);
    }
    let this = Storm { body: &body, handler: &handler };
    let arg = (&raw const this).cast_mut().cast();
    // SAFETY: C joins the threads before it returns. A panic in either ends the process with a
    // message, because neither function may unwind.
    assert_eq!(unsafe { hosted_storm(count, signals, on_body, on_signal, arg) }, count);
}

/// Runs `body` on every thread of an OpenMP region of `count` threads, and on those of a region of
/// two nested in each. Returns how often it ran.
#[cfg(openmp)]
pub fn openmp(count: u32, body: impl Fn(u32) + Sync) -> u32 {
    // SAFETY: the regions end before C returns.
    Work::run(&body, |work, arg| unsafe { hosted_openmp(count, work, arg) })
}

/// Has the calling process traced into `file`, which is there, until it ends. One system call.
///
/// # Errors
///
/// The system's.
#[cfg(target_os = "freebsd")]
pub fn trace(file: &core::ffi::CStr) -> std::io::Result<()> {
    // SAFETY: a path that is alive.
    match unsafe { hosted_trace(file.as_ptr()) } {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(error)),
    }
}

/// The number of each system call in such a file, and how often it was made.
///
/// # Errors
///
/// The file makes no sense, or some calls were lost.
#[cfg(target_os = "freebsd")]
pub fn traced(file: &core::ffi::CStr) -> std::io::Result<std::collections::BTreeMap<usize, u64>> {
    // More than there are system calls.
    let mut counts = [0; 1024];
    // SAFETY: a path that is alive, and room for so many numbers.
    if unsafe { hosted_traced(file.as_ptr(), counts.as_mut_ptr(), counts.len() as c_uint) } != 0 {
        return Err(std::io::Error::other("a trace that makes no sense, or has gaps"));
    }
    Ok(counts.into_iter().map(u64::from).enumerate().filter(|(_, count)| *count != 0).collect())
}
