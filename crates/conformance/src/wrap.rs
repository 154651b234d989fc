//! A port that is another one but for a few functions: for ports with an ear, a fault, a delay.

use core::marker::PhantomData;
use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};

/// What is different from the port [`Inner`](Wrap::Inner). [`Wrapped<Self>`](Wrapped) is the port: all that is
/// not said here is the inner one's. A function that [`Port`] gets some day and this trait lacks does not
/// compile.
///
/// # Safety
///
/// Whatever is different keeps the promises of [`Port`].
#[allow(missing_docs)] // each function is `Port`'s
pub unsafe trait Wrap: Sized + Send + Sync + 'static {
    /// The port underneath.
    type Inner: Threads;

    fn osyield() {
        Self::Inner::osyield();
    }
    fn tls_open(local: &'static Local<Self>, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        Self::Inner::tls_open(local, pool, hooks)
    }
    fn tls_close(local: &'static Local<Self>) -> bool {
        Self::Inner::tls_close(local)
    }
    fn tls_get(local: &'static Local<Self>) -> *mut () {
        Self::Inner::tls_get(local)
    }
    fn tls_look(local: &'static Local<Self>) -> (*mut (), bool) {
        Self::Inner::tls_look(local)
    }
    fn tls_set(local: &'static Local<Self>, value: *mut ()) -> Result<(), Refused> {
        Self::Inner::tls_set(local, value)
    }
    const HAS_EXIT_HOOK: bool = <Self::Inner as Port>::HAS_EXIT_HOOK;
    fn exit_hook(local: &'static Local<Self>) -> bool {
        Self::Inner::exit_hook(local)
    }
    fn thread_token() -> usize {
        Self::Inner::thread_token()
    }
    fn thread_id() -> u64 {
        Self::Inner::thread_id()
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        Self::Inner::wait(word, expected, timeout);
    }
    fn wake(word: *const AtomicU32, count: u32) {
        Self::Inner::wake(word, count);
    }
    /// [`wait`](Wrap::wait): what is said of that holds for this one.
    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        Self::wait(word, expected, timeout);
    }
    /// [`wake`](Wrap::wake).
    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        Self::wake(word, count);
    }
    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        Self::Inner::stack_bounds(sp)
    }
    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        Self::Inner::stack_bounds_in_signal(sp)
    }
    fn now() -> Option<Duration> {
        Self::Inner::now()
    }
    const FORKS: bool = <Self::Inner as Port>::FORKS;
    fn forks() -> usize {
        Self::Inner::forks()
    }
    const HAS_HEAVY_BARRIER: bool = <Self::Inner as Port>::HAS_HEAVY_BARRIER;
    fn heavy_barrier_init() -> bool {
        Self::Inner::heavy_barrier_init()
    }
    fn heavy_barrier() -> bool {
        Self::Inner::heavy_barrier()
    }
    fn in_handler() -> bool {
        Self::Inner::in_handler()
    }
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        Self::Inner::brief(f)
    }
    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread<Self>, Refused> {
        Self::Inner::newosproc(entry, arg, stack)
    }
    fn join(thread: Thread<Self>) {
        Self::Inner::join(thread);
    }
    fn usleep(micros: u32) {
        Self::Inner::usleep(micros);
    }
}

/// The [`Port::Local`] of what is wrapped.
pub type Local<W> = <<W as Wrap>::Inner as Port>::Local;
/// The [`Threads::Thread`] of what is wrapped.
pub type Thread<W> = <<W as Wrap>::Inner as Threads>::Thread;

/// The port that `W` says.
#[derive(Clone, Copy, Debug)]
pub struct Wrapped<W>(PhantomData<W>);

// SAFETY: the inner port's promises, and those of `Wrap`.
unsafe impl<W: Wrap> Port for Wrapped<W> {
    fn osyield() {
        W::osyield();
    }
    type Local = Local<W>;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Local<W> = <W::Inner as Port>::LOCAL;
    fn tls_open(local: &'static Local<W>, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        W::tls_open(local, pool, hooks)
    }
    fn tls_close(local: &'static Local<W>) -> bool {
        W::tls_close(local)
    }
    fn tls_get(local: &'static Local<W>) -> *mut () {
        W::tls_get(local)
    }
    fn tls_look(local: &'static Local<W>) -> (*mut (), bool) {
        W::tls_look(local)
    }
    fn tls_set(local: &'static Local<W>, value: *mut ()) -> Result<(), Refused> {
        W::tls_set(local, value)
    }
    const HAS_EXIT_HOOK: bool = W::HAS_EXIT_HOOK;
    fn exit_hook(local: &'static Local<W>) -> bool {
        W::exit_hook(local)
    }
    fn thread_token() -> usize {
        W::thread_token()
    }
    fn thread_id() -> u64 {
        W::thread_id()
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        W::wait(word, expected, timeout);
    }
    fn wake(word: *const AtomicU32, count: u32) {
        W::wake(word, count);
    }
    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        W::wait_again(word, expected, timeout);
    }
    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        W::wake_in_turn(word, count);
    }
    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        W::stack_bounds(sp)
    }
    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        W::stack_bounds_in_signal(sp)
    }
    fn now() -> Option<Duration> {
        W::now()
    }
    const FORKS: bool = W::FORKS;
    fn forks() -> usize {
        W::forks()
    }
    const HAS_HEAVY_BARRIER: bool = W::HAS_HEAVY_BARRIER;
    fn heavy_barrier_init() -> bool {
        W::heavy_barrier_init()
    }
    fn heavy_barrier() -> bool {
        W::heavy_barrier()
    }
    fn in_handler() -> bool {
        W::in_handler()
    }
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        W::brief(f)
    }
}

impl<W: Wrap> Threads for Wrapped<W> {
    type Thread = Thread<W>;
    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread<W>, Refused> {
        W::newosproc(entry, arg, stack)
    }
    fn join(thread: Thread<W>) {
        W::join(thread);
    }
    fn usleep(micros: u32) {
        W::usleep(micros);
    }
}
