//! Every scenario that must hold, wherever it is tested.

/// Where a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// In this suite, on every port.
    Core,
    /// In this suite, on ports with an exit hook.
    WithExitHook,
    /// In tests of its own, on hosted ports.
    Host,
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its number, for good.
    pub number: u32,
    /// What holds.
    pub title: &'static str,
    /// Where it runs.
    pub runs: Runs,
}

const fn core(number: u32, title: &'static str) -> Scenario {
    Scenario { number, title, runs: Runs::Core }
}

const fn hook(number: u32, title: &'static str) -> Scenario {
    Scenario { number, title, runs: Runs::WithExitHook }
}

const fn host(number: u32, title: &'static str) -> Scenario {
    Scenario { number, title, runs: Runs::Host }
}

/// The list, by number.
pub const CATALOGUE: [Scenario; 46] = [
    core(1, "a pool that was not started says so, a started one holds one spare M"),
    core(2, "threads one after another make two Ms at most"),
    core(3, "a herd that is all inside makes one M each and one spare, two per callback at most"),
    core(4, "a herd of short callbacks makes far fewer Ms than threads"),
    core(5, "who is served by a returned M is not counted as waiting any more"),
    core(6, "no M is ever in two hands"),
    core(7, "a failed creation is one caller's, everyone else is served"),
    core(8, "a limit holds and everyone is served under it, by idle Ms too"),
    core(9, "a time-out comes in time and loses no grant"),
    core(10, "closing wakes those who wait and is refused while an M is in use"),
    core(11, "at rest the figures add up"),
    core(12, "trimming and warming up leave a pool that works"),
    core(13, "a walk sees complete Ms only, and tells the spare ones"),
    core(14, "a collector that stops the world meets no creation and no deadlock"),
    core(15, "each context is dropped once, and never in use"),
    hook(16, "a bound thread keeps its M, and sees no other"),
    hook(17, "an M comes back when its thread exits"),
    hook(18, "many short-lived threads need as many Ms as the busiest moment"),
    hook(19, "a thread that exits inside a callback gives its M back"),
    host(20, "entries in thread-local destructors leak nothing"),
    core(21, "nested calls share the M and unwind"),
    core(22, "a guard stays on its thread, and nested calls are left in any order"),
    host(23, "a panic gives the M back and does not cross into C"),
    host(24, "without thread-local storage a call works, unbound"),
    hook(25, "unbinding gives an idle M back, and does nothing inside"),
    core(26, "no number of threads counts against any limit but the pool's own"),
    host(27, "a signal handler enters whatever its thread is doing"),
    host(28, "errno, the signal mask and the alternate stack stay as they are"),
    host(29, "entering a bound thread or taking a spare M allocates nothing"),
    host(30, "a forked child has a pool that works"),
    host(31, "a library that is unloaded leaves nothing behind in its threads"),
    host(32, "an entry at process exit works or is refused"),
    host(33, "two pools, and two copies of the library, do not see each other"),
    host(34, "the bounds of the stack are right on every kind of stack"),
    host(35, "a long mix of everything keeps the pool whole"),
    host(36, "threads made by others enter like any"),
    host(37, "a finalizer that calls in gets an M or an error, and nobody waits for it"),
    host(38, "a process forks while its first pool is made, started or closed"),
    host(39, "with more pools than there are short ways for, or no keys, each is like the first"),
    host(40, "an entry is no cancellation point, on whatever stack"),
    host(41, "memory that runs out is a code, never the end of the process"),
    host(42, "a library is unloaded with its pool open, and its threads exit"),
    host(43, "a process that forbids itself system calls gets answers"),
    host(44, "coroutines that call in turn cost what a call costs"),
    host(45, "no thread of a pool spins while one of lower priority has to go on"),
    host(46, "sixty libraries with extram inside are loaded by one process"),
];

/// A list with a gap would name the wrong scenario.
const _: () = {
    let mut index = 0;
    while index < CATALOGUE.len() {
        assert!(CATALOGUE[index].number as usize == index + 1);
        index += 1;
    }
};
