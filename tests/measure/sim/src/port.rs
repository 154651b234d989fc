//! The port: what the core and the references see of the simulator.

use crate::costs::{NS, US};
use crate::machine::{Tid, with};
use crate::{Ps, thread};
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The simulator as a port.
pub struct Simulated;

/// Which opening of a pool it is now; 0 for none. Its own accesses cost nothing: a thread-local value is a
/// register and an offset away.
pub struct Local(AtomicUsize);

/// What is open in a machine: the pool, its hooks, how many exit hooks run.
#[derive(Default)]
pub(crate) struct Openings(Vec<Option<(*mut (), &'static Hooks, u32)>>);

impl Openings {
    fn at(&mut self, opening: usize) -> Option<&mut (*mut (), &'static Hooks, u32)> {
        self.0.get_mut(opening.checked_sub(1)?)?.as_mut()
    }
}

fn duration(time: Ps) -> Duration {
    Duration::from_nanos(time / NS)
}

fn ps(time: Duration) -> Ps {
    Ps::try_from(time.as_nanos()).unwrap_or(Ps::MAX).saturating_mul(NS)
}

/// Runs the exit hooks of the calling thread.
pub(crate) fn exit_thread() {
    let values = with(|m| {
        m.thread().exiting = true;
        m.thread().values.clone()
    });
    for (opening, value) in values.into_iter().filter(|(_, value)| !value.is_null()) {
        let begun = with(|m| {
            let (pool, hooks, running) = m.openings.at(opening)?;
            *running += 1;
            Some((*pool, *hooks))
        });
        let Some((pool, hooks)) = begun else { continue };
        // SAFETY: the thread stored `value` for that opening, which is open, and stays so while a hook runs.
        unsafe { (hooks.at_exit)(pool, value) };
        with(|m| m.openings.at(opening).expect("it is not closed while a hook runs").2 -= 1);
    }
}

// SAFETY: Own thread: values are in the simulated thread, by the number of the opening, which no other one
// has. Token: numbers of threads are given out once. Exit hook: `exit_thread` runs at a thread's end, and
// `tls_close` is refused meanwhile. Barrier: memory is sequentially consistent (Order). Wake: the address is
// a key. Fork, Handler: there are none.
unsafe impl Port for Simulated {
    fn osyield() {
        thread::yield_now();
    }

    type Local = Local;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Local = Local(AtomicUsize::new(0));

    fn tls_open(local: &'static Local, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        let opening = with(|m| {
            m.openings.0.push(Some((pool, hooks, 0)));
            m.openings.0.len()
        });
        local.0.store(opening, Relaxed);
        Ok(())
    }

    fn tls_close(local: &'static Local) -> bool {
        let opening = local.0.load(Relaxed);
        let closed = with(|m| match m.openings.at(opening) {
            Some((_, _, running)) if *running > 0 => false,
            Some(_) => {
                m.openings.0[opening - 1] = None;
                true
            }
            None => true,
        });
        if closed {
            local.0.store(0, Relaxed);
        }
        closed
    }

    fn tls_get(local: &'static Local) -> *mut () {
        let opening = local.0.load(Relaxed);
        with(|m| m.thread().values.iter().find(|(of, _)| *of == opening).map(|(_, value)| *value))
            .unwrap_or(null_mut())
    }

    fn tls_set(local: &'static Local, value: *mut ()) -> Result<(), Refused> {
        let opening = local.0.load(Relaxed);
        if opening == 0 {
            return if value.is_null() { Ok(()) } else { Err(Refused) };
        }
        with(|m| {
            let values = &mut m.thread().values;
            values.retain(|(of, _)| *of != opening);
            values.push((opening, value));
        });
        Ok(())
    }

    fn tls_look(local: &'static Local) -> (*mut (), bool) {
        (Self::tls_get(local), Self::exit_hook(local))
    }

    const HAS_EXIT_HOOK: bool = true;

    fn exit_hook(local: &'static Local) -> bool {
        local.0.load(Relaxed) != 0 && with(|m| !m.thread().exiting)
    }

    fn thread_token() -> usize {
        (with(|m| m.running.expect("a simulated thread asks")) as usize + 1) << 4
    }

    fn thread_id() -> u64 {
        Self::thread_token() as u64 >> 4
    }

    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let until = timeout.map(|timeout| thread::now().saturating_add(ps(timeout)));
        let raw = word.as_ptr();
        let still = || {
            // SAFETY: the word lives as long as the borrow, and is only accessed atomically.
            unsafe { std::sync::atomic::AtomicU32::from_ptr(raw) }.load(Relaxed) == expected
        };
        thread::wait(raw.addr(), still, until);
    }

    fn wake(word: *const AtomicU32, count: u32) {
        thread::wake(word.addr(), count);
    }

    fn now() -> Option<Duration> {
        Some(duration(thread::now()))
    }

    fn stack_bounds(_sp: usize) -> Option<Range<usize>> {
        None
    }

    fn stack_bounds_in_signal(_sp: usize) -> Option<Range<usize>> {
        None
    }

    const FORKS: bool = false;

    fn forks() -> usize {
        0
    }

    const HAS_HEAVY_BARRIER: bool = true;

    fn heavy_barrier_init() -> bool {
        true
    }

    fn heavy_barrier() -> bool {
        thread::barrier();
        true
    }
    fn in_handler() -> bool {
        false
    }

    fn brief<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}

impl Threads for Simulated {
    type Thread = Tid;

    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), _stack: usize) -> Result<Tid, Refused> {
        thread::spawn(move || entry(arg))
    }

    fn join(thread: Tid) {
        thread::join(thread);
    }

    fn usleep(micros: u32) {
        thread::sleep(Ps::from(micros) * US);
    }
}
