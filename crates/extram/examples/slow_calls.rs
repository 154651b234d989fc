//! A watchdog walks the Ms and names the threads whose calls last too long; it stops nobody.
//! `cargo run -p extram --example slow_calls`.

use extram::{MState, Pool, Runtime};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

struct Watched;

impl Runtime for Watched {
    type Context = ();
    type Error = Infallible;
    /// The clock is looked at whenever a thread gets an M: `held_for` says how long ago that was.
    const SINCE: bool = true;

    fn new_context(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

// By default a thread keeps its M between calls, and `held_for` counts from when it got it. Here each call gets
// one anew.
static POOL: Pool<Watched> = Pool::new(Watched).binding(extram::Binding::Call);

/// M, thread and time of each call that has lasted longer than that.
fn slow(than: Duration) -> Vec<(u32, u64, Duration)> {
    let inside = POOL.ms().filter(|m| m.state == MState::InUse);
    let timed = inside.filter_map(|m| Some((m.id, m.thread_id, m.held_for?)));
    timed.filter(|(_, _, time)| *time >= than).collect()
}

fn main() {
    POOL.start().expect("the first M");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let stuck = || {
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            POOL.callback(|_| stuck()).expect("let in");
        });
        let watchdog = scope.spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(10));
                POOL.callback(|_| ()).expect("a short call");
                if let [(m, thread, time)] = slow(Duration::from_millis(50))[..] {
                    println!("M {m}: thread {thread} has been inside for {} ms", time.as_millis());
                    return;
                }
            }
        });
        watchdog.join().expect("it saw the slow call");
        over.store(true, Ordering::Relaxed);
        // A scope by itself does not wait until its threads have ended.
        calls.join().expect("let in");
    });
    POOL.close().expect("nobody is inside");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs() {
        main();
        assert_eq!(slow(Duration::ZERO), []);
    }
}
