//! Threads that live from one input to the next, so that they carry the leftovers of freed pools,
//! and can be made to exit.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A thread with a state that only its jobs see.
struct Worker<S> {
    jobs: Sender<Job<S>>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Some of them.
pub(crate) struct Crew<S: Default + 'static> {
    workers: Vec<Worker<S>>,
}

impl<S: Default + 'static> Crew<S> {
    pub(crate) fn new(count: usize) -> Self {
        Crew { workers: (0..count).map(|_| Worker::start()).collect() }
    }

    /// Runs a job on a thread and hands over what it returns.
    pub(crate) fn on<T: Send + 'static>(
        &self,
        who: usize,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> T {
        let (result, results) = channel();
        self.send(who, Box::new(move |state| result.send(job(state)).expect("somebody waits for it")));
        self.wait(who);
        results.recv().expect("the job is done")
    }

    /// Runs one job per thread, all at once.
    pub(crate) fn at_once(&self, jobs: Vec<Job<S>>) {
        let count = jobs.len();
        for (who, job) in jobs.into_iter().enumerate() {
            self.send(who, job);
        }
        (0..count).for_each(|who| self.wait(who));
    }

    /// Lets a thread exit, and starts another in its place.
    pub(crate) fn replace(&mut self, who: usize) {
        let worker = std::mem::replace(&mut self.workers[who], Worker::start());
        drop(worker.jobs);
        worker.thread.join().expect("no panic at exit");
    }

    fn send(&self, who: usize, job: Job<S>) {
        self.workers[who].jobs.send(job).expect("the thread lives");
    }

    fn wait(&self, who: usize) {
        // A panic there has been printed; here it ends the run.
        self.workers[who].done.recv().expect("no panic in the job");
    }
}

impl<S: Default + 'static> Worker<S> {
    fn start() -> Self {
        let (jobs, queue) = channel::<Job<S>>();
        let (say_done, done) = channel();
        let thread = std::thread::spawn(move || {
            let mut state = S::default();
            for job in queue {
                job(&mut state);
                if say_done.send(()).is_err() {
                    break;
                }
            }
        });
        Worker { jobs, done, thread }
    }
}
