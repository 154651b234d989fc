//! Fresh threads with small stacks, straight from the port: Rust's own come with a signal stack
//! and a name each, and end the process where the system has no room for those.

use crate::StartLine;
use crate::switches::switches_of;
use extram::Native;
use extram_core::{Refused, Threads};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Threads that stand at a start line.
pub struct Crew {
    line: Arc<StartLine>,
    threads: Vec<<Native as Threads>::Thread>,
}

/// The system allows no more threads.
#[derive(Debug)]
pub struct CrewError {
    made: u32,
    asked: u32,
}

impl fmt::Display for CrewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the system allows no more threads: {} of {} were made, and those have been joined",
            self.made, self.asked
        )
    }
}

impl std::error::Error for CrewError {}

/// What a thread is given.
struct Start<F> {
    line: Arc<StartLine>,
    index: u32,
    run: Arc<F>,
}

impl Crew {
    /// Makes `count` threads with stacks of `stack` bytes and waits until all stand at the line.
    /// Once let go, each runs `run` with its index.
    ///
    /// # Errors
    ///
    /// The system refused one of them; those before it have been sent home and joined.
    pub fn line_up<F>(count: u32, stack: usize, run: F) -> Result<Crew, CrewError>
    where
        F: Fn(u32) + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        let line = Arc::new(StartLine::new());
        let mut crew = Crew { line, threads: Vec::with_capacity(count as usize) };
        for index in 0..count {
            let start = Start { line: crew.line.clone(), index, run: run.clone() };
            match create(start, stack) {
                Ok(thread) => crew.threads.push(thread),
                Err(Refused) => {
                    crew.line.go_home();
                    crew.join();
                    return Err(CrewError { made: index, asked: count });
                }
            }
            // One after the other, so that every round finds them in the same order at the line.
            crew.line.await_count(index + 1);
        }
        Ok(crew)
    }

    /// Such a crew from its making to its end: when it was let go, and the context switches of all that.
    ///
    /// # Errors
    ///
    /// As for [`line_up`](Crew::line_up).
    pub fn play<F>(count: u32, stack: usize, run: F) -> Result<(Instant, Option<u64>), CrewError>
    where
        F: Fn(u32) + Send + Sync + 'static,
    {
        let (released, switches) = switches_of(|| {
            let crew = Crew::line_up(count, stack, run)?;
            let released = Instant::now();
            crew.go();
            crew.join();
            Ok(released)
        });
        Ok((released?, switches))
    }

    /// Lets all threads go at once.
    pub fn go(&self) {
        self.line.go();
    }

    /// Waits until every thread has ended, its exit hooks included.
    pub fn join(mut self) {
        self.join_all();
    }

    fn join_all(&mut self) {
        self.threads.drain(..).for_each(Native::join);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.line.go_home();
            self.join_all();
        }
    }
}

fn create<F: Fn(u32) + Send + Sync + 'static>(
    start: Start<F>,
    stack: usize,
) -> Result<<Native as Threads>::Thread, Refused> {
    let arg = Box::into_raw(Box::new(start));
    Native::newosproc(begin::<F>, arg.cast(), stack).inspect_err(|_| {
        // SAFETY: there is no thread that it could have gone to.
        drop(unsafe { Box::from_raw(arg) });
    })
}

extern "C" fn begin<F: Fn(u32) + Send + Sync + 'static>(arg: *mut ()) {
    // SAFETY: `create` made the box for this thread alone.
    let start = unsafe { Box::from_raw(arg.cast::<Start<F>>()) };
    if start.line.line_up() {
        (start.run)(start.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const STACK: usize = 64 << 10;

    #[test]
    fn each_thread_runs_once_and_none_before_the_start() {
        let runs: Arc<Vec<AtomicU32>> = Arc::new((0..50).map(|_| AtomicU32::new(0)).collect());
        let counted = runs.clone();
        let crew = Crew::line_up(50, STACK, move |index| {
            counted[index as usize].fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
        assert!(runs.iter().all(|run| run.load(Ordering::Relaxed) == 0));
        crew.go();
        crew.join();
        assert!(runs.iter().all(|run| run.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_stack_beyond_all_memory_is_refused_and_nobody_runs() {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let refused = Crew::line_up(3, 1 << 46, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let error = refused.err().expect("64 TiB of stack").to_string();
        assert!(error.contains(" of 3 were made"), "{error}");
        assert_eq!(runs.load(Ordering::Relaxed), 0);
    }
}
