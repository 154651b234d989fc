//! Fixed priorities on one core. Ignored, which counts as skipped, where the system gives nobody one.

use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() {
    let args = Arguments::from_args();
    #[cfg(target_os = "linux")]
    if std::env::var(pinned::CASE).is_ok() {
        pinned::case_by_itself();
    }
    let name = "threads_of_fixed_priorities_on_one_core_keep_going";
    let trial = Trial::ignorable_test(name, threads_of_fixed_priorities_on_one_core_keep_going);
    libtest_mimic::run(&args, vec![trial]).exit();
}

/// Scenario 45. Two threads of fixed priorities, pinned to one core, on one pool: whoever has the higher one
/// never waits for the other by keeping the core from it. A process of its own, with a clock of its own.
fn threads_of_fixed_priorities_on_one_core_keep_going() -> Result<Completion, Failed> {
    #[cfg(target_os = "linux")]
    return pinned::threads_keep_going();
    #[cfg(not(target_os = "linux"))]
    Ok(Completion::ignored_with("threads are pinned in Linux's way"))
}

#[cfg(target_os = "linux")]
mod pinned {
    use super::{Completion, Failed};
    use extram_hosted::stage::{Kind, Play, alone_with, ends_well, play};
    use std::process::Command;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread::{sleep, spawn};
    use std::time::{Duration, Instant};

    /// Set in the process that has the two threads.
    pub(super) const CASE: &str = "EXTRAM_PRIORITIES";

    /// Exit codes of that process.
    const REFUSED: i32 = 77;
    const STUCK: i32 = 78;

    pub(super) fn threads_keep_going() -> Result<Completion, Failed> {
        let output = Command::new(std::env::current_exe()?).env(CASE, "1").output()?;
        match output.status.code() {
            Some(0) => Ok(Completion::Completed),
            Some(REFUSED) => Ok(Completion::ignored_with("the system gives nobody a fixed priority")),
            other => Err(format!("{other:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Ends the process, whatever its threads do.
    pub(super) fn case_by_itself() -> ! {
        let status = std::panic::catch_unwind(case).unwrap_or(1);
        // SAFETY: ends the process.
        unsafe { libc::_exit(status) }
    }

    /// The calling thread is pinned to the last core that the process may use, and runs before all others
    /// of lower priority; `false` if the system does not allow that.
    fn pinned(priority: i32) -> bool {
        // SAFETY: sets and parameters that are alive, for the calling thread.
        unsafe {
            let mut cores: libc::cpu_set_t = core::mem::zeroed();
            let size = size_of::<libc::cpu_set_t>();
            if libc::sched_getaffinity(0, size, &raw mut cores) != 0 {
                return false;
            }
            let last = (0..libc::CPU_SETSIZE as usize).rev().find(|core| libc::CPU_ISSET(*core, &cores));
            let mut one: libc::cpu_set_t = core::mem::zeroed();
            libc::CPU_SET(last.expect("it runs somewhere"), &mut one);
            let parameter = libc::sched_param { sched_priority: priority };
            libc::sched_setaffinity(0, size, &raw const one) == 0
                && libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) == 0
        }
    }

    static ENTERED: AtomicU32 = AtomicU32::new(0);

    fn work(pool: Play) {
        let _ = pool.prewarm(6);
        pool.trim(0);
        // Unless it is closed under its feet.
        if let Ok(m) = pool.enter() {
            alone_with(&m, || _ = ENTERED.fetch_add(1, SeqCst));
        }
        pool.unbind();
        // The two of them close it under each other's feet.
        if pool.close().is_ok() {
            let _ = pool.start();
        } else {
            let _ = pool.reopen();
        }
    }

    fn case() -> i32 {
        static ROUNDS: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
        const MANY: u32 = 300;
        for kind in [Kind::Bound, Kind::Limited, Kind::PerCall, Kind::Shared] {
            let pool = play(kind);
            pool.start().expect("starts");
            ROUNDS.iter().for_each(|rounds| rounds.store(0, SeqCst));
            let threads = [(1, 0), (3, 1)].map(|(priority, which)| {
                spawn(move || {
                    if !pinned(priority) {
                        // SAFETY: ends the process.
                        unsafe { libc::_exit(REFUSED) };
                    }
                    while ROUNDS[which].load(SeqCst) < MANY {
                        if which == 1 {
                            sleep(Duration::from_micros(100));
                        }
                        work(pool);
                        ROUNDS[which].fetch_add(1, SeqCst);
                    }
                })
            });
            let end = Instant::now() + Duration::from_secs(30);
            while threads.iter().any(|thread| !thread.is_finished()) {
                if Instant::now() > end {
                    return STUCK;
                }
                sleep(Duration::from_millis(1));
            }
            threads.into_iter().for_each(|thread| thread.join().expect("no assertion failed"));
            assert!(ENTERED.swap(0, SeqCst) > 0, "somebody was let in");
            ends_well(&format!("{kind:?}"), pool);
        }
        0
    }
}
