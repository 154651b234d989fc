//! Fresh threads with small stacks, straight from the system: Rust's own come with a signal stack
//! and a name each, and end the process where the system has no room for those.

use crate::StartLine;
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Threads that stand at a start line.
pub struct Crew {
    line: Arc<StartLine>,
    threads: Vec<libc::pthread_t>,
}

/// The system allows no more threads.
#[derive(Debug)]
pub struct CrewError {
    made: u32,
    asked: u32,
    why: io::Error,
}

impl fmt::Display for CrewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the system allows no more threads: {} of {} were made, and those have been joined ({})",
            self.made, self.asked, self.why
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
                Err(why) => {
                    crew.line.go_home();
                    crew.join();
                    return Err(CrewError { made: index, asked: count, why });
                }
            }
            // One after the other, so that every round finds them in the same order at the line.
            crew.line.await_count(index + 1);
        }
        Ok(crew)
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
        for thread in self.threads.drain(..) {
            // SAFETY: the thread was created joinable by `create` and is joined once, here.
            unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
        }
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

fn create<F: Fn(u32) + Send + Sync + 'static>(start: Start<F>, stack: usize) -> io::Result<libc::pthread_t> {
    let arg = Box::into_raw(Box::new(start));
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are initialised before they are used and destroyed after; `thread` is
    // written if and only if the result is 0; `arg` goes to the new thread, and comes back here if
    // there is none.
    unsafe {
        let mut result = libc::pthread_attr_init(attributes.as_mut_ptr());
        if result == 0 {
            // A size that the system does not take (it has a least size) leaves its default.
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
            result = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), begin::<F>, arg.cast());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        if result == 0 {
            Ok(thread.assume_init())
        } else {
            drop(Box::from_raw(arg));
            Err(io::Error::from_raw_os_error(result))
        }
    }
}

extern "C" fn begin<F: Fn(u32) + Send + Sync + 'static>(arg: *mut c_void) -> *mut c_void {
    // SAFETY: `create` made the box for this thread alone.
    let start = unsafe { Box::from_raw(arg.cast::<Start<F>>()) };
    if start.line.line_up() {
        (start.run)(start.index);
    }
    std::ptr::null_mut()
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
