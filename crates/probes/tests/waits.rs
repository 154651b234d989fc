//! `waits.bt` run on this very process by bpftrace: it says who waits for whom. Where there is no bpftrace, or
//! the kernel does not let us, that is said, and `notes.rs` has to do.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]

use extram::{Binding, Event, Native, Pool, Port, Runtime};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

struct Probed;

impl Runtime for Probed {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> Result<(), ()> {
        Ok(())
    }

    fn observe(&self, event: Event) {
        // Its own address would be that of all runtimes without a size.
        extram_probes::told(&raw const POOL, event);
    }
}

static POOL: Pool<Probed> = Pool::new(Probed).binding(Binding::Call).limit(1);

/// Ended, whatever happens.
struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn bpftrace_says_who_waits_for_whom() {
    POOL.start().expect("starts");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/waits.bt");
    let mut bpftrace = Command::new("bpftrace");
    bpftrace.args([script, "-p", &std::process::id().to_string()]);
    let Ok(child) = bpftrace.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        return println!("skipped: no bpftrace");
    };
    let mut tracer = Tracer(child);
    let lines = BufReader::new(tracer.0.stdout.take().expect("piped")).lines();
    let (sender, lines) = {
        let (sender, receiver) = channel();
        let told = sender.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| _ = sender.send(line)));
        (told, receiver)
    };
    // Nothing more comes when bpftrace has ended.
    drop(sender);
    let given_up = Instant::now() + Duration::from_secs(60);
    let next = || lines.recv_timeout(given_up.saturating_duration_since(Instant::now()));
    // It is attached once the clock strikes.
    while !matches!(next(), Ok(line) if line.contains("pool, M:")) {
        if tracer.0.try_wait().is_ok_and(|ended| ended.is_some()) {
            let mut said = String::new();
            let _ = tracer.0.stderr.take().expect("piped").read_to_string(&mut said);
            return println!("skipped: bpftrace is not let: {said}");
        }
        assert!(Instant::now() < given_up, "bpftrace says nothing");
    }
    let holder = POOL.enter().expect("in");
    let (me, pool) = (Native::thread_id(), (&raw const POOL).addr());
    std::thread::scope(|scope| {
        let (number, its_number) = channel();
        scope.spawn(move || {
            number.send(Native::thread_id()).expect("somebody listens");
            drop(POOL.enter().expect("in, in the end"));
        });
        let waiter = its_number.recv().expect("its number");
        let holds = format!("@holds[{pool}, {}]: {me}", holder.id());
        let waits = format!("@waits[{pool}, {waiter}, ");
        let (mut held, mut waited) = (false, false);
        while !(held && waited) {
            let line = next().unwrap_or_else(|_| panic!("neither {holds} nor {waits}"));
            held |= line == holds;
            waited |= line.starts_with(&waits);
        }
        drop(holder);
    });
    println!("bpftrace has said it");
}
