//! gdb, asked about a program that is stuck, names who holds the M and who waits. It finds its script in the
//! program.
#![cfg(all(target_os = "linux", not(any(miri, extram_tsan, extram_asan))))]

use extram::{Binding, Native, Owned, Pool, Port, Runtime};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

struct Stuck;

impl Runtime for Stuck {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        Ok(7)
    }
}

static POOL: Pool<Stuck> = Pool::new(Stuck).binding(Binding::Call).limit(2);
/// Another one, that nobody uses.
static OWNED: OnceLock<Owned<Stuck>> = OnceLock::new();

/// What gdb runs: two threads hold the only two Ms, two calls deep each; two wait. Then it ends.
#[test]
#[ignore = "for gdb"]
fn stuck() {
    POOL.start().expect("starts");
    POOL.prewarm(2).expect("both");
    OWNED.set(Owned::start(Stuck, |pool| pool).expect("starts")).expect("the first");
    let hold = || {
        let guards = [POOL.enter().expect("in"), POOL.enter().expect("nested")];
        println!("thread {} holds", Native::thread_id());
        std::mem::forget(guards);
        loop {
            std::thread::park();
        }
    };
    for _ in 0..2 {
        std::thread::Builder::new().name("holder".into()).spawn(hold).expect("a thread");
    }
    let given_up = Instant::now() + Duration::from_secs(60);
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            assert!(Instant::now() < given_up, "it does not come");
            std::thread::yield_now();
        }
    };
    until(&|| POOL.stats().in_use == 2 && POOL.ms().all(|m| m.depth == 2));
    for _ in 0..2 {
        std::thread::Builder::new().name("waiter".into()).spawn(|| POOL.enter().map(drop)).expect("a thread");
    }
    // Who waits gives its name after it is counted.
    let named = || {
        let mut text = String::new();
        POOL.dump(&mut text).expect("a String takes all");
        text.matches(" waits").count()
    };
    let all = if cfg!(target_pointer_width = "64") { 2 } else { 0 };
    until(&|| POOL.stats().waiting == 2 && named() == all);
    std::process::abort();
}

#[test]
fn gdb_names_the_holder() {
    let program = std::env::current_exe().expect("a program");
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-iex"]).arg(format!("add-auto-load-safe-path {}", program.display()));
    gdb.args(["-ex", "set debuginfod enabled off", "-ex", "run", "-ex", "print gdb::POOL"]);
    gdb.args(["-ex", "print gdb::OWNED", "-ex", "kill"]);
    gdb.arg("--args").arg(&program).args(["--ignored", "--exact", "stuck", "--nocapture"]);
    let Ok(output) = gdb.env_remove("LD_PRELOAD").output() else { return println!("skipped: no gdb") };
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if complained.contains("ptrace: Operation not permitted") || complained.contains("Could not trace") {
        return println!("skipped: gdb is not let: {complained}");
    }
    let both = format!("{said}\n{complained}");
    assert!(said.contains("pool: open; 2 threads wait, 0 Ms are being made"), "{both}");
    assert!(said.contains("pool: open; 0 threads wait") && said.contains("M 1: spare"), "{both}");
    let holders: Vec<&str> =
        said.lines().filter_map(|line| line.split_once("thread ")?.1.strip_suffix(" holds")).collect();
    assert_eq!(holders.len(), 2, "{both}");
    let waiters =
        |line: &&str| line.trim_start().starts_with("thread ") && line.ends_with("\"waiter\") waits");
    assert_eq!(said.lines().filter(waiters).count(), 2, "{both}");
    for holder in holders {
        let found = said.lines().any(|line| {
            line.trim_start().starts_with("M ")
                && line.contains(&format!(": in use by thread {holder} (gdb's thread "))
                && line.ends_with("\"holder\"), 2 deep")
        });
        assert!(found, "{holder}: {both}");
    }
}
