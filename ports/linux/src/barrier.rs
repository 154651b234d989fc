//! The heavy barrier: membarrier(2), Linux 4.14 and later.
//!
//! A program may put itself into a sandbox in which membarrier(2) is refused, after it was asked for
//! at the start of a pool. Then the barrier is made by hand: the calling thread goes to each
//! processor on which a thread of this process may run, one after the other.
//!
//! **Why that is a barrier.** The kernel runs one thread at a time on a processor, and a change of
//! threads is a full barrier for the one that goes and for the one that comes (membarrier(2) itself
//! rests on that: it interrupts only processors that run the process at that moment). Another thread
//! of the process either ran without a break from the beginning of the call to its end, or not. If
//! not, it was changed for another one meanwhile, or had been before and has done nothing since;
//! either is as good as a fence during the call. It cannot have run without a break: it would have
//! stayed on one processor, that processor is in its set, which was read at the beginning, and the
//! calling thread has run on it. A thread that was not in the list yet began later, and a beginning
//! is a change, too. (Why none is missing from the list: `proc.rs`.)
//!
//! It takes as long as the busiest of those processors takes to run the calling thread.

// linux/membarrier.h
const CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

pub(crate) fn init() -> bool {
    // Miri does not know it.
    !cfg!(miri) && membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(CMD_PRIVATE_EXPEDITED)
}

pub(crate) fn heavy() -> bool {
    // A forked child may have to register anew.
    membarrier(CMD_PRIVATE_EXPEDITED) || init() || everywhere()
}

/// A set of processors, as the kernel has it: 8,192 of them at most.
#[derive(Clone)]
struct Processors([usize; WORDS]);

const WORDS: usize = 8192 / usize::BITS as usize;

impl Processors {
    const NONE: Processors = Processors([0; WORDS]);

    /// Those on which the thread with that number may run; 0 is the calling one.
    fn of(thread: libc::c_long) -> Option<Processors> {
        let mut set = Processors::NONE;
        // SAFETY: a place of that size. The kernel writes as much as it has.
        let size = unsafe {
            libc::syscall(libc::SYS_sched_getaffinity, thread, size_of_val(&set.0), set.0.as_mut_ptr())
        };
        (size > 0).then_some(set)
    }

    /// Lets the calling thread run on these only. It does when this returns.
    fn confine(&self) -> bool {
        #[cfg(all(test, not(miri)))]
        tests::CONFINED.with(|count| count.set(count.get() + 1));
        // SAFETY: reads a set of that size.
        unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(&self.0), self.0.as_ptr()) == 0 }
    }

    fn add(&mut self, others: &Processors) {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word |= other;
        }
    }

    /// Each of them alone.
    fn each(&self) -> impl Iterator<Item = Processors> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            (0..usize::BITS).filter(move |bit| word >> bit & 1 != 0).map(move |bit| {
                let mut one = Processors::NONE;
                one.0[at] = 1 << bit;
                one
            })
        })
    }
}

/// Runs on each processor on which a thread of the process may run.
#[cold]
fn everywhere() -> bool {
    use core::sync::atomic::{Ordering, fence};
    // This thread's own part, where nothing has to move it.
    fence(Ordering::SeqCst);
    let (Some(own), Some(all)) = (Processors::of(0), processors()) else { return false };
    let visited = all.each().all(|one| one.confine());
    // The thread's own set, as it was. If it is refused now, it has lost a processor meanwhile.
    let restored = own.confine();
    fence(Ordering::SeqCst);
    visited && restored
}

/// How often the list of threads is read, until it is the same twice.
const TRIES: usize = 100;

/// Those of all threads together; `None` if they are not told, or threads come and go all the time.
fn processors() -> Option<Processors> {
    if !crate::proc::is_ours() {
        return None;
    }
    let mut before = None;
    for _ in 0..TRIES {
        let mut all = Processors::NONE;
        let mut known = true;
        let listed = crate::proc::threads(|thread| match Processors::of(thread) {
            Some(its) => all.add(&its),
            // It has ended (which is a change), or nothing is told.
            None => known &= ended(),
        })?;
        if !known {
            return None;
        }
        if listed.all && before == Some(listed.sum) {
            return Some(all);
        }
        before = Some(listed.sum);
    }
    None
}

/// Whether the last call failed because there is no such thread.
fn ended() -> bool {
    extram_posix::errno::get() == libc::ESRCH
}

#[cfg(all(test, not(miri)))]
mod tests {
    extern crate std;

    use super::*;

    std::thread_local! {
        /// How often the thread was confined.
        pub(super) static CONFINED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }

    /// Without it pools that bind would do so the shared way, and nothing else would tell.
    #[test]
    fn there_is_a_barrier_where_the_kernel_says_so() {
        // SAFETY: takes numbers only.
        let has = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
        let both = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED | libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
        assert_eq!(init(), has > 0 && has as libc::c_int & both == both);
    }

    #[test]
    fn a_barrier_by_hand_goes_everywhere_and_comes_back() {
        let before = Processors::of(0).unwrap();
        let all = processors().unwrap().each().count();
        assert!(all >= before.each().count());
        assert!(everywhere());
        assert_eq!(CONFINED.get(), all + 1, "to each of them, and back");
        assert!(Processors::of(0).unwrap().0 == before.0, "the set of the thread is as before");
    }

    /// The same threads have other numbers under the /proc of the namespace from outside, where they may be
    /// those of anybody.
    #[test]
    fn in_a_namespace_without_a_proc_of_its_own_there_is_no_barrier_by_hand() {
        const MAY_NOT: libc::c_int = 77;
        let ends_with = |child: libc::pid_t| {
            let mut status = 0;
            // SAFETY: a place for the status.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 }
        };
        // SAFETY: the children make system calls, and end.
        let code = ends_with(match unsafe { libc::fork() } {
            // SAFETY: the same.
            0 => unsafe {
                if libc::unshare(libc::CLONE_NEWPID) != 0 {
                    libc::_exit(MAY_NOT);
                }
                match libc::fork() {
                    0 => libc::_exit(libc::c_int::from(everywhere())),
                    inner => libc::_exit(ends_with(inner)),
                }
            },
            child => child,
        });
        if code == MAY_NOT {
            std::eprintln!("skipped: making a namespace is not allowed here");
        } else {
            assert_eq!(code, 0);
        }
        assert!(crate::proc::is_ours() && everywhere(), "and the parent's is its own");
    }

    #[test]
    fn a_set_falls_into_its_processors() {
        let mut set = Processors::NONE;
        set.0[0] = 0b101;
        set.0[2] = 1 << (usize::BITS - 1);
        let mut sum = Processors::NONE;
        assert_eq!(set.each().inspect(|one| sum.add(one)).count(), 3);
        assert!(sum.0 == set.0);
    }

    /// Store buffering: of two threads that each store and then load what the other stores, both may
    /// read the old value, unless there is a fence between. One side has the light half, a compiler's
    /// fence.
    #[test]
    fn a_barrier_by_hand_orders_another_threads_store_and_load() {
        use core::sync::atomic::{AtomicU32, Ordering::*, compiler_fence};
        static X: AtomicU32 = AtomicU32::new(0);
        static Y: AtomicU32 = AtomicU32::new(0);
        static ROUND: AtomicU32 = AtomicU32::new(0);
        static SAW: AtomicU32 = AtomicU32::new(0);
        const ROUNDS: u32 = 500;
        let light = std::thread::spawn(|| {
            for round in 1..=ROUNDS {
                while ROUND.load(Acquire) != round {
                    core::hint::spin_loop();
                }
                X.store(round, Relaxed);
                compiler_fence(SeqCst);
                SAW.store(Y.load(Relaxed), Relaxed);
                ROUND.store(round | 1 << 31, Release);
            }
        });
        for round in 1..=ROUNDS {
            ROUND.store(round, Release);
            Y.store(round, Relaxed);
            assert!(everywhere());
            let saw = X.load(Relaxed);
            while ROUND.load(Acquire) == round {
                core::hint::spin_loop();
            }
            assert!(saw == round || SAW.load(Relaxed) == round, "round {round}: neither saw the other");
        }
        light.join().unwrap();
    }
}
