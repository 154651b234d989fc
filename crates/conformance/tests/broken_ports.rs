//! The suite can fail: ports that break one promise each.
#![cfg(all(unix, feature = "alloc"))]

mod broken;
mod interrupting;

use broken::{Broken, Fault};
use core::ops::Range;
use extram_conformance::wrap::Wrapped;
use extram_conformance::{CHECKS, Config, OnHeap, Outcome, run_on};
use std::sync::Mutex;
use std::time::Duration;

const CONFIG: Config = Config {
    threads: 16,
    sequence: 20,
    entries: 2000,
    races: 400,
    patience: Duration::from_secs(2),
    ..Config::HOST
};

/// What a run came to, and what it said.
fn run_with<F: Fault>(config: &Config) -> (Outcome, String) {
    let mut report = String::new();
    let outcome = run_on::<OnHeap<Wrapped<Broken<F>>>>(config, &mut report);
    println!("{report}");
    (outcome, report)
}

fn run_broken<F: Fault>() -> (Outcome, String) {
    run_with::<F>(&CONFIG)
}

/// That scenario fails, and no check does.
fn failed<F: Fault>(scenario: u32) {
    let (outcome, _) = run_broken::<F>();
    assert_ne!(outcome.failures & (1 << scenario), 0, "scenario {scenario} does not notice: {outcome}");
    assert_eq!(outcome.broken, 0, "it is no single function's fault");
}

/// One function is named, and the line about it says that.
fn suspected<F: Fault>(function: &str, says: &str) {
    suspected_with::<F>(&CONFIG, function, says);
}

fn suspected_with<F: Fault>(config: &Config, function: &str, says: &str) {
    let (outcome, report) = run_with::<F>(config);
    assert_eq!(outcome.suspects().collect::<Vec<_>>(), [function], "{outcome}");
    let line = report.lines().find(|line| line.contains("FAILED")).unwrap();
    assert!(line.contains(says) && line.ends_with(&format!("suspect: {function}")), "{line}");
    assert!(!outcome.passed());
}

/// Runs that interrupt threads, one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn a_port_that_breaks_nothing_passes() {
    struct None;
    impl Fault for None {}
    let _alone = ONE_AT_A_TIME.lock();
    let config = Config { interrupts: Some(interrupting::SIGNALS), ..CONFIG };
    let (outcome, report) = run_with::<None>(&config);
    // What the port does not have, or the machine.
    let lacks = report.lines().filter(|line| line.contains("skipped: ")).count() as u32;
    assert!(outcome.passed() && outcome.skips == 0 && outcome.skipped == lacks, "{outcome}");
    assert_eq!(outcome.passed, 23 + CHECKS.len() as u32 - outcome.unchecked.count_ones());
}

/// In a process of its own: threads that take each other's Ms for theirs may bring it down, which is
/// one way of noticing. Else a check or one of the scenarios in the mask has to.
fn noticed_in_a_process<F: Fault>(test: &str, scenarios: u64) {
    const CHILD: &str = "EXTRAM_BROKEN_PORT";
    if std::env::var_os(CHILD).is_some() {
        // An M that is lent twice may also make the list a circle, which has no end for who counts it.
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(30));
            eprintln!("it does not end");
            std::process::abort();
        });
        let outcome = run_broken::<F>().0;
        assert_eq!((outcome.failures & scenarios, outcome.broken), (0, 0), "noticed");
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    let noticed = ["panicked at", "it does not end"].iter().any(|word| said.contains(word));
    assert!(!child.status.success() && noticed, "not noticed:\n{said}");
}

#[test]
fn a_thread_local_word_that_is_shared_is_noticed() {
    struct SharedWord;
    impl Fault for SharedWord {
        const SHARED_WORD: bool = true;
    }
    suspected::<SharedWord>("tls_get, tls_set", "value");
}

#[test]
fn tokens_that_collide_are_noticed() {
    struct SameToken;
    impl Fault for SameToken {
        fn token(_: usize) -> usize {
            16
        }
    }
    suspected::<SameToken>("thread_token", "the same token");
}

#[test]
fn tokens_with_low_bits_are_noticed() {
    struct OddToken;
    impl Fault for OddToken {
        fn token(real: usize) -> usize {
            real | 4
        }
    }
    suspected::<OddToken>("thread_token", "low four bits");
}

#[test]
fn a_thread_id_that_is_constant_is_noticed() {
    struct SameId;
    impl Fault for SameId {
        fn id(_: u64) -> u64 {
            7
        }
    }
    suspected::<SameId>("thread_id", "the same number");
}

#[test]
fn wake_ups_that_are_lost_are_noticed() {
    struct Deaf;
    impl Fault for Deaf {
        const DEAF: bool = true;
    }
    suspected::<Deaf>("wait, wake", "");
}

#[test]
fn a_wait_that_forgets_its_time_out_is_noticed() {
    struct Timeless;
    impl Fault for Timeless {
        const TIMELESS: bool = true;
    }
    suspected::<Timeless>("wait, wake", "its time is up");
}

#[test]
fn an_exit_hook_that_does_not_come_is_noticed() {
    struct SilentExit;
    impl Fault for SilentExit {
        const SILENT_EXIT: bool = true;
    }
    suspected::<SilentExit>("exit_hook", "promised hooks have not run");
}

#[test]
fn time_outs_that_come_late_are_noticed() {
    struct Late;
    impl Fault for Late {
        const LATE: bool = true;
    }
    failed::<Late>(9);
}

#[test]
fn a_barrier_that_is_empty_is_noticed() {
    struct Empty;
    impl Fault for Empty {
        const EMPTY_BARRIER: bool = true;
    }
    use extram_core::Port as _;
    if std::thread::available_parallelism().map_or(1, |n| n.get()) < 2
        || !extram::Native::heavy_barrier_init()
    {
        return println!("one processor, or no barrier: nothing to notice");
    }
    // Time enough for two threads to run at once, on a machine with other work, too.
    let config = Config { races: 100_000, patience: Duration::from_secs(60), ..CONFIG };
    suspected_with::<Empty>(&config, "heavy_barrier", "a store before the barrier");
}

#[test]
fn bounds_of_another_stack_are_noticed() {
    struct WrongStack;
    impl Fault for WrongStack {
        fn bounds(_: Option<Range<usize>>) -> Option<Range<usize>> {
            Some(0x1000..0x2000)
        }
    }
    let (outcome, report) = run_broken::<WrongStack>();
    assert!(outcome.suspects().any(|function| function == "stack_bounds"), "{report}");
    assert!(report.contains("do not hold the address"), "{report}");
}

#[test]
fn bounds_without_an_end_are_noticed() {
    struct Unlimited;
    impl Fault for Unlimited {
        fn bounds(_: Option<Range<usize>>) -> Option<Range<usize>> {
            Some(0..usize::MAX)
        }
    }
    suspected::<Unlimited>("stack_bounds", "the stacks of two threads overlap");
}

#[test]
fn bounds_that_miss_a_part_are_noticed() {
    struct Shifted;
    impl Fault for Shifted {
        /// From the middle upwards, and as much of what is not the stack's.
        fn bounds(real: Option<Range<usize>>) -> Option<Range<usize>> {
            real.map(|stack| stack.start + stack.len() / 2..stack.end + stack.len() / 2)
        }
    }
    suspected::<Shifted>("stack_bounds", "stack_bounds_in_signal tells more");
}

#[test]
fn a_join_that_does_not_wait_is_noticed() {
    struct LateJoin;
    impl Fault for LateJoin {
        const LATE_JOIN: bool = true;
    }
    suspected::<LateJoin>("join", "join came back");
}

#[test]
fn a_stack_size_that_is_ignored_is_noticed() {
    struct SameStack;
    impl Fault for SameStack {
        const SAME_STACK: bool = true;
    }
    suspected::<SameStack>("newosproc", "smaller than it was asked");
}

#[test]
fn a_clock_that_stands_still_ends_in_an_error() {
    struct Still;
    impl Fault for Still {
        fn now(_: Option<Duration>) -> Option<Duration> {
            Some(Duration::ZERO)
        }
    }
    suspected::<Still>("now", "the clock stands still");
    // And nothing else is run, for it might not end.
    let (outcome, _) = run_broken::<Still>();
    assert_eq!((outcome.passed, outcome.failed, outcome.skips.count_ones()), (0, 1, 23));
}

#[test]
fn a_clock_that_goes_back_is_noticed() {
    struct Back;
    impl Fault for Back {
        fn now(real: Option<Duration>) -> Option<Duration> {
            real.map(|now| Duration::from_secs(1 << 40) - now)
        }
    }
    suspected::<Back>("now", "the clock went back");
}

#[test]
fn a_sleep_that_is_none_is_noticed() {
    struct Restless;
    impl Fault for Restless {
        const RESTLESS: bool = true;
    }
    suspected::<Restless>("usleep", "usleep(20_000) came back");
}

#[test]
fn a_wake_that_blocks_in_a_handler_is_noticed() {
    struct Locks;
    impl Fault for Locks {
        const LOCKS: bool = true;
    }
    let _alone = ONE_AT_A_TIME.lock();
    // The pools of the suite run on it without a handler.
    let config = Config { interrupts: Some(interrupting::SIGNALS), races: 40, ..CONFIG };
    suspected_with::<Locks>(&config, "wake, in a handler", "wake does not come back in a handler");
}

/// No M can be lent: each scenario says why, and none has failed.
#[test]
fn a_port_without_thread_local_storage_is_skipped_by_name() {
    struct NoRoom;
    impl Fault for NoRoom {
        const NO_ROOM: bool = true;
    }
    let (outcome, report) = run_broken::<NoRoom>();
    assert_eq!((outcome.failed, outcome.skips.count_ones()), (0, 23), "{report}");
    assert!(!outcome.passed(), "no scenario ran");
    assert_eq!(report.matches("skipped: tls_open: ").count(), 23 + 2, "{report}");
}

/// Ms are lent by call: what wants one to stay with its thread is skipped.
#[test]
fn a_port_that_stores_no_values_is_skipped_by_name() {
    struct NoValue;
    impl Fault for NoValue {
        const NO_VALUE: bool = true;
    }
    let (outcome, report) = run_broken::<NoValue>();
    assert_eq!(outcome.failed, 0, "{report}");
    assert!(outcome.passed() && report.contains("skipped: tls_set: "), "{report}");
}

/// A process that is brought down by its port has at least said which function was asked.
#[test]
fn tokens_that_collide_later_are_noticed() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static ASKED: AtomicU32 = AtomicU32::new(0);
    struct Later;
    impl Fault for Later {
        fn token(real: usize) -> usize {
            if ASKED.fetch_add(1, SeqCst) > 1000 { 16 } else { real }
        }
    }
    noticed_in_a_process::<Later>("tokens_that_collide_later_are_noticed", 1 << 8);
}
