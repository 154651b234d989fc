//! What a handler tells a task.

use core::cell::RefCell;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::task::{Poll, Waker};
use critical_section::Mutex;

/// A bell for one task.
#[derive(Debug)]
pub struct Bell {
    rung: AtomicBool,
    task: Mutex<RefCell<Option<Waker>>>,
}

impl Bell {
    /// That nobody has rung.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Bell { rung: AtomicBool::new(false), task: Mutex::new(RefCell::new(None)) }
    }

    /// From anywhere.
    pub fn ring(&self) {
        self.rung.store(true, SeqCst);
        if let Some(task) = critical_section::with(|cs| self.task.borrow_ref_mut(cs).take()) {
            task.wake();
        }
    }

    /// Waits until it has been rung since the last time.
    pub async fn rung(&self) {
        poll_fn(|context| {
            critical_section::with(|cs| {
                *self.task.borrow_ref_mut(cs) = Some(context.waker().clone());
            });
            if self.rung.swap(false, SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Lets the other tasks of the executor have a turn.
pub async fn turn() {
    let mut had = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if core::mem::replace(&mut had, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
